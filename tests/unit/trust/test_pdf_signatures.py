"""Signatures inside PDFs, made with a test authority: who signed, whether it holds, and what it makes the document worth.
Everything from the bytes to the verdict runs as in the node, only in this process."""

from __future__ import annotations

import io
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier
from pyhanko.sign.fields import MDPPerm

from gateway.demo.signers import DemoSigners
from gateway.domain.signatures import FileVerdict, LegalValue, SignatureWord, SignerRole, SignerVerdict
from gateway.policy import pdf_verdict
from gateway.trust.authority import Authority
from gateway.trust.pdf_signatures import child
from gateway.trust.pdf_signatures.child import PdfFolder
from tests.support import pdf_pki, pdfs, printed
from tests.support.areas import area_in_mm
from tests.support.pdf_pki import SEEN, SIGNED, agency, person, root, tsa

LATER = SEEN + timedelta(days=400)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever addresses stand in certificates: nobody is asked."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a signature was looked up on the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


Judge = Callable[..., FileVerdict]


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    """The verdict on a PDF under the trust that the test names."""
    numbers = iter(range(100))

    def judged(
        pdf: bytes, *, seen: datetime = SEEN, now: datetime | None = None, **trust: object
    ) -> FileVerdict:
        folder = pdf_pki.folder(tmp_path / str(next(numbers)), **trust)  # type: ignore[arg-type]
        found = child.collect(io.BytesIO(pdf), PdfFolder(folder).read(), seen, now or seen)
        return pdf_verdict.judge("a.pdf", 1, found)

    return judged


def only(verdict: FileVerdict) -> SignerVerdict:
    (signer,) = verdict.signers
    return signer


# --- who signed, and what it is worth -------------------------------------------------------------------------


def test_a_pdf_without_signature_is_for_information(judge: Judge) -> None:
    verdict = judge(pdfs.plain())

    assert (verdict.verdict, verdict.signers) == (SignatureWord.UNSIGNED, ())
    assert pdf_verdict.legal_value(verdict) is LegalValue.INFORMATION


def test_the_agency_alone_is_valid_and_makes_nothing_official(judge: Judge) -> None:
    verdict = judge(pdfs.by_agency())

    assert (verdict.verdict, verdict.why) == (SignatureWord.VALID, None)
    assert only(verdict).role is SignerRole.AGENCY
    assert pdf_verdict.legal_value(verdict) is LegalValue.INFORMATION


def test_agency_and_person_make_an_official_document(judge: Judge) -> None:
    verdict = judge(pdfs.by_both())

    assert verdict.verdict is SignatureWord.VALID
    assert [(each.name, each.role, each.verdict) for each in verdict.signers] == [
        ("Nguyễn Văn Mẫu", SignerRole.PERSON, SignatureWord.VALID),
        ("Sở Mẫu", SignerRole.AGENCY, SignatureWord.VALID),
    ]
    assert pdf_verdict.legal_value(verdict) is LegalValue.OFFICIAL
    assert pdf_verdict.signed_at(verdict) == SIGNED


@pytest.mark.parametrize(
    ("reason", "form"), [("SAO Y", "SY"), ("Trích sao; Sở Mẫu", "TrS"), ("SAO LỤC", "SL")]
)
def test_the_mark_of_a_copy_under_the_agencys_signature_makes_a_copy(
    judge: Judge, reason: str, form: str
) -> None:
    verdict = judge(pdfs.sign(pdfs.plain(), agency(), "CoQuan", reason=reason))

    assert only(verdict).copy_form == form
    assert pdf_verdict.legal_value(verdict) is LegalValue.COPY


def test_the_mark_of_a_copy_under_a_persons_signature_makes_nothing(judge: Judge) -> None:
    verdict = judge(pdfs.sign(pdfs.plain(), person(), "A", reason="SAO Y"))

    assert pdf_verdict.legal_value(verdict) is LegalValue.INFORMATION


def test_a_signature_in_the_older_form_counts(judge: Judge) -> None:
    assert judge(pdfs.sign(pdfs.plain(), agency(), "A", pades=False)).verdict is SignatureWord.VALID


# --- certificates and time ------------------------------------------------------------------------------------


def test_threat_043_an_unknown_authority_is_not_valid(judge: Judge) -> None:
    other = pdf_pki.root("Another Root")

    verdict = judge(pdfs.by_agency(), anchors=(other,), lists=(other.crl(),))

    assert (verdict.verdict, verdict.why) == (SignatureWord.INVALID, "CERT-CHAIN")


