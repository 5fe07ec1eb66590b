"""Callers and the agencies they call for; a caller learns nothing about others (threats.md 87), and X-Forwarded-For is
believed only as far as our own proxies wrote it."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

import gateway.api
from gateway.api.admission import Entry
from gateway.api.deps import ApiOptions
from gateway.api.resources import ROUTES
from gateway.domain.account import ApiScope, Principal, PrincipalKind
from gateway.errors import Clash
from gateway.store.api_keys import to_key
from gateway.store.tables_node import ApiKeyRow
from tests.support import api
from tests.support.api import ALL, BASE, COMMUNE, DEPARTMENT, PROVINCE, Door
from tests.support.cases import Cases

# What no key is ever good for.
NOBODYS = {"people", "accounts", "tokens", "keys", "trust", "proposals", "holds", "seals", "purge"}


async def test_threat_087_without_a_good_key_every_call_is_401(door: Door) -> None:
    for header in (
        "",
        "Bearer",
        "Bearer nothing",
        "Basic gwk_x",
        "Bearer gwk_unknown",
        "gwk_x",
        "Bearer sbx_x",
    ):
        answer = await door.ask("GET", "/messages", key=None, headers={"Authorization": header})
        assert answer.status == 401, header
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert (await door.ask("GET", "/messages", key=None)).status == 401


async def test_a_key_has_two_secrets_until_the_earlier_one_is_ended(door: Door) -> None:
    """It ends at its time or by the command, and with the key."""
    earlier = await door.key(DEPARTMENT)
    accounts = door.node.store.accounts
    id = (await door.ask("GET", "/me", key=earlier)).json["key"]

    async def rotate(secret: str) -> str:
        digest = hashlib.sha256(secret.encode()).hexdigest()
        await accounts.rotate_secret(id, digest, secret[:8], door.node.clock.now() + timedelta(hours=24))
        return secret

    async def answers_to(*secrets: str) -> list[str]:
        answers = [await door.ask("GET", "/me", key=secret) for secret in secrets]
        return [answer.json.get("key") or answer.json["code"] for answer in answers]

    present = await rotate("gwk_present")
    assert await answers_to(earlier, present) == [id, id]
    answer = await door.ask("GET", "/me", key=earlier)
    assert answer.json["expires_at"] is not None
    assert "X-Key-Expires" in answer.headers
    assert (await door.ask("GET", "/me", key=present)).json["expires_at"] is None
    with pytest.raises(Clash):
        await rotate("gwk_third")
    door.clock.advance(timedelta(hours=24))
    assert await answers_to(earlier, present) == ["GW-401-EXPIRED", id]
    third = await rotate("gwk_third")
    assert [await accounts.end_earlier_secret(id), await accounts.end_earlier_secret(id)] == [True, False]
    assert await answers_to(present, third, earlier) == ["GW-401-EXPIRED", id, "GW-401"]
    await rotate("gwk_fourth")
    await accounts.revoke_key(id)
    assert await answers_to(third, "gwk_fourth") == ["GW-401-REVOKED", "GW-401-REVOKED"]


async def test_threat_087_a_key_that_was_revoked_or_ran_out_is_no_key(door: Door) -> None:
    secret = await door.key(DEPARTMENT)
    id = (await door.ask("GET", "/me", key=secret)).json["key"]
    await door.node.store.accounts.revoke_key(id)
    for _ in range(20):  # its holder is no guesser: 401 stays 401
        answer = await door.ask("GET", "/me", key=secret)
        assert (answer.status, answer.json["code"]) == (401, "GW-401-REVOKED")

    secret = await door.key(DEPARTMENT, expires_at=door.clock.now() + timedelta(hours=1))
    assert (await door.ask("GET", "/me", key=secret)).status == 200
    door.clock.advance(timedelta(hours=1))
    answer = await door.ask("GET", "/me", key=secret)
    assert (answer.status, answer.json["code"]) == (401, "GW-401-EXPIRED")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


BOUND = ("203.0.113.0/24", "2001:db8:12::/48", "198.51.100.7")


async def test_threat_087_a_key_is_good_from_its_networks_alone(door: Door) -> None:
    secret = await door.key(DEPARTMENT, good_from=BOUND)
    for address in (
        *("203.0.113.7", "198.51.100.1, 203.0.113.7", "2001:db8:12:1::9"),
        *("::ffff:203.0.113.7", "198.51.100.7"),
    ):
        good = await door.ask("GET", "/me", key=secret, headers={"X-Forwarded-For": address})
        assert good.status == 200, address
        assert good.json["networks"] == ["203.0.113.0/24", "2001:db8:12::/48", "198.51.100.7/32"]
    for elsewhere in (
        *("198.51.100.8", "203.0.113.7, 198.51.100.8", "2001:db8:13::9"),
        *("::ffff:198.51.100.8", "nowhere", "", None),
    ):
        headers = {} if elsewhere is None else {"X-Forwarded-For": elsewhere}
        refused = await door.ask("GET", "/me", key=secret, headers=headers)
        assert (refused.status, refused.json["code"]) == (403, "GW-403-ADDRESS"), elsewhere
        assert "địa chỉ IP" in refused.json["detail"]


async def test_threat_087_whoever_is_no_proxy_of_ours_cannot_say_that_he_is_in_a_network(
    blank_node: Path, tmp_path: Path
) -> None:
    options = ApiOptions(proxies=frozenset({"192.0.2.1"}))
    headers = {"X-Forwarded-For": "203.0.113.7"}
    async with api.opened(blank_node, tmp_path / "direct", options) as direct:
        for networks, status in ((BOUND, 403), (("127.0.0.0/8", "::1"), 200)):
            key = await direct.key(DEPARTMENT, good_from=networks)
            assert (await direct.ask("GET", "/me", key=key, headers=headers)).status == status


async def test_threat_087_without_the_secret_nobody_learns_that_a_key_is_bound(door: Door) -> None:
    secret = await door.key(DEPARTMENT, good_from=BOUND)
    id = (await door.ask("GET", "/me", key=secret, headers={"X-Forwarded-For": "203.0.113.7"})).json["key"]

    like_it = await door.ask("GET", "/me", key=f"{secret}x")
    unknown = await door.ask("GET", "/me", key="gwk_unknown")
    await door.node.store.accounts.revoke_key(id)
    revoked = await door.ask("GET", "/me", key=secret)

    assert [answer.status for answer in (like_it, unknown, revoked)] == [401] * 3
    assert like_it.json["detail"] == unknown.json["detail"]
    assert "203.0.113" not in str(revoked)  # its holder learns that it was revoked, and no more


async def test_threat_087_a_call_without_its_scope_is_403(door: Door) -> None:
    """Look at needs that hang on the query, and at calls with two scopes; the table of all calls stands below."""
    key = await door.key(DEPARTMENT, scopes=ALL - {ApiScope.INBOX_ACT})
    assert (await door.ask("GET", "/inbox", key=key)).status == 200
    answer = await door.ask("GET", "/inbox?lease=10", key=key)
    assert (answer.status, answer.json["code"]) == (403, "GW-403-SCOPE")
    for scope in (ApiScope.MESSAGES_READ, ApiScope.INBOX_READ):  # either reads the feed
        assert (
            await door.ask("GET", "/events", key=await door.key(DEPARTMENT, scopes=[scope]))
        ).status == 200
    assert (await door.ask("GET", "/events", key=await door.key(DEPARTMENT, scopes=[]))).status == 403


async def test_a_key_of_several_agencies_must_name_one(door: Door) -> None:
    secret = await door.key(DEPARTMENT, COMMUNE)

    unnamed = await door.ask("GET", "/messages", key=secret)
    with_agency = await door.ask("GET", "/messages", key=secret, headers={"X-Agency": COMMUNE.lower()})

    assert unnamed.status == 400
    assert COMMUNE in unnamed.json["errors"][0]["detail"]
    assert with_agency.status == 200


async def test_threat_087_an_agency_that_the_key_does_not_serve_answers_like_an_absent_one(
    door: Door,
) -> None:
    hosted = await door.ask("GET", "/me", headers={"X-Agency": PROVINCE})
    absent = await door.ask("GET", "/me", headers={"X-Agency": "Z99"})

    assert hosted.status == absent.status == 403
    assert hosted.json["detail"] == absent.json["detail"]
    assert hosted.json["code"] == absent.json["code"]


async def test_threat_087_ids_of_another_agency_are_404_like_ids_that_never_were(door: Door) -> None:
    id = (await door.send()).json["id"]
    for method, tail in (
        *(("GET", tail) for tail in ("", "/events", "/envelope")),
        *(("POST", tail) for tail in ("/send", "/cancel", "/resend")),
    ):
        foreign = await door.ask(method, f"/messages/{id}{tail}", agency=COMMUNE)
        absent = await door.ask(method, f"/messages/msg_none{tail}", agency=COMMUNE)
        assert foreign.status == absent.status == 404, tail
        assert foreign.json["detail"] == absent.json["detail"]

    for path in ("/messages", "/events"):
        assert (await door.ask("GET", path, agency=COMMUNE)).json["data"] == []


def test_no_scope_is_offered_that_opens_nothing() -> None:
    """Every scope opens some call; a key that has a removed scope keeps its others."""
    source = "".join(path.read_text("utf-8") for path in Path(gateway.api.__file__).parent.rglob("*.py"))

    assert [scope for scope in ApiScope if f"ApiScope.{scope.name}" not in source] == []


def test_a_key_that_is_older_than_the_end_of_a_scope_keeps_its_other_scopes() -> None:
    row = ApiKeyRow(
        id="key_1",
        principal_id="prn_1",
        scopes='["messages:send","faxes:send"]',
        secret_hash="",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        networks="[]",
    )

    key = to_key(row, Principal(id="prn_1", kind=PrincipalKind.PROGRAM, name="x"), ())

    assert key.scopes == {ApiScope.MESSAGES_SEND}


async def test_threat_087_the_whole_table_by_principal(door: Door) -> None:
    """Without a key what is open alone is answered; without its scopes no call is, whatever else the key may; and no call
    of the table is about persons, keys, trust or what is under seal: those are never a program's."""
    assert not [route.path for route in ROUTES if NOBODYS & {*re.findall(r"[a-z]+", route.path)}]
    keys: dict[frozenset[ApiScope], str] = {}
    for route in ROUTES:
        path = re.sub(r"\{\w+\}", "x", route.path).removeprefix(BASE)
        unknown = await door.ask(route.method, path, key=None)
        assert (unknown.status == 401) != route.open, route.name
        if route.scopes:
            lacking = frozenset(ALL) - frozenset(route.scopes)
            if lacking not in keys:
                keys[lacking] = await door.key(DEPARTMENT, scopes=lacking)
            refused = await door.ask(route.method, path, key=keys[lacking])
            assert (refused.status, refused.json["code"]) == (403, "GW-403-SCOPE"), route.name


