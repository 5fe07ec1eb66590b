"""Destruction of documents whose retention has ended (R102), by a recorded decision: a proposal by rule, the record of the
assessing council, an approver and a second person; then the node drops the content, a few documents in each unit of work.
In: an agency, a rule, a paper's number and day, the acting person; the clock. Out: the act with an event each; documents
without content. Lines, digests, history and proofs stay. Orders (R129) and the table of retention count at the proposal, at
the confirmation, and once more as each document goes."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from gateway import retention
from gateway.domain.account import AgencyScope
from gateway.domain.destruction import (
    LEAST_REASON,
    LONGEST_MEMBERS,
    LONGEST_NUMBER,
    LONGEST_REASON,
    LONGEST_TITLE,
    MOST_NAMED,
    STOPPABLE,
    ActState,
    ActStep,
    Approval,
    CouncilRecord,
    Destruction,
    DestructionItem,
    DestructionRule,
    DisposalFacts,
    DisposalVerdict,
    ItemState,
    Obstacle,
)
from gateway.domain.document import Document, IncomingDocument, InState, OutgoingDocument, OutState
from gateway.domain.event import EventKind
from gateway.domain.preservation import PreservationOrder, covering
from gateway.domain.retention import Expiry, RetentionTable
from gateway.domain.states import State
from gateway.domain.wall_clock import local
from gateway.errors import Clash, NotFound
from gateway.policy.destruction import find_obstacle, is_chosen
from gateway.policy.retention import document_expiry
from gateway.ports.services import Clock
from gateway.preservation import candidate
from gateway.store.destruction import open_destructions
from gateway.store.outbox import WAITING
from gateway.store.retention import FilesOf, open_retention

if TYPE_CHECKING:
    from gateway.store.store import SqlStore
    from gateway.store.work import SqlWork

PAGE = 200
MOST_REFUSED = 1000
"""Most lines of refused documents in one act; all are counted."""
_FINISHED_IN = (InState.DONE, InState.REJECTED, InState.RECALLED, InState.REPLACED)
_FINISHED_OUT = (OutState.PACKED, OutState.PAPER, OutState.CANCELLED)
_FOLLOWING = {"incoming": "outgoing", "outgoing": ""}
_UNSENT_STATES = (State.QUEUED, State.SENDING, State.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grounds:
    """Rows that decide on every document of a page: the table of retention, the open orders, the files that the documents
    are in, the rule and the day."""

    table: RetentionTable | None
    orders: Sequence[PreservationOrder]
    files: FilesOf
    rule: DestructionRule
    today: date

    @classmethod
    async def load(
        cls, work: SqlWork, now: datetime, rule: DestructionRule, documents: Sequence[Document]
    ) -> Grounds:
        """Load them; no order is added before a writing unit of work ends."""
        table, orders = await retention.table_in_force(work), await work.preservation.open()
        files = await open_retention(work).files_of([document.id for document in documents])
        return cls(table=table, orders=orders, files=files, rule=rule, today=local(now).date())


@dataclass(frozen=True, slots=True, kw_only=True)
class DestructionPlan:
    """Effect of a rule: how many documents would go, how many may not by obstacle, and the first lines of both."""

    count: int
    refused: Counter[str]
    first: tuple[DestructionItem, ...]


async def preview(
    store: SqlStore, clock: Clock, scope: AgencyScope, rule: DestructionRule
) -> DestructionPlan:
    """Say what an act by this rule would do. Clash for a rule that cannot be; NotFound for a document that is not there."""
    count, refused, first = 0, Counter[str](), list[DestructionItem]()
    async for items, page_refused in _listed(store, clock, scope, "", rule):
        refused += page_refused
        count += sum(item.state is ItemState.DUE for item in items)
        first += items[: PAGE - len(first)]
    return DestructionPlan(count=count, refused=refused, first=tuple(first))


async def propose(
    store: SqlStore, clock: Clock, scope: AgencyScope, rule: DestructionRule, reason: str
) -> Destruction:
    """Write an act with a line for each document that the rule chooses. Clash where none of them may go."""
    reason = _check_text(
        reason, LEAST_REASON, LONGEST_REASON, "GW-REASON", "a reason of 10 to 500 characters"
    )
    now = clock.now()
    act = Destruction(
        id=clock.new_id("des_"),
        agency_id=scope.agency_id,
        rule=rule,
        reason=reason,
        by=scope.principal_id,
        at=now,
    )
    n, counts, refused = 0, Counter[str](), list[DestructionItem]()
    async for items, page_refused in _listed(store, clock, scope, act.id, rule):
        counts += page_refused
        refused += [i for i in items if i.state is ItemState.REFUSED][: MOST_REFUSED - len(refused)]
        if not (due := [item for item in items if item.state is ItemState.DUE]):
            continue
        async with store.changing(scope) as work:
            destructions = open_destructions(work)
            if not n:
                await destructions.add(act)
            await destructions.add_items([replace(i, n=n + place) for place, i in enumerate(due, start=1)])
        n += len(due)
    if not n:
        obstacles = ", ".join(f"{name}: {count}" for name, count in sorted(counts.items()))
        raise Clash(
            f"none of these documents may be destroyed ({obstacles or 'none has reached its end'})",
            code="GW-DESTROY-NOTHING",
            params={"obstacles": dict(counts)},
        )
    async with store.changing(scope) as work:
        destructions = open_destructions(work)
        await destructions.add_items([replace(i, n=n + place) for place, i in enumerate(refused, start=1)])
        facts = {"count": n, "refused": counts.total(), "reason": reason, "until": rule.until.isoformat()}
        return await _step(
            work,
            replace(act, state=ActState.PROPOSED, counts={**counts, ItemState.DUE: n}),
            EventKind.DESTRUCTION_PROPOSED,
            now,
            facts,
        )


async def assess(
    store: SqlStore, clock: Clock, scope: AgencyScope, id: str, number: str, day: date, members: str
) -> Destruction:
    """Record what the council assessed. Clash without number or members, or for a day that has not come."""
    now = clock.now()
    number, day = _check_paper(number, day, now)
    members = _check_text(members, 1, LONGEST_MEMBERS, "GW-DESTROY-MEMBERS", "members of the council")
    async with store.changing(scope) as work:
        act = await _load(work, id, ActState.PROPOSED)
        record = CouncilRecord(number=number, day=day, members=members, by=scope.principal_id, at=now)
        act = replace(act, state=ActState.ASSESSED, council=record)
        facts = {"number": number, "day": day.isoformat(), "members": members}
        return await _step(work, act, EventKind.DESTRUCTION_ASSESSED, now, facts)


async def approve(
    store: SqlStore, clock: Clock, scope: AgencyScope, id: str, number: str, day: date
) -> Destruction:
    """Record the decision, as another person than the one who proposed. Clash before the council's record."""
    now = clock.now()
    number, day = _check_paper(number, day, now)
    async with store.changing(scope) as work:
        act = await _load(work, id, ActState.ASSESSED)
        _check_other(act, scope)
        if act.council is not None and day < act.council.day:
            raise Clash("the decision is older than the council's record", code="GW-DESTROY-PAPER")
        approval = Approval(number=number, day=day, by=scope.principal_id, at=now)
        act = replace(act, state=ActState.APPROVED, approval=approval)
        facts = {"number": number, "day": day.isoformat()}
        return await _step(work, act, EventKind.DESTRUCTION_APPROVED, now, facts)


