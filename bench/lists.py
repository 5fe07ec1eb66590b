"""How fast lists, searches, details and the dashboard answer over many documents: `python -m bench.lists [--documents N]
[--postgres URL] [--users N] [--seconds S] [--think S]`. In: an empty database, filled with invented documents of a
realistic spread, in bulk. Out: times on the handler's side, with so many users at once, with and without think time, and
the plan of the slowest question. A time is never judged."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy import Table, event, inspect

from gateway.clock import SystemClock
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
from gateway.domain.listing import Deliveries, Side, Tab, due_within, incoming_line, outgoing_line
from gateway.domain.status import Fact, Track
from gateway.domain.wall_clock import VIETNAM
from gateway.ports.lists import Sort, Wanted
from gateway.store import incoming, migrate, outgoing
from gateway.store.deliveries import delivery_row, fact_row
from gateway.store.lists_write import row
from gateway.store.store import SqlStore
from gateway.store.tables import FactRow, IncomingRow, OutgoingRow

SCOPE = AgencyScope(agency_id="agy_bench", principal_id="prn_bench")
NOW = datetime.now(UTC)
_DAYS = 400
_AT_ONCE = 5_000
# Common words and rare ones; without accents written out, because search treats both alike and this file is plain.
_TEXT = """
quyet dinh phe duyet du an ke hoach trien khai cong tac phong chong thien tai bao cao ket qua thuc hien nhiem vu nam hoc
kinh phi bo sung dieu chinh quy hoach dat dai xay dung giao thong nong nghiep y te giao duc van hoa to trinh de nghi xem
xet thong bao moi hop trien khai nghi quyet hoi dong nhan dan ve viec tang cuong quan ly
"""
_WORDS = _TEXT.split()
_PLACES = [f"{kind} {name}" for kind in ("So", "Phong", "Chi cuc", "UBND xa") for name in ("Noi vu", "Tai chinh",
           "Y te", "Xay dung", "Cong Thuong", "Tu phap", "Dong Ha", "Tay Son", "Nam Dan", "Bac Ha")]  # fmt: skip
_TYPES = ("Quyet dinh", "Cong van", "Bao cao", "Ke hoach", "Thong bao", "To trinh", "Giay moi")
_SYMBOLS = ("UBND-VP", "STC-VP", "QD-UBND", "BC-SNV", "KH-SYT")
_URGENCIES = (Urgency.NORMAL,) * 18 + (Urgency.URGENT, Urgency.EXPRESS)
_OUT_STATES = (
    ("accepted",) * 70 + ("done",) * 20 + ("delivered",) * 6 + ("sent",) * 2 + ("rejected", "failed")
)
_IN_STATES = (
    (InState.DONE,) * 80 + (InState.ACCEPTED,) * 14 + (InState.PROCESSING,) * 3 + (InState.REJECTED,) * 3
)
# Of the last days, what nobody has taken in yet.
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
            "subject": " ".join((*rng.choices(_WORDS, k=14), rng.choice(self.names))),
            "type_name": rng.choice(_TYPES),
            "urgency": rng.choice(_URGENCIES),
            "signer": Signer(name=f"Nguyen Van {rng.choice(self.names)[:4]}"),
        }

    def party(self) -> Recipient:
        n = self.rng.randrange(len(_PLACES))
        return Recipient(code=f"Z91.{n:02}", name=_PLACES[n])


def sent(spread: Spread, n: int) -> Iterator[Any]:
    """The rows of one outgoing document: its own, its deliveries', their facts' and the list's."""
    known = spread.common(n)
    at = known.pop("at")
    id = f"msg_{n:010}"
    several = spread.rng.choice((1, 1, 2, 3, 5, 20))
    to = tuple({one.code: one for one in (spread.party() for _ in range(several))}.values())
    file = FileItem(
        n=1, name="a.pdf", role=FileRole.LEAD, content_type="application/pdf", size=9, sha256=Digest("0" * 64)
    )
    document = OutgoingDocument(
        id=id,
        agency_id=SCOPE.agency_id,
        kind=Kind.DOCUMENT,
        packet_id=PacketId(f"packet-{id}"),
        document_id=DocumentId(f"Z91,{id}"),
        draft=Draft(recipients=to, reply_required=False, **known),
        files=(file,),
        state=OutState.PACKED,
        created_at=at,
        accepted_by=SCOPE.principal_id,
    )
    yield outgoing.from_domain(document)
    states: dict[str, int] = {}
    for position, one in enumerate(to):
        state = spread.rng.choice(_OUT_STATES)
        states[state] = states.get(state, 0) + 1
        delivery = Delivery(
            id=f"dlv_{n:010}_{position}",
            agency_id=SCOPE.agency_id,
            document_id=id,
            recipient=one,
            attempt=1,
            state=state,
            updated_at=at + timedelta(hours=1),
        )
        yield delivery_row(delivery, position)
        if at > NOW - timedelta(days=31):
            yield from facts(delivery.id, at, spread.rng)
    found = Deliveries(states=states, sent_at=at, latest_at=at + timedelta(hours=1))
    line = outgoing_line(document, found, due_within(Side.OUT, at, document.draft.urgency))
    yield row(line, document)


