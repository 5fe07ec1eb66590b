"""Units of work that share one transaction (a batch). In: the bodies of units that are requested at the same time, each for
its agency. Out: the result of each, when all are committed.

The code of a unit does not know that it shares. A query that several units make runs as one statement, their writes run
together, table by table, and one commit ends all, because a statement and a commit cost more than a row. No unit sees
another's pending writes. Units hold names and rows (`hold`, `lock_rows`) against each other as transactions of a server do:
a second unit that wants a held one runs alone, after the batch. When a batch fails, each of its units runs again alone, and
fails or succeeds alone. Views that are requested at the same time are shared too; they hold nothing.

A unit mostly waits only for answers of the database, and these come to all units at once. So the batch itself runs each
unit from answer to answer, without tasks and futures; a unit that waits for anything else becomes a task."""

from __future__ import annotations

import asyncio
import contextvars
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Generator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import chain
from types import coroutine
from typing import Any, Generic, TypeVar

from sqlalchemy import Select
from sqlalchemy.sql import Executable
from sqlalchemy.sql.dml import Update, UpdateBase

from gateway.domain.account import AgencyScope
from gateway.errors import StoreFailure
from gateway.store.drivers import Prepared, StatementResult
from gateway.store.pending_writes import (
    Check,
    PendingWrite,
    PendingWrites,
    RowInsert,
    exactly_one,
    row_insert,
)
from gateway.store.row import Row
from gateway.store.transaction import BoundQuery, Transaction
from gateway.store.work import SqlWork

T = TypeVar("T")
R = TypeVar("R", bound=Row)
Body = Callable[[SqlWork], Awaitable[T]]

# Most units of a batch; a larger one would hold up other writers.
MOST = 32
# Between its steps a batch of so many units or more lets others go on, who would wait for it for some 20 ms.
_MANY = 8


class _WantsOwn(Exception):
    """Raised in a unit that needs a transaction of its own."""


