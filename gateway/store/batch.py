"""Units of work that share one transaction. In: the bodies of units that are asked for at the same time, each for an agency
of its own. Out: what each of them gave, when all are committed.

Each unit is written as if it were alone. What several of them ask is asked as one statement, what they write is written
together, table by table, and all of them are committed at once: a statement and a commit cost more than a row. No unit sees
what another one is about to write. As between transactions of a server, what a unit holds (`kept`, `hold`) it holds against
the others: whoever wants it too is done after the batch, by itself. So is every unit of a batch that fails, and each of
them fails or succeeds alone then. Views that are asked for at the same time are shared too: they hold nothing.

A unit mostly waits for answers of the database alone, and these come to all at once: the batch itself runs each on from
answer to answer, without a task for each unit and a future for each question. Who waits for anything else becomes a
task."""

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
from gateway.store.transaction import Asked, Transaction
from gateway.store.work import SqlWork

T = TypeVar("T")
R = TypeVar("R", bound=Row)
Body = Callable[[SqlWork], Awaitable[T]]

# More of them would hold up whoever wants to write besides.
MOST = 32


class _WantsOwn(Exception):
    """This unit needs a transaction of its own."""


@dataclass(slots=True, eq=False)
class _Unit(Generic[T]):
    scope: AgencyScope
    body: Body[T]
    context: contextvars.Context
    over: asyncio.Future[T]

    def succeed(self, result: T) -> None:
        if not self.over.done():  # whoever asked may be gone
            self.over.set_result(result)

    def fail(self, error: BaseException) -> None:
        if not self.over.done():
            self.over.set_exception(error)


