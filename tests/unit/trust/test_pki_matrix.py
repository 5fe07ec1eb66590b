"""The code judges every certificate of the demonstration infrastructure at several times (threats 40 to 44). The
certificates are made by `tools/pki`, right or wrong in one stated way."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.domain.proof import Evidence, SignedEnvelope, Step, VerifiedEnvelope
from gateway.errors import CannotTell, InvalidEnvelope
from gateway.policy.trust import TrustPolicy, decide
from gateway.trust import chain
from gateway.trust.evidence import Answers, KnownAnswers, NodeTrust
from gateway.trust.revocation import RevocationList
from tests.support.cases import Cases
from tests.unit.policy.test_trust import signed_with
from tools.pki.make import Pki
from tools.pki.parts import Extension, usage

AT = datetime(2031, 3, 4, 2, 15, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
GOOD = ("valid", None)
TIME, CHAIN = ("refused", "CERT-TIME"), ("refused", "CERT-CHAIN")
USAGE, REVOKED = ("refused", "CERT-USAGE"), ("refused", "CERT-REVOKED")


@cache
def matrix() -> Pki:
    return Pki(AT)


def _answers(*lists: x509.CertificateRevocationList) -> Answers:
    return Answers(fixed=KnownAnswers(lists=tuple(map(RevocationList, lists))))


@cache
def trust() -> NodeTrust:
    """Make a trust that knows every intermediate, as a careless operator would have it, and the lists of the moment."""
    pki = matrix()
    lists = list(pki.lists().values())
    lists += [x.revocation_list(valid=(AT - HOUR, AT + DAY)) for x in pki.authorities.values()]
    return NodeTrust(
        [pki.root.certificate], pki.between(), answers=_answers(*lists), now=lambda: AT + 3 * HOUR
    )


@dataclass(frozen=True)
class Row:
    """A case of `tools/pki`, when it is judged, and what must be said."""

    threat: int
    case: str
    says: tuple[str, str | None]
    offset: timedelta = timedelta()


MATRIX = (
    Row(43, "good", GOOD),
    Row(43, "good-below-root", GOOD),
    Row(43, "other-agency", GOOD),
    Row(40, "expired", TIME),
    Row(40, "expired", GOOD, -2 * HOUR),
    Row(40, "good", TIME, timedelta(days=400)),
    Row(41, "not-yet-valid", TIME),
    Row(41, "not-yet-valid", GOOD, 2 * HOUR),
    Row(42, "revoked", REVOKED),
    Row(42, "revoked", GOOD, -11 * DAY),
    Row(42, "revoked-later", GOOD),
    Row(42, "revoked-later", REVOKED, 2 * HOUR),
    Row(42, "on-hold", REVOKED),
    Row(43, "unknown-ca", CHAIN),
    Row(43, "self-signed", CHAIN),
    Row(43, "impostor-ca", CHAIN),
    Row(44, "wrong-usage", USAGE),
    Row(44, "no-usage", USAGE),
    Row(44, "servers-only", USAGE),
    Row(44, "an-authority", USAGE),
    Row(44, "unknown-critical", CHAIN),
    Row(44, "unknown-not-critical", GOOD),
    Row(44, "weak-rsa", CHAIN),
    Row(44, "weak-curve", CHAIN),
    Row(44, "sha1", CHAIN),
    Row(44, "below-no-ca", CHAIN),
    Row(44, "below-no-cert-sign", CHAIN),
    Row(44, "below-expired-ca", TIME),
    Row(44, "below-critical-ca", CHAIN),
    Row(44, "below-sha1-ca", CHAIN),
    Row(44, "below-policy-ca", CHAIN),
    Row(44, "path-length", CHAIN),
    Row(44, "name-allowed", GOOD),
    Row(44, "name-breach", CHAIN),
    Row(44, "mail-allowed", GOOD),
    Row(44, "mail-breach", CHAIN),
    Row(44, "address-unjudged", CHAIN),
    Row(44, "five-long", GOOD),
    Row(44, "six-long", CHAIN),
    Row(44, "deep", CHAIN),
    Row(44, "loop", CHAIN),
    Row(44, "crowd", CHAIN),
)


def judged(certificate: x509.Certificate, at: datetime) -> tuple[str, str | None]:
    evidence = trust().collect(certificate.public_bytes(Encoding.DER), at)
    try:
        decide(signed(at), evidence, TrustPolicy(), at)
    except InvalidEnvelope as refusal:
        return "refused", refusal.code
    except CannotTell as doubt:
        return "held", doubt.code
    return GOOD


def signed(at: datetime | None) -> SignedEnvelope[str]:
    """Return an envelope whose own signature holds; only its certificate is to be judged."""
    steps = tuple(Step(n=n, name=str(n), ok=None) for n in range(1, 11))
    return signed_with(sender_code="Z91", signing_time=None, bound_from=None, steps=steps, findings=())


def check_rows(cases: Cases, threat: int) -> None:
    for row in MATRIX:
        if row.threat == threat:
            with cases.case(f"{row.case} {row.offset}"):
                assert judged(matrix().certificates[row.case].certificate, AT + row.offset) == row.says


def test_threat_040_041_validity_counts_at_the_time_of_arrival(cases: Cases) -> None:
    check_rows(cases, 40)

    check_rows(cases, 41)


def test_threat_042_043_044_only_unrevoked_chains_to_our_anchors_that_keep_every_rule_count(
    cases: Cases,
) -> None:
    check_rows(cases, 42)

    check_rows(cases, 43)

    check_rows(cases, 44)
    assert "path length" in _evidence("path-length").chain_detail


class Counting:
    """A certificate that counts how often a signature is checked."""

    tried = 0

    def __init__(self, certificate: x509.Certificate) -> None:
        self._certificate = certificate

    def __getattr__(self, name: str) -> Any:  # Any: it answers for the certificate
        return getattr(self._certificate, name)

    def verify_directly_issued_by(self, issuer: x509.Certificate) -> None:
        Counting.tried += 1
        self._certificate.verify_directly_issued_by(getattr(issuer, "_certificate", issuer))


def test_threat_044_a_loop_or_a_crowd_of_authorities_ends_in_bounded_work(
    cases: Cases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Equal names make every pair a candidate; the budget of signature checks ends it."""
    between: list[Any] = [Counting(authority) for authority in matrix().between()]
    for case in ("deep", "loop", "crowd"):
        with cases.case(case):
            monkeypatch.setattr(Counting, "tried", 0)
            leaf: Any = Counting(matrix().certificates[case].certificate)

            result_chain = chain.Chains([matrix().root.certificate], between).find(leaf, AT)

            assert result_chain.code == "CERT-CHAIN"
            assert 0 < Counting.tried <= chain.MAX_SIGNATURE_CHECKS


