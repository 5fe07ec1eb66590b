"""Trusted time: what a real answer proves, and that no wrong, slow or endless one does."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from asn1crypto import tsp
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.sealed_log import MOST_STAMP
from gateway.errors import InvalidProof, Misconfigured, Unreachable
from gateway.http_calls import Bounds
from gateway.trust import seals
from gateway.trust.seals import TimestampAuthority
from tests.support import tsa as authorities
from tests.support.cases import Cases
from tests.support.responder import Reply
from tests.support.tsa import REPLY, Running, Tsa, tsa

NOW = datetime(2026, 11, 20, 1, 0, tzinfo=UTC)
DATA = b"a signed seal"


@pytest.fixture
def running() -> Iterator[Running]:
    with authorities.running(tsa(), NOW) as new_authority:
        yield new_authority


def asker(url: str, trusted: Tsa | None = None, seconds: float = 60.0) -> TimestampAuthority:
    return TimestampAuthority(
        url=url, roots=[(trusted or tsa()).root], bounds=Bounds(answer_bytes=MOST_STAMP, seconds=seconds)
    )


def test_a_good_answer_proves_its_time_and_names_who_says_so(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy of the environment is not used."""
    token, stamp = asker(running.url).stamp(DATA)

    assert stamp.at == NOW
    assert stamp.authority == "CN=time authority"
    assert len(stamp.chain) == 2
    assert seals.check_stamp(token, DATA, [tsa().root]) == stamp
    (request_read,) = running.requests
    assert DATA not in request_read

    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1/")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1/")

    assert asker(running.url).stamp(DATA)[1].at == NOW


def test_each_question_has_its_own_nonce(running: Running) -> None:
    for _ in range(2):
        asker(running.url).stamp(DATA)

    first, second = (tsp.TimeStampReq.load(x)["nonce"].native for x in running.requests)
    assert first != second


def test_a_token_holds_after_its_certificates_ran_out_and_a_twin_cannot_lend_it_a_purpose() -> None:
    short = tsa("short", ends=NOW + timedelta(days=1))

    assert seals.check_stamp(short.token(DATA, NOW), DATA, [short.root]).at == NOW

    # Both have one issuer and number: the signature would be checked with one, the purpose with the other.
    web = web_server()
    token = authorities.with_twin(web, authorities.forged_twin(web)).token(DATA, NOW)

    with pytest.raises(InvalidProof, match="exactly one signer"):
        seals.check_stamp(token, DATA, [web.root])


def web_server() -> Tsa:
    return tsa("web", purpose=ExtendedKeyUsageOID.SERVER_AUTH)


def test_a_wrong_token_proves_nothing(cases: Cases) -> None:
    unfit = {
        "expired then": tsa("old", ends=NOW - timedelta(days=1)),
        "not yet valid then": tsa("new", began=NOW + timedelta(days=1)),
        "no purpose": tsa("none", purpose=None),
        "not critical": tsa("soft", critical=False),
        "for web servers": web_server(),
    }
    rows = {
        "other bytes": (tsa().token(b"other", NOW), tsa()),
        "another authority": (tsa("other").token(DATA, NOW), tsa()),
        "empty": (b"", tsa()),
        "rubbish": (b"\x30\x82rubbish", tsa()),
        "endless": (b"\x30" * (MOST_STAMP + 1), tsa()),
        **{name: (authority.token(DATA, NOW), authority) for name, authority in unfit.items()},
    }
    for name, (token, trusted) in rows.items():
        with cases.case(name), pytest.raises(InvalidProof):
            seals.check_stamp(token, DATA, [trusted.root])


@cache
def good_token() -> bytes:
    return tsa().token(DATA, NOW)


