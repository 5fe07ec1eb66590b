"""The only writer of an SQLite file, without a thread: many units of work share a commit. In: units one after another,
each but the first of a group in its own savepoint, so that a failing unit does not undo others. Out: `settle` returns
when the data is on disk. There is no timer: a group is committed once no unit waits to write, and units that arrive
during the disk write share the next commit."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from gateway import random_source, time_source

# Most units in a group, so that the first does not wait for an endless stream of others.
MOST = 64
# Pause between attempts while another process holds the lock. That process writes for some milliseconds at a time and
# soon again: with longer pauses, many of its commits would come first.
_FIRST_PAUSE_S = 0.001
_LONGEST_PAUSE_S = 0.004
# For connections that get their lock from `take_lock`: waiting inside SQLite would block the event loop.
NO_WAIT = "PRAGMA busy_timeout = 0"


class Driver(Protocol):
    """Connection with an open transaction that holds the write lock."""

    def mark(self, words: str) -> None:
        """Execute a statement that begins, releases or undoes a savepoint."""

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
    broken: Exception | None = None  # SQLite itself ended the transaction, as on a full or failing disk
    is_undone: bool = False  # its first unit was left without `settle`, so there is nothing to commit
    ending: asyncio.Task[None] | None = None
    settled: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Unit(Generic[D]):
    """Unit of work in a group: when `settle` returns, its writes are on disk, with those of the whole group. The first
    unit needs no savepoint, and often is the only one."""

    def __init__(self, writer: GroupWriter[D], group: _Group[D]) -> None:
        self.driver = group.driver
        self._writer = writer
        self._group = group
        self.has_turn = True
        self._is_first = not group.units
        if not self._is_first:
            self.driver.mark("SAVEPOINT unit")

    async def settle(self) -> None:
        """Pass the turn on and return when the group's commit is on disk; raise its error."""
        if not self._is_first:
            self.driver.mark("RELEASE unit")
        self._group.units += 1
        self._give_turn()
        # Shielded, because a cancelled unit must not cancel the future that all units share.
        await asyncio.shield(self._group.settled)

    async def leave(self) -> None:
        """End the unit. Without `settle` only its own work is undone; after `settle` this does nothing."""
        if not self.has_turn:
            return
        if self._is_first:
            self._group.is_undone = True
        else:
            self._undo()
        self._give_turn()
        if self._group.ending is not None:  # no unit waited, so the group ends: wait until the file is free
            await asyncio.shield(self._group.ending)

    def _undo(self) -> None:
        try:
            self.driver.mark("ROLLBACK TO unit")
            self.driver.mark("RELEASE unit")
        except Exception as cause:  # whatever the driver raised, every unit of the group fails with it
            self._group.broken = cause

    def _give_turn(self) -> None:
        self.has_turn = False
        self._writer.give_turn()


class GroupWriter(Generic[D]):
    """Connection of one file, used by one unit at a time, in order of arrival."""

    def __init__(self, opened: Callable[[], Awaitable[D]]) -> None:
        """Keep `opened`, which returns a connection with a begun transaction that holds the write lock."""
        self._open = opened
        self._is_taken = False
        self._queue: deque[asyncio.Future[Exception | None]] = deque()
        self._group: _Group[D] | None = None
        self._endings: set[asyncio.Task[None]] = set()

    @property
    def is_idle(self) -> bool:
        """True while no unit uses or awaits the connection, no group is open, and none is being committed."""
        return not (self._is_taken or self._group is not None or self._endings)

    async def begin(self) -> Unit[D]:
        """Wait for the turn and return a new unit; the caller must leave it in any case."""
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
        """Commit the open group, and keep other units out while the body runs."""
        while await self._wait_for_turn() is not None:
            pass  # an error of the write lock does not matter here
        try:
            if self._group is not None:
                group, self._group = self._group, None
                await wait_to_end(asyncio.ensure_future(self._finish(group)))
            yield
        finally:
            self.give_turn()

    async def _open_locked(self) -> D:
        """Open the connection. When another process keeps the lock, all units waiting now fail together, because each
        would otherwise wait for the lock as long again."""
        waiting_count = len(self._queue)
        try:
            return await self._open()
        except Exception as error:
            for turn in [self._queue.popleft() for _ in range(waiting_count)]:
                if not turn.done():
                    turn.set_result(error)
            raise

    async def _wait_for_turn(self) -> Exception | None:
        """Wait for the turn. Return the error instead where the file could not be locked meanwhile."""
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
        """Pass the turn to the unit that has waited longest. Where none waits, or the group is large or broken, end it."""
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
        """End the group in the loop's next turn, so that units that became ready in this turn can join."""
        if self._group is not group:
            return
        if self._is_taken:  # the unit with the turn ends the group later
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
        """Commit the group and give the result or the error to every unit of it."""
        try:
            if group.broken is not None:
                raise group.broken
            if group.units:
                await group.driver.commit()
        except Exception as cause:  # every unit of the group raises it
            group.settled.set_exception(cause)
            group.settled.exception()  # marks it as read, as no unit may be left to do so
            await group.driver.drop()
        else:
            group.settled.set_result(None)
        finally:
            await group.driver.close()


async def run_in_thread(call: Callable[[], T]) -> T:
    """Run `call` in a thread and return its result, also waiting for its end when cancelled, so that the connection is
    no longer in use."""
    return await wait_to_end(asyncio.get_running_loop().run_in_executor(None, call))


async def wait_to_end(running: asyncio.Future[T]) -> T:
    """Return the result of the work; a cancellation meanwhile is raised only after its end."""
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        while not running.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([running])
        raise


@contextmanager
def write_transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Commit the body's work, or roll it back after an error. For small files, whose writers wait for each other."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # not after a full disk: SQLite has rolled back by itself
            connection.execute("ROLLBACK")
        raise


async def take_lock(connection: sqlite3.Connection, patience_s: float) -> None:
    """Begin a transaction with the file's write lock, trying again for `patience_s` seconds without blocking the event
    loop. Raise SQLite's error after that."""
    deadline, pause = time_source.monotonic() + patience_s, _FIRST_PAUSE_S
    while not _try_lock(connection, is_last=time_source.monotonic() >= deadline):
        await asyncio.sleep(pause * random_source.uniform(0.5, 1))  # no secret hangs on it
        pause = min(2 * pause, _LONGEST_PAUSE_S)


def _try_lock(connection: sqlite3.Connection, *, is_last: bool) -> bool:
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as cause:
        if is_last or "locked" not in str(cause):
            raise
        return False
    return True
