"""Our verdicts on PDF signatures agree with those of pyHanko's own validator, on files that `gateway sign` makes and on
foreign ones; each disagreement stands in the table with its reason. And `gateway sign` reaches the level that the
authorities allow."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import crl
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign import signers
from pyhanko.sign.fields import MDPPerm, SigSeedSubFilter
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko.sign.validation.dss import DocumentSecurityStore
from pyhanko_certvalidator import ValidationContext

from gateway.domain.pdf import Purpose, SignedPdf, Wish
from gateway.domain.signatures import FileVerdict, SignatureWord
from gateway.errors import Clash
from gateway.policy import pdf_signing, pdf_verdict
from gateway.trust.pdf_authorities import PdfAuthorities, read_pdf_sources
from gateway.trust.pdf_signatures import child
from gateway.trust.pdf_signatures.child import PdfFolder
from gateway.trust.pdf_signing.agency_key import HeldKey
from gateway.trust.pdf_signing.long_term import ProofGatherer
from gateway.trust.pdf_signing.signer import PadesSigner
from gateway.trust.seals import TimestampAuthority
from tests.support import pdf_pki, pdfs
from tests.support.cases import Cases
from tests.support.live_authority import DAY, HOUR, LiveAuthority, live
from tests.support.pdf_pages import paper
from tests.support.pdf_pki import SEEN_AT, SIGNED, Holder, agency, root, tsa

COPY = Wish(purpose=Purpose.COPY, agency_name="Sở Mẫu")


@pytest.fixture
def authority() -> Iterator[LiveAuthority]:
    with live(lambda: SIGNED) as running:
        yield running


def signer_of(authority: LiveAuthority, trust: Path, *, stamps: bool = True) -> PadesSigner:
    authority.permit(pdf_pki.folder(trust, lists=()))
    sources = read_pdf_sources(trust)
    assert sources is not None
    time = TimestampAuthority(url=authority.server.url, roots=(root().certificate,)) if stamps else None
    gatherer = ProofGatherer(folder=trust, authorities=PdfAuthorities(sources))
    return PadesSigner(time=time, proofs=gatherer)


def signed(signer: PadesSigner, folder: Path, holder: Holder) -> tuple[SignedPdf, bytes]:
    """Sign a page with the mark of a copy, as `gateway sign` does."""
    path, out = folder / "plain.pdf", folder / "signed.pdf"
    path.write_bytes(paper())
    key = HeldKey(holder.private_key, holder.certificate, [root().certificate], SIGNED)
    words = [signer.set_text(("SAO Y",), 10, 227)]
    placement = pdf_signing.place_mark(COPY, signer.view(path, 1), words)
    result = signer.sign(path, out, placement, None, key, SIGNED)
    return result, out.read_bytes()


def judged(pdf: bytes, trust: Path, seen_at: datetime = SEEN_AT) -> FileVerdict:
    facts = child.collect(io.BytesIO(pdf), PdfFolder(trust).read(), seen_at, seen_at)
    return pdf_verdict.judge("a.pdf", 1, facts)


# --- the level that gateway sign reaches ----------------------------------------------------------------------


def test_with_authorities_that_answer_the_level_is_b_lt_and_needs_nobody_years_later(
    tmp_path: Path, authority: LiveAuthority
) -> None:
    """Also for pyHanko's validator of that level."""
    ended = authority.issue("Sở Ngắn", not_after=SIGNED + DAY)

    result, pdf = signed(signer_of(authority, tmp_path / "trust"), tmp_path, ended)

    assert (result.level, result.missing) == ("B-LT", ())
    validated_at = SIGNED + 12 * HOUR
    verdict = judged(pdf, pdf_pki.folder(tmp_path / "later", lists=()), validated_at)
    assert (verdict.verdict, verdict.signers[0].trusted_at) == (SignatureWord.VALID, SIGNED)
    assert verdict.answers == (), "everything is in the file"
    assert is_accepted_by_pyhanko(pdf, (), validated_at)


