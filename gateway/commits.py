"""The one writer of an SQLite file, with no thread between: many units of work, one commit. In: units one after another,
each but the first of a group in a savepoint of its own, so that one that fails takes nobody along. Out: `settle` returns
when the disk has it.

There is no timer: a group is committed once nobody is left who was ready to write, and those that come while the disk is
busy share the next commit."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

# So that whoever asked first does not wait for a stream of others.
MOST = 64
# Between looks whether another process has let the file go. It writes for some milliseconds at a time and soon comes
# again: who looks more seldom than that waits for many of its commits.
_FIRST_PAUSE_S = 0.001
_LONGEST_PAUSE_S = 0.004


class Driver(Protocol):
    """A connection with an open transaction that holds the write lock."""

    def mark(self, words: str) -> None:
        """Begins, releases or undoes a savepoint."""

    async def commit(self) -> None: ...

    async def drop(self) -> None:
        """After a failure: the connection is not used again, and whatever is open in it ends."""

    async def close(self) -> None:
        """What was not committed is undone."""


D = TypeVar("D", bound=Driver)
T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _Group(Generic[D]):
    """What one commit will hold."""

    driver: D
    units: int = 0
    broken: Exception | None = (
        None  # SQLite ended the whole transaction by itself: a full disk, a failing one
    )
    is_undone: bool = False  # its first unit left without `settle`: there is nothing in it
    ending: asyncio.Task[None] | None = None
    over: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Unit(Generic[D]):
    """One unit of a group: what it wrote is on the disk when `settle` returns, together with its neighbours'. The first of
    a group has the transaction to itself, and mostly nobody comes after it."""

    def __init__(self, writer: GroupWriter[D], group: _Group[D]) -> None:
        self.driver = group.driver
        self._writer = writer
        self._group = group
        self.has_turn = True
        self._is_first = not group.units
        if not self._is_first:
            self.driver.mark("SAVEPOINT unit")

    async def settle(self) -> None:
        if not self._is_first:
            self.driver.mark("RELEASE unit")
        self._group.units += 1
        self._give_turn()
        # Shielded: who is cut short must not take the news from the others.
        await asyncio.shield(self._group.over)

    async def leave(self) -> None:
        """Without `settle`: whatever it did is undone, and the rest of the group stays. After `settle`: nothing."""
        if not self.has_turn:
            return
        if self._is_first:
            self._group.is_undone = True
        else:
            self._undo()
        self._give_turn()
        if self._group.ending is not None:  # nobody waited: the file is free when this returns
            await asyncio.shield(self._group.ending)

    def _undo(self) -> None:
        try:
            self.driver.mark("ROLLBACK TO unit")
            self.driver.mark("RELEASE unit")
        except Exception as cause:  # reason: whichever driver it is, every unit of the group hears of it
            self._group.broken = cause

    def _give_turn(self) -> None:
        self.has_turn = False
        self._writer.give_turn()


class GroupWriter(Generic[D]):
    """Whoever has the turn uses the connection; it is handed on in order."""

    def __init__(self, opened: Callable[[], Awaitable[D]]) -> None:
        """`opened` gives a connection that has begun and holds the write lock."""
        self._opened = opened
        self._taken = False
        self._queue: deque[asyncio.Future[Exception | None]] = deque()
        self._group: _Group[D] | None = None
        self._ending: set[asyncio.Task[None]] = set()

    @property
    def is_idle(self) -> bool:
        """Whether nobody uses the connection, nor is about to: no group is open, and none is being committed."""
        return not (self._taken or self._group is not None or self._ending)

    async def begin(self) -> Unit[D]:
        """Whoever begins leaves, whatever happens."""
        if (why := await self._turn()) is not None:
            raise why
        try:
            if self._group is None:
                self._group = _Group(await self._locked())
            return Unit(self, self._group)
        except BaseException:
            self.give_turn()
            raise

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """What was written before is committed, and nobody writes."""
        while await self._turn() is not None:
            pass  # the lock that others did not get is not needed here
        try:
            if self._group is not None:
                group, self._group = self._group, None
                await to_its_end(asyncio.ensure_future(self._finish(group)))
            yield
        finally:
            self.give_turn()

    async def _locked(self) -> D:
        """Where another process does not let go of the file, those who waited as long as this one hear so too: one after
        the other, each would be patient once more."""
        waited = len(self._queue)
        try:
            return await self._opened()
        except Exception as why:
            for mine in [self._queue.popleft() for _ in range(waited)]:
                if not mine.done():
                    mine.set_result(why)
            raise

    async def _turn(self) -> Exception | None:
        """Has the turn when it returns; or says why nobody got the file who waited as long."""
        if not self._taken:
            self._taken = True
            return None
        mine: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self._queue.append(mine)
        try:
            return await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled() and mine.result() is None:
                self.give_turn()  # it had just been handed to us
            raise

    def give_turn(self) -> None:
        """To whoever waits longest; the group is committed when nobody does, or when it has grown large enough. It ends at
        once where there is nothing more to be had from it."""
        group = self._group
        if group is not None and (group.broken is not None or group.is_undone or group.units >= MOST):
            self._group = None
            self._start(group, self._end)
        elif self._waiting():
            self._queue.popleft().set_result(None)
        else:
            self._taken = False
            if group is not None and group.ending is None:
                self._start(group, self._end_if_idle)

    def _waiting(self) -> bool:
        while self._queue and self._queue[0].done():
            self._queue.popleft()
        return bool(self._queue)

    def _start(self, group: _Group[D], end: Callable[[_Group[D]], Awaitable[None]]) -> None:
        async def run() -> None:
            await end(group)

        group.ending = asyncio.get_running_loop().create_task(run(), name="commit")
        self._ending.add(group.ending)
        group.ending.add_done_callback(self._ending.discard)

    async def _end_if_idle(self, group: _Group[D]) -> None:
        """At the loop's next turn: who became ready in the same moment has joined by then."""
        if self._group is not group:
            return
        if self._taken:  # whoever has the turn looks again
            group.ending = None
            return
        self._taken, self._group = True, None
        await self._end(group)

    async def _end(self, group: _Group[D]) -> None:
        try:
            await self._finish(group)
        finally:
            self.give_turn()

    async def _finish(self, group: _Group[D]) -> None:
        """Whatever happens, every unit of the group hears of it."""
        try:
            if group.broken is not None:
                raise group.broken
            if group.units:
                await group.driver.commit()
        except Exception as cause:  # reason: it is handed to every unit of the group, which raise it
            group.over.set_exception(cause)
            group.over.exception()  # also where nobody is left to hear it
            await group.driver.drop()
        else:
            group.over.set_result(None)
        finally:
            await group.driver.close()


