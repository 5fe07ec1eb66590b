"""Keepers of records in some worlds: they file documents, order that some stay, and destroy others by decision, while nodes
are killed (R102, R129). In: a seed, hosts with an office. Out: calls as the pages make them, and each promise that the rows
break: what was destroyed was decided by three persons, met no order, and left its line; each act that began ends."""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta

from gateway import destruction, preservation, retention
from gateway.domain.account import AgencyScope
from gateway.domain.destruction import ActState, Destruction, DestructionRule
from gateway.domain.document import Document, Kind
from gateway.domain.preservation import Extent
from gateway.domain.retention import RetentionRow, RetentionStart
from gateway.domain.wall_clock import local
from gateway.retention import RetentionMoves
from gateway.store.data_folder import destroyed_lines
from gateway.store.destruction import open_destructions
from gateway_office.bootstrap.office import Office
from gateway_office.domain.work_file import FileKind
from gateway_office.letters import work_files
from gateway_office.letters.work_files import FILED_STATES, FileDraft
from tests.office.simulation.clerks import Person
from tests.simulation.rows import Row, Rows

SHORT, FOR_EVER = "ngắn", "vĩnh viễn"
_NO_MOVES = RetentionMoves(files=0, documents=0, earliest=None, latest=None, first=())
_WHY, _DECISION = "Theo yêu cầu của cơ quan điều tra", "5/CV-CQĐT, 01/02/2026"
_MOST_FILED, _MOST_READ = 6, 40
_TABLES = ("letter_comment", "content_text", "content_due")


