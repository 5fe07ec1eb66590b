"""The whole kit is run: our own sandbox passes all steps; copies broken on purpose fail the right steps and no others;
every fixture is answered as its index says."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.clock import SystemClock
from gateway.domain.document import Lane
from gateway.domain.identity import Digest
from gateway.pool import ThreadPool
from gateway.ports.axis import Fate, Parcel
from gateway.transport.embedded import EmbeddedAxis
from gateway_labs.conformance import run
from gateway_labs.conformance.line import Line
from gateway_labs.conformance.score import SkipCause
from gateway_labs.conformance.steps import STEPS
from gateway_labs.sandbox import stage
from tests.labs.support.sandbox import BROKEN_TWICE, at_work, broken_copy
from tests.support.waiting import LIMIT_S

pytestmark = [pytest.mark.timeout(900)]
ROOT = Path(__file__).parents[4]


def test_our_own_sandbox_passes_every_step(tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.html"
    command = [
        sys.executable,
        "-m",
        "gateway",
        "conformance",
        "run",
        "--self",
        "-o",
        "json",
        "--html",
        str(sheet),
    ]

    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert run.returncode == 0, run.stdout[-3000:] + run.stderr
    score = json.loads(run.stdout)
    assert (score["passed"], score["of"]) == (32, 32)
    assert [step["n"] for step in score["steps"]] == list(range(1, 33))
    assert sheet.read_text("utf-8").count("<section>") == 32


@pytest.mark.parametrize("name", BROKEN_TWICE)
async def test_a_copy_broken_on_purpose_fails_the_right_steps_alone(name: str, tmp_path: Path) -> None:
    breakage, wrong = BROKEN_TWICE[name]
    with at_work(tmp_path / "box") as real:
        async with broken_copy(real, breakage) as url:
            subject = replace(run.itself(real), url=url)
            right = {step.n for step in STEPS} - wrong
            scores = [
                await run.run(replace(subject, patience_s=25.0), only=wrong),  # it waits in vain
                await run.run(replace(subject, patience_s=LIMIT_S), only=right),
            ]

    steps = [step for score in scores for step in score.steps]
    assert {s.n for s in steps if not (s.passed or s.skipped)} == wrong
    assert {s.n: s.skipped.cause for s in steps if s.skipped} == {32: SkipCause.MISSING_INPUT}


async def test_every_fixture_is_answered_as_its_index_says(tmp_path: Path) -> None:
    box, pool = tmp_path / "box", ThreadPool(2)
    with at_work(box) as running:
        async with (
            aiohttp.ClientSession() as session,
            EmbeddedAxis(stage.settings_for(box, 0).axis.folder, "elsewhere", SystemClock(), pool) as axis,
        ):
            line = Line(session, running.url, running.key)
            files = (await line.ask("GET", "/sandbox/fixtures")).body
            archive = zipfile.ZipFile(io.BytesIO(files))
            for packet in json.loads(archive.read("index.json"))["packets"]:
                await _is_answered(line, axis, packet, archive.read(packet["file"]))
    pool.close()


async def _is_answered(line: Line, axis: EmbeddedAxis, row: dict[str, Any], raw: bytes) -> None:
    digest, packet = hashlib.sha256(raw).hexdigest(), _id_in(raw, row["file"])
    parcel = Parcel(
        packet_id=packet,
        kind=row["kind"],
        sender="T00.OK",
        lane=Lane.NORMAL,
        digest=Digest(digest),
        size=len(raw),
        open=lambda: io.BytesIO(raw),
    )
    assert (await axis.publish(parcel, ["T00.01"]))["T00.01"].fate is Fate.DELIVERED
    if row["becomes"] == "believed":
        return  # about a document that this sandbox never sent: it waits for it
    loop = asyncio.get_running_loop()
    end = loop.time() + 60
    while (state := await _became(line, digest, packet, row["kind"])) != (
        row["becomes"],
        row["answers"],
    ):
        assert loop.time() < end, (row, state)
        await asyncio.sleep(0.2)


async def _became(line: Line, digest: str, packet: str, kind: str) -> tuple[str, list[str]]:
    packets = (await line.ask("GET", "/sandbox/packets", query={"robot": "T00.OK", "limit": 200})).get("data")
    answers = sorted(
        p["said"]["status"]["code"]
        for p in packets
        if p["said"]["status"] and (p["said"]["receipt"] or {}).get("packet_id") == packet
    )
    quarantined = (await line.ask("GET", "/quarantine", query={"limit": 200})).get("data")
    for p in quarantined:
        if p["sha256"] == digest:
            return ("held" if p["state"] == "held" else "quarantined"), answers
    state = None
    for p in (await line.ask("GET", "/inbox", query={"limit": 200})).get("data"):
        envelope = await line.ask("GET", f"/inbox/{p['id']}/envelope")
        # What a recall leaves behind gives out no bytes any more.
        recalls = kind == p["business"] == "recall" and envelope.status == 409
        if recalls or hashlib.sha256(envelope.body).hexdigest() == digest:
            state = p["state"]
    if state is None:
        return ("refused" if answers == ["02"] else "nothing"), answers
    return {"held": "held", "rejected": "refused"}.get(state, "admitted"), answers


def _id_in(raw: bytes, name: str) -> str:
    """Return the packet id in the signature; for a packet that is cut before it, any id."""
    _, mark, tail = raw.partition(b"<gw:Id>")
    return (
        tail.partition(b"<")[0].decode() if mark else f"pkt_{hashlib.sha256(name.encode()).hexdigest()[:26]}"
    )
