"""Revocation of a certificate, from files alone, and what is remembered of its chain (K4, threats 42 and 45). The chain
itself is judged in `test_pki_matrix`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.errors import Misconfigured
from gateway.trust.evidence import AnswerFiles, Answers, KnownAnswers, NodeTrust
from gateway.trust.revocation import RevocationList
from tests.support import pki
from tests.support.cases import Cases

AT = datetime(2031, 3, 4, 2, 15, tzinfo=UTC)
DAY = timedelta(days=1)
CODE = "000.00.07.Z91"
ROOT = pki.root()
KEY = pki.key("p256", CODE)
LEAF = ROOT.issue(CODE, KEY)


def _trust(
    *intermediates: pki.Authority, lists: list[x509.CertificateRevocationList] | None = None
) -> NodeTrust:
    between = [intermediate.certificate for intermediate in intermediates]
    return NodeTrust([ROOT.certificate], between, answers=_answers_of(*lists or ()))


def _answers_of(*lists: x509.CertificateRevocationList) -> Answers:
    return Answers(fixed=KnownAnswers(lists=tuple(map(RevocationList, lists))))


def test_k4_an_intermediate_from_configuration_completes_the_chain_and_a_revoked_one_revokes_what_it_issued() -> (
    None
):
    between = ROOT.subordinate("Between CA")
    leaf = between.issue(CODE, KEY)

    assert _trust(between).collect(pki.der(leaf), AT).chain_code is None
    assert _trust().collect(pki.der(leaf), AT).chain_code == "CERT-CHAIN"

    lists = [between.revocation_list(), ROOT.revocation_list([(between.certificate, AT - DAY)])]

    assert _trust(between, lists=lists).collect(pki.der(leaf), AT).revocation == "revoked"


def test_only_what_was_judged_before_with_the_same_answers_is_remembered(tmp_path: Path) -> None:
    """A remembered one is neither read nor verified again; a chain that breaks is judged each time."""
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
    evidence = trust.remembered(der, AT)
    assert evidence is not None
    assert evidence.revocation == "revoked"

    trust = _trust()
    for broken in (pki.der(pki.root("Other CA").issue(CODE, KEY)), b"no certificate"):
        assert trust.collect(broken, AT).chain_code == "CERT-CHAIN"
        assert trust.remembered(broken, AT) is None


def _list_with(extension: x509.ExtensionType) -> x509.CertificateRevocationList:
    builder = x509.CertificateRevocationListBuilder().issuer_name(ROOT.certificate.subject)
    builder = builder.last_update(AT - DAY).next_update(AT + DAY).add_extension(extension, critical=True)
    return builder.sign(ROOT.private_key, hashes.SHA256())


def _scope(*, user: bool = False, authorities: bool = False) -> x509.IssuingDistributionPoint:
    return x509.IssuingDistributionPoint(None, None, user, authorities, None, False, False)


def test_k4_k7_45_lists_say_how_a_certificate_stands_and_how_old_they_are(cases: Cases) -> None:
    """Without any list the grace counts as running; a list of another authority, of changes or of some reasons is none."""
    impostor = pki.Authority(certificate=ROOT.certificate, private_key=pki.key("p256", "impostor"))
    foreign = pki.root("Other CA").revocation_list([(LEAF, AT - DAY)])
    old = partial(ROOT.revocation_list, this_update=AT - 3 * DAY, next_update=AT - DAY)
    rows = {
        "none": ([], ("unknown", 0.0)),
        "fresh": ([ROOT.revocation_list(this_update=AT - DAY, next_update=AT + DAY)], ("good", 86_400)),
        "ran out": ([old()], ("unknown", 86_400)),
        "ran out and revokes": ([old([(LEAF, AT - 4 * DAY)])], ("revoked", None)),
        "of others": ([impostor.revocation_list([(LEAF, AT - DAY)]), foreign], ("unknown", None)),
        "of changes": ([_list_with(x509.DeltaCRLIndicator(1))], ("unknown", None)),
        "of authorities": ([_list_with(_scope(authorities=True))], ("unknown", None)),
        "of users": ([_list_with(_scope(user=True))], ("good", 86_400)),
    }
    for name, (lists, says) in rows.items():
        with cases.case(name):
            evidence = _trust(lists=lists).collect(pki.der(LEAF), AT)
            assert (evidence.revocation, evidence.revocation_age_s) == says


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
    with pytest.raises(Misconfigured, match="no certificate authority"):
        NodeTrust([LEAF])
