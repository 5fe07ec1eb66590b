"""Takes the lists of agencies that foreign axes give into the registry. In: a list as CSV, one line an agency. Out: a row
that tells its outcome. New agencies are added, as one person may add them; lines that change known agencies wait for two
people, and so do new ones where the list adds too many at once. Lines that contradict the registry or each other are kept
as conflicts and never resolved here. A process claims a list by the row of its hour, so that two do not ask at once. The
signed list of the issuer, fetched from its address, has such rows too: they tell when it came, and why it did not."""

from __future__ import annotations

import base64
import csv
import json
import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.domain.axis_list import AxisList, AxisListState
from gateway.domain.registry_change import Plan, RowProblem
from gateway.errors import Clash, NotFound
from gateway.ports.services import Clock
from gateway.registry.tables import AXIS_LIST, failures_named
from gateway.registry_authoring.changes import SqlDirectoryChanges
from gateway.registry_authoring.importing import BY_AXIS
from gateway.store.row import value_of

FETCHED_FEED = "@feed"
"""Stands in place of an axis for the signed list that is fetched from its address; no axis has such a name."""
MOST_KEPT = 30
"""Lists that are kept for each axis; the lines that wait are kept of the newest."""
MOST_PROBLEMS = 200
_MOST_LISTED = 100
# A line that is left out may leave another one without its parent.
_MOST_ROUNDS = 8
_T = AXIS_LIST


