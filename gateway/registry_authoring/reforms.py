"""Stores reforms in SQL: reads the registry around a planned one, puts it in force, undoes it; reads stored reforms. In: an
open transaction of the database that holds the registry. Out: the present state, and the earlier one. Decides nothing:
`policy.reform` does. Certificate bindings are never touched (K6)."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from operator import attrgetter
from typing import Any

from sqlalchemy import Row, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.domain.event import ACTIVE
from gateway.domain.identity import Digest
from gateway.domain.registry import RowSource
from gateway.domain.registry_change import LONGEST_CHAIN, Former, Life, RegistryChange, RegistryView
from gateway.domain.registry_reform import Ending, Reform, ReformEffect, ReformRecord, ReformState
from gateway.domain.text import fold
from gateway.errors import Clash, NotFound
from gateway.registry import lookup
from gateway.registry.endings import IS_APPROVED, adapter, reform_of
from gateway.registry.tables import AGENCY, BINDING, PERIOD, REFORM, REFORM_CODE, failures_named, record_of
from gateway.registry_authoring.rows import (
    forget_takeovers,
    keep_belief,
    lock_table,
    note_takeovers,
    record_change,
    row_values,
    update_rows,
)
from gateway.store.row import value_of

_KEPT_COLUMNS = ("check_note", "scheme")  # columns that no reform changes


async def lives(connection: AsyncConnection, codes: Collection[str]) -> dict[str, Life]:
    """Return the lives of those of these codes that exist, each with its earlier periods."""
    rows: list[Row[Any]] = []
    former: dict[str, list[Former]] = defaultdict(list)
    for part in lookup.in_parts(sorted(codes)):
        rows += (await connection.execute(select(AGENCY).where(AGENCY.c.code.in_(part)))).all()
        query = select(PERIOD.c.code, PERIOD.c.until, PERIOD.c.name, PERIOD.c.parent).where(
            PERIOD.c.code.in_(part), PERIOD.c.until.is_not(None), PERIOD.c.believed_to.is_(None)
        )
        for row in await connection.execute(query.order_by(PERIOD.c.code, PERIOD.c.until)):
            former[row.code].append(Former(until=row.until, name=row.name, parent=row.parent))
    return {
        row.code: Life(
            record=record_of(row),
            source=RowSource(row.source),
            former=tuple(former[row.code]),
        )
        for row in rows
    }


async def lives_around(connection: AsyncConnection, codes: Iterable[str]) -> dict[str, Life]:
    """Return the lives of these codes, of all their ancestors, and of all their successors."""
    known_lives: dict[str, Life] = {}
    read_codes: set[str] = set()
    unread = set(codes)
    for _ in range(LONGEST_CHAIN):
        unread -= read_codes
        if not unread:
            break
        read_codes |= unread
        more = await lives(connection, unread)
        known_lives |= more
        unread = {code for life in more.values() for code in _next(life)}
    return known_lives


def _next(life: Life) -> list[str]:
    linked = (life.record.parent, life.record.successor, *(f.parent for f in life.former))
    return [code for code in linked if code is not None]


async def aliases_of(connection: AsyncConnection, codes: Collection[str]) -> dict[str, str]:
    """Map those of these texts that are old forms to their present codes."""
    query = select(AGENCY.c.alias, AGENCY.c.code).where(AGENCY.c.alias.in_(sorted(codes)))
    return {row.alias: row.code for row in await connection.execute(query)}


async def codes_below(connection: AsyncConnection, codes: Collection[str], on: date) -> dict[str, list[str]]:
    """Return the agencies directly under each of these codes that go on after that day."""
    query = (
        select(AGENCY.c.parent, AGENCY.c.code)
        .where(AGENCY.c.parent.in_(sorted(codes)), AGENCY.c.code.not_in(sorted(codes)))
        .where(or_(AGENCY.c.valid_to.is_(None), AGENCY.c.valid_to >= on))
        .order_by(AGENCY.c.code)
    )
    children: dict[str, list[str]] = defaultdict(list)
    for parent, code in await connection.execute(query):
        children[parent].append(code)
    return dict(children)


async def same_names(
    connection: AsyncConnection, names: Mapping[str, tuple[str, str | None]]
) -> dict[str, str]:
    """Map each code to another one of the same parent whose name is equal, accents and case ignored."""
    by_name: dict[tuple[str, str | None], list[str]] = defaultdict(list)
    for part in lookup.in_parts(sorted(names)):
        parents = [parent for _, parent in map(names.__getitem__, part) if parent is not None]
        query = select(AGENCY.c.folded, AGENCY.c.parent, AGENCY.c.code).where(
            AGENCY.c.folded.in_([fold(names[code][0]) for code in part]),
            or_(AGENCY.c.parent.in_(parents), AGENCY.c.parent.is_(None)),
            AGENCY.c.valid_to.is_(None),
        )
        for folded, parent, code in await connection.execute(query.order_by(AGENCY.c.code)):
            by_name[folded, parent].append(code)
    namesakes = {
        code: next((other for other in by_name[fold(name), parent] if other != code), None)
        for code, (name, parent) in names.items()
    }
    return {code: other for code, other in namesakes.items() if other is not None}


async def certificates_of(connection: AsyncConnection, codes: Collection[str]) -> dict[str, int]:
    """Return the number of active certificates of each code."""
    query = select(BINDING.c.code, func.count()).where(
        BINDING.c.code.in_(sorted(codes)), BINDING.c.state == ACTIVE
    )
    return {row[0]: row[1] for row in await connection.execute(query.group_by(BINDING.c.code))}


async def reform_row(connection: AsyncConnection, id: str) -> Row[Any]:
    """Return a reform's row. NotFound when no such reform was approved."""
    row = (await connection.execute(select(REFORM).where(REFORM.c.id == id))).first()
    if row is None:
        raise NotFound(
            f"no change of the registry {id} was approved",
            hint="list them with: gateway registry change list",
        )
    return row


