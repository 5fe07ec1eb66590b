"""Holds the rows of an issuer's list that change who speaks for a code: its end, its successor, its old form and its host
are trust and not data (K6, two people). In: a feed while it is applied; or its judged list, in the transaction of a
decision. Out: the feed's rows without those changes, and the changes kept beside the registry; then the registry with
them, what each take-over rests on, and one event."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from gateway.domain.account import HostedAgency
from gateway.domain.delegated import AGENCY as AGENCY_KIND
from gateway.domain.delegated import HeldChange, JudgedRow, ListedRow, ListState, RowStanding
from gateway.domain.event import ACTIVE, EventKind
from gateway.domain.identity import Digest
from gateway.domain.registry import RowSource
from gateway.domain.registry_change import SPEAKING_FIELDS, AgencyRecord, RegistryChange
from gateway.domain.wall_clock import local
from gateway.errors import Clash
from gateway.ports.services import Clock
from gateway.registry import lookup
from gateway.registry.binding_events import SqlBindingLog
from gateway.registry.endings import is_decided
from gateway.registry.tables import AGENCY, BINDING, HELD_ROW, LIST, TAKEOVER, record_of
from gateway.registry_authoring import feed_file
from gateway.registry_authoring.feed_file import FeedKind, Header
from gateway.registry_authoring.feed_stage import FeedStage, StagedRow
from gateway.registry_authoring.rows import keep_belief, lock_table, note_takeovers, record_change
from gateway.store.row import from_json
from gateway.store.tables_node import HostedAgencyRow

if TYPE_CHECKING:
    from gateway.registry_authoring.lists import ReceivedList

_UNDECIDED = (ListState.NEW, ListState.WAITING)
_DAYS = frozenset({"valid_from", "valid_to", "next_host_from"})
Texts = Mapping[str, str | None]
_MOST_NAMED = 500  # codes listed in the record and the event; their counts are complete


class HeldChanges:
    """Changes of one feed that are held, by code, and the codes that it may not change by itself: those with a certificate
    in force here and those whose take-over was decided; and it may not end the node's own agencies."""

    def __init__(self, connection: AsyncConnection, now: datetime) -> None:
        self._connection, self._now = connection, now
        self._protected, self._aliases = dict[str, Sequence[str]](), dict[str, str]()
        self._wanted: dict[str, tuple[Texts, str]] = {}

    async def load(self) -> None:
        """Read which codes and old forms are protected."""
        live = or_(BINDING.c.valid_to.is_(None), BINDING.c.valid_to > self._now)
        for body in (await self._connection.execute(select(col(HostedAgencyRow.body)))).scalars():
            if (agency := from_json(HostedAgency, body)).left_at is None:
                self._protected |= dict.fromkeys((agency.code, *agency.aliases), ("valid_to", "successor"))
        for query in (select(BINDING.c.code).where(BINDING.c.state == ACTIVE, live), select(TAKEOVER.c.code)):
            codes = (await self._connection.execute(query)).scalars()
            self._protected |= dict.fromkeys(codes, SPEAKING_FIELDS)
        for row in await _rows_of(self._connection, AGENCY, self._protected):
            if row.alias is not None:
                self._aliases[row.alias] = row.code

    async def keep_back(self, part: Sequence[StagedRow]) -> list[StagedRow]:
        """Return the rows with the protected fields as they are here, and remember what the feed wants of them."""
        codes = {row.line.code for row in part if self._fields_of(row)}
        rows = {row.code: row for row in await _rows_of(self._connection, AGENCY, codes)}
        writable = [
            self._keep_back(row, rows.get(row.line.code)) if row.line.code in codes else row for row in part
        ]
        return [row for row in writable if row is not None]

    def _fields_of(self, row: StagedRow) -> Sequence[str]:
        """Return the fields of a row that the feed may not change. An old form in use stays with its code."""
        if (fields := self._protected.get(row.line.code)) is not None:
            return fields
        return ("alias",) if self._aliases.get(row.line.alias or "", row.line.code) != row.line.code else ()

    def _keep_back(self, row: StagedRow, present: Any) -> StagedRow | None:
        """Return the row as it may be written; None where nothing else of it changes. A starter row only warns, so what
        it says of these fields is not kept."""
        line, today, names = row.line, local(self._now).date(), self._fields_of(row)
        is_starter = present is None or present.source == RowSource.STARTER.value
        record = AgencyRecord(code=line.code, name=line.name) if is_starter else record_of(present)
        old, new = record.moved_by(today), line.record().moved_by(today)
        if old.begins_by(today) and new.begins_by(today):
            names = tuple(name for name in names if name != "valid_from")
        if any(getattr(old, name) != getattr(new, name) for name in names):
            names = (*names, "decision")  # the ground of the change waits with it
            changed = [name for name in names if getattr(old, name) != getattr(new, name)]
            self._hold(line.code, {name: _text(getattr(new, name)) for name in changed}, row.is_gone)
        allowed_line = line.model_copy(update={name: getattr(record, name) for name in names})
        is_synced = present is not None and present.source == RowSource.SYNCED.value
        if is_synced and allowed_line == feed_file.agency_line(record):
            return None
        return replace(row, line=allowed_line, closes=False)

    def _hold(self, code: str, changes: Texts, is_gone: bool = False) -> None:
        # The day of a code that is missing is that of the first snapshot without it, so that later ones are the same.
        text = json.dumps([code, "gone" if is_gone else sorted(changes.items())])
        self._wanted[code] = (changes, hashlib.sha256(text.encode()).hexdigest())

    async def store(self, header: Header, stage: FeedStage) -> int:
        """Store what is held, in place of what the list no longer wants; return its number. A change that waits with an
        earlier list goes on waiting there."""
        await self._add_undecided_heirs()
        rows = {row.code: row for row in await self._connection.execute(select(HELD_ROW))}
        query = select(LIST.c.sequence).where(LIST.c.state.in_(_UNDECIDED))
        waiting = set((await self._connection.execute(query)).scalars())
        same = {
            code
            for code, row in rows.items()
            if row.sequence in waiting and self._wanted.get(code, ("", ""))[1] == row.digest
        }
        is_snapshot = header.kind is FeedKind.SNAPSHOT
        dropped_codes = {*rows} - same if is_snapshot else stage.listed(rows) | {*self._wanted}
        for part in lookup.in_parts(sorted(dropped_codes - same)):
            await self._connection.execute(delete(HELD_ROW).where(HELD_ROW.c.code.in_(part)))
        values = [
            {
                "code": code,
                "issuer": header.issuer,
                "sequence": header.sequence,
                "digest": digest,
                "wanted": json.dumps(changes, ensure_ascii=False),
                "at": self._now,
            }
            for code, (changes, digest) in sorted(self._wanted.items())
            if code not in same
        ]
        if values:
            await self._connection.execute(insert(HELD_ROW), values)
        return len(values)

    async def _add_undecided_heirs(self) -> None:
        """Hold also take-overs in the registry that rest on a list alone, of codes that ever had a certificate here."""
        query = select(AGENCY.c.code, AGENCY.c.successor).where(
            AGENCY.c.source == RowSource.SYNCED.value,
            AGENCY.c.successor.is_not(None),
            AGENCY.c.code.in_(select(BINDING.c.code)),
            ~select(TAKEOVER.c.code).where(is_decided()).exists(),
        )
        for code, successor in await self._connection.execute(query):
            changes = self._wanted.get(code, ({}, ""))[0]
            self._hold(code, {"successor": successor, **changes})


