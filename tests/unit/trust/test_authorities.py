"""Authorities are asked over real HTTP: only configured addresses, within limits, and only answers that hold (threats
45, 46)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp as protocol
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from gateway.domain.certificates import Question, RevocationSource
from gateway.errors import GatewayError, InvalidProof, NotFound, Unreachable
from gateway.http_calls import Bounds
from gateway.trust.authorities import AskedAuthorities, IssuerSources
from gateway.trust.chain import Chains
from gateway.trust.evidence import Answers, KnownAnswers, fingerprint, ocsp_question
from gateway.trust.revocation import RevocationList
from tests.support.cases import Cases
from tests.support.responder import LIST_TYPE, Answer, Reply, Responder, responding
from tools.pki.make import Pki
from tools.pki.parts import NO_CHECK, Extension, ocsp_answer

AT = datetime(2031, 3, 4, 2, 15, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SECONDS, PATIENCE_S = 1.0, 60.0
RESPONDING: Extension = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), False)


def bounds(seconds: float = PATIENCE_S) -> dict[RevocationSource, Bounds]:
    """Return bounds that leave a busy machine time to make an answer while it is waited for."""
    return {source: Bounds(answer_bytes=64 * 1024, seconds=seconds) for source in RevocationSource}


@cache
def pki() -> Pki:
    return Pki(AT)


def leaf() -> x509.Certificate:
    return pki().certificates["good"].certificate


def silent(body: bytes) -> Reply:
    return Reply(status=500)


def nonce_in(body: bytes) -> bytes:
    request = protocol.load_der_ocsp_request(body)
    return request.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce


def saying(case: str) -> Answer:
    """Make a responder that gives the answer of this case of `tools/pki`, with the nonce of the request."""

    def answer(body: bytes) -> Reply:
        return Reply(body=pki().answers(leaf(), nonce_in(body))[case])

    return answer


def giving(body: bytes = b"", **more: Any) -> Answer:
    return lambda _: Reply(body=body, **more)


@pytest.fixture
def responder() -> Iterator[Responder]:
    with responding(silent) as new_responder:
        yield new_responder


def authorities(
    ocsp: tuple[str, ...] = (),
    lists: tuple[str, ...] = (),
    *,
    needs_nonce: bool = False,
    answers: Answers | None = None,
    seconds: float = PATIENCE_S,
) -> AskedAuthorities:
    ca = pki().agencies_ca.certificate
    sources = IssuerSources(issuer=ca, ocsp=ocsp, lists=lists, needs_nonce=needs_nonce)
    chains = Chains([pki().root.certificate], [ca])
    asker = AskedAuthorities([sources], chains, answers or Answers(asks=True), bounds=bounds(seconds))
    asker.questions([leaf().public_bytes(Encoding.DER)], AT)
    return asker


def about_leaf() -> Question:
    return ocsp_question(leaf(), pki().agencies_ca.certificate)


def about_list(url: str) -> Question:
    return Question(
        source=RevocationSource.LIST, issuer=fingerprint(pki().agencies_ca.certificate), about=url
    )


def test_threat_045_a_good_answer_is_taken_with_its_times(responder: Responder) -> None:
    responder.answer = saying("good")

    answer = authorities((responder.url,)).ask(about_leaf(), AT)

    assert (answer.made_at, answer.ends_at, answer.revokes) == (AT - HOUR, AT + DAY, False)
    assert answer.origin == responder.url
    assert len(nonce_in(responder.requests[0][1])) == 16


def test_threat_042_045_a_revocation_is_heard_and_the_issuer_may_answer_itself(responder: Responder) -> None:
    for case, revokes in (("good-by-issuer", False), ("revoked", True)):
        responder.answer = saying(case)
        assert authorities((responder.url,)).ask(about_leaf(), AT).revokes is revokes


REFUSED: Mapping[str, str] = {
    "by-not-authorised": "not made for answering",
    "by-of-another-ca": "of another authority",
    "by-expired": "not valid when it answered",
    "by-impostor": "of another authority",
    "stale": "ran out",
    "future": "after now",
    "nonce-mismatch": "another nonce",
    "unknown": "does not know",
    "try-later": "TRY_LATER",
    "about-another": "about another certificate",
}


def test_threat_045_an_answer_that_does_not_hold_is_none(responder: Responder, cases: Cases) -> None:
    for case, word in REFUSED.items():
        responder.answer = saying(case)
        with cases.case(case), pytest.raises(InvalidProof, match=word):
            authorities((responder.url,)).ask(about_leaf(), AT)


def test_threat_045_a_responder_that_has_run_out_cannot_date_its_answer_back(responder: Responder) -> None:
    """Old keys are not guarded, and an answer may claim to hold for years."""
    ca, span = pki().agencies_ca, (AT - 100 * DAY, AT - HOUR)
    old = ca.issue("OCSP of last year", RESPONDING, NO_CHECK, valid=span)
    responder.answer = lambda body: Reply(
        body=ocsp_answer(leaf(), ca, old, nonce=nonce_in(body), valid=(AT - DAY, AT + 1000 * DAY))
    )

    with pytest.raises(InvalidProof, match="has run out"):
        authorities((responder.url,)).ask(about_leaf(), AT)


@pytest.mark.parametrize("marks", [(), (NO_CHECK,)], ids=["to be checked", "not to be checked"])
def test_threat_045_nothing_counts_of_a_responder_that_a_known_list_names(
    responder: Responder, marks: tuple[Extension, ...]
) -> None:
    """Not what is fetched, and not what was kept or lies in a file, whatever date it bears."""
    ca = pki().agencies_ca
    stolen = ca.issue("Stolen OCSP", RESPONDING, *marks, valid=(AT - 100 * DAY, AT + 100 * DAY))
    entry = (stolen.certificate, AT - DAY, x509.ReasonFlags.key_compromise)
    listed = RevocationList(ca.revocation_list(entry, valid=(AT - HOUR, AT + DAY)))
    body = ocsp_answer(leaf(), ca, stolen, valid=(AT - 2 * DAY, AT + 100 * DAY))
    responder.answer = giving(body)
    answers_by_serial = {leaf().serial_number: (body,)}

    without_list = Answers(fixed=KnownAnswers(by_serial=answers_by_serial)).statements(leaf(), ca.certificate)
    answers = Answers(fixed=KnownAnswers(lists=(listed,), by_serial=answers_by_serial))
    with_list = answers.statements(leaf(), ca.certificate)

    assert [x.source for x in without_list] == [RevocationSource.OCSP]
    assert [x.source for x in with_list] == [RevocationSource.LIST]
    with pytest.raises(InvalidProof, match="is revoked"):
        authorities((responder.url,), answers=answers).ask(about_leaf(), AT)


def test_threat_045_an_answer_without_our_nonce_counts_only_where_the_settings_allow_it(
    responder: Responder,
) -> None:
    responder.answer = giving(pki().answers(leaf())["good"])

    assert not authorities((responder.url,)).ask(about_leaf(), AT).revokes
    with pytest.raises(InvalidProof, match="nonce"):
        authorities((responder.url,), needs_nonce=True).ask(about_leaf(), AT)


def test_threat_045_the_next_responder_is_asked_when_one_fails_and_nobody_there_is_worth_another_try(
    responder: Responder,
) -> None:
    with responding(saying("good")) as second:
        answer = authorities((responder.url, second.url)).ask(about_leaf(), AT)

    assert answer.origin == second.url
    assert len(responder.requests) == 1

    with responding(silent) as gone_responder:
        url = gone_responder.url

    with pytest.raises(Unreachable) as refusal:
        authorities((url,)).ask(about_leaf(), AT)

    assert not refusal.value.permanent


DRIPS = 100_000
HOSTILE: Mapping[str, Answer] = {
    "ten megabytes": lambda _: Reply(body=b"0" * 10_000_000),
    "a claim of ten gigabytes": giving(b"0" * 100_000, claims=10_000_000_000),
    "one byte at a time": giving(b"0" * DRIPS, drip_s=0.05),
    "a web page": giving(b"<html>", kind="text/html"),
    "an error": giving(status=503),
    "nothing": giving(),
    "rubbish": giving(b"\x30\x82\xff\xff" + b"0" * 100),
    "half an answer": giving(b"\x30\x03\x0a\x01\x00"),
}


def test_threat_045_a_hostile_answer_ends_in_time_and_is_none(responder: Responder, cases: Cases) -> None:
    for case, answer in HOSTILE.items():
        responder.answer = answer
        with cases.case(case), pytest.raises((Unreachable, InvalidProof)):
            authorities((responder.url,), seconds=SECONDS).ask(about_leaf(), AT)

    assert 0 < responder.dripped < DRIPS


def test_threat_045_a_list_is_fetched_and_must_be_signed_by_its_authority(responder: Responder) -> None:
    lists = pki().lists()
    good, foreign = (lists[name].public_bytes(Encoding.DER) for name in ("agencies", "root"))
    forged = pki().impostor.revocation_list(valid=(AT - HOUR, AT + DAY)).public_bytes(Encoding.DER)
    asking = authorities(lists=(responder.url,))

    responder.answer = giving(good, kind=LIST_TYPE)
    answer = asking.ask(about_list(responder.url), AT)
    assert (answer.made_at, answer.ends_at) == (AT - HOUR, AT + 7 * DAY)

    for body in (foreign, forged, b"no list"):
        responder.answer = giving(body, kind=LIST_TYPE)
        with pytest.raises(InvalidProof):
            asking.ask(about_list(responder.url), AT)


@pytest.mark.parametrize(("days", "word"), [(2, "after now"), (-30, "ran out")])
def test_threat_045_a_list_of_another_time_is_none(days: int, word: str, responder: Responder) -> None:
    issued_at = AT + timedelta(days=days)
    listed = pki().agencies_ca.revocation_list(valid=(issued_at, issued_at + DAY)).public_bytes(Encoding.DER)
    responder.answer = giving(listed, kind=LIST_TYPE)

    with pytest.raises(InvalidProof, match=word):
        authorities(lists=(responder.url,)).ask(about_list(responder.url), AT)


def test_threat_046_no_address_inside_a_certificate_is_called(responder: Responder) -> None:
    """AIA and CDP point to our server; nothing of it is configured."""
    uri = [x509.UniformResourceIdentifier(responder.url)]
    points = x509.CRLDistributionPoints([x509.DistributionPoint(uri, None, None, None)])
    methods = (AuthorityInformationAccessOID.OCSP, AuthorityInformationAccessOID.CA_ISSUERS)
    access = x509.AuthorityInformationAccess([x509.AccessDescription(method, uri[0]) for method in methods])
    ca = pki().agencies_ca
    pointing = ca.issue("Z91", (points, False), (access, False), valid=(AT - DAY, AT + DAY)).certificate
    asking = AskedAuthorities(
        [], Chains([pki().root.certificate], [ca.certificate]), Answers(), bounds=bounds()
    )

    assert asking.questions([pointing.public_bytes(Encoding.DER)], AT) == []
    with pytest.raises(NotFound):
        asking.ask(ocsp_question(pointing, ca.certificate), AT)
    assert responder.requests == []


def test_threat_046_a_redirect_is_not_followed(responder: Responder) -> None:
    with responding(saying("good")) as other:
        for status in (301, 302, 303, 307, 308):
            responder.answer = giving(status=status, location=other.url)
            with pytest.raises(Unreachable, match=str(status)):
                authorities((responder.url,)).ask(about_leaf(), AT)

    assert other.requests == []


def test_threat_046_no_proxy_of_the_environment_is_used_and_no_cookie_kept(
    responder: Responder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with responding(silent) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        responder.answer = saying("good")
        authorities((responder.url,)).ask(about_leaf(), AT)

    assert proxy.requests == []

    responder.answer = saying("good")
    asking = authorities((responder.url,))

    for _ in range(2):
        asking.ask(about_leaf(), AT)

    assert all("Cookie" not in headers for _, _, headers in responder.requests)


def test_threat_046_a_question_whose_address_is_not_configured_is_not_sent(responder: Responder) -> None:
    """An attacker wrote another address into the database."""
    asking = authorities(lists=("http://127.0.0.1:9/list.crl",))

    with pytest.raises(NotFound):
        asking.ask(about_list(responder.url), AT)

    assert responder.requests == []


def test_there_is_one_question_for_each_list_and_each_certificate_with_a_responder() -> None:
    asking = authorities(("http://ocsp.example.invalid/",), ("http://crl.example.invalid/a",))
    certificates = [pki().certificates[case].certificate for case in ("good", "revoked", "expired")]
    ders = [x.public_bytes(Encoding.DER) for x in certificates]

    questions = asking.questions([*ders, b"no certificate"], AT)

    source = RevocationSource
    assert [x.source for x in questions] == [source.LIST, source.OCSP, source.OCSP]
    assert {x.about for x in questions[1:]} == {f"{x.serial_number:x}" for x in certificates[:2]}


def test_what_is_refused_is_always_one_of_our_own_errors(responder: Responder) -> None:
    """Any bytes at all: an answer cut at every tenth byte."""
    whole_answer = ocsp_answer(leaf(), pki().agencies_ca, valid=(AT - HOUR, AT + DAY))
    asking = authorities((responder.url,))

    for end in range(0, len(whole_answer), 10):
        responder.answer = giving(whole_answer[:end])
        with pytest.raises(GatewayError):
            asking.ask(about_leaf(), AT)