@dataclass(slots=True, eq=False)
class _Unit(Generic[T]):
    scope: AgencyScope
    body: Body[T]
    context: contextvars.Context
    future: asyncio.Future[T]

    def succeed(self, outcome: T) -> None:
        if not self.future.done():  # the caller may have been cancelled
            self.future.set_result(outcome)

    def fail(self, error: BaseException) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class SharedUnits:
    """Runner of units that may share a transaction. Units that come while a batch runs make the next batch."""

    def __init__(
        self,
        opened: Callable[[], AbstractAsyncContextManager[Transaction]],
        make: Callable[[Transaction, AgencyScope], SqlWork],
        *,
        writes: bool = True,
    ) -> None:
        self._open, self._make, self._writes = opened, make, writes
        self._waiting: list[_Unit[Any]] = []
        self._runner: asyncio.Task[None] | None = None
        self._later: asyncio.TimerHandle | None = None

    async def run(self, scope: AgencyScope, body: Body[T], patience_s: float = 0.0) -> T:
        """Run the body in a unit of work and return its result once it is committed. The body runs again, alone, when its
        batch fails. With `patience_s` the unit waits up to that long for others to share with."""
        loop = asyncio.get_running_loop()
        unit: _Unit[T] = _Unit(scope, body, contextvars.copy_context(), loop.create_future())
        self._waiting.append(unit)
        if not patience_s:
            self._start()
        elif self._later is None:
            self._later = loop.call_later(patience_s, self._start, context=contextvars.Context())
        try:
            return await unit.future
        finally:
            if unit in self._waiting:  # cancelled
                self._waiting.remove(unit)

    def _start(self) -> None:
        if self._later is not None:
            self._later.cancel()
            self._later = None
        if self._waiting and (self._runner is None or self._runner.done()):
            # In an empty context, not this caller's, because the runner also runs other callers' units.
            self._runner = asyncio.get_running_loop().create_task(self._run(), context=contextvars.Context())

    async def close(self) -> None:
        """Start the waiting units, and wait until all have ended."""
        if self._later is not None:
            self._start()
        if self._runner is not None:
            await asyncio.wait([self._runner])

    async def _run(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(0)  # let tasks that are ready at this moment add their units
                await self._next()
        except BaseException as error:  # every waiting unit must get it, whatever it is
            for unit in self._waiting:
                unit.fail(error)
            raise

    async def _next(self) -> None:
        if len(self._waiting) > 1:
            units = await self._run_batch()
        else:
            units = self._take_waiting()
        if len(units) == 1:
            await self._run_alone(units[0])
        elif units:
            await asyncio.gather(*(self._run_alone(unit) for unit in units))

    def _take_waiting(self) -> Sequence[_Unit[Any]]:
        units, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
        return units

    async def _run_batch(self) -> Sequence[_Unit[Any]]:
        """Run the waiting units as one batch and settle their futures; return the units that must run alone."""
        units: Sequence[_Unit[Any]] = ()
        batch: _Batch | None = None
        try:
            async with self._open() as tx:
                units = self._take_waiting()
                running = _Batch(tx, self._make, units, writes=self._writes)
                await running.run()
                batch = running
                if self._writes:
                    await tx.commit()
        except Exception as error:  # reason: running each alone shows which one failed
            if batch is None:
                return units or self._take_waiting()
            # The commit failed, and the batch may be committed or not: each unit gets the error, and none runs again.
            return batch.end(error)
        except BaseException as error:
            for unit in units:
                unit.fail(error)
            raise
        return batch.end()

    async def _run_alone(self, unit: _Unit[T]) -> None:
        async def run_unit() -> T:
            async with self._open() as tx:
                work = self._make(tx, unit.scope)
                outcome = await unit.body(work)
                if self._writes:
                    await work.commit()
            return outcome

        try:
            unit.succeed(await asyncio.get_running_loop().create_task(run_unit(), context=unit.context))
        except Exception as error:  # reason: the caller gets it
            unit.fail(error)
        except BaseException as error:
            unit.fail(error)
            raise


@dataclass(slots=True, eq=False)
class _Question:
    """Query that a unit waits for. When the unit is a task by now, `answer` is the future that receives the result."""

    member: _Member
    statement: Executable
    prepared: Prepared
    values: dict[str, Any]
    answer: asyncio.Future[StatementResult] | None = None


@coroutine
def _ask(question: _Question) -> Generator[_Question, StatementResult, StatementResult]:
    """Yield the query to the batch that runs the unit; return the result that the batch sends back."""
    return (yield question)


class _Batch:
    """Several units in one open transaction, which the caller commits."""

    def __init__(
        self,
        tx: Transaction,
        make: Callable[[Transaction, AgencyScope], SqlWork],
        units: Sequence[_Unit[Any]],
        *,
        writes: bool,
    ) -> None:
        self.tx, self._make, self.writes = tx, make, writes
        self._members = [_Member(self, unit) for unit in units]
        self._at_work = len(units)
        self._queries: list[_Question] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._turn = asyncio.Event()
        self._holders: dict[object, _Member] = {}

    async def run(self) -> None:
        """Run all units and write their pending writes. StoreFailure when a unit failed after it had written something."""
        try:
            for member in self._members:
                self._run_on(member, member.running.send, None)
            while self._at_work:
                if len(self._members) >= _MANY:
                    await asyncio.sleep(0)
                # Answer only when every running unit waits for a query; a unit that is a task sets `_turn` at each step.
                while len(self._queries) < self._at_work:
                    self._turn.clear()
                    await self._turn.wait()
                await self._answer()
        finally:
            await self._end_all()
        for member in self._members:
            if member.is_broken or (member.wrote and not member.is_complete):
                raise StoreFailure("a unit of the batch failed after it had written something")
        if len(self._members) >= _MANY:
            await asyncio.sleep(0)
        await self._write()
        await self.tx.flush()
        if self.tx.is_broken:
            raise StoreFailure("the server refused a question of the batch, and undoes all of it")
        for member in self._members:
            member.tell_when_committed(self.tx)

    def end(self, failed: Exception | None = None) -> Sequence[_Unit[Any]]:
        """Settle the future of each unit after the commit; return the units that must run alone. `failed` is the error of
        the commit, which the completed units get."""
        failed_units = []
        for member in self._members:
            if member.is_complete and failed is not None:
                member.unit.fail(failed)
            elif member.is_complete:
                member.unit.succeed(member.result)
            elif member.error is not None:
                member.unit.fail(member.error)
            else:
                failed_units.append(member.unit)
        return failed_units

    async def run_one(self, member: _Member) -> None:
        try:
            work = self._make(member, member.unit.scope)
            member.result = await member.unit.body(work)
            await work.complete()
            member.is_complete = True
        except _WantsOwn:
            pass
        except Exception as error:  # reason: the caller gets it
            member.error = error
        finally:
            self._at_work -= 1

    def _run_on(self, member: _Member, step: Callable[[Any], object], answer: object) -> None:
        """Run the unit by `step` to its next query, or to its end; make it a task when it waits for anything else."""
        try:
            waits_for = member.unit.context.run(step, answer)
        except (StopIteration, asyncio.CancelledError):
            return
        if isinstance(waits_for, _Question):
            self._queries.append(waits_for)
        else:
            loop, context = asyncio.get_running_loop(), member.unit.context
            self._tasks.append(loop.create_task(self._to_its_end(member.running, waits_for), context=context))

    @coroutine
    def _to_its_end(self, running: Coroutine[Any, Any, None], waits_for: object) -> Generator[Any, Any, None]:
        """Run a unit to its end as a task, because it waits for something else than a query. Any: what a task may yield."""
        step: Callable[[], object]
        try:
            while True:
                try:
                    if isinstance(waits_for, _Question):
                        waits_for.answer = asyncio.get_running_loop().create_future()
                        self._queries.append(waits_for)
                        self._turn.set()
                        step = partial(running.send, (yield from waits_for.answer))
                    else:
                        step = partial(running.send, (yield waits_for))
                except BaseException as error:  # reason: the unit handles it
                    step = partial(running.throw, error)
                waits_for = step()
        except StopIteration:
            pass
        finally:
            self._turn.set()

    async def _end_all(self) -> None:
        """Cancel the units that still run when the batch ends, and close their coroutines."""
        if self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._at_work:
            for member in self._members:
                member.unit.context.run(member.running.close)

    def hold(self, key: object, member: _Member) -> None:
        if self._holders.setdefault(key, member) is not member:
            raise _WantsOwn

    async def _answer(self) -> None:
        """Run the queries that the units wait for, and continue each unit with its result. On a server all run by one call,
        so that an error goes to all units."""
        queries, self._queries = self._queries, []
        by_statement: dict[Prepared, list[_Question]] = defaultdict(list)
        for query in queries:
            by_statement[query.prepared].append(query)
        groups = [*by_statement.values()]
        for together in [groups] if self.tx.asks_server else [[group] for group in groups]:
            await self._answer_together(together)

    async def _answer_together(self, groups: Sequence[Sequence[_Question]]) -> None:
        """Run groups of queries, each group of one statement, and continue their units with the results or the error."""
        questions = [
            (group[0].statement, group[0].prepared, [query.values for query in group]) for group in groups
        ]
        queries = [*chain.from_iterable(groups)]
        try:
            answers = await self.tx.ask_all(questions)
        except Exception as error:  # reason: the caller gets it
            for query in queries:
                if query.answer is None:
                    self._run_on(query.member, query.member.running.throw, error)
                elif not query.answer.done():
                    query.answer.set_exception(error)
        else:
            for query, answer in zip(queries, chain.from_iterable(answers), strict=True):
                if query.answer is None:
                    self._run_on(query.member, query.member.running.send, answer)
                elif not query.answer.done():
                    query.answer.set_result(answer)

    async def _write(self) -> None:
        """Run the pending writes of all completed units. Writes of the same statement become one, as long as the writes of
        each unit stay in their order."""
        groups: list[PendingWrite] = []
        places: dict[object, list[int]] = defaultdict(list)
        for member in self._members:
            lowest = 0
            for write in member.to_write():
                same_statement = places[
                    write.statement
                    if isinstance(write.statement, RowInsert)
                    else (write.statement, *write.values[0])
                ]
                for place in same_statement:
                    if place >= lowest:
                        break
                else:
                    place = len(groups)
                    same_statement.append(place)
                    groups.append(PendingWrite(write.statement, write.table, [], finish=write.finish))
                lowest, group = place, groups[place]
                group.values += write.values
                if write.check is not None and group.check is None:
                    group.check = _as_many_as(group)
        await self.tx.write_pending(groups)


def _as_many_as(group: PendingWrite) -> Check:
    """Return a check that raises StoreFailure unless all rows of the group were written. The units then run again alone,
    which shows which one failed."""

    def check(changed: int) -> None:
        if changed != len(group.values):
            raise StoreFailure(f"{changed} rows of {group.table} were written, and not {len(group.values)}")

    return check


def _key_error() -> StoreFailure:
    return StoreFailure("a unique key of a row of the batch is taken")


class _Member(Transaction):
    """The batch's transaction as one unit sees it: queries wait for those of the other units, writes wait for the end."""

    _prepares_at_once = True

    def __init__(self, batch: _Batch, unit: _Unit[Any]) -> None:
        super().__init__(batch.tx.line, shared=batch.writes)
        self._batch, self.unit = batch, unit
        self.running: Coroutine[Any, Any, None] = batch.run_one(self)
        self.result: Any = None  # Any: the body's result
        self.error: Exception | None = None
        self.is_complete = self.wrote = False

    async def commit(self) -> None:
        raise _WantsOwn

    def to_write(self) -> Sequence[PendingWrite]:
        return self._pending.all() if self.is_complete else []

    def tell_when_committed(self, tx: Transaction) -> None:
        if self.is_complete:
            tx.when_committed(*self._callbacks)

    async def flush(self) -> None:
        """Write this unit's pending writes through the batch's transaction, before the batch ends."""
        self.wrote = True
        waiting, self._pending = self._pending, PendingWrites()
        await self._batch.tx.write_pending(waiting.all())

    async def hold_all(self, names: Sequence[Sequence[str]]) -> None:
        if not self.is_shared:
            return
        for name in names:
            self._batch.hold(tuple(name), self)
        if self._on_server:
            await super().hold_all(names)

    async def lock(self, query: Select[Any], /, **values: object) -> None:
        if not self.is_shared:
            return
        self._hold_query(query, values)
        if self._on_server:
            await super().lock(query, **values)

    async def first(self, kind: type[R], query: Select[Any], /, **values: object) -> R | None:
        """Return the first row; without an order no LIMIT is added, because a query with one is combined less well."""
        prepared = self._prepared(query, values)
        if prepared is None or query._order_by_clauses:
            return await super().first(kind, query, **values)
        rows = await self.rows(kind, query, **values)
        return rows[0] if rows else None

    async def find_all(self, *questions: BoundQuery) -> Sequence[Sequence[Any]]:
        """Run the queries one after the other, each combined with those of the other units."""
        return [await self.tuples(query, **values) for query, values in questions]

    async def insert_or_else(self, row: Row, otherwise: Callable[[], Awaitable[None]]) -> None:
        self._pending.add_separate(
            row_insert(type(row), missing=True), row.__dict__, check=exactly_one(_key_error)
        )

    async def _run_required(self, write: RowInsert | UpdateBase, *sets: Any, check: Check) -> None:
        self._pending.add_separate(write, *sets, check=check)

    async def change_many(self, statement: Update, values: Sequence[Any]) -> None:
        for row_values in values:
            self._pending.add_separate(statement, row_values)

    async def _execute(self, statement: Executable, values: dict[str, Any]) -> StatementResult:
        """Run a statement: a query waits to run together with those of other units, any other statement runs at once."""
        prepared = self._prepared(statement, values)
        # A query that needs rows which this unit has yet to write runs at once, too.
        needs_own = prepared is not None and not self._pending.is_empty and self._asks_for_own(prepared)
        if prepared is None or prepared.changes or needs_own:
            self.wrote = self.wrote or not self._pending.is_empty or isinstance(statement, UpdateBase)
            return await super()._execute(statement, values)
        if prepared.locks_rows:
            self._hold_query(statement, values)
        answer = await _ask(_Question(self, statement, prepared, values))
        if prepared.locks_rows:  # another unit's query, with other values, may find the same row
            for row in answer.rows:
                self._batch.hold(tuple(row), self)
        return answer

    async def _execute_many(self, statement: Executable, many: list[dict[str, Any]]) -> int:
        self.wrote = True
        return await super()._execute_many(statement, many)

    def _hold_query(self, statement: Executable, values: Any) -> None:
        """Hold the query's tables and values against the other units; of a list of ids each id by itself, with the same key
        as a query for that id alone."""
        lists = [v for v in values.values() if isinstance(v, list)]
        key = (_tables_of(statement), *(v for v in values.values() if not isinstance(v, list)))
        for ids in zip(*lists, strict=True) if lists else [()]:
            self._batch.hold((*key, *ids), self)


@lru_cache(maxsize=512)
def _tables_of(query: Select[Any]) -> tuple[str, ...]:
    return tuple(sorted(str(table) for table in query.get_final_froms()))
