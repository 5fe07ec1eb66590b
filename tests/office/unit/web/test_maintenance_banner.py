"""Pages during a maintenance: they say till when, with the reason as it was written."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from aiohttp import ClientSession

from gateway.domain.wall_clock import VIETNAM
from gateway.store import maintenance
from tests.office.support.town import open_town
from tests.support.clock import MovableClock

END = datetime(2026, 12, 1, 6, 0, tzinfo=VIETNAM)
SAYS = {
    "vi": "Hệ thống bảo trì đến 06:00 ngày 01/12/2026. Văn bản chưa gửi, chưa nhận được; việc đọc vẫn bình thường.",
    "en": "The system is under maintenance until 06:00 on 01/12/2026.",
}


async def test_pages_say_till_when_a_maintenance_goes_on_and_why_until_its_end(tmp_path: Path) -> None:
    clock = MovableClock(END - timedelta(hours=3))
    async with open_town(tmp_path / "node", clock, serves=True) as town, ClientSession() as browser:
        node = town.node
        await maintenance.begin(node.store, clock, "prn_operator", END, "Nâng cấp <máy chủ>")
        await node.maintenance.step()

        async def page(lang: str) -> str:
            async with browser.get(f"{town.url}/dang-nhap", params={"lang": lang}) as response:
                return await response.text()

        pages = {lang: await page(lang) for lang in SAYS}
        clock.skip(timedelta(hours=3))
        last = await page("vi")

    for lang, text in SAYS.items():
        assert text in pages[lang]
    assert "Lý do: Nâng cấp &lt;máy chủ&gt;" in pages["vi"]
    assert "Hệ thống bảo trì" not in last
