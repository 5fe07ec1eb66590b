"""Many units of work, one commit: SQLite writes the disk once for all that waited meanwhile. In: units one after another,
each in a savepoint of its own, so that one that fails takes nobody along. Out: `commit` returns when the disk has it.

There is no timer: a unit that nobody waits behind is committed at once, and those that come while the disk is busy share
the next commit."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.store.transaction import Transaction, failure

# So that whoever asked first does not wait for a stream of others.
MOST = 64


@dataclass(slots=True, eq=False)
class _Group:
    """What one commit will hold."""

    connection: AsyncConnection
    units: int = 0
    broken: SQLAlchemyError | None = (
        None  # SQLite ended the whole transaction by itself: a full disk, a failing one
    )
    ending: asyncio.Task[None] | None = None
    over: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class GroupedTransaction(Transaction):
    """One unit of a group: what it wrote is on the disk when `commit` returns, together with its neighbours'."""

    def __init__(self, writer: GroupWriter, group: _Group) -> None:
        super().__init__(group.connection, shared=False)
        self._writer = writer
        self._group = group
        self._has_turn = True
        self._mark("SAVEPOINT unit")

    async def _settle(self) -> None:
        self._mark("RELEASE unit")
        self._group.units += 1
        self._give_turn()
        # Shielded: who is cut short must not take the news from the others.
        await asyncio.shield(self._group.over)

    async def leave(self) -> None:
        """Without `commit`: whatever it did is undone, and the rest of the group stays. After `commit`: nothing."""
        if not self._has_turn:
            return
        self._over = True
        try:
            self._mark("ROLLBACK TO unit")
            self._mark("RELEASE unit")
        except SQLAlchemyError as cause:
            self._group.broken = cause
        self._give_turn()
        if self._group.ending is not None:  # nobody waited: the file is free when this returns
            await asyncio.shield(self._group.ending)

    def _give_turn(self) -> None:
        self._has_turn = False
        self._writer.give_turn()

    def _mark(self, words: str) -> None:
        if self._here is None:
            raise TypeError("only SQLite is written in groups")
        self._here.exec_driver_sql(words)


class GroupWriter:
    """The one writer of an SQLite file. Whoever has the turn uses the connection; it is handed on in order."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._taken = False
        self._queue: deque[asyncio.Future[None]] = deque()
        self._group: _Group | None = None
        self._ending: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def unit(self) -> AsyncIterator[Transaction]:
        """A unit of work that has begun. Leaving without `commit` undoes it; what the driver raises becomes ours."""
        await self._turn()
        try:
            unit = GroupedTransaction(self, await self._opened())
        except SQLAlchemyError as cause:
            self.give_turn()
            raise failure(cause) from cause
        except BaseException:
            self.give_turn()
            raise
        try:
            yield unit
        except SQLAlchemyError as cause:
            raise failure(cause) from cause
        finally:
            await unit.leave()

    async def _turn(self) -> None:
        if not self._taken:
            self._taken = True
            return
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():  # it had just been handed to us
                self.give_turn()
            raise

    async def _opened(self) -> _Group:
        if self._group is None:
            connection = await self._engine.connect()
            try:
                await connection.begin()
            except BaseException:
                await connection.close()
                raise
            self._group = _Group(connection)
        return self._group

    def give_turn(self) -> None:
        """To whoever waits longest; the group is committed when nobody does, or when it has grown large enough."""
        group = self._group
        if group is not None and (group.broken is not None or group.units >= MOST or not self._waiting()):
            self._group = None
            group.ending = asyncio.get_running_loop().create_task(self._end(group), name="commit")
            self._ending.add(group.ending)
            group.ending.add_done_callback(self._ending.discard)
        elif self._waiting():
            self._queue.popleft().set_result(None)
        else:
            self._taken = False

    def _waiting(self) -> bool:
        while self._queue and self._queue[0].done():
            self._queue.popleft()
        return bool(self._queue)

    async def _end(self, group: _Group) -> None:
        """Whatever happens, every unit of the group hears of it, and the turn goes on."""
        try:
            if group.broken is not None:
                raise group.broken
            if group.units:
                await group.connection.commit()
        except Exception as cause:  # reason: it is handed to every unit of the group, which raise it
            group.over.set_exception(cause)
            group.over.exception()  # also where nobody is left to hear it
            await group.connection.invalidate()  # whatever is still open in it ends with it
        else:
            group.over.set_result(None)
        finally:
            await group.connection.close()
            self.give_turn()
