"""Two nodes compare the packets of each day: each document that was removed at one is named, and nothing else."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.bootstrap.node import Wrap
from gateway.bootstrap.witnesses import make_auditor
from gateway.domain.document import OutgoingDocument
from gateway.domain.loss_audit import SentPackets, read_counts, short_hash, write_counts
from gateway.domain.witness import LetterKind
from gateway.errors import InvalidProof
from gateway.ops import checks_of_watch
from gateway.ops.subject import Subject
from gateway.settings import Settings
from gateway.store import loss_audit
from gateway.store.loss_audit import LossCount
from gateway.witnessing.counting import ONCE_A_DAY, RETRY_AFTER, LossAuditor
from tests.support.clock import ManualClock
from tests.support.node import DEPARTMENT, PROVINCE, Town, opened
from tests.support.sealed import tamper

NORTH, SOUTH = "north", "south"
HOSTED = {NORTH: DEPARTMENT, SOUTH: PROVINCE}


@dataclass(kw_only=True)
class Nodes:
    """Two nodes on one axis: `north` hosts a department, `south` the province."""

    towns: dict[str, Town]
    auditors: dict[str, LossAuditor]

    async def carry(self) -> None:
        for _ in range(3):
            for town in self.towns.values():
                await town.carry()

    async def send(self, count: int) -> list[OutgoingDocument]:
        sent = [await self.towns[NORTH].send(str(n + 1)) for n in range(count)]
        await self.carry()
        return sent

    async def compare(self, times: int = 2) -> None:
        """Let both nodes compare yesterday so many times."""
        for _ in range(times):
            for name, town in self.towns.items():
                town.clock.advance(RETRY_AFTER)
                await town.node.inn.axis.host([HOSTED[name], f"@{name}"])
            for auditor in self.auditors.values():
                await auditor.step()
            for town in [*self.towns.values()] * 2:
                await town.node.inn.axis.take(20, 60.0)

    def advance(self, time: timedelta) -> None:
        for town in self.towns.values():
            town.clock.advance(time)

    async def counts(self, name: str) -> list[LossCount]:
        """Return the comparisons of packets between the two agencies, the days without one left out."""
        store, since = self.towns[name].node.store, self.towns[name].clock.now().date() - timedelta(days=9)
        rows = await loss_audit.list_counts(store, since)
        return [row for row in rows if {row.sender, row.recipient} == {DEPARTMENT, PROVINCE}]

    async def differences(self, name: str) -> list[tuple[str, bool]]:
        """List the open differences: the name of the document, and whether it is here."""
        return sorted((d.name, d.is_here) for c in await self.counts(name) for d in c.open_differences)

    async def findings(self, name: str) -> list[str]:
        subject = Subject.within(self.towns[name].node)
        return [f"{f.level.value} {f.params['count']}" async for f in checks_of_watch.losses(subject)]


async def open_nodes(folder: Path, stack: AsyncExitStack, wrap: Wrap | None = None) -> Nodes:
    """Open both nodes, with a wrapper around their ports."""
    towns = {}
    for name, code in HOSTED.items():
        async with opened(folder / name, ManualClock()) as town:
            address = town.node.settings.database.address
        await tamper(address, "DELETE FROM hosted_agency WHERE code <> :code", code=code)
        for node, hosted in HOSTED.items():
            await tamper(address, "UPDATE agency SET host = :host WHERE code = :code", host=node, code=hosted)

        def change(settings: Settings, name: str = name) -> Settings:
            axis = replace(settings.axis, folder=folder / NORTH / "axis")
            log = replace(settings.log, compares="all")
            return replace(settings, node=replace(settings.node, name=name), axis=axis, log=log)

        towns[name] = await stack.enter_async_context(
            opened(folder / name, ManualClock(), wrap, change=change)
        )
    for name, town in towns.items():
        await town.node.inn.axis.host([HOSTED[name], f"@{name}"])
    auditors = {name: make_auditor(town.node, town.node.axis) for name, town in towns.items()}
    return Nodes(towns=towns, auditors=auditors)


@pytest.fixture
async def nodes(tmp_path: Path) -> AsyncIterator[Nodes]:
    async with AsyncExitStack() as stack:
        yield await open_nodes(tmp_path, stack)


async def test_nodes_that_lost_nothing_find_no_difference(nodes: Nodes) -> None:
    sent = await nodes.send(5)
    await nodes.towns[SOUTH].send("77", DEPARTMENT, sender=PROVINCE)
    await nodes.carry()
    assert {(await nodes.towns[NORTH].delivery(d)).state for d in sent} == {"delivered"}
    nodes.advance(timedelta(days=1))
    await nodes.compare()
    for name in HOSTED:
        pairs = {(c.sender, c.own_count, c.other_count, c.is_sender) for c in await nodes.counts(name)}
        assert pairs == {(DEPARTMENT, 5, 5, name == NORTH), (PROVINCE, 1, 1, name == SOUTH)}
        assert await nodes.differences(name) == []
        assert await nodes.findings(name) == []

    # A day that agreed is compared on the next days too.
    address = nodes.towns[SOUTH].node.settings.database.address
    await tamper(address, *removed_at(is_sender=False), packet=sent[0].packet_id)
    nodes.advance(ONCE_A_DAY)
    await nodes.compare()
    assert await nodes.differences(NORTH) == [("1/STD-VP", True)]


def removed_at(*, is_sender: bool) -> tuple[str, ...]:
    """Return the statements that remove a document at a node."""
    if is_sender:
        return (
            "DELETE FROM delivery WHERE document_id = :id",
            "DELETE FROM outbox WHERE subject_id = :id",
            "DELETE FROM outgoing_document WHERE id = :id",
        )
    return ("DELETE FROM incoming_document WHERE packet_id = :packet",)


async def test_each_document_that_was_removed_at_one_side_is_named_at_both(nodes: Nodes) -> None:
    sent = await nodes.send(40)
    chosen = random.Random(64).sample(sent, 20)
    for n, document in enumerate(chosen):
        name = NORTH if n % 2 else SOUTH
        address = nodes.towns[name].node.settings.database.address
        statements = removed_at(is_sender=name == NORTH)
        await tamper(address, *statements, id=document.id, packet=document.packet_id)
    nodes.advance(timedelta(days=1))
    await nodes.compare(times=1)
    assert await nodes.differences(NORTH) == [], "one comparison is no finding: a packet may be on its way"
    await nodes.compare(times=1)

    lacking_south = {f"{d.draft.number}/{d.draft.symbol}" for d in chosen[::2]}
    lacking_north = {f"{d.draft.number}/{d.draft.symbol}" for d in chosen[1::2]}
    north, south = await nodes.differences(NORTH), await nodes.differences(SOUTH)
    assert {name for name, is_here in north if is_here} == lacking_south
    assert {name for name, is_here in south if is_here} == lacking_north
    assert {name for name, is_here in north if not is_here} == {d.packet_id for d in chosen[1::2]}
    assert (len(north), len(south)) == (20, 20)
    assert [await nodes.findings(name) for name in HOSTED] == [["red 20"], ["red 20"]]
    events = await nodes.towns[NORTH].node.store.events_after(None, 0, 1000)
    assert [e.data["count"] for e in events if e.kind.value == "loss.found"] == [20]


async def test_a_difference_that_is_mended_is_closed(nodes: Nodes) -> None:
    (document, *_), south = await nodes.send(2), nodes.towns[SOUTH]
    await tamper(
        south.node.settings.database.address,
        "UPDATE inbox SET transport_packet_id = 'pkt_x' WHERE transport_packet_id = :id",
        id=document.packet_id,
    )
    nodes.advance(timedelta(days=1))
    await nodes.compare()
    assert len(await nodes.differences(NORTH)) == 1
    await tamper(
        south.node.settings.database.address,
        "UPDATE inbox SET transport_packet_id = :id WHERE transport_packet_id = 'pkt_x'",
        id=document.packet_id,
    )
    await nodes.compare(times=1)
    for name in HOSTED:
        assert await nodes.differences(name) == []
        (count,) = await nodes.counts(name)
        assert [(d.times, d.closed_at is not None) for d in count.differences] == [(2, True)]
        assert await nodes.findings(name) == []


async def test_a_node_is_told_nothing_about_agencies_of_others(nodes: Nodes) -> None:
    await nodes.send(1)
    nodes.advance(timedelta(days=1))
    south, day = nodes.auditors[SOUTH], nodes.towns[SOUTH].clock.now().date() - timedelta(days=1)
    await nodes.compare(times=0)
    await nodes.towns[NORTH].node.inn.axis.host(["@north"])
    await nodes.towns[SOUTH].node.inn.axis.host([PROVINCE, "@south"])
    foreign = {(PROVINCE, DEPARTMENT): SentPackets(sent=frozenset({short_hash("pkt_1")}))}
    await nodes.auditors[NORTH].letters.send(LetterKind.COUNTS, SOUTH, write_counts(day, foreign))
    await nodes.towns[SOUTH].node.inn.axis.take(20, 60.0)
    assert await nodes.counts(SOUTH) == []
    assert await nodes.towns[NORTH].node.inn.axis.take(20, 60.0) == []
    assert south.partners == {"all"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "day soon\n",
        "day 2026-11-20\npair A B 1\n",
        "day 2026-11-20\npair A B 2\n0123456789ab \n",
        "day 2026-11-20\npair A B 1\n0123456789aX \n",
        "day 2026-11-20\nA B 1\n0123456789ab \n",
        "day 2026-11-20\n" + 2 * "pair A B 0\n \n",
    ],
)
def test_a_letter_in_another_form_is_refused(text: str) -> None:
    with pytest.raises(InvalidProof):
        read_counts(text)