def test_threat_043_the_right_name_with_another_key_is_not_valid(judge: Judge) -> None:
    impostor = pdf_pki.PdfAuthority(
        certificate=root().certificate, private_key=pdf_pki.root("Another Root").private_key
    )
    forged = impostor.issue(pdf_pki.ORGANISATION, agency=True)

    assert judge(pdfs.sign(pdfs.plain(), forged, "A")).why == "CERT-CHAIN"


def test_without_anchors_nothing_can_be_told_and_the_value_stays_open(judge: Judge) -> None:
    verdict = judge(pdfs.by_both(), anchors=())

    assert (verdict.verdict, verdict.why) == (SignatureWord.UNKNOWN, "PDF-NO-ANCHORS")
    assert pdf_verdict.legal_value(verdict) is None


def test_without_anchors_a_changed_file_is_not_valid_all_the_same(judge: Judge) -> None:
    pdf = pdfs.by_agency().replace(b"Noi dung van ban", b"Noi dung van bai")

    assert judge(pdf, anchors=()).why == "SIG-DIGEST"


def test_threat_040_a_certificate_expired_at_signing_is_not_valid(judge: Judge) -> None:
    late = root().issue("Sở Cũ", agency=True, not_after=SIGNED - timedelta(days=1))

    assert (found := judge(pdfs.sign(pdfs.plain(), late, "A"))).verdict is SignatureWord.INVALID
    assert found.why == "CERT-TIME"


def test_threat_040_expired_since_and_no_trusted_time_cannot_be_told(judge: Judge) -> None:
    ended = root().issue("Sở Cũ", agency=True, not_after=SIGNED + timedelta(hours=1))

    verdict = judge(pdfs.sign(pdfs.plain(), ended, "A"))

    assert (verdict.verdict, verdict.why) == (SignatureWord.UNKNOWN, "PDF-TIME-UNPROVED")
    assert pdf_verdict.legal_value(verdict) is LegalValue.INFORMATION


def test_threat_040_expired_now_but_valid_at_the_trusted_time_is_valid(judge: Judge) -> None:
    ended = root().issue("Sở Cũ", agency=True, not_after=SIGNED + timedelta(hours=1))
    pdf = pdfs.sign(pdfs.plain(), ended, "A", stamper=pdfs.stamper(tsa(), SIGNED))

    signer = only(judge(pdf))

    assert (signer.verdict, signer.trusted_at) == (SignatureWord.VALID, SIGNED)
    assert (signer.now, signer.now_why) == (
        SignatureWord.INVALID,
        "CERT-TIME",
    ) or signer.now is SignatureWord.UNKNOWN


def test_threat_041_not_yet_valid_is_not_valid(judge: Judge) -> None:
    early = root().issue("Sở Mới", agency=True, not_before=SEEN + timedelta(days=1))

    assert judge(pdfs.sign(pdfs.plain(), early, "A")).why == "CERT-TIME"


def test_threat_042_revoked_before_it_came_is_not_valid(judge: Judge) -> None:
    lists = (
        root().crl(
            (agency(), SIGNED - timedelta(days=1)),
        ),
    )

    verdict = judge(pdfs.by_both(), lists=lists)

    assert (verdict.verdict, verdict.why) == (SignatureWord.INVALID, "CERT-REVOKED")
    assert pdf_verdict.legal_value(verdict) is LegalValue.INFORMATION


def test_threat_042_revoked_after_it_came_stays_valid_and_says_so(judge: Judge) -> None:
    lists = (root().crl((agency(), SEEN + timedelta(days=1))),)

    signer = only(judge(pdfs.by_agency(), now=SEEN + timedelta(days=2), lists=lists))

    assert signer.verdict is SignatureWord.VALID
    assert (signer.now, signer.now_why) == (SignatureWord.INVALID, "CERT-REVOKED")


def test_threat_042_revoked_after_the_trusted_time_stays_valid(judge: Judge) -> None:
    lists = (root().crl((agency(), SIGNED + timedelta(hours=1))),)
    stamped = pdfs.sign(pdfs.plain(), agency(), "A", stamper=pdfs.stamper(tsa(), SIGNED))

    assert judge(stamped, lists=lists).verdict is SignatureWord.VALID
    assert judge(pdfs.by_agency(), lists=lists).why == "CERT-REVOKED"


