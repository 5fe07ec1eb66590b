"""Two nodes compare the states of the packets of each day: a state that differs for longer than statuses need is named at
both, and nothing else."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.bootstrap.witnesses import make_state_auditor
from gateway.domain.document import OutgoingDocument
from gateway.domain.event import Event
from gateway.domain.state_audit import STANDS_FOR, StateDifference, StatedPair, write_states
from gateway.domain.witness import Letter, LetterKind
from gateway.ops import checks_of_watch
from gateway.ops.subject import Subject
from gateway.outgoing import manage
from gateway.store import state_audit
from gateway.store.state_audit import StateCount
from gateway.witnessing.counting import ONCE_A_DAY, RETRY_AFTER
from gateway.witnessing.stating import ONCE_A_WEEK, StateAuditor
from tests.acceptance.test_loss_audit import HOSTED, NORTH, SOUTH, Nodes, open_nodes
from tests.support.node import DEPARTMENT, PROVINCE
from tests.support.sealed import tamper

DAY = timedelta(days=1)
LOST = "UPDATE delivery SET state = :state, updated_at = :at WHERE document_id = :id"


def auditors(nodes: Nodes) -> dict[str, StateAuditor]:
    return {name: make_state_auditor(town.node, town.node.axis) for name, town in nodes.towns.items()}


class States:
    """Both nodes, with the workers that compare their states."""

    def __init__(self, nodes: Nodes) -> None:
        self.nodes, self.auditors = nodes, auditors(nodes)
        self.north, self.south = nodes.towns[NORTH], nodes.towns[SOUTH]

    async def compare(self, times: int = 2, pause: timedelta = RETRY_AFTER) -> None:
        """Let both nodes compare so many times, with a pause before each."""
        for _ in range(times):
            self.nodes.advance(pause)
            await self.ask()
            await self.take()

    async def ask(self) -> None:
        for name, town in self.nodes.towns.items():
            await town.node.inn.axis.host([HOSTED[name], f"@{name}"])
        for auditor in self.auditors.values():
            await auditor.step()

    async def take(self) -> None:
        for town in [*self.nodes.towns.values()] * 2:
            await town.node.inn.axis.take(40, 60.0)

    async def set(self, document: OutgoingDocument, code: str, *, carry: bool = True) -> None:
        """Set a status at the receiver, and bring it to the sender."""
        await self.south.status(await self.south.as_incoming(document), code)
        if carry:
            await self.nodes.carry()

    async def counts(self, name: str) -> list[StateCount]:
        store = self.nodes.towns[name].node.store
        return list(await state_audit.list_counts(store, self.north.clock.now().date() - timedelta(days=40)))

    async def differences(self, name: str) -> list[tuple[str, str, str]]:
        """List the open differences: name of the document, state here, state there."""
        counts = await self.counts(name)
        return sorted((d.name, d.own, d.other) for count in counts for d in count.open_differences)

    async def all_differences(self, name: str) -> list[StateDifference]:
        return [difference for count in await self.counts(name) for difference in count.differences]

    async def findings(self, name: str) -> list[str]:
        subject = Subject.within(self.nodes.towns[name].node)
        return [f"{f.cause} {f.level} {f.params['count']}" async for f in checks_of_watch.losses(subject)]

    async def events(self, name: str) -> list[Event]:
        events = await self.nodes.towns[name].node.store.events_after(None, 0, 100_000)
        return [event for event in events if event.kind.value.startswith("states.")]

    async def forget(self, document: OutgoingDocument, state: str) -> None:
        """Have the sender know another state of a delivery, as if a status had never come."""
        at = self.north.clock.now()
        address = self.north.node.settings.database.address
        await tamper(address, LOST, id=document.id, state=state, at=at.strftime("%Y-%m-%d %H:%M:%S.%f"))


@pytest.fixture
async def states(tmp_path: Path) -> AsyncIterator[States]:
    async with AsyncExitStack() as stack:
        yield States(await open_nodes(tmp_path, stack))


async def test_states_that_agree_are_counted_and_no_difference(states: States) -> None:
    sent = await states.nodes.send(5)
    for document, codes in zip(sent, (["03", "06"], ["02"], ["03", "04"], [], ["02", "03"]), strict=True):
        for code in codes:
            states.nodes.advance(timedelta(seconds=2))
            await states.set(document, code)
    await states.north.recall(sent[2])
    await states.nodes.carry()
    states.nodes.advance(DAY)
    await states.compare(times=3)
    for name in HOSTED:
        (count,) = await states.counts(name)
        words = ("accepted", "delivered", "done", "recall_asked", "rejected")
        assert count.counts == dict.fromkeys(words, (1, 1))
        assert (count.sender, count.recipient, count.is_sender) == (DEPARTMENT, PROVINCE, name == NORTH)
        assert await states.all_differences(name) == []
        assert await states.findings(name) == []


async def test_each_state_that_differs_is_named_at_both_sides(states: States) -> None:
    sent = await states.nodes.send(40)
    for document in sent[:30]:
        await states.set(document, "03")
    chosen = random.Random(86).sample(sent[:30], 20)
    for document in chosen:
        await states.forget(document, "rejected")
    states.nodes.advance(DAY)
    await states.compare(times=1)
    assert [await states.differences(name) for name in HOSTED] == [[], []], "statuses may be on their way"
    await states.compare(times=1)

    names = sorted(f"{d.draft.number}/{d.draft.symbol}" for d in chosen)
    assert await states.differences(NORTH) == [(name, "rejected", "accepted") for name in names]
    assert await states.differences(SOUTH) == [(name, "accepted", "rejected") for name in names]
    assert [await states.findings(name) for name in HOSTED] == [["losses.states red 20"]] * 2
    assert [e.kind.value for e in await states.events(SOUTH)] == ["states.differ"]


async def test_a_status_that_travels_is_no_difference(states: States) -> None:
    (document,) = await states.nodes.send(1)
    states.nodes.advance(DAY)
    # The status leaves only after the comparison, and the state changes before each of the next ones.
    for code in ("03", "04", "05", "06"):
        await states.set(document, code, carry=False)
        await states.compare(times=1, pause=STANDS_FOR - timedelta(minutes=1))
        await states.nodes.carry()
    assert [await states.all_differences(name) for name in HOSTED] == [[], []]
    await states.compare(times=3)
    assert [await states.all_differences(name) for name in HOSTED] == [[], []]


async def test_a_status_that_never_came_is_named_and_closed_with_its_repair(states: States) -> None:
    (document,) = await states.nodes.send(1)
    await states.set(document, "03")
    await states.set(document, "06", carry=False)
    states.nodes.advance(DAY)
    await states.compare()
    name = f"{document.draft.number}/{document.draft.symbol}"
    assert await states.differences(NORTH) == [(name, "accepted", "done")]
    assert await states.differences(SOUTH) == [(name, "done", "accepted")]

    states.nodes.advance(STANDS_FOR - timedelta(hours=1))
    await states.nodes.carry()
    compared_at = (await states.counts(NORTH))[0].compared_at
    await states.compare(times=1, pause=timedelta(hours=1))
    assert (await states.counts(NORTH))[0].compared_at > compared_at
    for node in HOSTED:
        assert len(await states.differences(node)) == 1, "not judged while the new state does not stand"
    await states.compare()
    for node, repaired_at in ((NORTH, "here"), (SOUTH, "there")):
        (difference,) = await states.all_differences(node)
        assert (difference.settled_as, difference.repaired_at) == ("done", repaired_at)
        assert await states.findings(node) == []
        *_, event = await states.events(node)
        assert event.kind.value == "states.agree"
        assert event.data["packets"][0]["repaired_at"] == repaired_at


async def test_sending_the_same_bytes_again_brings_the_lost_status(states: States) -> None:
    (document,) = await states.nodes.send(1)
    await states.set(document, "03", carry=False)
    await states.south.pack()
    await tamper(states.south.node.settings.database.address, "UPDATE outbox SET state = 'done'")
    await states.nodes.carry()
    assert (await states.north.delivery(document)).state == "delivered"
    states.nodes.advance(DAY)
    await states.compare()
    assert [await states.findings(name) for name in HOSTED] == [["losses.states red 1"]] * 2

    scope = await states.north.scope(DEPARTMENT)
    await manage.resend(states.north.node.out, scope, document.id, [PROVINCE])
    await states.nodes.carry()
    assert (await states.north.delivery(document)).state == "accepted"
    await states.compare()
    for node in HOSTED:
        assert await states.findings(node) == []
        (difference,) = await states.all_differences(node)
        assert difference.settled_as == "accepted"


async def test_older_days_are_compared_weekly(states: States) -> None:
    (document,) = await states.nodes.send(1)
    states.nodes.advance(10 * DAY)
    await states.compare()
    await states.forget(document, "rejected")
    await states.compare(times=2, pause=ONCE_A_DAY)
    assert await states.differences(NORTH) == []
    await states.compare(times=1, pause=ONCE_A_WEEK)
    await states.compare(times=1)
    assert len(await states.differences(NORTH)) == 1


async def test_a_letter_that_comes_twice_counts_once(states: States) -> None:
    (document,) = await states.nodes.send(1)
    await states.forget(document, "rejected")
    states.nodes.advance(DAY)
    await states.compare(times=1)
    (count,) = await states.counts(SOUTH)
    words = {count.differences[0].key: "rejected"}
    pair = {(DEPARTMENT, PROVINCE): StatedPair(counts={"rejected": 1}, words=words)}
    text = write_states(count.day, pair)
    for pause in (timedelta(), timedelta(minutes=1)):
        states.nodes.advance(pause)
        await states.auditors[NORTH].letters.send(LetterKind.STATES, SOUTH, text)
        await states.take()
    assert [d.times for d in await states.all_differences(SOUTH)] == [1], "too soon to count"

    # A letter that was written before the last one changes nothing, whenever it comes.
    south = make_state_auditor(states.south.node, states.south.node.axis)
    (count,) = await states.counts(SOUTH)
    states.nodes.advance(RETRY_AFTER)
    late = Letter(
        kind=LetterKind.STATES,
        node=NORTH,
        to=SOUTH,
        code=DEPARTMENT,
        at=count.compared_at,
        body=text,
    )
    await south.take_states(late)
    assert await states.counts(SOUTH) == [count]
    await south.take_states(replace(late, at=states.north.clock.now()))
    assert [d.times for d in await states.all_differences(SOUTH)] == [2]


async def test_a_partner_that_does_not_know_the_letters_goes_on_with_counts(states: States) -> None:
    await states.nodes.send(1)
    states.nodes.advance(DAY)
    await states.nodes.compare()
    assert await states.counts(NORTH) == []
    assert len(await states.nodes.counts(NORTH)) == 1
    assert await states.findings(NORTH) == []


async def test_a_node_names_no_packets_of_other_nodes(states: States) -> None:
    await states.nodes.send(1)
    states.nodes.advance(DAY)
    await states.ask()
    await states.take()
    earlier = await states.counts(SOUTH)
    day = states.north.clock.now().date()
    foreign = {(PROVINCE, DEPARTMENT): StatedPair(counts={"done": 1}, words={"0123456789ab": "done"})}
    await states.auditors[NORTH].letters.send(LetterKind.STATES, SOUTH, write_states(day, foreign))
    await states.take()
    assert await states.counts(SOUTH) == earlier