def test_the_missing_proofs_of_a_higher_level_are_listed(
    tmp_path: Path, authority: LiveAuthority, cases: Cases
) -> None:
    rows: dict[str, tuple[set[str], bool, str, tuple[str, ...]]] = {
        "no answers": ({"tsa"}, True, "B-T", ("signer-revocation", "tsa-revocation")),
        "no timestamp authority": ({"ocsp"}, False, "B-B", ("timestamp",)),
        "a silent timestamp authority": ({"ocsp"}, True, "B-B", ("timestamp-unreachable",)),
        "lists alone": ({"crl", "tsa"}, True, "B-LT", ()),
    }
    holder = authority.issue("Sở Hỏi")
    for name, (speaks, stamps, level, missing) in rows.items():
        authority.speaks = speaks
        folder = tmp_path / name
        folder.mkdir()
        with cases.case(name):
            result, pdf = signed(signer_of(authority, folder / "trust", stamps=stamps), folder, holder)
            assert (result.level, result.missing) == (level, missing)
            assert judged(pdf, pdf_pki.folder(folder / "judge")).verdict is SignatureWord.VALID
    without = tmp_path / "no anchors"
    without.mkdir()
    result, _ = signed(PadesSigner(proofs=ProofGatherer(folder=without / "trust")), without, holder)
    assert (result.level, result.missing) == ("B-B", ("timestamp", "anchors"))


def test_threat_042_a_key_that_its_authority_calls_revoked_does_not_sign(
    tmp_path: Path, authority: LiveAuthority
) -> None:
    holder = authority.issue("Sở Hỏi")
    authority.revoked[holder.certificate.serial_number] = SIGNED - DAY

    with pytest.raises(Clash) as refused:
        signed(signer_of(authority, tmp_path / "trust"), tmp_path, holder)

    assert refused.value.code == "CERT-REVOKED"
    assert authority.request_kinds == ["ocsp"], "no timestamp was asked for, and the key was not used"


# --- two validators -------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Row:
    """A PDF, the lists that both validators have, and why they may disagree."""

    pdf: bytes
    lists: Sequence[x509.CertificateRevocationList] = ()
    disagrees: str = ""


def rows() -> dict[str, Row]:
    good, stamp = (root().crl(),), pdfs.stamper(tsa(), SIGNED)
    by = pdfs.sign
    plain, own = pdfs.plain(), agency()
    rsa, p384 = (root().issue(f"Sở {kind}", agency=True, kind=kind) for kind in ("rsa-3072", "p384"))
    ended = root().issue("Sở Cũ", agency=True, not_after=SIGNED + HOUR)
    stranger = pdf_pki.root("Another Root").issue("Sở Lạ", agency=True)
    between = root().subordinate("Test PDF Sub")
    below = between.issue("Sở Xa", agency=True)
    revoked = root().crl((own, SIGNED - DAY))
    later_crl = root().crl((own, SIGNED + HOUR))
    return {
        "PAdES": Row(pdf=by(plain, own, "A"), lists=good),
        "the older form": Row(pdf=by(plain, own, "A", pades=False), lists=good),
        "RSA": Row(pdf=by(plain, rsa, "A"), lists=good),
        "RSA-PSS": Row(pdf=with_pss(plain, rsa), lists=good),
        "P-384, SHA-512": Row(pdf=by(plain, p384, "A", digest="sha512"), lists=good),
        "two signers": Row(pdf=pdfs.by_both(), lists=good),
        "a further field": Row(pdf=pdfs.new_field(pdfs.by_both()), lists=good),
        "certified, closed": Row(pdf=by(plain, own, "A", certify=MDPPerm.NO_CHANGES), lists=good),
        "certified, filled": Row(
            pdf=pdfs.filled(by(plain, own, "A", certify=MDPPerm.FILL_FORMS)), lists=good
        ),
        "certified, closed, filled": Row(
            pdf=pdfs.filled(by(plain, own, "A", certify=MDPPerm.NO_CHANGES)), lists=good
        ),
        "filled": Row(
            pdf=pdfs.filled(by(plain, own, "A")),
            lists=good,
            disagrees="pyHanko lets form fields change after any signature; a form is no document of ours",
        ),
        "a timestamp": Row(pdf=by(plain, own, "A", stamper=stamp), lists=good),
        "a document timestamp": Row(pdf=pdfs.stamped(by(plain, own, "A"), stamp), lists=good),
        "a store": Row(pdf=pdfs.with_dss(by(plain, own, "A", stamper=stamp), good), lists=good),
        "an authority between": Row(
            pdf=by(plain, below, "A", chain=(between,)), lists=(*good, between.crl())
        ),
        "a missing authority": Row(pdf=by(plain, below, "A"), lists=(*good, between.crl())),
        "an unknown authority": Row(pdf=by(plain, stranger, "A"), lists=good),
        "no revocation data": Row(pdf=by(plain, own, "A")),
        "revoked before": Row(pdf=by(plain, own, "A"), lists=(revoked,)),
        "revoked after the timestamp": Row(
            pdf=by(plain, own, "A", stamper=stamp),
            lists=(later_crl,),
            disagrees="pyHanko judges for the time of the check unless asked for long-term data",
        ),
        "expired": Row(pdf=by(plain, ended, "A"), lists=good),
        "expired, with a timestamp": Row(
            pdf=by(plain, ended, "A", stamper=stamp),
            lists=good,
            disagrees="pyHanko judges for the time of the check unless asked for long-term data",
        ),
        "SHA-1": Row(pdf=by(plain, own, "A", digest="sha1"), lists=good),
        "changed bytes": Row(pdf=by(plain, own, "A").replace(b"Noi dung", b"Noi_dung"), lists=good),
        "changed later": Row(pdf=pdfs.rewritten(by(plain, own, "A")), lists=good),
        "covered later": Row(pdf=pdfs.overlaid(by(plain, own, "A")), lists=good),
        "a stranger's timestamp": Row(
            pdf=by(plain, own, "A", stamper=pdfs.stamper(strange_tsa(), SIGNED)),
            lists=good,
            disagrees="pyHanko refuses the signature; for us its time is unproved and our own first sight counts",
        ),
    }


