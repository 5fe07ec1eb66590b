"""Asks certificate authorities about revocation, by OCSP or by fetching their lists. In: the file `revocation.toml` of
the trust folder, which names the authorities; certificates, or one question. Out: the questions to ask, or one checked
answer to store; Misconfigured that names the error in the file. Only addresses named in the file are asked, never one
that a certificate names, with limits of size and time. The calls block, so run them in the pool."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from cryptography import x509

from gateway import http_calls, random_source
from gateway.domain.certificates import Answer, Question, RevocationSource
from gateway.errors import GatewayError, InvalidProof, Misconfigured, NotFound, Unreachable
from gateway.http_calls import Bounds, HttpRequest, parse_url
from gateway.trust import revocation
from gateway.trust.chain import Chains
from gateway.trust.evidence import Answers, certificates_in, fingerprint, ocsp_question
from gateway.trust.revocation import FUTURE

SOURCES_FILE = "revocation.toml"
_SOURCE_KEYS = frozenset({"certificate", "ocsp", "crl", "nonce"})
_MOST_ADDRESSES = 8
_bad_sources = partial(
    Misconfigured,
    hint='write [[issuer]] with certificate = "ca.pem", and ocsp = ["http://…"] or crl = ["http://…"]',
)
OCSP_BOUNDS = Bounds(answer_bytes=64 * 1024, seconds=10.0)
LIST_BOUNDS = Bounds(answer_bytes=10 * 1024 * 1024, seconds=60.0)
_NONCE_BYTES = 16
_LIST_TYPES = ("application/pkix-crl", "application/x-pkcs7-crl", "application/octet-stream")


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerSources:
    """Addresses to ask about the certificates of one authority. With `needs_nonce` an OCSP answer must repeat our nonce."""

    issuer: x509.Certificate
    ocsp: tuple[str, ...]
    lists: tuple[str, ...]
    needs_nonce: bool = False


def read_sources(folder: Path) -> tuple[IssuerSources, ...]:
    """Return the sources of every authority named in `revocation.toml`, or none where the file is missing."""
    path = folder / SOURCES_FILE
    if not path.is_file():
        return ()
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as why:
        raise Misconfigured(f"{path} cannot be read: {why}") from why
    tables = content.get("issuer")
    if set(content) != {"issuer"} or not isinstance(tables, list) or not tables:
        raise _bad_sources(f"{path} names no issuer")
    sources_by_issuer: dict[x509.Certificate, IssuerSources] = {}
    for n, table in enumerate(tables, start=1):
        for sources in sources_in(folder, f"{path}, issuer {n}", table):
            if sources.issuer in sources_by_issuer:
                raise Misconfigured(f"{path}, issuer {n}: this authority stands there twice")
            sources_by_issuer[sources.issuer] = sources
    return tuple(sources_by_issuer.values())


def sources_in(folder: Path, place: str, table: Mapping[str, Any]) -> list[IssuerSources]:
    """Return the sources of one `[[issuer]]` table, one entry for each certificate in the file that it names."""
    if not isinstance(table, dict) or set(table) - _SOURCE_KEYS:
        raise _bad_sources(f"{place}: expected the keys {', '.join(sorted(_SOURCE_KEYS))}")
    name = table.get("certificate")
    if not isinstance(name, str) or not _is_inside(folder, name):
        raise _bad_sources(f"{place}: certificate is no file of {folder}")
    ocsp, lists = _addresses(table, "ocsp", place), _addresses(table, "crl", place)
    if not ocsp and not lists:
        raise _bad_sources(f"{place}: there is no address to ask")
    nonce = table.get("nonce", "optional")
    if nonce not in ("optional", "required"):
        raise Misconfigured(f'{place}: nonce is {nonce!r}; write "optional" or "required"')
    return [
        IssuerSources(issuer=issuer, ocsp=ocsp, lists=lists, needs_nonce=nonce == "required")
        for issuer in certificates_in(folder / name)
    ]


def _is_inside(folder: Path, name: str) -> bool:
    path = Path(name)
    return not path.is_absolute() and ".." not in path.parts and (folder / path).is_file()


def _addresses(table: Mapping[str, Any], key: str, place: str) -> tuple[str, ...]:
    addresses = table.get(key, [])
    if not isinstance(addresses, list) or not all(isinstance(address, str) for address in addresses):
        raise _bad_sources(f"{place}: {key} is no list of addresses")
    if len(addresses) > _MOST_ADDRESSES:
        raise Misconfigured(f"{place}: {key} has more than {_MOST_ADDRESSES} addresses")
    for address in addresses:
        parse_url(address)
    return tuple(addresses)


class AskedAuthorities:
    """Authorities that this node asks about revocation. Sync: call it in the pool; only `learn` is quick enough to be
    called anywhere. It keeps the certificates of the last call of `questions`, because `ask` needs them."""

    def __init__(
        self,
        sources: Sequence[IssuerSources],
        chains: Chains,
        answers: Answers,
        *,
        bounds: Mapping[RevocationSource, Bounds] | None = None,
    ) -> None:
        self._by_issuer = {fingerprint(s.issuer): s for s in sources}
        self._chains, self._answers = chains, answers
        self._bounds = bounds or {RevocationSource.OCSP: OCSP_BOUNDS, RevocationSource.LIST: LIST_BOUNDS}
        self._certificates: Mapping[Question, x509.Certificate] = {}

    @property
    def configured(self) -> bool:
        """True where at least one authority is configured."""
        return bool(self._by_issuer)

    def issuers(self) -> Mapping[str, str]:
        """Return the subject of each configured authority, by its fingerprint, which is `Question.issuer`."""
        return {digest: s.issuer.subject.rfc4514_string() for digest, s in self._by_issuer.items()}

    def questions(self, certificates: Sequence[bytes], at: datetime) -> Sequence[Question]:
        """Return every question whose answer helps to judge these certificates: one for each configured list, and one
        OCSP question for each certificate below a configured authority that has a responder, up their chains."""
        list_questions = {
            Question(source=RevocationSource.LIST, issuer=digest, about=url): None
            for digest, s in self._by_issuer.items()
            for url in s.lists
        }
        certificates_by_question: dict[Question, x509.Certificate] = {}
        if any(s.ocsp for s in self._by_issuer.values()):
            for der in certificates:
                certificates_by_question |= self._ocsp_questions(der, at)
        self._certificates = certificates_by_question
        return [*list_questions, *certificates_by_question]

    def _ocsp_questions(self, der: bytes, at: datetime) -> dict[Question, x509.Certificate]:
        try:
            chain = self._chains.find(x509.load_der_x509_certificate(der), at).certificates
        except ValueError:
            return {}
        certificates_by_question = {}
        for certificate, issuer in pairwise(chain):
            sources = self._by_issuer.get(fingerprint(issuer))
            if sources is not None and sources.ocsp and at <= certificate.not_valid_after_utc:
                certificates_by_question[ocsp_question(certificate, issuer)] = certificate
        return certificates_by_question

    def ask(self, question: Question, now: datetime) -> Answer:
        """Ask one question over the network and return the checked answer. Raise Unreachable or InvalidProof when no
        address gives a valid one, NotFound when the question is not configured any more."""
        sources = self._by_issuer.get(question.issuer)
        if sources is None:
            raise NotFound(f"the authority {question.issuer} is not configured any more")
        if question.source is RevocationSource.LIST:
            return self._fetch_list(question, sources, now)
        certificate = self._certificates.get(question)
        if certificate is None:
            raise NotFound(f"the certificate {question.about} is not bound any more")
        failed: GatewayError | None = None
        for url in sources.ocsp:
            try:
                return self._ask_ocsp(question, sources, certificate, url, now)
            except (Unreachable, InvalidProof) as error:
                failed = error
        raise failed or NotFound(f"the authority {question.issuer} has no responder any more")

    def learn(self, answers: Sequence[Answer], since: Mapping[Question, datetime]) -> None:
        """Replace the answers used to judge certificates; `since` gives the time at which each question was first asked."""
        self._answers.learn(answers, since)

    def _ask_ocsp(
        self,
        question: Question,
        sources: IssuerSources,
        certificate: x509.Certificate,
        url: str,
        now: datetime,
    ) -> Answer:
        call = AuthorityCall(
            url=url, bounds=self._bounds[RevocationSource.OCSP], needs_nonce=sources.needs_nonce
        )
        answer, responder = ask_ocsp(call, question, certificate, sources.issuer, now)
        if responder is not None:
            self._refuse_responder(url, responder, sources.issuer)
        return answer

    def _refuse_responder(self, url: str, responder: x509.Certificate, issuer: x509.Certificate) -> None:
        """Raise InvalidProof for a responder whose certificate is revoked: its key can still sign answers with any date."""
        if self._answers.revokes(responder, issuer):
            raise InvalidProof(f"{url}: the responder's certificate is revoked")

    def _fetch_list(self, question: Question, sources: IssuerSources, now: datetime) -> Answer:
        url = question.about
        if url not in sources.lists:
            raise NotFound(f"the list {url} is not configured any more")
        call = AuthorityCall(url=url, bounds=self._bounds[RevocationSource.LIST])
        return fetch_list(call, question, sources.issuer, now)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorityCall:
    """Call to one address of an authority. With `needs_nonce` an OCSP answer must repeat our nonce; `may_reach` judges the
    network that the address leads to."""

    url: str
    bounds: Bounds
    needs_nonce: bool = False
    may_reach: Callable[[str], bool] | None = None


def ask_ocsp(
    call: AuthorityCall,
    question: Question,
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    now: datetime,
) -> tuple[Answer, x509.Certificate | None]:
    """Ask a responder about one certificate; return the checked answer, and the responder that the issuer named. Raise
    Unreachable without an answer, InvalidProof for one that does not count."""
    nonce, url = random_source.token_bytes(_NONCE_BYTES), call.url
    request = HttpRequest(
        url=url,
        expects="application/ocsp-response",
        body=revocation.ocsp_request(certificate, issuer, nonce),
        headers={"Content-Type": "application/ocsp-request"},
    )
    body = http_calls.ask(request, call.bounds, call.may_reach)
    try:
        statement, responder = revocation.read_answer(body, certificate, issuer)
        answer_nonce = revocation.nonce_of_answer(body)
    except revocation.NoAnswer as why:
        raise InvalidProof(f"{url}: {why}") from why
    if answer_nonce != nonce and (answer_nonce is not None or call.needs_nonce):
        raise InvalidProof(f"{url}: the answer repeats another nonce than was sent, so it may be an old one")
    # The key of an expired responder is no longer guarded, and can sign answers with any date.
    if responder is not None and now > responder.not_valid_after_utc:
        raise InvalidProof(f"{url}: the responder's certificate has run out")
    answer = Answer(
        question=question,
        body=body,
        origin=url,
        fetched_at=now,
        made_at=statement.made_at,
        ends_at=statement.ends_at,
        revokes=statement.revoked_at is not None,
    )
    return _timely(answer), responder


def fetch_list(call: AuthorityCall, question: Question, issuer: x509.Certificate, now: datetime) -> Answer:
    """Fetch a revocation list of this issuer and return it checked. Raise Unreachable or InvalidProof."""
    url = call.url
    request = HttpRequest(url=url, expects=_LIST_TYPES[0], also=_LIST_TYPES[1:])
    body = http_calls.ask(request, call.bounds, call.may_reach)
    try:
        revocation_list = revocation.read_list(body)
    except ValueError as why:
        raise InvalidProof(f"{url}: this is no revocation list in DER form") from why
    if revocation_list.listed.issuer != issuer.subject or not revocation.is_list_from(
        revocation_list, issuer
    ):
        raise InvalidProof(f"{url}: the list is not signed by {issuer.subject.rfc4514_string()!r}")
    return _timely(
        Answer(
            question=question,
            body=body,
            origin=url,
            fetched_at=now,
            made_at=revocation_list.listed.last_update_utc,
            ends_at=revocation_list.listed.next_update_utc,
            revokes=False,
        )
    )


def _timely(answer: Answer) -> Answer:
    """Return the answer; refuse one dated in the future, or one whose own validity has ended (threat 45, old answers)."""
    if answer.made_at > answer.fetched_at + FUTURE:
        raise InvalidProof(f"{answer.origin}: the answer was made at {answer.made_at.isoformat()}, after now")
    if answer.ends_at is not None and answer.ends_at < answer.fetched_at - FUTURE:
        raise InvalidProof(f"{answer.origin}: the answer ran out at {answer.ends_at.isoformat()}")
    return answer
