"""Asks certificate authorities about the certificates of PDF signatures, by OCSP, else by fetching a list. In: the file
`pdf/revocation.toml` of the trust folder; a certificate whose chain leads to our anchors. Out: one checked answer to
store; Misconfigured that names the error in the file. An address in a certificate is asked only if its host stands in the
file, and only in a public network or one that the file names; addresses that the file gives for an issuer are asked as
they are. An address that failed is left alone for a while. The calls block, so run them in the pool."""

from __future__ import annotations

import tomllib
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Any

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from gateway.domain.account import Network, read_address, read_network
from gateway.domain.certificates import Answer, Question, RevocationSource
from gateway.domain.signatures import Unanswered
from gateway.domain.webhook import may_reach
from gateway.errors import GatewayError, InvalidProof, Misconfigured, NotFound, Unreachable
from gateway.http_calls import Bounds, parse_url
from gateway.trust.authorities import (
    LIST_BOUNDS,
    OCSP_BOUNDS,
    SOURCES_FILE,
    AuthorityCall,
    IssuerSources,
    ask_ocsp,
    fetch_list,
    sources_in,
)
from gateway.trust.chain import UNREADABLE, extension
from gateway.trust.evidence import fingerprint, ocsp_question

_MB = 1024 * 1024
_MOST_HOSTS = 200
_MOST_ADDRESSES = 4
_MOST_REMEMBERED = 1000
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=1)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_NUMBERS: Mapping[str, tuple[float, float, float]] = {
    "seconds": (OCSP_BOUNDS.seconds, 1, 60),
    "largest_list_mb": (4, 0.1, LIST_BOUNDS.answer_bytes / _MB),
    "refresh_h": (4, 0.1, 24 * 7),
}
"""Settings of the file with their default, least and largest value."""
_Place = tuple[RevocationSource, str, str]
"""Kind of question, address, and the serial number of the one certificate that it fails for; empty for all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PdfSources:
    """Content of `pdf/revocation.toml`. `hosts` may be asked where a certificate names them; an entry with a port allows
    that port, another the usual ones. Stored answers are used again for the time `refresh`."""

    issuers: Mapping[str, IssuerSources]
    hosts: frozenset[str]
    networks: tuple[Network, ...]
    ocsp_bounds: Bounds
    list_bounds: Bounds
    refresh: timedelta


def read_pdf_sources(folder: Path) -> PdfSources | None:
    """Return the content of `revocation.toml` in the folder of PDF trust, None where the file is missing."""
    path = folder / SOURCES_FILE
    if not path.is_file():
        return None
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as why:
        raise Misconfigured(f"{path} cannot be read: {why}") from why
    unknown = set(content) - {"hosts", "networks", "issuer", *_NUMBERS}
    tables = content.get("issuer", [])
    if unknown or not isinstance(tables, list):
        raise Misconfigured(
            f"{path} holds {', '.join(sorted(unknown)) or 'an issuer that is no table'}, which has no meaning there",
            hint='write hosts = ["ocsp.example.vn"], or [[issuer]] with certificate = "ca.pem" and ocsp = ["http://…"]',
        )
    issuers: dict[str, IssuerSources] = {}
    for n, table in enumerate(tables, start=1):
        for sources in sources_in(folder, f"{path}, issuer {n}", table):
            issuers[fingerprint(sources.issuer)] = sources
    numbers = {name: _number(content, name, path) for name in _NUMBERS}
    return PdfSources(
        issuers=issuers,
        hosts=frozenset(_hosts(content, path)),
        networks=tuple(_networks(content, path)),
        ocsp_bounds=Bounds(answer_bytes=OCSP_BOUNDS.answer_bytes, seconds=numbers["seconds"]),
        list_bounds=Bounds(
            answer_bytes=int(numbers["largest_list_mb"] * _MB), seconds=6 * numbers["seconds"]
        ),
        refresh=timedelta(hours=numbers["refresh_h"]),
    )


def _number(content: Mapping[str, Any], name: str, path: Path) -> float:
    default, least, largest = _NUMBERS[name]
    value = content.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= largest:
        raise Misconfigured(f"{path}: {name} is {value!r}; write a number from {least:g} to {largest:g}")
    return float(value)


def _hosts(content: Mapping[str, Any], path: Path) -> Iterator[str]:
    for host in _texts(content, "hosts", path):
        try:
            parts = parse_url(f"http://{host}/")
        except Misconfigured:
            parts = None
        if parts is None or parts.netloc != host or parts.path != "/":
            raise Misconfigured(
                f"{path}: {host!r} is no host", hint="write it like ocsp.example.vn, or ocsp.example.vn:8080"
            )
        yield host.lower()


def _networks(content: Mapping[str, Any], path: Path) -> Iterator[Network]:
    for text in _texts(content, "networks", path):
        try:
            yield read_network(text)
        except ValueError as why:
            raise Misconfigured(f"{path}: {text!r} is no network", hint="write it like 10.20.0.0/16") from why


def _texts(content: Mapping[str, Any], name: str, path: Path) -> list[str]:
    texts = content.get(name, [])
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise Misconfigured(f'{path}: {name} is no list of texts; write {name} = ["…"]')
    if len(texts) > _MOST_HOSTS:
        raise Misconfigured(f"{path}: {name} has more than {_MOST_HOSTS} entries")
    return texts


@dataclass(frozen=True, slots=True)
class _Failure:
    count: int
    retry_at: datetime


class PdfAuthorities:
    """Asker of authorities, for one process. Safe to share between threads."""

    def __init__(self, sources: PdfSources) -> None:
        self.sources = sources
        self._failures: dict[_Place, _Failure] = {}
        self._lock = Lock()

    def ask(self, link: Unanswered, now: datetime) -> Answer:
        """Ask about one certificate, by OCSP and else for its issuer's list; return the first checked answer. Raise
        NotFound where no address may be asked, Unreachable or InvalidProof when none gives a good answer."""
        try:
            certificate = x509.load_der_x509_certificate(b64decode(link.certificate))
            issuer = x509.load_der_x509_certificate(b64decode(link.issuer))
            calls = list(self._calls(certificate, issuer))
        except (ValueError, TypeError, *UNREADABLE) as why:
            raise NotFound(f"the certificate cannot be read: {why}") from why
        failed: GatewayError | None = None
        for source, call in calls:
            # A responder that answers badly about one certificate may answer well about others.
            place = (source, call.url, "")
            own = (source, call.url, link.serial if source is RevocationSource.OCSP else "")
            if any(f is not None and now < f.retry_at for f in map(self._failures.get, (place, own))):
                failed = failed or Unreachable(f"{call.url} failed and is asked again later")
                continue
            try:
                answer = self._ask_one(source, call, certificate, issuer, now)
            except (Unreachable, InvalidProof) as error:
                self._note_failure(own if isinstance(error, InvalidProof) else place, now)
                failed = error if failed is None or isinstance(error, InvalidProof) else failed
            else:
                self._failures.pop(place, None)
                self._failures.pop(own, None)
                return answer
        subject = certificate.subject.rfc4514_string()
        raise failed or NotFound(f"no address may be asked about {subject!r}")

    def _ask_one(
        self,
        source: RevocationSource,
        call: AuthorityCall,
        certificate: x509.Certificate,
        issuer: x509.Certificate,
        now: datetime,
    ) -> Answer:
        if source is RevocationSource.LIST:
            question = Question(source=source, issuer=fingerprint(issuer), about=call.url)
            return fetch_list(call, question, issuer, now)
        return ask_ocsp(call, ocsp_question(certificate, issuer), certificate, issuer, now)[0]

    def _calls(
        self, certificate: x509.Certificate, issuer: x509.Certificate
    ) -> Iterator[tuple[RevocationSource, AuthorityCall]]:
        """Yield the addresses to ask, responders first; those that the file gives come before those in the certificate."""
        own = self.sources.issuers.get(fingerprint(issuer))
        for source, given, named, bounds in (
            (
                RevocationSource.OCSP,
                own.ocsp if own else (),
                _responders(certificate),
                self.sources.ocsp_bounds,
            ),
            (RevocationSource.LIST, own.lists if own else (), _lists(certificate), self.sources.list_bounds),
        ):
            needs_nonce = own is not None and own.needs_nonce
            for url in given:
                yield source, AuthorityCall(url=url, bounds=bounds, needs_nonce=needs_nonce)
            for url in named:
                if url not in given and self._is_permitted(url):
                    yield (
                        source,
                        AuthorityCall(
                            url=url, bounds=bounds, needs_nonce=needs_nonce, may_reach=self._may_reach
                        ),
                    )

    def _is_permitted(self, url: str) -> bool:
        """Tell whether an address that a certificate names may be asked (threat 46, addresses in certificates)."""
        try:
            parts = parse_url(url)
            port = parts.port or _DEFAULT_PORTS[parts.scheme]
        except (Misconfigured, ValueError):
            return False
        host, hosts = (parts.hostname or "").lower(), self.sources.hosts
        return f"{host}:{port}" in hosts or (host in hosts and port in _DEFAULT_PORTS.values())

    def _may_reach(self, host: str) -> bool:
        address = read_address(host)
        return address is not None and may_reach(address, self.sources.networks)

    def _note_failure(self, key: _Place, now: datetime) -> None:
        with self._lock:
            count = self._failures[key].count + 1 if key in self._failures else 1
            pause = min(_FIRST_PAUSE * 2 ** min(count - 1, 10), _LONGEST_PAUSE)
            if len(self._failures) >= _MOST_REMEMBERED:
                self._failures.clear()
            self._failures[key] = _Failure(count, now + pause)


def _responders(certificate: x509.Certificate) -> list[str]:
    access = extension(certificate, x509.AuthorityInformationAccess)
    return [
        description.access_location.value
        for description in access or ()
        if description.access_method == AuthorityInformationAccessOID.OCSP
        and isinstance(description.access_location, x509.UniformResourceIdentifier)
    ][:_MOST_ADDRESSES]


def _lists(certificate: x509.Certificate) -> list[str]:
    points = extension(certificate, x509.CRLDistributionPoints)
    return [
        name.value
        for point in points or ()
        for name in point.full_name or ()
        if isinstance(name, x509.UniformResourceIdentifier)
    ][:_MOST_ADDRESSES]
