"""Lists, as pages ask for them: each document is found once, in the order promised, on both databases, before its row is
written and after that; and equals what a person would work out from the documents by hand."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select

from gateway import errors
from gateway.domain.account import AgencyScope
from gateway.domain.document import (
    Delivery,
    InState,
    Kind,
    OutState,
    Recipient,
    RecipientRole,
    Signer,
    Urgency,
)
from gateway.domain.event import EventKind
from gateway.domain.handling import PartState, UnitPart
from gateway.domain.signatures import LegalValue
from gateway.domain.states import Track
from gateway.domain.status import Fact, RequestKind
from gateway.domain.text import bare_words, name_key, number_key
from gateway.store.tables_office import ListFillRow, ListRow
from gateway_office.domain.listing import Filter, ListLine, ListOrder, Side, Tab, type_key
from gateway_office.store.lists import COUNT_FRESH, ListPage
from gateway_office.store.lists_figures import Lag
from gateway_office.store.lists_write import place
from gateway_office.store.store import OfficeWork, SqlOfficeStore
from tests.office.support.stores import folded
from tests.support.clock import ManualClock
from tests.support.fixtures import database_of
from tests.support.stores import NORTH, SOUTH, committing, delivery, draft, incoming, outgoing, stored


# Of each kind of database, rows in one of the two states: tests/office/contract/test_lists_overlay.py holds the states
# against each other on both, and the long lane takes the other two as well.
@pytest.fixture(
    params=[
        ("sqlite", "folded"),
        ("postgresql", "open"),
        pytest.param(("sqlite", "open"), marks=pytest.mark.long),
        pytest.param(("postgresql", "folded"), marks=pytest.mark.long),
    ],
    ids="-".join,
)
def database(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Return a kind of database, and whether rows are read before they are written or after that."""
    kind, state = request.param
    return kind, state


@pytest.fixture
def store_url(request: pytest.FixtureRequest, database: tuple[str, str]) -> str:
    return database_of(request, database[0])


@pytest.fixture
def store(
    database: tuple[str, str], store: SqlOfficeStore, monkeypatch: pytest.MonkeyPatch
) -> SqlOfficeStore:
    """Return a store whose readers find the rows not written yet, or all of them written."""
    view_of = store.read

    @asynccontextmanager
    async def read(scope: AgencyScope) -> AsyncIterator[OfficeWork]:
        await folded(store)
        async with view_of(scope) as view:
            yield view

    if database[1] == "folded":
        monkeypatch.setattr(store, "read", read)
    return store


OUT, IN = Filter(side=Side.OUT), Filter(side=Side.IN)
DAY = timedelta(days=1)
SUBJECTS = ("Quyết định về thủy lợi", "Báo cáo lũ lụt", "Kế hoạch năm", "Tờ trình kinh phí", "Kể hoạch lạ")
NAMES = ("Sở Nội vụ", "Sở Tài chính", "Ủy ban nhân dân huyện Đông", "Chi cục Thủy lợi")
STATES = ("queued", "sending", "sent", "failed", "delivered", "rejected", "accepted", "done", "cancelled")


