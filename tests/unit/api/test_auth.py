"""Who may call, for which agency, and what nobody learns about others (threats.md 87)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.domain.account import ApiScope
from tests.support.api import ALL, COMMUNE, DEPARTMENT, PROVINCE, Door


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer nothing", "Basic gwk_x", "Bearer gwk_unknown", "gwk_x"]
)
async def test_threat_087_without_a_good_key_every_call_is_401(door: Door, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}

    answer = await door.ask("GET", "/messages", key=None, headers=headers)

    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_threat_087_a_revoked_key_is_no_key(door: Door) -> None:
    secret = await door.key(DEPARTMENT)
    id = (await door.ask("GET", "/me", key=secret)).json["key"]

    await door.node.store.accounts.revoke_key(id)

    assert (await door.ask("GET", "/me", key=secret)).status == 401


async def test_threat_087_a_key_that_ran_out_is_no_key(door: Door) -> None:
    secret = await door.key(DEPARTMENT, expires_at=door.clock.now() + timedelta(hours=1))
    assert (await door.ask("GET", "/me", key=secret)).status == 200

    door.clock.advance(timedelta(hours=1))

    assert (await door.ask("GET", "/me", key=secret)).status == 401


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/messages", ApiScope.MESSAGES_READ),
        ("POST", "/messages/x/cancel", ApiScope.MESSAGES_SEND),
        ("GET", "/inbox", ApiScope.INBOX_READ),
        ("GET", "/inbox?lease=10", ApiScope.INBOX_ACT),
        ("POST", "/inbox/x/ack", ApiScope.INBOX_ACT),
        ("GET", "/agencies", ApiScope.AGENCIES_READ),
        ("POST", "/agencies:import", ApiScope.AGENCIES_WRITE),
    ],
)
async def test_threat_087_a_call_without_its_scope_is_403(
    door: Door, method: str, path: str, scope: ApiScope
) -> None:
    secret = await door.key(DEPARTMENT, scopes=ALL - {scope})

    answer = await door.ask(method, path, key=secret)

    assert answer.status == 403
    assert answer.json["code"] == "GW-403-SCOPE"


@pytest.mark.parametrize("scope", [ApiScope.MESSAGES_READ, ApiScope.INBOX_READ])
async def test_either_scope_reads_the_feed(door: Door, scope: ApiScope) -> None:
    assert (await door.ask("GET", "/events", key=await door.key(DEPARTMENT, scopes=[scope]))).status == 200
    assert (await door.ask("GET", "/events", key=await door.key(DEPARTMENT, scopes=[]))).status == 403


async def test_a_key_of_several_agencies_must_name_one(door: Door) -> None:
    secret = await door.key(DEPARTMENT, COMMUNE)

    unnamed = await door.ask("GET", "/messages", key=secret)
    named = await door.ask("GET", "/messages", key=secret, headers={"X-Agency": COMMUNE.lower()})

    assert unnamed.status == 400
    assert COMMUNE in unnamed.json["errors"][0]["detail"]
    assert named.status == 200


async def test_threat_087_an_agency_that_the_key_does_not_serve_answers_like_one_that_is_not_there(
    door: Door,
) -> None:
    hosted = await door.ask("GET", "/me", headers={"X-Agency": PROVINCE})
    absent = await door.ask("GET", "/me", headers={"X-Agency": "Z99"})

    assert hosted.status == absent.status == 403
    assert hosted.json["detail"] == absent.json["detail"]
    assert hosted.json["code"] == absent.json["code"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/messages/{id}"),
        ("GET", "/messages/{id}/events"),
        ("GET", "/messages/{id}/envelope"),
        ("POST", "/messages/{id}/send"),
        ("POST", "/messages/{id}/cancel"),
        ("POST", "/messages/{id}/resend"),
    ],
)
async def test_threat_087_ids_of_another_agency_are_404_like_ids_that_never_were(
    door: Door, method: str, path: str
) -> None:
    id = (await door.send()).json["id"]

    foreign = await door.ask(method, path.format(id=id), agency=COMMUNE)
    absent = await door.ask(method, path.format(id="msg_none"), agency=COMMUNE)

    assert foreign.status == absent.status == 404
    assert foreign.json["detail"] == absent.json["detail"]


async def test_threat_087_another_agencys_message_is_in_no_list(door: Door) -> None:
    await door.send()

    assert (await door.ask("GET", "/messages", agency=COMMUNE)).json["data"] == []
    assert (await door.ask("GET", "/events", agency=COMMUNE)).json["data"] == []