def test_threat_044_a_certificate_may_say_less_of_its_use_than_ours_do(cases: Cases) -> None:
    """But not that it is an authority, may it sign or not."""
    ca, span = matrix().agencies_ca, (AT - DAY, AT + DAY)
    mail = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False
    uses = {
        "commitment alone": (ca.issue("Z91", use=usage("content_commitment"), valid=span), GOOD),
        "mail": (ca.issue("Z91", mail, valid=span), GOOD),
        "authority": (ca.issue("Z91", use=usage("digital_signature"), valid=span, authority=True), USAGE),
    }
    for name, (leaf, says) in uses.items():
        with cases.case(name):
            assert judged(leaf.certificate, AT) == says


def test_threat_044_a_constraint_that_cannot_be_checked_refuses_names_of_its_kind() -> None:
    name, span = x509.RegisteredID(x509.ObjectIdentifier("1.2.3.4")), (AT - DAY, AT + DAY)
    permitted = x509.NameConstraints(permitted_subtrees=[name], excluded_subtrees=None), True
    ca = matrix().root.issue("Registered CA", permitted, valid=span, authority=True)
    judge = NodeTrust([matrix().root.certificate], [ca.certificate])

    def code(*extensions: Extension) -> str | None:
        leaf = ca.issue("Z91", *extensions, valid=span).certificate
        return judge.collect(leaf.public_bytes(Encoding.DER), AT).chain_code

    assert code((x509.SubjectAlternativeName([name]), False)) == "CERT-CHAIN"
    assert code() is None


def test_the_matrix_has_every_certificate_of_the_pki() -> None:
    assert {row.case for row in MATRIX} == set(matrix().certificates)


def test_threat_040_a_trusted_timestamp_takes_the_place_of_the_arrival() -> None:
    """Expired now, valid when a trusted timestamp says that the signature was there: accepted with a note."""
    expired = matrix().certificates["expired"].certificate
    stamped = AT - 2 * HOUR
    evidence = trust().collect(expired.public_bytes(Encoding.DER), stamped)

    proved: VerifiedEnvelope[str] = decide(signed(AT), evidence, TrustPolicy(), AT, stamped_at=stamped)

    assert judged(expired, AT) == TIME
    assert proved.received_at == AT
    assert [note.code for note in proved.notes] == ["TIME-STAMPED"]


def test_threat_042_a_revocation_is_told_with_its_reason_and_date() -> None:
    evidence = _evidence("revoked")

    assert evidence.revocation_reason == "keyCompromise"
    assert evidence.revoked_at == AT - 10 * DAY
    assert evidence.revocation_source == "crl"
    with pytest.raises(InvalidEnvelope, match="keyCompromise"):
        decide(signed(AT), evidence, TrustPolicy(), AT)


