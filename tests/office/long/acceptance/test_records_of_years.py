"""A year of an agency's documents, then fifteen that jump by, on both databases: each January an act destroys what has
ended. What should be there is there; what should be gone is gone from rows, files, words and backups; lines, book and
proofs stay. `AGES_DOCUMENTS=200000 AGES_A_YEAR=1000` makes it that of a province; `-s` shows the sizes."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from itertools import chain
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import text

from gateway import destroying, destruction, preservation, retention
from gateway.domain.account import AgencyScope
from gateway.domain.destruction import Destruction, DestructionRule
from gateway.domain.document import (
    Delivery,
    Draft,
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
from gateway.domain.pace import SMALL
from gateway.domain.preservation import Extent
from gateway.domain.wall_clock import local
from gateway.ops import backup, backup_store
from gateway.store import figures_check, incoming, outgoing
from gateway.store.blobs import path_of
from gateway.store.deliveries import delivery_row
from gateway.store.destruction import open_destructions
from gateway.store.tables import HEAD as FILLER
from gateway.store.tables import BlobRefRow, BlobRow, RegisterEntryRow
from gateway.store.tables_office import ContentTextRow
from gateway_office.domain.content import searched_words
from gateway_office.store.contents import _place
from tests.office.support.node import PROVINCE
from tests.office.support.town import OfficeTown, open_town
from tests.support.databases import fresh_database
from tests.support.destruction import HEAD, WHY
from tests.support.evidence import check, exchanged, pack_of, sealed
from tests.support.fixtures import BOTH_KINDS
from tests.support.passphrases import make_cheap

DOCUMENTS, A_YEAR = int(os.environ.get("AGES_DOCUMENTS", "400")), int(os.environ.get("AGES_A_YEAR", "40"))
YEARS, BYTES, AT_ONCE = 15, 2_000, 500
# Type → months after the year's end; None is for ever. One type has no row, so that its documents stay.
PERIODS = {"Thông báo": 24, "Công văn": 60, "Báo cáo": 120, "Kế hoạch": 240, "Quyết định": None}
TYPES = ("Công văn", "Công văn", *PERIODS, "Giấy mời")
PARTNERS = tuple(f"Z91.{n:02}" for n in range(1, 20))
# An order over this partner stands from the second year to the tenth.
PRESERVED, ORDERED, ENDED = PARTNERS[0], 2, 10
WORDS = b"words that nobody guesses"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A document as the test has made it."""

    id: str
    digest: Digest
    type_name: str
    partner: str
    at: datetime
    is_finished: bool

    @property
    def year(self) -> int:
        return local(self.at).year

    def ends(self) -> date | None:
        months = PERIODS.get(self.type_name)
        return date(self.year + months // 12, 12, 31) if months is not None and self.is_finished else None


@dataclass(slots=True)
class Years:
    """An agency of a town, and what it should have."""

    town: OfficeTown
    scope: AgencyScope
    url: str
    lines: dict[str, Line] = field(default_factory=dict)
    destroyed: set[str] = field(default_factory=set)
    numbers: list[str] = field(default_factory=list)

    @property
    def content(self) -> Path:
        return self.town.node.settings.node.data_dir / "content"

    async def arrive(self, count: int) -> None:
        """Write so many documents of both directions, finished but for some, as the node would have written them."""
        now = self.town.clock.now()
        for first in range(0, count, AT_ONCE):
            lines = [self._new_line(now) for _ in range(min(AT_ONCE, count - first))]
            by_class: dict[type, list[Any]] = {BlobRow: []}
            for row in chain.from_iterable(self._rows(line) for line in lines):
                by_class.setdefault(type(row), []).append(row)
            async with self.town.node.store.writing() as tx:
                for rows in by_class.values():
                    tx.insert(*rows)
                await tx.commit()

    def _new_line(self, now: datetime) -> Line:
        n = len(self.lines)
        rng = Random(n)
        line = Line(
            id=f"{'inb' if rng.random() < 0.5 else 'msg'}_{n:010}",
            digest=Digest(hashlib.sha256(_body(n)).hexdigest()),
            type_name=rng.choice(TYPES),
            partner=rng.choice(PARTNERS),
            # A moment of the days before, in the same year.
            at=now - timedelta(days=9 * rng.random()),
            is_finished=rng.random() < 0.95,
        )
        self.lines[line.id] = line
        return line

    def _rows(self, line: Line) -> Iterator[Any]:
        n, agency_id, is_incoming = int(line.id[4:]), self.scope.agency_id, line.id.startswith("inb")
        now = line.at
        common: dict[str, Any] = {
            "number": str(n),
            "symbol": "UBND",
            "issued_on": local(now).date(),
            "subject": f"Việc thứ {n}",
            "type_name": line.type_name,
            "signer": Signer(name="Nguyễn Văn Mẫu"),
            "urgency": Urgency.NORMAL,
        }
        owner = ("inbox", f"box_{n:010}") if is_incoming else ("envelope", line.id)
        yield from self._content(line, now, owner, _body(n))
        if is_incoming:
            yield incoming.incoming_row(self._incoming(line, now, common))
            self.numbers.append(f"{line.year}/{n}")
            yield RegisterEntryRow(
                agency_id=agency_id,
                incoming_id=line.id,
                book="incoming",
                year=line.year,
                number=str(n),
                entered_at=now,
            )
        else:
            sent = self._outgoing(line, now, common)
            yield outgoing.outgoing_row(sent)
            to_state = "done" if line.is_finished else "failed"
            recipient = sent.draft.recipients[0]
            yield delivery_row(
                Delivery(
                    id=f"dlv_{n:010}",
                    agency_id=agency_id,
                    document_id=line.id,
                    recipient=recipient,
                    attempt=1,
                    state=to_state,
                    updated_at=now,
                ),
                0,
            )
        words = f"trang một của việc {n}"
        yield ContentTextRow(
            place=_place(agency_id, 0) + n,
            agency_id=agency_id,
            document_id=line.id,
            n=1,
            page=1,
            folded=searched_words(words),
            text=words,
        )

    def _content(self, line: Line, now: datetime, owner: tuple[str, str], body: bytes) -> Iterator[Any]:
        """Yield small content as a row with its owner; large content becomes a file."""
        blob: dict[str, Any] = {"digest": line.digest, "size": len(body), "stored_at": now}
        if len(body) <= SMALL:
            own: dict[str, Any] = {
                "agency_id": self.scope.agency_id,
                "owner_kind": owner[0],
                "owner_id": owner[1],
            }
            yield BlobRow(**blob, **own, head=FILLER, body=body)
            return
        path = path_of(self.content, line.digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        yield BlobRow(**blob)
        yield BlobRefRow(
            agency_id=self.scope.agency_id, owner_kind=owner[0], owner_id=owner[1], digest=line.digest
        )

    def _incoming(self, line: Line, now: datetime, common: dict[str, Any]) -> IncomingDocument:
        return IncomingDocument(
            id=line.id,
            agency_id=self.scope.agency_id,
            inbox_id=f"box_{line.id[4:]}",
            kind=Kind.DOCUMENT,
            sender_code=line.partner,
            sender_name="Sở Mẫu",
            document_id=DocumentId(f"{line.partner},{line.id}"),
            packet_id=PacketId(f"packet-{line.id}"),
            attempt=1,
            due_on=None,
            body_digest=line.digest,
            envelope_digest=line.digest,
            envelope_size=BYTES,
            vouched_by="signature",
            arrived_at=now,
            state=InState.DONE if line.is_finished else InState.PROCESSING,
            **common,
        )

    def _outgoing(self, line: Line, now: datetime, common: dict[str, Any]) -> OutgoingDocument:
        return OutgoingDocument(
            id=line.id,
            agency_id=self.scope.agency_id,
            kind=Kind.DOCUMENT,
            packet_id=PacketId(f"packet-{line.id}"),
            document_id=DocumentId(f"Z90,{line.id}"),
            draft=Draft(recipients=(Recipient(code=line.partner, name="Sở Mẫu"),), **common),
            files=(),
            envelope_digest=line.digest,
            state=OutState.PACKED,
            created_at=now,
            accepted_by=self.scope.principal_id,
        )

    async def end_of_year(self, nth: int) -> dict[str, Any]:
        """Let an act of destruction run, and hold what it did against the plain list of what has ended."""
        today, began = local(self.town.clock.now()).date(), time.monotonic()
        ended = {
            line.id
            for line in self.lines.values()
            if line.id not in self.destroyed
            and (day := line.ends()) is not None
            and day < today
            and not (line.partner == PRESERVED and ORDERED <= nth < ENDED)
        }
        node, sizes = self.town.node, await self.size()
        if ended:
            act = await self._act(today)
            while await destroying.destroy_some(
                node.store, self.town.clock, node.pool, node.blobs, node.settings.node.data_dir
            ):
                pass
            assert await self._destroyed_by(act) == ended
            self.destroyed |= ended
        return {
            "year": today.year,
            "documents": len(self.lines),
            "destroyed": len(ended),
            "s": round(time.monotonic() - began, 1),
            "bytes_before": sizes,
            "bytes_after": await self.size(),
        }

    async def _act(self, today: date) -> Destruction:
        store, clock, rule = self.town.node.store, self.town.clock, DestructionRule(until=today)
        act = await destruction.propose(store, clock, self.scope, rule, WHY)
        await destruction.assess(store, clock, self.scope, act.id, "3/BB-HĐ", today, "Ba thành viên")
        head, second = (replace(self.scope, principal_id=f"prn_{name}") for name in ("head", "second"))
        await destruction.approve(store, clock, head, act.id, "12/QĐ-UBND", today)
        return await destruction.confirm(store, clock, second, act.id)

    async def _destroyed_by(self, act: Destruction) -> set[str]:
        ids, last = set[str](), 0
        async with self.town.node.store.read(self.scope) as work:
            while items := await open_destructions(work).items(act.id, limit=1000, last_n=last):
                ids |= {item.document_id for item in items if item.state == "destroyed"}
                last = items[-1].n
        return ids & self.lines.keys()

    async def size(self) -> int:
        """Return the bytes of the database that are in use."""
        if self.url.startswith("sqlite"):
            pages, free, size = [
                (await self.ask(f"PRAGMA {name}"))[0][0]
                for name in ("page_count", "freelist_count", "page_size")
            ]
            return int((pages - free) * size)
        return int((await self.ask("SELECT pg_database_size(current_database())"))[0][0])

    async def ask(self, words: str) -> Sequence[tuple[Any, ...]]:
        async with self.town.node.store.reading() as tx:
            return [tuple(row) for row in await tx.tuples(text(words))]


def _body(n: int) -> bytes:
    return Random(n).randbytes(BYTES if n % 100 else SMALL + 1)


@pytest.fixture(params=BOTH_KINDS)
def template(request: pytest.FixtureRequest) -> str:
    """Return the name of a database to copy; empty for SQLite."""
    return "" if request.param == "sqlite" else request.getfixturevalue("postgres_template")


@pytest.fixture
async def years(template: str, tmp_path: Path) -> AsyncIterator[Years]:
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(fresh_database(template)) if template else ""
        town = await stack.enter_async_context(open_town(tmp_path / "node", database=database))
        yield Years(town, await town.scope(PROVINCE), database or town.node.settings.database.url)


@pytest.mark.timeout(7200)
async def test_after_fifteen_years_what_should_be_there_is_there_and_the_rest_is_gone(
    years: Years, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R102, R129 (sixteen Januaries, sixteen acts)."""
    make_cheap(monkeypatch)
    town, store, clock, scope = years.town, years.town.node.store, years.town.clock, years.scope
    proved = []
    for number in ("900001", "900002"):
        _, arrived = await exchanged(town, number)
        for code in ("04", "05", "06"):
            await town.act_and_carry(town.status(arrived, code))
        proved.append(await town.reload(arrived))
    await sealed(town, None)
    began = time.monotonic()
    await years.arrive(DOCUMENTS)
    print(json.dumps({"filled": DOCUMENTS, "s": round(time.monotonic() - began, 1)}))
    table = "".join(
        f"{m or 'VV'},{name},,{m or 'vĩnh viễn'},year-end,2000-01-01,,QĐ 1\n" for name, m in PERIODS.items()
    )
    rows = retention.read_table(HEAD + table)
    nothing = retention.RetentionMoves(files=0, documents=0, earliest=None, latest=None, first=())
    await retention.put_table(store, clock, scope, rows, nothing)
    settings, copies = town.node.settings, tmp_path / "copies"
    copies.mkdir()
    source = backup.BackupSource(
        node="province",
        database_url=settings.database.address,
        content=years.content,
        keys=settings.keys.folder,
        trust=settings.trust.folder,
        settings=None,
    )

    async def back_up(name: str) -> Path:
        await backup.make(
            source, copies / name, WORDS, clock, town.node.pool, lambda step, count: None, in_pieces=True
        )
        return copies / name

    order, earlier = "", await back_up("first.snapshot")
    for nth in range(1, YEARS + 1):
        await _next_january(years)
        if nth == ORDERED:
            begun = await preservation.begin(store, clock, scope, Extent(partner=PRESERVED), WHY, "12/QĐ-TTr")
            order = begun.id
        if nth == ENDED:
            await preservation.ask_end(store, clock, scope, order, "Vụ việc đã kết thúc")
            await preservation.end(store, clock, replace(scope, principal_id="prn_head"), order)
        print(json.dumps(await years.end_of_year(nth)))
        await years.arrive(A_YEAR)
    assert len(years.destroyed) > len(years.lines) / 4

    # Rows, content and words: gone for the destroyed ones alone.
    expected = {line.digest for line in years.lines.values() if line.id not in years.destroyed}
    digests = {digest for (digest,) in await years.ask("SELECT digest FROM blob")}
    assert digests & {line.digest for line in years.lines.values()} == expected
    texts = {id for (id,) in await years.ask("SELECT document_id FROM content_text")}
    assert texts & years.lines.keys() == years.lines.keys() - years.destroyed
    lines = await years.ask("SELECT id FROM incoming_document UNION ALL SELECT id FROM outgoing_document")
    assert years.lines.keys() <= {id for (id,) in lines}
    book = await years.ask("SELECT year, number FROM register_entry WHERE incoming_id LIKE 'inb_0000%'")
    assert sorted(f"{year}/{number}" for year, number in book) == sorted(years.numbers)
    _, differences = await figures_check.check(store)
    assert differences == []

    large = {line.digest for line in years.lines.values() if int(line.id[4:]) % 100 == 0}
    files = {path.name for path in years.content.rglob("*") if path.is_file()}
    assert files & large == expected & large

    # Backups: what no later one names is gone with the earlier one.
    await back_up("last.snapshot")
    pieces = backup_store.BackupStore.open(copies, WORDS)
    first_year = {line.digest for line in years.lines.values() if int(line.id[4:]) < DOCUMENTS} & large
    assert {digest for digest in large if pieces.has(digest)} == expected & large | first_year
    backup_store.delete(copies, [earlier])
    assert {digest for digest in large if pieces.has(digest)} == expected & large
    print(json.dumps({"copies": sum(file.stat().st_size for file in copies.rglob("*") if file.is_file())}))
    await sealed(town, None)
    for n, document in enumerate(proved):
        assert (await town.reload(document)).destroyed is not None
        raw = await pack_of(town, PROVINCE, document.id)
        assert [
            line for line in check(raw, tmp_path / str(n), None, at=clock.now()).lines if line.ok is False
        ] == []


async def _next_january(years: Years) -> None:
    now = years.town.clock.now()
    years.town.clock.advance(datetime(local(now).year + 1, 1, 10, tzinfo=now.tzinfo) - now)