async def seed(store: SqlOfficeStore, clock: ManualClock, rng: random.Random, count: int) -> None:
    """Store invented documents of both sides, some of the same moment."""
    for _ in range(count):
        async with committing(store) as work:
            clock.advance(rng.choice((0, 0, 60, 4_000)))
            code, name = rng.choice([(f"Z91.0{n}", name) for n, name in enumerate(NAMES, start=3)])
            columns: dict[str, Any] = {
                "number": str(rng.randint(1, 120)),
                "symbol": rng.choice(("QĐ-UBND", "STC-VP", "BC")),
                "subject": rng.choice(SUBJECTS),
                "type_name": rng.choice(("Quyết định", "Báo cáo", "Công văn")),
                "urgency": rng.choice(list(Urgency)),
                "issued_on": rng.choice((None, date(2026, 11, 1), date(2026, 10, 3))),
                "signer": rng.choice((None, Signer(name="Trần Văn Bình"), Signer(name="Lê Thị Án"))),
            }
            to = (Recipient(code=code, name=name), Recipient(code="Z91.09", name="Nơi khác"))
            state = rng.choice((OutState.DRAFT, OutState.QUEUED, OutState.PACKED, OutState.PACKED))
            sent = outgoing(clock, state=state, draft=draft(recipients=to, **columns))
            await work.outgoing.add(sent)
            if state is not OutState.DRAFT:
                deliveries = [delivery(sent, line.code, rng.choice(STATES)) for line in to]
                await work.deliveries.add(deliveries)
                for line in deliveries:
                    await work.facts.add(line.id, Fact(track=Track.TRANSPORT, code="sent", at=clock.now()))
            arrived = incoming(
                clock, sender_code=code, sender_name=name, state=rng.choice(list(InState)), **columns
            )
            await work.incoming.add(arrived)
            if rng.random() < 0.5:
                await work.handovers.offer(arrived.id)


async def every_page(
    store: SqlOfficeStore, chosen: Filter, limit: int, *, back: bool = False
) -> tuple[list[ListLine], ListPage]:
    """Return the lines of all pages from the first to the last, or from the last back to the first."""
    lines: list[ListLine] = []
    cursor = None
    async with store.read(NORTH) as view:
        while True:
            page = await view.office.lists.page(chosen, limit=limit, cursor=cursor)
            lines += page.lines
            if page.next_cursor is None:
                break
            cursor = page.next_cursor
        if not back:
            return lines, page
        lines = list(page.lines)
        while page.previous_cursor is not None:
            page = await view.office.lists.page(chosen, limit=limit, cursor=page.previous_cursor)
            lines = [*page.lines, *lines]
    return lines, page


def by_hand(lines: Sequence[ListLine], chosen: Filter, now: datetime) -> list[str]:
    """Return the expected ids of the list, worked out from every line."""
    lines_left = [
        line
        for line in lines
        if line.side is chosen.side
        and (chosen.tab is None or chosen.tab in line.tabs)
        and (chosen.urgency is None or line.urgency is chosen.urgency)
        and (chosen.type_name is None or type_key(line.card.type_name) == type_key(chosen.type_name))
        and (chosen.state is None or line.state == chosen.state)
        and (not chosen.attention or _needs_attention(line, now))
        and (not chosen.overdue or line.is_overdue(now))
        and (chosen.since is None or line.at >= chosen.since)
        and (chosen.until is None or line.at < chosen.until)
        and (chosen.signer is None or chosen.signer == line.card.signer)
    ]
    return [line.id for line in sorted(lines_left, key=ORDERS[chosen.sort](chosen, now))]


def _needs_attention(line: ListLine, now: datetime) -> bool:
    return line.attention_at is not None and line.attention_at <= now


def _place(line: ListLine) -> int:
    return place(line.at, line.id)


def _first(list_filter: Filter, now: datetime) -> Callable[[ListLine], Any]:
    def key(line: ListLine) -> Any:
        if line.side is Side.OUT:
            return (not _needs_attention(line, now), -_place(line))
        if line.due_at is None:
            return (1, 0, 0, -_place(line))
        return (0, -line.urgency, line.due_at.timestamp(), _place(line))

    return key


