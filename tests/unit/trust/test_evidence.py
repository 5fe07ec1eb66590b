"""Chain, use and revocation of a certificate, from files alone (K3, K4, threats 40-46)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.errors import Misconfigured
from gateway.trust import chain
from gateway.trust.evidence import AnswerFiles, Answers, KnownAnswers, NodeTrust
from gateway.trust.revocation import RevocationList
from tests.support import pki

AT = datetime(2031, 3, 4, 2, 15, tzinfo=UTC)
DAY = timedelta(days=1)
CODE = "000.00.07.Z91"
ROOT = pki.root()
KEY = pki.key("p256", CODE)
LEAF = ROOT.issue(CODE, KEY)


def _leaf(
    issuer: pki.Authority = ROOT,
    *extensions: tuple[x509.ExtensionType, bool],
    usage: bool = True,
    subject: str = "Agency",
) -> x509.Certificate:
    """A certificate made by hand, with whatever extensions a case needs."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)]))
        .issuer_name(issuer.certificate.subject)
        .public_key(KEY.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(pki.NOT_BEFORE)
        .not_valid_after(pki.NOT_AFTER)
    )
    if usage:
        builder = builder.add_extension(
            LEAF.extensions.get_extension_for_class(x509.KeyUsage).value, critical=True
        )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(issuer.private_key, hashes.SHA256())