async def apart(call: Callable[[], T]) -> T:
    """In a thread, and to its end: when who is cut short learns it, nobody uses the connection any more."""
    return await to_its_end(asyncio.get_running_loop().run_in_executor(None, call))


async def to_its_end(running: asyncio.Future[T]) -> T:
    """Who is cut short meanwhile, however often, learns it afterwards."""
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        while not running.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([running])
        raise


@contextmanager
def whole(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """What is done inside, on the disk as a whole or not at all: for a small file whose writers take turns and may wait."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk has undone it by itself
            connection.execute("ROLLBACK")
        raise


# Of a connection whose lock is taken here: waiting in SQLite itself would hold up the loop.
WAIT_FOR_NOBODY = "PRAGMA busy_timeout = 0"


async def take_lock(connection: sqlite3.Connection, patience_s: float) -> None:
    """Begins, and takes the one write lock of the file. While another process has it, the loop of this one goes on."""
    until, pause = time.monotonic() + patience_s, _FIRST_PAUSE_S
    while not _taken(connection, last=time.monotonic() >= until):
        await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - no secret hangs on it
        pause = min(2 * pause, _LONGEST_PAUSE_S)


def _taken(connection: sqlite3.Connection, *, last: bool) -> bool:
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as cause:
        if last or "locked" not in str(cause):
            raise
        return False
    return True
