"""The bell of an agency and of a unit over a real store, and what a desk remembers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.domain.document import Assignment, InState, Urgency
from gateway.domain.queues import InboxPacket
from gateway.domain.states import Track
from gateway.domain.status import Fact, RequestKind
from gateway_office.domain.notice import NotificationSettings, Partner, RingKind
from gateway_office.notifications import RingBoard
from gateway_office.services import TodoServices
from gateway_office.todo import TaskCount
from tests.office.unit.todo.conftest import TodoOffice, share_of
from tests.support.clock import ManualClock
from tests.support.stores import NORTH, SOUTH, inbox_item

DAY = timedelta(days=1)


class BoardInputs:
    """Sources of the board beside the store."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock, self.packets, self.partners_by_code = clock, list[InboxPacket](), dict[str, Partner]()

    async def set_aside(self, agency_id: str, limit: int) -> Sequence[InboxPacket]:
        return self.packets[:limit]

    async def partners(self, codes: Sequence[str], agency_id: str) -> Mapping[str, Partner]:
        return {code: self.partners_by_code[code] for code in codes if code in self.partners_by_code}


@pytest.fixture
def inputs(clock: ManualClock) -> BoardInputs:
    return BoardInputs(clock)


@pytest.fixture
def board(services: TodoServices, inputs: BoardInputs) -> RingBoard:
    return RingBoard(bell=TaskCount(services), quarantined=inputs.set_aside, partners=inputs.partners)


async def kinds(board: RingBoard) -> list[RingKind]:
    """List the kinds of rings that a page shows some minutes later."""
    board.bell.services.clock.advance(301)  # type: ignore[attr-defined]  # the clock of tests
    return [ring.kind for ring in await board.of_agency(NORTH)]


async def test_it_tells_what_came_and_forgets_what_was_settled(
    board: RingBoard, inputs: BoardInputs, office: TodoOffice
) -> None:
    """R118 (notices of new documents)."""
    assert await kinds(board) == []
    arrived = await office.receive(urgency=Urgency.EXPRESS)
    inputs.packets = [replace(inbox_item(office.clock), state=state) for state in ("quarantined", "waiting")]
    assert sorted(await kinds(board)) == [RingKind.SET_ASIDE, RingKind.URGENT]

    inputs.packets = []
    async with office.change() as work:
        await work.incoming.save(replace(arrived, state=InState.DONE))
    board.bell.stale(NORTH.agency_id)
    assert [ring.kind for ring in await board.of_agency(NORTH)] == []


@pytest.mark.parametrize("state", [InState.SEALED, InState.RECALLED])
async def test_a_document_that_was_hidden_rings_no_more_from_the_same_moment_on(
    board: RingBoard, office: TodoOffice, state: InState
) -> None:
    """A list that was gathered some seconds before must not show its words again."""
    arrived = await office.receive(urgency=Urgency.EXPRESS)
    assert [ring.subject_id for ring in await board.of_agency(NORTH)] == [arrived.id]

    async with office.change() as work:
        await work.incoming.save(replace(arrived, state=state))

    assert await board.of_agency(NORTH) == []


async def test_who_waits_for_news_hears_of_an_urgent_letter_at_once(
    board: RingBoard, office: TodoOffice
) -> None:
    await board.look(NORTH)
    assert await board.of_agency(NORTH) == []
    await office.receive(urgency=Urgency.URGENT)
    assert await board.of_agency(NORTH) == []
    await board.look(NORTH)
    assert [ring.kind for ring in await board.of_agency(NORTH)] == [RingKind.URGENT]


async def test_an_ordinary_letter_is_told_of_half_an_hour_before_its_time(
    board: RingBoard, office: TodoOffice
) -> None:
    arrived = await office.receive()
    assert await kinds(board) == []
    async with office.store.read(NORTH) as work:
        line = await work.office.lists.line(arrived.id)
    assert line is not None
    assert line.due_at is not None
    office.clock.advance(line.due_at - office.clock.now() - timedelta(minutes=20))
    assert await kinds(board) == [RingKind.DUE]


async def test_a_silent_recipient_is_told_until_it_speaks(
    board: RingBoard, inputs: BoardInputs, office: TodoOffice
) -> None:
    await office.send("sent")
    inputs.partners_by_code["Z91.02"] = Partner(name="Sở Mẫu")
    assert RingKind.SILENT not in await kinds(board)
    office.clock.advance(DAY)
    assert RingKind.SILENT in await kinds(board)

    inputs.partners_by_code["Z91.02"] = Partner(name="Sở Mẫu", heard_at=office.clock.now())
    assert RingKind.SILENT not in await kinds(board)


async def test_a_unit_hears_what_was_given_to_it_since_then(board: RingBoard, office: TodoOffice) -> None:
    assignment = Assignment(lead_unit="Phòng Mẫu")
    arrived = await office.receive(state=InState.ASSIGNED, assignment=assignment)
    office.clock.advance(3_600)
    async with office.change() as work:
        await work.facts.add(arrived.id, Fact(track=Track.BUSINESS, code="04", at=office.clock.now()))

    (ring,) = await board.of_share(NORTH, share_of("Phòng Mẫu"))
    assert (ring.kind, ring.at, ring.subject_id) == (RingKind.ASSIGNED, office.clock.now(), arrived.id)
    assert await board.of_share(NORTH, share_of("Phòng Khác")) == []


async def test_a_unit_hears_that_a_letter_given_to_it_is_recalled_and_that_it_was(
    board: RingBoard, office: TodoOffice
) -> None:
    assignment = Assignment(lead_unit="Phòng Mẫu")
    arrived = await office.receive(state=InState.ASSIGNED, assignment=assignment)

    async def request(code: str, state: InState) -> list[str]:
        fact = Fact(
            track=Track.REQUEST,
            code=code,
            at=office.clock.now(),
            request_id="r1",
            request_kind=RequestKind.RECALL,
        )
        async with office.change() as work:
            await work.facts.add(arrived.id, fact)
            await work.incoming.save(replace(await work.incoming.get(arrived.id), state=state))
        board.bell.stale(NORTH.agency_id)
        rings = await board.of_share(NORTH, share_of("Phòng Mẫu"))
        return [ring.says for ring in rings if ring.kind is RingKind.RECALL]

    assert await request("asked", InState.ASSIGNED) == ["bell.recall.asked"]
    assert await request("15", InState.RECALLED) == ["bell.recall.done"]
    assert await board.of_share(NORTH, share_of("Phòng Khác")) == []


async def test_a_desk_remembers_for_its_person_in_its_agency(board: RingBoard, office: TodoOffice) -> None:
    assert await board.services(NORTH) == NotificationSettings()
    now = office.clock.now()
    await board.read(NORTH, now + DAY)  # reading ahead is not possible
    await board.read(NORTH, now - DAY)  # nor back
    await board.choose(NORTH, frozenset({RingKind.SILENT, RingKind.DUE}))
    await board.put_tour_away(NORTH)

    settings = NotificationSettings(
        read_until=now, muted=frozenset({RingKind.SILENT, RingKind.DUE}), toured_at=now
    )
    assert await board.services(NORTH) == settings
    assert await board.services(NORTH, fresh=True) == settings
    assert await board.services(SOUTH) == NotificationSettings()
    assert await board.services(replace(NORTH, principal_id="prn_other")) == NotificationSettings()