def _authority_with(*extensions: tuple[x509.ExtensionType, bool]) -> pki.Authority:
    """A subordinate authority with more to say than `pki` makes."""
    plain = ROOT.subordinate("Constrained CA")
    builder = (
        x509.CertificateBuilder()
        .subject_name(plain.certificate.subject)
        .issuer_name(ROOT.certificate.subject)
        .public_key(plain.private_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(pki.NOT_BEFORE)
        .not_valid_after(pki.NOT_AFTER)
    )
    for extension in plain.certificate.extensions:
        builder = builder.add_extension(extension.value, critical=extension.critical)
    for added, critical in extensions:
        builder = builder.add_extension(added, critical=critical)
    return pki.Authority(
        certificate=builder.sign(ROOT.private_key, hashes.SHA256()), private_key=plain.private_key
    )


def _trust(
    *intermediates: pki.Authority, lists: list[x509.CertificateRevocationList] | None = None
) -> NodeTrust:
    between = [each.certificate for each in intermediates]
    return NodeTrust([ROOT.certificate], between, answers=_known(*lists or ()))


def _known(*lists: x509.CertificateRevocationList) -> Answers:
    return Answers(fixed=KnownAnswers(lists=tuple(map(RevocationList, lists))))


def test_a_good_chain_is_found_and_told() -> None:
    evidence = _trust().collect(pki.der(LEAF), AT)

    assert evidence.chain_code is None
    assert evidence.usage_ok
    assert evidence.not_before == pki.NOT_BEFORE
    assert evidence.serial == f"{LEAF.serial_number:x}"
    assert "Test Root CA" in evidence.chain_detail


def test_only_what_was_judged_before_with_the_same_answers_is_remembered(tmp_path: Path) -> None:
    """What is remembered takes no time: nothing of it is read, and no signature looked at."""
    (tmp_path / "crl").mkdir()
    trust = NodeTrust([ROOT.certificate], [], answers=Answers(AnswerFiles(tmp_path)))
    der = pki.der(LEAF)

    assert trust.remembered(der, AT) is None
    collected = trust.collect(der, AT)
    assert trust.remembered(der, AT) == collected
    assert trust.remembered(der, pki.NOT_AFTER + DAY) is None

    (tmp_path / "crl" / "list.pem").write_bytes(
        ROOT.revocation_list([(LEAF, AT - DAY)], this_update=AT - DAY).public_bytes(Encoding.PEM)
    )
    assert trust.remembered(der, AT) is None
    assert trust.collect(der, AT).revocation == "revoked"
    told = trust.remembered(der, AT)
    assert told is not None
    assert told.revocation == "revoked"


def test_a_chain_that_breaks_is_judged_each_time() -> None:
    trust = _trust()
    for broken in (pki.der(pki.root("Other CA").issue(CODE, KEY)), b"no certificate"):
        assert trust.collect(broken, AT).chain_code == "CERT-CHAIN"
        assert trust.remembered(broken, AT) is None


def test_an_intermediate_from_configuration_completes_the_chain() -> None:
    between = ROOT.subordinate("Between CA")
    leaf = between.issue(CODE, KEY)

    assert _trust(between).collect(pki.der(leaf), AT).chain_code is None
    assert _trust().collect(pki.der(leaf), AT).chain_code == "CERT-CHAIN"


def test_40_41_validity_is_judged_at_the_time_asked_for() -> None:
    trust = _trust()

    assert trust.collect(pki.der(LEAF), pki.NOT_AFTER + DAY).chain_code == "CERT-TIME"
    assert trust.collect(pki.der(LEAF), pki.NOT_BEFORE - DAY).chain_code == "CERT-TIME"


def test_43_another_authority_of_the_same_name_is_unknown() -> None:
    impostor_key = pki.key("p256", "impostor")
    impostor = pki.Authority(certificate=ROOT.certificate, private_key=impostor_key)
    leaf = impostor.issue(CODE, KEY)

    assert _trust().collect(pki.der(leaf), AT).chain_code == "CERT-CHAIN"
    assert _trust().collect(pki.der(pki.root("Other CA").issue(CODE, KEY)), AT).chain_code == "CERT-CHAIN"


def test_44_a_path_longer_than_an_authority_allows_is_refused() -> None:
    upper = ROOT.subordinate("Upper CA", path_length=0)
    lower = upper.subordinate("Lower CA")
    leaf = lower.issue(CODE, KEY)

    evidence = _trust(upper, lower).collect(pki.der(leaf), AT)

    assert evidence.chain_code == "CERT-CHAIN"
    assert "path length" in evidence.chain_detail


def test_44_at_most_five_certificates() -> None:
    """K3; a sixth is not even looked for."""
    authorities = [ROOT.subordinate("CA 1", path_length=None)]
    for n in range(2, 5):
        authorities.append(authorities[-1].subordinate(f"CA {n}", path_length=None))

    five = authorities[2].issue(CODE, KEY)
    six = authorities[3].issue(CODE, KEY)

    assert _trust(*authorities).collect(pki.der(five), AT).chain_code is None
    assert _trust(*authorities).collect(pki.der(six), AT).chain_code == "CERT-CHAIN"


def test_44_a_leaf_cannot_issue() -> None:
    not_an_authority = pki.Authority(certificate=LEAF, private_key=KEY)
    leaf = not_an_authority.issue("Z93.05", pki.key("p256", "Z93.05"))

    evidence = _trust(not_an_authority).collect(pki.der(leaf), AT)

    assert evidence.chain_code == "CERT-CHAIN"


def test_44_a_loop_or_a_crowd_of_authorities_ends_in_bounded_work() -> None:
    """Equal names make every pair a candidate; the budget of signature checks ends it."""
    tried = 0
    real = x509.Certificate.verify_directly_issued_by
    crowd = [pki.root("Crowd CA").subordinate("Crowd CA", path_length=None) for _ in range(30)]

    class Counting:
        """Counts, in place of the certificate, how often a signature is checked."""

        def __init__(self, certificate: x509.Certificate) -> None:
            self._certificate = certificate

        def __getattr__(self, name: str) -> object:
            return getattr(self._certificate, name)

        def verify_directly_issued_by(self, issuer: x509.Certificate) -> None:
            nonlocal tried
            tried += 1
            real(self._certificate, getattr(issuer, "_certificate", issuer))

    leaf: Any = Counting(crowd[0].issue(CODE, KEY))
    between: list[Any] = [Counting(each.certificate) for each in crowd]

    found = chain.Chains([ROOT.certificate], between).find(leaf, AT)

    assert found.code == "CERT-CHAIN"
    assert 0 < tried <= chain.MAX_SIGNATURE_CHECKS


UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5"), b"\x05\x00")


def test_44_an_unknown_critical_extension_is_refused_and_another_is_not() -> None:
    assert _trust().collect(pki.der(_leaf(ROOT, (UNKNOWN, True))), AT).chain_code == "CERT-CHAIN"
    assert _trust().collect(pki.der(_leaf(ROOT, (UNKNOWN, False))), AT).chain_code is None


def _permitting(name: x509.GeneralName) -> tuple[x509.ExtensionType, bool]:
    return x509.NameConstraints(permitted_subtrees=[name], excluded_subtrees=None), True


def _directory(common_name: str) -> x509.DirectoryName:
    return x509.DirectoryName(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)]))


