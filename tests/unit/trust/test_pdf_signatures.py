"""Signatures inside PDFs, made with a test authority, show who signed, whether it holds, and what it makes the document
worth. Everything from the bytes to the verdict runs as in the node, only in this process."""

from __future__ import annotations

import io
import socket
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier
from pyhanko.sign.fields import MDPPerm

from gateway.domain.signatures import FileVerdict, LegalValue, SignatureWord, SignerRole, SignerVerdict
from gateway.policy import pdf_verdict
from gateway.trust.pdf_signatures import child
from gateway.trust.pdf_signatures.child import PdfFolder
from gateway_labs.authority import Authority
from gateway_labs.demo.signers import DemoSigners
from tests.support import pdf_pki, pdfs, printed
from tests.support.areas import area_in_mm
from tests.support.cases import Cases
from tests.support.pdf_pki import SEEN_AT, SIGNED, agency, person, root, tsa


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse every connection, also to addresses in certificates."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a signature was looked up on the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


Judge = Callable[..., FileVerdict]


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    """Return a function that gives the verdict on a PDF under the trust that the test names."""
    numbers = count()

    def judged(
        pdf: bytes, *, seen_at: datetime = SEEN_AT, now: datetime | None = None, **trust: object
    ) -> FileVerdict:
        folder = pdf_pki.folder(tmp_path / str(next(numbers)), **trust)  # type: ignore[arg-type]
        pdf_facts = child.collect(io.BytesIO(pdf), PdfFolder(folder).read(), seen_at, now or seen_at)
        return pdf_verdict.judge("a.pdf", 1, pdf_facts)

    return judged


def only(verdict: FileVerdict) -> SignerVerdict:
    (signer,) = verdict.signers
    return signer


def by(holder: pdf_pki.Holder | None = None, **more: Any) -> bytes:
    """Sign a plain PDF by the agency or by another holder."""
    return pdfs.sign(pdfs.plain(), holder or agency(), "A", **more)


def impostor_of(authority: pdf_pki.PdfAuthority) -> pdf_pki.PdfAuthority:
    """Return an authority with the right name and another key."""
    return replace(authority, private_key=pdf_pki.root("Another Root").private_key)


def check(judge: Judge, cases: Cases, rows: Mapping[str, tuple[bytes, dict[str, Any], str | None]]) -> None:
    """Check that each PDF, under its trust, is valid or not for the reason that the row says; for a verdict that is only
    unknown the reason says so."""
    for name, (pdf, trust, why) in rows.items():
        with cases.case(name):
            verdict = judge(pdf, **trust)
            word = SignatureWord.INVALID if why else SignatureWord.VALID
            assert (verdict.why, verdict.verdict) == (why, UNKNOWN.get(why, word))


UNKNOWN: dict[str | None, SignatureWord] = dict.fromkeys(
    ("PDF-NO-ANCHORS", "PDF-TIME-UNPROVED", "CERT-REVOCATION-UNKNOWN"), SignatureWord.UNKNOWN
)


# --- who signed, and what it is worth -------------------------------------------------------------------------


def test_what_a_document_is_worth_hangs_on_who_signed_it(judge: Judge) -> None:
    verdict = judge(pdfs.plain())

    assert (verdict.verdict, verdict.signers) == (SignatureWord.UNSIGNED, ())
    assert pdf_verdict.legal_value(verdict) is LegalValue.INFORMATION

    verdict = judge(pdfs.by_agency())

    assert (verdict.verdict, verdict.why) == (SignatureWord.VALID, None)
    assert only(verdict).role is SignerRole.AGENCY
    assert pdf_verdict.legal_value(verdict) is LegalValue.INFORMATION

    verdict = judge(pdfs.by_both())

    assert verdict.verdict is SignatureWord.VALID
    assert [(signer.name, signer.role, signer.verdict) for signer in verdict.signers] == [
        ("Nguyễn Văn Mẫu", SignerRole.PERSON, SignatureWord.VALID),
        ("Sở Mẫu", SignerRole.AGENCY, SignatureWord.VALID),
    ]
    assert pdf_verdict.legal_value(verdict) is LegalValue.OFFICIAL
    assert pdf_verdict.signed_at(verdict) == SIGNED


