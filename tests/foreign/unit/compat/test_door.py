"""The compatibility door: the tests check who is let in, what a system may do and see, which documents are offered
again, and how hostile calls are answered."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.api.deps import ApiOptions
from gateway.domain.account import AgencyScope, ApiScope
from gateway.domain.system_box import MOST_TRIES, PAUSES
from gateway.incoming import act
from gateway.ops.checks_of_parts import system_findings
from gateway_foreign.compat import hand_over
from gateway_foreign.compat.application import OPERATIONS
from tests.foreign.interop.vxp_client import SdkClient
from tests.interop import edxml_files
from tests.support.api import COMMUNE, DEPARTMENT, PDF, PROVINCE
from tests.support.clock import START
from tests.support.town.doors import SYSTEM, VxpDoor, open_vxp_door


@pytest.fixture
async def vxp(blank_node: Path, tmp_path: Path) -> AsyncIterator[VxpDoor]:
    async with open_vxp_door(blank_node, tmp_path / "vxp") as opened:
        yield opened


def letter(**more: Any) -> bytes:
    return edxml_files.document(PROVINCE, [DEPARTMENT], [("a.pdf", PDF)], **more)


async def arrive(vxp: VxpDoor, count: int = 1) -> list[str]:
    """Send documents of the province; return the ids that the department's system has for them."""
    if "tinh" not in vxp.secrets:
        await vxp.system("tinh", (PROVINCE,))
    for n in range(count):
        sent = await vxp.send(letter(number=str(200 + n)), PROVINCE, name="tinh")
        assert sent["status"] == "OK", sent
    await vxp.api.carry()
    return [row["docId"] for row in await vxp.listed()]


# --- who is let in --------------------------------------------------------------------------------------------------


async def test_threat_138_who_lacks_the_secret_learns_nothing(vxp: VxpDoor) -> None:
    await vxp.system()
    answers = []
    for name, secret in ((SYSTEM, "another"), ("nobody", "another"), ("", "another")):
        answer = await vxp.with_client(lambda client: client.ask("getAgenciesList"), name, secret)
        answers.append((answer["status"], answer["ErrorCode"], answer["ErrorDesc"].split(" [")[0]))

    assert len(set(answers)) == 1
    assert answers[0][:2] == ("FAIL", "401")


async def test_letters_that_the_library_damages_are_named_and_the_next_call_works(vxp: VxpDoor) -> None:
    await vxp.system()
    client = vxp.client()
    client.damages_letters = True
    description = {"docId": "none", "status": "fail", "description": "lỗi mở tệp"}
    damaged = await asyncio.to_thread(client.ask, "updateStatus", description, body=b"{}")
    plain = await asyncio.to_thread(client.ask, "updateStatus", {"description": "loi mo tep"}, body=b"{}")
    client.close()

    assert (damaged["ErrorCode"], damaged["data"]) == ("401", "")
    assert "Một tham số (thường là description)" in damaged["ErrorDesc"]
    assert plain["ErrorCode"] == "404", "the same object works on"


async def test_threat_138_guesses_of_one_address_are_few(blank_node: Path, tmp_path: Path) -> None:
    limited = ApiOptions(rate_per_s=1000.0, burst=1000)
    async with open_vxp_door(blank_node, tmp_path / "vxp", options=limited) as vxp:
        await vxp.system()

        def guess(thief: SdkClient) -> str:
            return [str(thief.ask("getAgenciesList")["ErrorCode"]) for _ in range(12)][-1]

        assert await vxp.with_client(guess, SYSTEM, "another") == "429"
        owner = await vxp.call("getAgenciesList")
        assert owner["ErrorCode"] == "429"  # from that very address; told when to come again, in the dialect
        assert owner["status"] == "FAIL"


async def test_a_credential_that_ended_says_so_to_its_holder_alone(vxp: VxpDoor) -> None:
    key = await vxp.system(expires_at=START + timedelta(days=2))
    assert (await vxp.call("getAgenciesList"))["status"] == "OK"
    with pytest.raises(Exception, match="has a credential already"):
        await vxp.system()
    vxp.api.clock.advance(timedelta(days=2))
    assert "GW-401-EXPIRED" in (await vxp.call("getAgenciesList"))["ErrorDesc"]
    await vxp.system()
    assert (await vxp.call("getAgenciesList"))["status"] == "OK"
    (newest, oldest) = await vxp.node.store.accounts.keys_of_system(SYSTEM)
    assert oldest.id == key.id
    await vxp.node.store.accounts.revoke_key(newest.id)
    assert "GW-401-REVOKED" in (await vxp.call("getAgenciesList"))["ErrorDesc"]


