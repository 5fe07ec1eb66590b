"""`gateway demo --once --keep`: what it leaves can be proved by the commands that the README prints."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = [pytest.mark.long]


def gateway(*words: object, folder: Path) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    process = subprocess.run(
        [sys.executable, "-m", "gateway", "--lang", "en", *map(str, words)],
        env=clean | {"GATEWAY_NODE_DATA_DIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


def test_its_evidence_pack_is_valid_and_says_what_verify_says(tmp_path: Path) -> None:
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
    assert "VALID: signed by Z91, unchanged." in gateway(
        "verify", envelope, "--trust", demo / "trust", folder=demo
    )
