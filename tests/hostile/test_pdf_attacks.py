"""The published attacks on signatures inside PDFs: forged with the bytes of a good signature, or by its own signer. Each
ends as a verdict that is not valid; none as an exception."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.domain.signatures import FileVerdict, LegalValue, SignatureWord
from gateway.policy import pdf_verdict
from gateway.trust.pdf_signatures import child
from gateway.trust.pdf_signatures.child import PdfFolder, PdfTrust
from tests.support import pdf_pki, pdfs
from tests.support.cases import Cases
from tests.support.pdf_pki import SEEN_AT, SIGNED, agency, person

Change = Callable[[bytes], bytes]


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> PdfTrust:
    return PdfFolder(pdf_pki.folder(tmp_path_factory.mktemp("pdf"))).read()


def judged(pdf: bytes, trust: PdfTrust) -> FileVerdict:
    return pdf_verdict.judge("a.pdf", 1, child.collect(io.BytesIO(pdf), trust, SEEN_AT, SEEN_AT))


def never_valid(pdf: bytes, trust: PdfTrust) -> FileVerdict:
    """The verdict, which says of no signature that it holds."""
    verdict = judged(pdf, trust)
    assert verdict.verdict is not SignatureWord.VALID
    assert all(signer.verdict is not SignatureWord.VALID for signer in verdict.signers)
    assert pdf_verdict.legal_value(verdict) is LegalValue.INFORMATION
    return verdict


def test_the_bait_is_good(trust: PdfTrust) -> None:
    """Otherwise no attack on it would prove anything."""
    assert judged(pdfs.by_agency(), trust).verdict is SignatureWord.VALID


# --- universal signature forgery: the signature's own parts are missing or empty ------------------------------


def _sized(pattern: bytes, new: bytes) -> Change:
    def change(pdf: bytes) -> bytes:
        match = re.search(pattern, pdf, re.DOTALL)
        assert match is not None
        assert len(new) <= len(match[0])
        return pdf.replace(match[0], new.ljust(len(match[0])))

    return change


_RANGE = rb"/ByteRange \[[^\]]*\]"
_CONTENTS = rb"/Contents <[0-9A-Fa-f]*>"


def test_a_signature_without_its_parts_is_not_valid(trust: PdfTrust, cases: Cases) -> None:
    ranges = ("", " null", " []", " [0 0 0 0]", " [a b]", " [0 -1 9 9]", " [0 9999999 0 9]", " [0 10 20]")
    contents = ("", " null", " <>", " <00>", " 0")
    old_form, form = b"/SubFilter /adbe.x509.rsa", rb"/SubFilter /ETSI.CAdES.detached"
    rows = [
        *((_RANGE, f"/ByteRange{text}".encode() if text else b"") for text in ranges),
        *((_CONTENTS, f"/Contents{text}".encode() if text else b"") for text in contents),
        *((form, text) for text in (old_form, b"")),
    ]
    for pattern, new in rows:
        with cases.case((pattern, new)):
            never_valid(_sized(pattern, new)(pdfs.by_agency()), trust)


# --- ranges that a signer chose: what nobody covers, nobody signed --------------------------------------------


def _ranges(a: int, b: int, c: int, d: int) -> list[tuple[str, list[int]]]:
    return [
        ("not from the start", [10, b - 10, c, d]),
        ("gap before the signature", [0, b - 40, c, d]),
        ("gap behind the signature", [0, b, c + 40, d - 40]),
        ("the end left out", [0, b, c, d - 60]),
        ("a gap of its own", [0, 100, 140, b - 140, c, d]),
        ("the signature covered twice", [0, b, b, d + c - b]),
        ("only the start", [0, b]),
    ]


def test_a_range_too_wide_bytes_in_its_gap_or_a_wrapped_object_are_not_valid(trust: PdfTrust) -> None:
    """Made anew over the right range it is: the forger works."""
    pdf = pdfs.by_agency()
    for name, chosen in _ranges(*pdfs.byte_range(pdf)):
        verdict = never_valid(pdfs.signed_over(pdf, agency(), chosen), trust)
        assert verdict.why in ("PDF-COVERAGE", "SIG-STRUCTURE", "SIG-DIGEST"), name
    assert judged(pdfs.signed_over(pdf, agency(), pdfs.byte_range(pdf)), trust).verdict is SignatureWord.VALID

    _, _, end, _ = pdfs.byte_range(pdf)
    hidden = b"cafe"

    verdict = never_valid(pdf[: end - 1 - len(hidden)] + hidden + pdf[end - 1 :], trust)

    assert verdict.why == "SIG-STRUCTURE"

    # With the range kept, its gap widened, and its second part moved to the end.
    _, b, c, d = pdfs.byte_range(pdf)
    for ranges in ((0, b, c, d), (0, b, c + 200, d - 200), (0, b, len(pdf) + 400, d)):
        never_valid(pdfs.with_signature_replaced(pdf, ranges), trust)


# --- signature wrapping: the signed bytes stay, another signature object points at them -----------------------


# --- incremental saving ---------------------------------------------------------------------------------------


def _junk(tail: bytes) -> Change:
    return lambda pdf: pdf + tail


def _startxref(pdf: bytes) -> bytes:
    return bytes(re.findall(rb"startxref\s+(\d+)", pdf)[-1])


def _proved(pdf: bytes) -> bytes:
    """With an update that is allowed."""
    return pdfs.with_dss(pdf, [pdf_pki.root().crl()])


_PAGE = b"3 0 obj\n<< /Type /Page /Contents 99 0 R >>\nendobj\n"


def test_what_was_appended_makes_a_signature_not_valid(trust: PdfTrust, cases: Cases) -> None:
    changes: dict[str, Change] = {
        "page rewritten": pdfs.rewritten,
        "page covered by a stamp": pdfs.overlaid,
        "field filled in": pdfs.filled,
        "another catalogue": pdfs.with_other_root,
        "objects, no table": _junk(_PAGE),
        "old table": lambda pdf: pdf + _PAGE + b"startxref\n" + _startxref(pdf) + b"\n%%EOF\n",
        "trailer alone": _junk(b"trailer\n<< /Root 1 0 R >>\nstartxref\n0\n%%EOF\n"),
        "empty table": _junk(b"xref\n0 0\ntrailer\n<< >>\n%%EOF\n"),
        "rubbish": _junk(b"\nnot a pdf at all" * 10),
        "objects behind an update that is allowed": lambda pdf: _proved(pdf) + _PAGE,
        "objects inside such an update": lambda pdf: pdfs.stowed(_proved(pdf), _PAGE),
    }
    for name, change in changes.items():
        with cases.case(name):
            never_valid(change(pdfs.by_agency()), trust)


# --- a cover that is drawn by a signature field of its own ------------------------------------------------------


def _stranger() -> pdf_pki.Holder:
    purposes = (ExtendedKeyUsageOID.TIME_STAMPING,)
    return pdf_pki.root("Another Root").issue("TSA", kind="rsa-2048", purposes=purposes)


def test_a_field_that_covers_the_page_and_names_no_signer_is_not_valid(trust: PdfTrust) -> None:
    """Unsigned, and with a timestamp."""
    for covered in (
        pdfs.covered(pdfs.by_both()),
        pdfs.covered(pdfs.by_both(), pdfs.stamper(_stranger(), SIGNED)),
    ):
        verdict = never_valid(covered, trust)
        assert {signer.why for signer in verdict.signers} == {"PDF-CHANGED"}


def test_what_a_signature_nobody_vouches_for_may_have_covered_is_not_official(trust: PdfTrust) -> None:
    pdf = pdfs.sign(pdfs.by_both(), _stranger(), "Cover", mark_text="10 000 000")

    verdict = judged(pdf, trust)

    assert [signer.verdict for signer in verdict.signers] == [
        SignatureWord.VALID,
        SignatureWord.VALID,
        SignatureWord.INVALID,
    ]
    assert pdf_verdict.legal_value(verdict) is LegalValue.INFORMATION


# --- shadow attacks: prepared before signing, revealed after --------------------------------------------------


def test_a_shadow_revealed_after_signing_or_a_change_signed_over_is_not_valid(trust: PdfTrust) -> None:
    signed = pdfs.sign(pdfs.shadowed(), agency(), "A")
    assert judged(signed, trust).verdict is SignatureWord.VALID
    for reveal in (pdfs.uncovered, pdfs.filled, pdfs.with_hidden_page):
        never_valid(reveal(signed), trust)

    pdf = pdfs.sign(pdfs.rewritten(pdfs.sign(pdfs.plain(), person(), "A")), agency(), "B")

    first, second = judged(pdf, trust).signers

    assert (first.why, second.verdict) == ("PDF-CHANGED", SignatureWord.VALID)
    assert pdf_verdict.legal_value(judged(pdf, trust)) is LegalValue.INFORMATION


# --- files that want to break the reader ----------------------------------------------------------------------


def test_a_broken_file_is_a_verdict(trust: PdfTrust, cases: Cases) -> None:
    pdf = pdfs.by_agency()
    broken = {
        "table beyond the end": pdf.replace(b"startxref\n", b"startxref\n9"),
        "no end": pdf.replace(b"%%EOF", b"%%EOX"),
        "no first table": pdf.replace(b"/Prev", b"/Prex"),
        "half": pdf[: len(pdf) // 2],
        "no head": pdf[300:],
        "empty": b"",
        "deep": b"%PDF-1.7\n" + b"[" * 100_000,
        "tables in a circle": pdfs.with_loop(pdf),
        "fields in a circle": pdfs.with_fields_in_a_circle(pdf),
        "encrypted": pdfs.locked(pdf),
        "arrays a thousand deep": pdfs.deep(pdf),
    }
    for name, changed in broken.items():
        with cases.case(name):
            never_valid(changed, trust)


def test_a_file_with_too_many_signatures_is_not_judged(trust: PdfTrust) -> None:
    pdf = pdfs.plain()
    for n in range(21):
        pdf = pdfs.sign(pdf, agency(), f"A{n}")

    assert judged(pdf, trust).why == "PDF-LIMIT"


def test_a_broken_trust_folder_is_named(tmp_path: Path) -> None:
    from gateway.errors import Misconfigured

    (tmp_path / "ca.pem").write_bytes(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")

    with pytest.raises(Misconfigured, match=r"ca\.pem"):
        PdfFolder(tmp_path).read()
