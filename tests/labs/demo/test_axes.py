"""What the story of three axes is judged by, and the services that it takes away: gone when taken away, and back at the
same address with what they had."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest

from gateway_labs.demo.axes import AxesResult, AxisCount
from gateway_labs.demo.axes_between import service
from gateway_labs.simulators.settings import HubAgency


def result(*counts: AxisCount, wrong: tuple[str, ...] = ()) -> AxesResult:
    axes = {f"axis{n}": count for n, count in enumerate(counts)}
    return AxesResult(documents=1, deliveries=1, by_state={}, axes=axes, seconds=1.0, wrong=wrong)


def test_a_story_is_well_told_only_with_nothing_lost_doubled_or_astray() -> None:
    well = AxisCount("vxp", documents=2)

    assert result(well).ok
    assert not result(well, AxisCount("lgsp", documents=1, lost=1)).ok
    assert not result(well, AxisCount("lgsp", documents=1, doubled=1)).ok
    assert not result(well, wrong=("150/UBND-VP went another way",)).ok
    both = result(AxisCount("lgsp", lost=1), AxisCount("vxp", lost=2, doubled=3)).as_json()
    assert (both["lost"], both["doubled"]) == (3, 3)
    assert both["axes"]["axis1"] == {"kind": "vxp", "documents": 0, "lost": 2, "doubled": 3}


@pytest.mark.parametrize("kind", ["lgsp", "vxp"])
async def test_a_service_goes_away_and_comes_back_at_its_address(kind: str, tmp_path: Path) -> None:
    agencies = {"nut-thu": HubAgency(code="Z91.07", name="Sở Thử nghiệm")}
    async with service(kind, tmp_path, agencies) as double, aiohttp.ClientSession() as session:
        assert double.url.startswith("http://127.0.0.1:")
        (system,) = double.systems.values()
        assert (system.login is not None) == (kind == "lgsp")
        assert system.secret not in repr(double)

        async def page_text() -> str:
            async with session.get(f"{double.url}/") as answer:
                return await answer.text()

        first = await page_text()
        await double.away()
        with pytest.raises(aiohttp.ClientError):
            await page_text()
        await double.back()
        await double.back()
        assert await page_text() == first


async def test_secrets_are_made_anew_for_each_run(tmp_path: Path) -> None:
    agencies = {"nut-thu": HubAgency(code="Z91.07", name="Sở Thử nghiệm")}
    secret_texts = set()
    for _ in range(2):
        async with service("vxp", tmp_path, agencies) as double:
            secret_texts.add(double.systems["nut-thu"].secret)

    assert len(secret_texts) == 2