def test_the_mark_of_a_copy_under_the_agencys_signature_makes_a_copy(judge: Judge) -> None:
    """R25 (electronic copy)."""
    for reason, form in (("SAO Y", "SY"), ("Trích sao; Sở Mẫu", "TrS"), ("SAO LỤC", "SL")):
        verdict = judge(by(reason=reason))
        assert only(verdict).copy_form == form
        assert pdf_verdict.legal_value(verdict) is LegalValue.COPY

    by_a_person = judge(by(person(), reason="SAO Y"))
    assert pdf_verdict.legal_value(by_a_person) is LegalValue.INFORMATION


# --- certificates and time ------------------------------------------------------------------------------------


def test_threat_032_043_044_chain_use_and_strength_of_a_certificate_count(judge: Judge, cases: Cases) -> None:
    """A missing answer about an authority must not hide that what is said to be by it is forged."""
    other, between = pdf_pki.root("Another Root"), root().subordinate("Test PDF Sub")
    below, both_lists = between.issue("Sở Xa", agency=True), (root().crl(), between.crl())
    forged = {x: impostor_of(x).issue(pdf_pki.ORGANISATION, agency=True) for x in (root(), between)}
    tower = [root()]
    for n in range(6):
        tower.append(tower[-1].subordinate(f"Sub {n}"))
    high = by(tower[-1].issue("Sở Xa", agency=True))
    odd = x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\x05\x00")

    def unfit(**wrong: Any) -> bytes:
        return by(root().issue("Sở Lạ", agency=True, **wrong))

    rows: dict[str, tuple[bytes, dict[str, Any], str | None]] = {
        "in the older form": (by(pades=False), {}, None),
        "of an unknown authority": (by(), {"anchors": (other,), "lists": (other.crl(),)}, "CERT-CHAIN"),
        "forged below the root": (by(forged[root()]), {}, "CERT-CHAIN"),
        "forged below another": (by(forged[between]), {"chain": (between,), "lists": ()}, "CERT-CHAIN"),
        "between in our folder": (by(below), {"chain": (between,), "lists": both_lists}, None),
        "between in the file": (by(below, chain=(between,)), {"lists": both_lists}, None),
        "between nowhere": (by(below), {"lists": both_lists}, "CERT-CHAIN"),
        "too long": (high, {"chain": tower[1:], "lists": [x.crl() for x in tower]}, "CERT-CHAIN"),
        "not for signing": (unfit(signing=False), {}, "CERT-USAGE"),
        "for servers alone": (unfit(purposes=(ExtendedKeyUsageOID.SERVER_AUTH,)), {}, "CERT-USAGE"),
        "an authority itself": (unfit(is_authority=True), {}, "CERT-USAGE"),
        "unknown critical extension": (unfit(extension=odd), {}, "CERT-USAGE"),
        "short key": (unfit(kind="rsa-1024"), {}, "SIG-WEAK"),
        "weak digest": (by(digest="sha1"), {}, "SIG-WEAK"),
        "weak certificate": (by(root().weakly(root().issue("Sở Yếu", agency=True))), {}, "CERT-CHAIN"),
    }
    check(judge, cases, rows)


def test_without_anchors_nothing_can_be_told_and_the_value_stays_open(judge: Judge) -> None:
    verdict = judge(pdfs.by_both(), anchors=())

    assert (verdict.verdict, verdict.why) == (SignatureWord.UNKNOWN, "PDF-NO-ANCHORS")
    assert pdf_verdict.legal_value(verdict) is None
    changed = pdfs.by_agency().replace(b"Noi dung van ban", b"Noi dung van bai")
    assert judge(changed, anchors=()).why == "SIG-DIGEST", "a changed file is not valid all the same"


def test_threat_040_041_validity_counts_at_the_time_that_is_proved(judge: Judge, cases: Cases) -> None:
    late = root().issue("Sở Cũ", agency=True, not_after=SIGNED - timedelta(days=1))
    ended = root().issue("Sở Cũ", agency=True, not_after=SIGNED + timedelta(hours=1))
    early = root().issue("Sở Mới", agency=True, not_before=SEEN_AT + timedelta(days=1))
    check(
        judge,
        cases,
        {
            "expired at signing": (by(late), {}, "CERT-TIME"),
            "expired since": (by(ended), {}, "PDF-TIME-UNPROVED"),
            "not yet valid": (by(early), {}, "CERT-TIME"),
        },
    )
    assert pdf_verdict.legal_value(judge(by(ended))) is LegalValue.INFORMATION

    signer = only(judge(by(ended, stamper=pdfs.stamper(tsa(), SIGNED))))

    assert (signer.verdict, signer.trusted_at) == (SignatureWord.VALID, SIGNED)
    assert signer.now is SignatureWord.UNKNOWN or (signer.now, signer.now_why) == (
        SignatureWord.INVALID,
        "CERT-TIME",
    )