def facts(delivery_id: str, at: datetime, rng: random.Random) -> Iterator[FactRow]:
    for track, code, after in (
        (Track.TRANSPORT, "sent", 1),
        (Track.BUSINESS, "01", 5),
        (Track.BUSINESS, "03", 4_000),
    ):
        fact = Fact(track=track, code=code, at=at + timedelta(seconds=after * (0.5 + rng.random())))
        yield fact_row(SCOPE.agency_id, delivery_id, fact)


def arrived(spread: Spread, n: int) -> Iterator[Any]:
    known = spread.common(n)
    at = known.pop("at")
    id, sender = f"inc_{n:010}", spread.party()
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
        **known,
    )
    yield incoming.from_domain(document)
    yield row(incoming_line(document, state.value, due_within(Side.IN, at, document.urgency)), document)


async def fill(store: SqlStore, url: str, documents: int) -> None:
    """Half of each side, oldest and newest mixed as they would not be: the worst case for an index."""
    await store.accounts.add_hosted(HostedAgency(id=SCOPE.agency_id, code="Z90", name="Bench"))
    spread = Spread(rng=random.Random(20261120))
    made = (each for n in range(documents // 2) for make in (sent, arrived) for each in make(spread, n))
    while batch := list(islice(made, _AT_ONCE * 10)):
        by_table: dict[Any, list[Any]] = {}
        for each in batch:
            by_table.setdefault(type(each), []).append(each)
        # What others point to goes first.
        for kind in sorted(by_table, key=lambda kind: kind not in (OutgoingRow, IncomingRow)):
            await _put(store, url, kind, by_table[kind])


async def _put(store: SqlStore, url: str, kind: Any, rows: Sequence[Any]) -> None:
    table: Table = inspect(kind).local_table
    names = [each.name for each in table.columns]
    if url.startswith("sqlite"):
        async with store.writing() as tx:
            await tx.connection.execute(table.insert(), [each.model_dump() for each in rows])
            await tx.commit()
        return
    connection = await asyncpg.connect(url)
    try:
        values = [tuple(getattr(each, name) for name in names) for each in rows]
        await connection.copy_records_to_table(table.name, records=values, columns=names)
    finally:
        await connection.close()


def questions(spread: Spread) -> dict[str, Callable[[Any], Awaitable[Any]]]:
    """What pages ask, by name; each is one page of the interface, with what it shows beside the rows."""
    out, arriving = Wanted(side=Side.OUT), Wanted(side=Side.IN)
    rng, today = spread.rng, NOW.astimezone(VIETNAM).date()

    def listed(make: Callable[[], Wanted], *, tabs: bool = True) -> Callable[[Any], Awaitable[Any]]:
        async def ask(lists: Any) -> None:
            wanted = make()
            page = await lists.page(wanted, limit=50)
            if page.next_cursor is not None:
                await lists.page(wanted, limit=50, cursor=page.next_cursor)
            if tabs and wanted.side is not None:
                await lists.tabs(wanted.side)

        return ask

    async def detail(lists: Any) -> None:
        await lists.line(f"msg_{rng.randrange(1_000):010}")

    async def dashboard(lists: Any) -> None:
        await lists.tiles(today)
        await lists.charts(today)

    texts = (
        lambda: f"{rng.randrange(9_000)}/STC-VP",
        lambda: rng.choice(spread.names),
        lambda: " ".join(rng.choices(_WORDS, k=3)),
        lambda: f"{rng.choice(_WORDS)} {rng.choice(spread.names)[:5]}",
        lambda: "ubnd quyet",
        lambda: f"ky:{rng.choice(spread.names)[:4]}",
    )
    return {
        "list out": listed(lambda: out),
        "list in": listed(lambda: arriving),
        "list by number": listed(lambda: replace(out, sort=Sort.NUMBER)),
        "filter tab": listed(lambda: replace(out, tab=rng.choice((Tab.REJECTED, Tab.FAILED, Tab.SILENT)))),
        "filter type": listed(lambda: replace(out, type_name=rng.choice(_TYPES), urgency=Urgency.EXPRESS)),
        "filter party": listed(
            lambda: replace(arriving, party=f"Z91.{rng.randrange(40):02}", sort=Sort.NEWEST)
        ),
        "filter month": listed(
            lambda: replace(out, since=NOW - timedelta(days=90), until=NOW - timedelta(days=60))
        ),
        "count filtered": lambda lists: lists.count(replace(out, type_name=rng.choice(_TYPES))),
        "search": listed(lambda: Wanted(side=None, text=rng.choice(texts)()), tabs=False),
        "detail": detail,
        "dashboard": dashboard,
    }


async def measure(store: SqlStore, users: int, seconds: float, think_s: float) -> dict[str, list[float]]:
    """Milliseconds by question; users ask in turn whatever comes, and think in between."""
    asked = questions(Spread(rng=random.Random(7)))
    took: dict[str, list[float]] = {name: [] for name in asked}
    until = time.monotonic() + seconds

    async def user(rng: random.Random) -> None:
        await asyncio.sleep(rng.random() * think_s)
        while time.monotonic() < until:
            name = rng.choice(list(asked))
            begun = time.perf_counter()
            async with store.read(SCOPE) as view:
                await asked[name](view.lists)
            took[name].append((time.perf_counter() - begun) * 1_000)
            await asyncio.sleep(think_s)

    await asyncio.gather(*(user(random.Random(n)) for n in range(users)))
    return took


def told(took: dict[str, list[float]]) -> Iterator[str]:
    everything = sorted(each for times in took.values() for each in times)
    for name, times in (*took.items(), ("all", everything)):
        if times:
            ordered = sorted(times)
            yield (
                f"  {name:<15} n {len(ordered):>5}  median {_at(ordered, 0.5):7.1f} ms  p95 {_at(ordered, 0.95):7.1f} ms"
                f"  longest {ordered[-1]:7.1f} ms"
            )


def _at(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


async def slowest(store: SqlStore) -> str:
    """The plan of the statement that took longest of all questions, asked once each by one user."""
    worst: tuple[float, str, Any] = (0.0, "", None)

    def before(connection: Any, cursor: Any, statement: str, values: Any, context: Any, many: bool) -> None:
        context.begun = time.perf_counter()

    def after(connection: Any, cursor: Any, statement: str, values: Any, context: Any, many: bool) -> None:
        nonlocal worst
        took = time.perf_counter() - context.begun
        if took > worst[0] and statement.lstrip().upper().startswith("SELECT"):
            worst = (took, statement, values)

    engine = store.reader.sync_engine
    event.listen(engine, "before_cursor_execute", before)
    event.listen(engine, "after_cursor_execute", after)
    for name, ask in questions(Spread(rng=random.Random(7))).items():
        for _ in range(3 if name == "search" else 1):
            async with store.read(SCOPE) as view:
                await ask(view.lists)
    event.remove(engine, "before_cursor_execute", before)
    event.remove(engine, "after_cursor_execute", after)
    took, statement, values = worst
    how = "EXPLAIN QUERY PLAN " if store.reader.dialect.name == "sqlite" else "EXPLAIN (ANALYZE, BUFFERS) "
    async with store.reading() as tx:
        plan = (await tx.connection.exec_driver_sql(how + statement, values)).all()
    return "\n".join(
        [f"{took * 1_000:.1f} ms: {' '.join(statement.split())}", *(f"  {line[-1]}" for line in plan)]
    )


async def run(url: str, given: argparse.Namespace) -> None:
    await migrate.up(url)
    store = SqlStore(url, SystemClock())
    try:
        begun = time.monotonic()
        await fill(store, url, given.documents)
        async with store.writer.connect() as connection:
            whole = await connection.execution_options(isolation_level="AUTOCOMMIT")
            await whole.exec_driver_sql("ANALYZE" if url.startswith("sqlite") else "VACUUM ANALYZE")
        print(
            f"{url.partition(':')[0]}: {given.documents} documents in {time.monotonic() - begun:.0f} s",
            flush=True,
        )
        begun = time.monotonic()
        while await store.work_out_day():
            pass
        print(f"figures of the days in {time.monotonic() - begun:.1f} s", flush=True)
        for think_s in (given.think, 0.0):
            print(f"{given.users} users, {think_s} s think time:", flush=True)
            for line in told(await measure(store, given.users, given.seconds, think_s)):
                print(line, flush=True)
        print(await slowest(store), flush=True)
    finally:
        await store.close()


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.lists")
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument(
        "--postgres", metavar="URL", help="an empty database; without it SQLite in a scratch folder"
    )
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--think", type=float, default=2.0)
    parser.add_argument("--folder", type=Path, help="where the scratch folder goes")
    given = parser.parse_args(words)
    with tempfile.TemporaryDirectory(prefix="gateway-lists-", dir=given.folder) as folder:
        asyncio.run(run(given.postgres or f"sqlite:///{folder}/node.db", given))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
