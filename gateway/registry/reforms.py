"""Reforms on SQL: what is around one that is planned, putting it in force, undoing it. In: an open transaction of the
database that holds the registry. Out: the `Reforms` promise. Decides nothing: `policy.reform` has. No certificate binding
is ever touched (K6)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import delete, insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.domain.identity import Digest
from gateway.domain.registry_change import RegistryChange
from gateway.domain.registry_life import Former, Life
from gateway.domain.registry_reform import Part, Reform, ReformRecord, ReformState
from gateway.domain.text import fold
from gateway.errors import Clash
from gateway.ports.reforms import Around, Leaning
from gateway.registry import periods
from gateway.registry import reform_reading as reading
from gateway.registry.failures import failures_named
from gateway.registry.importing import AGENCY, alone, record_change, row_values
from gateway.registry.periods import PERIOD
from gateway.registry.reform_reading import REFORM, REFORM_CODE, adapter
from gateway.registry.tables import stored

_KEPT_COLUMNS = ("code", "check_note", "scheme")  # what no reform says


class SqlReforms:
    """Keeps the promise of `ports.Reforms`."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def around(self, reform: Reform) -> Around:
        with failures_named():
            codes = reform.named
            forms = [target.alias for step in reform.flat for target in step.targets if target.alias]
            lives = await reading.around(self._connection, [*codes, *forms])
            return Around(
                lives=lives,
                aliases=await reading.aliases(self._connection, [*codes, *forms]),
                below=await reading.below(self._connection, reform.ended, reform.effective_on),
                same_name=await reading.same_names(self._connection, _names(reform, lives)),
                certificates=await reading.certificates(self._connection, reform.ended),
            )

    async def alone(self) -> None:
        with failures_named():
            await alone(self._connection, "agency")

    async def apply(
        self, record: ReformRecord, before: Mapping[str, Life | None], after: Mapping[str, Life]
    ) -> None:
        with failures_named():
            content = adapter(Reform).dump_json(record.reform).decode()
            for code, life in after.items():
                await self._write(code, before[code], life, record.id, record.approved_at)
            values = {
                "id": record.id,
                "kind": record.reform.kind.value,
                "effective_on": record.reform.effective_on,
                "state": record.state.value,
                "content": content,
                "lives_before": adapter(dict[str, Life | None]).dump_json(dict(before)).decode(),
                "lives_after": adapter(dict[str, Life | None]).dump_json(dict(after)).decode(),
                "proposed_by": record.proposed_by,
                "approved_by": record.approved_by,
                "approved_at": stored(record.approved_at),
            }
            await self._connection.execute(insert(REFORM).values(values))
            ended = set(record.reform.ended)
            parts = [
                {"reform_id": record.id, "code": code, "part": _part(code in ended, code, before).value}
                for code in record.reform.codes
            ]
            await self._connection.execute(insert(REFORM_CODE), parts)
            await self._told(record.id, record, content, before, after)

    async def get(self, id: str) -> ReformRecord:
        with failures_named():
            return reading.to_record(await reading.get(self._connection, id))

    async def lives_of(self, id: str) -> tuple[Mapping[str, Life | None], Mapping[str, Life | None]]:
        with failures_named():
            row = await reading.get(self._connection, id)
        return reading.lives_of(row.lives_before), reading.lives_of(row.lives_after)

    async def listed(self, limit: int, code: str | None = None) -> Sequence[ReformRecord]:
        with failures_named():
            return await reading.listed(self._connection, limit, code)

    async def unreported(self, on: date, limit: int) -> Sequence[ReformRecord]:
        with failures_named():
            return await reading.listed(self._connection, limit, owed_on=on)

    async def leaning_on(self, id: str) -> Leaning:
        with failures_named():
            row = await reading.get(self._connection, id)
            before, after = reading.lives_of(row.lives_before), reading.lives_of(row.lives_after)
            begun = [code for code, life in before.items() if life is None]
            above = {life.record.parent for life in before.values() if life is not None}
            above |= {each.parent for life in before.values() if life is not None for each in life.former}
            return Leaning(
                lives=await reading.around(self._connection, {*after, *(code for code in above if code)}),
                reforms=await reading.later(self._connection, row),
                rows=await reading.leaning(self._connection, begun, list(after)),
                certificates=sorted(await reading.certificates(self._connection, begun)),
            )

    async def undo(self, id: str, by: str, at: datetime, why: str) -> None:
        with failures_named():
            before, after = await self.lives_of(id)
            change = f"{id}:undone"
            for code, life in before.items():
                await self._write(code, after[code], life, change, at)
            this = (REFORM.c.id == id, REFORM.c.state == ReformState.APPROVED.value)
            told = {
                "state": ReformState.UNDONE.value,
                "undone_by": by,
                "undone_at": stored(at),
                "undone_why": why,
            }
            if (await self._connection.execute(update(REFORM).where(*this).values(told))).rowcount != 1:
                raise Clash(f"the change {id} is undone already; look at it again")
            record = await self.get(id)
            content = adapter(Reform).dump_json(record.reform).decode()
            await self._told(change, record, content, after, before)

    async def report(self, id: str, by: str, at: datetime, how: str) -> None:
        with failures_named():
            this = (REFORM.c.id == id, REFORM.c.reported_at.is_(None))
            told = {"reported_by": by, "reported_at": stored(at), "reported_how": how}
            if (await self._connection.execute(update(REFORM).where(*this).values(told))).rowcount != 1:
                raise Clash(f"the change {id} was reported before, or is none")

    async def _write(
        self, code: str, before: Life | None, after: Life | None, change_id: str, at: datetime
    ) -> None:
        """The row and its earlier periods as in `after`; what was believed before is kept."""
        await periods.keep(self._connection, [code], change_id, at)
        was, now = set(before.former if before else ()), set(after.former if after else ())
        for gone in was - now:
            this = (PERIOD.c.code == code, PERIOD.c.until == gone.until, PERIOD.c.believed_to.is_(None))
            await self._connection.execute(update(PERIOD).where(*this).values(believed_to=stored(at)))
        added = [_period(after, each, change_id, at) for each in sorted(now - was, key=_until) if after]
        if added:
            await self._connection.execute(insert(PERIOD), added)
        if after is None:
            # It never held: the belief stays, and no other body may be given the code while it is told of.
            await self._connection.execute(delete(AGENCY).where(AGENCY.c.code == code))
            return
        values = row_values(after.record, after.source, at)
        if before is None:
            await self._connection.execute(insert(AGENCY).values(values))
            return
        changed = {name: value for name, value in values.items() if name not in _KEPT_COLUMNS}
        await self._connection.execute(update(AGENCY).where(AGENCY.c.code == code).values(changed))

    async def _told(
        self,
        change_id: str,
        record: ReformRecord,
        content: str,
        before: Mapping[str, Life | None],
        after: Mapping[str, Life] | Mapping[str, Life | None],
    ) -> None:
        """In the list of changes, as an import and a feed are."""
        added = sorted(code for code in after if before[code] is None)
        closed = sorted(record.reform.ended) if change_id == record.id else []
        changed = sorted({*after} - {*added} - {*closed})
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
    """What each new or renamed code would be called, and under whom."""
    named: dict[str, tuple[str, str | None]] = {}
    for step in reform.flat:
        named |= {
            target.code: (target.name, target.parent) for target in step.targets if target.name is not None
        }
        if step.name is not None:
            named |= {code: (step.name, lives[code].record.parent) for code in step.sources if code in lives}
    return named


def _part(is_ended: bool, code: str, before: Mapping[str, Life | None]) -> Part:
    if is_ended:
        return Part.ENDED
    if code not in before:
        return Part.NAMED
    return Part.BEGUN if before[code] is None else Part.CHANGED


def _period(life: Life, former: Former, change_id: str, at: datetime) -> dict[str, Any]:
    return {
        "id": f"{change_id}:{life.record.code}:{former.until.isoformat()}",
        "code": life.record.code,
        "until": former.until,
        "name": former.name,
        "folded": fold(former.name),
        "parent": former.parent,
        "source": life.source.value,
        "believed_from": stored(at),
        "change_id": change_id,
    }


def _until(former: Former) -> date:
    return former.until
