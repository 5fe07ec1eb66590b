"""Webhooks over the API: made and kept by keys that may read the events, their secrets shown once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from gateway.cli import operations
from gateway.cli.command import Invocation
from gateway.cli.node import CommandContext, chosen
from gateway.domain.account import ApiScope
from gateway.errors import Denied
from tests.support.api import DEPARTMENT, Answer, Door
from tests.support.api import meta as document
from tests.support.hooks import Hooked, Receiver, answers, fine


@pytest.fixture
def door(near_door: Door) -> Door:
    return near_door


async def create_webhook(door: Door, url: str, once: str = "1", **fields: Any) -> dict[str, Any]:
    answer = await door.ask("POST", "/webhooks", json={"url": url, **fields}, once=once)
    assert answer.status == 201, answer.json
    webhook: dict[str, Any] = answer.json
    return webhook


async def pushed(door: Door) -> None:
    await door.carry()
    await Hooked(town=door.town).push()


async def test_what_is_sent_is_what_the_feed_says_so_that_a_client_may_mix_both(
    door: Door, receiver: Receiver
) -> None:
    webhook = await create_webhook(door, receiver.url, types=["message.*"])
    assert (await door.send(document(callback_data="ours"), once="send")).status == 202
    await pushed(door)

    rows = (await door.ask("GET", "/events")).json["data"]
    expected = [row for row in rows if row["type"].startswith("message.")]
    assert receiver.bodies == expected
    assert expected
    assert all(row["data"]["callback_data"] == "ours" for row in expected)
    assert receiver.all_signed(webhook["secret"])
    for headers, _ in receiver.raw:
        cursor = headers["webhook-id"]
        assert (await door.ask("GET", f"/events?after={cursor}")).status == 200


async def test_a_secret_is_shown_once_and_a_repeat_has_none(door: Door, receiver: Receiver) -> None:
    first = await create_webhook(door, receiver.url)
    repeat = await create_webhook(door, receiver.url)

    assert first["secret"].startswith("whsec_")
    assert repeat == first | {"secret": None}
    listed = await door.ask("GET", "/webhooks")
    assert first["secret"] not in str(listed)
    assert len(listed.json["data"]) == 1

    for n in range(19):  # an agency has so many and no more
        await create_webhook(door, receiver.url, once=f"more {n}")
    answer = await door.ask("POST", "/webhooks", json={"url": receiver.url}, once="last")
    assert (answer.status, answer.json["code"]) == (409, "GW-HOOK-MOST")


async def test_one_is_changed_paused_let_go_on_and_removed(door: Door, receiver: Receiver) -> None:
    id = (await create_webhook(door, receiver.url))["id"]
    webhook = await door.ask("GET", f"/webhooks/{id}")
    etag = webhook.headers["ETag"]

    changes = {"types": ["inbox.received"], "note": "qlvb", "state": "paused"}
    changed = await door.ask("PATCH", f"/webhooks/{id}", json=changes, headers={"If-Match": etag})
    assert changed.status == 200
    assert {key: changed.json[key] for key in changes} == changes
    assert changed.json["paused_why"] == "person"
    stale = await door.ask("PATCH", f"/webhooks/{id}", json={"note": "x"}, headers={"If-Match": etag})
    assert stale.status == 412

    assert (await door.ask("PATCH", f"/webhooks/{id}", json={"state": "active"})).json["state"] == "active"
    assert (await door.ask("DELETE", f"/webhooks/{id}")).status == 200
    assert (await door.ask("GET", f"/webhooks/{id}")).status == 404


async def test_a_trial_the_log_and_a_resend(door: Door, receiver: Receiver) -> None:
    id = (await create_webhook(door, receiver.url, types=["message.*"]))["id"]
    tried = await door.ask("POST", f"/webhooks/{id}/test")
    assert (tried.json["code"], tried.json["status"]) == ("ok", 204)
    await door.send(document(), once="send")
    await pushed(door)

    page = (await door.ask("GET", f"/webhooks/{id}/deliveries?limit=1")).json
    second_page = (await door.ask("GET", f"/webhooks/{id}/deliveries?cursor={page['next_cursor']}")).json
    rows = [*page["data"], *second_page["data"]]
    assert [row["state"] for row in rows] == ["delivered"] * len(rows)
    assert [row["sequence"] for row in rows] == sorted((row["sequence"] for row in rows), reverse=True)

    event = rows[-1]["event"]
    redelivered = await door.ask("POST", f"/webhooks/{id}/redeliver", json={"events": [event]})
    assert (redelivered.status, redelivered.json) == (202, {"count": 1})
    await pushed(door)
    assert [body["id"] for body in receiver.bodies].count(event) == 2


async def test_threat_089_an_address_that_may_not_be_called_is_refused(door: Door) -> None:
    """And so are types that no program reads."""

    async def make(**fields: Any) -> Answer:
        return await door.ask("POST", "/webhooks", json=fields, once=str(fields))

    assert (await make(url="http://qlvb.example.gov.vn")).status == 201
    for url, code in (
        ("https://10.0.0.1/", "GW-HOOK-ADDRESS"),
        ("https://169.254.169.254/latest", "GW-HOOK-ADDRESS"),
        ("https://user:pw@example.gov.vn/", "GW-HOOK-URL"),
    ):
        answer = await make(url=url)
        assert (answer.status, answer.json["code"]) == (400, code)
        assert [error["pointer"] for error in answer.json["errors"]] == ["/url"]
    for wrong in ("person.added", "message", "messages.*", "*", ".*"):
        answer = await make(url="http://qlvb.example.gov.vn", types=[wrong])
        assert (answer.status, answer.json["code"]) == (400, "GW-HOOK-TYPE"), wrong


async def test_a_key_manages_no_webhook_that_is_told_more_than_it_may_read(
    door: Door, receiver: Receiver
) -> None:
    """It could send what the other reads to an address of its own."""
    id = (await create_webhook(door, receiver.url))["id"]
    less = await door.key(DEPARTMENT, scopes={ApiScope.WEBHOOKS_MANAGE, ApiScope.MESSAGES_READ})
    none = await door.key(DEPARTMENT, scopes={ApiScope.MESSAGES_READ})

    assert (await door.ask("GET", "/webhooks", key=less)).json["data"] == []
    for method, path in (
        ("GET", ""),
        ("DELETE", ""),
        ("POST", "/rotate"),
        ("POST", "/test"),
        ("POST", "/redeliver"),
        ("GET", "/deliveries"),
    ):
        json: dict[str, Any] | None = {} if method == "POST" and path != "/test" else None
        assert (await door.ask(method, f"/webhooks/{id}{path}", key=less, json=json)).status == 404, path
    assert (await door.ask("PATCH", f"/webhooks/{id}", key=less, json={"url": receiver.url})).status == 404
    assert (await door.ask("GET", "/webhooks", key=none)).status == 403
    own = await door.ask("POST", "/webhooks", json={"url": receiver.url}, once="own", key=less)
    assert own.json["scopes"] == ["messages:read", "webhooks:manage"]


async def test_every_act_of_the_service_refuses_a_caller_with_fewer_scopes(
    door: Door, receiver: Receiver
) -> None:
    """The API hides such a webhook before; the service relies on no caller for it."""
    id = (await create_webhook(door, receiver.url))["id"]
    scope, service = await Hooked(town=door.town).scope(), door.town.node.webhooks
    may = frozenset({ApiScope.WEBHOOKS_MANAGE, ApiScope.MESSAGES_READ})

    for act in (
        service.change(scope, id, note="x", may=may),
        service.rotate(scope, id, may=may),
        service.pause(scope, id, may=may),
        service.resume(scope, id, may=may),
        service.remove(scope, id, may=may),
        service.test(scope, id, DEPARTMENT, may=may),
        service.redeliver(scope, id, None, may=may),
    ):
        with pytest.raises(Denied):
            await act
    assert (await service.get(scope.agency_id, id)).version == 1
    assert not receiver.raw


async def test_a_webhook_for_events_that_its_key_may_not_read_is_refused(
    door: Door, receiver: Receiver
) -> None:
    key = await door.key(DEPARTMENT, scopes=[ApiScope.WEBHOOKS_MANAGE, ApiScope.INBOX_READ])

    async def create(once: str, *types: str) -> Any:
        return await door.ask(
            "POST", "/webhooks", key=key, once=once, json={"url": receiver.url, "types": list(types)}
        )

    refused = [await create("a", "message.*"), await create("b", "inbox.*", "message.status")]
    good = await create("c", "inbox.*")

    assert [(r.status, r.json["code"]) for r in refused] == [(403, "GW-403-SCOPE")] * 2
    assert good.status == 201, str(good)
    path = f"/webhooks/{good.json['id']}"
    assert (await door.ask("PATCH", path, key=key, json={"types": ["recall.*"]})).status == 403
    assert len((await door.ask("GET", "/webhooks", key=key)).json["data"]) == 1


async def made_by(door: Door, key: str, url: str, once: str) -> str:
    answer = await door.ask(
        "POST", "/webhooks", key=key, once=once, json={"url": url, "types": ["message.*"]}
    )
    assert answer.status == 201, str(answer)
    return str(answer.json["id"])


async def test_a_webhook_is_told_what_the_keys_of_its_program_may_read_now(
    door: Door, receiver: Receiver
) -> None:
    """The key that made it is revoked, and another of that program is valid: of its scopes alone are the events."""
    accounts, hooks = door.node.store.accounts, door.node.store.webhooks
    secret = await door.key(DEPARTMENT)
    answer = await door.ask(
        "POST", "/webhooks", key=secret, once="1", json={"url": receiver.url, "types": []}
    )
    (first,) = await accounts.list_keys()
    second_keys = [
        await accounts.add_key(
            secret_hash=str(n), principal=first.principal, agency_ids=first.agency_ids, scopes=[scope]
        )
        for n, scope in enumerate((ApiScope.MESSAGES_READ, ApiScope.MESSAGES_SEND))
    ]
    await accounts.revoke_key(first.id)

    assert await hooks.pause_without_key(first.principal.id, "operator") == []
    await door.send(document(), once="send")
    await pushed(door)
    kinds = {body["type"].partition(".")[0] for body in receiver.bodies}
    assert kinds == {"message"}
    assert receiver.bodies

    receiver.bodies.clear()
    await accounts.revoke_key(second_keys[0].id)
    await door.send(document(number="16"), once="again")
    await pushed(door)

    (listed,) = (await door.ask("GET", "/webhooks")).json["data"]
    assert receiver.bodies == []
    assert (listed["id"], listed["state"], listed["paused_why"]) == (answer.json["id"], "paused", "key")


async def test_a_telling_that_waits_for_its_next_try_is_of_the_rights_of_that_time(
    door: Door, receiver: Receiver
) -> None:
    accounts = door.node.store.accounts
    secret = await door.key(DEPARTMENT)
    await made_by(door, secret, receiver.url, "1")
    (first,) = await accounts.list_keys()
    await accounts.add_key(
        secret_hash="x", principal=first.principal, agency_ids=first.agency_ids, scopes=[ApiScope.INBOX_READ]
    )
    receiver.behave = answers(500)
    await door.send(document(), once="send")
    await pushed(door)
    assert receiver.bodies
    receiver.bodies.clear()
    receiver.behave = fine

    await accounts.revoke_key(first.id)
    door.clock.advance(timedelta(minutes=10))
    await pushed(door)

    assert receiver.bodies == []


async def test_a_webhook_ends_with_the_last_key_of_its_program(door: Door, receiver: Receiver) -> None:
    """Revoked or run out; one that a program has another key for, and one of another program, go on."""
    accounts, hooks = door.node.store.accounts, door.node.store.webhooks
    short = await door.key(DEPARTMENT, expires_at=door.clock.now() + timedelta(hours=1))
    revoked, live = await door.key(DEPARTMENT), await door.key(DEPARTMENT)
    ids = [await made_by(door, key, receiver.url, str(n)) for n, key in enumerate((short, revoked, live))]
    keys = {key.principal.name: key for key in await accounts.list_keys()}
    paired = keys["program 2"]
    second = await accounts.add_key(
        secret_hash="x", principal=paired.principal, agency_ids=paired.agency_ids, scopes=paired.scopes
    )

    await accounts.revoke_key(paired.id)
    assert await hooks.pause_without_key(paired.principal.id, "operator") == []
    await accounts.revoke_key(second.id)
    paused = await hooks.pause_without_key(paired.principal.id, "operator")
    door.clock.advance(timedelta(hours=2))
    await door.send(document(), once="send")
    await pushed(door)
    await door.town.number()

    assert [hook.id for hook in paused] == [ids[1]]
    listed = {row["id"]: row for row in (await door.ask("GET", "/webhooks")).json["data"]}
    assert [listed[id]["paused_why"] for id in ids] == ["key", "key", None]
    assert {headers["webhook-id"] for headers, _ in receiver.raw}
    events = (await door.ask("GET", "/events?type=webhook.paused")).json["data"]
    assert [event["data"]["why"] for event in events] == ["key", "key"]
    # The key that resumes a webhook answers for it from now on.
    on = await door.ask("PATCH", f"/webhooks/{ids[1]}", key=live, json={"state": "active"})
    assert on.status == 200, str(on)
    await door.send(document(number="16"), once="again")
    await pushed(door)
    assert (await door.ask("GET", f"/webhooks/{ids[1]}")).json["state"] == "active"


async def test_a_paused_webhook_has_no_next_try_anywhere(near_door: Door) -> None:
    door, hooked = near_door, Hooked(town=near_door.town)
    _, endpoint = await hooked.add("http://127.0.0.1:9/nobody", "message.*")
    await hooked.happen(3)
    await hooked.push()
    agency = chosen(await door.node.store.hosted(), DEPARTMENT)
    context = CommandContext(node=door.node, agency=agency, scope=await hooked.scope())

    async def list_retries() -> tuple[bool, bool, list[bool], list[bool]]:
        path = f"/webhooks/{endpoint.id}"
        rows = (await door.ask("GET", f"{path}/deliveries")).json["data"]
        at_terminal = await operations.carry_out(Invocation(), context, "readWebhook", id=endpoint.id)
        log = await operations.carry_out(Invocation(), context, "listDeliveries", id=endpoint.id)
        return (
            (await door.ask("GET", path)).json["next_try_at"] is not None,
            at_terminal.next_try_at is not None,
            [row["next_try_at"] is not None for row in rows if row["state"] == "waiting"],
            [row.next_try_at is not None for row in log.data if row.state == "waiting"],
        )

    assert await list_retries() == (True, True, [True, True], [True, True])
    await door.node.webhooks.pause(await hooked.scope(), endpoint.id)
    assert await list_retries() == (False, False, [False, False], [False, False])