PROXY, SECOND_PROXY = "127.0.0.1", "192.0.2.1"
# The lines of the header, the peer, and whose address it is.
ROWS = [
    (("203.0.113.66",), PROXY, "203.0.113.66"),
    (("10.1.2.3, 203.0.113.66",), PROXY, "203.0.113.66"),
    (("10.1.2.3", "203.0.113.66"), PROXY, "203.0.113.66"),
    (("10.1.2.3, 10.4.5.6", "203.0.113.66"), PROXY, "203.0.113.66"),
    (("10.1.2.3", f"203.0.113.66, {SECOND_PROXY}"), PROXY, "203.0.113.66"),
    (("203.0.113.66", SECOND_PROXY), PROXY, "203.0.113.66"),
    ((SECOND_PROXY,), PROXY, SECOND_PROXY),
    ((), PROXY, PROXY),
    (("203.0.113.66",), "198.51.100.1", "198.51.100.1"),
    (("10.1.2.3", "nowhere"), PROXY, None),
]


def test_several_lines_are_one_list_and_only_addresses_that_our_proxies_added_count(cases: Cases) -> None:
    entry = Entry(ApiOptions(proxies=frozenset({PROXY, SECOND_PROXY})))
    for lines, peer, expected in ROWS:
        headers = CIMultiDict([("Host", "node"), *(("X-Forwarded-For", line) for line in lines)])
        request = make_mocked_request("GET", "/api/v1/inbox", headers=headers).clone(remote=peer)
        with cases.case((lines, peer)):
            address = entry._caller_address(request)
            assert (None if address is None else str(address)) == expected
