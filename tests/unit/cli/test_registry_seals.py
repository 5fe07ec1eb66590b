"""Seals at the command line: read from a specimen, proposed by one person, approved by another, exported, withdrawn."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.ops.pdf import verify_pdf
from tests.support import pdf_pki, pdfs
from tests.support.cli_people import FIRST, SECOND, Deciders, typing
from tests.support.fixtures import cheap_passwords as cheap_passwords
from tests.support.pdf_pki import SEEN_AT
from tests.unit.cli.conftest import Terminal

CODE = "Z91.01"
SEALS = ("registry", "seals")


@pytest.fixture
def node(terminal: Terminal, tmp_path: Path) -> Terminal:
    terminal.type("init", "--data-dir", "state", "--code", CODE, "--name", "Office", "--yes")
    (tmp_path / "codes.csv").write_text(f"code,name,parent\n{CODE},Sở Mẫu,\nZ91,Ủy ban Mẫu,\n", "utf-8")
    assert terminal.type("registry", "import", "codes.csv", "--apply", "--yes").code == 0
    (tmp_path / "mau.pdf").write_bytes(pdfs.by_both())
    return terminal


def test_a_seal_comes_from_a_specimen_and_counts_after_a_second_person(
    node: Terminal, tmp_path: Path
) -> None:
    deciders = Deciders.add_to(tmp_path / "gateway.toml")
    offers = node.type(*SEALS, "read", "mau.pdf", "-o", "json").json["data"]
    assert [(o["kind"], o["name"]) for o in offers] == [("person", "Nguyễn Văn Mẫu"), ("seal", "Sở Mẫu")]
    assert offers[1]["agencies"] == [f"{CODE} Sở Mẫu"]
    unclear = node.type(*SEALS, "propose", CODE, "mau.pdf", "--as", FIRST, "--yes", "-o", "json")
    assert "--n" in unclear.json["error"]["hint"]

    with typing(deciders.lines(FIRST)):
        proposal = node.type(
            *(*SEALS, "propose", CODE, "mau.pdf", "--n", "2", "--as", FIRST, "--yes", "-o", "json")
        ).json
    details = node.type("proposals", "show", proposal["id"], "-o", "json").json
    assert (details["seals"][0]["code"], details["seals"][0]["kind"]) == (CODE, "seal")
    digest = offers[1]["sha256"]
    assert digest not in json.dumps(details), "the approver has it from the agency"
    with typing(deciders.lines(SECOND, digest[-16:])):
        assert node.type("proposals", "approve", proposal["id"], "--as", SECOND, "--yes").code == 0

    (registered,) = node.type(*SEALS, "list", CODE, "-o", "json").json["data"]
    assert (registered["sha256"], registered["state"]) == (digest, "active")
    assert node.type(*SEALS, "show", registered["id"], "-o", "json").json["approved_by"] == SECOND
    assert "Mẫu dấu" in node.type(*SEALS, "list", "--lang", "vi").out
    withdrawn = node.type(*SEALS, "withdraw", registered["id"], "--reason", "lost", "--yes", "-o", "json")
    assert withdrawn.json["code"] == CODE
    assert node.type(*SEALS, "list", "-o", "json").json["data"][0]["state"] == "withdrawn"
    assert node.type(*SEALS, "withdraw", "sea_none", "--reason", "x", "--yes").code == 3


def test_a_right_to_seal_is_proposed_with_its_act_and_approved_by_its_number(
    node: Terminal, tmp_path: Path
) -> None:
    deciders = Deciders.add_to(tmp_path / "gateway.toml")
    act = ("--act", "12/QD-UBND", "--act-date", "2026-01-02", "--from", "05/01/2026")
    with typing(deciders.lines(FIRST)):
        proposal = node.type(
            *(*SEALS, "entitle", "Z91", CODE, *act, "--as", FIRST, "--yes", "-o", "json")
        ).json
    assert "12/QD-UBND" not in node.type("proposals", "show", proposal["id"], "-o", "json").out
    with typing(deciders.lines(SECOND, "12/qd-ubnd")):
        assert node.type("proposals", "approve", proposal["id"], "--as", SECOND, "--yes").code == 0

    (right,) = node.type(*SEALS, "rights", CODE, "-o", "json").json["data"]
    assert (right["acting_code"], right["act_number"], right["valid_from"]) == (
        "Z91",
        "12/QD-UBND",
        "2026-01-05",
    )
    unknown = node.type(*SEALS, "entitle", "Z91.77", CODE, *act, "--as", FIRST, "--yes")
    assert unknown.code == 3


def test_what_is_exported_tells_whose_seal_it_is_without_a_node(node: Terminal, tmp_path: Path) -> None:
    """The parent's code has no seal there; a document with the seal of another agency names that agency."""
    deciders = Deciders.add_to(tmp_path / "gateway.toml")
    with typing(deciders.lines(FIRST)):
        proposal = node.type(
            *(*SEALS, "propose", CODE, "mau.pdf", "--n", "2", "--as", FIRST, "--yes", "-o", "json")
        ).json
    digest = proposal["sha256"][0]
    with typing(deciders.lines(SECOND, digest[-16:])):
        node.type("proposals", "approve", proposal["id"], "--as", SECOND, "--yes")
    trust = pdf_pki.folder(tmp_path / "trust" / "pdf").parent
    file, at = tmp_path / "mau.pdf", SEEN_AT
    not_compared = verify_pdf(file, trust, at, at, CODE)
    (trust / "pdf" / "seals.json").write_text(node.type(*SEALS, "export").out, "utf-8")

    own, other = verify_pdf(file, trust, at, at, CODE), verify_pdf(file, trust, at, at, "Z91")
    verify_run = node.type(
        "verify", file, "--trust", trust, "--at", at.isoformat(), "--from", "Z91", "--lang", "vi"
    )

    assert (not_compared["rule"], not_compared["seal"], not_compared["legal_value"]) == (1, None, "official")
    assert (own["rule"], own["seal"], own["legal_value"]) == (3, "own", "official-unproved")
    assert (other["seal"], other["legal_value"]) == ("other", "information")
    assert f"Dấu của cơ quan khác: Sở Mẫu ({CODE})" in verify_run.out