def test_threat_101_a_claimed_time_before_the_revocation_proves_nothing(judge: Judge) -> None:
    lists = (
        root().crl(
            (agency(), SIGNED - timedelta(days=1)),
        ),
    )
    backdated = pdfs.sign(pdfs.plain(), agency(), "A", at=SIGNED - timedelta(days=30))

    assert judge(backdated, lists=lists).why == "CERT-REVOKED"


def test_unknown_revocation_cannot_be_told_and_is_asked_again(judge: Judge) -> None:
    verdict = judge(pdfs.by_both(), lists=())

    assert (verdict.verdict, verdict.why) == (SignatureWord.UNKNOWN, "CERT-REVOCATION-UNKNOWN")
    assert pdf_verdict.legal_value(verdict) is None
    assert pdf_verdict.is_open([verdict])


def test_a_list_that_has_run_out_tells_nothing_good(judge: Judge) -> None:
    stale = root().crl(this_update=SIGNED - timedelta(days=9), next_update=SIGNED - timedelta(days=2))

    assert judge(pdfs.by_agency(), lists=(stale,)).why == "CERT-REVOCATION-UNKNOWN"


def test_a_list_that_has_run_out_still_tells_who_was_revoked(judge: Judge) -> None:
    revoked = (agency(), SIGNED - timedelta(days=10))
    stale = root().crl(
        revoked, this_update=SIGNED - timedelta(days=9), next_update=SIGNED - timedelta(days=2)
    )

    assert judge(pdfs.by_agency(), lists=(stale,)).why == "CERT-REVOKED"


def test_revocation_data_inside_the_file_is_used(judge: Judge) -> None:
    assert judge(pdfs.with_dss(pdfs.by_both(), [root().crl()]), lists=()).verdict is SignatureWord.VALID


def test_threat_045_an_old_good_list_inside_the_file_does_not_outweigh_ours(judge: Judge) -> None:
    ours = root().crl((agency(), SIGNED - timedelta(days=1)), this_update=SIGNED)
    pdf = pdfs.with_dss(pdfs.by_agency(), [root().crl()])

    assert judge(pdf, lists=(ours,)).why == "CERT-REVOKED"


def test_a_list_signed_by_another_tells_nothing(judge: Judge) -> None:
    impostor = pdf_pki.PdfAuthority(
        certificate=root().certificate, private_key=pdf_pki.root("Another Root").private_key
    )

    assert judge(pdfs.by_agency(), lists=(impostor.crl(),)).why == "CERT-REVOCATION-UNKNOWN"
    revoking = impostor.crl((agency(), SIGNED - timedelta(days=1)))
    assert judge(pdfs.by_agency(), lists=(root().crl(), revoking)).verdict is SignatureWord.VALID


# --- timestamps -----------------------------------------------------------------------------------------------


def test_a_document_timestamp_vouches_for_the_signatures_before_it(judge: Judge) -> None:
    pdf = pdfs.stamped(pdfs.by_both(), pdfs.stamper(tsa(), SIGNED + timedelta(minutes=5)))

    verdict = judge(pdf)

    assert verdict.verdict is SignatureWord.VALID
    assert {each.trusted_at for each in verdict.signers} == {SIGNED + timedelta(minutes=5)}


def test_a_timestamp_of_an_unknown_authority_proves_no_time(judge: Judge) -> None:
    stranger = pdf_pki.root("Another Root").issue(
        "TSA", kind="rsa-2048", purposes=(ExtendedKeyUsageOID.TIME_STAMPING,), critical_purposes=True
    )
    pdf = pdfs.sign(pdfs.plain(), agency(), "A", stamper=pdfs.stamper(stranger, SIGNED))

    assert only(judge(pdf)).trusted_at is None


def test_a_timestamp_by_a_certificate_that_is_not_for_timestamps_proves_no_time(judge: Judge) -> None:
    signer = root().issue("No TSA", kind="rsa-2048")
    pdf = pdfs.sign(pdfs.plain(), agency(), "A", stamper=pdfs.stamper(signer, SIGNED))

    assert only(judge(pdf)).trusted_at is None


def test_threat_039_a_timestamp_over_other_bytes_proves_no_time(judge: Judge) -> None:
    pdf = pdfs.sign(pdfs.plain(), agency(), "A", stamper=pdfs.OtherStamper(tsa(), SIGNED))

    assert only(judge(pdf)).trusted_at is None


