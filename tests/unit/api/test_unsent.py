"""An agency or a partner fills its own budget, and not the disk of the others: drafts, uploads, documents that wait, and
mail of a partner, which is neither refused nor lost."""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import pytest
from pypdf import PdfWriter

from gateway.budgets import OWN, ByteBudget
from gateway.domain.document import FileRole
from gateway.errors import OverBudget
from gateway.outgoing import drafting, intake
from gateway.ports.axis import DeadParcel
from gateway.store.data_folder import Room, free_space
from gateway.workers.clocks import AsideClock
from tests.support.api import COMMUNE, DEPARTMENT, PROVINCE, Answer, Door, meta
from tests.support.cases import Cases

KB = 1024


def paper(kilobytes: int) -> bytes:
    """Build a PDF of that size, which no other has."""
    writer = PdfWriter()
    writer.add_blank_page(width=595, height=842)
    writer.add_metadata({"/Keywords": os.urandom(kilobytes * KB // 2).hex()})
    content = io.BytesIO()
    writer.write(content)
    return content.getvalue()


async def send(
    door: Door, n: int, *, key: str | None = None, send: bool = False, size: int = 100, to: str = PROVINCE
) -> Answer:
    body = meta(number=str(n), send=send, recipients=[{"code": to, "role": "to_act"}])
    more = {} if key is None else {"key": key}
    return await door.send(body, once=f"d{n}", files=(("lead", f"{n}.pdf", paper(size)),), **more)


async def test_drafts_beyond_the_budget_are_refused_with_used_and_allowed_and_others_go_on(
    door: Door,
) -> None:
    budget = door.node.out.unsent
    budget.limit = 500 * KB
    keys = {code: await door.key(code) for code in (DEPARTMENT, PROVINCE)}

    answers = [await send(door, n, key=keys[DEPARTMENT]) for n in range(1, 7)]
    other = await send(door, 9, key=keys[PROVINCE], to=DEPARTMENT)
    limits = (await door.ask("GET", "/limits", key=keys[DEPARTMENT])).json

    assert [answer.status for answer in answers] == [202] * 4 + [507] * 2
    full = answers[-1].json
    assert (full["code"], full["retryable"]) == ("GW-UNSENT", True)
    assert (full["used"], full["allowed"]) == (limits["unsent_bytes"], budget.limit)
    assert other.status == 202
    assert 400 * KB < limits["unsent_bytes"] <= limits["max_unsent_bytes"] == 500 * KB

    id = answers[0].json["id"]
    assert (await door.ask("DELETE", f"/messages/{id}", key=keys[DEPARTMENT])).status < 300
    assert (await send(door, 7, key=keys[DEPARTMENT])).status == 202


async def test_calls_at_once_take_no_more_than_calls_one_after_the_other(door: Door) -> None:
    door.node.out.unsent.limit = 500 * KB
    key = await door.key(DEPARTMENT)
    papers = await asyncio.gather(*(send(door, n, key=key, size=240) for n in range(1, 9)))

    assert {answer.status for answer in papers} <= {202, 507}
    unsent_bytes = (await door.ask("GET", "/limits", key=key)).json["unsent_bytes"]
    assert unsent_bytes <= 500 * KB, unsent_bytes


async def test_uploads_and_documents_that_wait_count_until_they_are_sent(door: Door) -> None:
    budget = door.node.out.unsent
    budget.limit = 500 * KB
    key = await door.key(DEPARTMENT)
    agency_id = (await door.town.scope(DEPARTMENT)).agency_id
    upload = await door.ask(
        "PUT",
        "/uploads/file",
        key=key,
        params={"name": "a.pdf"},
        data=io.BytesIO(paper(150)),
        headers={"Content-Type": "application/octet-stream"},
    )
    assert upload.status == 200, str(upload)
    sent = await send(door, 1, key=key, send=True, size=150)
    assert sent.status == 202, sent.json
    assert (await budget.used(agency_id))[OWN] > 300 * KB
    assert (await send(door, 2, key=key, send=True, size=250)).status == 507

    await door.town.carry()

    assert 150 * KB < (await budget.used(agency_id))[OWN] < 200 * KB
    assert (await send(door, 2, key=key, send=True, size=150)).status == 202


async def test_files_of_drafts_and_each_way_to_upload_ask_the_budget(door: Door, cases: Cases) -> None:
    key, out, scope = await door.key(DEPARTMENT), door.node.out, await door.town.scope(DEPARTMENT)
    draft = await send(door, 1, key=key, size=10)
    octets = {"Content-Type": "application/octet-stream"}
    wish = {"name": "a.pdf", "size": 2 * KB * KB, "part_size": KB * KB}
    begun = await door.ask("POST", "/uploads", key=key, json=wish, once="up")
    out.unsent.limit = 50 * KB

    async def upload(path: str, raw: bytes, **params: str) -> Answer:
        return await door.ask("PUT", path, key=key, params=params, data=io.BytesIO(raw), headers=octets)

    with cases.case("a whole file"):
        assert (await upload("/uploads/file", paper(100), name="a.pdf")).status == 507
    with cases.case("a part"):
        assert (await upload(f"/uploads/{begun.json['id']}/parts/1", bytes(KB * KB))).status == 507
    with cases.case("a file of a draft"):
        async with intake.receive_files(out) as files:
            await files.add(FileRole.APPENDIX, "b.pdf", FileRole.APPENDIX, _chunks(paper(100)))
            with pytest.raises(OverBudget):
                await drafting.add_files(out, scope, draft.json["id"], files)


async def _chunks(raw: bytes) -> AsyncIterator[bytes]:
    yield raw


async def test_a_process_that_starts_counts_from_rows_and_then_no_document_costs_a_query(door: Door) -> None:
    counts = []

    async def count(agency_id: str) -> Mapping[str, int]:
        counts.append(agency_id)
        return await door.node.store.unsent_bytes(agency_id)

    agency_id = (await door.town.scope(DEPARTMENT)).agency_id
    first = await send(door, 1)
    assert first.status == 202
    budget = ByteBudget(limit=10_000 * KB, count=count)

    for _ in range(9):
        with ExitStack() as call:
            await budget.admit(agency_id, 100 * KB, call)
    assert counts == [agency_id]
    assert (await budget.used(agency_id))[OWN] > 100 * KB


async def test_while_the_disk_grows_full_those_who_keep_most_are_refused_first_and_arrivals_go_on(
    door: Door,
) -> None:
    """The disk leaves half of each budget."""
    door.node.out.unsent.limit = 500 * KB
    keys = {code: await door.key(code) for code in (DEPARTMENT, PROVINCE)}
    assert [(await send(door, n, key=keys[DEPARTMENT])).status for n in (1, 2, 3)] == [202] * 3
    room = door.node.blobs._room
    free = free_space(room.folder).bytes
    door.node.blobs._room = Room(folder=room.folder, reserve=free // 3)

    assert (await send(door, 4, key=keys[DEPARTMENT])).status == 507
    assert (await send(door, 5, key=keys[PROVINCE], send=True, to=DEPARTMENT)).status == 202
    await door.town.carry()
    arrived = (await door.ask("GET", "/inbox", key=keys[DEPARTMENT])).json["data"]
    assert [row["number"] for row in arrived] == ["5"]


def limit(door: Door, kilobytes: int) -> None:
    door.node.inn.partners.budget.limit = kilobytes * KB


async def send_all(door: Door, numbers: Sequence[int], *, key: str, to: str = PROVINCE) -> None:
    for n in numbers:
        assert (await send(door, n, key=key, send=True, size=20, to=to)).status == 202
    await door.town.carry()


async def numbers_at(door: Door, key: str) -> list[str]:
    rows: list[dict[str, Any]] = (await door.ask("GET", "/inbox", key=key)).json["data"]
    return sorted(row["number"] for row in rows)


async def waiting(door: Door) -> list[DeadParcel]:
    return [parcel for parcel in await door.node.axis.dead_list() if parcel.is_aside]


async def take_back(door: Door) -> None:
    await AsideClock().step(door.node.inn, door.node.axis)
    await door.town.carry()


async def test_a_partner_beyond_its_budget_waits_whole_until_its_mail_is_dealt_with_and_others_go_on(
    door: Door,
) -> None:
    limit(door, 80)
    keys = {code: await door.key(code) for code in (DEPARTMENT, PROVINCE, COMMUNE)}

    await send_all(door, (1, 2, 3, 4), key=keys[DEPARTMENT])
    await send_all(door, (8,), key=keys[COMMUNE])
    await send_all(door, (9,), key=keys[DEPARTMENT], to=COMMUNE)
    # Its answer to a letter of the agency lands, although its letters wait.
    await send_all(door, (7,), key=keys[PROVINCE], to=DEPARTMENT)

    first_numbers = await numbers_at(door, keys[PROVINCE])
    assert (len(first_numbers), first_numbers[-1]) == (3, "8")
    assert await numbers_at(door, keys[COMMUNE]) == ["9"]
    assert len(await waiting(door)) == 2
    states = {
        row["number"]: row["state"]
        for row in (await door.ask("GET", "/messages", key=keys[PROVINCE])).json["data"]
    }
    assert states["7"] == "delivered"
    limits = (await door.ask("GET", "/limits", key=keys[PROVINCE])).json
    assert limits["max_partner_bytes"] == 80 * KB
    assert 40 * KB < limits["partners"][DEPARTMENT] <= 80 * KB

    await take_back(door)
    assert len(await waiting(door)) == 2
    first = (await door.ask("GET", "/inbox", key=keys[PROVINCE])).json["data"]
    for row in first:
        answer = await door.ask("POST", f"/inbox/{row['id']}/status", key=keys[PROVINCE], json={"code": "03"})
        assert answer.status == 200, str(answer)
    await take_back(door)

    assert await numbers_at(door, keys[PROVINCE]) == ["1", "2", "3", "4", "8"]
    assert await waiting(door) == []