async def test_a_second_secret_and_the_first_while_they_overlap(vxp: VxpDoor) -> None:
    key = await vxp.system()
    old = vxp.secrets[SYSTEM]
    for secret in (old, f"system {key.id}", f"gwk_{old}"):  # it is no bearer, and no row holds it
        assert (await vxp.api.ask("GET", "/me", key=secret)).status == 401
    for file in vxp.node.settings.node.data_dir.glob("gateway.db*"):
        assert old.encode() not in file.read_bytes()
    await vxp.system(ends_at=vxp.node.clock.now() + timedelta(hours=1))

    async def by(secret: str) -> str:
        answer = await vxp.with_client(lambda client: client.ask("getAgenciesList"), SYSTEM, secret)
        return str(answer["ErrorCode"])

    assert (await by(old), await by(vxp.secrets[SYSTEM])) == ("0", "0")
    vxp.api.clock.advance(timedelta(hours=1))
    assert (await by(old), await by(vxp.secrets[SYSTEM])) == ("401", "0")


async def test_a_network_and_scopes_bound_it_as_an_api_key(vxp: VxpDoor) -> None:
    """And each call is logged as that of one."""
    key = await vxp.system(good_from=["203.0.113.0/24"])
    assert (await vxp.call("getAgenciesList"))["ErrorCode"] == "403"
    reader = await vxp.system("reader", scopes=[ApiScope.AGENCIES_READ])
    assert (await vxp.call("getAgenciesList", name="reader"))["ErrorCode"] == "0"
    for operation, fields in (
        ("getReceivedEdocList", {}),
        ("getReceivedEdocList", {"messagetype": "status"}),
        ("getSentEdocList", {}),
        ("countReceiveEdoc", {}),
        ("getEdoc", {"docId": "in_1"}),
        ("updateStatus", {"docId": "evt_1", "status": "done"}),
        ("registerAgency", {}),
    ):
        assert (await vxp.call(operation, fields, name="reader"))["ErrorCode"] == "403", operation
    assert (await vxp.send(letter(), PROVINCE, name="reader"))["ErrorCode"] == "403"

    assert vxp.api.calls is not None
    rows = {
        account.id: [
            (row.route, row.status, row.problem)
            for row in await vxp.api.calls.list_calls(account.id, 20, errors=False, before_id="")
        ]
        for account in (key, reader)
    }
    assert rows[key.id] == [("/getAgenciesList", 403, "forbidden")]
    assert ("/getAgenciesList", 200, "") in rows[reader.id]
    assert ("/registerAgency", 403, "forbidden") in rows[reader.id]


async def test_an_old_call_is_refused_where_the_settings_ask_for_it(blank_node: Path, tmp_path: Path) -> None:
    for fresh, code in ((timedelta(), "0"), (timedelta(hours=24), "401")):
        async with open_vxp_door(blank_node, tmp_path / f"{fresh}", fresh=fresh) as vxp:
            await vxp.system()
            old = {"timestamp": f"{START - timedelta(days=3):%d%m%YT%H%M%S}+0042"}
            answer = await vxp.call("getAgenciesList", old)
            assert answer["ErrorCode"] == code, answer


# --- what is not quite a call ----------------------------------------------------------------------------------------


def signed(secret: str, pairs: dict[str, str], names: str | None = None) -> dict[str, str]:
    text = json.dumps(pairs, separators=(",", ":"))
    code = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    listed = ";".join(name.removeprefix("XroadVnpt-") for name in pairs) if names is None else names
    more = {"XroadVnpt-sign-header": text, "XroadVnpt-sign-header-key": listed, "XroadVnpt-hash-header": code}
    return {**pairs, **more}


STAMP = f"{START:%d%m%YT%H%M%S}+0001"
GOOD = {"XroadVnpt-systemid": SYSTEM, "XroadVnpt-timestamp": STAMP}


async def test_threat_138_only_what_was_signed_counts(vxp: VxpDoor) -> None:
    await vxp.system()

    async def code(change: dict[str, str], names: str | None = None, *twice: tuple[str, str]) -> str:
        headers = signed(vxp.secrets[SYSTEM], GOOD | {"XroadVnpt-docId": "y"}, names) | change
        async with vxp.api.client.post("/getAgenciesList", headers=[*headers.items(), *twice]) as response:
            assert response.status == 200
            return str((await response.json())["ErrorCode"])

    assert await code({}) == "0"
    for name, text in (
        *(("systemid", "other"), ("timestamp", "soon"), ("docId", "x"), ("sign-header", "{")),
        *(("sign-header", "[]"), ("hash-header", ""), ("hash-header", "\u00e9" * 64)),
    ):
        assert await code({f"XroadVnpt-{name}": text}) == "401", (name, text)
    assert [await code({}, names) for names in ("systemid", "")] == ["401", "401"]
    assert await code({}, None, ("XroadVnpt-systemid", SYSTEM)) == "401"