def test_a_chain_is_told_with_every_certificate_and_its_anchor() -> None:
    evidence = _evidence("good")

    assert [link.anchor for link in evidence.chain] == [False, False, True]
    assert [link.subject.split(",")[0] for link in evidence.chain] == [
        "CN=Z91",
        "CN=Demo Agencies CA",
        "CN=Demo Root CA",
    ]
    assert x509.load_der_x509_certificate(evidence.chain[0].der) == matrix().certificates["good"].certificate


# A general name of a kind (x400Address, ediPartyName) that the reader does not know.
ODD_NAMES = (b"\x30\x02\xa3\x00", b"\x30\x02\xa5\x00")


@pytest.mark.parametrize("names", ODD_NAMES, ids=["x400", "edi"])
@pytest.mark.parametrize("bad_place", ["its own", "its authority's"])
def test_threat_044_names_of_an_unknown_kind_are_no_chain_and_no_crash(names: bytes, bad_place: str) -> None:
    span = (AT - DAY, AT + DAY)
    odd = (x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, names), False)
    root = matrix().root
    if bad_place == "its own":
        between, leaf = matrix().agencies_ca, matrix().agencies_ca.issue("Z91", odd, valid=span)
    else:
        between = root.issue("Odd CA", odd, valid=span, authority=True)
        leaf = between.issue("Z91", valid=span)
    with pytest.raises(x509.UnsupportedGeneralNameType):
        _ = (leaf if bad_place == "its own" else between).certificate.extensions
    lists = [authority.revocation_list(valid=(AT - HOUR, AT + DAY)) for authority in (root, between)]
    judge = NodeTrust([root.certificate], [between.certificate], answers=_answers(*lists), now=lambda: AT)

    evidence = judge.collect(leaf.certificate.public_bytes(Encoding.DER), AT)

    assert evidence.chain_code == "CERT-CHAIN"
    assert "cannot be read" in evidence.chain_detail
    assert evidence.usage_ok is (bad_place != "its own")


@pytest.mark.parametrize(
    ("change", "to"),
    [
        (b"\x0c\x10Demo Agencies CA", b"\x0c\x10\xff\xfemo Agencies CA"),
        (b"\x0c\x10Demo Agen", b"\x03\x10Demo Agen"),
    ],
    ids=["bytes that are no text", "bits for text"],
)
def test_threat_044_an_issuer_that_cannot_be_read_is_no_chain_and_no_crash(change: bytes, to: bytes) -> None:
    der = matrix().certificates["good"].certificate.public_bytes(Encoding.DER)
    assert change in der

    evidence = trust().collect(der.replace(change, to), AT)

    assert evidence.chain_code == "CERT-CHAIN"
    assert "cannot be read" in evidence.chain_detail


def test_a_remembered_chain_gives_the_same_answers_as_a_new_search() -> None:
    """At every moment, also outside its validity, and never more of them than are to be remembered."""
    pki = matrix()
    chains = chain.Chains([pki.root.certificate], pki.between())
    moments = [AT + timedelta(days=days) for days in (0, 1, 200, 400, -200, -400, 5000, 0)]

    for case in ("good", "expired", "not-yet-valid", "five-long", "name-allowed", "below-expired-ca"):
        leaf = pki.certificates[case].certificate
        for at in moments:
            fresh = chain.Chains([pki.root.certificate], pki.between()).find(leaf, at)
            assert chains.find(leaf, at) == fresh == chains.find(leaf, at)


def test_remembering_chains_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "MAX_REMEMBERED", 2)
    pki = matrix()
    chains = chain.Chains([pki.root.certificate], [pki.agencies_ca.certificate])

    for case in ("good", "revoked", "other-agency", "good"):
        assert chains.find(pki.certificates[case].certificate, AT).code is None

    assert len(chains._good) == 2


def test_the_tool_writes_a_trust_folder_and_every_case(tmp_path: Path) -> None:
    tool = Path(__file__).parents[3] / "tools" / "pki" / "make.py"

    subprocess.run([sys.executable, tool, tmp_path], check=True, capture_output=True, timeout=60)

    keys = (tmp_path / "certificates").glob("*.key.pem")
    assert {path.name.removesuffix(".key.pem") for path in keys} == {row.case for row in MATRIX}
    assert (tmp_path / "bindings.csv").read_text().startswith("code,certificate\n")
    assert len(list((tmp_path / "answers").iterdir())) >= 12


def _evidence(case: str) -> Evidence:
    certificate = matrix().certificates[case].certificate
    return trust().collect(certificate.public_bytes(Encoding.DER), AT)
