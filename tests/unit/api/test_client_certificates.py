"""Keys that a client certificate opens, alone or beside the secret: the header Client-Cert counts from a
proxy of ours and from no other caller (threats.md 144)."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.api import admission
from gateway.api.deps import ApiOptions
from gateway.domain.account import KeyAuth
from gateway.policy.client_certificate import HEADER, LONGEST
from tests.support import api
from tests.support import client_certificates as made
from tests.support.api import DEPARTMENT, Door
from tests.support.clock import START

BELIEVING = ApiOptions(client_certificates=True)
MINE, OTHER = made.program(), made.program("other")
BOTH, ALONE = KeyAuth.BOTH, KeyAuth.CERTIFICATE


@pytest.fixture
async def door(blank_node: Path, tmp_path: Path) -> AsyncIterator[Door]:
    """Open a node that believes its proxy: any caller from this machine."""
    async with api.opened(blank_node, tmp_path / "node", BELIEVING) as opened:
        yield opened


async def test_a_key_of_both_ways_needs_both(door: Door) -> None:
    secret = await door.key(DEPARTMENT, auth=BOTH, certificate=made.bound(MINE))

    good = await door.ask("GET", "/me", key=secret, headers=made.header_fields(MINE))
    without = await door.ask("GET", "/me", key=secret)
    another = await door.ask("GET", "/me", key=secret, headers=made.header_fields(OTHER))

    assert good.status == 200
    assert good.json["way"] == "both"
    assert good.json["certificate"] == {
        "sha256": made.bound(MINE).sha256,
        "name": "qlvb",
        "expires_at": "2027-11-20T08:00:00+07:00",
    }
    for answer in (without, another):
        assert (answer.status, answer.json["code"]) == (401, "GW-401-CERTIFICATE")
        assert "chứng thư" in answer.json["detail"]


async def test_a_certificate_alone_is_the_key_that_it_opens_and_stands_for_no_other(door: Door) -> None:
    await door.key(DEPARTMENT, auth=ALONE, certificate=made.bound(MINE), good_from=["127.0.0.0/8", "::1"])

    for form in (made.header, made.nginx):
        answer = await door.ask("GET", "/me", key=None, headers={HEADER: form(MINE)})
        assert (answer.status, answer.json["way"]) == (200, "certificate")
        assert [agency["code"] for agency in answer.json["agencies"]] == [DEPARTMENT]
    assert (await door.ask("GET", "/me", key=None)).status == 401
    for wrong in ("Bearer gwk_unknown", "Basic x", ""):
        headers = {**made.header_fields(MINE), "Authorization": wrong}
        assert (await door.ask("GET", "/me", key=None, headers=headers)).status == 401
    far = {**made.header_fields(MINE), "X-Forwarded-For": "198.51.100.7"}  # outside its networks
    assert (await door.ask("GET", "/me", key=None, headers=far)).status == 403
    plain = await door.ask("GET", "/me", key=await door.key(DEPARTMENT), headers=made.header_fields(OTHER))
    assert (plain.status, plain.json["way"], plain.json["certificate"]) == (200, "secret", None)


async def test_threat_144_without_the_secret_nobody_learns_which_of_the_two_was_wrong(door: Door) -> None:
    secret = await door.key(DEPARTMENT, auth=BOTH, certificate=made.bound(MINE))

    answers = [
        await door.ask("GET", "/me", key=f"{secret}x", headers=headers)
        for headers in ({}, made.header_fields(MINE), made.header_fields(OTHER))
    ]
    alone = [await door.ask("GET", "/me", key=None, headers=made.header_fields(pem)) for pem in (MINE, OTHER)]

    for replies in (answers, alone):
        assert {reply.status for reply in replies} == {401}
        assert len({(r.json["code"], r.json["detail"], r.json.get("cause")) for r in replies}) == 1
    assert {answer.json["code"] for answer in (*answers, *alone)} == {"GW-401"}


async def test_threat_144_a_header_that_no_proxy_of_ours_wrote_is_ignored(
    blank_node: Path, tmp_path: Path
) -> None:
    """And that of a proxy too, until the setting says that proxies write it."""
    options = replace(BELIEVING, proxies=frozenset({"192.0.2.1"}))
    async with api.opened(blank_node, tmp_path / "direct", options) as direct:
        await direct.key(DEPARTMENT, auth=ALONE, certificate=made.bound(MINE))
        secret = await direct.key(DEPARTMENT, auth=BOTH, certificate=made.bound(OTHER))
        plain = await direct.key(DEPARTMENT)

        alone = await direct.ask("GET", "/me", key=None, headers=made.header_fields(MINE))
        both = await direct.ask("GET", "/me", key=secret, headers=made.header_fields(OTHER))
        rubbish = await direct.ask("GET", "/me", key=plain, headers={HEADER: "rubbish"})
        nothing = await direct.ask("GET", "/me", key=None)
    async with api.opened(blank_node, tmp_path / "unset", ApiOptions()) as door:
        await door.key(DEPARTMENT, auth=ALONE, certificate=made.bound(MINE))
        unset = await door.ask("GET", "/me", key=None, headers=made.header_fields(MINE))

    assert (alone.status, both.status, rubbish.status, unset.status) == (401, 401, 200, 401)
    assert both.json["code"] == "GW-401-CERTIFICATE"
    assert alone.json["detail"] == nothing.json["detail"]


async def test_threat_144_what_is_not_one_certificate_is_400_and_never_guessed_at(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    await door.key(DEPARTMENT, auth=ALONE, certificate=made.bound(MINE))
    caplog.set_level(logging.DEBUG)
    for values, fault in (
        ([made.header(MINE), made.header(OTHER)], "certificate-twice"),
        ([f"{made.header(MINE)}, {made.header(OTHER)}"], "certificate-several"),
        ([":" + "A" * LONGEST + ":"], "certificate-long"),
        ([":AAAA:"], "certificate-unread"),
        (["nonsense"], "certificate-unread"),
    ):
        async with door.client.get("/api/v1/me", headers=[(HEADER, text) for text in values]) as answer:
            problem = await answer.json()

        errors = [(error["code"], error["pointer"]) for error in problem["errors"]]
        assert (answer.status, errors) == (400, [(fault, "/headers/Client-Cert")])
        assert not [text for text in values if text in caplog.text]


async def test_a_certificate_opens_from_its_first_day_to_its_last(door: Door) -> None:
    late, soon = made.program("late", since=1, days=2), made.program("soon", since=1, days=2)
    secret = await door.key(DEPARTMENT, auth=BOTH, certificate=made.bound(late))
    await door.key(DEPARTMENT, auth=ALONE, certificate=made.bound(soon))

    for expected in ((401, "GW-401-CERTIFICATE-TIME"), (200, None), (401, "GW-401-CERTIFICATE-TIME")):
        for key, certificate in ((secret, late), (None, soon)):
            answer = await door.ask("GET", "/me", key=key, headers=made.header_fields(certificate))
            assert (answer.status, answer.json.get("code")) == expected
        door.clock.advance(timedelta(days=1))


async def test_a_certificate_that_ends_soon_says_so_in_each_answer(door: Door) -> None:
    for days, is_warned in ((31, False), (29, True)):
        ending = made.program(f"ending {days}", days=days)
        await door.key(DEPARTMENT, auth=ALONE, certificate=made.bound(ending))

        good = await door.ask("GET", "/me", key=None, headers=made.header_fields(ending))
        missed = await door.ask("GET", "/messages/msg_none", key=None, headers=made.header_fields(ending))

        warning = good.json["certificate"]["expires_at"] if is_warned else None
        assert [answer.headers.get("X-Certificate-Expires") for answer in (good, missed)] == [warning] * 2
        assert (made.bound(ending).ends_at - START).days == days


async def test_who_has_the_certificate_of_a_key_that_ended_is_told_so(door: Door) -> None:
    await door.key(DEPARTMENT, auth=ALONE, certificate=made.bound(MINE))
    id = (await door.ask("GET", "/me", key=None, headers=made.header_fields(MINE))).json["key"]

    await door.node.store.accounts.revoke_key(id)
    revoked = await door.ask("GET", "/me", key=None, headers=made.header_fields(MINE))
    await door.key(
        DEPARTMENT, auth=ALONE, certificate=made.bound(MINE), expires_at=door.clock.now() + timedelta(hours=1)
    )
    renewed = await door.ask("GET", "/me", key=None, headers=made.header_fields(MINE))
    door.clock.advance(timedelta(hours=1))
    expired = await door.ask("GET", "/me", key=None, headers=made.header_fields(MINE))

    assert [answer.status for answer in (revoked, renewed, expired)] == [401, 200, 401]
    assert [answer.json["code"] for answer in (revoked, expired)] == ["GW-401-REVOKED", "GW-401-EXPIRED"]


async def test_what_opens_a_key_is_changed_and_holds_at_once(door: Door) -> None:
    secret = await door.key(DEPARTMENT)
    id = (await door.ask("GET", "/me", key=secret)).json["key"]
    bind = door.node.store.accounts.bind_certificate

    await bind(id, BOTH, made.bound(MINE))
    bound = [
        await door.ask("GET", "/me", key=secret, headers=headers)
        for headers in ({}, made.header_fields(MINE))
    ]
    await bind(id, BOTH, made.bound(OTHER))
    changed = [
        await door.ask("GET", "/me", key=secret, headers=made.header_fields(pem)) for pem in (MINE, OTHER)
    ]
    await bind(id, KeyAuth.SECRET, None)
    freed = await door.ask("GET", "/me", key=secret)

    assert [answer.status for answer in (*bound, *changed, freed)] == [401, 200, 401, 200, 200]


@pytest.mark.parametrize("has_secret", [False, True])
async def test_threat_144_trying_certificates_is_slowed_and_locks_nobody_out(
    blank_node: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, has_secret: bool
) -> None:
    """One that opens nothing, again and again; and with a secret that was stolen."""
    monkeypatch.setattr(admission, "_GUESSES", replace(admission._GUESSES, per_s=0.001))
    options = replace(BELIEVING, rate_per_s=1000.0, burst=1000)
    async with api.opened(blank_node, tmp_path / "node", options) as door:
        stolen = await door.key(DEPARTMENT, auth=BOTH, certificate=made.bound(MINE)) if has_secret else None
        if not has_secret:
            await door.key(DEPARTMENT, auth=ALONE, certificate=made.bound(MINE))
        tried = [
            (await door.ask("GET", "/me", key=stolen, headers=made.header_fields(OTHER))).status
            for _ in range(12)
        ]
        owner = await door.ask("GET", "/me", key=stolen, headers=made.header_fields(MINE))
        elsewhere = {**made.header_fields(OTHER), "X-Forwarded-For": "203.0.113.7"}
        far = await door.ask("GET", "/me", key=stolen, headers=elsewhere)

    assert tried == [401] * 10 + [429] * 2
    assert (owner.status, far.status) == (200, 401)