def strange_tsa() -> Holder:
    return pdf_pki.root("Another Root").issue(
        "Strange TSA",
        kind="rsa-2048",
        purposes=(ExtendedKeyUsageOID.TIME_STAMPING,),
        critical_purposes=True,
    )


def with_pss(pdf: bytes, holder: Holder) -> bytes:
    signer = pdfs.simple(holder)
    signer.prefer_pss = True
    meta = signers.PdfSignatureMetadata(
        field_name="A", md_algorithm="sha256", subfilter=SigSeedSubFilter.PADES
    )
    return bytes(
        signers.PdfSigner(meta, signer=signer).sign_pdf(IncrementalPdfFileWriter(io.BytesIO(pdf))).getvalue()
    )


def is_accepted_by_pyhanko(
    pdf: bytes, lists: Sequence[x509.CertificateRevocationList], at: datetime = SEEN_AT
) -> bool:
    """Tell whether the library's own validator accepts every signature of the file, by these lists and those in it."""
    reader = PdfFileReader(io.BytesIO(pdf))
    settings: dict[str, Any] = {
        "trust_roots": [pdfs.asn1(root().certificate)],
        "crls": [crl.CertificateList.load(x.public_bytes(Encoding.DER)) for x in lists],
        "moment": at,
        "allow_fetching": False,
        "revocation_mode": "require",
        "retroactive_revinfo": True,
    }

    def context() -> ValidationContext:
        if "/DSS" in reader.root:
            return DocumentSecurityStore.read_dss(reader).as_validation_context(dict(settings))
        return ValidationContext(**settings)

    return all(
        validate_pdf_signature(s, context(), context()).bottom_line
        for s in reader.embedded_regular_signatures
    )


def test_two_validators_agree_on_foreign_files_or_the_table_says_why_not(
    tmp_path: Path, cases: Cases
) -> None:
    for n, (name, row) in enumerate(rows().items()):
        with cases.case(name):
            trust = pdf_pki.folder(tmp_path / str(n), lists=row.lists)
            ours = judged(row.pdf, trust).verdict is SignatureWord.VALID
            assert (ours != is_accepted_by_pyhanko(row.pdf, row.lists)) is bool(row.disagrees), row.disagrees


def test_two_validators_agree_on_files_that_gateway_sign_makes(
    tmp_path: Path, authority: LiveAuthority, cases: Cases
) -> None:
    holder, lists = authority.issue("Sở Hỏi"), (root().crl(),)
    for speaks, level in (({"tsa", "ocsp"}, "B-LT"), ({"tsa"}, "B-T"), ({"ocsp"}, "B-B")):
        authority.speaks, folder = speaks, tmp_path / level
        folder.mkdir()
        with cases.case(level):
            result, pdf = signed(signer_of(authority, folder / "trust"), folder, holder)
            assert result.level == level
            assert judged(pdf, pdf_pki.folder(folder / "judge")).verdict is SignatureWord.VALID
            assert is_accepted_by_pyhanko(pdf, lists)
            broken = pdf.replace(b"SAO Y", b"SAO X") if b"SAO Y" in pdf else pdf[:2000] + b"x" + pdf[2001:]
            assert judged(broken, folder / "judge").verdict is not SignatureWord.VALID