def test_44_name_constraints_hold_for_subject_and_alternative_names() -> None:
    constrained = _authority_with(_permitting(_directory("Agency")))
    mail = _authority_with(_permitting(x509.RFC822Name("sao-mai.example")))
    alternative = x509.SubjectAlternativeName([x509.RFC822Name("a@binh-minh.example")]), False
    fitting = x509.SubjectAlternativeName([x509.RFC822Name("a@sao-mai.example")]), False

    def code(authority: pki.Authority, leaf: x509.Certificate) -> str | None:
        return _trust(authority).collect(pki.der(leaf), AT).chain_code

    assert code(constrained, _leaf(constrained)) is None
    assert code(constrained, _leaf(constrained, subject="Stranger")) == "CERT-CHAIN"
    assert code(mail, _leaf(mail, fitting)) is None
    assert code(mail, _leaf(mail, alternative)) == "CERT-CHAIN"


def test_44_a_constraint_that_cannot_be_checked_refuses_names_of_its_kind() -> None:
    constrained = _authority_with(_permitting(x509.RegisteredID(x509.ObjectIdentifier("1.2.3.4"))))
    registered = x509.SubjectAlternativeName([x509.RegisteredID(x509.ObjectIdentifier("1.2.3.4"))]), False

    assert _trust(constrained).collect(pki.der(_leaf(constrained, registered)), AT).chain_code == "CERT-CHAIN"
    assert _trust(constrained).collect(pki.der(_leaf(constrained)), AT).chain_code is None


@pytest.mark.parametrize(
    ("leaf", "holds"),
    [
        (LEAF, True),
        (ROOT.issue(CODE, KEY, digital_signature=False), True),
        (ROOT.issue(CODE, KEY, digital_signature=False, content_commitment=False), False),
        (_leaf(usage=False), False),
        (_leaf(ROOT, (x509.BasicConstraints(ca=True, path_length=None), True)), False),
        (_leaf(ROOT, (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)), False),
        (_leaf(ROOT, (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)), True),
    ],
    ids=["both", "commitment", "neither", "none", "authority", "servers-only", "mail"],
)
def test_44_the_use_of_a_certificate(leaf: x509.Certificate, holds: bool) -> None:
    assert _trust().collect(pki.der(leaf), AT).usage_ok is holds


def test_k4_a_fresh_list_says_good_and_how_old_it_is() -> None:
    listed = ROOT.revocation_list(this_update=AT - DAY, next_update=AT + DAY)

    evidence = _trust(lists=[listed]).collect(pki.der(LEAF), AT)

    assert evidence.revocation == "good"
    assert evidence.revocation_age_s == 86_400


def test_42_a_revoked_certificate_is_revoked_from_its_date_on() -> None:
    listed = ROOT.revocation_list([(LEAF, AT)], this_update=AT + DAY, next_update=AT + 2 * DAY)
    trust = NodeTrust([ROOT.certificate], answers=_known(listed), now=lambda: AT + DAY)

    assert trust.collect(pki.der(LEAF), AT).revocation == "revoked"
    assert trust.collect(pki.der(LEAF), AT).revoked_at == AT
    assert trust.collect(pki.der(LEAF), AT - DAY).revocation == "good"