def test_threat_042_045_101_a_revocation_counts_from_its_date_on_whatever_other_proofs_claim(
    judge: Judge, cases: Cases
) -> None:
    """A claimed time proves nothing; a list that has run out still names the revoked certificates."""
    days = timedelta(days=1)
    revoked, now = root().crl((agency(), SIGNED - days)), {"this_update": SIGNED}
    revoked_after = root().crl((agency(), SIGNED + timedelta(hours=1)))
    past = {"this_update": SIGNED - 9 * days, "next_update": SIGNED - 2 * days}
    stale, stale_revoking = (root().crl(**past), root().crl((agency(), SIGNED - 10 * days), **past))
    good = [root().crl(this_update=SIGNED - (30 + n) * days) for n in range(25)]
    impostor = impostor_of(root())
    in_file = pdfs.with_dss(pdfs.by_agency(), [root().crl()])
    stamped = by(stamper=pdfs.stamper(tsa(), SIGNED))
    rows: dict[str, tuple[bytes, list[x509.CertificateRevocationList], str | None]] = {
        "before it came": (pdfs.by_both(), [revoked], "CERT-REVOKED"),
        "claimed to be before": (by(at=SIGNED - 30 * days), [revoked], "CERT-REVOKED"),
        "after the trusted time": (stamped, [revoked_after], None),
        "after the claimed time": (pdfs.by_agency(), [revoked_after], "CERT-REVOKED"),
        "ran out": (pdfs.by_agency(), [stale], "CERT-REVOCATION-UNKNOWN"),
        "ran out and revokes": (pdfs.by_agency(), [stale_revoking], "CERT-REVOKED"),
        # By name the files stand in another order: 9.pem is the last.
        "one of many": (pdfs.by_agency(), [*good[:9], stale_revoking, *good[9:]], "CERT-REVOKED"),
        "inside the file": (pdfs.with_dss(pdfs.by_both(), [root().crl()]), [], None),
        "older inside the file": (in_file, [root().crl((agency(), SIGNED - days), **now)], "CERT-REVOKED"),
        "by another": (pdfs.by_agency(), [impostor.crl()], "CERT-REVOCATION-UNKNOWN"),
        "by another who revokes": (
            pdfs.by_agency(),
            [root().crl(), impostor.crl((agency(), SIGNED - days))],
            None,
        ),
    }
    check(judge, cases, {name: (pdf, {"lists": lists}, why) for name, (pdf, lists, why) in rows.items()})
    assert pdf_verdict.legal_value(judge(pdfs.by_both(), lists=[revoked])) is LegalValue.INFORMATION


def test_threat_042_revoked_after_it_came_stays_valid_and_unknown_revocation_stays_open(judge: Judge) -> None:
    lists = (root().crl((agency(), SEEN_AT + timedelta(days=1))),)

    signer = only(judge(pdfs.by_agency(), now=SEEN_AT + timedelta(days=2), lists=lists))

    assert signer.verdict is SignatureWord.VALID
    assert (signer.now, signer.now_why) == (SignatureWord.INVALID, "CERT-REVOKED")

    verdict = judge(pdfs.by_both(), lists=())

    assert (verdict.verdict, verdict.why) == (SignatureWord.UNKNOWN, "CERT-REVOCATION-UNKNOWN")
    assert pdf_verdict.legal_value(verdict) is None
    assert pdf_verdict.is_open([verdict])


# --- timestamps -----------------------------------------------------------------------------------------------