async def test_a_browser_too_is_answered_in_the_dialect(vxp: VxpDoor) -> None:
    """The library's Java client asks for HTML, as all of its kind do."""
    for name in OPERATIONS.keys() - {"downloadEdoc"}:  # a refused file has no body
        async with vxp.api.client.post(f"/{name}", headers={"Accept": "text/html, */*; q=.2"}) as response:
            answer = await response.json()
        assert (response.status, answer["status"], answer["DocId"]) == (200, "FAIL", "")
    assert (await vxp.api.ask("POST", "/docs/sendEdoc")).status == 405  # pages alone are there


# --- what is offered ---------------------------------------------------------------------------------------------------


async def test_what_failed_is_offered_again_after_a_pause_and_at_last_to_a_person(vxp: VxpDoor) -> None:
    await vxp.system()
    (doc_id,) = await arrive(vxp)
    for n, pause in enumerate(PAUSES, 1):
        assert (await vxp.say(doc_id, "fail", description="Ổ đĩa đầy"))["status"] == "OK"
        assert (await vxp.say(doc_id, "fail"))["status"] == "OK"  # said twice it counts once
        assert await vxp.listed() == [], n
        vxp.api.clock.advance(pause)
        assert [row["docId"] for row in await vxp.listed()] == [doc_id]
    await vxp.say(doc_id, "fail", description="Ổ đĩa đầy")
    vxp.api.clock.advance(timedelta(days=30))
    assert await vxp.listed() == []

    (key, *_) = await vxp.node.store.accounts.keys_of_system(SYSTEM)
    reader = hand_over.Reader(system=SYSTEM, scope=await scope_of(vxp, key.principal.id))
    async with vxp.node.store.read(reader.scope) as work:
        (item,) = await work.systems.stuck(10)
        events = await work.events.of_subject(doc_id)
    assert (item.doc_id, item.tries, item.reason) == (doc_id, MOST_TRIES, "Ổ đĩa đầy")
    assert [event.data["tries"] for event in events if event.kind == "inbox.untaken"] == [MOST_TRIES]
    assert await vxp.node.store.systems.stuck_by_system() == {SYSTEM: 1}
    # Another program may still take it; then no person needs to look.
    leased = await vxp.api.ask("GET", "/inbox?lease=60")
    assert [row["id"] for row in leased.json["data"]] == [doc_id]
    await vxp.api.ask("POST", f"/inbox/{doc_id}/ack")
    assert await vxp.node.store.systems.stuck_by_system() == {}


async def given_up(vxp: VxpDoor) -> str:
    """Report a document as failed until it is given up; return its id."""
    await vxp.system()
    (doc_id,) = await arrive(vxp)
    for _ in range(MOST_TRIES):
        await vxp.say(doc_id, "fail")
        vxp.api.clock.advance(PAUSES[-1])
    return doc_id


async def scope_of(vxp: VxpDoor, principal_id: str) -> AgencyScope:
    agency = await vxp.node.store.accounts.hosted_by_code(DEPARTMENT)
    assert agency is not None
    return AgencyScope(agency_id=agency.id, principal_id=principal_id)


async def test_a_person_offers_it_a_second_time(vxp: VxpDoor) -> None:
    doc_id, scope = await given_up(vxp), await scope_of(vxp, "somebody")

    await hand_over.repeat_offer(vxp.node.inn, scope, SYSTEM, doc_id)

    assert [row["docId"] for row in await vxp.listed()] == [doc_id]
    with pytest.raises(Exception, match="was not given up"):
        await hand_over.repeat_offer(vxp.node.inn, scope, SYSTEM, doc_id)


def test_the_doctor_tells_of_the_door() -> None:
    for is_open, active, stuck, causes in (
        (False, 0, {}, []),
        (True, 0, {}, ["compat.nobody"]),
        (False, 1, {}, ["compat.closed"]),
        (True, 2, {}, ["compat.fine"]),
        (True, 2, {"a": 3}, ["compat.stuck"]),
    ):
        assert [finding.cause for finding in system_findings(is_open, active, stuck)] == causes


