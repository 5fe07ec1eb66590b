"""Lists show the same before rows are written and after that, whatever changed, and whichever process folded how much at
which moment, on both databases; a crash leaves marks alone, and folders beside each other leave one row for each
document."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.document import (
    IncomingDocument,
    InState,
    Kind,
    OutgoingDocument,
    OutState,
    Recipient,
    Signer,
    Urgency,
)
from gateway.domain.states import HAS_IT, Track
from gateway.domain.status import Fact
from gateway.store.tables_office import ListChangeRow, ListRow
from gateway_office.domain.listing import NO_BOOK, TABS, Filter, ListLine, ListOrder, Origin, Side, Tab, Tag
from gateway_office.store.lists_write import MOST_OPEN
from gateway_office.store.store import OfficeWork, SqlOfficeStore
from tests.office.support.stores import folded, opened, with_agencies
from tests.support.amounts import examples
from tests.support.clock import START, ManualClock
from tests.support.stores import NORTH, SOUTH, committing, delivery, draft, incoming, outgoing, stored

TODAY = date(2026, 11, 20)
SUBJECTS = ("Quyết định về thủy lợi", "Báo cáo lũ", "Kế hoạch lụ", "báo cáo lu")
DELIVERED = ("queued", "sent", "failed", "delivered", "rejected", "accepted", "done", "recall_asked")
OUT, IN = Filter(side=Side.OUT), Filter(side=Side.IN)
QUESTIONS: Sequence[Filter] = (
    *(replace(side, sort=sort) for side in (OUT, IN) for sort in ListOrder),
    *(replace(base, tab=tab) for base in (OUT, IN) for tab in TABS[base.side or Side.OUT]),
    replace(OUT, tab=Tab.SILENT),
    replace(OUT, tab=Tab.UNSENT),
    *(replace(base, **criteria) for base in (OUT, IN) for criteria in (
        {"attention": True},
        {"attention": True, "sort": ListOrder.NEWEST},
        {"overdue": True},
        {"urgency": Urgency.EXPRESS},
        {"type_name": "Báo cáo"},
        {"state": "sent" if base is OUT else "new"},
        {"book": "2026"},
        {"book": NO_BOOK},
        {"tag": "tag"},
        {"attached": False},
        {"late": TODAY},
        {"party": "Sở Y tế"},
        {"signer": "Trần Văn Bình", "sort": ListOrder.NUMBER},
        {"text": "lũ"},
        {"text": "bao cao", "tab": Tab.REJECTED},
        {"since": START + timedelta(hours=1)},
    )),
    replace(IN, tab=Tab.NEW, pressing=True),
    replace(IN, unread=True),
    replace(OUT, origin=Origin.MACHINE),
    replace(IN, origin=Origin.AXIS),
    *(Filter(side=None, text=text) for text in ("lũ", "bao cao", "Y te", "không có")),
)  # fmt: skip


@dataclass(slots=True)
class Office:
    """One agency of its own for each sequence, in a store that all of them share."""

    store: SqlOfficeStore
    clock: ManualClock
    scope: AgencyScope
    sent: list[OutgoingDocument] = field(default_factory=list)
    incoming: list[IncomingDocument] = field(default_factory=list)

    async def act(self, name: str, n: int) -> None:
        self.clock.advance((0, 0, 60, 4_000)[n % 4])
        if name == "fold":
            await self.store.fold_lists(1 + n % 3)
            return
        async with committing(self.store, self.scope) as work:
            if name in ("send", "receive"):
                await self._add(work, name, n)
            elif self.sent and name in ("answer", "leave", "save", "seal sent", "recall"):
                await self._change_sent(work, name, n)
            elif self.incoming and name in (
                "take in",
                "read",
                "unread",
                "hand over",
                "seal",
                "mark",
                "unmark",
            ):
                await self._change_incoming(work, name, n)

    async def _add(self, work: OfficeWork, name: str, n: int) -> None:
        to = tuple(
            Recipient(code=f"Z91.0{k}", name=("Sở Y tế", "Sở Nội vụ")[k % 2]) for k in range(3, 4 + n % 3)
        )
        columns: dict[str, Any] = {
            "number": str(n % 7),
            "subject": SUBJECTS[n % 4],
            "type_name": ("Báo cáo", "Quyết định", f"Loại {n}")[n % 3],
            "urgency": list(Urgency)[n % len(Urgency)],
            "signer": (None, Signer(name="Trần Văn Bình"))[n % 2],
            "issued_on": (None, TODAY)[n // 2 % 2],
        }
        if name == "send":
            state = (OutState.DRAFT, OutState.QUEUED, OutState.PACKED)[n % 3]
            content = draft(
                recipients=to, reply_required=True, reply_due=TODAY - timedelta(days=1), **columns
            )
            document = outgoing(self.clock, scope=self.scope, state=state, draft=content)
            self.sent.append(document)
            await work.outgoing.add(document)
            if state is not OutState.DRAFT:
                await work.deliveries.add([delivery(document, x.code) for x in to])
            return
        name = ("Sở Y tế", "Sở Nội vụ")[n % 2]
        arrived = incoming(self.clock, agency_id=self.scope.agency_id, sender_name=name, **columns)
        self.incoming.append(arrived)
        await work.incoming.add(arrived)
        if n % 2:
            await work.handovers.offer(arrived.id)

    async def _change_sent(self, work: OfficeWork, name: str, n: int) -> None:
        at = n % len(self.sent)
        document = self.sent[at]
        if name in ("answer", "leave"):
            deliveries = await work.deliveries.of_document(document.id) if n % 2 else []
            ids = [f"dlv-{document.id}-{x.code}" for x in document.draft.recipients]
            if document.state is OutState.DRAFT:
                return
            assert not deliveries or {x.id for x in deliveries} == set(ids)
            if name == "leave":
                for id in ids:
                    await work.facts.add(id, Fact(track=Track.TRANSPORT, code="sent", at=self.clock.now()))
                await work.deliveries.save_states(dict.fromkeys(ids, ("sent", ())), self.clock.now())
            else:
                state = DELIVERED[n % len(DELIVERED)]
                if state in HAS_IT:
                    fact = Fact(track=Track.TRANSPORT, code="sent", at=self.clock.now())
                    await work.facts.add(ids[0], fact)
                await work.deliveries.save_state(ids[n % len(ids)], state, (), self.clock.now())
        elif name == "recall":
            await work.outgoing.add(
                outgoing(self.clock, scope=self.scope, kind=Kind.RECALL, parent_id=document.id)
            )
        else:
            changed: dict[str, Any] = {}
            if name == "seal sent":
                changed["is_sealed"] = True
            elif document.state is not OutState.DRAFT:  # which has no deliveries: only sending makes them
                changed["state"] = list(OutState)[n % len(OutState)]
            draft_now = replace(document.draft, subject=SUBJECTS[n % 4])
            current = await work.outgoing.get(document.id)
            self.sent[at] = await work.outgoing.save(replace(current, draft=draft_now, **changed))

    async def _change_incoming(self, work: OfficeWork, name: str, n: int) -> None:
        at = n % len(self.incoming)
        document = self.incoming[at]
        if name in ("read", "unread"):
            await work.office.lists.mark_read([document.id, "inc_nobody"], unread=name == "unread")
        elif name == "hand over":
            await work.handovers.offer(document.id)
            if n % 2:
                await work.handovers.ack(document.id, "client", self.clock.now())
        elif name == "mark":
            await work.office.tags.mark("tag", Side.IN, document.id, self.clock.now(), "prn")
        elif name == "unmark":
            await work.office.tags.unmark("tag", document.id)
        else:
            state = InState.SEALED if name == "seal" else list(InState)[n % len(InState)]
            number: dict[str, Any] = {"register_no": str(n), "register_year": 2026} if n % 2 else {}
            current = await work.incoming.get(document.id)
            self.incoming[at] = await work.incoming.save(replace(current, state=state, **number))

    async def read_lists(self, fold_between: int = 0) -> Mapping[object, object]:
        """Return every answer of the lists to a reader who remembers none. `fold_between`: so many marks after each
        page."""
        # What was counted before is not used: that folding changes no count is to be seen.
        self.store._counts.changed(self.scope.agency_id)
        answers: dict[object, object] = {}
        for list_filter in QUESTIONS:
            answers[list_filter] = await self._pages(list_filter, fold_between)
        async with self.store.read(self.scope) as view:
            lists = view.office.lists
            for list_filter in QUESTIONS:
                answers["count", list_filter] = await lists.count(list_filter)
            for side in Side:
                answers["tabs", side] = await lists.tabs(side)
                answers["types", side] = await lists.types(side)
                answers["books", side] = await lists.books(side)
            ids = [*(x.id for x in self.sent), *(x.id for x in self.incoming)]
            answers["lines"] = [await lists.line(id) for id in ids]
            answers["late"] = [await lists.late(side, ids, TODAY) for side in Side]
            answers["beside"] = [
                await lists.neighbours(list_filter, id) for id in ids for list_filter in (OUT, IN)
            ]
            answers["tiles"] = await lists.tiles(TODAY)
            answers["day"] = await lists.day(TODAY)
            charts = await lists.charts(TODAY)
            answers["charts"] = charts.days, dict(charts.states), charts.hours
        return answers

    async def _pages(self, list_filter: Filter, fold_between: int) -> Sequence[ListLine]:
        """Return the lines of all pages, forward; check that the way back gives the same."""
        limit = 3
        lines: list[ListLine] = []
        cursor = None
        while True:
            async with self.store.read(self.scope) as view:
                page = await view.office.lists.page(list_filter, limit=limit, cursor=cursor)
            lines += page.lines
            if fold_between:
                await self.store.fold_lists(fold_between)
            if (cursor := page.next_cursor) is None:
                break
        back = list(page.lines)
        while page.previous_cursor is not None:
            async with self.store.read(self.scope) as view:
                page = await view.office.lists.page(list_filter, limit=limit, cursor=page.previous_cursor)
            back = [*page.lines, *back]
        assert back == lines, list_filter
        return lines


ACTS = (
    *("send", "receive") * 2,
    *("answer", "leave", "save", "seal sent", "recall"),
    *("take in", "read", "unread", "hand over", "seal", "mark", "unmark"),
    *("fold",) * 3,
)


async def tell(store: SqlOfficeStore, clock: ManualClock, acts: Sequence[tuple[str, int]]) -> None:
    scope = AgencyScope(agency_id=clock.new_id("agy_"), principal_id="prn")
    await store.accounts.add_hosted(HostedAgency(id=scope.agency_id, code=scope.agency_id, name="One"))
    await _label(store, clock, scope)
    office = Office(store=store, clock=clock, scope=scope)
    for name, n in acts:
        await office.act(name, n)

    lists_before = await office.read_lists()
    between = await office.read_lists(fold_between=1)
    await folded(store, 2)
    lists_after = await office.read_lists()

    for question, answer in lists_before.items():
        assert answer == lists_after[question], question
        assert between[question] == lists_after[question], question
    await _check_folded(office, lists_after)


async def _check_folded(office: Office, lists_after: Mapping[object, object]) -> None:
    """Check that folding step by step gives the same rows as the documents alone."""
    own = office.scope.agency_id
    sides = {(own, x.id): Side.OUT for x in office.sent}
    sides |= {(own, x.id): Side.IN for x in office.incoming}
    async with office.store.writing() as tx:
        rows = await office.store._folder.rows(tx, sides)
    assert [(own, row.id) for row in rows.now] == [*sides]
    for row in rows.now:
        stored = rows.stored[own, row.id]
        # Whether it was read is known to the row alone.
        assert row.values("unread") == {name: getattr(stored, name) for name in row.values("unread")}


async def _label(store: SqlOfficeStore, clock: ManualClock, scope: AgencyScope) -> None:
    async with committing(store, scope) as work:
        await work.office.tags.add(Tag(id="tag", name="Nhãn", made_by="prn", made_at=clock.now()))


Tell = Callable[[Sequence[tuple[str, int]]], None]


@pytest.fixture
def stage(store_url: str) -> Iterator[Tell]:
    clock = ManualClock(START)
    with asyncio.Runner() as runner:
        making = opened(store_url, clock)
        store = runner.run(making.__aenter__())
        yield lambda acts: runner.run(tell(store, clock, acts))
        runner.run(making.__aexit__(None, None, None))


# Each takes a second and more: a failing example is shown without making it smaller.
@settings(
    max_examples=examples(4), suppress_health_check=[*HealthCheck], phases=(Phase.explicit, Phase.generate)
)
@example(
    acts=[
        *(("send", 5), ("receive", 1), ("receive", 2), ("leave", 0), ("fold", 2), ("send", 2), ("fold", 0)),
        *(("answer", 7), ("mark", 0), ("take in", 3), ("read", 1), ("seal", 1), ("receive", 4), ("save", 1)),
        *(("recall", 0), ("hand over", 1), ("fold", 0), ("answer", 4), ("unread", 0), ("seal sent", 1)),
    ]
)
@given(acts=st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 40)), min_size=6, max_size=24))
def test_lists_say_the_same_before_and_after_rows_are_written(
    stage: Tell, acts: list[tuple[str, int]]
) -> None:
    stage(acts)


async def marks(store: SqlOfficeStore) -> int:
    async with store.reading() as tx:
        ((n,),) = await tx.tuples(select(func.count()).select_from(ListChangeRow))
    assert isinstance(n, int)
    return n


async def rows(store: SqlOfficeStore) -> Sequence[Any]:
    async with store.reading() as tx:
        return await tx.tuples(select(ListRow.id, ListRow.state).order_by(ListRow.place))  # type: ignore[call-overload]  # columns


async def test_a_crash_leaves_marks_alone_which_are_folded_later(store_url: str, clock: ManualClock) -> None:
    """In the unit that changes, where both go; in the folder's, where both stay."""
    document, other = outgoing(clock), outgoing(clock)
    async with with_agencies(store_url, clock) as store:
        await stored(store, document)
        async with store.begin(NORTH) as work:
            await work.outgoing.add(other)
        async with store.writing() as tx:
            assert not await store._folder.fold(tx, 100)  # there is no more
        assert (await marks(store), await rows(store)) == (1, [])

    async with opened(store_url, clock) as store:
        async with store.read(NORTH) as view:
            assert [line.id for line in (await view.office.lists.page(OUT, limit=9)).lines] == [document.id]
        assert (await marks(store), await rows(store)) == (1, []), "reading writes nothing"
        await folded(store)
        assert (await marks(store), await rows(store)) == (0, [(document.id, "queued")])


