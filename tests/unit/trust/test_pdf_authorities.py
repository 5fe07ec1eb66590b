"""Authorities are asked about the certificates of PDF signatures over real HTTP: only at permitted addresses, within
limits, and only answers that hold are taken (threats 45, 46)."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID

from gateway.domain.certificates import RevocationSource
from gateway.domain.signatures import Unanswered
from gateway.errors import GatewayError, InvalidProof, Misconfigured, NotFound, Unreachable
from gateway.trust.evidence import fingerprint
from gateway.trust.pdf_authorities import PdfAuthorities, read_pdf_sources
from tests.support.cases import Cases
from tests.support.live_authority import DAY, HOUR, LiveAuthority, live
from tests.support.pdf_pki import SEEN_AT, Holder, PdfAuthority, folder, root
from tests.support.responder import LIST_TYPE, Reply


class Moving:
    """A clock's hand for one test."""

    at = SEEN_AT


@pytest.fixture
def clock() -> Moving:
    return Moving()


@pytest.fixture
def authority(clock: Moving) -> Iterator[LiveAuthority]:
    with live(lambda: clock.at) as running:
        yield running


def link_of(holder: Holder, issuer: PdfAuthority | None = None) -> Unanswered:
    def coded(certificate: x509.Certificate) -> str:
        return base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()

    above = (issuer or root()).certificate
    return Unanswered(
        certificate=coded(holder.certificate),
        issuer=coded(above),
        serial=f"{holder.certificate.serial_number:x}",
        issuer_sha256=fingerprint(above),
    )


def asker(path: Path, text: str) -> PdfAuthorities:
    (folder(path) / "revocation.toml").write_text(text, encoding="utf-8")
    sources = read_pdf_sources(path)
    assert sources is not None
    return PdfAuthorities(sources)


def permitted(path: Path, authority: LiveAuthority, more: str = "") -> PdfAuthorities:
    return asker(path, f'hosts = ["{authority.host}"]\nnetworks = ["127.0.0.0/8"]\n{more}')


def test_a_permitted_address_of_the_certificate_is_asked_by_ocsp_and_else_for_the_list(
    tmp_path: Path, authority: LiveAuthority
) -> None:
    holder, authorities = authority.issue("Sở Hỏi"), permitted(tmp_path, authority)

    answer = authorities.ask(link_of(holder), SEEN_AT)

    assert (answer.question.source, answer.revokes, answer.origin) == (
        RevocationSource.OCSP,
        False,
        authority.server.url,
    )
    authority.revoked[holder.certificate.serial_number] = SEEN_AT - DAY
    assert authorities.ask(link_of(holder), SEEN_AT).revokes
    assert authority.request_kinds == ["ocsp", "ocsp"]


def test_without_an_ocsp_answer_the_list_is_fetched(tmp_path: Path, authority: LiveAuthority) -> None:
    authority.speaks = {"crl"}

    answer = permitted(tmp_path, authority).ask(link_of(authority.issue("Sở Hỏi")), SEEN_AT)

    assert answer.question.source is RevocationSource.LIST
    assert authority.request_kinds == ["ocsp", "crl"]


def test_threat_046_an_address_in_a_certificate_is_asked_only_where_the_file_permits_it(
    tmp_path: Path, authority: LiveAuthority, cases: Cases
) -> None:
    rows: dict[str, tuple[str, type[GatewayError]]] = {
        "no host": ("", NotFound),
        "another host": ('hosts = ["ocsp.example.vn"]', NotFound),
        "another port": (f'hosts = ["{authority.host.partition(":")[0]}"]', NotFound),
        "a private network": (f'hosts = ["{authority.host}"]', Unreachable),
        "another private network": (
            f'hosts = ["{authority.host}"]\nnetworks = ["10.0.0.0/8"]',
            Unreachable,
        ),
    }
    holder = authority.issue("Sở Hỏi")
    for n, (name, (text, error)) in enumerate(rows.items()):
        with cases.case(name), pytest.raises(error):
            asker(tmp_path / str(n), text).ask(link_of(holder), SEEN_AT)
    assert authority.server.requests == []


def test_threat_046_files_directories_and_credentials_are_no_addresses(
    tmp_path: Path, authority: LiveAuthority, cases: Cases
) -> None:
    host = authority.host
    for url in (f"file://{host}/etc/passwd", f"ldap://{host}/x", f"http://a:b@{host}/", f"http://{host}#x"):
        address = x509.UniformResourceIdentifier(url)
        access = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, address)
        holder = root().issue("Sở Lạ", agency=True, more=(x509.AuthorityInformationAccess([access]),))
        with cases.case(url), pytest.raises(NotFound):
            permitted(tmp_path, authority).ask(link_of(holder), SEEN_AT)
    assert authority.server.requests == []


def test_threat_046_a_redirect_leads_nowhere(tmp_path: Path, authority: LiveAuthority) -> None:
    holder = authority.issue("Sở Hỏi")
    authority.server.answer = lambda _: Reply(status=302, location="http://10.0.0.1/")

    with pytest.raises(Unreachable, match="302"):
        permitted(tmp_path, authority).ask(link_of(holder), SEEN_AT)