ORDERS: dict[ListOrder, Callable[[Filter, datetime], Callable[[ListLine], Any]]] = {
    ListOrder.FIRST: _first,
    ListOrder.NEWEST: lambda _, __: lambda row: -_place(row),
    ListOrder.OLDEST: lambda _, __: _place,
    ListOrder.NUMBER: lambda _, __: lambda row: (number_key(row.card.number, row.card.symbol), _place(row)),
    ListOrder.PARTY: lambda _, __: lambda row: (name_key(row.card.party), _place(row)),
    ListOrder.TYPE: lambda _, __: lambda row: (type_key(row.card.type_name), _place(row)),
    ListOrder.ISSUED: lambda _, __: (
        lambda row: (0, row.issued_on, _place(row)) if row.issued_on else (1, date.max, -_place(row))
    ),
    ListOrder.ISSUED_DOWN: lambda _, __: (
        lambda row: (0, -row.issued_on.toordinal(), -_place(row)) if row.issued_on else (1, 0, -_place(row))
    ),
}
QUESTIONS = (
    *(replace(side, sort=sort) for side in (OUT, IN) for sort in ORDERS),
    *(
        replace(OUT, tab=tab)
        for tab in (Tab.QUEUED, Tab.SENT, Tab.REJECTED, Tab.FAILED, Tab.DRAFT, Tab.SILENT)
    ),
    *(replace(IN, tab=tab) for tab in (Tab.NEW, Tab.HELD, Tab.ACCEPTED, Tab.REJECTED, Tab.NOT_HANDED)),
    replace(OUT, attention=True),
    replace(IN, attention=True, sort=ListOrder.NEWEST),
    replace(OUT, overdue=True),
    replace(IN, overdue=True, tab=Tab.NEW),
    replace(OUT, urgency=Urgency.EXPRESS),
    replace(IN, urgency=Urgency.NORMAL, sort=ListOrder.NUMBER),
    replace(OUT, type_name="QUYẾT ĐỊNH"),
    replace(OUT, state="rejected", sort=ListOrder.NEWEST),
    replace(IN, signer="Trần Văn Bình"),
    replace(OUT, signer="Lê Thị Án", sort=ListOrder.NUMBER),
)


