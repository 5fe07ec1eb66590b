"""The loss audit between nodes: each day this node names to a partner the packets of the day before that it sent to the
partner's agencies, and no others. The partner answers which of them it lacks, and which packets that it has were not named.
In: the settings, the rows of both sides. Out: comparisons in rows; differences with the name of the document on the side
that has it. A difference counts once two comparisons have found it, and is closed by a later one without it."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from gateway import log
from gateway.domain.loss_audit import (
    Difference,
    Pair,
    PairAnswer,
    SentPackets,
    compare,
    follow,
    read_answer,
    read_counts,
    short_hash,
    write_answer,
    write_counts,
)
from gateway.domain.wall_clock import local
from gateway.domain.witness import Letter, LetterKind, is_rested
from gateway.errors import GatewayError, InvalidProof, StoreFailure
from gateway.ports.services import Clock
from gateway.store import loss_audit
from gateway.store.loss_audit import CountedPacket, LossCount
from gateway.store.store import SqlStore
from gateway.witnessing.letters import NodeLetters

EVERY_PARTNER = "all"
LOOK_EVERY = timedelta(minutes=5)
RETRY_AFTER = timedelta(hours=6)
"""Pause before a partner is asked again about a day on which the two sides differ, or that it does not answer."""
DAYS, ONCE_A_DAY = 7, timedelta(hours=22)
"""So many days are compared, each of them once a day: a document may be removed after it was there."""
# Packets of a day are on their way for some time after its end.
SETTLES = timedelta(hours=2)
_Packets = Mapping[Pair, Sequence[CountedPacket]]
_log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class LossAuditor:
    """Worker that compares with partners. `partners` are names of nodes, or `all`; `host_of` returns the node of a code by
    the registry."""

    store: SqlStore
    letters: NodeLetters
    partners: frozenset[str]
    host_of: Callable[[str], Awaitable[str | None]]
    clock: Clock
    _looked_at: datetime | None = None
    _asked_at: dict[tuple[str, date], datetime] = field(default_factory=dict)

    def is_due(self, now: datetime) -> bool:
        return is_rested(self._looked_at, LOOK_EVERY, now)

    async def step(self) -> bool:
        """Ask each partner about the last days: once a day, and sooner where the two sides differ."""
        now = self.clock.now()
        if not self.is_due(now):
            return False
        last = local(now - SETTLES).date() - timedelta(days=1)
        first = last - timedelta(days=DAYS - 1)
        counts = [c for c in await loss_audit.list_counts(self.store, first) if c.is_sender]
        differing = {(c.node, c.day) for c in counts if any(d.closed_at is None for d in c.differences)}
        agreed = {(c.node, c.day): c.compared_at for c in counts if (c.node, c.day) not in differing}
        self._asked_at = {key: at for key, at in self._asked_at.items() if key[1] >= first}
        for day in (last - timedelta(days=n) for n in range(DAYS)):
            await self._ask_about(day, agreed, now)
        self._looked_at = now
        return False

    async def take_counts(self, letter: Letter) -> None:
        """Compare a partner's letter with the packets that are here, and answer it."""
        day, sent = read_counts(letter.body)
        if not all([await self._is_of(sender, letter.node) for sender, _ in sent]):
            raise InvalidProof(f"the node {letter.node} names packets of other nodes' agencies")
        local_packets = await self._of_node(
            await loss_audit.received_packets(self.store, day), letter.node, is_sender=True
        )
        answers, differences = {}, {}
        for pair in sorted(sent.keys() | local_packets.keys()):
            packets = {packet.id: packet.name for packet in local_packets.get(pair, ())}
            answer = answers[pair] = compare(sent.get(pair, SentPackets()), packets)
            now = self.clock.now()
            differences[pair] = [
                *(Difference(key=hash, is_here=False, name="", found_at=now) for hash in answer.lacking),
                *(
                    Difference(key=short_hash(id), is_here=True, name=packets[id] or id, found_at=now)
                    for id in answer.unnamed
                ),
            ]
        sizes = {
            pair: (answer.count, len(sent.get(pair, SentPackets()).sent)) for pair, answer in answers.items()
        }
        await self._record(letter.node, day, differences, sizes, is_sender=False)
        await self.letters.send(LetterKind.COUNTED, letter.node, write_answer(day, answers))

    async def take_answer(self, letter: Letter) -> None:
        """Store a partner's answer: packets that it lacks, by their documents here, and those that are unknown here."""
        day, answers = read_answer(letter.body)
        if not self.partners & {letter.node, EVERY_PARTNER}:
            raise InvalidProof(f"{letter.node} was not asked about {day} (log.compares)")
        local_packets = await self._of_node(
            await loss_audit.sent_packets(self.store, day), letter.node, is_sender=False
        )
        differences = {
            pair: _differences(
                local_packets.get(pair, ()), answers.get(pair, PairAnswer(count=0)), self.clock.now()
            )
            for pair in sorted(local_packets.keys() | answers.keys())
        }
        sizes = {
            pair: (
                sum(packet.was_sent for packet in local_packets.get(pair, ())),
                answers.get(pair, PairAnswer(count=0)).count,
            )
            for pair in differences
        }
        if not differences:
            differences, sizes = {("", ""): []}, {("", ""): (0, 0)}
        await self._record(letter.node, day, differences, sizes, is_sender=True)

    async def _ask_about(self, day: date, agreed: Mapping[tuple[str, date], datetime], now: datetime) -> None:
        packets = await loss_audit.sent_packets(self.store, day)
        by_node: defaultdict[str, dict[Pair, SentPackets]] = defaultdict(dict)
        for (sender, code), entries in packets.items():
            if node := await self.host_of(code):
                sent = frozenset(short_hash(packet.id) for packet in entries if packet.was_sent)
                failed = frozenset(short_hash(packet.id) for packet in entries if not packet.was_sent)
                by_node[node][sender, code] = SentPackets(sent=sent, failed=failed)
        names = self.partners - {EVERY_PARTNER}
        for node in sorted({*names, *(by_node if EVERY_PARTNER in self.partners else ())}):
            rests = is_rested(self._asked_at.get((node, day)), RETRY_AFTER, now)
            rests = rests and is_rested(agreed.get((node, day)), ONCE_A_DAY, now)
            if node == self.letters.node_name or not rests:
                continue
            self._asked_at[node, day] = now
            try:
                await self.letters.send(LetterKind.COUNTS, node, write_counts(day, by_node.get(node, {})))
            except StoreFailure:
                raise
            except GatewayError as error:
                log.action(_log, "loss.unasked", str(error), node=node, day=day.isoformat())

    async def _record(
        self,
        node: str,
        day: date,
        differences: Mapping[Pair, Sequence[Difference]],
        sizes: Mapping[Pair, tuple[int, int]],
        *,
        is_sender: bool,
    ) -> None:
        now = self.clock.now()
        earlier = {
            (count.sender, count.recipient): count.differences
            for count in await loss_audit.list_counts(self.store, day, node=node)
            if count.day == day
        }
        await loss_audit.record_counts(
            self.store,
            self.clock,
            [
                LossCount(
                    node=node,
                    day=day,
                    sender=pair[0],
                    recipient=pair[1],
                    is_sender=is_sender,
                    own_count=sizes[pair][0],
                    other_count=sizes[pair][1],
                    compared_at=now,
                    differences=follow(earlier.get(pair, ()), current, now),
                )
                for pair, current in differences.items()
            ],
        )

    async def _of_node(self, packets: _Packets, node: str, *, is_sender: bool) -> _Packets:
        """Return the pairs whose other side is an agency of that node."""
        return {
            pair: entries
            for pair, entries in packets.items()
            if await self._is_of(pair[0 if is_sender else 1], node)
        }

    async def _is_of(self, code: str, node: str) -> bool:
        return await self.host_of(code) == node


def _differences(packets: Sequence[CountedPacket], answer: PairAnswer, now: datetime) -> list[Difference]:
    """Return the packets that the receiver lacks, and those of his that are not known here in any state."""
    by_hash = {short_hash(packet.id): packet for packet in packets}
    lacking = [hash for hash in answer.lacking if hash in by_hash and by_hash[hash].was_sent]
    unknown = [id for id in answer.unnamed if short_hash(id) not in by_hash]
    return [
        *(Difference(key=h, is_here=True, name=by_hash[h].name, found_at=now) for h in lacking),
        *(Difference(key=short_hash(id), is_here=False, name=id, found_at=now) for id in unknown),
    ]