async def test_a_fetch_keeps_it_from_others_until_the_lease_is_over(vxp: VxpDoor) -> None:
    await vxp.system()
    await vxp.system("second")
    (doc_id,) = await arrive(vxp)
    assert (await vxp.call("getEdoc", {"docId": doc_id}))["ErrorCode"] == "0"
    assert (await vxp.say(doc_id, "processing"))["ErrorCode"] == "0"

    assert await vxp.listed(name="second") == []
    assert (await vxp.call("getEdoc", {"docId": doc_id}, name="second"))["ErrorCode"] == "409"
    update = {"docId": doc_id, "status": "done"}
    assert (await vxp.call("updateStatus", update, name="second"))["ErrorCode"] == "409"
    assert [row["status"] for row in await vxp.listed()] == ["processing"]
    vxp.api.clock.advance(timedelta(hours=1))
    assert len(await vxp.listed(name="second")) == 1


async def test_unknown_words_and_ids_are_refused_and_what_is_over_stays_over(vxp: VxpDoor) -> None:
    await vxp.system()
    (doc_id,) = await arrive(vxp)
    assert (await vxp.say(doc_id, "stored"))["ErrorCode"] == "400"
    for id in ("", "in_nobody's", "evt_nobody's", "msg_1", "\u1ee9" * 300, "../../etc/passwd"):
        assert (await vxp.call("getEdoc", {"docId": id}))["ErrorCode"] == "404", id
        assert (await vxp.say(id, "done"))["ErrorCode"] == "404", id
    assert (await vxp.call("getReceivedEdocList", {"messagetype": "reply"}))["ErrorCode"] == "400"

    for word in ("done", "fail", "processing", "done"):
        assert (await vxp.say(doc_id, word))["status"] == "OK"
    assert await vxp.listed() == []
    assert (await vxp.call("getEdoc", {"docId": doc_id}))["ErrorCode"] == "0"  # it may have lost it
    assert await vxp.listed() == []


async def test_threat_139_another_agency_s_documents_do_not_exist_for_it(vxp: VxpDoor) -> None:
    await vxp.system()
    await vxp.system("xa", (COMMUNE,))
    (doc_id,) = await arrive(vxp)

    assert await vxp.listed(name="xa") == []
    assert (await vxp.call("getEdoc", {"docId": doc_id}, name="xa"))["ErrorCode"] == "404"
    assert (await vxp.call("updateStatus", {"docId": doc_id, "status": "done"}, name="xa"))[
        "ErrorCode"
    ] == "404"
    assert len(await vxp.listed()) == 1


async def test_statuses_of_what_others_sent_are_not_its_own(vxp: VxpDoor) -> None:
    await vxp.system("tinh", (PROVINCE,))
    await vxp.system("tinh-2", (PROVINCE,))
    await vxp.system()
    await arrive(vxp)
    await vxp.api.carry()

    (mine,) = await vxp.listed("status", name="tinh")
    assert await vxp.listed("status", name="tinh-2") == []
    assert (await vxp.call("getEdoc", {"docId": mine["docId"]}, name="tinh-2"))["ErrorCode"] == "404"
    # It too is offered again, and given up at last.
    for _ in range(MOST_TRIES):
        update = {"docId": mine["docId"], "status": "fail"}
        assert (await vxp.call("updateStatus", update, name="tinh"))["status"] == "OK"
        assert await vxp.listed("status", name="tinh") == []
        vxp.api.clock.advance(PAUSES[-1])
    assert await vxp.listed("status", name="tinh") == []
    assert await vxp.node.store.systems.stuck_by_system() == {"tinh": 1}


async def test_more_than_a_page_is_listed_oldest_first(vxp: VxpDoor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hand_over, "_PAGE_SIZE", 2)
    await vxp.system()

    ids = await arrive(vxp, 5)

    assert len(set(ids)) == 5
    assert ids == sorted(ids)
    assert (await vxp.call("countReceiveEdoc", verb="GET"))["count"] == 5


async def test_a_recalled_document_is_listed_no_more(vxp: VxpDoor) -> None:
    await vxp.system()
    (doc_id,) = await arrive(vxp)
    scope = await scope_of(vxp, "clerk")
    back = edxml_files.status(PROVINCE, DEPARTMENT, "13", f"{PROVINCE},2026/11/20,200/STN-VP", why="Gửi nhầm")
    back = back.replace(b"118/STN-VP", b"200/STN-VP")
    assert (await vxp.send(back, PROVINCE, kind="status", name="tinh"))["status"] == "OK"
    await vxp.api.carry()

    await act.set_status(vxp.node.inn, scope, doc_id, act.StatusCall(code="15"))

    assert doc_id not in [row["docId"] for row in await vxp.listed()]
    assert (await vxp.call("getEdoc", {"docId": doc_id}))["ErrorCode"] == "409"
