"""The single writer of an SQLite file, without a thread: many units of work, one commit. In: units one after another, each
but the first of a group in a savepoint of its own, so that a failing one does not take others along. Out: `settle` returns
when the data is on disk. There is no timer: a group is committed once no unit is ready to write, and those that come during
the disk write share the next commit."""

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

# Bounds a group, so that its first unit does not wait for a stream of others.
MOST = 64
# Pause between attempts while another process holds the lock. It writes for some milliseconds at a time and soon
# comes again: with longer pauses, many of its commits would pass.
_FIRST_PAUSE_S = 0.001
_LONGEST_PAUSE_S = 0.004


class Driver(Protocol):
    """A connection with an open transaction that holds the write lock."""

    def mark(self, words: str) -> None:
        """Begin, release or undo a savepoint."""

    async def commit(self) -> None: ...

    async def drop(self) -> None:
        """Abandon the connection after a failure; its open transaction ends."""

    async def close(self) -> None:
        """Close the connection; uncommitted work is undone."""


D = TypeVar("D", bound=Driver)
T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _Group(Generic[D]):
    """Units that share one commit."""

    driver: D
    units: int = 0
    broken: Exception | None = (
        None  # SQLite ended the whole transaction by itself: a full disk, a failing one
    )
    is_undone: bool = False  # its first unit left without `settle`: there is nothing in it
    ending: asyncio.Task[None] | None = None
    settled: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Unit(Generic[D]):
    """One unit of a group: its writes are on disk when `settle` returns, together with its neighbours'. The first of a
    group has the transaction to itself, and mostly none follows."""

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
        # Shielded, because a cancelled unit must not cancel the result of the others.
        await asyncio.shield(self._group.settled)

    async def leave(self) -> None:
        """End the unit. Without `settle` its work alone is undone; after `settle` nothing happens."""
        if not self.has_turn:
            return
        if self._is_first:
            self._group.is_undone = True
        else:
            self._undo()
        self._give_turn()
        if self._group.ending is not None:  # no unit waited: the file is free when this returns
            await asyncio.shield(self._group.ending)

    def _undo(self) -> None:
        try:
            self.driver.mark("ROLLBACK TO unit")
            self.driver.mark("RELEASE unit")
        except (
            Exception
        ) as cause:  # reason: every unit of the group fails with it, whatever the driver raised
            self._group.broken = cause

    def _give_turn(self) -> None:
        self.has_turn = False
        self._writer.give_turn()