class SqlAxisLists:
    """Lists of agencies that foreign axes gave. Each call is durable on return."""

    def __init__(
        self,
        writer: AsyncEngine,
        reader: AsyncEngine,
        clock: Clock,
        changes: SqlDirectoryChanges,
        *,
        every: timedelta,
        most_new: int,
    ) -> None:
        self._writer, self._reader, self._clock = writer, reader, clock
        self._changes, self._every, self._most_new = changes, every, most_new

    async def claim(self, axis: str, every: timedelta | None = None) -> str | None:
        """Begin the list of an axis that is due now, and return its id; None where none is due, or another process has
        it."""
        now = self._clock.now()
        slot = int(now.timestamp() // (every or self._every).total_seconds())
        id = f"{axis}:{slot}"
        with failures_named():
            async with self._reader.connect() as connection:
                if (await connection.execute(select(_T.c.id).where(_T.c.id == id))).first() is not None:
                    return None
            try:
                async with self._writer.begin() as connection:
                    row = {"id": id, "axis": axis, "at": now, "state": AxisListState.RUNNING.value}
                    await connection.execute(insert(_T).values(row))
            except IntegrityError:
                return None
        return id

    async def take(self, id: str, content: bytes, left_out: int) -> AxisList:
        """Take the list into the registry, and keep the lines that wait for people."""
        lines, plan, problems = await self._without_conflicts(content.splitlines())
        new = {agency.code for agency in plan.added}
        changed = {change.code for change in (*plan.changed, *plan.closed)}
        is_large = len(new) > self._most_new
        if new and not is_large:
            axis = id.rpartition(":")[0]
            added = await self._changes.plan_import(_join(_lines_of(lines, new)))
            await self._changes.apply(added, f"{BY_AXIS}{axis}")
        waiting = _lines_of(lines, changed | new if is_large else changed)[1:]
        await self._finish(
            id,
            state=AxisListState.WAITING if waiting or problems else AxisListState.DONE,
            added=0 if is_large else len(new),
            waiting=len(waiting),
            conflicts=len(problems),
            left_out=left_out,
            is_large=is_large,
            content=_pack(_join([lines[0], *waiting])) if waiting else "",
            problems=json.dumps(problems[:MOST_PROBLEMS], ensure_ascii=False),
        )
        return await self.get(id)

    async def finish_fetched(self, id: str, changes: int) -> None:
        """Record that the issuer's signed list came, with the number of rows that it changed."""
        await self._finish(id, state=AxisListState.DONE, added=changes)

    async def fail(self, id: str, why: str) -> None:
        """Record why the list could not be taken."""
        await self._finish(id, state=AxisListState.FAILED, fault=why)

    async def get(self, id: str) -> AxisList:
        with failures_named():
            async with self._reader.connect() as connection:
                row = (await connection.execute(select(_T).where(_T.c.id == id))).first()
        if row is None:
            raise NotFound(f"there is no list {id}", hint="list them with: gateway registry axis-lists")
        return _to_list(row)

    async def listed(self) -> Sequence[AxisList]:
        return await list_all(self._reader)

    async def waiting_lines(self, id: str) -> bytes:
        return await waiting_lines(self._reader, id)

    async def _without_conflicts(
        self, lines: Sequence[bytes]
    ) -> tuple[Sequence[bytes], Plan, Sequence[Mapping[str, str]]]:
        """Return the lines that do not contradict the registry or each other, with their plan, and the problems of the
        others."""
        conflicts: list[Mapping[str, str]] = []
        for _ in range(_MOST_ROUNDS):
            plan = await self._changes.plan_import(_join(lines))
            if not plan.problems:
                return lines, plan, conflicts
            conflicts += [_conflict(lines, problem) for problem in _first_of_each_line(plan)]
            bad = {problem.line for problem in plan.problems}
            if 1 in bad:
                break
            lines = [line for n, line in enumerate(lines, 1) if n not in bad]
        raise Clash(f"the list of agencies cannot be taken: {conflicts[-1]['advice']}")

    async def _finish(self, id: str, **columns: Any) -> None:
        axis = id.rpartition(":")[0]
        values = {
            name: value.value if isinstance(value, AxisListState) else value
            for name, value in columns.items()
        }
        newest = select(_T.c.id).where(_T.c.axis == axis).order_by(_T.c.at.desc()).limit(MOST_KEPT)
        with failures_named():
            async with self._writer.begin() as connection:
                if columns["state"] is not AxisListState.FAILED:
                    # What waited by an earlier list is judged by this one.
                    await connection.execute(update(_T).where(_T.c.axis == axis).values(content=""))
                await connection.execute(update(_T).where(_T.c.id == id).values(values))
                kept_ids = [row.id for row in await connection.execute(newest)]
                await connection.execute(delete(_T).where(_T.c.axis == axis, _T.c.id.not_in(kept_ids)))


async def list_all(reader: AsyncEngine) -> Sequence[AxisList]:
    """List the lists that are kept, the newest first."""
    with failures_named():
        async with reader.connect() as connection:
            query = select(_T).order_by(_T.c.at.desc(), _T.c.id.desc()).limit(_MOST_LISTED)
            return [_to_list(row) for row in await connection.execute(query)]


async def waiting_lines(reader: AsyncEngine, id: str) -> bytes:
    """Return the lines that wait, as a file for an import. Clash where they are kept no more, or none wait."""
    with failures_named():
        async with reader.connect() as connection:
            row = (await connection.execute(select(_T.c.content).where(_T.c.id == id))).first()
    if row is None or not row.content:
        raise Clash(f"no line of the list {id} waits", hint="gateway registry axis-lists")
    return zlib.decompress(base64.b64decode(row.content))


def newest_by_axis(lists: Sequence[AxisList]) -> Sequence[AxisList]:
    """Return the newest list of each axis; `lists` are the newest first."""
    newest: dict[str, AxisList] = {}
    for axis_list in lists:
        newest.setdefault(axis_list.axis, axis_list)
    return list(newest.values())


def to_look_at(lists: Sequence[AxisList]) -> Sequence[AxisList]:
    """Return the newest list of each axis, and where it failed, the last one that was taken: its lines still wait."""
    lists = [axis_list for axis_list in lists if axis_list.axis != FETCHED_FEED]
    newest = newest_by_axis(lists)
    newest_processed = newest_by_axis(
        [x for x in lists if x.state in (AxisListState.DONE, AxisListState.WAITING)]
    )
    return [*newest, *(axis_list for axis_list in newest_processed if axis_list not in newest)]


def is_overdue(axis_list: AxisList, now: datetime, every: timedelta) -> bool:
    """Tell whether the axis should have given a newer list by now."""
    return now - axis_list.at > 3 * every


def _first_of_each_line(plan: Plan) -> Sequence[RowProblem]:
    return list({problem.line: problem for problem in reversed(plan.problems)}.values())


def _conflict(lines: Sequence[bytes], problem: RowProblem) -> Mapping[str, str]:
    code, name, *_ = (*_cells(lines[problem.line - 1]), "", "")
    return {
        "code": code,
        "name": name,
        "column": problem.column,
        "found": problem.found,
        "advice": problem.advice,
    }


def _cells(line: bytes) -> Sequence[str]:
    return next(csv.reader([line.decode("utf-8", "replace")]), [])


def _lines_of(lines: Sequence[bytes], codes: set[str]) -> list[bytes]:
    """Return the heading and the lines of these codes."""
    return [lines[0], *(line for line in lines[1:] if _cells(line)[0] in codes)]


def _join(lines: Sequence[bytes]) -> bytes:
    return b"\n".join(lines) + b"\n"


def _pack(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content, 9)).decode()


def _to_list(row: Row[Any]) -> AxisList:
    return value_of(AxisList, row)
