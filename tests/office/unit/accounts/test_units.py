"""The administrator keeps the list of units: posts and open work follow a rename, and a unit in use is not closed."""

from __future__ import annotations

import pytest

from gateway.domain.account import AgencyScope
from gateway.domain.event import EventKind
from gateway.domain.handling import UnitPart
from gateway.errors import Clash
from gateway_office.accounts import posts, units
from gateway_office.domain.roles import PostRole, Right
from gateway_office.services import AccountServices
from gateway_office.store.store import SqlOfficeStore
from tests.office.support import accounts
from tests.office.support.accounts import NORTH, SOUTH, Someone, denied, post
from tests.support.clock import ManualClock
from tests.support.stores import incoming

SCOPE = AgencyScope(agency_id=NORTH, principal_id="prn_north")


async def administrator(services: AccountServices) -> Someone:
    root = await accounts.operator(services)
    return await accounts.someone(services, root.by, "admin", post(PostRole.AGENCY_ADMIN))


async def tree(services: AccountServices, admin: Someone) -> list[tuple[str, int]]:
    details, _ = await units.list_units(services, admin.by, NORTH)
    return [(detail.unit.name, detail.depth) for detail in details]


async def test_units_are_added_ordered_and_put_under_one_another(services: AccountServices) -> None:
    admin = await administrator(services)
    office = await units.add_unit(services, admin.by, NORTH, " Văn  phòng ")
    finance = await units.add_unit(services, admin.by, NORTH, "Phòng Tài chính")
    group = await units.add_unit(services, admin.by, NORTH, "Tổ Một", office.id)

    await units.move_up(services, admin.by, NORTH, finance.id)
    await units.move_up(services, admin.by, NORTH, finance.id)
    assert await tree(services, admin) == [("Phòng Tài chính", 0), ("Văn phòng", 0), ("Tổ Một", 1)]
    await units.change_unit(services, admin.by, NORTH, office.id, office.name, finance.id)
    assert await tree(services, admin) == [("Phòng Tài chính", 0), ("Văn phòng", 1), ("Tổ Một", 2)]

    with pytest.raises(Clash, match="not under it"):
        await units.change_unit(services, admin.by, NORTH, finance.id, finance.name, group.id)
    with pytest.raises(Clash, match="has or had the name"):
        await units.add_unit(services, admin.by, NORTH, "VAN PHONG")
    await denied(units.add_unit(services, admin.by, SOUTH, "Phòng khác"))


async def test_a_rename_takes_posts_and_rights_along_and_keeps_the_former_name_reserved(
    services: AccountServices, store: SqlOfficeStore
) -> None:
    admin = await administrator(services)
    await units.add_unit(services, admin.by, NORTH, "Phòng Kinh tế")
    officer = await accounts.someone(
        services, admin.by, "officer", post(PostRole.OFFICER, unit="phòng kinh tế")
    )
    (detail,), _ = await units.list_units(services, admin.by, NORTH)
    assert [(member.name, member.unit) for member in detail.members] == [("Person officer", "Phòng Kinh tế")]

    renamed = await units.change_unit(services, admin.by, NORTH, detail.unit.id, "Phòng Kế hoạch")

    acting = await officer.acts()
    share = acting.rights.share(Right.SEE_CONTENT, NORTH, acting.at)
    assert (share.units, share.leading, share.persons) == (
        frozenset({"phong ke hoach", "phong kinh te"}),
        frozenset(),
        frozenset({officer.person.id}),
    )
    with pytest.raises(Clash, match="has or had the name"):
        await units.add_unit(services, admin.by, NORTH, "Phòng Kinh tế")
    await posts.give(services, admin.by, "officer", post(PostRole.UNIT_HEAD, unit="Phòng Kinh tế"))
    async with services.accounts.read() as view:
        assert {p.unit for p in await view.posts.of_persons({officer.person.id})} == {"Phòng Kế hoạch"}
    events = await accounts.load_events(services, renamed.id)
    assert [(event.kind, dict(event.data)) for event in events] == [
        (EventKind.UNIT_ADDED, {"agency": NORTH, "unit": "Phòng Kinh tế"}),
        (EventKind.UNIT_CHANGED, {"agency": NORTH, "unit": "Phòng Kinh tế", "name": "Phòng Kế hoạch"}),
    ]


async def test_a_unit_with_persons_or_open_work_is_not_closed(
    services: AccountServices, store: SqlOfficeStore, clock: ManualClock
) -> None:
    admin = await administrator(services)
    await accounts.someone(services, admin.by, "officer", post(PostRole.OFFICER, unit="Phòng mới"))
    (detail,), _ = await units.list_units(services, admin.by, NORTH)
    unit = detail.unit
    with pytest.raises(Clash, match="persons or open parts"):
        await units.close_unit(services, admin.by, NORTH, unit.id)
    await posts.take(services, admin.by, "officer", PostRole.OFFICER, NORTH)
    document = incoming(clock)
    async with store.changing(SCOPE) as work:
        await work.incoming.add(document)
        await work.parts.add(
            UnitPart(
                id="prt_1",
                document_id=document.id,
                unit=unit.name,
                is_lead=True,
                deadline=None,
                given_by="x",
                given_at=clock.now(),
            )
        )
    (detail,), _ = await units.list_units(services, admin.by, NORTH)
    assert ([part.id for part, _ in detail.parts], detail.may_close) == (["prt_1"], False)
    with pytest.raises(Clash, match="persons or open parts"):
        await units.close_unit(services, admin.by, NORTH, unit.id)

    other = await units.add_unit(services, admin.by, NORTH, "Phòng cũ")
    below = await units.add_unit(services, admin.by, NORTH, "Tổ", other.id)
    await units.close_unit(services, admin.by, NORTH, other.id)
    assert await tree(services, admin) == [(unit.name, 0), (below.name, 0)]
    with pytest.raises(Clash, match="closed"):
        await posts.give(services, admin.by, "officer", post(PostRole.OFFICER, unit="Phòng cũ"))