class Archivist(Person):
    """Files, preserves and proposes as the clerk does; the head approves and ends orders, an officer confirms."""

    post, role = "clerk", "archivist"
    _n = 0

    def acts(self) -> dict[Callable[[], Awaitable[None]], int]:
        return {self.file_some: 6, self.order: 1, self.end_order: 1, self.destroy: 3}

    async def file_some(self) -> None:
        """Open a file of records, put documents into it, and close it, as one whose work ended yesterday."""
        if not self._n:
            await self.do("table", self._put_table)
        self._n += 1
        notation, today = f"{self._n:03}-MP", local(self.host.clock.now()).date()
        period = FOR_EVER if self.chance.random() < 0.2 else SHORT
        draft = FileDraft(notation=notation, title=f"Hồ sơ {notation}", kind=FileKind.USUAL, retention=period)

        async def opened(node: Office) -> str:
            file = await work_files.open_file(node.todo, self.scope, today.year, draft, everybodys=True)
            return file.code

        code = await self.do("open_file", opened)
        ids = await self.do("documents", self._documents)
        for id in self.chance.sample(ids, min(len(ids), _MOST_FILED)):
            await self.do("put_in", lambda node, id=id: work_files.put_in(node.todo, self.scope, id, code))  # type: ignore[misc]  # mypy cannot type a lambda with a default
        closing = (code, draft.title, draft.kind, today - timedelta(days=1))
        await self.do(
            "close", lambda node: work_files.close_file(node.todo, self.scope, *closing, everybodys=True)
        )
        self.tell("filed", code)

    async def order(self) -> None:
        """Order that some documents stay, by their names or by their partner."""
        ids = await self.do("documents", self._documents)
        if not ids:
            return
        extent = Extent(documents=tuple(self.chance.sample(ids, min(len(ids), 2))))
        if self.chance.random() < 0.3:
            partners = sorted(c for h in self.crowd.world.hosts.values() for c in h.site.agencies)
            extent = Extent(partner=self.chance.choice(partners))
        order = await self.do(
            "order",
            lambda node: preservation.begin(node.store, node.clock, self.scope, extent, _WHY, _DECISION),
        )
        self.tell("ordered", order.id)

    async def end_order(self) -> None:
        """End an order by two persons."""

        async def standing(node: Office) -> list[str]:
            async with node.store.read(self.scope) as work:
                return [order.id for order in await work.preservation.open()]

        ids = await self.do("orders", standing)
        if not ids:
            return
        id = self.chance.choice(ids)
        await self.do(
            "ask_end",
            lambda node: preservation.ask_end(node.store, node.clock, self.scope, id, "Vụ việc đã kết thúc"),
        )
        await self.do("end", lambda node: preservation.end(node.store, node.clock, self._as("head"), id))
        self.tell("order_ended", id)

    async def destroy(self) -> None:
        """Bring an act from its proposal to its confirmation; sometimes stop it on the way."""
        rule = DestructionRule(until=local(self.host.clock.now()).date())
        act = await self.do(
            "propose",
            lambda node: destruction.propose(node.store, node.clock, self.scope, rule, "Hết thời hạn"),
        )
        self.tell("proposed", f"{act.id} {act.counts}")
        steps = ("assess", "approve", "confirm")
        last = self.chance.choice(steps) if self.chance.random() < 0.15 else ""
        for step in steps:
            await self._sleep()
            if step == last:
                await self._step(act.id, "stop", ActState.STOPPED)
                return
            await self._step(act.id, step, ActState(f"{step}d" if step == "approve" else f"{step}ed"))

    async def _sleep(self) -> None:
        await asyncio.sleep(self.chance.expovariate(1.0) * self.crowd.pause_s / 2)

    async def _step(self, id: str, step: str, state: ActState) -> None:
        """Take the act to that state; an answer that was lost is looked up first."""

        async def stepped(node: Office) -> Destruction:
            async with node.store.read(self.scope) as work:
                act = await open_destructions(work).get(id)
            if [*ActState].index(act.state) >= [*ActState].index(state):
                return act
            today, place = local(node.clock.now()).date(), (node.store, node.clock)
            if step == "assess":
                return await destruction.assess(*place, self.scope, id, "3/BB", today, "Ba thành viên")
            if step == "approve":
                return await destruction.approve(*place, self._as("head"), id, "7/QĐ", today)
            if step == "confirm":
                return await destruction.confirm(*place, self._as("first"), id)
            return await destruction.stop(*place, self.scope, id, "Rà soát lại danh mục")

        await self.do(step, stepped)
        self.tell(step, id)

    async def _put_table(self, node: Office) -> None:
        # A period of the product has a month at least; a world ends before.
        rows = tuple(
            RetentionRow(
                name=name,
                months=months,
                start=RetentionStart.FILE_CLOSED,
                valid_from=date(2000, 1, 1),
                basis="Quyết định mô phỏng",
            )
            for name, months in ((SHORT, 0), (FOR_EVER, None))
        )
        await retention.put_table(node.store, node.clock, self.scope, rows, _NO_MOVES)

    async def _documents(self, node: Office) -> list[str]:
        """Return ids of documents of both directions that may be filed."""
        async with node.store.read(self.scope) as work:
            incoming = (await work.incoming.page(limit=_MOST_READ)).items
            outgoing = (await work.outgoing.page(limit=_MOST_READ)).items
        documents: list[Document] = [*incoming, *outgoing]
        return [d.id for d in documents if d.kind.is_whole and d.state in FILED_STATES]

    def _as(self, post: str) -> AgencyScope:
        return replace(self.scope, principal_id=self.host.site.people[self.cast.code, post])


def remains(sides: Sequence[Rows]) -> list[str]:
    """Name acts that the nodes have still to carry out."""
    question = "SELECT id, state FROM destruction WHERE state IN ('confirmed', 'running')"
    return [f"{side.name}: act {row['id']} is {row['state']}" for side in sides for row in side.ask(question)]


def check(sides: Sequence[Rows]) -> Iterator[str]:
    """Yield every promise of acts of destruction and of orders that the rows break."""
    for side in sides:
        events = defaultdict(list)
        for row in sorted(side["event"], key=lambda row: row["node_seq"] or 0):
            events[row["kind"]].append(row)
        yield from _persons(side, events)
        yield from _lines(side, events)
        yield from _orders(side, events)
        yield from _content(side)


