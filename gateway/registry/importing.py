"""Changes the registry from a file, in two steps: a plan that writes nothing, then applying exactly that plan; and loads
the bundled list of level-1 codes (starter.csv), so that a new node knows ministries and provinces by name. In: CSV bytes
(columns in `csv_file`), or a plan and its principal. Out: `Plan`, then the stored `RegistryChange`. One transaction;
refused when the registry changed since the plan was made. Certificate bindings are never touched: they need two people
(K6). Starter rows are loaded once per list; they only warn, never refuse (R48, recipients are codes), and never replace
an imported row; rows of an earlier list are updated. Bodies dissolved in 2025 are closed, with their successor where the
list has one. Their check note says what a person must still confirm (R83, dissolved bodies)."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from functools import partial
from importlib import resources
from typing import Any

from sqlalchemy import Row, bindparam, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.domain.event import EventKind
from gateway.domain.identity import Digest
from gateway.domain.registry import RowSource
from gateway.domain.registry_change import RECORD_FIELDS, AgencyRecord, Plan, RegistryChange, RowChange
from gateway.domain.text import fold
from gateway.errors import Clash
from gateway.ports.services import Clock, Pool
from gateway.registry import csv_file, lookup, planning, takeovers
from gateway.registry.binding_events import SqlBindingLog
from gateway.registry.planning import Base
from gateway.registry.tables import AGENCY, CHANGE, as_utc, aware

BY_AXIS = "axis:"
"""Beginning of the principal of a list that a foreign axis gave: it adds agencies, and decides no take-over."""
AT_ONCE = 1000  # rows read or written between two turns of the event loop
CODES_KEPT = 500  # codes of each kind listed in the stored summary; its counts are complete
MAX_PROBLEMS_IN_MESSAGE = 20  # problems listed in the refusal; the plan has all of them

_COLUMNS = [AGENCY.c[name] for name in (*RECORD_FIELDS, "source")]
LOADED_BY = "starter"
_STARTER_CODES = select(AGENCY.c.code, AGENCY.c.source)


async def plan_import(reader: AsyncEngine, pool: Pool | None, csv_bytes: bytes, today: date) -> Plan:
    """Plan the import of a file, without writing anything; every bad row is in `problems`."""
    async with reader.connect() as connection:
        return await make_plan(connection, pool, csv_bytes, today)


async def apply(
    writer: AsyncEngine, clock: Clock, log: SqlBindingLog, plan: Plan, principal: str
) -> RegistryChange:
    """Apply the plan, with its record and event. Clash when it has problems, or the registry changed since it was made."""
    refuse_problems(plan)
    id = clock.new_id()
    async with writer.begin() as connection:
        await lock_table(connection, "agency")
        if await _digest(connection) != plan.base_digest:
            raise Clash(
                "the registry changed since this plan was made; nothing was imported: make the plan again"
            )
        change = await write(connection, plan, id, principal, clock.now())
        await log.note(connection, EventKind.CODES_IMPORTED, id, principal, import_facts(plan))
    return change


def refuse_problems(plan: Plan) -> None:
    """Raise Clash with the first problems of a plan that has any."""
    if plan.problems:
        listed = "; ".join(str(problem) for problem in plan.problems[:MAX_PROBLEMS_IN_MESSAGE])
        raise Clash(f"the file has {len(plan.problems)} problems and was not imported: {listed}")


async def make_plan(connection: AsyncConnection, pool: Pool | None, csv_bytes: bytes, today: date) -> Plan:
    """Plan the import against the registry as this connection sees it."""
    base = replace(await read_base(connection), reserved=await lookup.held_back_by_reforms(connection, today))
    moved = {code: record.moved_by(today) for code, record in base.records.items() if record.next_host_from}
    base = replace(base, records={**base.records, **moved}) if moved else base
    work = partial(_plan, base, csv_bytes)
    return work() if pool is None else await pool.run(work)


async def write(
    connection: AsyncConnection, plan: Plan, id: str, principal: str, now: datetime
) -> RegistryChange:
    """Write the plan's rows in the caller's transaction, keeping the earlier rows as the belief of their time."""
    change = RegistryChange(
        id=id, at=now, by=principal, source_digest=plan.source_digest, summary=_summary(plan)
    )
    added = {a.code for a in plan.added}
    await lookup.keep_belief(connection, [r.code for r in plan.rows if r.code not in added], id, now)
    for start in range(0, len(plan.rows), AT_ONCE):
        part = [row_values(agency, RowSource.IMPORTED, now) for agency in plan.rows[start : start + AT_ONCE]]
        if new := [row for row in part if row["code"] in added]:
            await connection.execute(insert(AGENCY), new)
        await update_rows(connection, [row for row in part if row["code"] not in added])
    if not principal.startswith(BY_AXIS):
        await takeovers.note(connection, plan.rows, id, now)
    await record_change(connection, change)
    return change


def import_facts(plan: Plan) -> dict[str, object]:
    """Return the data of an import's event."""
    return {
        "source": plan.source_digest,
        "added": len(plan.added),
        "changed": len(plan.changed),
        "closed": len(plan.closed),
    }