class SqlHeldRows:
    """Held changes of a list, in a caller's transaction."""

    def __init__(self, connection: AsyncConnection, clock: Clock, principal_id: str) -> None:
        self._connection, self._clock, self._principal_id = connection, clock, principal_id

    async def waiting(self) -> Sequence[tuple[str, int, int]]:
        """Return issuer and number of each list with held changes, and how many it has."""
        columns = (HELD_ROW.c.issuer, HELD_ROW.c.sequence)
        query = select(*columns, func.count()).group_by(*columns).order_by(*columns)
        return [(row[0], row[1], row[2]) for row in await self._connection.execute(query)]

    async def load(self, received: ReceivedList) -> list[HeldChange]:
        """Return the held changes of a list, beside the present registry."""
        changed = await self._of_list(received)
        present = {row.code: record_of(row) for row in await _rows_of(self._connection, AGENCY, changed)}
        decided = {(row.code, row.successor) for row in await _rows_of(self._connection, TAKEOVER, changed)}
        heirs = {code: changes.get("successor") for code, (changes, _) in changed.items()}
        rows = await _rows_of(self._connection, AGENCY, {*filter(None, heirs.values())})
        present_codes = {row.code for row in rows} | {None}
        return [
            HeldChange(
                row=ListedRow(code=code, kind=AGENCY_KIND, fingerprint=digest),
                present={name: _text(getattr(present.get(code), name, None)) for name in changes},
                requested=changes,
                is_known=code in present and heirs[code] in present_codes,
                is_decided=heirs[code] is None or (code, heirs[code]) in decided,
            )
            for code, (changes, digest) in sorted(changed.items())
        ]

    async def apply(
        self, judged: Sequence[JudgedRow], received: ReceivedList, facts: Mapping[str, Any]
    ) -> int:
        """Write the ready changes of a list, with the record of the change and one event; return their number."""
        codes = [r.row.code for r in judged if r.standing is RowStanding.READY and r.row.kind == AGENCY_KIND]
        if not codes:
            return 0
        await lock_table(self._connection, "agency")
        changed, now = await self._of_list(received), self._clock.now()
        by, change_id = str(facts.get("proposal") or received.name), self._clock.new_id()
        await keep_belief(self._connection, codes, change_id, now)
        for code in codes:
            values = {name: _value(name, text) for name, text in changed[code][0].items()}
            row = update(AGENCY).where(AGENCY.c.code == code)
            await self._connection.execute(row.values(**values, updated_at=now))
        await self._refuse_shared_aliases({changed[code][0].get("alias") for code in codes} - {None})
        for part in lookup.in_parts(codes):
            await self._connection.execute(delete(HELD_ROW).where(HELD_ROW.c.code.in_(part)))
        inherited = [code for code in codes if "successor" in changed[code][0]]
        records = [record_of(row) for row in await _rows_of(self._connection, AGENCY, inherited)]
        await note_takeovers(self._connection, records, by, now)
        summary = {"added": 0, "changed": len(codes), "closed": 0, "codes": {"changed": codes[:_MOST_NAMED]}}
        digest, person_id = Digest(received.digest), self._principal_id
        change = RegistryChange(id=change_id, at=now, by=person_id, source_digest=digest, summary=summary)
        await record_change(self._connection, change)
        data = {**facts, "codes": codes[:_MOST_NAMED], "count": len(codes), "change": change_id}
        subject, log = str(facts.get("proposal") or change_id), SqlBindingLog(self._clock)
        await log.note(self._connection, EventKind.CODES_CHANGED, subject, person_id, data)
        return len(codes)

    async def _refuse_shared_aliases(self, aliases: set[str | None]) -> None:
        query = select(AGENCY.c.alias).where(AGENCY.c.alias.in_(sorted(filter(None, aliases))))
        shared = query.group_by(AGENCY.c.alias).having(func.count() > 1)
        if (alias := (await self._connection.execute(shared)).scalar()) is not None:
            raise Clash(
                f"two agencies would have the old form {alias}; nothing was changed", code="REG-MOVED"
            )

    async def _of_list(self, received: ReceivedList) -> dict[str, tuple[Texts, str]]:
        mine = (HELD_ROW.c.issuer == received.issuer, HELD_ROW.c.sequence == received.sequence)
        rows = await self._connection.execute(select(HELD_ROW).where(*mine))
        return {row.code: (json.loads(row.wanted), row.digest) for row in rows}


async def _rows_of(connection: AsyncConnection, table: Any, codes: Iterable[str]) -> list[Any]:
    rows: list[Any] = []
    for part in lookup.in_parts(sorted(codes)):
        rows += await connection.execute(select(table).where(table.c.code.in_(part)))
    return rows


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _value(name: str, text: str | None) -> str | date | None:
    return date.fromisoformat(text) if text is not None and name in _DAYS else text
