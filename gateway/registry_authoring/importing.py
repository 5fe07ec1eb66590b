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
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from functools import partial
from importlib import resources
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.domain.event import EventKind
from gateway.domain.identity import Digest
from gateway.domain.registry import RowSource
from gateway.domain.registry_change import RECORD_FIELDS, AgencyRecord, Plan, RegistryChange, RowChange
from gateway.domain.registry_reform import ReformEffect, ReformState
from gateway.errors import Clash
from gateway.ports.services import Clock, Pool
from gateway.registry.binding_events import SqlBindingLog
from gateway.registry.lookup import ROWS_AT_ONCE
from gateway.registry.tables import AGENCY, CHANGE, REFORM, REFORM_CODE
from gateway.registry_authoring import csv_file, planning
from gateway.registry_authoring.planning import Base
from gateway.registry_authoring.rows import (
    CODES_KEPT,
    keep_belief,
    lock_table,
    note_takeovers,
    record_change,
    row_values,
    update_rows,
)

BY_AXIS = "axis:"
"""Beginning of the principal of a list that a foreign axis gave: it adds agencies, and decides no take-over."""
MAX_PROBLEMS_IN_MESSAGE = 20  # problems listed in the refusal; the plan has all of them

_COLUMNS = [AGENCY.c[name] for name in (*RECORD_FIELDS, "source")]
LOADED_BY = "starter"
_STARTER_CODES = select(AGENCY.c.code, AGENCY.c.source)
# Fields that a reform writes for a code that it ends, begins or changes.
_WRITTEN_FIELDS: Mapping[ReformEffect, tuple[str, ...]] = {
    ReformEffect.ENDED: ("valid_to", "successor"),
    ReformEffect.BEGUN: ("name", "parent", "valid_from"),
    ReformEffect.CHANGED: ("name", "parent"),
    ReformEffect.HEIR: (),
}


async def apply(
    connection: AsyncConnection, clock: Clock, log: SqlBindingLog, plan: Plan, principal: str
) -> RegistryChange:
    """Apply the plan, with its record and event. Clash when it has problems, or the registry changed since it was made."""
    refuse_problems(plan)
    await lock_table(connection, "agency")
    if await _digest(connection) != plan.base_digest:
        raise Clash(
            "the registry changed since this plan was made; nothing was imported: make the plan again"
        )
    id = clock.new_id()
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
    base = replace(await read_base(connection), reserved=await held_back_by_reforms(connection, today))
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
    await keep_belief(connection, [r.code for r in plan.rows if r.code not in added], id, now)
    for start in range(0, len(plan.rows), ROWS_AT_ONCE):
        part = [
            row_values(agency, RowSource.IMPORTED, now) for agency in plan.rows[start : start + ROWS_AT_ONCE]
        ]
        if new := [row for row in part if row["code"] in added]:
            await connection.execute(insert(AGENCY), new)
        await update_rows(connection, [row for row in part if row["code"] not in added])
    if not principal.startswith(BY_AXIS):
        await note_takeovers(connection, plan.rows, id, now)
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
        async for part in result.partitions(ROWS_AT_ONCE):
            for row in part:
                yield tuple(row)
            await asyncio.sleep(0)  # lets other tasks run: on SQLite nothing else here yields


def _plan(base: Base, csv_bytes: bytes) -> Plan:
    source_digest = Digest(hashlib.sha256(csv_bytes).hexdigest())
    return planning.plan(base, csv_file.read(csv_bytes), source_digest)


def _summary(plan: Plan) -> dict[str, object]:
    parts: dict[str, Sequence[AgencyRecord | RowChange]] = {
        "added": plan.added,
        "changed": plan.changed,
        "closed": plan.closed,
    }
    codes = {name: [row.code for row in rows[:CODES_KEPT]] for name, rows in parts.items()}
    return {name: len(rows) for name, rows in parts.items()} | {"unchanged": plan.unchanged, "codes": codes}


async def load_starter(connection: AsyncConnection, clock: Clock) -> int:
    """Add or update the starter rows and return their number; 0 when this list was loaded before."""
    raw = resources.files("gateway.registry_authoring").joinpath("starter.csv").read_bytes()
    digest, now = Digest(hashlib.sha256(raw).hexdigest()), clock.now()
    await lock_table(connection, "agency")
    loaded = select(CHANGE.c.id).where(CHANGE.c.source_digest == digest, CHANGE.c.by_principal == LOADED_BY)
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


async def held_back_by_reforms(connection: AsyncConnection, today: date) -> dict[str, dict[str, str]]:
    """Return the fields set by approved reforms to come, by code, with the reform's id; the later reform where two set
    the same."""
    query = (
        select(REFORM_CODE.c.code, REFORM_CODE.c.part, REFORM.c.id)
        .join(REFORM, REFORM_CODE.c.reform_id == REFORM.c.id)
        .where(REFORM.c.state == ReformState.APPROVED.value, REFORM.c.effective_on > today)
        .order_by(REFORM.c.effective_on, REFORM.c.id)
    )
    fields_by_code: dict[str, dict[str, str]] = defaultdict(dict)
    for code, part, id in await connection.execute(query):
        fields_by_code[code] |= dict.fromkeys(_WRITTEN_FIELDS[ReformEffect(part)], id)
    return dict(fields_by_code)
