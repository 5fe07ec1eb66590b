"""What the pages of one agency show at rest, against a plain count of its documents, parts and facts. In: an open office,
an agency's scope, its officers. Out: what differs, in words: rows of lists, counts of tabs, tasks, bell, figures by day,
words that are searched, the book."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Collection, Sequence
from datetime import date
from functools import partial

from sqlalchemy import select
from sqlmodel import col

from gateway.domain.account import AgencyScope
from gateway.domain.document import IncomingDocument, InState, OutgoingDocument, OutState
from gateway.domain.handling import PartState
from gateway.domain.states import Track
from gateway.domain.wall_clock import local
from gateway.store import reporting
from gateway.store.tables_office import ListRow
from gateway_office import todo
from gateway_office.accounts import acting
from gateway_office.bootstrap.office import Office
from gateway_office.domain.content import may_be_searched
from gateway_office.domain.listing import SENT, Filter, Side, Tab, is_listed_in, is_listed_out
from gateway_office.domain.roles import Right
from gateway_office.domain.task import TaskKind
from gateway_office.node.exchange import find_partners
from gateway_office.notifications import RingBoard
from gateway_office.store.store import OfficeWork
from tests.office.simulation import looks
from tests.office.simulation.looks import ENOUGH
from tests.office.support.book_count import check_book
from tests.simulation.checkers import place_of
from tests.support.plain_count import Ours, SentDocuments, load_sent

_YEAR = 2026
_WORKED_ON = (InState.ACCEPTED, InState.ASSIGNED, InState.PROCESSING, InState.DONE, InState.REPLACED)


async def faults(node: Office, scope: AgencyScope, officers: Sequence[str]) -> list[str]:
    """Return everything that differs."""
    sent = await load_sent(Ours(node.store, scope))
    async with node.store.read(scope) as work:
        arrived = (await work.incoming.page(limit=ENOUGH)).items
        sent_documents = (await work.outgoing.page(limit=ENOUGH)).items
        differences = [fault for side in Side for fault in await looks.list_faults(work, side)]
        differences += [f async for f in _tabs(work, arrived, sent_documents, sent)]
        differences += [f async for f in _search(work, arrived, sent_documents)]
        differences += [f async for f in _days(work, arrived, sent_documents, local(node.clock.now()).date())]
    differences += [f async for f in _rows(node, scope, arrived, sent_documents)]
    differences += [f async for f in _tasks(node, scope, arrived)]
    for officer in officers:
        differences += [
            f async for f in _own_tasks(node, AgencyScope(agency_id=scope.agency_id, principal_id=officer))
        ]
    try:
        await check_book(Ours(node.store, scope), sent, _YEAR)
    except AssertionError as error:
        differences.append(f"the book differs from its documents: {place_of(error)}")
    return differences


async def _rows(
    node: Office,
    scope: AgencyScope,
    arrived: Sequence[IncomingDocument],
    sent_documents: Sequence[OutgoingDocument],
) -> AsyncIterator[str]:
    """Yield stored rows of lists that are not what their documents give now."""
    documents = {(scope.agency_id, d.id): Side.IN for d in arrived}
    documents |= {(scope.agency_id, d.id): Side.OUT for d in sent_documents}
    async with node.store.reading() as tx:
        now = await node.store._folder.rows(tx, documents)
        query = select(ListRow).where(col(ListRow.agency_id) == scope.agency_id)
        stored = {row.id: row for row in await tx.rows(ListRow, query)}
    for row in now.now:
        old_row = stored.pop(row.id, None)
        olds = {name: getattr(old_row, name, None) for name in row.values()}
        wrong = {name: (olds[name], value) for name, value in row.values().items() if olds[name] != value}
        if wrong:
            yield f"the row of {row.id} is (stored, now): {wrong}"
    for id in stored:
        yield f"there is a row of {id}, which no list shows"


async def _tabs(
    work: OfficeWork,
    arrived: Sequence[IncomingDocument],
    sent_documents: Sequence[OutgoingDocument],
    sent: SentDocuments,
) -> AsyncIterator[str]:
    """Compare counts of tabs with documents."""
    ins = [d for d in arrived if is_listed_in(d)]
    outs = [
        (d, {str(delivery.state) for delivery in sent.deliveries_of(d)})
        for d in sent_documents
        if is_listed_out(d)
    ]
    states = Counter(d.state for d in ins)
    expected = {
        (Side.IN, None): len(ins),
        (Side.IN, Tab.NEW): states[InState.NEW],
        (Side.IN, Tab.HELD): states[InState.HELD],
        (Side.IN, Tab.REJECTED): states[InState.REJECTED],
        (Side.IN, Tab.ACCEPTED): sum(states[state] for state in _WORKED_ON),
        (Side.IN, Tab.PROCESSING): states[InState.ASSIGNED] + states[InState.PROCESSING],
        (Side.IN, Tab.NOT_HANDED): 0,
        (Side.OUT, None): len(outs),
        (Side.OUT, Tab.DRAFT): sum(d.state is OutState.DRAFT for d, _ in outs),
        (Side.OUT, Tab.QUEUED): 0,
        (Side.OUT, Tab.REJECTED): sum("rejected" in words for _, words in outs),
        (Side.OUT, Tab.FAILED): sum("failed" in words or d.state is OutState.BLOCKED for d, words in outs),
        (Side.OUT, Tab.SENT): sum(bool(words & SENT) for _, words in outs),
    }
    for side in Side:
        tabs = await work.office.lists.tabs(side)
        for tab, count in tabs.items():
            if (side, tab) in expected and count.n != expected[side, tab]:
                yield f"tab {side} {tab!r}: {count.n}, and {expected[side, tab]} documents are in it"


async def _search(
    work: OfficeWork, arrived: Sequence[IncomingDocument], sent_documents: Sequence[OutgoingDocument]
) -> AsyncIterator[str]:
    """Search for each partner and for the words of letters, and compare with the documents."""
    parties: dict[tuple[Side, str], set[str]] = defaultdict(set)
    for document in filter(is_listed_in, arrived):
        parties[Side.IN, document.sender_code].add(document.id)
    for draft in filter(is_listed_out, sent_documents):
        for recipient in draft.draft.recipients:
            parties[Side.OUT, recipient.code].add(draft.id)
    for (side, code), ids in sorted(parties.items()):
        criteria = Filter(side=side, text=f"{'tu' if side is Side.IN else 'den'}:{code}")
        page = await work.office.lists.page(criteria, limit=500)
        # A code is differences by its beginning, too.
        below = {
            key: ids_of_code
            for key, ids_of_code in parties.items()
            if key[0] is side and key[1].startswith(code)
        }
        expected = ids.union(*below.values())
        for id in sorted(expected.symmetric_difference(line.id for line in page.lines)):
            yield f"search {side} {criteria.text}: {'misses' if id in expected else 'finds'} {id}"
    documents: list[IncomingDocument | OutgoingDocument] = [*arrived, *sent_documents]
    readable = [d for d in documents if may_be_searched(d) and any(_has_words(f.name) for f in d.files)]
    both = Filter(side=None, text="van phong")
    differences, cursor = set[str](), None
    while True:
        page_of_words = await work.office.contents.search(work.office.lists, both, limit=50, cursor=cursor)
        differences |= {match.line.id for match in page_of_words.matches}
        if (cursor := page_of_words.next_cursor) is None:
            break
    listed = {d.id for d in readable if _is_listed(d)}
    for id in sorted(differences.symmetric_difference(listed)):
        yield f"search of words in files: {'misses' if id in listed else 'finds'} {id}"


def _has_words(name: str) -> bool:
    """Tell whether it is the file of a clerk's letter (`clerks.OfficeLetter`)."""
    return "-c" in name