async def read_base(connection: AsyncConnection) -> Base:
    """Read every row for comparison with a plan, and a digest that changes with any row."""
    records: dict[str, AgencyRecord] = {}
    starters: set[str] = set()
    same: dict[Any, Any] = {}
    hasher = hashlib.sha256()
    async for row in _every_row(connection):
        hasher.update(repr(row).encode())
        *values, source = row
        columns = dict(zip(RECORD_FIELDS, values, strict=True))
        # Thousands of rows repeat these values, so one copy is kept.
        columns |= {name: same.setdefault(columns[name], columns[name]) for name in csv_file.REPEATED}
        agency = AgencyRecord(**columns)
        records[agency.code] = agency
        if source == RowSource.STARTER:
            starters.add(agency.code)
    return Base(records=records, starters=frozenset(starters), digest=Digest(hasher.hexdigest()))


async def _digest(connection: AsyncConnection) -> Digest:
    """Return the digest of `read_base` without keeping the rows."""
    hasher = hashlib.sha256()
    async for row in _every_row(connection):
        hasher.update(repr(row).encode())
    return Digest(hasher.hexdigest())


async def _every_row(connection: AsyncConnection) -> AsyncIterator[tuple[Any, ...]]:
    async with connection.stream(select(*_COLUMNS).order_by(AGENCY.c.code)) as result:
        async for part in result.partitions(AT_ONCE):
            for row in part:
                yield tuple(row)
            await asyncio.sleep(0)  # lets other tasks run: on SQLite nothing else here yields


async def lock_table(connection: AsyncConnection, table: str) -> None:
    """Lock the table against other writers until the transaction ends. SQLite needs no lock, because it has one writer."""
    if connection.dialect.name == "postgresql":
        await connection.execute(text(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE"))


async def record_change(connection: AsyncConnection, change: RegistryChange) -> None:
    """Store the record of a change for ever, in the caller's transaction."""
    await connection.execute(
        insert(CHANGE).values(
            id=change.id,
            at=as_utc(change.at),
            by_principal=change.by,
            source_digest=change.source_digest,
            summary=json.dumps(change.summary, ensure_ascii=False),
        )
    )


def to_change(row: Row[Any]) -> RegistryChange:
    """Return a change from its stored row."""
    return RegistryChange(
        id=row.id,
        at=aware(row.at),
        by=row.by_principal,
        source_digest=Digest(row.source_digest),
        summary=json.loads(row.summary),
    )


def row_values(agency: AgencyRecord, source: RowSource, at: datetime) -> dict[str, Any]:
    """Return all columns of a row for this record."""
    return {name: getattr(agency, name) for name in RECORD_FIELDS} | {
        "folded": fold(agency.name),
        "source": source.value,
        "check_note": None,
        "updated_at": as_utc(at),
    }


def _plan(base: Base, csv_bytes: bytes) -> Plan:
    source_digest = Digest(hashlib.sha256(csv_bytes).hexdigest())
    return planning.plan(base, csv_file.read(csv_bytes), source_digest)


async def update_rows(connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Update the row of each code with these columns, which are the same for all rows."""
    if rows:
        statement = (
            update(AGENCY)
            .where(AGENCY.c.code == bindparam("_code"))
            .values({name: bindparam(f"_{name}") for name in rows[0] if name != "code"})
        )
        values = [{f"_{name}": value for name, value in row.items()} for row in rows]
        await connection.execute(statement, values)


def _summary(plan: Plan) -> dict[str, object]:
    parts: dict[str, Sequence[AgencyRecord | RowChange]] = {
        "added": plan.added,
        "changed": plan.changed,
        "closed": plan.closed,
    }
    codes = {name: [row.code for row in rows[:CODES_KEPT]] for name, rows in parts.items()}
    return {name: len(rows) for name, rows in parts.items()} | {"unchanged": plan.unchanged, "codes": codes}


async def load_starter(writer: AsyncEngine, clock: Clock) -> int:
    """Add or update the starter rows and return their number; 0 when this list was loaded before."""
    raw = resources.files("gateway.registry").joinpath("starter.csv").read_bytes()
    digest, now = Digest(hashlib.sha256(raw).hexdigest()), clock.now()
    async with writer.begin() as connection:
        await lock_table(connection, "agency")
        loaded = select(CHANGE.c.id).where(
            CHANGE.c.source_digest == digest, CHANGE.c.by_principal == LOADED_BY
        )
        if (await connection.execute(loaded)).first() is not None:
            return 0
        sources = {agency.code: agency.source for agency in await connection.execute(_STARTER_CODES)}
        values = {
            row["code"]: row_values(_starter_record(row), RowSource.STARTER, now)
            | {"check_note": row["check_note"]}
            for row in csv.DictReader(io.StringIO(raw.decode("utf-8")))
        }
        added = [agency for code, agency in values.items() if code not in sources]
        changed = [code for code in values if sources.get(code) == RowSource.STARTER]
        if added:
            await connection.execute(insert(AGENCY), added)
        await update_rows(connection, [values[code] for code in changed])
        summary: dict[str, object] = {
            "added": len(added),
            "changed": len(changed),
            "unchanged": len(sources) - len(changed),
        }
        await record_change(
            connection,
            RegistryChange(id=clock.new_id(), at=now, by=LOADED_BY, source_digest=digest, summary=summary),
        )
    return len(added) + len(changed)


def _starter_record(row: dict[str, str]) -> AgencyRecord:
    return AgencyRecord(
        code=row["code"],
        name=row["name"],
        valid_to=date.fromisoformat(row["valid_to"]) if row["valid_to"] else None,
        successor=row["successor"] or None,
        decision=row["decision"],
    )