async def confirm(store: SqlStore, clock: Clock, scope: AgencyScope, id: str) -> Destruction:
    """Confirm the act as its second person, after every document was judged anew; documents that may no longer go are left
    out with their reason. The node begins soon afterwards."""
    now, last = clock.now(), 0
    async with store.read(scope) as work:
        _check_other(await _load(work, id, ActState.APPROVED), scope)
    while True:
        async with store.changing(scope) as work:
            act = await _load(work, id, ActState.APPROVED)
            items = await open_destructions(work).items(id, limit=PAGE, last_n=last, states=(ItemState.DUE,))
            documents = [await find_document(work, item.document_id) for item in items]
            grounds = await Grounds.load(work, now, act.rule, documents)
            for item, document in zip(items, documents, strict=True):
                verdict = await judge(work, document, grounds)
                if verdict.obstacle is not None:
                    await leave_out(work, item, verdict.obstacle, now)
        if not items:
            break
        last = items[-1].n
    async with store.changing(scope) as work:
        act = await _load(work, id, ActState.APPROVED)
        _check_other(act, scope)
        counts = await open_destructions(work).counts(id)
        if not counts.get(ItemState.DUE):
            raise Clash(f"no document of {id} may be destroyed any more", code="GW-DESTROY-NOTHING")
        act = replace(act, state=ActState.CONFIRMED, confirmed=ActStep(by=scope.principal_id, at=now))
        act = replace(act, counts={**act.counts, **counts})
        facts = {"count": counts[ItemState.DUE], "left_out": counts.get(ItemState.LEFT_OUT, 0)}
        return await _step(work, act, EventKind.DESTRUCTION_CONFIRMED, now, facts)


