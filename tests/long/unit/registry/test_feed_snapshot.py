"""What one registry gives is what another one has afterwards, by snapshots or by changes."""

from __future__ import annotations

import asyncio
import unicodedata
from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.domain.registry_change import AgencyRecord
from tests.support import feeds
from tests.unit.registry.test_feed_snapshot import side

CODES = ["Z91", "Z91.01", "Z91.02", "Z91.A", "Z92", "Z92.01.02"]
names = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Z")), min_size=1, max_size=20)
days = st.none() | st.dates(date(2026, 12, 1), date(2030, 1, 1))


@st.composite
def lists(draw: st.DrawFn) -> dict[str, AgencyRecord]:
    """Rows as an import may leave them: no parents, so that any set of codes goes together."""
    agencies = {}
    for code in draw(st.lists(st.sampled_from(CODES), unique=True)):
        text = unicodedata.normalize("NFC", draw(names)).strip() or "x"
        host = draw(st.sampled_from([None, "north"]))
        agencies[code] = AgencyRecord(code=code, name=text, valid_to=draw(days), host=host)
    return agencies


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=lists(), second=lists())
def test_another_registry_comes_to_the_same_rows(
    first: dict[str, AgencyRecord], second: dict[str, AgencyRecord], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Snapshots close rows that go; changes, where none goes, lead to the same list."""
    folder = tmp_path_factory.mktemp("sides")

    async def tell() -> None:
        async with side(folder / "issuer") as issuer, side(folder / "taker") as taker:
            await issuer.holds(first)
            await issuer.feed.export(folder / "1.feed", feeds.ISSUER)
            assert (await taker.feed.accept(folder / "1.feed", "x")).verdict == "applied"
            assert await taker.shows() == await issuer.shows()
            grown = {**first, **second}
            await issuer.holds(grown)
            await issuer.feed.export(folder / "2.feed", feeds.ISSUER, since=folder / "1.feed")
            header = await issuer.feed.export_changes(folder / "2c.feed", feeds.ISSUER, folder / "1.feed")
            assert header.rows == sum(first.get(code) != row for code, row in grown.items())
            assert (await taker.feed.accept(folder / "2c.feed", "x")).verdict == "applied"
            assert await taker.shows() == await issuer.shows()
            assert (await taker.feed.accept(folder / "2.feed", "x")).verdict == "repeat"
            await issuer.holds(second)
            await issuer.feed.export(folder / "3.feed", feeds.ISSUER, since=folder / "2.feed")
            assert (await taker.feed.accept(folder / "3.feed", "x")).verdict == "applied"
            rows = await taker.shows()
            assert {code: rows[code] for code in second} == await issuer.shows()
            ends = [rows[code].valid_to for code in grown.keys() - second.keys()]
            assert set(ends) <= {date(2026, 11, 19)}

    asyncio.run(tell())
