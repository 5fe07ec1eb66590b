"""Applies imports of codes inside a caller's transaction, and undoes one as a whole. In: an open transaction of the
database that holds the registry. Out: its rows as the plan says, or as before. The rows that an import wrote are
recognised by their time, which is the import's own, and by the belief stored before it; certificate bindings are never
touched (K6)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.domain.registry_change import RECORD_FIELDS, BuiltOnImport, ImportRecord, Plan, RegistryChange
from gateway.domain.registry_reform import ReformState
from gateway.errors import Clash, NotFound
from gateway.ports.services import Pool
from gateway.registry.lookup import in_parts
from gateway.registry.tables import AGENCY, CHANGE, PERIOD, REFORM, REFORM_CODE, failures_named
from gateway.registry_authoring import importing, planning, reforms
from gateway.registry_authoring.rows import (
    forget_takeovers,
    keep_belief,
    record_change,
    to_change,
    update_rows,
)

UNDONE = ":undone"  # suffix of the id of the change that undid another one
MAX_LISTED = 200
_RESTORED = (*RECORD_FIELDS, "folded", "source", "check_note")


class SqlImports:
    """Imports of codes approved by two people: each is in force as a whole, or undone as a whole."""

    def __init__(self, connection: AsyncConnection, pool: Pool | None = None) -> None:
        self._connection, self._pool = connection, pool

    async def plan(self, csv_bytes: bytes, today: date) -> Plan:
        """Plan the file against the present registry."""
        with failures_named():
            return await importing.make_plan(self._connection, self._pool, csv_bytes, today)

    async def apply(self, plan: Plan, id: str, by: str, at: datetime) -> None:
        """Write the plan's rows, and record the change under that id. Clash when the plan has problems."""
        importing.refuse_problems(plan)
        with failures_named():
            await importing.write(self._connection, plan, id, by, at)

    async def get(self, id: str) -> ImportRecord:
        """Return an import. NotFound when none of that id was applied."""
        with failures_named():
            changes = {c.id: c for c in map(to_change, await self._changes(id))}
        change = changes.get(id)
        if change is None or not change.is_import:
            raise NotFound(f"there was no import {id}", hint="list them with: gateway registry imports")
        undone = changes.get(id + UNDONE)
        codes = change.summary.get("codes")
        return ImportRecord(
            id=id,
            at=change.at,
            by=change.by,
            source_digest=change.source_digest,
            added=_count(change, "added"),
            changed=_count(change, "changed") + _count(change, "closed"),
            first_codes=tuple(codes["added"]) if isinstance(codes, dict) else (),
            undone_at=undone.at if undone else None,
            undone_by=undone.by if undone else None,
        )

    async def lines(self, id: str) -> Mapping[str, tuple[Mapping[str, str], Mapping[str, str]]]:
        """Return the first changed codes, each with its fields before the import and now."""
        with failures_named():
            query = select(PERIOD).where(*_kept_by(id)).order_by(PERIOD.c.code).limit(MAX_LISTED)
            old_texts = {row.code: _texts(row) for row in await self._connection.execute(query)}
            now = {row.code: _texts(row) for row in await self._rows(list(old_texts))}
        return {code: (texts, now.get(code, {})) for code, texts in old_texts.items()}

    async def built_on(self, id: str) -> BuiltOnImport:
        """Return what depends on an import: codes changed since, reforms, rows and certificates."""
        imported = await self.get(id)
        with failures_named():
            begun, changed = await self._codes_of(imported)
            touched = await self._touched(imported, begun, changed)
            return BuiltOnImport(
                begun=begun,
                changed=touched,
                reforms=await self._reforms(imported, sorted({*begun, *changed, *imported.first_codes})),
                rows=await self._leaning(begun, [*begun, *changed]),
                certificates=await self._bound(begun),
            )

    async def undo(self, id: str, by: str, at: datetime) -> None:
        """Restore every row as before the import; its rows stay as the belief of that time. Clash when it is undone
        already, or cannot be."""
        imported = await self.get(id)
        if imported.undone_at is not None:
            raise Clash(f"the import {id} is undone already; look at it again")
        with failures_named():
            begun, changed = await self._codes_of(imported)
            await keep_belief(self._connection, [*begun, *changed], id + UNDONE, at)
            for part in in_parts(begun):
                await self._connection.execute(delete(AGENCY).where(AGENCY.c.code.in_(part)))
            for part in in_parts(changed):
                await self._restore(id, part, at)
            await forget_takeovers(self._connection, id)
            await self._refuse_broken_ground(begun, changed)
            summary = {"added": 0, "changed": len(changed), "closed": len(begun), "unchanged": 0, "undid": id}
            undone = RegistryChange(
                id=id + UNDONE, at=at, by=by, source_digest=imported.source_digest, summary=summary
            )
            await record_change(self._connection, undone)

    async def _restore(self, id: str, codes: Sequence[str], at: datetime) -> None:
        query = select(PERIOD).where(*_kept_by(id), PERIOD.c.code.in_(codes))
        rows = [
            {name: getattr(row, name) for name in _RESTORED} | {"updated_at": at}
            for row in await self._connection.execute(query)
        ]
        await update_rows(self._connection, rows)

    async def _refuse_broken_ground(self, begun: Sequence[str], changed: Sequence[str]) -> None:
        """Raise Clash where a restored row would conflict with a later change, or a row refers to a code that goes."""
        base = await importing.read_base(self._connection)
        back = {code: base.records[code] for code in changed if code in base.records}
        orphans = [
            code
            for code, imported in base.records.items()
            if imported.parent in begun or imported.successor in begun
        ]
        if broken := [*planning.standing_against(base, back), *orphans]:
            raise Clash(
                f"what came later stands in the way: {', '.join(broken[:10])}; nothing was undone",
                code="REG-BUILT-ON",
            )

    async def _codes_of(self, imported: ImportRecord) -> tuple[list[str], list[str]]:
        """Return the codes that the import began and that still exist, and those that it changed."""
        query = select(PERIOD.c.code).where(*_kept_by(imported.id)).order_by(PERIOD.c.code)
        changed = list((await self._connection.execute(query)).scalars())
        mine = select(AGENCY.c.code).where(AGENCY.c.updated_at == imported.at).order_by(AGENCY.c.code)
        changed_set = set(changed)
        codes = (await self._connection.execute(mine)).scalars()
        return [code for code in codes if code not in changed_set], changed

    async def _touched(
        self, imported: ImportRecord, begun: Sequence[str], changed: Sequence[str]
    ) -> list[str]:
        """Return codes of the import that were written since."""
        touched: set[str] = set()
        for part in in_parts(changed):
            rows = {row.code: row.updated_at for row in await self._rows(part)}
            touched |= {code for code in part if rows.get(code) != imported.at}
        if len(begun) != imported.added:
            touched |= set(imported.first_codes) - set(begun) or {"…"}
        return sorted(touched)

    async def _reforms(self, imported: ImportRecord, codes: Sequence[str]) -> list[str]:
        """Return approved reforms since the import that name one of these codes."""
        reform_ids: set[str] = set()
        for part in in_parts(codes):
            query = (
                select(REFORM.c.id)
                .distinct()
                .join(REFORM_CODE, REFORM_CODE.c.reform_id == REFORM.c.id)
                .where(REFORM_CODE.c.code.in_(part), REFORM.c.state == ReformState.APPROVED.value)
                .where(REFORM.c.approved_at >= imported.at)
            )
            reform_ids |= set((await self._connection.execute(query)).scalars())
        return sorted(reform_ids)

    async def _leaning(self, begun: Sequence[str], own: Collection[str]) -> list[str]:
        """Return codes outside the import whose parent or successor is one that it began."""
        mine, leaning = set(own), set[str]()
        for part in in_parts(begun):
            leaning |= set(await reforms.leaning_on(self._connection, part, part)) - mine
        return sorted(leaning)

    async def _bound(self, begun: Sequence[str]) -> list[str]:
        bound: list[str] = []
        for part in in_parts(begun):
            bound += sorted(await reforms.certificates_of(self._connection, part))
        return bound

    async def _changes(self, id: str) -> Sequence[Row[Any]]:
        query = select(CHANGE).where(CHANGE.c.id.in_([id, id + UNDONE]))
        return (await self._connection.execute(query)).all()

    async def _rows(self, codes: Sequence[str]) -> Sequence[Row[Any]]:
        return (await self._connection.execute(select(AGENCY).where(AGENCY.c.code.in_(codes)))).all()


def _kept_by(id: str) -> tuple[Any, ...]:
    """Return conditions for the whole rows that were valid until that change."""
    return PERIOD.c.change_id == id, PERIOD.c.until.is_(None)


def _count(change: RegistryChange, name: str) -> int:
    count = change.summary.get(name, 0)
    return count if isinstance(count, int) else 0


def _texts(row: Row[Any]) -> dict[str, str]:
    return {name: str(value) for name in RECORD_FIELDS if (value := getattr(row, name)) is not None}
