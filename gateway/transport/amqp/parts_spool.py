"""Keeps the parts of large packets until they are whole. In: parts in any order, repeated and interleaved, from nodes
that may lie. Out: each set once it is whole and its digest is right, or with the flaw that kept it from being so; never
silence. All on disk in a folder that several processes share; sync: call it in the pool. One part is in memory.

`land` makes a part durable, and may then be acknowledged. `complete` and `overdue` hand sets out, each to one process
at a time; `done` when the next owner has it durably, `release` to have it handed out again, as a crash does. What was
handed out too often, or is whole and for nobody here, is put aside: `parts_aside` shows it."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from gateway.domain.identity import Digest
from gateway.log import action
from gateway.ports.services import Clock
from gateway.transport.amqp import parts_set
from gateway.transport.amqp.label import PartLabel, PartLimits, PartRefused
from gateway.transport.amqp.parts_set import HOLD, OFFERS, AsideReason, KeptPart, PartSet, measured, opener
from gateway.transport.amqp.parts_shelf import Landed, Landing, Shelf, refused

__all__ = ["JoinedParts", "Landed", "Landing", "PartLabel", "PartLimits", "PartRefused", "Spool"]

_log = logging.getLogger(__name__)
_MISSING_NAMED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinedParts:
    """A set handed out. Without a flaw its bytes are the whole that was announced, checked; with one they are those of
    the parts that came, in order. `recipients` are codes as they are compared (`fold_code`)."""

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
class _Held:
    shelf: Shelf
    found: PartSet
    handle: int
    parts: Collection[int]
    is_over: bool
    """What is whole or refused is over; what never became whole may be sent again."""


class Spool:
    """One folder of parts. StoreFailure when the disk does not take or give something."""

    def __init__(self, folder: Path, limits: PartLimits, clock: Clock) -> None:
        self._folder, self._limits, self._clock = folder, limits, clock
        self._held: dict[str, _Held] = {}
        self._guard = threading.Lock()

    def land(self, label: PartLabel, body: bytes, recipients: Sequence[str]) -> Landing:
        """KEPT: durable. REPEAT: it was kept before, or its set is over. LATER and REFUSED: nothing of it was kept; LATER
        while whole sets of its node wait for us. `recipients` are all that it came for, hosted here or not: they are part
        of what names the set."""
        fault = self._too_much(label, body, recipients)
        if fault:
            return refused(fault)
        with parts_set.failures_named(self._folder):
            shelf = Shelf.of(self._folder, label.user, self._limits)
            return shelf.land(label, body, recipients, self._clock.now())

    def complete(self, limit: int) -> Sequence[JoinedParts]:
        """Up to `limit` whole sets, oldest first. One whose digest is wrong is refused: `overdue` gives it."""
        with parts_set.failures_named(self._folder):
            return self._hand_out(lambda one: one.waits_for_us, self._joined, limit)

    def overdue(self, now: datetime, limit: int = 16) -> Sequence[JoinedParts]:
        """Sets that never became whole within the limit's age, and refused ones, with their flaw. A set whose every
        recipient got the same bytes by another sending is removed instead. Forgets what ended longer ago than that."""
        oldest = now - self._limits.age

        def is_due(one: PartSet) -> bool:
            return one.aside is None and (bool(one.refusal) or (one.began <= oldest and not one.is_whole))

        with parts_set.failures_named(self._folder):
            found = self._hand_out(is_due, self._flawed, limit)
            if len(found) < limit:  # what is still due may have been served by what would be forgotten
                for shelf in self._shelves():
                    shelf.forget(oldest)
        return found

    def now(self) -> datetime:
        """By the clock by which sets grow old."""
        return self._clock.now()

    def done(self, token: str) -> None:
        """The set is gone, and remembered for the limit's age. An unfinished one is not: it may be sent again. A stale
        token changes nothing."""
        with self._let_go(token) as held:
            if held is not None and held.is_over:
                held.shelf.end(held.found, self._clock.now())
            elif held is not None:
                held.shelf.give_up(held.found, held.parts)

    def put_aside(self, token: str, why: AsideReason) -> None:
        """It is not handed out any more, and stays where a person sees it. A stale token changes nothing."""
        with self._let_go(token) as held:
            if held is not None:
                held.shelf.put_aside(held.found, why)

    def release(self, token: str) -> None:
        """It is handed out again, here or by another process. A stale token changes nothing."""
        with self._let_go(token):
            pass

    @contextlib.contextmanager
    def _let_go(self, token: str) -> Iterator[_Held | None]:
        """What the token stands for, nobody's afterwards; None for a stale one."""
        with self._guard:
            held = self._held.pop(token, None)
        with parts_set.failures_named(self._folder):
            try:
                yield held
            finally:
                if held is not None:
                    os.close(held.handle)

    def close(self) -> None:
        """Releases all that is handed out."""
        for token in list(self._held):
            self.release(token)

    def counts(self) -> Mapping[str, int]:
        """Open `sets`, of which `whole`, `refused` and put `aside`, their `parts` and `bytes` on disk."""
        told = dict.fromkeys(("sets", "whole", "refused", "aside", "parts", "bytes"), 0)
        with parts_set.failures_named(self._folder):
            for _, one in self._open_sets():
                parts = one.parts()
                told["sets"] += 1
                told["whole"] += len(parts) == one.label.of
                told["refused"] += bool(one.refusal)
                told["aside"] += one.aside is not None
                told["parts"] += len(parts)
                told["bytes"] += sum(part.size for part in parts.values())
        return told

    def _too_much(self, label: PartLabel, body: bytes, recipients: Sequence[str]) -> str:
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

    def _shelves(self) -> Iterator[Shelf]:
        for folder in parts_set.entries(self._folder):
            yield Shelf(folder, self._limits)

    def _open_sets(self) -> Iterator[tuple[Shelf, PartSet]]:
        for shelf in self._shelves():
            for one in shelf.sets():
                yield shelf, one

    def _hand_out(
        self,
        is_due: Callable[[PartSet], bool],
        made: Callable[[Shelf, PartSet, int], JoinedParts | None],
        limit: int,
    ) -> list[JoinedParts]:
        due = sorted(
            ((shelf, one) for shelf, one in self._open_sets() if is_due(one)), key=lambda pair: pair[1].began
        )
        given: list[JoinedParts] = []
        try:
            for shelf, one in due:
                if len(given) >= limit:
                    break
                handle = parts_set.try_hold(one.folder / HOLD)
                if handle is not None:
                    given += self._given(shelf, one, handle, made)
        except BaseException:  # nobody will know their tokens
            for joined in given:
                self.release(joined.token)
            raise
        return given

    def _given(
        self,
        shelf: Shelf,
        one: PartSet,
        handle: int,
        made: Callable[[Shelf, PartSet, int], JoinedParts | None],
    ) -> list[JoinedParts]:
        joined: JoinedParts | None = None
        try:
            if shelf.is_over(one):
                shelf.end(one, self._clock.now())
            elif one.offers >= self._limits.offers:
                shelf.put_aside(one, AsideReason.NEVER_SETTLED)
            else:
                joined = made(shelf, one, handle)
        except OSError as error:  # the others are not to suffer from it
            action(_log, "parts.unreadable", str(error), packet=one.label.packet_id, node=one.label.user)
        finally:
            if joined is None:
                os.close(handle)
        return [joined] if joined is not None else []

    def _joined(self, shelf: Shelf, one: PartSet, handle: int) -> JoinedParts | None:
        parts, announced = one.parts(), one.label.whole_digest
        digest, size = measured(parts)
        if (digest, size) != (announced, one.label.whole_size):
            shelf.refuse(
                one, f"the parts together have SHA-256 {digest} and {size} bytes, announced was {announced}"
            )
            return None
        return self._keep(shelf, one, handle, parts, one.recipients, digest, size, "")

    def _flawed(self, shelf: Shelf, one: PartSet, handle: int) -> JoinedParts | None:
        served = shelf.served(one)
        recipients = tuple(code for code in one.recipients if code not in served)
        if not recipients and not one.refusal:
            action(_log, "parts.unneeded", "sent again whole meanwhile", packet=one.label.packet_id)
            shelf.give_up(one, one.parts())
            return None
        parts = one.parts()
        digest, size = measured(parts)
        return self._keep(
            shelf, one, handle, parts, recipients or one.recipients, digest, size, _flaw(one, parts)
        )

    def _keep(
        self,
        shelf: Shelf,
        one: PartSet,
        handle: int,
        parts: Mapping[int, KeptPart],
        recipients: tuple[str, ...],
        digest: Digest,
        size: int,
        flaw: str,
    ) -> JoinedParts:
        with contextlib.suppress(OSError):  # a full disk is no reason to hand out nothing
            parts_set.count_up(one.folder / OFFERS)
        token = secrets.token_hex(16)
        is_over = not flaw or bool(one.refusal)
        with self._guard:
            self._held[token] = _Held(
                shelf=shelf, found=one, handle=handle, parts=parts.keys(), is_over=is_over
            )
        return JoinedParts(
            token=token,
            label=one.label,
            recipients=recipients,
            digest=digest,
            size=size,
            open=opener(parts),
            offers=max(1, one.offers),
            flaw=flaw,
        )


def _flaw(one: PartSet, parts: Mapping[int, KeptPart]) -> str:
    came = f"{len(parts)} of {one.label.of} parts came"
    if refusal := one.refusal:
        return f"{came}, and the set was refused: {refusal}"
    missing = [str(n) for n in range(1, one.label.of + 1) if n not in parts]
    named = ", ".join(missing[:_MISSING_NAMED]) + (" and more" if len(missing) > _MISSING_NAMED else "")
    return f"{came} since {one.began:%Y-%m-%d %H:%M} UTC; missing: {named}"