def _persons(side: Rows, events: Mapping[str, Sequence[Row]]) -> Iterator[str]:
    """Check that each act that began was proposed, assessed, approved and confirmed once, by three persons."""
    for act in side["destruction"]:
        steps = {
            step: [
                row["principal_id"] for row in events[f"destruction.{step}"] if row["subject_id"] == act["id"]
            ]
            for step in ("proposed", "assessed", "approved", "confirmed", "ended", "stopped")
        }
        counts = {step: len(persons) for step, persons in steps.items()}
        if any(count > 1 for count in counts.values()) or (counts["ended"] and counts["stopped"]):
            yield f"{act['id']}: {counts}"
        if act["state"] != "done":
            continue
        persons = {*steps["proposed"], *steps["approved"], *steps["confirmed"]}
        if len(persons) != 3 or not all(counts[step] for step in ("assessed", "ended")):
            yield f"{act['id']}: carried out after {counts}, by {len(persons)} persons"


def _lines(side: Rows, events: Mapping[str, Sequence[Row]]) -> Iterator[str]:
    """Check that a document is destroyed exactly where one line of a finished act says so, with one event and one entry in
    the node's list; that no line waits; and that its line in the register and its digests stayed."""
    states = {act["id"]: act["state"] for act in side["destruction"]}
    reported = Counter(row["subject_id"] for row in events["document.destroyed"])
    listed = set()
    for line in destroyed_lines(side.folder):
        with suppress(ValueError):  # a line that a crash cut off is no entry
            entry = json.loads(line)
            if entry["is_destroyed"]:
                listed.add(entry["document"])
    by_lines = Counter(r["document_id"] for r in side["destruction_item"] if r["state"] == "destroyed")
    for row in side["destruction_item"]:
        if row["state"] == "due" and states[row["act_id"]] == "done":
            yield f"{row['document_id']}: its act {row['act_id']} is done, and its line waits"
        if row["state"] == "destroyed" and states[row["act_id"]] != "done":
            yield f"{row['document_id']}: destroyed, and its act {row['act_id']} is {states[row['act_id']]}"
    for table in ("incoming_document", "outgoing_document"):
        for row in side[table]:
            body = json.loads(row["body"])
            is_gone, is_whole = body.get("destroyed") is not None, Kind(row["kind"]).is_whole
            counts = (by_lines[row["id"]], reported[row["id"]], int(row["id"] in listed))
            if (is_whole and counts[:2] != (is_gone, is_gone)) or (counts[2] < is_gone and is_whole):
                yield f"{row['id']}: destroyed {is_gone}, by (lines, events, entries) {counts}"


def _orders(side: Rows, events: Mapping[str, Sequence[Row]]) -> Iterator[str]:
    """Check that no document went while an order named it, and none that is in a file that is kept for ever."""
    ends = {row["subject_id"]: row["node_seq"] for row in events["preservation.ended"]}
    for_ever = {row["id"] for row in side["work_file"] if row["retention"] == FOR_EVER}
    permanent = {row["document_id"] for row in side["file_member"] if row["file_id"] in for_ever}
    destroyed = {row["subject_id"]: row["node_seq"] for row in events["document.destroyed"]}
    yield from (f"{id}: destroyed, and its file is for ever" for id in sorted(permanent & destroyed.keys()))
    for row in events["preservation.ordered"]:
        for id in json.loads(row["data"])["about"].get("documents", ()):
            at = destroyed.get(id)
            if at is not None and row["node_seq"] < at < ends.get(row["subject_id"], at + 1):
                yield f"{id}: destroyed, and the order {row['subject_id']} named it"


def _content(side: Rows) -> Iterator[str]:
    """Check that no reference to content, no comment and no word of a destroyed document is there."""
    own = "SELECT owner_kind, owner_id FROM blob WHERE owner_id IS NOT NULL"
    owners = {(row["owner_kind"], row["owner_id"]) for row in (*side["blob_ref"], *side.ask(own))}
    documents_in = {table: {row["document_id"] for row in side[table]} for table in _TABLES}
    for table, kinds in (("incoming_document", ("inbox",)), ("outgoing_document", ("source", "envelope"))):
        for row in side[table]:
            if json.loads(row["body"]).get("destroyed") is None:
                continue
            owner = row["inbox_id"] if kinds == ("inbox",) else row["id"]
            if any((kind, owner) in owners for kind in kinds):
                yield f"{row['id']}: destroyed, and its content is referred to"
            yield from (
                f"{row['id']}: destroyed, and {name} has it"
                for name in _TABLES
                if row["id"] in documents_in[name]
            )
