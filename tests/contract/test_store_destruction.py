"""Acts of destruction in both databases: from the proposal to the last document, over shared content, orders and crashes;
an older copy destroys again what the list names."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from gateway import destroying, destruction, preservation, retention
from gateway.domain.account import AgencyScope
from gateway.domain.destruction import (
    ActState,
    ActStep,
    Approval,
    Destruction,
    DestructionRule,
    ItemState,
    Obstacle,
)
from gateway.domain.document import IncomingDocument, InState, Kind, OutgoingDocument, OutState
from gateway.domain.event import EventKind
from gateway.domain.hold import HeldContent, HoldState
from gateway.domain.identity import Digest
from gateway.domain.preservation import Extent
from gateway.domain.wall_clock import local
from gateway.errors import Clash, NotFound
from gateway.pool import ThreadPool
from gateway.store.blobs import FileBlobs
from gateway.store.data_folder import destroyed_lines, merge_destroyed
from gateway.store.destruction import open_destructions
from gateway.store.store import SqlStore
from gateway.store.tables_records import FileMemberRow, HandOverRow, WorkFileRow
from tests.contract.test_store_holds import hold
from tests.support.clock import ManualClock
from tests.support.statements import noted_statements
from tests.support.stores import (
    NORTH,
    SOUTH,
    delivery,
    draft,
    inbox_item,
    incoming,
    outbox_item,
    outgoing,
    stored,
)

HEAD = "class,type,file_kind,months,start,valid_from,valid_until,basis\n"
TABLE = (
    HEAD + "1 năm,Letter,,12,year-end,2000-01-01,,QĐ 1\nVV,Decision,,vĩnh viễn,year-end,2000-01-01,,QĐ 1\n"
)
WHY = "Hết thời hạn bảo quản"
HEAD_OF, SECOND = replace(NORTH, principal_id="prn_head"), replace(NORTH, principal_id="prn_second")


class Desk:
    """An agency with documents of both directions, and what its persons do."""

    def __init__(
        self, store: SqlStore, blobs: FileBlobs, clock: ManualClock, pool: ThreadPool, folder: Path
    ) -> None:
        self.store, self.blobs, self.clock, self.pool, self.folder = store, blobs, clock, pool, folder

    async def arrives(self, n: int, body: bytes = b"", **fields: object) -> IncomingDocument:
        digest = await self.holds(NORTH, "inbox", f"box_{n}", body or f"arrived {n}".encode())
        packet = replace(inbox_item(self.clock), id=f"box_{n}", file_digest=digest)
        document = replace(
            incoming(self.clock),
            id=f"inb_{n}",
            inbox_id=packet.id,
            envelope_digest=digest,
            state=InState.DONE,
        )
        document = replace(document, **fields)  # type: ignore[arg-type]  # fields of a test
        await stored(self.store, packet, document)
        return document

    async def leaves(self, n: int, to_state: str = "done", **fields: object) -> OutgoingDocument:
        digest = await self.holds(NORTH, "envelope", f"msg_{n}", f"sent {n}".encode())
        document = replace(outgoing(self.clock), id=f"msg_{n}", envelope_digest=digest, state=OutState.PACKED)
        document = replace(document, **fields)  # type: ignore[arg-type]  # fields of a test
        await stored(self.store, document, delivery(document, "Z91.02", to_state))
        return document

    async def holds(self, scope: AgencyScope, kind: str, owner: str, body: bytes) -> Digest:
        with self.blobs.scratch() as scratch:
            scratch.file.write(body)
            digest = Digest(hashlib.sha256(body).hexdigest())
            content = await self.blobs.keep(scratch, digest, len(body))
            async with self.store.changing(scope) as work:
                await work.blobs.keep(content, kind, owner)
        return digest

    async def has_table(self, text: str = TABLE) -> None:
        rows = retention.read_table(text)
        moves = await retention.preview(self.store, NORTH, rows)
        await retention.put_table(self.store, self.clock, NORTH, rows, moves)

    def rule(self, *documents: str) -> DestructionRule:
        return DestructionRule(until=local(self.clock.now()).date(), documents=documents)

    async def proposed(self, *documents: str) -> Destruction:
        return await destruction.propose(self.store, self.clock, NORTH, self.rule(*documents), WHY)

    async def approved(self, *documents: str) -> Destruction:
        act, today = await self.proposed(*documents), local(self.clock.now()).date()
        await destruction.assess(self.store, self.clock, NORTH, act.id, "3/BB", today, "A, B, C")
        return await destruction.approve(self.store, self.clock, HEAD_OF, act.id, "12/QĐ", today)

    async def confirmed(self, *documents: str) -> Destruction:
        act = await self.approved(*documents)
        return await destruction.confirm(self.store, self.clock, SECOND, act.id)

    async def step(self) -> bool:
        return await destroying.destroy_some(self.store, self.clock, self.pool, self.blobs, self.folder)

    async def run(self) -> None:
        while await self.step():
            pass

    async def act(self, id: str) -> Destruction:
        async with self.store.read(NORTH) as work:
            return await open_destructions(work).get(id)

    async def states(self, act: Destruction) -> dict[str, tuple[str, str | None]]:
        async with self.store.read(NORTH) as work:
            items = await open_destructions(work).items(act.id, limit=1000)
        return {item.document_id: (item.state, item.obstacle) for item in items}

    async def is_readable(self, digest: Digest | None, scope: AgencyScope = NORTH) -> bool:
        assert digest is not None
        async with self.store.read(scope) as work:
            return await work.blobs.find(digest) is not None

    async def is_stored(self, digest: Digest | None) -> bool:
        async with self.store.reading() as tx:
            return bool(await tx.tuples(text("SELECT 1 FROM blob WHERE digest = :digest"), digest=digest))


@pytest.fixture
async def desk(
    store: SqlStore, blobs: FileBlobs, clock: ManualClock, pool: ThreadPool, tmp_path: Path
) -> Desk:
    return Desk(store, blobs, clock, pool, tmp_path)


async def after_years(desk: Desk) -> None:
    desk.clock.advance(timedelta(days=900))


async def test_what_has_ended_goes_in_both_directions_and_what_may_not_go_stays_with_its_reason(
    desk: Desk,
) -> None:
    """R102: nothing is destroyed without the council, the decision and two persons."""
    arrived, sent = await desk.arrives(1), await desk.leaves(1)
    shared = await desk.arrives(2, b"shared with the south")
    await desk.holds(SOUTH, "envelope", "msg_south", b"shared with the south")
    under_order, open_one = await desk.arrives(3), await desk.arrives(4, state=InState.PROCESSING)
    permanent = await desk.arrives(5, type_name="Decision")
    secret = await desk.leaves(2, is_sealed=True)
    young_type = await desk.arrives(6, type_name="Other")
    unsent, sent_twice = await desk.leaves(3, to_state="failed"), await desk.leaves(4)
    # Its recipient has it; the answer of the axis was lost, and the node will send it once more.
    await stored(desk.store, outbox_item(desk.clock, subject_id=sent_twice.id))
    # A recall of each has not left: one is not packed, one waits for the axis.
    recalled = [await desk.leaves(n) for n in (5, 6)]
    for n, state in ((5, OutState.QUEUED), (6, OutState.PACKED)):
        await desk.leaves(n + 10, kind=Kind.RECALL, parent_id=f"msg_{n}", state=state)
    await stored(desk.store, outbox_item(desk.clock, subject_id="msg_16"))
    suspect = await desk.arrives(8)
    content = HeldContent(digest=suspect.envelope_digest, size=9, owner_kind="inbox", owner_id="box_8")
    async with desk.store.changing(NORTH) as work:
        await work.holds.add(hold(desk.clock, state=HoldState.PURGED, contents=(content,)))
    await desk.has_table()
    await after_years(desk)
    young = await desk.arrives(7)
    extent = Extent(documents=(under_order.id,))
    order = await preservation.begin(desk.store, desk.clock, NORTH, extent, WHY, "12/QĐ-TTr")

    plan = await destruction.preview(desk.store, desk.clock, NORTH, desk.rule())
    assert plan.count == 3
    assert plan.refused == {
        "preserved": 1,
        "unfinished": 5,
        "permanent": 1,
        "secret": 2,
        "unknown": 1,
        "not_ended": 1,
    }
    act = await desk.confirmed()
    assert (act.state, act.counts[ItemState.DUE]) == (ActState.CONFIRMED, 3)
    await desk.run()

    states = await desk.states(act)
    assert {id for id, (state, _) in states.items() if state == "destroyed"} == {
        arrived.id,
        sent.id,
        shared.id,
    }
    refused = {id: obstacle for id, (state, obstacle) in states.items() if state == "refused"}
    assert refused == {
        under_order.id: "preserved",
        open_one.id: "unfinished",
        unsent.id: "unfinished",
        sent_twice.id: "unfinished",
        **{document.id: "unfinished" for document in recalled},
        suspect.id: "secret",
        secret.id: "secret",
    }
    for document in (arrived, sent, shared):
        assert not await desk.is_readable(document.envelope_digest)
    assert await desk.is_readable(shared.envelope_digest, SOUTH)
    assert [await desk.is_stored(d.envelope_digest) for d in (arrived, sent, shared)] == [False, False, True]
    stays = (under_order, open_one, permanent, secret, young_type, young, unsent, sent_twice, suspect)
    for document in stays:
        assert await desk.is_readable(document.envelope_digest)
    async with desk.store.read(NORTH) as work:
        stone = (await work.incoming.get(arrived.id)).destroyed
        assert stone is not None
        assert (stone.act, stone.decision.split(",")[0]) == (act.id, "12/QĐ")
        assert (await work.incoming.get(arrived.id)).subject == arrived.subject
        (event,) = [
            e for e in await work.events.of_subject(sent.id) if e.kind is EventKind.DOCUMENT_DESTROYED
        ]
        assert event.data["digests"] == [sent.envelope_digest]
        history = await work.events.of_subject(act.id)
        kinds = [event.kind.value.partition(".")[2] for event in history]
        lines = [
            line async for line in destroying.list_lines(work, await open_destructions(work).get(act.id))
        ]
    assert history[-1].data["list"] == hashlib.sha256(b"".join(lines)).hexdigest()
    assert kinds == ["proposed", "assessed", "approved", "confirmed", "ended"]
    ended = await desk.act(act.id)
    assert (ended.state, ended.counts["destroyed"], ended.counts["due"]) == (ActState.DONE, 3, 0)
    assert order.is_open


async def test_a_look_at_many_documents_asks_for_their_files_once_a_page(desk: Desk) -> None:
    for n in range(5):
        await desk.arrives(n)
    await desk.has_table()
    with noted_statements() as statements:
        plan = await destruction.preview(desk.store, desk.clock, NORTH, desk.rule())
    assert plan.refused == {"not_ended": 5}
    assert statements.reads("work_file") == 2  # arrivals, and what was sent


async def test_what_is_written_has_the_time_of_the_clock_and_not_of_retention(desk: Desk) -> None:
    """A clock that jumped ahead ends no retention for a day; what happens in that day has its own time."""
    letter = await desk.arrives(1)
    await desk.has_table()
    await after_years(desk)
    await desk.confirmed()
    settled = ManualClock(desk.clock.now())
    desk.clock.advance(timedelta(hours=5))
    await destroying.destroy_some(desk.store, settled, desk.pool, desk.blobs, desk.folder)

    async with desk.store.read(NORTH) as work:
        (event,) = [
            e for e in await work.events.of_subject(letter.id) if e.kind is EventKind.DOCUMENT_DESTROYED
        ]
        stone = (await work.incoming.get(letter.id)).destroyed
    assert stone is not None
    assert event.at == stone.at == desk.clock.now()


async def handed_over(desk: Desk, n: int, *documents: str, state: str = "received") -> None:
    """Put the documents into a file that the archive has received, or not."""
    file = WorkFileRow(
        agency_id=NORTH.agency_id,
        id=f"fil_{n}",
        code=f"0{n}.TH",
        title="Harvest",
        kind="usual",
        year=2024,
        closed_on=date(2024, 2, 29),
        owner="prn_1",
    )
    package = HandOverRow(
        agency_id=NORTH.agency_id,
        id=f"hov_{n}",
        file_id=file.id,
        code=file.code,
        target="",
        sha256="",
        size=1,
        documents=1,
        files=1,
        by="prn_1",
        at=desk.clock.now(),
        state=state,
    )
    async with desk.store.writing() as tx:
        tx.insert(file)
        tx.insert(package)
        await tx.commit()
    for document in documents:
        await put_into(desk, n, document)


async def put_into(desk: Desk, n: int, document: str) -> None:
    key = {"agency_id": NORTH.agency_id, "file_id": f"fil_{n}", "document_id": document}
    async with desk.store.writing() as tx:
        tx.insert(FileMemberRow(**key, partner="", symbol="", by="prn_1", at=desk.clock.now()))
        await tx.commit()


async def test_what_the_archive_has_received_may_go_though_it_stays_for_ever_there(desk: Desk) -> None:
    """R103: by an act of its own; a document that came into its file later, or whose other file waits, stays."""
    permanent, elsewhere, preserved = [await desk.arrives(n, type_name="Decision") for n in (1, 2, 3)]
    recalled = await desk.arrives(4, state=InState.RECALLED)
    latecomer, unanswered = await desk.arrives(5), await desk.arrives(6)
    await desk.has_table()
    await handed_over(desk, 1, permanent.id, elsewhere.id, preserved.id, recalled.id)
    await handed_over(desk, 2, elsewhere.id, unanswered.id, state="packed")
    desk.clock.advance(timedelta(minutes=1))
    await put_into(desk, 1, latecomer.id)
    extent = Extent(documents=(preserved.id,))
    await preservation.begin(desk.store, desk.clock, NORTH, extent, WHY, "12/QĐ-TTr")
    with pytest.raises(Clash, match="permanent: 1"):
        await desk.proposed(permanent.id)

    rule = replace(desk.rule(), handed_over=True)
    act = await destruction.propose(desk.store, desk.clock, NORTH, rule, WHY)
    assert await desk.states(act) == {permanent.id: ("due", None), preserved.id: ("refused", "preserved")}
    today = local(desk.clock.now()).date()
    await destruction.assess(desk.store, desk.clock, NORTH, act.id, "3/BB", today, "A, B, C")
    await destruction.approve(desk.store, desk.clock, HEAD_OF, act.id, "12/QĐ", today)
    await destruction.confirm(desk.store, desk.clock, SECOND, act.id)
    await desk.run()

    assert (await desk.states(act))[permanent.id] == ("destroyed", None)
    assert not await desk.is_readable(permanent.envelope_digest)
    for document in (elsewhere, preserved, recalled, latecomer, unanswered):
        assert await desk.is_readable(document.envelope_digest)


async def test_a_rule_that_may_destroy_nothing_is_refused_with_the_rules_that_stand_against_it(
    desk: Desk,
) -> None:
    permanent, preserved = await desk.arrives(1, type_name="Decision"), await desk.arrives(2)
    with pytest.raises(Clash, match="no_table: 1"):
        await desk.proposed(permanent.id)
    await desk.has_table()
    await after_years(desk)
    extent = Extent(documents=(preserved.id,))
    await preservation.begin(desk.store, desk.clock, NORTH, extent, WHY, "12/QĐ-TTr")
    for document, word in ((permanent, "permanent: 1"), (preserved, "preserved: 1")):
        with pytest.raises(Clash, match=word) as refusal:
            await desk.proposed(document.id)
        assert refusal.value.code == "GW-DESTROY-NOTHING"
    with pytest.raises(NotFound):
        await desk.proposed("inb_nobody")
    async with desk.store.read(NORTH) as work:
        assert (await open_destructions(work).page(limit=9)).items == ()


async def test_without_council_or_with_one_person_twice_nothing_goes_on(desk: Desk) -> None:
    letter = await desk.arrives(1)
    await desk.has_table()
    await after_years(desk)
    act, today = await desk.proposed(), local(desk.clock.now()).date()

    async def code_of(step: object) -> str | None:
        with pytest.raises(Clash) as refusal:
            await step  # type: ignore[misc]  # a step of the act
        return refusal.value.code

    store, clock, id = desk.store, desk.clock, act.id
    assert (
        await code_of(destruction.approve(store, clock, HEAD_OF, id, "1/QĐ", today)) == "GW-DESTROY-COUNCIL"
    )
    assert await code_of(destruction.confirm(store, clock, SECOND, id)) == "GW-DESTROY-COUNCIL"
    tomorrow = today + timedelta(days=1)
    assert (
        await code_of(destruction.assess(store, clock, NORTH, id, "3/BB", tomorrow, "A"))
        == "GW-DESTROY-PAPER"
    )
    assert (
        await code_of(destruction.assess(store, clock, NORTH, id, "3/BB", today, " ")) == "GW-DESTROY-MEMBERS"
    )
    await destruction.assess(store, clock, NORTH, id, "3/BB", today, "A, B, C")
    assert await code_of(destruction.approve(store, clock, NORTH, id, "1/QĐ", today)) == "GW-DESTROY-SAME"
    yesterday = today - timedelta(days=1)
    assert (
        await code_of(destruction.approve(store, clock, HEAD_OF, id, "1/QĐ", yesterday)) == "GW-DESTROY-PAPER"
    )
    await destruction.approve(store, clock, HEAD_OF, id, "1/QĐ", today)
    for scope in (NORTH, HEAD_OF):
        assert await code_of(destruction.confirm(store, clock, scope, id)) == "GW-DESTROY-SAME"
    await destruction.confirm(store, clock, SECOND, id)
    stopped = await destruction.stop(store, clock, NORTH, id, "Có khiếu nại mới về văn bản")
    assert stopped.state is ActState.STOPPED
    await desk.run()
    assert await desk.is_readable(letter.envelope_digest)


async def test_an_order_or_another_table_after_the_approval_leaves_documents_out(desk: Desk) -> None:
    first, second, third = [await desk.arrives(n) for n in (1, 2, 3)]
    await desk.has_table()
    await after_years(desk)
    act = await desk.approved()
    await preservation.begin(desk.store, desk.clock, NORTH, Extent(documents=(first.id,)), WHY, "1/CV")
    act = await destruction.confirm(desk.store, desk.clock, SECOND, act.id)
    assert (act.counts["due"], act.counts["left_out"]) == (2, 1)
    await preservation.begin(desk.store, desk.clock, NORTH, Extent(documents=(second.id,)), WHY, "2/CV")
    await desk.run()

    assert await desk.states(act) == {
        first.id: ("left_out", Obstacle.PRESERVED),
        second.id: ("left_out", Obstacle.PRESERVED),
        third.id: ("destroyed", None),
    }
    with pytest.raises(Clash, match="is done"):
        await destruction.stop(desk.store, desk.clock, NORTH, act.id, WHY)


class Killed(Exception):
    """End of a process."""


@pytest.mark.parametrize("is_listed", [False, True])
async def test_a_crash_in_the_middle_ends_right(
    desk: Desk, is_listed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters = [await desk.arrives(n) for n in range(1, 6)]
    await desk.has_table()
    await after_years(desk)
    monkeypatch.setattr(destroying, "AT_ONCE", 2)
    act = await desk.confirmed()
    assert await desk.step()
    append = destroying._append

    def dies(path: Path, lines: Sequence[str]) -> None:
        if is_listed:
            append(path, lines)
        raise Killed

    with monkeypatch.context() as dying:
        dying.setattr(destroying, "_append", dies)
        with pytest.raises(Killed):
            await desk.step()
    with pytest.raises(Clash):
        await destruction.stop(desk.store, desk.clock, NORTH, act.id, WHY)
    assert [await desk.is_readable(d.envelope_digest) for d in letters].count(True) == 3
    await desk.run()

    assert [await desk.is_stored(d.envelope_digest) for d in letters] == [False] * 5
    assert {state for state, _ in (await desk.states(act)).values()} == {"destroyed"}
    async with desk.store.read(NORTH) as work:
        for letter in letters:
            kinds = [event.kind for event in await work.events.of_subject(letter.id)]
            assert kinds.count(EventKind.DOCUMENT_DESTROYED) == 1
    assert len(set(destroyed_lines(desk.folder))) >= 5


async def test_an_older_copy_destroys_again_what_the_list_names_and_nothing_else(
    desk: Desk, tmp_path: Path
) -> None:
    """The rows of a copy from before the act are made by hand: no act, and content that is back."""
    listed, spared = await desk.arrives(1), await desk.arrives(2)
    backups = tmp_path / "backups"
    backups.mkdir()
    day, at = local(desk.clock.now()).date(), desk.clock.now()
    act = Destruction(
        id="des_1",
        agency_id=NORTH.agency_id,
        rule=DestructionRule(until=day),
        reason="",
        by="prn_1",
        at=at,
        state=ActState.RUNNING,
        approval=Approval(number="12/QĐ", day=day, by="prn_2", at=at),
        confirmed=ActStep(by="prn_3", at=at),
    )
    entries = [(listed.id, True), (spared.id, True), (spared.id, False), ("inb_later", True)]
    lines = [destroying._entry_of(act, id, is_destroyed=is_destroyed) for id, is_destroyed in entries]
    (backups / "destroyed.jsonl").write_text("\n".join([*lines, '{"cut']), "utf-8")
    merge_destroyed(backups, desk.folder)
    desk.clock.advance(timedelta(days=2))

    count = await destroying.repeat_list(
        desk.store, desk.clock, desk.pool, desk.folder, desk.folder / "content"
    )

    assert count == 1
    assert not await desk.is_stored(listed.envelope_digest)
    assert await desk.is_readable(spared.envelope_digest)
    await desk.run()
    act = await desk.act("des_1")
    assert (act.state, act.decision) == (ActState.DONE, f"12/QĐ, {day:%d/%m/%Y}")
    assert await desk.states(act) == {listed.id: ("destroyed", None)}
    second_count = await destroying.repeat_list(
        desk.store, desk.clock, desk.pool, desk.folder, desk.folder / "content"
    )
    assert second_count == 0


async def test_acts_are_those_of_the_agency(desk: Desk) -> None:
    await desk.arrives(1)
    await desk.leaves(1, draft=draft(issued_on=date(2020, 1, 1)))
    await desk.has_table()
    await after_years(desk)
    act = await desk.proposed()

    async with desk.store.read(SOUTH) as work:
        assert (await open_destructions(work).page(limit=9)).items == ()
        with pytest.raises(NotFound):
            await open_destructions(work).get(act.id)
        assert await open_destructions(work).items(act.id, limit=9) == []
    assert await desk.store.destructions_due() == []
