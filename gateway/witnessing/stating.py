"""The audit of states between nodes: the sender's node names to each partner the states of a day's packets, as they stand
with it, by state; the partner answers which of them stand otherwise. In: the settings, the rows of both sides. Out:
comparisons in rows; differences with the name of the document. Days of the last week are compared daily, older ones weekly,
because documents change their state for weeks. A partner that does not know these letters ignores them."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from gateway import log
from gateway.domain.loss_audit import Pair, short_hash
from gateway.domain.state_audit import (
    PacketState,
    StateComparison,
    StatedPair,
    compare_states,
    follow_states,
    read_comparison,
    read_states,
    state_pair,
    write_states,
)
from gateway.domain.wall_clock import local
from gateway.domain.witness import Letter, LetterKind, is_rested
from gateway.errors import GatewayError, InvalidProof, StoreFailure
from gateway.ports.services import Clock, Pool
from gateway.store import state_audit
from gateway.store.state_audit import StateCount
from gateway.store.store import SqlStore
from gateway.witnessing.counting import DAYS, EVERY_PARTNER, ONCE_A_DAY, RETRY_AFTER, SETTLES
from gateway.witnessing.letters import NodeLetters

LOOK_EVERY = timedelta(minutes=30)
OLDEST, ONCE_A_WEEK = 30, timedelta(days=7) - timedelta(hours=2)
"""So many days are compared; a document is usually dealt with by then."""
_States = Mapping[Pair, Sequence[PacketState]]
_log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class StateAuditor:
    """Worker that compares states with partners; otherwise as `LossAuditor`."""

    store: SqlStore
    letters: NodeLetters
    partners: frozenset[str]
    host_of: Callable[[str], Awaitable[str | None]]
    clock: Clock
    pool: Pool
    _looked_at: datetime | None = None
    _asked_at: dict[tuple[str, date], datetime] = field(default_factory=dict)
    _nodes_of: dict[date, frozenset[str]] = field(default_factory=dict)

    def is_due(self, now: datetime) -> bool:
        return is_rested(self._looked_at, LOOK_EVERY, now)

    async def step(self) -> bool:
        """Ask each partner about the days that are due: sooner where states differ."""
        now = self.clock.now()
        if not self.is_due(now):
            return False
        last = local(now - SETTLES).date() - timedelta(days=1)
        first = last - timedelta(days=OLDEST - 1)
        counts = [c for c in await state_audit.list_counts(self.store, first) if c.is_sender]
        compared_at = {(c.node, c.day): c.compared_at for c in counts}
        differing = {(c.node, c.day) for c in counts if any(d.closed_at is None for d in c.differences)}
        self._asked_at = {key: at for key, at in self._asked_at.items() if key[1] >= first}
        self._nodes_of = {day: nodes for day, nodes in self._nodes_of.items() if day >= first}
        for age in range(OLDEST):
            day = last - timedelta(days=age)
            pause = ONCE_A_DAY if age < DAYS else ONCE_A_WEEK
            resting = {
                node
                for node, asked_day in compared_at.keys() | self._asked_at.keys()
                if asked_day == day
                and not (
                    is_rested(self._asked_at.get((node, day)), RETRY_AFTER, now)
                    and is_rested(
                        compared_at.get((node, day)), RETRY_AFTER if (node, day) in differing else pause, now
                    )
                )
            }
            await self._ask_about(day, resting, now)
        self._looked_at = now
        return False

    async def take_states(self, letter: Letter) -> None:
        """Compare a partner's letter with the states here, and answer it."""
        day, stated = read_states(letter.body)
        if not all([await self._is_of(sender, letter.node) for sender, _ in stated]):
            raise InvalidProof(f"the node {letter.node} names packets of other nodes' agencies")
        states, now = await state_audit.received_states(self.store, self.pool, day), self.clock.now()
        answers, comparisons = {}, {}
        for pair in sorted(stated.keys() & states.keys()):
            comparison = comparisons[pair] = compare_states(stated[pair].words, states[pair], now)
            own = state_pair(states[pair], now)
            words = {hash: word for hash, (word, _) in comparison.differing.items()}
            answers[pair] = StatedPair(counts=own.counts, words=words, unjudged=comparison.unjudged)
        await self._record(letter, day, comparisons, stated, states, is_sender=False)
        await self.letters.send(LetterKind.STATED, letter.node, write_states(day, answers))

    async def take_answer(self, letter: Letter) -> None:
        """Store a partner's answer: packets that stand otherwise there."""
        day, answers = read_states(letter.body)
        if not self.partners & {letter.node, EVERY_PARTNER}:
            raise InvalidProof(f"{letter.node} was not asked about {day} (log.compares)")
        states, now = await state_audit.sent_states(self.store, day), self.clock.now()
        comparisons = {
            pair: read_comparison(answer, states[pair], now)
            for pair, answer in sorted(answers.items())
            if pair in states and await self._is_of(pair[1], letter.node)
        }
        await self._record(letter, day, comparisons, answers, states, is_sender=True)

    async def _ask_about(self, day: date, resting: set[str], now: datetime) -> None:
        """Send the letters about a day, without reading its packets where every partner of that day rests."""
        nodes = self._nodes_of.get(day)
        if nodes is not None and nodes <= resting:
            return
        by_node: defaultdict[str, dict[Pair, StatedPair]] = defaultdict(dict)
        for pair, states in (await state_audit.sent_states(self.store, day)).items():
            node = await self.host_of(pair[1])
            if node and node != self.letters.node_name and self.partners & {node, EVERY_PARTNER}:
                by_node[node][pair] = state_pair(states, now)
        self._nodes_of[day] = frozenset(by_node)
        for node in sorted(by_node.keys() - resting):
            self._asked_at[node, day] = now
            try:
                await self.letters.send(LetterKind.STATES, node, write_states(day, by_node[node]))
            except StoreFailure:
                raise
            except GatewayError as error:
                log.action(_log, "states.unasked", str(error), node=node, day=day.isoformat())

    async def _record(
        self,
        letter: Letter,
        day: date,
        comparisons: Mapping[Pair, StateComparison],
        stated: Mapping[Pair, StatedPair],
        states: _States,
        *,
        is_sender: bool,
    ) -> None:
        """Store the comparisons of a letter that is newer than the one before; a letter that comes twice counts once."""
        now, counts = self.clock.now(), []
        earlier = {
            (count.sender, count.recipient): count
            for count in await state_audit.list_counts(self.store, day, node=letter.node)
            if count.day == day
        }
        for pair, comparison in comparisons.items():
            previous = earlier.get(pair)
            if previous is not None and letter.at <= previous.compared_at:
                continue
            own, other = state_pair(states[pair], now).counts, stated[pair].counts
            names = {short_hash(state.id): state.name for state in states[pair]}
            differences = follow_states(previous.differences if previous else (), comparison, names, now)
            count = StateCount(
                node=letter.node,
                day=day,
                sender=pair[0],
                recipient=pair[1],
                is_sender=is_sender,
                compared_at=letter.at,
                counts={word: (own.get(word, 0), other.get(word, 0)) for word in sorted({*own, *other})},
                differences=differences,
            )
            counts.append(count)
        await state_audit.record_counts(self.store, self.clock, counts)

    async def _is_of(self, code: str, node: str) -> bool:
        return await self.host_of(code) == node
