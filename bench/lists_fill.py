"""Invented documents of a realistic spread, in bulk: part of `python -m bench.lists`. In: an open store with an empty
database, the number of documents. Out: their rows, as the node itself would have written them; beyond the first 50,000
they are copies, made in SQL, the older ones without the bodies of documents, which no list reads."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import asyncpg

from bench import register
from gateway.clock import SystemClock
from gateway.domain import status
from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.document import (
    Delivery,
    Draft,
    FileItem,
    FileRole,
    IncomingDocument,
    InState,
    Kind,
    OutgoingDocument,
    OutState,
    Recipient,
    Signer,
    Urgency,
)
from gateway.domain.identity import Digest, DocumentId, PacketId
from gateway.domain.states import Track
from gateway.domain.status import Duty, Fact, Waits
from gateway.store import incoming, outgoing
from gateway.store.deliveries import delivery_row
from gateway.store.facts import fact_row
from gateway.store.tables import FactRow, IncomingRow, OutgoingRow
from gateway.store.tables_office import ListFillRow
from gateway_office.domain.listing import Origin, Side, due_within, incoming_line, outgoing_line
from gateway_office.store.lists_write import list_row
from gateway_office.store.store import SqlOfficeStore

SCOPE = AgencyScope(agency_id="agy_bench", principal_id="prn_bench")
NOW = datetime.now(UTC)
SEED = 20261120
_DAYS = 400
_AT_ONCE = 5_000
# SQLite keeps a unit's undo data in one chain, walked for each row: large units would take hours.
_OF_ONE_UNIT = 500
# So many are made one by one; what is more is copied.
_FIRST = 50_000
_BARE = f"CASE WHEN {{0}} < '{NOW - timedelta(days=40):%Y-%m-%d}' THEN '{{{{}}}}' ELSE body END"
# Table → columns that a copy has changed: the place of the ten digits of a document's number in them, or an expression.
_COPIED: Mapping[str, Mapping[str, int | str]] = {
    "outgoing_document": {
        "id": 5,
        "packet_id": 12,
        "document_id": 9,
        "lead": 55,
        "body": _BARE.format("created_at"),
    },
    "delivery": {"id": 5, "document_id": 5},
    "fact": {"subject_id": 5},
    "incoming_document": {
        "id": 5,
        "inbox_id": 5,
        "packet_id": 12,
        "document_id": 12,
        "lead": 55,
        "body": _BARE.format("arrived_at"),
    },
    "list_row": {"id": 5, "place": "place - n * 28672"},
}
_DIGITS = (
    "substr({0}, 1, {1} - 1) || lpad(CAST(CAST(substr({0}, {1}, 10) AS BIGINT) + n * {2} AS VARCHAR), 10, '0') || "
    "substr({0}, {1} + 10)"
)
_N = "WITH RECURSIVE copy(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM copy WHERE n < {0})"
# Common words and rare ones; without accents written out, because search treats both alike and this file is plain.
_TEXT = """
quyet dinh phe duyet du an ke hoach trien khai cong tac phong chong thien tai bao cao ket qua thuc hien nhiem vu nam hoc
kinh phi bo sung dieu chinh quy hoach dat dai xay dung giao thong nong nghiep y te giao duc van hoa to trinh de nghi xem
xet thong bao moi hop trien khai nghi quyet hoi dong nhan dan ve viec tang cuong quan ly
"""
WORDS = _TEXT.split()
_PLACES = [f"{kind} {name}" for kind in ("So", "Phong", "Chi cuc", "UBND xa") for name in ("Noi vu", "Tai chinh",
           "Y te", "Xay dung", "Cong Thuong", "Tu phap", "Dong Ha", "Tay Son", "Nam Dan", "Bac Ha")]  # fmt: skip
TYPES = ("Quyet dinh", "Cong van", "Bao cao", "Ke hoach", "Thong bao", "To trinh", "Giay moi")
_SYMBOLS = ("UBND-VP", "STC-VP", "QD-UBND", "BC-SNV", "KH-SYT")
_URGENCIES = (Urgency.NORMAL,) * 18 + (Urgency.URGENT, Urgency.EXPRESS)
_OUT_STATES = (
    ("accepted",) * 70 + ("done",) * 20 + ("delivered",) * 6 + ("sent",) * 2 + ("rejected", "failed")
)
_IN_STATES = (
    (InState.DONE,) * 80 + (InState.ACCEPTED,) * 14 + (InState.PROCESSING,) * 3 + (InState.REJECTED,) * 3
)
# Documents of the last days are not taken in yet.
_FRESH = timedelta(days=2)


@dataclass(slots=True)
class Spread:
    """Invented documents, the same for each seed."""

    rng: random.Random
    names: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        letters = "abcdeghiklmnopqrstuvxy"
        self.names = ["".join(self.rng.choices(letters, k=6)) for _ in range(20_000)]

    def common(self, n: int) -> dict[str, Any]:
        rng = self.rng
        ago = timedelta(seconds=rng.random() * _DAYS * 86_400)
        return {
            "at": NOW - ago,
            "number": str(n % 9_000 + 1),
            "symbol": rng.choice(_SYMBOLS),
            "issued_on": (NOW - ago).date(),
            "subject": " ".join((*rng.choices(WORDS, k=14), rng.choice(self.names))),
            "type_name": rng.choice(TYPES),
            "urgency": rng.choice(_URGENCIES),
            "signer": Signer(name=f"Nguyen Van {rng.choice(self.names)[:4]}"),
        }

    def party(self) -> Recipient:
        n = self.rng.randrange(len(_PLACES))
        return Recipient(code=f"Z91.{n:02}", name=_PLACES[n])


def sent(spread: Spread, n: int) -> Iterator[Any]:
    """Yield the rows of one outgoing document: its own, its deliveries', their facts' and the list's."""
    fields = spread.common(n)
    at = fields.pop("at")
    id = f"msg_{n:010}"
    several = spread.rng.choice((1, 1, 2, 3, 5, 20))
    to = tuple({recipient.code: recipient for recipient in (spread.party() for _ in range(several))}.values())
    file = FileItem(
        n=1, name="a.pdf", role=FileRole.LEAD, content_type="application/pdf", size=9, sha256=_digest(n)
    )
    document = OutgoingDocument(
        id=id,
        agency_id=SCOPE.agency_id,
        kind=Kind.DOCUMENT,
        packet_id=PacketId(f"packet-{id}"),
        document_id=DocumentId(f"Z91,{id}"),
        draft=Draft(recipients=to, reply_required=False, **fields),
        files=(file,),
        state=OutState.PACKED,
        created_at=at,
        accepted_by=SCOPE.principal_id,
    )
    yield outgoing.outgoing_row(document)
    states: dict[str, int] = {}
    for position, recipient in enumerate(to):
        state = spread.rng.choice(_OUT_STATES)
        states[state] = states.get(state, 0) + 1
        delivery = Delivery(
            id=f"dlv_{n:010}_{position}",
            agency_id=SCOPE.agency_id,
            document_id=id,
            recipient=recipient,
            attempt=1,
            state=state,
            updated_at=at + timedelta(hours=1),
        )
        yield delivery_row(delivery, position)
        if at > NOW - timedelta(days=31):
            yield from facts(delivery.id, at, spread.rng)
    due_at = due_within("", Duty(waits=Waits.PARTNER, since=at), document.draft.urgency)
    line = outgoing_line(document, states, at, at + timedelta(hours=1), due_at)
    yield list_row(line, document, spread.rng.choice((Origin.PROGRAM,) * 30 + (Origin.HAND, Origin.MACHINE)))


