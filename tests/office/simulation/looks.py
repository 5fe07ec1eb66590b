"""What a person sees at the pages, held against the documents of the same moment. In: an open office, a person's scope and
share. Out: what differs, in words."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from gateway.domain.account import AgencyScope
from gateway.domain.handling import Share
from gateway_office import todo
from gateway_office.bootstrap.office import Office
from gateway_office.domain.listing import Filter, ListOrder, Side, is_listed_in, is_listed_out
from gateway_office.domain.notice import SubjectKind
from gateway_office.notifications import RingBoard
from gateway_office.store.store import OfficeWork

ENOUGH = 10_000
_PAGE = 40


async def look(node: Office, board: RingBoard, scope: AgencyScope, share: Share | None) -> list[str]:
    """Open lists, tasks and bell; return what is missing or foreign there."""
    faults = []
    async with node.store.read(scope) as work:
        for side in Side:
            faults += await list_faults(work, side)
    listed = await todo.gather(node.todo, scope, everything=True, share=share)
    faults += doubled("task", [task.id for task in listed.duties])
    rings = [*await (board.of_agency(scope) if share is None else board.of_share(scope, share))]
    rings += await board.of_comments(scope, share)
    faults += doubled("ring", [ring.id for ring in rings])
    tasks = [(task.subject_kind, task.opens, task.id) for task in listed.duties]
    async with node.store.read(scope) as work:
        faults += await foreign(work, [*tasks, *((r.subject_kind, r.subject_id, r.id) for r in rings)])
    return faults


async def list_faults(work: OfficeWork, side: Side) -> list[str]:
    """Walk through a list page by page, and compare it with the documents in the same view of the database."""
    row_ids: list[str] = []
    cursor: str | None = None
    criteria = Filter(side=side, sort=ListOrder.NEWEST)
    while True:
        page = await work.office.lists.page(criteria, limit=_PAGE, cursor=cursor)
        row_ids += [line.id for line in page.lines]
        if (cursor := page.next_cursor) is None:
            break
    own_ids = await listed_ids(work, side)
    return doubled(f"row of {side}", row_ids) + [
        f"the list {side} {'lacks' if id in own_ids else 'shows a foreign'} {id}"
        for id in sorted(own_ids.symmetric_difference(row_ids))
    ]


async def listed_ids(work: OfficeWork, side: Side) -> set[str]:
    """Return the ids of the documents that a list shows."""
    if side is Side.OUT:
        return {d.id for d in (await work.outgoing.page(limit=ENOUGH)).items if is_listed_out(d)}
    return {d.id for d in (await work.incoming.page(limit=ENOUGH)).items if is_listed_in(d)}


def doubled(kind: str, ids: Sequence[str]) -> list[str]:
    return [f"the {kind} {id} twice" for id in sorted({id for id in ids if ids.count(id) > 1})]


async def foreign(work: OfficeWork, subjects: Collection[tuple[SubjectKind, str, str]]) -> list[str]:
    """Name tasks and rings whose document is no document of the agency."""
    arrived = {id for kind, id, _ in subjects if kind is SubjectKind.INCOMING}
    sent = {id for kind, id, _ in subjects if kind is SubjectKind.OUTGOING}
    own = {*await work.incoming.states(sorted(arrived))} if arrived else set()
    own |= {d.id for d in await work.outgoing.of_many(sorted(sent))} if sent else set()
    return [
        f"{name} is about {id}, no document here" for _, id, name in subjects if id in (arrived | sent) - own
    ]
