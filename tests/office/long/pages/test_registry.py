"""The registry begins at home, shows whom one can write to, and leads from an agency to a letter. No browser is needed."""

from __future__ import annotations

import html
import re

from gateway_office.domain.roles import PostRole
from tests.office.pages.guest import Guest, at_work, calling
from tests.office.pages.mail import Mail
from tests.office.pages.site import Site
from tests.support.node import DEPARTMENT, PROVINCE


async def _enter(site: Site, guest: Guest, role: PostRole, actor: str = "") -> None:
    await at_work(site, guest, site.person(role, actor))


def _rows(page: str) -> dict[str, str]:
    """Return the rows of agencies, by code, as words."""
    rows = re.findall(
        r'<li class="letter[^"]*" data-row data-id="[^"]+" data-code="([^"]+)">(.*?)</li>', page, re.S
    )
    return {code: html.unescape(re.sub(r"<[^>]+>", " ", row)) for code, row in rows}


async def test_the_registry_begins_with_the_own_province_and_says_who_is_not_connected(site: Site) -> None:
    async with calling(site.url) as guest:
        await _enter(site, guest, PostRole.CLERK, "department")
        page = (await guest.get("/co-quan")).text
        narrowed = (await guest.get("/co-quan?cap=1")).text
        await _enter(site, guest, PostRole.OPERATOR)
        of_node = (await guest.get("/co-quan")).text

    codes, (own, elsewhere) = list(_rows(page)), page.split("Cả nước", 1)
    assert codes[:2] == [PROVINCE, DEPARTMENT]
    assert len(codes) == len(set(codes)), "an agency stands in one of the two"
    assert "Tỉnh ta" in own
    assert f'data-code="{PROVINCE}"' not in elsewhere
    assert "Chưa kết nối" not in _rows(page)[DEPARTMENT]
    stranger = next(code for code in codes if not code.startswith(PROVINCE))
    assert "Chưa kết nối" in _rows(page)[stranger]
    assert re.search(
        rf'class="letter unconnected" data-row data-id="{stranger}" data-code="{stranger}"', page
    )
    assert "Tỉnh ta" not in narrowed
    assert "Tỉnh ta" not in of_node


async def test_an_agency_shows_its_lights_and_the_last_letters_and_takes_a_new_one(
    site: Site, mail: Mail
) -> None:
    sent, arrived = await mail.comes()
    async with calling(site.url) as guest:
        await _enter(site, guest, PostRole.CLERK, "department")
        page = (await guest.get(f"/co-quan/{PROVINCE}")).text
        own = (await guest.get(f"/co-quan/{DEPARTMENT}")).text
        compose = (await guest.get(f"/phat-hanh?noi-nhan={PROVINCE}")).text
        unknown = (await guest.get("/phat-hanh?noi-nhan=Z99.99")).text
        await _enter(site, guest, PostRole.CLERK, "province")
        sender = (await guest.get(f"/co-quan/{DEPARTMENT}")).text
        await _enter(site, guest, PostRole.OPERATOR)
        operator = (await guest.get(f"/co-quan/{PROVINCE}")).text
        # A unit without an assignment sees no letter, as in its own lists.
        for role in (PostRole.UNIT_HEAD, PostRole.OFFICER):
            await _enter(site, guest, role, "department")
            assert sent.draft.subject not in html.unescape((await guest.get(f"/co-quan/{PROVINCE}")).text)

    assert all(
        words in page for words in ("Đã kết nối", "Chứng thư số còn hiệu lực", "Có phản hồi, gần nhất")
    )
    assert f'href="/van-ban-den/{arrived.id}' in page
    assert sent.draft.subject in html.unescape(page)
    assert f'href="/van-ban-di/{sent.id}' in sender
    assert f'href="/phat-hanh?noi-nhan={PROVINCE}"' in page
    assert "/phat-hanh?noi-nhan=" not in own, "nobody writes to themselves"
    assert "Ủy ban nhân dân tỉnh" in compose.split('id="recipients"', 1)[-1]
    assert 'id="to-0"' in compose
    assert 'id="to-0"' not in unknown, "a code of no registry is no recipient"
    assert sent.draft.subject not in html.unescape(operator)
    assert "/phat-hanh?noi-nhan=" not in operator
