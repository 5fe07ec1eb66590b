"""Answers that say what is so: conditions before states, cursors of one query, repeats, headers that stand twice."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.support.api import COMMUNE, DEPARTMENT, PDF, PROVINCE, Door, form, meta
from tests.support.cases import Cases


async def test_if_match_is_judged_before_the_state(door: Door, cases: Cases) -> None:
    sent = (await door.ask("POST", "/messages", once="a", data=form(meta()))).json["id"]
    await door.carry()
    old = {"If-Match": '"99"'}
    calls: dict[str, tuple[str, str, dict[str, Any]]] = {
        "cancel": ("POST", f"/messages/{sent}/cancel", {"json": {}}),
        "send": ("POST", f"/messages/{sent}/send", {"json": {}}),
        "delete": ("DELETE", f"/messages/{sent}", {}),
        "resend": ("POST", f"/messages/{sent}/resend", {"json": {}}),
        "recall": ("POST", f"/messages/{sent}/recall", {"json": {"reason": "x"}, "once": "r"}),
    }
    for name, (method, path, more) in calls.items():
        with cases.case(name):
            assert (await door.ask(method, path, headers=old, **more)).status == 412
    (item,) = (await door.ask("GET", "/inbox", agency=PROVINCE)).json["data"]
    for name, body in (
        ("answer", {"code": "15"}),
        ("time", {"code": "03", "at": "2020-01-01T00:00:00+07:00"}),
    ):
        with cases.case(name):
            path = f"/inbox/{item['id']}/status"
            no = await door.ask("POST", path, agency=PROVINCE, headers=old, json=body)
            assert no.status == 412, str(no)


async def test_a_draft_deleted_while_it_is_sent_is_a_clash(door: Door) -> None:
    """Without a version in the call no condition can fail."""
    for n in range(4):
        draft = form(meta(number=str(30 + n), send=False))
        id = (await door.ask("POST", "/messages", once=f"d{n}", data=draft)).json["id"]
        sending, deleting = await asyncio.gather(
            door.ask("POST", f"/messages/{id}/send", json={}), door.ask("DELETE", f"/messages/{id}")
        )
        assert {sending.status, deleting.status} <= {200, 409}, (str(sending), str(deleting))


async def test_a_cursor_belongs_to_its_query(door: Door, cases: Cases) -> None:
    for n in range(3):
        await door.ask("POST", "/messages", once=str(n), data=form(meta(number=str(40 + n))))
    page = await door.ask("GET", "/messages?limit=1&state=queued")
    cursor = page.json["next_cursor"]
    assert (await door.ask("GET", f"/messages?limit=2&state=queued&cursor={cursor}")).status == 200
    assert (await door.ask("GET", f"/messages?limit=1&state=queued&fields=id&cursor={cursor}")).status == 200
    linked = page.headers["Link"].partition(">")[0].lstrip("<").removeprefix("/api/v1")
    assert (await door.ask("GET", linked)).status == 200
    for query in (
        "/messages?limit=1",
        "/messages?state=failed",
        "/messages?state=queued&q=x",
        "/inbox?limit=1",
    ):
        with cases.case(query):
            glue = "&" if "?" in query else "?"
            no = await door.ask("GET", f"{query}{glue}cursor={cursor}")
            assert (no.status, no.json["errors"][0]["pointer"]) == (400, "?cursor")


async def test_a_header_that_stands_twice_is_refused(door: Door, cases: Cases) -> None:
    key = await door.key(DEPARTMENT)
    bearer = ("Authorization", f"Bearer {key}")
    for name, headers in {
        "Authorization": [bearer, bearer],
        "Idempotency-Key": [bearer, ("Idempotency-Key", "a"), ("Idempotency-Key", "b")],
        "If-Match": [bearer, ("If-Match", '"1"'), ("If-Match", '"2"')],
        "X-Agency": [bearer, ("X-Agency", DEPARTMENT), ("X-Agency", COMMUNE)],
    }.items():
        with cases.case(name):
            async with door.client.get("/api/v1/me", headers=headers) as answer:
                problem = await answer.json()
            assert (answer.status, problem["errors"][0]["code"]) == (400, "twice"), problem
            assert problem["errors"][0]["pointer"] == f"/headers/{name}"


async def test_a_range_beyond_the_end_is_the_part_there_is(door: Door, cases: Cases) -> None:
    id = (await door.ask("POST", "/messages", once="a", data=form(meta()))).json["id"]
    await door.carry()
    (item,) = (await door.ask("GET", "/inbox", agency=PROVINCE)).json["data"]
    assert id
    for asked_range, begin in (("0-999999", 0), ("5-" + "9" * 30, 5), ("-999999", 0), ("-" + "9" * 30, 0)):
        with cases.case(asked_range):
            path = f"/inbox/{item['id']}/files/1"
            part = await door.ask("GET", path, agency=PROVINCE, headers={"Range": f"bytes={asked_range}"})
            assert (part.status, part.raw) == (206, PDF[begin:])


async def test_a_name_with_folders_is_one_name_in_meta_and_in_its_part(door: Door) -> None:
    """Some programs write the whole path of a file into its part."""
    for n, (meta_name, part_name) in enumerate(
        (("a/b.pdf", "a/b.pdf"), ("b.pdf", "C:\\scan\\b.pdf"), ("/scan/b.pdf", "b.pdf"))
    ):
        files = (("f", part_name, PDF),)
        draft = meta(number=str(60 + n), files=[{"name": meta_name, "role": "lead"}])
        sent = await door.ask("POST", "/messages", once=str(n), data=form(draft, files))
        assert sent.status == 202, str(sent)
        assert [file["name"] for file in sent.json["files"]] == ["b.pdf"]


async def test_a_refusal_after_the_work_is_done_says_that_it_moves_nothing(door: Door) -> None:
    await door.ask("POST", "/messages", once="a", data=form(meta()))
    await door.carry()
    (item,) = (await door.ask("GET", "/inbox", agency=PROVINCE)).json["data"]
    path = f"/inbox/{item['id']}/status"
    completed = await door.ask("POST", path, agency=PROVINCE, json={"code": "06"})
    late = await door.ask("POST", path, agency=PROVINCE, json={"code": "02", "reason": "BAD_FORM"})

    assert completed.json["warnings"] == []
    assert (late.status, late.json["item"]["state"]) == (200, "done")
    (warning,) = late.json["warnings"]
    assert warning["type"] == "status-no-effect"
    assert "Đã hoàn thành" in warning["detail"]
