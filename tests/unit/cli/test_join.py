"""What a new node does not take of its authority. A whole set-up: tests/long/acceptance/test_packages.py."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.clock import SystemClock
from gateway.trust.keys import KeyDirectory
from gateway_labs.authority import Authority
from tests.support.cases import Cases
from tests.support.cli_people import FIRST, Deciders, typing
from tests.unit.cli.conftest import CommandRun, Terminal

PARTNER = "Z91.07"


@pytest.fixture
def gifts(terminal: Terminal, tmp_path: Path) -> Path:
    """Set a node up, and return the folder that its authority made for it."""
    authority = Authority.create("Trial", SystemClock().now())
    authority.save(tmp_path)
    words = ("--data-dir", "state", "--code", "Z91.02", "--name", "Office", "--port", "0", "--ca", "ca.pem")
    node = terminal.type("init", *words, "--yes", "-o", "json").json
    partner = KeyDirectory(tmp_path / "partner", None)
    requests = {
        "Z91.02": Path(node["request"]).read_bytes(),
        PARTNER: partner.request(PARTNER, partner.generate(PARTNER).key_id, "Partner"),
    }
    folder = tmp_path / "gifts"
    folder.mkdir()
    for code, request in requests.items():
        certificate = authority.issue_for_request(request, SystemClock().now())
        (folder / f"{code}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (folder / "agencies.csv").write_text("code,name\nZ91.02,Office\nZ91.07,Partner\n", encoding="utf-8")
    (folder / "bindings.csv").write_text("code,certificate\nZ91.02,Z91.02.pem\nZ91.07,Z91.07.pem\n")
    return folder


def joined(terminal: Terminal, folder: Path, lines: str = "") -> CommandRun:
    with typing(lines):
        return terminal.type("join", folder, "--yes", "-o", "ndjson", "--lang", "en")


def test_what_does_not_fit_is_refused_before_anything_is_taken(
    terminal: Terminal, gifts: Path, tmp_path: Path, cases: Cases
) -> None:
    bindings, codes = gifts / "bindings.csv", gifts / "agencies.csv"

    def refused(reason: str, code: int, file: Path, text: str, lines: str = "") -> None:
        with cases.case(reason):
            good = file.read_text(encoding="utf-8")
            file.write_text(text, encoding="utf-8")
            run = joined(terminal, gifts, lines)
            file.write_text(good, encoding="utf-8")
            assert (run.code, reason in run.out) == (code, True), run.out
            assert [k["state"] for k in terminal.type("keys", "list", "-o", "json").json["data"]] == [
                "waiting"
            ]
            assert terminal.type("registry", "show", PARTNER).code == 3

    refused("this node knows fewer who may", 1, codes, codes.read_text())
    deciders = Deciders.add_to(tmp_path / "gateway.toml")
    refused("is for no key of Z91.02", 3, bindings, "code,certificate\nZ91.02,Z91.07.pem\n")
    refused("there is no certificate", 2, bindings, "code,certificate\nZ91.07,lost.pem\n")
    refused("agencies.csv has 1 problem", 4, codes, "code,name\nno code,Partner\n")
    refused("code do not fit", 5, codes, codes.read_text(), deciders.lines(FIRST).replace("\n", "x\n", 1))