def facts(delivery_id: str, at: datetime, rng: random.Random) -> Iterator[FactRow]:
    for track, code, seconds_after in (
        (Track.TRANSPORT, "sent", 1),
        (Track.BUSINESS, "01", 5),
        (Track.BUSINESS, "03", 4_000),
    ):
        fact = Fact(track=track, code=code, at=at + timedelta(seconds=seconds_after * (0.5 + rng.random())))
        yield fact_row(SCOPE.agency_id, delivery_id, fact)


def arrived(spread: Spread, n: int) -> Iterator[Any]:
    fields = spread.common(n)
    at = fields.pop("at")
    id, sender = f"inb_{n:010}", spread.party()
    state = InState.NEW if at > NOW - _FRESH else spread.rng.choice(_IN_STATES)
    document = IncomingDocument(
        id=id,
        agency_id=SCOPE.agency_id,
        inbox_id=f"box_{n:010}",
        kind=Kind.DOCUMENT,
        sender_code=sender.code,
        sender_name=sender.name,
        document_id=DocumentId(f"{sender.code},{id}"),
        packet_id=PacketId(f"packet-{id}"),
        attempt=1,
        due_on=None,
        body_digest=Digest("0" * 64),
        envelope_digest=Digest("0" * 64),
        envelope_size=1_000,
        vouched_by="signature",
        arrived_at=at,
        state=state,
        **fields,
    )
    row = incoming.incoming_row(document)
    row.lead = _digest(n)
    yield row
    owed = status.duty_of(document, ())
    due_at = due_within("", owed, document.urgency) if owed is not None else None
    line = incoming_line(document, state.value, due_at)
    yield list_row(line, document, spread.rng.choice((Origin.AXIS,) * 30 + (Origin.PAPER, Origin.EMAIL)))


def _digest(n: int) -> Digest:
    """Return the digest of the n-th document's lead file. Each has another: the planner counts how often one comes."""
    return Digest(f"{n:064}")


