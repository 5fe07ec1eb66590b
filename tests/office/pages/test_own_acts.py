"""The bell tells people nothing of their own acts, and tells all others of the agency. The tests use no browser."""

from __future__ import annotations

import json
from dataclasses import replace

from gateway.domain.document import Urgency
from gateway.incoming import act
from gateway.incoming.act import StatusCall
from gateway.outgoing import drafting
from gateway_office.domain.roles import PostRole
from tests.office.pages.guest import at_work, calling
from tests.office.pages.mail import Mail
from tests.office.pages.site import Site
from tests.office.support.accounts import Someone
from tests.support.cases import Cases


async def test_the_bell_tells_nobody_what_they_did_themselves(site: Site, mail: Mail, cases: Cases) -> None:
    """The clerk takes a document in, puts it on hold, and writes one; the bell tells the clerk of none and the head of
    each."""
    clerk, head = (site.person(role, "department") for role in (PostRole.CLERK, PostRole.HEAD))
    agency = await mail.scope("department")
    scope = replace(agency, principal_id=clerk.person.id)
    _, accepted = await mail.comes("request", urgency=Urgency.VERY_URGENT)
    _, parked = await mail.comes("plan", urgency=Urgency.VERY_URGENT)
    await act.set_status(site.node.inn, scope, accepted.id, StatusCall(code="03", staff=mail.clerk()))
    await act.set_aside(site.node.inn, scope, parked.id, "Hỏi lại nơi gửi")
    unsigned = mail.draft(mail.cast.document("reply"), site.node.out.today(), ("province",))
    draft = await drafting.begin(site.node.out, scope, replace(unsigned, signed_at=site.clock.now()))
    subjects = {accepted.id, parked.id, draft.id}

    for person, expected in ((clerk, set()), (head, subjects)):
        with cases.case(person.person.title):
            assert await _rung_subjects(site, person, subjects) == expected


async def _rung_subjects(site: Site, person: Someone, subjects: set[str]) -> set[str]:
    async with calling(site.url) as guest:
        await at_work(site, guest, person)
        page = (await guest.get("/thong-bao")).text.partition("<main")[2]
        news = json.loads((await guest.get("/su-kien/so")).text)["bell"]["count"]
    rung = {subject for subject in subjects if f"/{subject}" in page}
    assert news >= len(rung)
    return rung