async def test_lists_are_what_anybody_would_work_out_by_hand(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    """And paging shows each row once, forward and back, whatever the size of a page."""
    rng = random.Random(20261120)
    await seed(store, clock, rng, 45)
    clock.advance(3_600)
    lines = [
        line
        for side in (OUT, IN)
        for line in (await every_page(store, replace(side, sort=ListOrder.NEWEST), 500))[0]
    ]
    dates = {line.at for line in lines}
    assert len(lines) == 90
    assert len(dates) < 45
    middle = sorted(dates)[len(dates) // 2]

    for list_filter in (
        *QUESTIONS,
        replace(OUT, since=middle),
        replace(IN, until=middle, sort=ListOrder.NEWEST),
    ):
        expected = by_hand(lines, list_filter, clock.now())
        forward, _ = await every_page(store, list_filter, rng.choice((1, 3, 7, 60)))
        backward, first = await every_page(store, list_filter, rng.choice((4, 9)), back=True)
        async with store.read(NORTH) as view:
            count = await view.office.lists.count(list_filter)

        assert [d.id for d in forward] == expected, list_filter
        assert [d.id for d in backward] == expected, list_filter
        assert first.previous_cursor is None
        assert (count.n, count.more) == (len(expected), False)
    for side in Side:
        async with store.read(NORTH) as view:
            tabs = await view.office.lists.tabs(side)
        for tab, count in tabs.items():
            list_filter = Filter(side=side, attention=True) if tab == Tab(0) else Filter(side=side, tab=tab)
            assert count.n == len(by_hand(lines, list_filter, clock.now())), (side, tab)


async def test_the_rows_are_of_one_agency_alone_and_committed(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    await stored(store, outgoing(clock, scope=SOUTH), scope=SOUTH)

    async with store.read(NORTH) as view:
        assert (await view.office.lists.page(OUT, limit=10)).lines == ()
        assert (await view.office.lists.page(replace(OUT, text="flood"), limit=10)).lines == ()
        assert (await view.office.lists.count(OUT)).n == 0

    async with store.begin(NORTH) as work:
        await work.outgoing.add(outgoing(clock))

    async with store.read(NORTH) as view:
        assert (await view.office.lists.count(OUT)).n == 0


async def leave(store: SqlOfficeStore, clock: ManualClock, deliveries: Sequence[Delivery]) -> datetime:
    """Send the deliveries, let a minute pass, and return the time of sending."""
    sent_at = clock.now()
    async with committing(store) as work:
        for delivery in deliveries:
            await work.facts.add(delivery.id, Fact(track=Track.TRANSPORT, code="sent", at=sent_at))
        await work.deliveries.save_states({delivery.id: ("sent", ()) for delivery in deliveries}, sent_at)
    clock.advance(60)
    return sent_at


async def test_a_row_shows_its_document_and_follows_its_recipients(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    to = tuple(Recipient(code=f"Z91.0{n}", name=f"Sở số {n}") for n in range(3, 8))
    document = outgoing(
        clock,
        state=OutState.PACKED,
        legal_value=LegalValue.OFFICIAL,
        draft=draft(recipients=to, urgency=Urgency.URGENT, subject="Về lũ", drafter="Phòng A", pages=3),
    )
    deliveries = [delivery(document, d.code) for d in to]
    await stored(store, document, *deliveries)
    clock.advance(10)
    sent_at = await leave(store, clock, deliveries)
    for d, state in zip(deliveries, ("accepted", "accepted", "rejected", "done"), strict=False):
        async with committing(store) as work:
            await work.deliveries.save_state(d.id, state, (), clock.now())

    async with store.read(NORTH) as view:
        line = await view.office.lists.line(document.id)
        assert await view.office.lists.lines([document.id, "msg_unknown"]) == {document.id: line}
        assert await view.office.lists.lines([]) == {}
    assert line is not None
    assert (line.state, line.tabs) == ("rejected", Tab.SENT | Tab.REJECTED | Tab.SILENT)
    assert line.card.states == {"accepted": 2, "done": 1, "rejected": 1, "sent": 1}
    assert (line.card.taken_in, line.card.parties, line.card.party) == (3, 5, "Sở số 3")
    assert (line.sent_at, line.latest_at) == (sent_at, clock.now())
    assert line.due_at == sent_at + timedelta(minutes=60)
    assert line.overdue(sent_at) == 0
    assert line.overdue(sent_at + timedelta(hours=2)) == 1
    assert _needs_attention(line, clock.now())
    assert (line.card.unit, line.card.pages, line.card.signature) == ("Phòng A", 3, "official")


@pytest.mark.parametrize("state", ["recall_asked", "take_back_asked", "update_asked", "request_refused"])
async def test_what_left_is_not_called_unsent_because_it_is_asked_back(
    store: SqlOfficeStore, clock: ManualClock, state: str
) -> None:
    document = outgoing(clock, state=OutState.PACKED, draft=draft(signed_at=clock.now()))
    d = delivery(document, "Z91.02")
    await stored(store, document, d)
    sent_at = await leave(store, clock, [d])
    async with committing(store) as work:
        await work.deliveries.save_state(d.id, state, (), clock.now())

    async with store.read(NORTH) as view:
        delivery_row = await view.office.lists.line(document.id)
    assert delivery_row is not None
    assert (delivery_row.sent_at, delivery_row.tabs & Tab.UNSENT) == (sent_at, Tab(0))


async def test_who_agreed_to_a_recall_does_not_count_as_having_taken_it_in(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    document = outgoing(clock, state=OutState.PACKED)
    states = ("accepted", "done", "request_agreed")
    deliveries = [delivery(document, f"Z91.{n}", state) for n, state in enumerate(states, 10)]
    await stored(store, document, *deliveries)

    async with store.read(NORTH) as view:
        line = await view.office.lists.line(document.id)

    assert line is not None
    assert (line.card.taken_in, sum(line.card.states.values())) == (2, 3)


async def test_an_incoming_row_says_what_its_sender_asks_and_whether_it_was_handed_over(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    document = incoming(clock, checks={"integrity": "ok"}, register_no="12")
    async with committing(store) as work:
        await work.incoming.add(document)
        await work.handovers.offer(document.id)
    async with store.read(NORTH) as view:
        fresh = await view.office.lists.line(document.id)
    fact = Fact(
        track=Track.REQUEST, code="asked", at=clock.now(), request_id="r", request_kind=RequestKind.TAKE_BACK
    )
    async with committing(store) as work:
        await work.facts.add(document.id, fact)
        await work.incoming.save(document)
        await work.handovers.ack(document.id, "client", clock.now())

    async with store.read(NORTH) as view:
        line = await view.office.lists.line(document.id)
    assert fresh is not None
    assert line is not None
    assert (fresh.state, fresh.tabs) == ("new", Tab.NEW | Tab.NOT_HANDED)
    assert fresh.due_at == document.arrived_at + timedelta(hours=2)
    assert (line.state, line.own_state, line.tabs) == ("take_back_asked", "new", Tab.NEW | Tab.RECALL)
    assert (line.card.checks, line.card.arrival_no) == ({"integrity": "ok"}, "12")


async def test_a_recall_stands_in_the_line_of_what_it_recalls(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    parent = outgoing(clock)
    await stored(
        store,
        parent,
        outgoing(clock, kind=Kind.RECALL, parent_id=parent.id),
        outgoing(clock, kind=Kind.REPLACEMENT, parent_id=parent.id),
    )

    async with store.read(NORTH) as view:
        assert (await view.office.lists.count(OUT)).n == 2


SEARCHES: tuple[tuple[str, set[str]], ...] = (
    ("thuy loi", {"a", "d"}),
    ("thủy", {"a", "d"}),
    ("thuỷ lợi", {"a", "d"}),
    ("1523", {"a"}),
    ("01523", {"a"}),
    ("1523/STC", {"a"}),
    ("1523/STC-VP", {"a"}),
    ("1523/stc–vp", {"a"}),
    ("ubnd", {"b"}),
    ("Z91.07.02", {"b"}),
    ("z910702", {"b"}),
    ("000.02.07.Z91", {"c"}),
    ("0000207z91", {"c"}),
    ("02.07.Z91", {"c"}),
    ('"thuy loi"', {"a"}),
    ("den:noi", {"a"}),
    ("đến:noi vu", set()),
    ("ky:binh", {"a"}),
    ("ký:thuy", set()),
    ("từ:ninh", {"c"}),
    ("tu:giang", set()),
    ("152", set()),
    ("%", set()),
    ("' OR 1 --", set()),
    ('"', set()),
    ("NOT AND NEAR(", set()),
)


async def searched(store: SqlOfficeStore, clock: ManualClock) -> dict[str, str]:
    """Store four documents to be found, and return their ids by name."""
    a = outgoing(
        clock,
        draft=draft(
            number="01523",
            symbol="STC-VP",
            subject="Về công trình thủy lợi",
            recipients=(Recipient(code="Z91.03", name="Sở Nội Nghiệp"),),
            signer=Signer(name="Trần Văn Bình"),
        ),
    )
    b = outgoing(
        clock,
        draft=draft(
            number="2",
            symbol="BC",
            subject="Hoà giải",
            recipients=(Recipient(code="Z91.07.02", name="Uỷ ban nhân dân xã Đông"),),
        ),
    )
    c = incoming(
        clock, number="9", sender_code="000.02.07.Z91", sender_name="Chi cục Ninh", subject="Lũ ở An Giang"
    )
    d = incoming(
        clock, number="10", symbol="X", subject="Lợi ích của thuỷ điện, lời thủ thỉ", sender_name="Cục Đông"
    )
    await stored(store, a, b, c, d)
    return {a.id: "a", b.id: "b", c.id: "c", d.id: "d"}


async def test_a_search_finds_what_people_type(store: SqlOfficeStore, clock: ManualClock) -> None:
    names = await searched(store, clock)

    async with store.read(NORTH) as view:
        for text, expected in SEARCHES:
            list_filter = Filter(side=None, text=text)
            page = await view.office.lists.page(list_filter, limit=10)
            assert {names[line.id] for line in page.lines} == expected, text
            assert (await view.office.lists.count(list_filter)).n == len(expected), text


async def test_what_has_the_accents_that_were_typed_comes_first(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    """Also over pages of one row, forward and back."""
    async with committing(store) as work:
        wanted_ids = []
        for subject in ("Lũ", "lu", "LŨ lụt", "lư", "lù"):
            document = outgoing(clock, draft=draft(subject=subject))
            clock.advance(1)
            await work.outgoing.add(document)
            wanted_ids.append(document.id)
    lines, _ = await every_page(store, Filter(side=Side.OUT, text="lũ"), 1)
    back, _ = await every_page(store, Filter(side=Side.OUT, text="lũ"), 2, back=True)

    assert [wanted_ids.index(line.id) for line in lines] == [2, 0, 4, 3, 1]
    assert back == lines


async def test_a_sealed_document_is_found_by_none_of_its_words(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    document = incoming(clock, subject="Kế hoạch tuyệt mật", signer=Signer(name="Trần Văn Bình"))
    await stored(store, document)
    async with committing(store) as work:
        await work.incoming.save(replace(document, state=InState.SEALED))

    async with store.read(NORTH) as view:
        page = await view.office.lists.page(Filter(side=None, text="tuyet mat"), limit=10)
        line = await view.office.lists.line(document.id)
    assert page.lines == ()
    assert line is not None
    assert (line.state, line.card.subject, line.card.signer) == ("sealed", "", None)
    async with store.reading() as tx:
        ((folded, card),) = await tx.tuples(select(ListRow.folded, ListRow.card))  # type: ignore[call-overload]  # columns
    assert folded == ""
    assert not set(bare_words("tuyệt mật")) & set(bare_words(card))


@pytest.mark.parametrize("cursor", ["", "x", "W10", "bnVsbA", "WyJhIiwxXQ"])
async def test_a_foreign_cursor_is_refused(store: SqlOfficeStore, cursor: str) -> None:
    async with store.read(NORTH) as view:
        with pytest.raises(errors.NotFound, match="ask for the first page again"):
            await view.office.lists.page(OUT, limit=1, cursor=cursor)


async def test_a_cursor_of_another_question_is_refused(store: SqlOfficeStore, clock: ManualClock) -> None:
    await seed(store, clock, random.Random(1), 3)

    async with store.read(NORTH) as view:
        page = await view.office.lists.page(OUT, limit=1)
        with pytest.raises(errors.NotFound):
            await view.office.lists.page(IN, limit=1, cursor=page.next_cursor)


async def test_rows_of_older_documents_are_filled_while_the_node_works(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    """After the migration there are no rows at first, and documents change meanwhile. Filling again changes nothing."""
    await seed(store, clock, random.Random(7), 12)
    rows_before = {side: (await every_page(store, side, 500))[0] for side in (OUT, IN)}
    await folded(store)
    async with store.writing() as tx:
        await tx.change(delete(ListRow))
        await tx.commit()

    turns = 0
    while await store.fill_lists(5):
        turns += 1
        if turns == 2:
            async with committing(store) as work:
                document = await work.outgoing.get(rows_before[OUT][0].id)
                await work.outgoing.save(document)
    await store.refill_lists()
    while await store.fill_lists(5):
        turns += 1

    assert turns > 8
    assert {side: (await every_page(store, side, 500))[0] for side in (OUT, IN)} == rows_before
    async with store.reading() as tx:
        assert {row.done for row in await tx.rows(ListFillRow, select(ListFillRow))} == {True}


async def test_recipients_that_answer_at_once_are_all_counted(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    document = outgoing(clock, state=OutState.PACKED)
    deliveries = [delivery(document, f"Z91.{n}", "sent") for n in range(10, 18)]
    await stored(store, document, *deliveries)

    async def answered(id: str) -> None:
        async with committing(store) as work:
            await work.deliveries.save_state(id, "accepted", (), clock.now())

    await asyncio.gather(*(answered(d.id) for d in deliveries))

    async with store.read(NORTH) as view:
        line = await view.office.lists.line(document.id)
    assert line is not None
    assert (line.card.states, line.state, line.due_at) == ({"accepted": 8}, "accepted", None)


@pytest.mark.parametrize("of_one_unit", [True, False])
async def test_documents_that_would_stand_at_one_place_all_have_their_row(
    store: SqlOfficeStore, clock: ManualClock, of_one_unit: bool
) -> None:
    at = clock.now()
    first = outgoing(clock, id="msg_0")
    alike = (f"msg_{n}" for n in range(1, 1_000_000) if place(at, f"msg_{n}") == place(at, first.id))
    documents = [first, *(outgoing(clock, id=next(alike)) for _ in range(2))]
    for some in [documents] if of_one_unit else [[document] for document in documents]:
        await stored(store, *some)
    assert {line.id for line in (await every_page(store, OUT, 10))[0]} == {
        document.id for document in documents
    }


async def test_the_tiles_and_charts_count_what_there_is(store: SqlOfficeStore, clock: ManualClock) -> None:
    """Sent at 08:00 and 09:00 here; there after 60 s; taken in after ten minutes more by one of two."""
    clock.advance(datetime(2026, 11, 20, 1, 0, tzinfo=UTC) - clock.now())
    for minutes in (0, 60):
        document = outgoing(clock, state=OutState.PACKED)
        first, other = delivery(document, "Z91.02", "accepted"), delivery(document, "Z91.03", "sent")
        async with committing(store) as work:
            now = clock.now()
            await work.outgoing.add(document)
            await work.deliveries.add([first, other])
            for d in (first, other):
                await work.facts.add(d.id, Fact(track=Track.TRANSPORT, code="sent", at=now))
            for code, at in (("01", 60), ("03", 660 + minutes)):
                fact = Fact(track=Track.BUSINESS, code=code, at=now + timedelta(seconds=at))
                await work.facts.add(first.id, fact)
            await work.incoming.add(incoming(clock, urgency=Urgency.EXPRESS))
        clock.advance(3_600)
    while await store.work_out_day():
        pass

    today = date(2026, 11, 20)
    async with store.read(NORTH) as view:
        tiles = await view.office.lists.tiles(today)
        charts = await view.office.lists.charts(today)
        hours = await view.office.lists.day(today)
        types = await view.office.lists.types(Side.OUT)
    assert (tiles.late.n, tiles.urgent.n, tiles.today.n, tiles.silent.n, tiles.failed.n) == (2, 2, 2, 2, 0)
    last_day, last = [*charts.days.items()][-1]
    assert (len(charts.days), last_day, last.sent, last.received) == (30, today, 2, 2)
    assert last.delivered == Lag(n=2, median=60, p90=60)
    assert last.taken_in is not None
    assert (last.taken_in.n, last.taken_in.median) == (2, 630)
    assert [(slow.code, slow.n, slow.seconds) for slow in charts.slowest] == [("Z91.02", 2, 630)]
    assert (charts.states, sum(map(sum, charts.hours))) == ({"sent": 2}, 2)
    assert (charts.hours[4][8], charts.hours[4][9]) == (1, 1)
    assert hours.received == hours.sent == (*(0,) * 8, 1, 1, *(0,) * 14)
    assert types == ["letter"]


async def test_a_draft_counts_for_no_day_and_what_leaves_counts_for_the_day_on_which_it_leaves(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    clock.advance(datetime(2026, 11, 19, 2, 0, tzinfo=UTC) - clock.now())
    lying, leaving = outgoing(clock, state=OutState.DRAFT), outgoing(clock, state=OutState.DRAFT)
    await stored(store, lying, leaving)
    clock.advance(timedelta(days=1))
    delivery_row = delivery(leaving, "Z91.02", "sent")
    async with committing(store) as work:
        await work.outgoing.add(outgoing(clock, state=OutState.DRAFT))
        await work.deliveries.add([delivery_row])
        await work.facts.add(delivery_row.id, Fact(track=Track.TRANSPORT, code="sent", at=clock.now()))
        await work.outgoing.save(replace(leaving, state=OutState.PACKED))
    while await store.work_out_day():
        pass

    async with store.read(NORTH) as view:
        charts = await view.office.lists.charts(date(2026, 11, 20))

    assert charts.states == {"sent": 1}
    assert [(day.day, figures.sent) for day, figures in charts.days.items()][-2:] == [(19, 0), (20, 1)]


async def test_late_work_is_found_until_it_is_done(store: SqlOfficeStore, clock: ManualClock) -> None:
    today = clock.now().date()
    worked = [incoming(clock, state=InState.PROCESSING) for _ in range(4)]
    due = [today - DAY, today, None, today - DAY]
    async with committing(store) as work:
        for document, deadline in zip(worked, due, strict=True):
            await work.incoming.add(document)
            part = UnitPart(
                id=clock.new_id("prt_"),
                document_id=document.id,
                unit="Phòng Tổng hợp",
                is_lead=True,
                deadline=deadline,
                given_by="prn_head",
                given_at=clock.now(),
            )
            await work.parts.add(part)
        await work.parts.change_open(
            replace(part, state=PartState.DONE, ended_by="prn", ended_at=clock.now())
        )

    assert await _late(store, IN, [d.id for d in worked], today) == [worked[0].id]
    assert await _late(store, IN, [d.id for d in worked[1:]], today) == []


async def test_a_late_answer_is_found_until_each_recipient_has_given_it(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    today = clock.now().date()
    content = draft(reply_required=True, reply_due=today - DAY)
    late, soon = (
        outgoing(clock, state=OutState.PACKED, draft=d) for d in (content, replace(content, reply_due=today))
    )
    recipient = Recipient(code="Z91.04", role=RecipientRole.TO_KNOW)
    async with committing(store) as work:
        for document in (late, soon):
            await work.outgoing.add(document)
            owe = [delivery(document, code, "accepted") for code in ("Z91.02", "Z91.03")]
            accepted_delivery = replace(delivery(document, recipient.code, "accepted"), recipient=recipient)
            await work.deliveries.add([*owe, accepted_delivery])

    ids = [late.id, soon.id]
    assert await _late(store, OUT, ids, today) == [late.id]
    for code, remaining in (("Z91.02", [late.id]), ("z91.03", [])):
        async with committing(store) as work:
            await work.events.append(EventKind.INBOX_ANSWERED, late.id, clock.now(), {"from": code})
        clock.advance(COUNT_FRESH)
        assert await _late(store, OUT, ids, today) == remaining


async def _late(store: SqlOfficeStore, side: Filter, ids: Sequence[str], today: date) -> list[str]:
    """Return the late documents among these; the filter, the count and the marks of rows must agree on them."""
    list_filter = replace(side, late=today)
    assert list_filter.side is not None
    async with store.read(NORTH) as work:
        lists = work.office.lists
        every = [document.id for document in (await lists.page(list_filter, limit=9)).lines]
        lines = [document for document in every if document in ids]
        assert await lists.late(list_filter.side, ids, today) == set(lines)
        assert (await lists.count(list_filter)).n == len(every)
    async with store.read(SOUTH) as work:
        assert (await work.office.lists.page(list_filter, limit=9)).lines == ()
    return lines
