"""`gateway verify` on PDFs: of one alone, and of those in an envelope, offline."""

from __future__ import annotations

import json
import socket
from functools import cache
from pathlib import Path

import pytest

from gateway.cli.main import build
from gateway.errors import Misconfigured
from gateway.ops.pdf import verify_pdf
from gateway.ops.verify_file import verify_file
from tests.support import envelopes, pdf_pki, pdfs
from tests.support.cases import Cases
from tests.support.pdf_pki import SEEN_AT
from tests.unit.ops.test_verify_file import AT, signer
from tests.unit.ops.test_verify_file import file as file
from tests.unit.ops.test_verify_file import trust as trust


@cache
def with_pdfs() -> bytes:
    files = (("van-ban.pdf", pdfs.by_both()), ("phu-luc.txt", b"phu luc"), ("khong-ky.pdf", pdfs.plain()))
    return envelopes.native(envelopes.document(files), files, signer=signer())


@pytest.fixture
def pdf_trust(trust: Path) -> Path:
    """A folder for envelopes, with one for PDFs in it."""
    pdf_pki.folder(trust / "pdf")
    return trust


@pytest.fixture
def place(tmp_path: Path) -> Path:
    path = tmp_path / "van-ban.pdf"
    path.write_bytes(pdfs.by_both())
    return path


def test_a_pdf_alone_is_told_with_its_signers_and_its_value(place: Path, pdf_trust: Path) -> None:
    verdict = verify_pdf(place, pdf_trust, SEEN_AT, SEEN_AT)

    assert (verdict["verdict"], verdict["code"], verdict["legal_value"]) == ("valid", None, "official")
    assert [(signer["name"], signer["role"]) for signer in verdict["signers"]] == [
        ("Nguyễn Văn Mẫu", "person"),
        ("Sở Mẫu", "agency"),
    ]
    json.dumps(verdict)


def test_rules_of_the_folder_say_who_is_an_agency(place: Path, pdf_trust: Path) -> None:
    rule = '[[rule]]\nrole = "agency"\npart = "common_name"\nbegins = "Nguyễn"\n'
    (pdf_trust / "pdf" / "roles.toml").write_text(rule, encoding="utf-8")

    assert [signer["role"] for signer in verify_pdf(place, pdf_trust, SEEN_AT, SEEN_AT)["signers"]] == [
        "agency",
        "agency",
    ]


def test_rules_that_cannot_be_understood_and_a_broken_folder_are_named(
    place: Path, pdf_trust: Path, cases: Cases
) -> None:
    assert verify_pdf(place, pdf_trust / "pdf", SEEN_AT, SEEN_AT)["verdict"] == "valid", (
        "a folder for PDFs alone"
    )
    for text in (
        "rule = 1",
        "[[rule]]\nrole = 'boss'\npart = 'user_id'\nis = 'x'",
        "[[rule]]\nrole = 'agency'\npart = 'user_id'",
        "[[rule]]\nrole = 'agency'\npart = 1\nis = 'x'",
        "other = 1",
        "[[",
    ):
        (pdf_trust / "pdf" / "roles.toml").write_text(text, encoding="utf-8")
        with cases.case(text), pytest.raises(Misconfigured, match=r"roles\.toml"):
            verify_pdf(place, pdf_trust, SEEN_AT, SEEN_AT)
    (pdf_trust / "pdf" / "roles.toml").unlink()
    (pdf_trust / "pdf" / "ca.pem").write_bytes(b"nothing")
    with pytest.raises(Misconfigured, match=r"ca\.pem"):
        verify_pdf(place, pdf_trust, SEEN_AT, SEEN_AT)


def test_the_pdfs_of_an_envelope_are_told_beside_it(file: Path, pdf_trust: Path) -> None:
    """On both paths; not of one that is not signed as it says."""
    for raw in (with_pdfs(), with_pdfs() + b"\n"):
        file.write_bytes(raw)
        verdict = verify_file(file, pdf_trust, AT)
        assert verdict["verdict"] == "valid"
        verdicts = [(x["file"], x["verdict"], len(x["signers"])) for x in verdict["pdf"]]
        assert verdicts == [("van-ban.pdf", "valid", 2), ("khong-ky.pdf", "unsigned", 0)]

    (pdf_trust / "pdf" / "ca.pem").unlink()
    assert verify_file(file, pdf_trust, AT)["pdf"][0]["code"] == "PDF-NO-ANCHORS"
    file.write_bytes(with_pdfs().replace(b"</edXML:Subject>", b" </edXML:Subject>", 1))
    verdict = verify_file(file, pdf_trust, AT)
    assert (verdict["verdict"], verdict["pdf"]) == ("invalid", [])


@pytest.mark.parametrize(
    ("lang", "words"),
    [
        ("vi", ("Nguyễn Văn Mẫu", "chữ ký của cơ quan", "Hợp lệ", "Giá trị pháp lý")),
        ("en", ("Nguyễn Văn Mẫu", "agency", "Valid", "Legal value")),
    ],
)
def test_a_clerk_reads_the_result_in_words(
    place: Path,
    pdf_trust: Path,
    lang: str,
    words: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("the network was used"))

    code = build()(
        ["verify", str(place), "--trust", str(pdf_trust), "--at", SEEN_AT.isoformat(), "--lang", lang],
        standalone_mode=False,
    )

    printed = capsys.readouterr().out
    assert not code
    assert [word for word in words if word not in printed] == []


def test_a_changed_pdf_ends_with_the_exit_code_for_what_is_not_valid(
    place: Path, pdf_trust: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place.write_bytes(place.read_bytes().replace(b"Noi dung van ban", b"Noi dung van bai"))

    code = build()(["verify", str(place), "--trust", str(pdf_trust), "-o", "json"], standalone_mode=False)

    assert code == 7
    assert json.loads(capsys.readouterr().out)["code"] == "SIG-DIGEST"
