"""The words that stand for a state say what is so now, on every page that shows them. Asked without a browser."""

from __future__ import annotations

from datetime import timedelta

from gateway.domain.document import Assignment, IncomingDocument
from gateway.incoming import act
from gateway.incoming.act import StatusCall
from gateway.office.accounts import sign_in
from gateway.office.domain.roles import PostRole
from tests.pages.guest import calling
from tests.pages.mail import UNIT, Mail, at
from tests.pages.site import Site
from tests.support.accounts import HERE
from tests.support.cases import Cases

WAITS_FOR_UNIT = "chờ phân công"


async def test_what_was_assigned_waits_nowhere_for_an_assignment(
    site: Site, mail: Mail, cases: Cases
) -> None:
    """Neither where the sender was told of it, nor where a program named the unit without a status."""
    sent, told = await mail.taken_in()
    given = Assignment(lead_unit=UNIT)
    await mail.status("department", sent, StatusCall(code="04", staff=mail.clerk(), assignment=given))
    _, silent = await mail.taken_in("plan")
    await act.assign(site.node.inn, await mail.scope("department"), silent.id, given)
    site.clock.skip(timedelta(days=1))
    person = site.person(PostRole.CLERK, "department")
    async with calling(site.url) as guest:
        guest.token = (await sign_in.run(person.desk, person.typed(), HERE)).token
        for path in _pages(told, silent):
            with cases.case(path):
                page = await guest.get(path)
                assert page.status == 200
                assert WAITS_FOR_UNIT not in page.text
                assert "trình, phân công" not in page.text


def _pages(*documents: IncomingDocument) -> tuple[str, ...]:
    lists = ("/van-ban-den?tab=accepted", "/van-ban-den?tab=all", "/tim-kiem?q=so&phia=in")
    return (*lists, "/so-van-ban?so=incoming", "/can-xu-ly", "/tong-quan", "/thong-bao", *map(at, documents))