def _is_listed(document: IncomingDocument | OutgoingDocument) -> bool:
    return is_listed_in(document) if isinstance(document, IncomingDocument) else is_listed_out(document)


async def _days(
    work: OfficeWork,
    arrived: Sequence[IncomingDocument],
    sent_documents: Sequence[OutgoingDocument],
    today: date,
) -> AsyncIterator[str]:
    """Compare the figures of each day with arrivals, and with when documents sent_documents first."""
    received = Counter(local(d.arrived_at).date() for d in arrived if is_listed_in(d))
    sent: Counter[date] = Counter()
    deliveries = await work.deliveries.of_documents([d.id for d in sent_documents]) if sent_documents else {}
    for document in filter(is_listed_out, sent_documents):
        own = deliveries.get(document.id, ())
        facts = await work.facts.of_subjects([d.id for d in own]) if own else {}
        times = [
            fact.at
            for group in facts.values()
            for fact in group
            if fact.track is Track.TRANSPORT and fact.code == "sent"
        ]
        if times and any(d.state in SENT for d in own):
            sent[local(min(times)).date()] += 1
    charts = await work.office.lists.charts(today)
    for day, figures in charts.days.items():
        if (figures.sent, figures.received) != (sent[day], received[day]):
            yield (
                f"figures of {day}: {figures.sent} sent and {figures.received} received,"
                f" and it were {sent[day]} and {received[day]}"
            )