# --- chains and use -------------------------------------------------------------------------------------------


def test_an_authority_between_is_taken_from_our_folder_or_from_the_file(judge: Judge) -> None:
    between = root().subordinate("Test PDF Sub")
    signer = between.issue("Sở Xa", agency=True)
    lists = (root().crl(), between.crl())

    assert (
        judge(pdfs.sign(pdfs.plain(), signer, "A"), chain=(between,), lists=lists).verdict
        is SignatureWord.VALID
    )
    carried = pdfs.sign(pdfs.plain(), signer, "A", others=(between,))
    assert judge(carried, lists=lists).verdict is SignatureWord.VALID
    assert judge(pdfs.sign(pdfs.plain(), signer, "A"), lists=lists).why == "CERT-CHAIN"


def test_threat_044_a_chain_that_is_too_long_is_not_followed(judge: Judge) -> None:
    chain = [root()]
    for n in range(6):
        chain.append(chain[-1].subordinate(f"Sub {n}"))
    signer = chain[-1].issue("Sở Xa", agency=True)

    verdict = judge(
        pdfs.sign(pdfs.plain(), signer, "A"), chain=chain[1:], lists=[each.crl() for each in chain]
    )

    assert verdict.why == "CERT-CHAIN"


def test_threat_043_a_missing_answer_about_the_authority_does_not_hide_a_forged_certificate(
    judge: Judge,
) -> None:
    """Otherwise anybody's certificate would only be one that cannot be told yet."""
    between = root().subordinate("Test PDF Sub")
    impostor = pdf_pki.PdfAuthority(
        certificate=between.certificate, private_key=pdf_pki.root("Another Root").private_key
    )
    forged = impostor.issue(pdf_pki.ORGANISATION, agency=True)

    verdict = judge(pdfs.sign(pdfs.plain(), forged, "A"), chain=(between,), lists=())

    assert (verdict.verdict, verdict.why) == (SignatureWord.INVALID, "CERT-CHAIN")


def test_threat_042_the_list_that_revokes_counts_however_many_there_are(judge: Judge) -> None:
    good = [root().crl(this_update=SIGNED - timedelta(days=30 + n)) for n in range(25)]
    revoked = (agency(), SIGNED - timedelta(days=10))
    stale = root().crl(
        revoked, this_update=SIGNED - timedelta(days=9), next_update=SIGNED - timedelta(days=2)
    )

    # By name the files stand in another order: 9.pem is the last.
    assert judge(pdfs.by_agency(), lists=[*good[:9], stale, *good[9:]]).why == "CERT-REVOKED"