def test_a_document_timestamp_vouches_for_earlier_signatures_and_certificates_are_described(
    judge: Judge,
) -> None:
    pdf = pdfs.stamped(pdfs.by_both(), pdfs.stamper(tsa(), SIGNED + timedelta(minutes=5)))

    verdict = judge(pdf)

    assert verdict.verdict is SignatureWord.VALID
    assert {x.trusted_at for x in verdict.signers} == {SIGNED + timedelta(minutes=5)}

    signer = only(judge(pdfs.by_agency()))

    assert signer.claimed_at == SIGNED.astimezone(UTC)
    assert signer.organisation == "Sở Mẫu"
    assert "Test PDF Root" in signer.issuer
    assert signer.serial == f"{agency().certificate.serial_number:x}"


def test_threat_039_a_timestamp_of_somebody_else_or_over_other_bytes_proves_no_time(
    judge: Judge, cases: Cases
) -> None:
    purpose = (ExtendedKeyUsageOID.TIME_STAMPING,)
    stranger = pdf_pki.root("Another Root").issue(
        "TSA", kind="rsa-2048", purposes=purpose, critical_purposes=True
    )
    stampers = {
        "of an unknown authority": pdfs.stamper(stranger, SIGNED),
        "not for timestamps": pdfs.stamper(root().issue("No TSA", kind="rsa-2048"), SIGNED),
        "over other bytes": pdfs.OtherStamper(tsa(), SIGNED),
    }
    for name, stamper in stampers.items():
        with cases.case(name):
            assert only(judge(by(stamper=stamper))).trusted_at is None


# --- chains and use -------------------------------------------------------------------------------------------


# --- what was appended after signing --------------------------------------------------------------------------


def test_further_signatures_proofs_and_a_table_in_two_forms_leave_a_signature_valid(judge: Judge) -> None:
    pdf = pdfs.with_dss(pdfs.new_field(pdfs.by_both()), [root().crl()])
    pdf = pdfs.stamped(pdf, pdfs.stamper(tsa(), SIGNED))

    assert [signer.verdict for signer in judge(pdf).signers] == [SignatureWord.VALID, SignatureWord.VALID]

    pdf = pdfs.sign(pdfs.hybrid(), agency(), "A", strict=False)

    assert judge(pdf).verdict is SignatureWord.VALID


def test_what_may_follow_is_what_the_signature_allows(judge: Judge, cases: Cases) -> None:
    def with_empty_update(pdf: bytes) -> bytes:
        return pdfs.sign(pdf, person(), "B")

    def with_lists(pdf: bytes) -> bytes:
        return pdfs.with_dss(pdf, [root().crl()])

    rows: list[tuple[MDPPerm | None, Callable[[bytes], bytes], str | None]] = [
        (MDPPerm.NO_CHANGES, pdfs.filled, "PDF-CHANGED"),
        (MDPPerm.NO_CHANGES, with_empty_update, "PDF-CHANGED"),
        (MDPPerm.NO_CHANGES, with_lists, None),
        (MDPPerm.FILL_FORMS, pdfs.filled, None),
        (MDPPerm.FILL_FORMS, with_empty_update, None),
        (MDPPerm.FILL_FORMS, pdfs.overlaid, "PDF-CHANGED"),
        (MDPPerm.ANNOTATE, pdfs.filled, None),
        (None, pdfs.filled, "PDF-CHANGED"),
        (None, pdfs.new_field, None),
        (None, pdfs.overlaid, "PDF-CHANGED"),
        (None, pdfs.rewritten, "PDF-CHANGED"),
    ]
    for level, change, why in rows:
        with cases.case((level, change.__name__)):
            first = judge(change(by(certify=level))).signers[0]
            assert (first.why, first.verdict) == (why, SignatureWord.INVALID if why else SignatureWord.VALID)


# --- where trust stands ---------------------------------------------------------------------------------------


def test_a_list_put_into_the_folder_is_read_without_a_restart(tmp_path: Path) -> None:
    trust_folder = pdf_pki.folder(tmp_path, lists=())
    folder = PdfFolder(trust_folder)
    assert not folder.read().material.lists

    pdf_pki.folder(tmp_path)

    assert folder.read().material.lists


# --- what our own signing makes -------------------------------------------------------------------------------