def to_record(row: Row[Any]) -> ReformRecord:
    return value_of(ReformRecord, row, reform=reform_of(row.content))


def lives_of(text: str) -> dict[str, Life | None]:
    lives_by_code: dict[str, Life | None] = adapter(dict[str, Life | None]).validate_json(text)
    return lives_by_code


async def later_reforms(connection: AsyncConnection, row: Row[Any]) -> Sequence[str]:
    """Return approved reforms since this one that name one of its codes."""
    mine = select(REFORM_CODE.c.code).where(REFORM_CODE.c.reform_id == row.id)
    query = (
        select(REFORM.c.id)
        .distinct()
        .join(REFORM_CODE, REFORM_CODE.c.reform_id == REFORM.c.id)
        .where(REFORM_CODE.c.code.in_(mine), REFORM.c.id != row.id, IS_APPROVED)
        .where(REFORM.c.approved_at >= row.approved_at)
        .order_by(REFORM.c.id)
    )
    return list((await connection.execute(query)).scalars())


async def leaning_on(
    connection: AsyncConnection, begun: Collection[str], own: Collection[str]
) -> Sequence[str]:
    """Return codes other than `own` whose parent or successor is or was one of `begun`; some of them where they are
    many."""
    mine, codes = sorted(begun), sorted(own)
    rows = select(AGENCY.c.code).where(
        or_(AGENCY.c.parent.in_(mine), AGENCY.c.successor.in_(mine)), AGENCY.c.code.not_in(codes)
    )
    earlier = select(PERIOD.c.code).where(
        PERIOD.c.parent.in_(mine), PERIOD.c.believed_to.is_(None), PERIOD.c.code.not_in(codes)
    )
    codes_now = [*(await connection.execute(rows.limit(20))).scalars()]
    return sorted({*codes_now, *(await connection.execute(earlier.limit(20))).scalars()})


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaning:
    """Reforms, rows and certificates that depend on a reform, and the present lives around its codes."""

    lives: Mapping[str, Life]
    reforms: Sequence[str] = ()
    rows: Sequence[str] = ()
    certificates: Sequence[str] = ()