@pytest.mark.filterwarnings("ignore:Parsed a serial number")  # of a library that will refuse it one day
@settings(max_examples=100)
@given(data=st.data())
def test_a_token_with_a_byte_changed_never_proves_another_time_or_raises_anything_else(
    data: st.DataObject,
) -> None:
    token = bytearray(good_token())
    token[data.draw(st.integers(0, len(token) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        stamp = seals.check_stamp(bytes(token), DATA, [tsa().root])
    except InvalidProof:
        return
    assert stamp.at == NOW


def test_an_answer_to_another_request_is_refused(running: Running) -> None:
    """A token kept back by an attacker on the way, with another nonce; one without a nonce; one over other bytes."""
    asker(running.url).stamp(DATA)
    old_reply = running.tsa.reply(running.requests[0], NOW)
    bare = {"status": {"status": "granted"}, "time_stamp_token": tsp.ContentInfo.load(good_token())}

    def over_other_bytes(request: bytes, reply: tsp.TimeStampResp) -> Reply:
        request_read = tsp.TimeStampReq.load(request)
        request_read["message_imprint"]["hashed_message"] = b"\x00" * 32
        return Reply(body=running.tsa.reply(request_read.dump(), NOW).dump(), kind=REPLY)

    running.wrong = lambda request, reply: Reply(body=old_reply.dump(), kind=REPLY)
    with pytest.raises(InvalidProof, match="nonce"):
        asker(running.url).stamp(DATA)
    running.wrong = lambda request, reply: Reply(body=tsp.TimeStampResp(bare).dump(), kind=REPLY)
    with pytest.raises(InvalidProof):
        asker(running.url).stamp(DATA)
    running.wrong = over_other_bytes
    with pytest.raises(InvalidProof):
        asker(running.url).stamp(DATA)


def test_a_refusal_or_an_answer_of_an_authority_that_we_do_not_trust_is_no_stamp(running: Running) -> None:
    with pytest.raises(InvalidProof):
        asker(running.url, tsa("other")).stamp(DATA)

    # TimeStampResp { PKIStatusInfo { rejection, { "no quota" } } }
    refusal = b"\x30\x11\x30\x0f\x02\x01\x02\x30\x0a\x0c\x08no quota"
    running.wrong = lambda request, reply: Reply(body=refusal, kind=REPLY)

    with pytest.raises(Unreachable, match="no quota"):
        asker(running.url).stamp(DATA)


def test_whatever_else_a_server_says_is_an_answer_that_did_not_come(cases: Cases) -> None:
    replies = {
        "not found": Reply(body=b"not found", kind="text/html", status=404),
        "a page": Reply(body=b"<html>", kind="text/html"),
        "broken": Reply(body=b"", kind=REPLY, status=500),
        "elsewhere": Reply(kind=REPLY, status=302, location="http://127.0.0.1:1/"),
        "too long": Reply(body=b"x" * (MOST_STAMP + 1), kind=REPLY),
        "shorter than it says": Reply(body=b"x" * 1000, kind=REPLY, claims=10**9),
    }
    for name, reply in replies.items():
        with cases.case(name), authorities.somewhere(reply) as server:
            with pytest.raises(Unreachable):
                asker(server.url).stamp(DATA)
            assert len(server.requests) == 1
    for body in (b"rubbish", b"", b"\x30\x03\x02\x01\x00"):
        rubbish = authorities.somewhere(Reply(body=body, kind=REPLY))
        with cases.case(body), rubbish as server, pytest.raises((InvalidProof, Unreachable)):
            asker(server.url).stamp(DATA)


def test_a_server_that_drips_or_is_not_there_is_left_when_the_time_is_up() -> None:
    with authorities.somewhere(Reply(body=b"x" * 100_000, kind=REPLY, drip_s=0.05)) as server:
        with pytest.raises(Unreachable):
            asker(server.url, seconds=0.5).stamp(DATA)

        assert server.dripped < 100_000

    with pytest.raises(Unreachable, match=r"127\.0\.0\.1"):
        asker("http://127.0.0.1:1/", seconds=2.0).stamp(DATA)


def test_an_address_that_is_none_is_told_as_such(cases: Cases) -> None:
    for url in (
        *("", "ftp://a.invalid/", "http://", "http://u:p@a.invalid/"),
        *("http://a.invalid:99999/", "a.invalid"),
    ):
        with cases.case(url), pytest.raises(Misconfigured):
            asker(url).stamp(DATA)


def test_roots_that_cannot_be_read_are_told_with_their_file(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    with pytest.raises(Misconfigured, match=r"ca\.pem"):
        seals.read_time_roots(file)
    file.write_bytes(b"no certificate")
    with pytest.raises(Misconfigured):
        seals.read_time_roots(file)
    file.write_bytes(tsa().root.public_bytes(Encoding.PEM))
    assert seals.read_time_roots(file) == (tsa().root,)
