"""The dead list of a node whole: the broker's dead queue, and the sets of parts that were put aside on disk. In: an id from
the list. Out: what is there, its bytes, or the parcel handed out again or gone. The parts of a set were acknowledged when
they came, so the broker cannot show it any more."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO

from gateway.errors import Clash, NotFound
from gateway.log import action
from gateway.ports import DeadParcel, Pool
from gateway.transport.amqp import parts_disk as disk
from gateway.transport.amqp.dead import DeadDesk
from gateway.transport.amqp.parts_label import PartLimits
from gateway.transport.amqp.parts_set import ASIDE, HOLD, Aside, PartSet, opener
from gateway.transport.amqp.parts_shelf import Shelf

_log = logging.getLogger(__name__)
_MARK = "set-"  # no id of the dead queue begins so


class AsideSets:
    """What was put aside in one folder of parts. Sync: call it in the pool."""

    def __init__(self, folder: Path, limits: PartLimits) -> None:
        self._folder, self._limits = folder, limits

    def list(self) -> Sequence[DeadParcel]:
        with disk.failures_named(self._folder):
            return [_parcel(one, why) for _, one, why in self._all()]

    def open(self, id: str) -> BinaryIO:
        with self._found(id) as (_, one):
            return opener(one.parts())()

    def again(self, id: str) -> DeadParcel:
        """It is handed out again, counted from zero."""
        with self._found(id) as (shelf, one):
            shown = _parcel(one, one.aside or Aside.NEVER_SETTLED)
            shelf.take_back(one)
            return shown

    def drop(self, id: str) -> DeadParcel:
        """It is gone and not remembered: its sender may send it again."""
        with self._found(id) as (shelf, one):
            shown = _parcel(one, one.aside or Aside.NEVER_SETTLED)
            shelf.give_up(one, one.parts())
            return shown

    def hosting_changed(self, is_ours: Callable[[Sequence[str]], bool]) -> None:
        """What was for nobody here may be for somebody now."""
        with disk.failures_named(self._folder):
            for shelf, one, why in self._all():
                if why is Aside.FOR_NOBODY and is_ours(one.recipients):
                    shelf.take_back(one)

    def _all(self) -> Iterator[tuple[Shelf, PartSet, Aside]]:
        for folder in disk.entries(self._folder):
            shelf = Shelf(folder, self._limits)
            for one in shelf.sets():
                if (why := one.aside) is not None:
                    yield shelf, one, why

    @contextlib.contextmanager
    def _found(self, id: str) -> Iterator[tuple[Shelf, PartSet]]:
        """The set, held: nobody else takes it back or drops it meanwhile."""
        with disk.failures_named(self._folder):
            for shelf, one, _ in self._all():
                if _id(one) == id:
                    handle = disk.try_hold(one.folder / HOLD)
                    if handle is None:
                        raise Clash(f"somebody else has the parcel {id!r} in hand; list it again")
                    try:
                        yield shelf, one
                    finally:
                        os.close(handle)
                    return
        raise NotFound(f"no parcel {id!r} was put aside on this node; list it again")


class WholeDeadDesk:
    """Both places as one list, oldest first in each."""

    def __init__(self, broker: DeadDesk, aside: AsideSets, pool: Pool, look_soon: Callable[[], None]) -> None:
        self._broker, self._aside, self._pool, self._look_soon = broker, aside, pool, look_soon

    async def aside(self) -> int:
        return len(await self._pool.run(self._aside.list))

    async def list(self) -> Sequence[DeadParcel]:
        aside = await self._pool.run(self._aside.list)
        return [*await self._broker.list(), *sorted(aside, key=lambda one: str(one.dead_at))]

    async def open(self, id: str) -> BinaryIO:
        if id.startswith(_MARK):
            return await self._pool.run(partial(self._aside.open, id))
        return await self._broker.open(id)

    async def retry(self, id: str) -> None:
        if not id.startswith(_MARK):
            await self._broker.retry(id)
            return
        shown = await self._pool.run(partial(self._aside.again, id))
        self._look_soon()
        action(_log, "axis.dead_retried", packet_id=shown.packet_id, recipient=shown.recipient)

    async def drop(self, id: str, reason: str) -> None:
        if not id.startswith(_MARK):
            await self._broker.drop(id, reason)
            return
        shown = await self._pool.run(partial(self._aside.drop, id))
        about = {"packet_id": shown.packet_id, "recipient": shown.recipient, "digest": shown.digest}
        action(_log, "axis.dead_dropped", reason, **about)


def _id(one: PartSet) -> str:
    name = f"{one.folder.parent.parent.name}/{one.folder.name}"
    return _MARK + hashlib.sha256(name.encode()).hexdigest()[:16]


def _parcel(one: PartSet, why: Aside) -> DeadParcel:
    label, offers = one.label, one.offers
    return DeadParcel(
        id=_id(one),
        recipient=" ".join(one.recipients),
        packet_id=label.packet_id,
        kind=label.kind,
        sender=label.sender,
        lane=label.lane,
        digest=label.whole_digest,
        size=sum(part.size for part in one.parts().values()),
        deliveries=offers,
        dead_at=_put_aside_at(one),
        reason=f"a packet of {label.of} parts: {_reason(why, offers)}",
    )


def _reason(why: Aside, offers: int) -> str:
    if why is Aside.FOR_NOBODY:
        return "none of its codes is hosted here any more; it lands by itself when one is again"
    return f"handed out {offers} times and never settled"


def _put_aside_at(one: PartSet) -> datetime | None:
    try:
        return datetime.fromtimestamp((one.folder / ASIDE).stat().st_mtime, UTC)
    except FileNotFoundError:  # taken back meanwhile
        return None