def test_k4_a_list_that_ran_out_is_unknown_with_its_age_but_still_revokes() -> None:
    old = ROOT.revocation_list(this_update=AT - 3 * DAY, next_update=AT - DAY)
    old_revoking = ROOT.revocation_list(
        [(LEAF, AT - 4 * DAY)], this_update=AT - 3 * DAY, next_update=AT - DAY
    )

    evidence = _trust(lists=[old]).collect(pki.der(LEAF), AT)

    assert (evidence.revocation, evidence.revocation_age_s) == ("unknown", 86_400)
    assert _trust(lists=[old_revoking]).collect(pki.der(LEAF), AT).revocation == "revoked"


def test_45_a_list_of_another_authority_says_nothing() -> None:
    other = pki.Authority(certificate=ROOT.certificate, private_key=pki.key("p256", "impostor"))
    forged = other.revocation_list([(LEAF, AT - DAY)])
    foreign = pki.root("Other CA").revocation_list([(LEAF, AT - DAY)])

    evidence = _trust(lists=[forged, foreign]).collect(pki.der(LEAF), AT)

    assert (evidence.revocation, evidence.revocation_age_s) == ("unknown", None)


def test_45_a_list_of_some_reasons_or_of_changes_is_no_proof_of_good() -> None:
    def made(extension: x509.ExtensionType) -> x509.CertificateRevocationList:
        builder = x509.CertificateRevocationListBuilder().issuer_name(ROOT.certificate.subject)
        builder = builder.last_update(AT - DAY).next_update(AT + DAY).add_extension(extension, critical=True)
        return builder.sign(ROOT.private_key, hashes.SHA256())

    def scope(*, user: bool = False, authorities: bool = False) -> x509.IssuingDistributionPoint:
        return x509.IssuingDistributionPoint(
            full_name=None,
            relative_name=None,
            only_contains_user_certs=user,
            only_contains_ca_certs=authorities,
            only_some_reasons=None,
            indirect_crl=False,
            only_contains_attribute_certs=False,
        )

    def standing(extension: x509.ExtensionType) -> str:
        return _trust(lists=[made(extension)]).collect(pki.der(LEAF), AT).revocation

    assert standing(x509.DeltaCRLIndicator(1)) == "unknown"
    assert standing(scope(authorities=True)) == "unknown"
    assert standing(scope(user=True)) == "good"


def test_k4_a_revoked_authority_revokes_what_it_issued() -> None:
    between = ROOT.subordinate("Between CA")
    leaf = between.issue(CODE, KEY)
    lists = [between.revocation_list(), ROOT.revocation_list([(between.certificate, AT - DAY)])]

    assert _trust(between, lists=lists).collect(pki.der(leaf), AT).revocation == "revoked"


def test_k7_without_lists_the_grace_counts_as_running() -> None:
    evidence = _trust().collect(pki.der(LEAF), AT)

    assert (evidence.revocation, evidence.revocation_age_s) == ("unknown", 0.0)


def test_a_certificate_that_cannot_be_read_is_evidence_and_no_error() -> None:
    assert _trust().collect(b"no certificate", AT).chain_code == "CERT-CHAIN"


def test_files_are_read_and_a_broken_one_is_named(tmp_path: Path) -> None:
    anchors, crl = tmp_path / "ca.pem", tmp_path / "crl" / "a.pem"
    crl.parent.mkdir()
    anchors.write_bytes(ROOT.certificate.public_bytes(Encoding.PEM))
    crl.write_bytes(ROOT.revocation_list().public_bytes(Encoding.PEM) * 2)

    trust = NodeTrust.from_files(anchors, answers=Answers(AnswerFiles(tmp_path)))
    assert trust.collect(pki.der(LEAF), AT).revocation == "good"

    crl.write_bytes(b"no list")
    with pytest.raises(Misconfigured, match=r"a\.pem"):
        AnswerFiles(tmp_path)
    anchors.write_bytes(b"no certificate")
    with pytest.raises(Misconfigured, match=r"ca\.pem"):
        NodeTrust.from_files(anchors)
    with pytest.raises(Misconfigured, match="cannot be read"):
        NodeTrust.from_files(tmp_path / "absent.pem")


def test_an_anchor_must_be_an_authority() -> None:
    with pytest.raises(Misconfigured, match="no certificate authority"):
        NodeTrust([LEAF])
