"""While the program is exchanged no document is lost or doubled; a node that came back to a moment on PostgreSQL has the
documents of before it and no others; copied documents are in the lists as others are."""

from __future__ import annotations

import tempfile
from argparse import Namespace
from pathlib import Path

import pytest

from bench import lists_fill, moment, pauses
from gateway_office.domain.listing import Filter, Side
from gateway_office.store.store import SqlOfficeStore
from tests.services import postgres
from tests.support.services import missing

# Processes of a node start ten times.
pytestmark = [pytest.mark.timeout(1200)]

ROOT = Path(__file__).parents[3]


async def test_an_exchange_of_the_program_and_the_way_back_lose_no_document(tmp_path: Path) -> None:
    words = Namespace(rows=20, tables=(), database="sqlite", before=str(ROOT), now="", settle=1.0)

    result = await pauses.measure(tmp_path, words)

    assert (result["lost"], result["doubled"], result["phases"]["back"]["outcome"]) == (0, 0, "works")
    assert result["sent"] > 0
    assert result["phases"]["restart"]["no_accept_s"] > 0


async def test_a_node_comes_back_to_a_moment_with_its_documents_and_all_content() -> None:
    if not postgres.installed():
        missing("PostgreSQL is not installed")
    with tempfile.TemporaryDirectory(prefix="gateway-moment-") as name:
        Path(name).chmod(0o755)  # the server runs as a user of its own

        result = await moment.measure(Path(name), total=4_000_000, size=100_000)

    assert (result["refused"], result["same_documents"], result["content_lacks"]) == (True, True, 0)
    assert result["documents"]["before_moment"] < result["documents"]["all"]


async def test_copied_documents_are_in_the_lists(
    store: SqlOfficeStore, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists_fill, "_FIRST", 40)

    await lists_fill.fill(store, url, 120)

    async with store.read(lists_fill.SCOPE) as view:
        page = await view.office.lists.page(Filter(side=Side.OUT), limit=100)
        line = await view.office.lists.line("msg_0000000059")
    assert (len(page.lines), line and line.card.number) == (60, "20")