def test_threat_045_answers_that_are_old_foreign_too_long_or_too_slow_do_not_count(
    tmp_path: Path, authority: LiveAuthority, clock: Moving, cases: Cases
) -> None:
    holder, other = authority.issue("Sở Hỏi"), authority.issue("Sở Khác")
    requests: list[bytes] = []

    def recorded(body: bytes) -> Reply:
        requests.append(body)
        return authority.answer(body)

    authority.server.answer = recorded
    permitted(tmp_path / "first", authority).ask(link_of(other), SEEN_AT)
    replayed = authority.answer(requests[0])
    stale = root().crl(this_update=SEEN_AT - 9 * DAY, next_update=SEEN_AT - DAY).public_bytes(Encoding.DER)
    strange = PdfAuthority(certificate=root().certificate, private_key=other.private_key)
    forged = strange.crl(this_update=SEEN_AT - HOUR, next_update=SEEN_AT + DAY).public_bytes(Encoding.DER)
    rows: dict[str, tuple[Reply, type[GatewayError], str]] = {
        "about another": (replayed, InvalidProof, "another certificate"),
        "an old list": (Reply(body=stale, kind=LIST_TYPE), InvalidProof, "ran out"),
        "a forged list": (Reply(body=forged, kind=LIST_TYPE), InvalidProof, "not signed by"),
        "a huge list": (Reply(body=bytes(200_000), kind=LIST_TYPE), Unreachable, "larger than"),
        "drop by drop": (Reply(body=b"x" * 200, kind=LIST_TYPE, drip_s=0.1), Unreachable, "did not answer"),
        "a page": (Reply(body=b"<html>", kind="text/html"), Unreachable, "text/html"),
    }
    limits = "seconds = 1\nlargest_list_mb = 0.1\n"
    for n, (name, (reply, error, words)) in enumerate(rows.items()):
        is_list = reply.kind != replayed.kind
        authority.server.answer = lambda body, reply=reply, is_list=is_list: (  # type: ignore[misc]  # defaults
            Reply(status=503) if is_list == bool(body) else reply
        )
        issuer_settings = (
            f'[[issuer]]\ncertificate = "ca.pem"\ncrl = ["{authority.server.url}list"]\n' if is_list else ""
        )
        bare = root().issue("Sở Hỏi", agency=True)
        authority.issued[bare.certificate.serial_number] = bare
        with cases.case(name), pytest.raises(error, match=words):
            permitted(tmp_path / str(n), authority, limits + issuer_settings).ask(
                link_of(bare if is_list else holder), SEEN_AT
            )


def test_threat_045_an_old_answer_is_refused_by_its_nonce_and_by_its_end(
    tmp_path: Path, authority: LiveAuthority, clock: Moving
) -> None:
    holder, replies = authority.issue("Sở Hỏi"), list[Reply]()
    issuer_settings = f'[[issuer]]\ncertificate = "ca.pem"\nocsp = ["{authority.server.url}"]\n'
    asking = asker(tmp_path, issuer_settings)
    authority.server.answer = lambda body: replies[0] if replies else authority.answer(body)
    asking.ask(link_of(holder), SEEN_AT)
    replies.append(authority.answer(authority.server.requests[0][1]))

    with pytest.raises(InvalidProof, match="another nonce"):
        asking.ask(link_of(holder), SEEN_AT)


def test_an_address_that_failed_is_left_alone_for_a_while_and_then_retried(
    tmp_path: Path, authority: LiveAuthority
) -> None:
    holder, asking = authority.issue("Sở Hỏi"), permitted(tmp_path, authority)
    authority.speaks = set()
    minutes: dict[int, bool] = {}
    for minute in (0, 0, 1, 2, 3):
        request_count = len(authority.server.requests)
        with pytest.raises(Unreachable):
            asking.ask(link_of(holder), SEEN_AT + timedelta(minutes=minute))
        minutes[minute] = len(authority.server.requests) > request_count

    assert minutes == {0: False, 1: True, 2: False, 3: True}

    authority.speaks = {"ocsp"}
    assert not asking.ask(link_of(holder), SEEN_AT + HOUR).revokes


def test_a_bad_answer_about_one_certificate_does_not_stop_questions_about_another(
    tmp_path: Path, authority: LiveAuthority
) -> None:
    odd, good, asking = authority.issue("Sở Lạ"), authority.issue("Sở Hỏi"), permitted(tmp_path, authority)
    authority.speaks = {"ocsp"}
    authority.issued[odd.certificate.serial_number] = good
    for _ in range(2):
        with pytest.raises(InvalidProof if not authority.request_kinds else Unreachable):
            asking.ask(link_of(odd), SEEN_AT)

    assert not asking.ask(link_of(good), SEEN_AT).revokes
    assert authority.request_kinds == ["ocsp", "crl", "ocsp"]


def test_a_broken_file_is_named_with_its_fault(tmp_path: Path, cases: Cases) -> None:
    rows = {
        "hosts = 5": "hosts is no list",
        'hosts = ["http://a.example/"]': "is no host",
        'networks = ["here"]': "is no network",
        "seconds = 0": "seconds is 0",
        "largest_list_mb = 400": "largest_list_mb",
        "speed = 1": "speed",
        '[[issuer]]\ncertificate = "none.pem"\nocsp = ["http://a.example/"]': "certificate is no file",
        "hosts = [": "cannot be read",
    }
    for n, (text, words) in enumerate(rows.items()):
        with cases.case(text), pytest.raises(Misconfigured, match=words):
            asker(tmp_path / str(n), text)
    assert read_pdf_sources(folder(tmp_path / "none")) is None