async def test_a_document_that_changed_often_is_folded_once(
    store: SqlOfficeStore, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = outgoing(clock)
    await stored(store, document)
    for state in (OutState.QUEUED, OutState.PACKED, OutState.BLOCKED):
        async with committing(store) as work:
            await work.outgoing.save(replace(await work.outgoing.get(document.id), state=state))
    worked_out: list[list[tuple[str, str]]] = []
    rows_of = store._folder.rows

    async def counted(tx: Any, documents: Mapping[tuple[str, str], Side]) -> Any:
        worked_out.append([*documents])
        return await rows_of(tx, documents)

    monkeypatch.setattr(store._folder, "rows", counted)
    assert await marks(store) == 4

    await folded(store)

    assert worked_out == [[(NORTH.agency_id, document.id)]]
    assert (await marks(store), await rows(store)) == (0, [(document.id, "blocked")])


async def test_folders_of_two_processes_leave_one_row_for_each_document(
    store_url: str, clock: ManualClock
) -> None:
    """While documents go on changing."""
    async with with_agencies(store_url, clock) as store, opened(store_url, clock) as second_store:
        documents = [outgoing(clock) for _ in range(12)] + [outgoing(clock, scope=SOUTH) for _ in range(3)]
        for document in documents:
            await stored(store, document, scope=AgencyScope(agency_id=document.agency_id, principal_id="prn"))

        async def change(by: SqlOfficeStore) -> None:
            for document in documents[:12]:
                async with committing(by) as work:
                    current = await work.outgoing.get(document.id)
                    await work.outgoing.save(replace(current, state=OutState.BLOCKED))

        async def fold(by: SqlOfficeStore) -> None:
            for _ in range(8):
                await by.fold_lists(3)

        await asyncio.gather(
            change(store), change(second_store), *(fold(by) for by in (store, second_store) * 2)
        )
        await asyncio.gather(folded(store, 4), folded(second_store, 4))

        lines = dict(await rows(store))
        assert await marks(store) == 0
    assert lines == {document.id: "blocked" for document in documents[:12]} | {
        document.id: "queued" for document in documents[12:]
    }


async def test_marks_that_nobody_folds_are_folded_by_those_who_add_to_them(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    async with committing(store) as work:
        for _ in range(MOST_OPEN):
            await work.incoming.add(incoming(clock))
    for _ in range(3):
        async with committing(store) as work:
            for _ in range(100):
                await work.incoming.add(incoming(clock))

    assert await marks(store) <= MOST_OPEN
    async with store.read(NORTH) as view:
        assert (await view.office.lists.count(IN)).n == MOST_OPEN + 300