async def stop(store: SqlStore, clock: Clock, scope: AgencyScope, id: str, why: str) -> Destruction:
    """Stop an act that has not begun; one person is enough."""
    why, now = _check_text(why, LEAST_REASON, LONGEST_REASON, "GW-REASON", "a reason"), clock.now()
    async with store.changing(scope) as work:
        act = await _load(work, id, *STOPPABLE)
        step = ActStep(by=scope.principal_id, at=now, why=why)
        act = replace(act, state=ActState.STOPPED, stopped=step)
        return await _step(work, act, EventKind.DESTRUCTION_STOPPED, now, {"why": why})


async def judge(work: SqlWork, document: Document, grounds: Grounds) -> DisposalVerdict:
    """Judge a document by its retention, orders, secrecy and state, and by what the archive has received."""
    expiry, is_archived = None, False
    if grounds.rule.handed_over and document.state is not InState.RECALLED:
        is_archived = await open_retention(work).is_in_archive(document.id)
    if grounds.table is not None:
        facts_of_document = await retention.facts_of(work, document, grounds.files)
        expiry = document_expiry(facts_of_document, grounds.table.rows)
    if isinstance(document, IncomingDocument):
        is_secret, is_finished = document.state is InState.SEALED, document.state in _FINISHED_IN
    else:
        is_secret, is_finished = document.is_sealed, document.state in _FINISHED_OUT
    facts = DisposalFacts(
        expiry=expiry,
        is_destroyed=document.destroyed is not None,
        is_preserved=covering(grounds.orders, candidate(document)) is not None,
        is_secret=is_secret,
        is_finished=is_finished,
        is_archived=is_archived,
    )
    # Few documents have none; the others cost no further query.
    obstacle = find_obstacle(facts, grounds.today) or await _late_obstacle(work, document)
    return DisposalVerdict(expiry=expiry, obstacle=obstacle, is_archived=is_archived)


async def _late_obstacle(work: SqlWork, document: Document) -> Obstacle | None:
    """Return what a query of its own finds against a document that may go otherwise."""
    if document.envelope_digest is not None and await work.holds.keeps(document.envelope_digest):
        return Obstacle.SECRET
    if isinstance(document, OutgoingDocument) and document.state is not OutState.CANCELLED:
        deliveries = await work.deliveries.of_document(document.id)
        if any(delivery.state in _UNSENT_STATES for delivery in deliveries) or await _leaves(work, document):
            return Obstacle.UNFINISHED
    return None


async def _leaves(work: SqlWork, document: OutgoingDocument) -> bool:
    """Tell whether the node has still to send the document, or an update or a recall of it. A recipient may have it while
    the answer of the axis is missing; then the node sends it once more."""
    changes = [child for child in await work.outgoing.children(document.id) if not child.kind.is_whole]
    if any(change.state not in _FINISHED_OUT for change in changes):
        return True
    for sent in (document, *changes):
        if any(row.state == WAITING for row in await work.outbox.of_subject(sent.id)):
            return True
    return False


async def find_document(work: SqlWork, id: str) -> Document:
    """Load a document of either direction. NotFound for an update or a recall, which goes with its document."""
    document: Document
    if id.startswith("inb_"):
        document = await work.incoming.get(id)
    elif id.startswith("msg_"):
        document = await work.outgoing.get(id)
    else:
        raise NotFound(f"no document is called {id[:80]!r}", hint="its id begins with msg_ or inb_")
    if not document.kind.is_whole:
        raise NotFound(f"{id} is no document of its own; name the one that it is about")
    return document


async def leave_out(work: SqlWork, item: DestructionItem, obstacle: Obstacle, now: datetime) -> None:
    item = replace(item, state=ItemState.LEFT_OUT, obstacle=obstacle, at=now)
    await open_destructions(work).save_item(item)


