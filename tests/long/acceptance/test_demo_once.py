"""`gateway demo --once --keep`: what it leaves can be proved by the commands that the README prints."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest

from gateway.ops.evidence import verify
from tests.support.cases import Cases

pytestmark = [pytest.mark.long]


FLIPS = 24


def gateway(*words: object, folder: Path, code: int = 0) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    process = subprocess.run(
        [sys.executable, "-m", "gateway", "--lang", "en", *map(str, words)],
        env=clean | {"GATEWAY_NODE_DATA_DIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == code, process.stdout + process.stderr
    return process.stdout + (process.stderr if code else "")


def test_its_evidence_pack_is_valid_and_says_what_verify_says(
    tmp_path: Path, seed: int, cases: Cases
) -> None:
    demo, pack, envelope = tmp_path / "demo", tmp_path / "pack.zip", tmp_path / "packet.edxml"
    gateway("demo", "--once", "--keep", demo, folder=demo)
    listed = json.loads(gateway("outbox", "list", "--agency", "Z91", "-o", "json", folder=demo))
    rows = listed["data"] if isinstance(listed, dict) else listed
    document = next(row for row in rows if row["number"] == "118")
    gateway("evidence", "make", document["id"], "--agency", "Z91", "--to", pack, folder=demo)

    report = gateway("evidence", "verify", pack, "--trust", demo / "trust", folder=demo)
    assert "VALID: everything that the pack proves holds." in report
    with zipfile.ZipFile(pack) as members:
        name = next(name for name in members.namelist() if name.startswith("packets/"))
        envelope.write_bytes(members.read(name))
        lines = members.read("log/leaves.jsonl").decode("ascii").splitlines()
    assert json.loads(lines[-1])["seal"] > 1, "the story is sealed to its end"
    assert "VALID: signed by Z91, unchanged." in gateway(
        "verify", envelope, "--trust", demo / "trust", folder=demo
    )

    proof = tmp_path / "118.tlog-proof"
    gateway("evidence", "make", document["id"], "--agency", "Z91", "--proof", "--to", proof, folder=demo)
    proved = gateway("verify", proof, "--of", envelope, "--trust", demo / "trust", folder=demo)
    assert "VALID" in proved

    raw, now, chance = pack.read_bytes(), datetime.now(UTC), Random(seed)
    for n in range(FLIPS):
        place = len(raw) * n // FLIPS + chance.randrange(len(raw) // FLIPS)
        with cases.case(f"byte {place}"):
            envelope.write_bytes(
                raw[:place] + bytes([raw[place] ^ 1 << chance.randrange(8)]) + raw[place + 1 :]
            )
            assert verify.verify(envelope, demo / "trust", None, now).verdict == "invalid"

    without = shutil.copytree(demo / "trust", tmp_path / "without")
    shutil.copy(demo / "trust" / "pdf" / "ca.pem", without / "ca.pem")
    report = gateway("evidence", "verify", pack, "--trust", without, folder=demo, code=7)
    assert "NOT VALID" in report
    (without / "ca.pem").unlink()
    assert "ca.pem" in gateway("evidence", "verify", pack, "--trust", without, folder=demo, code=1)
