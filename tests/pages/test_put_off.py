"""The page of a task of an urgent document: until when it may be put off, and that it may not be for longer. Asked without
a browser."""

from __future__ import annotations

from datetime import timedelta

from gateway.domain.document import Urgency
from gateway.domain.wall_clock import local
from gateway.office.accounts import sign_in
from gateway.office.domain.roles import PostRole
from tests.pages.guest import calling
from tests.pages.mail import Mail
from tests.pages.site import Site
from tests.support.accounts import HERE


async def test_an_urgent_document_is_put_off_until_its_time_and_not_past_it(site: Site, mail: Mail) -> None:
    _, document = await mail.comes(urgency=Urgency.EXPRESS)
    person = site.person(PostRole.CLERK, "department")
    task = f"take_in:{document.id}"
    async with calling(site.url) as guest:
        guest.token = (await sign_in.run(person.desk, person.typed(), HERE)).token
        page = await guest.get(f"/can-xu-ly/viec?viec={task}")
        late = local(site.clock.now() + timedelta(days=1))
        asked = {"task": task, "day": f"{late:%d/%m/%Y}", "time": f"{late:%H:%M}", "note": "Chờ in"}
        refused = await guest.post("/can-xu-ly/nhac-lai", asked)
        site.clock.skip(timedelta(minutes=20))
        over = await guest.get(f"/can-xu-ly/viec?viec={task}")

    assert page.status == 200
    assert "Chậm nhất đến hạn" in page.text
    assert refused.status == 422
    assert "không hoãn quá hạn" in refused.text
    assert over.status == 200
    assert "không hoãn được nữa" in over.text
    assert "/can-xu-ly/xong" in over.text
