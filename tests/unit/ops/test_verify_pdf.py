"""`gateway verify` on PDFs: of one alone, and of those in an envelope, offline."""

from __future__ import annotations

import json
import socket
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.cli.main import build
from gateway.errors import Misconfigured
from gateway.ops.pdf import verify_pdf
from gateway.ops.verify_file import verify_file
from gateway.trust.authority import Authority
from gateway.trust.keys import FileSigner
from tests.support import envelopes, pdf_pki, pdfs
from tests.support.pdf_pki import SEEN

AT = envelopes.SIGNED_AT
KEY = ec.generate_private_key(ec.SECP256R1())
AUTHORITY = Authority.create("Demo root", AT - timedelta(days=30))
CERTIFICATE = AUTHORITY.issue(envelopes.SENDER, "Sở Thử nghiệm", KEY.public_key(), AT - timedelta(days=20))
FILES = (("van-ban.pdf", pdfs.by_both()), ("phu-luc.txt", b"phu luc"), ("khong-ky.pdf", pdfs.plain()))
NATIVE = envelopes.native(
    envelopes.document(FILES), FILES, signer=FileSigner(envelopes.SENDER, KEY, CERTIFICATE)
)


@pytest.fixture
def trust(tmp_path: Path) -> Path:
    """A folder for envelopes, with one for PDFs in it."""
    folder = tmp_path / "trust"
    AUTHORITY.write_trust(folder, {envelopes.SENDER: CERTIFICATE})
    pdf_pki.folder(folder / "pdf")
    return folder


@pytest.fixture
def place(tmp_path: Path) -> Path:
    path = tmp_path / "van-ban.pdf"
    path.write_bytes(pdfs.by_both())
    return path


def test_a_pdf_alone_is_told_with_its_signers_and_its_value(place: Path, trust: Path) -> None:
    told = verify_pdf(place, trust, SEEN, SEEN)

    assert (told["verdict"], told["code"], told["legal_value"]) == ("valid", None, "official")
    assert [(each["name"], each["role"]) for each in told["signers"]] == [
        ("Nguyễn Văn Mẫu", "person"),
        ("Sở Mẫu", "agency"),
    ]
    json.dumps(told)


def test_a_folder_that_is_for_pdfs_alone_will_do(place: Path, trust: Path) -> None:
    assert verify_pdf(place, trust / "pdf", SEEN, SEEN)["verdict"] == "valid"


def test_rules_of_the_folder_say_who_is_an_agency(place: Path, trust: Path) -> None:
    rule = '[[rule]]\nrole = "agency"\npart = "common_name"\nbegins = "Nguyễn"\n'
    (trust / "pdf" / "roles.toml").write_text(rule, encoding="utf-8")

    assert [each["role"] for each in verify_pdf(place, trust, SEEN, SEEN)["signers"]] == ["agency", "agency"]


@pytest.mark.parametrize(
    "text",
    [
        "rule = 1",
        "[[rule]]\nrole = 'boss'\npart = 'user_id'\nis = 'x'",
        "[[rule]]\nrole = 'agency'\npart = 'user_id'",
        "[[rule]]\nrole = 'agency'\npart = 1\nis = 'x'",
        "other = 1",
        "[[",
    ],
)
def test_rules_that_cannot_be_understood_are_named(place: Path, trust: Path, text: str) -> None:
    (trust / "pdf" / "roles.toml").write_text(text, encoding="utf-8")

    with pytest.raises(Misconfigured, match=r"roles\.toml"):
        verify_pdf(place, trust, SEEN, SEEN)


def test_a_broken_trust_folder_is_an_error_and_no_verdict(place: Path, trust: Path) -> None:
    (trust / "pdf" / "ca.pem").write_bytes(b"nothing")

    with pytest.raises(Misconfigured, match=r"ca\.pem"):
        verify_pdf(place, trust, SEEN, SEEN)


@pytest.mark.parametrize("raw", [NATIVE, NATIVE + b"\n"], ids=["fast path", "general path"])
def test_the_pdfs_of_an_envelope_are_told_beside_it(tmp_path: Path, trust: Path, raw: bytes) -> None:
    file = tmp_path / "packet.edxml"
    file.write_bytes(raw)

    told = verify_file(file, trust, AT)

    assert told["verdict"] == "valid"
    found = [(each["file"], each["verdict"], len(each["signers"])) for each in told["pdf"]]
    assert found == [("van-ban.pdf", "valid", 2), ("khong-ky.pdf", "unsigned", 0)]


def test_of_an_envelope_that_is_not_signed_as_it_says_no_pdf_is_told(tmp_path: Path, trust: Path) -> None:
    file = tmp_path / "packet.edxml"
    file.write_bytes(NATIVE.replace(b"</edXML:Subject>", b" </edXML:Subject>", 1))

    told = verify_file(file, trust, AT)

    assert (told["verdict"], told["pdf"]) == ("invalid", [])


def test_an_envelope_without_anchors_for_pdfs_says_so(tmp_path: Path, trust: Path) -> None:
    (trust / "pdf" / "ca.pem").unlink()
    file = tmp_path / "packet.edxml"
    file.write_bytes(NATIVE)

    assert verify_file(file, trust, AT)["pdf"][0]["code"] == "PDF-NO-ANCHORS"


@pytest.mark.parametrize(
    ("lang", "words"),
    [
        ("vi", ("Nguyễn Văn Mẫu", "chữ ký của cơ quan", "Hợp lệ", "Giá trị pháp lý")),
        ("en", ("Nguyễn Văn Mẫu", "agency", "Valid", "Legal value")),
    ],
)
def test_a_clerk_reads_the_result_in_words(
    place: Path,
    trust: Path,
    lang: str,
    words: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("the network was used"))

    code = build()(
        ["verify", str(place), "--trust", str(trust), "--at", SEEN.isoformat(), "--lang", lang],
        standalone_mode=False,
    )

    told = capsys.readouterr().out
    assert not code
    assert [word for word in words if word not in told] == []


def test_a_changed_pdf_ends_with_the_exit_code_for_what_is_not_valid(
    place: Path, trust: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place.write_bytes(place.read_bytes().replace(b"Noi dung van ban", b"Noi dung van bai"))

    code = build()(["verify", str(place), "--trust", str(trust), "-o", "json"], standalone_mode=False)

    assert code == 7
    assert json.loads(capsys.readouterr().out)["code"] == "SIG-DIGEST"