def test_what_the_node_seals_is_official_and_what_it_marks_as_a_copy_is_a_copy(tmp_path: Path) -> None:
    """R26 (valid copy)."""
    at = SIGNED
    authority = Authority.create("Seal authority", at - timedelta(days=1))
    signers = DemoSigners.create(authority, "Z91", "Sở Mẫu", "Nguyễn Văn Mẫu", at - timedelta(days=1))
    (tmp_path / "crl").mkdir()
    (tmp_path / "ca.pem").write_bytes(authority.certificate.public_bytes(Encoding.PEM))
    (tmp_path / "crl" / "a.pem").write_bytes(authority.revocation_list([], at))
    trust = PdfFolder(tmp_path).read()
    sample = printed.sample("cong-van.pdf")

    both = signers.signed_by_both(sample, area_in_mm(130, 181, 45, 22), at)
    copy = pdfs.sign(sample, agency(), "Copy", mark_text="SAO Y")

    pdf_facts = child.collect(io.BytesIO(both), trust, SEEN_AT, SEEN_AT)
    verdict = pdf_verdict.judge("a.pdf", 1, pdf_facts)
    assert pdf_verdict.legal_value(verdict) is LegalValue.OFFICIAL
    assert "Sở Mẫu" in pdf_facts.signatures[1].mark
    folder = PdfFolder(pdf_pki.folder(tmp_path / "other")).read()
    copied = child.collect(io.BytesIO(copy), folder, SEEN_AT, SEEN_AT)
    assert copied.signatures[0].mark == "SAO Y"
    assert pdf_verdict.legal_value(pdf_verdict.judge("a.pdf", 1, copied)) is LegalValue.COPY


# --- timestamps whose authority must be asked about -----------------------------------------------------------


def test_a_timestamp_counts_once_its_own_authority_is_known_not_to_be_revoked(
    judge: Judge, cases: Cases
) -> None:
    """Until then what rests on it is open, not refused; nor does a revoked authority prove a time."""
    time_root = root("Test Time Root")
    authority = time_root.issue(
        "Another TSA", kind="rsa-2048", purposes=(ExtendedKeyUsageOID.TIME_STAMPING,), critical_purposes=True
    )
    ended = root().issue("Sở Cũ", agency=True, not_after=SIGNED + timedelta(hours=1))
    stamp = pdfs.stamper(authority, SIGNED)
    revoked_later = root().crl((agency(), SIGNED + timedelta(hours=1)))
    good, bad = time_root.crl(), time_root.crl((authority, SIGNED - timedelta(days=1)))
    own = root().crl()
    trust = {"anchors": (root(), time_root)}
    expired, revoked = by(ended, stamper=stamp), by(stamper=stamp)
    check(
        judge,
        cases,
        {
            "expired, unasked": (expired, trust | {"lists": (own,)}, "CERT-REVOCATION-UNKNOWN"),
            "expired, good": (expired, trust | {"lists": (own, good)}, None),
            "expired, revoked": (expired, trust | {"lists": (own, bad)}, "PDF-TIME-UNPROVED"),
            "revoked, unasked": (revoked, trust | {"lists": (revoked_later,)}, "CERT-REVOCATION-UNKNOWN"),
            "revoked, good": (revoked, trust | {"lists": (revoked_later, good)}, None),
            "revoked, revoked": (revoked, trust | {"lists": (revoked_later, bad)}, "CERT-REVOKED"),
        },
    )


def test_an_expired_timestamp_authority_is_judged_for_the_time_that_a_later_timestamp_proves(
    judge: Judge,
) -> None:
    hour = timedelta(hours=1)
    old_tsa = tsa("Old TSA", not_after=SIGNED + 2 * hour)
    ended = root().issue("Sở Cũ", agency=True, not_after=SIGNED + hour)
    pdf = by(ended, stamper=pdfs.stamper(old_tsa, SIGNED))

    assert judge(pdf).why == "PDF-TIME-UNPROVED"

    archived = pdfs.stamped(pdf, pdfs.stamper(tsa(), SIGNED + hour))

    assert (only(judge(archived)).verdict, only(judge(archived)).trusted_at) == (SignatureWord.VALID, SIGNED)


def test_threat_045_an_answer_made_after_the_certificate_expired_does_not_say_good(judge: Judge) -> None:
    """The authority may have forgotten an expired certificate that it had revoked."""
    ended = root().issue("Sở Cũ", agency=True, not_after=SIGNED + timedelta(hours=1))
    pdf = by(ended, stamper=pdfs.stamper(tsa(), SIGNED))

    late = judge(pdf, lists=(root().crl(this_update=SIGNED + timedelta(hours=2)),))

    assert late.why == "CERT-REVOCATION-UNKNOWN"