class GroupWriter(Generic[D]):
    """The connection of a file, used by one unit at a time, in order."""

    def __init__(self, opened: Callable[[], Awaitable[D]]) -> None:
        """Take `opened`, which returns a connection that has begun and holds the write lock."""
        self._open = opened
        self._is_taken = False
        self._queue: deque[asyncio.Future[Exception | None]] = deque()
        self._group: _Group[D] | None = None
        self._endings: set[asyncio.Task[None]] = set()

    @property
    def is_idle(self) -> bool:
        """True while no unit uses the connection or is about to: no group is open, and none is being committed."""
        return not (self._is_taken or self._group is not None or self._endings)

    async def begin(self) -> Unit[D]:
        """Begin a unit; it must be left, whatever happens."""
        if (error := await self._wait_for_turn()) is not None:
            raise error
        try:
            if self._group is None:
                self._group = _Group(await self._open_locked())
            return Unit(self, self._group)
        except BaseException:
            self.give_turn()
            raise

    @asynccontextmanager
    async def exclusive(self) -> AsyncIterator[None]:
        """Commit earlier writes, and keep other writers out while the body runs."""
        while await self._wait_for_turn() is not None:
            pass  # the lock that others did not get is not needed here
        try:
            if self._group is not None:
                group, self._group = self._group, None
                await wait_to_end(asyncio.ensure_future(self._finish(group)))
            yield
        finally:
            self.give_turn()

    async def _open_locked(self) -> D:
        """Open the connection. When another process keeps the lock, all units that waited as long fail together: one after
        the other, each would wait out its patience again."""
        waiting_count = len(self._queue)
        try:
            return await self._open()
        except Exception as error:
            for turn in [self._queue.popleft() for _ in range(waiting_count)]:
                if not turn.done():
                    turn.set_result(error)
            raise

    async def _wait_for_turn(self) -> Exception | None:
        """Wait for the turn; return the error where the file could not be locked meanwhile."""
        if not self._is_taken:
            self._is_taken = True
            return None
        turn: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.result() is None:
                self.give_turn()  # the turn had just been handed to this unit
            raise

    def give_turn(self) -> None:
        """Pass the turn to the longest waiting unit. The group is committed when none waits, or when it has grown large
        enough; a broken group ends at once."""
        group = self._group
        if group is not None and (group.broken is not None or group.is_undone or group.units >= MOST):
            self._group = None
            self._start_ending(group, self._end)
        elif self._waiting():
            self._queue.popleft().set_result(None)
        else:
            self._is_taken = False
            if group is not None and group.ending is None:
                self._start_ending(group, self._end_if_idle)

    def _waiting(self) -> bool:
        while self._queue and self._queue[0].done():
            self._queue.popleft()
        return bool(self._queue)

    def _start_ending(self, group: _Group[D], end: Callable[[_Group[D]], Awaitable[None]]) -> None:
        async def run() -> None:
            await end(group)

        group.ending = asyncio.get_running_loop().create_task(run(), name="commit")
        self._endings.add(group.ending)
        group.ending.add_done_callback(self._endings.discard)

    async def _end_if_idle(self, group: _Group[D]) -> None:
        """End the group at the loop's next turn, when units that became ready at the same moment have joined."""
        if self._group is not group:
            return
        if self._is_taken:  # the unit with the turn looks again
            group.ending = None
            return
        self._is_taken, self._group = True, None
        await self._end(group)

    async def _end(self, group: _Group[D]) -> None:
        try:
            await self._finish(group)
        finally:
            self.give_turn()

    async def _finish(self, group: _Group[D]) -> None:
        """Commit the group; every unit of it gets the result."""
        try:
            if group.broken is not None:
                raise group.broken
            if group.units:
                await group.driver.commit()
        except Exception as cause:  # reason: it is handed to every unit of the group, which raise it
            group.settled.set_exception(cause)
            group.settled.exception()  # also where no unit is left to read it
            await group.driver.drop()
        else:
            group.settled.set_result(None)
        finally:
            await group.driver.close()


async def run_in_thread(call: Callable[[], T]) -> T:
    """Run in a thread to its end: when a cancelled caller resumes, the connection is no longer used."""
    return await wait_to_end(asyncio.get_running_loop().run_in_executor(None, call))


async def wait_to_end(running: asyncio.Future[T]) -> T:
    """Wait for the end of the work; a cancellation, however often, is raised afterwards."""
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        while not running.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([running])
        raise


@contextmanager
def write_transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Commit the body's work as a whole or not at all: for a small file whose writers take turns and may wait."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk has undone it by itself
            connection.execute("ROLLBACK")
        raise


# For connections whose lock is taken here: waiting in SQLite itself would block the loop.
NO_WAIT = "PRAGMA busy_timeout = 0"


async def take_lock(connection: sqlite3.Connection, patience_s: float) -> None:
    """Begin, and take the one write lock of the file. While another process has it, this process's loop goes on."""
    deadline, pause = time.monotonic() + patience_s, _FIRST_PAUSE_S
    while not _try_lock(connection, is_last=time.monotonic() >= deadline):
        await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - no secret hangs on it
        pause = min(2 * pause, _LONGEST_PAUSE_S)


def _try_lock(connection: sqlite3.Connection, *, is_last: bool) -> bool:
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as cause:
        if is_last or "locked" not in str(cause):
            raise
        return False
    return True