async def fill_at(url: str, documents: int, tables: Sequence[str] = ()) -> None:
    """Fill the database of a node, whatever its schema, if these tables are as they are today; copy only those named."""
    store = SqlOfficeStore(url, SystemClock())
    try:
        await fill(store, url, documents, tables)
    finally:
        await store.close()


async def fill(store: SqlOfficeStore, url: str, documents: int, tables: Sequence[str] = ()) -> None:
    """Fill half of each side, oldest and newest mixed: the worst case for an index."""
    await store.accounts.add_hosted(HostedAgency(id=SCOPE.agency_id, code="Z90", name="Bench"))
    # A node that starts looks through the last two days alone.
    filled = [ListFillRow(agency_id=SCOPE.agency_id, side=side, at=NOW, id="", done=True) for side in Side]
    await _insert_rows(store, url, ListFillRow, filled)
    first = min(documents, _FIRST)
    await _make(store, url, first)
    copies = documents // first - 1
    if copies and url.startswith("sqlite"):
        file = url.partition(":///")[2]
        await asyncio.to_thread(_copy_in_file, file, first, copies, tables or [*_COPIED])
    elif copies:
        await _copy_on_server(url, first, copies, tables or [*_COPIED])


def _statements(columns: Mapping[str, Sequence[str]], first: int, copies: int) -> Iterator[str]:
    """Yield the statement that copies each table, whose columns are given."""
    for table in columns:
        changed = _COPIED[table]
        values = [changed.get(name, name) for name in columns[table]]
        words = [
            value if isinstance(value, str) else _DIGITS.format(name, value, first // 2)
            for name, value in zip(columns[table], values, strict=True)
        ]
        into = f"INSERT INTO {table} ({', '.join(columns[table])})"
        yield f"{_N.format(copies)} {into} SELECT {', '.join(words)} FROM copy CROSS JOIN {table}"  # noqa: S608 - our words


def _copy_in_file(file: str, first: int, copies: int, tables: Sequence[str]) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.create_function("lpad", 3, lambda word, width, sign: word.rjust(width, sign))
        columns = {
            table: [row[1] for row in database.execute(f"PRAGMA table_info({table})")] for table in tables
        }
        for pragma in ("foreign_keys = OFF", "synchronous = OFF", "cache_size = -1000000"):
            database.execute(f"PRAGMA {pragma}")
        with register.without_indexes(database):
            for statement in _statements(columns, first, copies):
                database.execute(statement)


async def _copy_on_server(url: str, first: int, copies: int, tables: Sequence[str]) -> None:
    """Copy without foreign keys and triggers, and make the indexes when all rows exist."""
    connection = await asyncpg.connect(url)
    try:
        for setting in ("session_replication_role = replica", "maintenance_work_mem = '512MB'"):
            await connection.execute(f"SET {setting}")
        columns = {
            table: await connection.fetchval(
                "SELECT array_agg(attname) FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 "
                "AND NOT attisdropped",
                table,
            )
            for table in tables
        }
        indexes = await connection.fetch(
            "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = ANY ($1::text[]) AND indexname LIKE 'ix%'",
            tables,
        )
        for name, _ in indexes:
            await connection.execute(f"DROP INDEX {name}")
        for statement in (*_statements(columns, first, copies), *(words for _, words in indexes)):
            await connection.execute(statement)
    finally:
        await connection.close()


async def _make(store: SqlOfficeStore, url: str, documents: int) -> None:
    spread = Spread(rng=random.Random(SEED))
    all_rows = (row for n in range(documents // 2) for make in (sent, arrived) for row in make(spread, n))
    while batch := list(islice(all_rows, _AT_ONCE * 10)):
        by_table: dict[Any, list[Any]] = {}
        for row in batch:
            by_table.setdefault(type(row), []).append(row)
        # Rows that others refer to go first.
        for kind in sorted(by_table, key=lambda kind: kind not in (OutgoingRow, IncomingRow)):
            await _insert_rows(store, url, kind, by_table[kind])


async def _insert_rows(store: SqlOfficeStore, url: str, kind: Any, rows: Sequence[Any]) -> None:
    table = kind.__table__
    names = [x.name for x in table.columns]
    if url.startswith("sqlite"):
        for start in range(0, len(rows), _OF_ONE_UNIT):
            async with store.writing() as tx:
                some = [x.values() for x in rows[start : start + _OF_ONE_UNIT]]
                await tx.connection.execute(table.insert(), some)
                await tx.commit()
        return
    connection = await asyncpg.connect(url)
    try:
        values = [tuple(getattr(x, name) for name in names) for x in rows]
        await connection.copy_records_to_table(table.name, records=values, columns=names)
    finally:
        await connection.close()
