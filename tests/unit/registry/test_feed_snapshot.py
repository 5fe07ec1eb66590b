"""A registry that takes another one's snapshots or changes equals it afterwards; and two lists are compared."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import insert

from gateway.domain.registry import AgencyEntry, RowSource
from gateway.domain.registry_change import AgencyRecord
from gateway.pool import ThreadPool
from gateway.registry.directory import SqlDirectory
from gateway.registry.tables import AGENCY
from gateway.registry_authoring import feed_file, snapshot
from gateway.registry_authoring.changes import SqlDirectoryChanges
from gateway.registry_authoring.feed import SqlFeed
from gateway.registry_authoring.feed_file import FeedKind, FeedRefused
from gateway.registry_authoring.feed_judge import FeedRoom
from gateway.registry_authoring.rows import row_values
from gateway.store.engine import EngineRole, open_engine
from gateway.store.memory import Memory
from tests.support import feeds, pki, stores
from tests.support.clock import ManualClock
from tests.unit.registry.conftest import feed_room


class Side:
    """One node's registry."""

    def __init__(self, room: FeedRoom, folder: Path) -> None:
        self.room, self.folder = room, folder
        self.feed = SqlFeed(room)
        self.directory = SqlDirectory(room.reader, Memory(room.reader), room.clock)
        self.directory_changes = SqlDirectoryChanges(room.writer, room.reader, room.clock, room.pool)

    async def holds(self, rows: Mapping[str, AgencyRecord]) -> None:
        """Replace the registry's rows by exactly these, as imported."""
        async with self.room.writer.begin() as connection:
            await connection.execute(AGENCY.delete())
            values = [row_values(row, RowSource.IMPORTED, self.room.clock.now()) for row in rows.values()]
            if values:
                await connection.execute(insert(AGENCY), values)

    async def shows(self) -> dict[str, AgencyEntry]:
        entries = (await self.directory.entries(limit=1000)).items
        return {entry.code: replace(entry, source=RowSource.SYNCED) for entry in entries}


@asynccontextmanager
async def side(folder: Path, url: str | None = None) -> AsyncIterator[Side]:
    folder.mkdir()
    url = url or f"sqlite:///{await asyncio.to_thread(stores.migrated, folder)}"
    pool, clock = ThreadPool(2), ManualClock()
    writer, reader = open_engine(url, EngineRole.WRITER), open_engine(url, EngineRole.READER)
    room = feed_room(folder, writer, reader, clock, pool)
    yield Side(room, folder)
    await room.writer.dispose()
    await room.reader.dispose()
    pool.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def issuer_url(request: pytest.FixtureRequest) -> str | None:
    return None if request.param == "sqlite" else str(request.getfixturevalue("migrated_postgres_url"))


async def test_rows_stand_by_their_bytes_on_both_databases(issuer_url: str | None, tmp_path: Path) -> None:
    """A database may sort by language; a feed never does."""
    codes = ["Z91", "Z91.01", "Z91.A", "Z91.10.01", "Z92", "000.00.07.Z91"]
    rows = {code: AgencyRecord(code=code, name=f"Sở {code}") for code in codes}
    async with side(tmp_path / "issuer", issuer_url) as issuer:
        await issuer.holds(rows)
        certificate = pki.signer("Z91.A", "p256").certificate_der
        await issuer.directory_changes.bind("Z91.A", certificate, pki.NOT_BEFORE, pki.NOT_AFTER, "one", "two")

        header = await issuer.feed.export(tmp_path / "1.feed", feeds.ISSUER, sequence=3)

        ends = feed_file.ends(tmp_path / "1.feed")
        places = [feed_file.place(line) for line in feed_file.lines(tmp_path / "1.feed", ends)]
        assert [place[1] for place in places[:-1]] == sorted(codes)
        assert places[-1][0] == "~Z91.A"
        assert (header.kind, header.sequence, header.rows) == (FeedKind.SNAPSHOT, 3, 7)
        assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


async def test_starter_rows_are_not_given_on_and_a_row_that_no_receiver_would_take_stops_the_export(
    tmp_path: Path,
) -> None:
    async with side(tmp_path / "issuer") as issuer:
        await issuer.holds({"Z91": AgencyRecord(code="Z91", name=" spaces ")})
        with pytest.raises(FeedRefused, match="Z91 cannot stand in a feed"):
            await issuer.feed.export(tmp_path / "1.feed", feeds.ISSUER)
        assert [path.name for path in tmp_path.iterdir()] == ["issuer"]

        await issuer.holds({})
        assert await issuer.directory_changes.load_starter() > 0
        assert (await issuer.feed.export(tmp_path / "1.feed", feeds.ISSUER)).rows == 0


async def test_codes_of_other_schemes_are_not_given_on_nor_links_to_them(tmp_path: Path) -> None:
    company = AgencyRecord(code="0199990000", name="Công ty Mẫu", scheme="DN")
    office = AgencyRecord(code="Z91.01", name="Sở Một", successor=company.code)
    async with side(tmp_path / "issuer") as issuer:
        await issuer.holds({company.code: company, office.code: office})

        assert (await issuer.feed.export(tmp_path / "1.feed", feeds.ISSUER)).rows == 1

    ends = feed_file.ends(tmp_path / "1.feed")
    assert [feed_file.code_of(line) for line in feed_file.lines(tmp_path / "1.feed", ends)] == ["Z91.01"]
    assert b"0199990000" not in (tmp_path / "1.feed").read_bytes()


def write(path: Path, raw: bytes) -> Path:
    path.write_bytes(raw)
    return path


async def test_two_lists_are_compared_row_by_row(tmp_path: Path) -> None:
    der = pki.signer("Z91", "p256").certificate_der
    older = write(tmp_path / "1", feeds.feed([feeds.agency("Z91", "A"), feeds.agency("Z92")], 1))
    newer = write(
        tmp_path / "2",
        feeds.feed([feeds.agency("Z91", "B"), feeds.agency("Z93"), feeds.proposal("Z91", der)], 2),
    )

    differences = list(snapshot.differences(older, newer))

    assert [(x.code, x.is_proposal, x.older, x.newer) for x in differences] == [
        ("Z91", False, True, True),
        ("Z92", False, True, False),
        ("Z93", False, False, True),
        ("Z91", True, False, True),
    ]
    assert differences[0].fields == {"name": ("A", "B")}
    assert "certificate" not in differences[3].fields


async def test_changes_cannot_say_that_a_row_went(tmp_path: Path) -> None:
    numbers = count(1)
    older, newer = (
        write(tmp_path / name, feeds.feed(rows, next(numbers)))
        for name, rows in (("1", [feeds.agency("Z91"), feeds.agency("Z92")]), ("2", [feeds.agency("Z91")]))
    )

    with pytest.raises(FeedRefused, match="Z92 is no longer in the list"):
        snapshot.write_changes(older, newer, tmp_path / "c", feeds.ISSUER)
    with pytest.raises(FeedRefused, match="2 is not older than 1"):
        snapshot.write_changes(newer, older, tmp_path / "c", feeds.ISSUER)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "2"]


async def test_a_damaged_list_is_not_compared(tmp_path: Path) -> None:
    raw = feeds.feed([feeds.agency("Z91", "Abc")], 1)
    good = write(tmp_path / "1", raw)
    bad = write(tmp_path / "2", raw.replace(b"Abc", b"Xyz"))

    with pytest.raises(FeedRefused):
        list(snapshot.differences(good, bad))