async def _tasks(node: Office, scope: AgencyScope, arrived: Sequence[IncomingDocument]) -> AsyncIterator[str]:
    """Compare the agency's tasks, and the rings about them, with the work that waits."""
    listed = await todo.gather(node.todo, scope, everything=True)
    async with node.store.read(scope) as work:
        acts = await work.office.pending.all(ENOUGH)
        expected = {
            (TaskKind.TAKE_IN,): {d.id for d in arrived if d.state is InState.NEW and d.kind.is_whole},
            (TaskKind.OPINION,): {s.id for s, _ in await work.office.submissions.open(ENOUGH)},
            (TaskKind.ACT_FAILED, TaskKind.ASSIGN_FAILED): {a.id for a in acts.values() if not a.waits},
            (TaskKind.APPROVE_RECALL,): {a.id for a in await work.office.recalls.open(ENOUGH)},
            (TaskKind.REASSIGN,): await _parts(work, arrived, PartState.RETURNED),
        }
    for kinds, ids in expected.items():
        has = {task.id.partition(":")[2] for task in listed.duties if task.kind in kinds}
        for id in sorted(has ^ ids):
            yield f"task {kinds[0]} of {id}: {'missing' if id in ids else 'nothing waits there'}"
    board = RingBoard(
        bell=todo.TaskCount(node.todo, node.background),
        quarantined=partial(reporting.parked_packets, node.store),
        partners=partial(find_partners, node),
    )
    rings = {ring.id for ring in await board.of_agency(scope)}
    awake = (await todo.gather(node.todo, scope)).tasks
    for task in awake:
        if task.id not in rings:
            yield f"the bell does not ring for {task.id}"


async def _own_tasks(node: Office, scope: AgencyScope) -> AsyncIterator[str]:
    """Compare an officer's tasks with the open parts of the person and of the unit."""
    async with node.accounts.accounts.read() as view:
        rights = await acting.rights_of(view, scope.principal_id, node.clock.now())
    share = rights.share(Right.PROGRESS, scope.agency_id, node.clock.now())
    listed = await todo.gather(node.todo, scope, everything=True, share=share)
    async with node.store.read(scope) as work:
        arrived = (await work.incoming.page(limit=ENOUGH)).items
        parts = await work.parts.of_documents([d.id for d in arrived]) if arrived else {}
    own = {
        part.id
        for group in parts.values()
        for part in group
        if part.state is PartState.OPEN and share.covers(part.key, part.person_id)
    }
    kinds = (TaskKind.WORK, TaskKind.START, TaskKind.INFORMED)
    has = {task.id.partition(":")[2] for task in listed.duties if task.kind in kinds}
    for id in sorted(has ^ own):
        yield f"{scope.principal_id}: the part {id} {'is missing' if id in own else 'is not theirs'}"


async def _parts(work: OfficeWork, arrived: Collection[IncomingDocument], state: PartState) -> set[str]:
    parts = await work.parts.of_documents([d.id for d in arrived]) if arrived else {}
    return {part.id for group in parts.values() for part in group if part.state is state}