class SqlReforms:
    """Dated changes of the organisation: each is in force as a whole, or undone as a whole."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def load_context(self, reform: Reform) -> RegistryView:
        """Read the registry around a planned reform; documents and hosted codes are not known here."""
        with failures_named():
            codes = reform.involved_codes
            forms = [target.alias for step in reform.flat for target in step.targets if target.alias]
            lives = await lives_around(self._connection, [*codes, *forms])
            return RegistryView(
                lives=lives,
                aliases=await aliases_of(self._connection, [*codes, *forms]),
                below=await codes_below(self._connection, reform.ended, reform.effective_on),
                same_name=await same_names(self._connection, _names(reform, lives)),
                certificates=await certificates_of(self._connection, reform.ended),
            )

    async def existing(self, codes: Sequence[str]) -> frozenset[str]:
        """Return those of these codes that the registry has."""
        with failures_named():
            return frozenset(await lives(self._connection, codes))

    async def lock_registry(self) -> None:
        """Lock the registry against other writers until the unit of work ends."""
        with failures_named():
            await lock_table(self._connection, "agency")

    async def apply(
        self, record: ReformRecord, old: Mapping[str, Life | None], new: Mapping[str, Life]
    ) -> None:
        """Write the lives in `new`, and store the reform with the lives before and after. Certificates are never touched
        (K6)."""
        with failures_named():
            content = adapter(Reform).dump_json(record.reform).decode()
            await self._write(old, new, record.id, record.approved_at)
            values = {
                "id": record.id,
                "kind": record.reform.kind.value,
                "effective_on": record.reform.effective_on,
                "state": record.state.value,
                "content": content,
                "lives_before": adapter(dict[str, Life | None]).dump_json(dict(old)).decode(),
                "lives_after": adapter(dict[str, Life | None]).dump_json(dict(new)).decode(),
                "proposed_by": record.proposed_by,
                "approved_by": record.approved_by,
                "approved_at": record.approved_at,
            }
            await self._connection.execute(insert(REFORM).values(values))
            endings = record.reform.endings
            parts = [
                {
                    "reform_id": record.id,
                    "code": code,
                    "part": _part(code in endings, code, old).value,
                    "ending": adapter(Ending).dump_json(endings[code]).decode() if code in endings else None,
                }
                for code in record.reform.codes
            ]
            await self._connection.execute(insert(REFORM_CODE), parts)
            ended = [life.record for code, life in new.items() if code in endings]
            await note_takeovers(self._connection, ended, record.id, record.approved_at)
            await self._record(record.id, record, content, old, new)

    async def get(self, id: str) -> ReformRecord:
        """Return a reform. NotFound when none of that id was approved."""
        with failures_named():
            return to_record(await reform_row(self._connection, id))

    async def lives_of(self, id: str) -> tuple[Mapping[str, Life | None], Mapping[str, Life | None]]:
        """Return the stored lives before and after a reform."""
        with failures_named():
            row = await reform_row(self._connection, id)
        return lives_of(row.lives_before), lives_of(row.lives_after)

    async def listed(
        self, limit: int, code: str | None = None, *, owed_on: date | None = None
    ) -> Sequence[ReformRecord]:
        """Return reforms, latest to take effect first: those that change or name a code, or those in effect on a day and
        not reported yet."""
        with failures_named():
            query = select(REFORM).order_by(REFORM.c.effective_on.desc(), REFORM.c.id.desc()).limit(limit)
            if code is not None:
                mine = select(REFORM_CODE.c.reform_id).where(REFORM_CODE.c.code == code)
                query = query.where(REFORM.c.id.in_(mine))
            if owed_on is not None:
                query = query.where(
                    REFORM.c.effective_on <= owed_on, REFORM.c.reported_at.is_(None), IS_APPROVED
                )
            return [to_record(row) for row in await self._connection.execute(query)]

    async def leaning_on(self, id: str) -> Leaning:
        """Return what depends on a reform, and the lives around its codes."""
        with failures_named():
            row = await reform_row(self._connection, id)
            old, new = lives_of(row.lives_before), lives_of(row.lives_after)
            begun = [code for code, life in old.items() if life is None]
            above = {life.record.parent for life in old.values() if life is not None}
            above |= {f.parent for life in old.values() if life is not None for f in life.former}
            return Leaning(
                lives=await lives_around(self._connection, {*new, *(code for code in above if code)}),
                reforms=await later_reforms(self._connection, row),
                rows=await leaning_on(self._connection, begun, list(new)),
                certificates=sorted(await certificates_of(self._connection, begun)),
            )

    async def undo(self, id: str, by: str, at: datetime, why: str) -> None:
        """Restore the lives before the reform. Clash when it is undone already."""
        with failures_named():
            old, new = await self.lives_of(id)
            change = f"{id}:undone"
            await self._write(new, old, change, at)
            await forget_takeovers(self._connection, id)
            row_filter = (REFORM.c.id == id, IS_APPROVED)
            undone_columns = {
                "state": ReformState.UNDONE.value,
                "undone_by": by,
                "undone_at": at,
                "undone_why": why,
            }
            if (
                await self._connection.execute(update(REFORM).where(*row_filter).values(undone_columns))
            ).rowcount != 1:
                raise Clash(f"the change {id} is undone already; look at it again")
            record = await self.get(id)
            content = adapter(Reform).dump_json(record.reform).decode()
            await self._record(change, record, content, new, old)

    async def report(self, id: str, by: str, at: datetime, how: str) -> None:
        """Record that a reform was reported (R80). Clash when it was reported before."""
        with failures_named():
            row_filter = (REFORM.c.id == id, REFORM.c.reported_at.is_(None))
            columns = {"reported_by": by, "reported_at": at, "reported_how": how}
            if (
                await self._connection.execute(update(REFORM).where(*row_filter).values(columns))
            ).rowcount != 1:
                raise Clash(f"the change {id} was reported before, or is none")

    async def _write(
        self, old: Mapping[str, Life | None], new: Mapping[str, Life | None], change_id: str, at: datetime
    ) -> None:
        """Write rows and earlier periods of these codes as in `new`; the rows before stay as the belief of their time."""
        await keep_belief(self._connection, new, change_id, at)
        await self._write_periods(old, new, change_id, at)
        # A code that is gone never was in force: its belief stays, and keeps the code from being given to another body.
        gone = [code for code, life in new.items() if life is None]
        for part in lookup.in_parts(gone):
            await self._connection.execute(delete(AGENCY).where(AGENCY.c.code.in_(part)))
        rows = {
            code: row_values(life.record, life.source, at) for code, life in new.items() if life is not None
        }
        begun = [values for code, values in rows.items() if old[code] is None]
        if begun:
            await self._connection.execute(insert(AGENCY), begun)
        changed = [values for code, values in rows.items() if old[code] is not None]
        await update_rows(
            self._connection,
            [
                {name: value for name, value in values.items() if name not in _KEPT_COLUMNS}
                for values in changed
            ],
        )

    async def _write_periods(
        self, old: Mapping[str, Life | None], new: Mapping[str, Life | None], change_id: str, at: datetime
    ) -> None:
        """End the beliefs in periods that are no more, and add the new ones."""
        ended: list[dict[str, Any]] = []
        added: list[dict[str, Any]] = []
        for code, life in new.items():
            previous = old[code]
            was, now = set(previous.former if previous else ()), set(life.former if life else ())
            ended += [
                {"_code": code, "_until": period.until}
                for period in sorted(was - now, key=attrgetter("until"))
            ]
            if life is not None:
                periods = sorted(now - was, key=attrgetter("until"))
                added += [_period(life, period, change_id, at) for period in periods]
        if ended:
            statement = update(PERIOD).where(
                PERIOD.c.code == bindparam("_code"),
                PERIOD.c.until == bindparam("_until"),
                PERIOD.c.believed_to.is_(None),
            )
            await self._connection.execute(statement.values(believed_to=at), ended)
        if added:
            await self._connection.execute(insert(PERIOD), added)

    async def _record(
        self,
        change_id: str,
        record: ReformRecord,
        content: str,
        old: Mapping[str, Life | None],
        new: Mapping[str, Life] | Mapping[str, Life | None],
    ) -> None:
        """Add the reform to the list of changes, like an import or a feed."""
        added = sorted(code for code in new if old[code] is None)
        closed = sorted(record.reform.ended) if change_id == record.id else []
        changed = sorted({*new} - {*added} - {*closed})
        summary: dict[str, object] = {
            "added": len(added),
            "changed": len(changed),
            "closed": len(closed),
            "codes": {"added": added, "changed": changed, "closed": closed},
            "reform": {"id": record.id, "kind": str(record.reform.kind), "state": str(record.state)},
        }
        digest = Digest(hashlib.sha256(content.encode()).hexdigest())
        at, by = record.undone_at or record.approved_at, record.undone_by or record.approved_by
        change = RegistryChange(id=change_id, at=at, by=by, source_digest=digest, summary=summary)
        await record_change(self._connection, change)


def _names(reform: Reform, lives: Mapping[str, Life]) -> dict[str, tuple[str, str | None]]:
    """Return the future name and the parent of each new or renamed code."""
    names: dict[str, tuple[str, str | None]] = {}
    for step in reform.flat:
        names |= {
            target.code: (target.name, target.parent) for target in step.targets if target.name is not None
        }
        if step.name is not None:
            names |= {code: (step.name, lives[code].record.parent) for code in step.sources if code in lives}
    return names


def _part(is_ended: bool, code: str, old: Mapping[str, Life | None]) -> ReformEffect:
    if is_ended:
        return ReformEffect.ENDED
    if code not in old:
        return ReformEffect.HEIR
    return ReformEffect.BEGUN if old[code] is None else ReformEffect.CHANGED


def _period(life: Life, former: Former, change_id: str, at: datetime) -> dict[str, Any]:
    return {
        "id": f"{change_id}:{life.record.code}:{former.until.isoformat()}",
        "code": life.record.code,
        "until": former.until,
        "name": former.name,
        "folded": fold(former.name),
        "parent": former.parent,
        "source": life.source.value,
        "believed_from": at,
        "change_id": change_id,
    }
