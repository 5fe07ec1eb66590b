"""Keeps the parts of large packets until their set is whole. In: parts in any order, repeated and interleaved, from
nodes that may lie. Out: each set once it is whole and its digest is right, or with the flaw that kept it from that; no
set is dropped silently. All state is on disk in a folder that several processes share; one part at a time is in memory.
Sync: call it in the pool.

`land` makes a part durable, so that it may be acknowledged. `complete` and `overdue` hand sets out, each to one process
at a time. The caller ends a set (`end_set`) when the next owner has stored it, or gives it back (`release`) to be handed
out again, as a crash does. A set that was handed out too often, or is whole but has no recipient here, is parked:
`dead.ParkedSets` lists it."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from gateway import random_source
from gateway.domain.identity import Digest
from gateway.log import action
from gateway.ports.services import Clock
from gateway.transport.amqp import parts_set
from gateway.transport.amqp.label import PartLabel, PartLimits, PartRefused
from gateway.transport.amqp.parts_set import (
    HOLD,
    OFFERS,
    KeptPart,
    ParkedReason,
    PartSet,
    measure_parts,
    opener,
)
from gateway.transport.amqp.parts_shelf import Landed, Landing, PartsFolder, refuse_landing

__all__ = ["JoinedParts", "Landed", "Landing", "PartLabel", "PartLimits", "PartRefused", "Spool"]

_log = logging.getLogger(__name__)
_MISSING_NAMED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinedParts:
    """A set handed out under a token. Without a flaw its bytes are the announced whole, checked against its digest; with
    a flaw they are the parts that came, in order. `recipients` are codes in the form in which they are compared
    (`fold_code`)."""

    token: str
    label: PartLabel
    recipients: tuple[str, ...]
    digest: Digest
    size: int
    open: Callable[[], BinaryIO]
    offers: int
    """How often it was handed out, this time included."""
    flaw: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lease:
    shelf: PartsFolder
    packet: PartSet
    handle: int
    parts: Collection[int]
    is_over: bool
    """A whole or refused set is over; one that never became whole may be sent again."""


class Spool:
    """The folder of all sets of parts on this node. Its calls raise StoreFailure when the disk fails."""

    def __init__(self, folder: Path, limits: PartLimits, clock: Clock) -> None:
        self._folder, self._limits, self._clock = folder, limits, clock
        self._held: dict[str, _Lease] = {}
        self._guard = threading.Lock()

    def land(self, label: PartLabel, body: bytes, recipients: Sequence[str]) -> Landing:
        """Store a part durably. STORED: it is on disk. REPEAT: it was stored before, or its set has ended. REFUSED: not
        stored, never will be. WAIT: not stored yet, because whole sets of its node wait for us. `recipients` are all
        codes of the message, hosted here or not, because they are part of the set's name."""
        fault = self._too_much(label, body, recipients)
        if fault:
            return refuse_landing(fault)
        with parts_set.failures_named(self._folder):
            shelf = PartsFolder.for_node(self._folder, label.user, self._limits)
            return shelf.land(label, body, recipients, self._clock.now())

    def complete(self, limit: int) -> Sequence[JoinedParts]:
        """Hand out up to `limit` whole sets, oldest first. A set with a wrong digest is refused; `overdue` hands it out."""
        with parts_set.failures_named(self._folder):
            return self._hand_out(lambda packet: packet.waits_for_us, self._join_complete, limit)

    def overdue(self, now: datetime, limit: int = 16) -> Sequence[JoinedParts]:
        """Hand out, with their flaw, up to `limit` sets that are refused or did not become whole within the limit's age.
        An unfinished set whose recipients all got the same bytes by another sending is removed instead. When fewer than
        `limit` are due, records of ended sets beyond the age are forgotten."""
        oldest = now - self._limits.age

        def is_due(packet: PartSet) -> bool:
            return packet.parked_reason is None and (
                bool(packet.refusal) or (packet.began <= oldest and not packet.is_whole)
            )

        with parts_set.failures_named(self._folder):
            sets = self._hand_out(is_due, self._join_flawed, limit)
            if len(sets) < limit:  # served_recipients of a due set may still need these records
                for shelf in self._shelves():
                    shelf.forget(oldest)
        return sets

    def now(self) -> datetime:
        """Return the clock of the age of sets."""
        return self._clock.now()

    def end_set(self, token: str) -> None:
        """End a handed-out set. A whole or refused set is remembered; an unfinished one is not, so that it may be sent
        again. A stale token changes nothing."""
        with self._let_go(token) as lease:
            if lease is not None and lease.is_over:
                lease.shelf.end(lease.packet, self._clock.now())
            elif lease is not None:
                lease.shelf.give_up(lease.packet, lease.parts)

    def put_aside(self, token: str, why: ParkedReason) -> None:
        """Park a handed-out set for a person, without handing it out any more. A stale token changes nothing."""
        with self._let_go(token) as lease:
            if lease is not None:
                lease.shelf.put_aside(lease.packet, why)

    def release(self, token: str) -> None:
        """Give a set back, to be handed out again by any process. A stale token changes nothing."""
        with self._let_go(token):
            pass

    @contextlib.contextmanager
    def _let_go(self, token: str) -> Iterator[_Lease | None]:
        """Yield the lease of a token, and release its lock afterwards; None for a stale token."""
        with self._guard:
            lease = self._held.pop(token, None)
        with parts_set.failures_named(self._folder):
            try:
                yield lease
            finally:
                if lease is not None:
                    os.close(lease.handle)

    def close(self) -> None:
        """Release all sets that are handed out."""
        for token in list(self._held):
            self.release(token)

    def counts(self) -> Mapping[str, int]:
        """Count the open `sets`, how many of them are `whole`, `refused` and put `aside`, and their `parts` and `bytes`
        on disk."""
        totals = dict.fromkeys(("sets", "whole", "refused", "aside", "parts", "bytes"), 0)
        with parts_set.failures_named(self._folder):
            for _, packet in self._open_sets():
                parts = packet.parts()
                totals["sets"] += 1
                totals["whole"] += len(parts) == packet.label.of
                totals["refused"] += bool(packet.refusal)
                totals["aside"] += packet.parked_reason is not None
                totals["parts"] += len(parts)
                totals["bytes"] += sum(part.size for part in parts.values())
        return totals

    def _too_much(self, label: PartLabel, body: bytes, recipients: Sequence[str]) -> str:
        """Return why a part exceeds the limits; empty when it does not."""
        limits = self._limits
        if not 1 <= label.n <= label.of <= limits.parts:
            return f"part {label.n} of {label.of}: a set has at most {limits.parts} parts"
        if label.whole_size > limits.set_bytes:
            return f"the whole has {label.whole_size} bytes, at most {limits.set_bytes} are taken"
        if len(body) > limits.part_bytes:
            return f"part {label.n} has {len(body)} bytes, at most {limits.part_bytes} are taken"
        if not 1 <= len(recipients) <= limits.recipients or any(len(code) > 128 for code in recipients):
            return f"{len(recipients)} recipients: 1 to {limits.recipients} are taken, each of at most 128 characters"
        return ""

    # --- handing out ------------------------------------------------------------------------------------------

    def _shelves(self) -> Iterator[PartsFolder]:
        for folder in parts_set.entries(self._folder):
            yield PartsFolder(folder, self._limits)

    def _open_sets(self) -> Iterator[tuple[PartsFolder, PartSet]]:
        for shelf in self._shelves():
            for packet in shelf.sets():
                yield shelf, packet

    def _hand_out(
        self,
        is_due: Callable[[PartSet], bool],
        join: Callable[[PartsFolder, PartSet, int], JoinedParts | None],
        limit: int,
    ) -> list[JoinedParts]:
        """Lock and join up to `limit` due sets, oldest first; sets held by another process are passed over."""
        due = sorted(
            ((shelf, packet) for shelf, packet in self._open_sets() if is_due(packet)),
            key=lambda pair: pair[1].began,
        )
        offered: list[JoinedParts] = []
        try:
            for shelf, packet in due:
                if len(offered) >= limit:
                    break
                handle = parts_set.try_hold(packet.folder / HOLD)
                if handle is not None:
                    offered += self._offer(shelf, packet, handle, join)
        except BaseException:  # the caller never gets these tokens, so the sets are released
            for joined in offered:
                self.release(joined.token)
            raise
        return offered

    def _offer(
        self,
        shelf: PartsFolder,
        packet: PartSet,
        handle: int,
        join: Callable[[PartsFolder, PartSet, int], JoinedParts | None],
    ) -> list[JoinedParts]:
        """Join one locked set for handing out. A set that has ended is removed, one handed out too often is parked; both
        give an empty list, as does an unreadable set."""
        joined: JoinedParts | None = None
        try:
            if shelf.is_over(packet):
                shelf.end(packet, self._clock.now())
            elif packet.offers >= self._limits.offers:
                shelf.put_aside(packet, ParkedReason.NEVER_SETTLED)
            else:
                joined = join(shelf, packet, handle)
        except OSError as error:  # one damaged set must not stop the others
            action(
                _log, "parts.unreadable", str(error), packet=packet.label.packet_id, node=packet.label.user
            )
        finally:
            if joined is None:
                os.close(handle)
        return [joined] if joined is not None else []

    def _join_complete(self, shelf: PartsFolder, packet: PartSet, handle: int) -> JoinedParts | None:
        """Join a whole set; refuse it when its digest or size is not the announced one."""
        parts, announced = packet.parts(), packet.label.whole_digest
        digest, size = measure_parts(parts)
        if (digest, size) != (announced, packet.label.whole_size):
            shelf.refuse(
                packet,
                f"the parts together have SHA-256 {digest} and {size} bytes, announced was {announced}",
            )
            return None
        return self._keep(shelf, packet, handle, parts, packet.recipients, digest, size, "")

    def _join_flawed(self, shelf: PartsFolder, packet: PartSet, handle: int) -> JoinedParts | None:
        """Join the parts of a refused or unfinished set, for the recipients that did not get the same bytes otherwise;
        remove an unfinished set with no such recipient."""
        served = shelf.served_recipients(packet)
        recipients = tuple(code for code in packet.recipients if code not in served)
        if not recipients and not packet.refusal:
            action(_log, "parts.unneeded", "sent again whole meanwhile", packet=packet.label.packet_id)
            shelf.give_up(packet, packet.parts())
            return None
        parts = packet.parts()
        digest, size = measure_parts(parts)
        return self._keep(
            shelf,
            packet,
            handle,
            parts,
            recipients or packet.recipients,
            digest,
            size,
            _flaw(packet, parts),
        )

    def _keep(
        self,
        shelf: PartsFolder,
        packet: PartSet,
        handle: int,
        parts: Mapping[int, KeptPart],
        recipients: tuple[str, ...],
        digest: Digest,
        size: int,
        flaw: str,
    ) -> JoinedParts:
        """Lease a joined set under a new token, and count one more offer."""
        with contextlib.suppress(OSError):  # a full disk must not stop the handout
            parts_set.count_up(packet.folder / OFFERS)
        token = random_source.token_hex(16)
        is_over = not flaw or bool(packet.refusal)
        with self._guard:
            self._held[token] = _Lease(
                shelf=shelf, packet=packet, handle=handle, parts=parts.keys(), is_over=is_over
            )
        return JoinedParts(
            token=token,
            label=packet.label,
            recipients=recipients,
            digest=digest,
            size=size,
            open=opener(parts),
            offers=max(1, packet.offers),
            flaw=flaw,
        )


def _flaw(packet: PartSet, parts: Mapping[int, KeptPart]) -> str:
    """Describe why the set is not whole: its refusal, or the missing parts."""
    progress = f"{len(parts)} of {packet.label.of} parts came"
    if refusal := packet.refusal:
        return f"{progress}, and the set was refused: {refusal}"
    missing = [str(n) for n in range(1, packet.label.of + 1) if n not in parts]
    listed = ", ".join(missing[:_MISSING_NAMED]) + (" and more" if len(missing) > _MISSING_NAMED else "")
    return f"{progress} since {packet.began:%Y-%m-%d %H:%M} UTC; missing: {listed}"
