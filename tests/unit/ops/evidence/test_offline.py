"""A pack made by one node verifies elsewhere: another folder, nothing of the caller's environment, no network, no node;
a PDF in it by the answers that its verdict rested on."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.domain.signatures import LegalValue
from gateway.ops.evidence import contents
from gateway.workers.clocks import SignaturesClock
from gateway_labs.demo import stage
from tests.support import pdf_pki, pdfs
from tests.support.clock import ManualClock
from tests.support.evidence import (
    YEARS_LATER,
    Scene,
    TimeAuthority,
    check,
    exchanged,
    pack_of,
    sealed,
    unpacked,
)
from tests.support.live_authority import live
from tests.support.node import DEPARTMENT, PROVINCE, opened
from tests.support.seals import register, seal_of

ROOT = Path(__file__).parents[4]
# Raises at the first thing that has to do with a network, and at the end says what was loaded.
GUARDED = """
import sys
def guard(event, args):
    if event.startswith("socket.") and event != "socket.gethostname":
        raise SystemExit(f"the network was touched: {event}")
sys.addaudithook(guard)
from gateway.program import run
code = run(sys.argv[1:])
wiring = {"gateway.bootstrap.node", "gateway.bootstrap.core"}
loaded = ({"sqlalchemy", "aiohttp", "aio_pika", "gateway.store"} | wiring) & set(sys.modules)
if loaded:
    raise SystemExit(f"loaded without need: {sorted(loaded)}")
sys.exit(code)
"""


def verify_words(scene: Scene, to: Path) -> list[str]:
    """Copy the pack and what the court brought to another path; return the words to check them with."""
    (to / "court").mkdir(parents=True)
    (to / "court" / "pack.zip").write_bytes(scene.sent)
    shutil.copytree(scene.trust, to / "court" / "trust")
    shutil.copy(scene.seal, to / "court" / "published.seal")
    words = ["evidence", "verify", "pack.zip", "--trust", "trust", "--seal", "published.seal"]
    return [*words, "--at", YEARS_LATER.isoformat(), "-o", "json"]


def run(words: list[str], folder: Path) -> tuple[int, dict[str, Any], str]:
    """Run the command in an environment with nothing but a place for Python's own files."""
    process = subprocess.run(
        words,
        cwd=folder / "court",
        env={"PYTHONPATH": str(ROOT), "HOME": str(folder), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    report = json.loads(process.stdout) if process.stdout.startswith("{") else {}
    return process.returncode, report, process.stderr


def test_a_pack_verifies_where_every_socket_is_an_error_and_no_database_is_loaded(
    scene: Scene, tmp_path: Path
) -> None:
    code, report, errors = run([sys.executable, "-c", GUARDED, *verify_words(scene, tmp_path)], tmp_path)

    assert (code, report.get("verdict")) == (0, "valid"), errors


def test_a_pack_verifies_in_a_process_without_any_network(scene: Scene, tmp_path: Path) -> None:
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-rn", "true"], check=False).returncode:
        pytest.skip("this machine lets nobody make a namespace without a network")
    words = [unshare, "-rn", sys.executable, "-m", "gateway", *verify_words(scene, tmp_path)]

    code, report, errors = run(words, tmp_path)

    assert (code, report.get("verdict")) == (0, "valid"), errors


def test_the_exit_code_is_7_for_an_invalid_or_undecided_pack(scene: Scene, tmp_path: Path) -> None:
    words = verify_words(scene, tmp_path)
    raw = bytearray(scene.sent)
    raw[len(raw) // 2] ^= 1
    bare = ["evidence", "verify", "pack.zip", "-o", "json"]

    for arguments, content, verdict in ((bare, scene.sent, "unknown"), (words, bytes(raw), "invalid")):
        (tmp_path / "court" / "pack.zip").write_bytes(content)
        code, report, errors = run([sys.executable, "-m", "gateway", *arguments], tmp_path)
        assert (code, report["verdict"]) == (7, verdict), errors


async def test_a_pdf_is_judged_offline_by_the_answers_that_its_verdict_rested_on(tmp_path: Path) -> None:
    root, clock, time = tmp_path / "node", ManualClock(), TimeAuthority()
    async with opened(root):
        pass  # the stage is copied
    trust = stage.settings_for(root).trust.folder
    pdf_pki.folder(trust / "pdf", lists=())
    (trust / "tsa").mkdir()
    (trust / "tsa" / "ca.pem").write_bytes(time.root.public_bytes(Encoding.PEM))
    with live(clock.now) as authority:
        authority.permit(trust / "pdf")
        agency = authority.issue("Sở Mẫu")
        pdf = await asyncio.to_thread(pdfs.sign, pdfs.plain(), agency, "CoQuan", reason="SAO Y")
        async with opened(root, clock) as town:
            await register(town.node.deciding, seal_of(DEPARTMENT, agency))
            sent, arrived = await exchanged(town, files=(("15.pdf", pdf),))
            await SignaturesClock().step(town.node.inn)
            assert (await town.reload(arrived)).legal_value is LegalValue.COPY
            await sealed(town, time)
            received = await pack_of(town, PROVINCE, arrived.id)
            by_sender = await pack_of(town, DEPARTMENT, sent.id)

    story = contents.read_story(unpacked(received, tmp_path / "a")["story.json"])
    (file,) = story.files
    assert (file.verdict, file.conclusion) == ("valid", "TOTAL-PASSED")
    (digest,) = file.answers
    assert f"revocation/{digest}.ocsp" in unpacked(received, tmp_path / "a")

    court = shutil.copytree(trust, tmp_path / "court")
    for at in (clock.now() + timedelta(days=2), YEARS_LATER):
        (line,) = check(received, tmp_path, court, at=at).pdf_lines
        assert (line.ok, line.note, line.params["conclusion"], line.trusted) == (
            True,
            "pdf_valid",
            "TOTAL-PASSED",
            True,
        )

    (line,) = check(by_sender, tmp_path, court, at=YEARS_LATER).pdf_lines
    assert (line.ok, line.note, line.params["conclusion"]) == (
        True,
        "pdf_valid",
        "TOTAL-PASSED",
    ), "the sender asked too, and keeps the answer"