def item_of(document: Document, act_id: str, n: int = 0) -> DestructionItem:
    """Describe a document as a line of an act."""
    if isinstance(document, IncomingDocument):
        code, subject = document.code, document.subject
    else:
        code, subject = document.draft.code, document.draft.subject
    digests = [document.envelope_digest, *(file.sha256 for file in document.files)]
    return DestructionItem(
        act_id=act_id,
        n=n,
        document_id=document.id,
        title=" ".join(f"{code} {subject}".split())[:LONGEST_TITLE],
        digests=tuple(str(digest) for digest in digests if digest),
    )


async def _listed(
    store: SqlStore, clock: Clock, scope: AgencyScope, act_id: str, rule: DestructionRule
) -> AsyncIterator[tuple[Sequence[DestructionItem], Counter[str]]]:
    """Yield lines of chosen documents, a page at a time, with the obstacles of all documents that were looked at."""
    now = clock.now()
    if rule.until > local(now).date() or len(rule.documents) > MOST_NAMED:
        raise Clash(
            f"a rule has a day that has come, and names up to {MOST_NAMED} documents", code="GW-DESTROY-RULE"
        )
    side, cursor = "named" if rule.documents else "incoming", None
    while side:
        # Each page in a unit of work of its own, so that writers go on.
        async with store.read(scope) as work:
            documents, side, cursor = await _read_page(work, rule, side, cursor)
            grounds = await Grounds.load(work, now, rule, documents)
            items, obstacles = list[DestructionItem](), Counter[str]()
            for document in documents:
                verdict = await judge(work, document, grounds)
                if verdict.obstacle is not None:
                    obstacles[verdict.obstacle] += 1
                if is_chosen(rule, document.id, verdict.expiry, is_archived=verdict.is_archived):
                    items.append(_chosen_item(document, act_id, verdict.expiry, verdict.obstacle))
        yield items, obstacles


async def _read_page(
    work: SqlWork, rule: DestructionRule, side: str, cursor: str | None
) -> tuple[Sequence[Document], str, str | None]:
    """Read the documents of a page that a rule may be about, and where the next page is."""
    if side == "named":
        return [await find_document(work, id) for id in dict.fromkeys(rule.documents)], "", None
    page = await getattr(work, side).page(limit=PAGE, cursor=cursor)
    following = side if page.next_cursor else _FOLLOWING[side]
    return [d for d in page.items if d.kind.is_whole], following, page.next_cursor


def _chosen_item(
    document: Document, act_id: str, expiry: Expiry | None, obstacle: Obstacle | None
) -> DestructionItem:
    return replace(
        item_of(document, act_id),
        state=ItemState.DUE if obstacle is None else ItemState.REFUSED,
        obstacle=obstacle,
        basis=expiry.row.name if expiry is not None and expiry.row is not None else "",
        ended_on=expiry.on if expiry is not None else None,
    )


async def _load(work: SqlWork, id: str, *states: ActState) -> Destruction:
    act = await open_destructions(work).get(id)
    if act.state not in states:
        code = "GW-DESTROY-COUNCIL" if act.state is ActState.PROPOSED else "GW-DESTROY-STATE"
        raise Clash(f"the act {id} is {act.state}, not {' or '.join(states)}", code=code)
    return act


async def _step(
    work: SqlWork, act: Destruction, kind: EventKind, now: datetime, facts: dict[str, Any]
) -> Destruction:
    await open_destructions(work).save(act)
    await work.events.append(kind, act.id, now, facts)
    return act


def _check_other(act: Destruction, scope: AgencyScope) -> None:
    if scope.principal_id in act.people:
        raise Clash(
            "one person acts once in a destruction: another one has to do this", code="GW-DESTROY-SAME"
        )


def _check_paper(number: str, day: date, now: datetime) -> tuple[str, date]:
    number = _check_text(number, 1, LONGEST_NUMBER, "GW-DESTROY-PAPER", "the paper's number")
    if day > local(now).date():
        raise Clash(f"the day {day.isoformat()} has not come", code="GW-DESTROY-PAPER")
    return number, day


def _check_text(text: str, least: int, most: int, code: str, subject: str) -> str:
    text = " ".join(text.split())
    if not least <= len(text) <= most:
        raise Clash(f"{subject} is needed, up to {most} characters", code=code)
    return text
