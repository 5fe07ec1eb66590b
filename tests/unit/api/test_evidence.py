"""Programs fetch content with their own scope, evidence packs as streams; each fetch is a reading (R123, R128), and
further ones of a document are recorded once a day, with first, last and count."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.domain import figures
from gateway.domain.account import ApiScope
from gateway.domain.event import Event, EventKind
from gateway.domain.notes import read_proof
from gateway.stored_content import tell_readings
from tests.foreign.unit.compat.test_door import arrive
from tests.support.api import DEPARTMENT, PROVINCE, Door
from tests.support.evidence import check, sealed, unpacked
from tests.support.node import Town
from tests.support.town.doors import VxpDoor, open_vxp_door


async def both_ids(door: Door) -> dict[str, str]:
    """Send a document that arrives; return its address on either side, with the agency there."""
    sent = (await door.send()).json["id"]
    await door.carry()
    arrived = (await door.ask("GET", "/inbox", agency=PROVINCE)).json["data"][0]["id"]
    return {f"/messages/{sent}": DEPARTMENT, f"/inbox/{arrived}": PROVINCE}


async def test_a_pack_of_what_was_sent_and_of_what_came_in_is_streamed_with_its_size(
    door: Door, tmp_path: Path
) -> None:
    for path, agency in (await both_ids(door)).items():
        answer = await door.ask("GET", f"{path}/evidence", agency=agency)

        assert (answer.status, answer.headers["Content-Type"]) == (200, "application/zip"), str(answer)
        assert answer.headers["Content-Length"] == str(len(answer.raw))
        assert "attachment" in answer.headers["Content-Disposition"]
        members = unpacked(answer.raw, tmp_path / agency)
        assert any(name.startswith("packets/") for name in members)
        assert [line for line in check(answer.raw, tmp_path / agency, None).lines if line.ok is False] == []


async def test_a_pack_needs_the_scope_for_evidence_and_is_of_ones_own_documents_alone(door: Door) -> None:
    other_scopes = [s for s in ApiScope if s is not ApiScope.EVIDENCE_READ]
    for path, agency in (await both_ids(door)).items():
        without = await door.key(agency, scopes=other_scopes)
        alone = await door.key(agency, scopes=[ApiScope.EVIDENCE_READ])
        other = PROVINCE if agency == DEPARTMENT else DEPARTMENT

        assert (await door.ask("GET", f"{path}/evidence", key=without)).status == 403
        assert (await door.ask("GET", f"{path}/evidence", key=alone)).status == 200
        assert (await door.ask("GET", f"{path}/evidence", agency=other)).status == 404
    for path in ("/messages/msg_nowhere", "/inbox/inb_nowhere"):
        assert (await door.ask("GET", f"{path}/evidence")).status == 404


async def test_a_proof_comes_with_the_seal_to_the_same_keys(door: Door) -> None:
    paths = await both_ids(door)
    for path, agency in paths.items():
        early = await door.ask("GET", f"{path}/proof", agency=agency)
        assert (early.status, early.json["code"]) == (409, "GW-NOT-SEALED")
    await sealed(door.town, None)

    for path, agency in paths.items():
        answer = await door.ask("GET", f"{path}/proof", agency=agency)
        assert (answer.status, answer.headers["Content-Type"]) == (200, "text/plain")
        assert read_proof(answer.raw.decode()).is_included()
        without = await door.key(agency, scopes=[s for s in ApiScope if s is not ApiScope.EVIDENCE_READ])
        other = PROVINCE if agency == DEPARTMENT else DEPARTMENT
        assert (await door.ask("GET", f"{path}/proof", key=without)).status == 403
        assert (await door.ask("GET", f"{path}/proof", agency=other)).status == 404


@pytest.fixture
async def vxp(blank_node: Path, tmp_path: Path) -> AsyncIterator[VxpDoor]:
    async with open_vxp_door(blank_node, tmp_path / "vxp") as opened:
        yield opened


async def readings(town: Town, id: str, agency: str) -> list[Event]:
    async with town.node.store.read(await town.scope(agency)) as work:
        events = await work.events.of_subject(id)
    return [event for event in events if event.kind is EventKind.DOCUMENT_READ]


async def reading_doors(town: Town, id: str, agency: str) -> list[Any]:
    return [event.data["door"] for event in await readings(town, id, agency)]


async def test_a_key_that_fetches_content_leaves_a_reading_at_once(door: Door) -> None:
    """R123, R104 (each access is logged): a file, an envelope and an evidence pack, of both sides."""
    for path, agency in (await both_ids(door)).items():
        id = path.rpartition("/")[2]
        for part in ("files/1", "envelope", "evidence"):
            key = await door.key(agency)
            assert (await door.ask("GET", f"{path}/{part}", key=key)).status == 200, (path, part)

        events = await readings(door.town, id, agency)
        assert [event.data["door"] for event in events] == ["api", "api", "api"], path
        assert len({event.principal_id for event in events}) == 3
        assert all(event.data["file"] and event.data["role"] == "system" for event in events)
        assert (await door.ask("GET", f"{path}/files/9", agency=agency)).status == 404
        assert len(await readings(door.town, id, agency)) == 3


async def test_what_is_fetched_again_is_told_once_a_day_with_first_last_and_count(door: Door) -> None:
    path = next(iter(await both_ids(door)))
    id, town = path.rpartition("/")[2], door.town
    at = []
    for _ in range(4):
        door.clock.advance(60)
        at.append(door.clock.now())
        await door.ask("GET", f"{path}/files/1", agency=DEPARTMENT)

    assert len(await readings(town, id, DEPARTMENT)) == 1
    await tell_readings(town.node.inn)
    assert len(await readings(town, id, DEPARTMENT)) == 1  # the day is not over

    door.clock.advance(timedelta(days=1).total_seconds())
    await tell_readings(town.node.inn)
    await tell_readings(town.node.inn)
    first, daily_reading = await readings(town, id, DEPARTMENT)

    assert "count" not in first.data
    assert (daily_reading.data["count"], daily_reading.at) == (3, at[3])
    assert (daily_reading.data["first"], daily_reading.data["last"]) == (at[1].isoformat(), at[3].isoformat())
    assert daily_reading.principal_id == first.principal_id

    # A reading of another day tells what is open of the day before.
    await door.ask("GET", f"{path}/files/1", agency=DEPARTMENT)
    door.clock.advance(timedelta(days=1).total_seconds())
    await door.ask("GET", f"{path}/files/1", agency=DEPARTMENT)
    assert [event.data.get("count") for event in await readings(town, id, DEPARTMENT)] == [None, 3, 1]


async def test_a_fetch_by_the_library_is_a_reading(vxp: VxpDoor) -> None:
    await vxp.system()
    (doc_id,) = await arrive(vxp)

    assert (await vxp.call("getEdoc", {"docId": doc_id}))["ErrorCode"] == "0"

    assert await reading_doors(vxp.api.town, doc_id, DEPARTMENT) == ["library"]


async def test_figures_of_readings_count_programs_with_those_that_are_told_later(door: Door) -> None:
    """R128 (statistics of accesses)."""
    path = next(iter(await both_ids(door)))
    for _ in range(3):
        await door.ask("GET", f"{path}/files/1", agency=DEPARTMENT)
    door.clock.advance(timedelta(days=1).total_seconds())
    await tell_readings(door.town.node.inn)
    await door.town.number()

    facts = figures.fold({}, await readings(door.town, path.rpartition("/")[2], DEPARTMENT)).values()
    assert (sum(fact.reads for fact in facts), sum(fact.read_files for fact in facts)) == (3, 3)