def unfit() -> Iterator[object]:
    server = {"purposes": (ExtendedKeyUsageOID.SERVER_AUTH,)}
    unknown = {"extension": x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\x05\x00")}
    yield pytest.param({"signing": False}, "CERT-USAGE", id="not for signing")
    yield pytest.param(server, "CERT-USAGE", id="for servers alone")
    yield pytest.param({"is_authority": True}, "CERT-USAGE", id="an authority itself")
    yield pytest.param(unknown, "CERT-USAGE", id="unknown critical extension")
    yield pytest.param({"kind": "rsa-1024"}, "SIG-WEAK", id="short key")


@pytest.mark.parametrize(("wrong", "why"), list(unfit()))
def test_threat_044_an_unfit_certificate_is_not_valid(
    judge: Judge, wrong: dict[str, object], why: str
) -> None:
    holder = root().issue("Sở Lạ", agency=True, **wrong)  # type: ignore[arg-type]

    verdict = judge(pdfs.sign(pdfs.plain(), holder, "A"))

    assert (verdict.verdict, verdict.why) == (SignatureWord.INVALID, why)


def test_threat_032_a_weak_digest_is_not_valid(judge: Judge) -> None:
    assert judge(pdfs.sign(pdfs.plain(), agency(), "A", digest="sha1")).why == "SIG-WEAK"


def test_threat_032_a_certificate_signed_with_a_weak_digest_is_not_valid(judge: Judge) -> None:
    weak = root().weakly(root().issue("Sở Yếu", agency=True))

    assert judge(pdfs.sign(pdfs.plain(), weak, "A")).why == "CERT-CHAIN"


# --- what was appended after signing --------------------------------------------------------------------------


def test_further_signatures_and_proofs_leave_an_earlier_signature_valid(judge: Judge) -> None:
    pdf = pdfs.with_dss(pdfs.new_field(pdfs.by_both()), [root().crl()])
    pdf = pdfs.stamped(pdf, pdfs.stamper(tsa(), SIGNED))

    assert [each.verdict for each in judge(pdf).signers] == [SignatureWord.VALID, SignatureWord.VALID]


def test_a_first_revision_with_its_table_in_two_forms_may_be_signed(judge: Judge) -> None:
    pdf = pdfs.sign(pdfs.hybrid(), agency(), "A", strict=False)

    assert judge(pdf).verdict is SignatureWord.VALID


@pytest.mark.parametrize(
    ("level", "change", "why"),
    [
        (MDPPerm.NO_CHANGES, pdfs.filled, "PDF-CHANGED"),
        (MDPPerm.NO_CHANGES, lambda pdf: pdfs.sign(pdf, person(), "B"), "PDF-CHANGED"),
        (MDPPerm.NO_CHANGES, lambda pdf: pdfs.with_dss(pdf, [root().crl()]), None),
        (MDPPerm.FILL_FORMS, pdfs.filled, None),
        (MDPPerm.FILL_FORMS, lambda pdf: pdfs.sign(pdf, person(), "B"), None),
        (MDPPerm.FILL_FORMS, pdfs.overlaid, "PDF-CHANGED"),
        (MDPPerm.ANNOTATE, pdfs.filled, None),
        (None, pdfs.filled, "PDF-CHANGED"),
        (None, pdfs.new_field, None),
        (None, pdfs.overlaid, "PDF-CHANGED"),
        (None, pdfs.rewritten, "PDF-CHANGED"),
    ],
)
def test_what_may_follow_is_what_the_signature_allows(
    judge: Judge, level: MDPPerm | None, change: Callable[[bytes], bytes], why: str | None
) -> None:
    signed = pdfs.sign(pdfs.plain(), agency(), "A", certify=level)

    first = judge(change(signed)).signers[0]

    assert (first.why, first.verdict) == (why, SignatureWord.INVALID if why else SignatureWord.VALID)


# --- where trust stands ---------------------------------------------------------------------------------------


def test_a_list_put_into_the_folder_is_read_without_a_restart(tmp_path: Path) -> None:
    where = pdf_pki.folder(tmp_path, lists=())
    folder = PdfFolder(where)
    assert not folder.read().material.lists

    pdf_pki.folder(tmp_path)

    assert folder.read().material.lists


def test_times_are_aware_and_certificates_are_told(judge: Judge) -> None:
    signer = only(judge(pdfs.by_agency()))

    assert signer.claimed_at == SIGNED.astimezone(UTC)
    assert signer.organisation == "Sở Mẫu"
    assert "Test PDF Root" in signer.issuer
    assert signer.serial == f"{agency().certificate.serial_number:x}"


# --- what our own signing makes -------------------------------------------------------------------------------


def test_what_the_node_seals_is_official_and_what_it_marks_as_a_copy_is_a_copy(tmp_path: Path) -> None:
    at = SIGNED
    authority = Authority.create("Seal authority", at - timedelta(days=1))
    signers = DemoSigners.create(authority, "Z91", "Sở Mẫu", "Nguyễn Văn Mẫu", at - timedelta(days=1))
    (tmp_path / "crl").mkdir()
    (tmp_path / "ca.pem").write_bytes(authority.certificate.public_bytes(Encoding.PEM))
    (tmp_path / "crl" / "a.pem").write_bytes(authority.revocation_list([], at))
    trust = PdfFolder(tmp_path).read()
    sample = printed.sample("cong-van.pdf")

    both = signers.signed_by_both(sample, area_in_mm(130, 181, 45, 22), at)
    copy = pdfs.sign(sample, agency(), "Copy", shown="SAO Y")

    found = child.collect(io.BytesIO(both), trust, SEEN, SEEN)
    verdict = pdf_verdict.judge("a.pdf", 1, found)
    assert pdf_verdict.legal_value(verdict) is LegalValue.OFFICIAL
    assert "Sở Mẫu" in found.signatures[1].mark
    folder = PdfFolder(pdf_pki.folder(tmp_path / "other")).read()
    copied = child.collect(io.BytesIO(copy), folder, SEEN, SEEN)
    assert copied.signatures[0].mark == "SAO Y"
    assert pdf_verdict.legal_value(pdf_verdict.judge("a.pdf", 1, copied)) is LegalValue.COPY
