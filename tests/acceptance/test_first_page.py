"""The first page of what arrived, read when somebody opens it: once for each file, and not where nobody may read it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import pytest

from gateway.demo import stage
from gateway.domain.account import AgencyScope
from gateway.domain.document import IncomingDocument
from gateway.domain.pdf import PdfText
from gateway.domain.signatures import PdfFacts
from gateway.office.letters.received import FirstPages
from gateway.office.policy.first_page import FirstPage, compare
from gateway.ports import PdfSignatures
from gateway.ports.content import Readable
from tests.support.node import PROVINCE, Town, opened

CAST = stage.cast()


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    async with opened(tmp_path / "node") as made:
        yield made


@dataclass
class Counted:
    """The reader of the node, with how often it read a page."""

    inner: PdfSignatures
    paths: list[Path] = field(default_factory=list)

    async def read(self, path: Path, seen_at: datetime, now: datetime) -> PdfFacts:
        return await self.inner.read(path, seen_at, now)

    def read_here(self, file: Readable, seen_at: datetime, now: datetime) -> PdfFacts | None:
        return self.inner.read_here(file, seen_at, now)

    async def text(self, path: Path) -> PdfText:
        self.paths.append(path)
        return await self.inner.text(path)


async def arrived(town: Town) -> tuple[AgencyScope, IncomingDocument]:
    today = town.node.out.today()
    await town.send("118", files=(("cong-van.pdf", CAST.file("request", 0, today)),), symbol="UBND-VP")
    await town.carry()
    return await town.scope(PROVINCE), await town.only()


async def test_it_is_read_once_for_each_file_and_says_what_differs(town: Town) -> None:
    scope, document = await arrived(town)
    reader, pages = Counted(town.node.inn.signatures), FirstPages()
    desk = replace(town.node.inn, signatures=reader)

    first = await pages.of(desk, scope, document)
    again = await pages.of(desk, scope, document)

    assert isinstance(first, FirstPage)
    assert again is first
    assert len(reader.paths) == 1
    assert not reader.paths[0].exists()
    assert {each.field: each.same for each in compare(first, document)} == {
        "number": True,
        "date": True,
        "subject": False,
    }


async def test_nothing_is_read_while_it_is_taken_in_or_where_it_may_not_be_read(town: Town) -> None:
    reader = Counted(town.node.inn.signatures)
    _, document = await arrived(town)
    desk = replace(town.node.inn, signatures=reader)
    other = AgencyScope(agency_id="agy_none", principal_id="node")

    assert await FirstPages().of(desk, other, document) is None
    assert reader.paths == []
