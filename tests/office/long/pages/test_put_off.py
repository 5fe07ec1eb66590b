"""Urgent and late documents may be put off until their time and no longer, and the home page counts them whatever else
waits, the express one first. The tests use no browser."""

from __future__ import annotations

import re
from datetime import timedelta

from gateway.domain.document import Urgency
from gateway.domain.wall_clock import local
from gateway_office.web.pages.dashboard import MOST_LINES
from tests.office.pages.guest import calling_as
from tests.office.pages.mail import Mail
from tests.office.pages.site import Site

LINES = re.compile(r'<a class="letter-what" data-open href="/van-ban-den/(\w+)\?viec=')
PRESSING = re.compile(r'href="(/can-xu-ly\?gap=1)">[^<]*<span class="count">(\d+)</span>')


async def test_an_urgent_document_is_put_off_until_its_time_and_not_past_it(site: Site, mail: Mail) -> None:
    _, document = await mail.comes(urgency=Urgency.VERY_URGENT)
    task = f"take_in:{document.id}"
    async with calling_as(site) as guest:
        page = await guest.get(f"/can-xu-ly/viec?viec={task}")
        late = local(site.clock.now() + timedelta(days=1))
        form = {"task": task, "day": f"{late:%d/%m/%Y}", "time": f"{late:%H:%M}", "note": "Chờ in"}
        refused = await guest.post("/can-xu-ly/nhac-lai", form)
        for _ in range(2):  # not so long that the session is over
            site.clock.skip(timedelta(minutes=20))
            answer = await guest.get(f"/can-xu-ly/viec?viec={task}")

    assert page.status == 200
    assert "Chậm nhất đến hạn" in page.text
    assert refused.status == 422
    assert "không hoãn quá hạn" in refused.text
    assert answer.status == 200
    assert "không hoãn được nữa" in answer.text
    assert "/can-xu-ly/xong" in answer.text


async def test_what_is_express_or_late_is_counted_at_home_and_led_to_whatever_else_waits(
    site: Site, mail: Mail
) -> None:
    """More than a group has lines for: the express one first, which came last and is not to be put off."""
    keys = ("request", "plan", "decision", "letter", "province-late", "province-task")[: MOST_LINES + 1]
    late = [(await mail.comes(key))[1] for key in keys]
    site.clock.skip(timedelta(days=1))
    _, express = await mail.comes("invitation", urgency=Urgency.EXPRESS)
    task = f"take_in:{express.id}"
    async with calling_as(site) as guest:
        page = await guest.get(f"/can-xu-ly/viec?viec={task}")
        soon = local(site.clock.now() + timedelta(minutes=5))
        form = {"task": task, "day": f"{soon:%d/%m/%Y}", "time": f"{soon:%H:%M}", "note": "Chờ in"}
        refused = await guest.post("/can-xu-ly/nhac-lai", form)
        home = await guest.get("/tong-quan")
        pressing = await guest.get("/can-xu-ly?gap=1")

    assert "hỏa tốc không hoãn được" in page.text
    assert refused.status == 422
    assert "hỏa tốc không hoãn được" in refused.text
    work, _, _ = home.text.partition('aria-labelledby="mail"')
    ids = LINES.findall(work)
    assert (ids[0], len(ids)) == (express.id, MOST_LINES)
    ((path, count),) = PRESSING.findall(work)
    assert int(count) == len(late) + 1
    assert set(LINES.findall(pressing.text)) == {express.id, *(document.id for document in late)}
    assert path in pressing.text