class SharedUnits:
    """The units of a store that may share a transaction. What comes while a batch is written makes the next one."""

    def __init__(
        self,
        opened: Callable[[], AbstractAsyncContextManager[Transaction]],
        made: Callable[[Transaction, AgencyScope], SqlWork],
        *,
        writes: bool = True,
    ) -> None:
        self._opened, self._made, self._writes = opened, made, writes
        self._waiting: list[_Unit[Any]] = []
        self._runner: asyncio.Task[None] | None = None
        self._later: asyncio.TimerHandle | None = None

    async def run(self, scope: AgencyScope, body: Body[T], patience_s: float = 0.0) -> T:
        """What the body gave, once that is committed. It is called once more where its batch fails. With patience it waits
        for so long for another unit, and goes with it."""
        loop = asyncio.get_running_loop()
        unit: _Unit[T] = _Unit(scope, body, contextvars.copy_context(), loop.create_future())
        self._waiting.append(unit)
        if not patience_s:
            self._start()
        elif self._later is None:
            self._later = loop.call_later(patience_s, self._start, context=contextvars.Context())
        try:
            return await unit.over
        finally:
            if unit in self._waiting:  # cut short
                self._waiting.remove(unit)

    def _start(self) -> None:
        if self._later is not None:
            self._later.cancel()
            self._later = None
        if self._waiting and (self._runner is None or self._runner.done()):
            # Not in this caller's context: the next batch is about others.
            self._runner = asyncio.get_running_loop().create_task(self._run(), context=contextvars.Context())

    async def close(self) -> None:
        """Returns when nobody waits any more."""
        if self._later is not None:
            self._start()
        if self._runner is not None:
            await asyncio.wait([self._runner])

    async def _run(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(0)  # those that are ready in the same moment come along
                await self._next()
        except BaseException as error:  # whoever waits must hear of it, whatever it is
            for unit in self._waiting:
                unit.fail(error)
            raise

    async def _next(self) -> None:
        if len(self._waiting) > 1:
            left = await self._together()
        else:
            left = self._taken()
        if len(left) == 1:
            await self._alone(left[0])
        elif left:
            await asyncio.gather(*(self._alone(unit) for unit in left))

    def _taken(self) -> Sequence[_Unit[Any]]:
        taken, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
        return taken

    async def _together(self) -> Sequence[_Unit[Any]]:
        """Those that are left to be done alone."""
        units: Sequence[_Unit[Any]] = ()
        batch: _Batch | None = None
        try:
            async with self._opened() as tx:
                units = self._taken()
                running = _Batch(tx, self._made, units, writes=self._writes)
                await running.run()
                batch = running
                if self._writes:
                    await tx.commit()
        except Exception as error:  # reason: whose fault it is shows when each is done alone
            if batch is None:
                return units or self._taken()
            # Nobody knows whether it was committed: each is told so, and nothing is done a second time.
            return batch.end(error)
        except BaseException as error:
            for unit in units:
                unit.fail(error)
            raise
        return batch.end()

    async def _alone(self, unit: _Unit[T]) -> None:
        async def done() -> T:
            async with self._opened() as tx:
                work = self._made(tx, unit.scope)
                result = await unit.body(work)
                if self._writes:
                    await work.commit()
            return result

        try:
            unit.succeed(await asyncio.get_running_loop().create_task(done(), context=unit.context))
        except Exception as error:  # reason: it is told to who asked
            unit.fail(error)
        except BaseException as error:
            unit.fail(error)
            raise


@dataclass(slots=True, eq=False)
class _Question:
    """What a unit asks: it is run on with the answer. `answer` is where it hears it when it is a task by now."""

    member: _Member
    statement: Executable
    prepared: Prepared
    values: dict[str, Any]
    answer: asyncio.Future[StatementResult] | None = None


@coroutine
def _ask(question: _Question) -> Generator[_Question, StatementResult, StatementResult]:
    """Hand the question to whoever runs the unit."""
    return (yield question)


class _Batch:
    """Several units in one open transaction, which somebody else commits."""

    def __init__(
        self,
        tx: Transaction,
        made: Callable[[Transaction, AgencyScope], SqlWork],
        units: Sequence[_Unit[Any]],
        *,
        writes: bool,
    ) -> None:
        self.tx, self._made, self.writes = tx, made, writes
        self._members = [_Member(self, unit) for unit in units]
        self._at_work = len(units)
        self._asked: list[_Question] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._turn = asyncio.Event()
        self._holders: dict[object, _Member] = {}

    async def run(self) -> None:
        """Everything is written when it returns. StoreFailure where a unit failed that had written something."""
        try:
            for member in self._members:
                self._run_on(member, member.running.send, None)
            while self._at_work:
                # Everybody who is at work waits for an answer, or says when what else he waits for is over.
                while len(self._asked) < self._at_work:
                    self._turn.clear()
                    await self._turn.wait()
                await self._answer()
        finally:
            await self._end_all()
        for member in self._members:
            if member.is_broken or (member.wrote and not member.is_whole):
                raise StoreFailure("a unit of the batch failed after it had written something")
        await self._write()
        await self.tx.put_now()
        if self.tx.is_broken:
            raise StoreFailure("the server refused a question of the batch, and undoes all of it")
        for member in self._members:
            member.tell_when_committed(self.tx)

    def end(self, failed: Exception | None = None) -> Sequence[_Unit[Any]]:
        """Tells everybody what became of his unit, once all are committed, but for those that are left to be done alone.
        `failed`: why the commit did not say that it was done."""
        left = []
        for member in self._members:
            if member.is_whole and failed is not None:
                member.unit.fail(failed)
            elif member.is_whole:
                member.unit.succeed(member.result)
            elif member.error is not None:
                member.unit.fail(member.error)
            else:
                left.append(member.unit)
        return left

    async def run_one(self, member: _Member) -> None:
        try:
            work = self._made(member, member.unit.scope)
            member.result = await member.unit.body(work)
            await work.complete()
            member.is_whole = True
        except _WantsOwn:
            pass
        except Exception as error:  # reason: it is told to who asked
            member.error = error
        finally:
            self._at_work -= 1

    def _run_on(self, member: _Member, step: Callable[[Any], object], given: object) -> None:
        """Run the unit to its next question, or to its end."""
        try:
            waits_for = member.unit.context.run(step, given)
        except (StopIteration, asyncio.CancelledError):
            return
        if isinstance(waits_for, _Question):
            self._asked.append(waits_for)
        else:
            loop, context = asyncio.get_running_loop(), member.unit.context
            self._tasks.append(loop.create_task(self._to_its_end(member.running, waits_for), context=context))

    @coroutine
    def _to_its_end(self, running: Coroutine[Any, Any, None], waits_for: object) -> Generator[Any, Any, None]:
        """Run a unit on as a task, because it waits for something else than an answer. Any: what the event loop hears."""
        step: Callable[[], object]
        try:
            while True:
                try:
                    if isinstance(waits_for, _Question):
                        waits_for.answer = asyncio.get_running_loop().create_future()
                        self._asked.append(waits_for)
                        self._turn.set()
                        step = partial(running.send, (yield from waits_for.answer))
                    else:
                        step = partial(running.send, (yield waits_for))
                except BaseException as error:  # reason: it is the unit's to deal with
                    step = partial(running.throw, error)
                waits_for = step()
        except StopIteration:
            pass
        finally:
            self._turn.set()

    async def _end_all(self) -> None:
        """Cut those short that are still at work, where the batch is."""
        if self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._at_work:
            for member in self._members:
                member.unit.context.run(member.running.close)

    def hold(self, what: object, member: _Member) -> None:
        if self._holders.setdefault(what, member) is not member:
            raise _WantsOwn

    async def _answer(self) -> None:
        """Each hears what it found, or what stands in its way: on a server all of them the same."""
        asked, self._asked = self._asked, []
        alike: dict[Prepared, list[_Question]] = defaultdict(list)
        for each in asked:
            alike[each.prepared].append(each)
        groups = [*alike.values()]
        for together in [groups] if self.tx.asks_server else [[group] for group in groups]:
            await self._answer_together(together)

    async def _answer_together(self, groups: Sequence[Sequence[_Question]]) -> None:
        """Those of a group ask with the same statement."""
        questions = [
            (group[0].statement, group[0].prepared, [each.values for each in group]) for group in groups
        ]
        asked = [*chain.from_iterable(groups)]
        try:
            results = await self.tx.ask_for_each(questions)
        except Exception as error:  # reason: it is told to who asked
            for each in asked:
                if each.answer is None:
                    self._run_on(each.member, each.member.running.throw, error)
                elif not each.answer.done():
                    each.answer.set_exception(error)
        else:
            for each, result in zip(asked, chain.from_iterable(results), strict=True):
                if each.answer is None:
                    self._run_on(each.member, each.member.running.send, result)
                elif not each.answer.done():
                    each.answer.set_result(result)

    async def _write(self) -> None:
        """What they write into one table in one way is together, but nothing of a unit goes before what that unit asked for
        earlier."""
        groups: list[PendingWrite] = []
        places: dict[object, list[int]] = defaultdict(list)
        for member in self._members:
            at = 0
            for each in member.to_write():
                alike = places[
                    each.what if isinstance(each.what, RowInsert) else (each.what, *each.values[0])
                ]
                for place in alike:
                    if place >= at:
                        break
                else:
                    place = len(groups)
                    alike.append(place)
                    groups.append(PendingWrite(each.what, each.table, [], finish=each.finish))
                at, group = place, groups[place]
                group.values += each.values
                if each.check is not None and group.check is None:
                    group.check = _as_many_as(group)
        await self.tx.put_together(groups)


def _as_many_as(group: PendingWrite) -> Check:
    """Which of them it was, and what is done then, shows when each unit is done alone."""

    def check(changed: int) -> None:
        if changed != len(group.values):
            raise StoreFailure(f"{changed} rows of {group.table} were written, and not {len(group.values)}")

    return check


def _taken() -> StoreFailure:
    return StoreFailure("a unique key of a row of the batch is taken")


class _Member(Transaction):
    """The transaction as one unit of the batch has it."""

    def __init__(self, batch: _Batch, unit: _Unit[Any]) -> None:
        super().__init__(batch.tx.line, shared=batch.writes)
        self._batch, self.unit = batch, unit
        self.running: Coroutine[Any, Any, None] = batch.run_one(self)
        self.result: Any = None  # Any: whatever the body gives
        self.error: Exception | None = None
        self.is_whole = self.wrote = False

    async def commit(self) -> None:
        raise _WantsOwn

    def to_write(self) -> Sequence[PendingWrite]:
        return self._pending.all() if self.is_whole else []

    def tell_when_committed(self, tx: Transaction) -> None:
        if self.is_whole:
            tx.when_committed(*self._then)

    async def put_now(self) -> None:
        """By the transaction of all of them: what is counted is counted once."""
        self.wrote = True
        waiting, self._pending = self._pending, PendingWrites()
        await self._batch.tx.put_together(waiting.all())

    async def hold_each(self, names: Sequence[Sequence[str]]) -> None:
        if not self.is_shared:
            return
        for name in names:
            self._batch.hold(tuple(name), self)
        if self._on_server:
            await super().hold_each(names)

    async def keep(self, query: Select[Any], /, **values: object) -> None:
        if not self.is_shared:
            return
        self._hold_asked(query, values)
        if self._on_server:
            await super().keep(query, **values)

    async def first(self, kind: type[R], query: Select[Any], /, **values: object) -> R | None:
        """Without a limit where one row is all that there can be: with it, nobody could ask with others."""
        prepared = self._prepared(query, values)
        if prepared is None or query._order_by_clauses:
            return await super().first(kind, query, **values)
        found = await self.rows(kind, query, **values)
        return found[0] if found else None

    async def find_each(self, *questions: Asked) -> Sequence[Sequence[Any]]:
        """One after the other, each with what the other units ask."""
        return [await self.tuples(query, **values) for query, values in questions]

    async def put_first(self, row: Row, otherwise: Callable[[], Awaitable[None]]) -> None:
        self._pending.add_apart(row_insert(type(row), missing=True), row.__dict__, check=exactly_one(_taken))

    async def _surely(self, what: RowInsert | UpdateBase, *sets: Any, check: Check) -> None:
        self._pending.add_apart(what, *sets, check=check)

    async def change_many(self, statement: Update, values: Sequence[Any]) -> None:
        for each in values:
            self._pending.add_apart(statement, each)

    async def _execute(self, statement: Executable, values: dict[str, Any]) -> StatementResult:
        prepared = self._prepared(statement, values)
        if prepared is None or prepared.changes or not self._may_wait(prepared):
            self.wrote = self.wrote or not self._pending.is_empty or isinstance(statement, UpdateBase)
            return await super()._execute(statement, values)
        if prepared.keeps:
            self._hold_asked(statement, values)
        found = await _ask(_Question(self, statement, prepared, values))
        if prepared.keeps:  # the same row may be asked for in another way
            for row in found.rows:
                self._batch.hold(tuple(row), self)
        return found

    def _may_wait(self, prepared: Prepared) -> bool:
        """Whether this question is not about what this unit has yet to write."""
        return self._pending.is_empty or not self._asks_for_own(prepared)

    async def _execute_many(self, statement: Executable, many: list[dict[str, Any]]) -> int:
        self.wrote = True
        return await super()._execute_many(statement, many)

    def _prepared(self, statement: Executable, values: dict[str, Any]) -> Prepared | None:
        """Also when it is asked for the first time."""
        return super()._prepared(statement, values) or super()._prepared(statement, values)

    def _hold_asked(self, statement: Executable, values: Any) -> None:
        """Each of a list of ids like one that is asked for alone."""
        lists = [value for value in values.values() if isinstance(value, list)]
        one = tuple(value for value in values.values() if not isinstance(value, list))
        for each in lists[0] if len(lists) == 1 else [lists] if lists else [None]:
            self._batch.hold((_tables_of(statement), *one, each), self)


@lru_cache(maxsize=512)
def _tables_of(query: Select[Any]) -> tuple[str, ...]:
    return tuple(sorted(str(each) for each in query.get_final_froms()))
