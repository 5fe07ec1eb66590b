"""Administrators manage accounts: posts, mailboxes, delegations, idle accounts, the yearly list, and reading."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from gateway.domain.account import AgencyScope
from gateway.domain.event import EventKind
from gateway.domain.person import AccountStanding, Role
from gateway.errors import Clash, NotFound
from gateway_office.accounts import acting, admin, posts, requests, sessions, sign_in
from gateway_office.accounts.acting import Administrator
from gateway_office.domain.roles import Manner, PostRole, Right
from gateway_office.policy.signing_in import AccountMeasure
from gateway_office.services import AccountServices
from gateway_office.store.store import SqlOfficeStore
from tests.office.support import accounts
from tests.office.support.accounts import DAY, MACHINE, NORTH, SOUTH, Someone, denied, post
from tests.office.support.rows import hire, person_row
from tests.support.clock import ManualClock
from tests.support.stores import incoming, stored


async def team(services: AccountServices) -> dict[str, Someone]:
    """Add an operator, and in the north an administrator, a clerk, a head and a unit head."""
    staff = {"root": await accounts.operator(services)}
    for login, role in (
        ("admin", PostRole.AGENCY_ADMIN),
        ("clerk", PostRole.CLERK),
        ("head", PostRole.HEAD),
        ("unit", PostRole.UNIT_HEAD),
    ):
        staff[login] = await accounts.someone(services, staff["root"].by, login, post(role))
    return staff


async def test_the_machine_sets_up_the_first_operator_and_nobody_after(services: AccountServices) -> None:
    await accounts.operator(services)

    error = await denied(accounts.someone(services, MACHINE, "second", post(PostRole.OPERATOR)))
    await denied(admin.link(services, MACHINE, "quantri"))
    assert error.code == "GW-RIGHT"


async def test_an_agencys_administrator_stays_in_the_own_agency(services: AccountServices) -> None:
    """And makes no link for an account that may do more: who has the link is that person."""
    staff = await team(services)
    by = staff["admin"].by
    await accounts.someone(
        services, staff["root"].by, "both", post(PostRole.CLERK), post(PostRole.CLERK, SOUTH)
    )

    added = await accounts.someone(services, by, "new", post(PostRole.OFFICER, unit="Room 3"))
    await admin.link(services, by, "new")
    refused = (
        accounts.someone(services, by, "far", post(PostRole.CLERK, SOUTH)),
        accounts.someone(services, by, "upward", post(PostRole.OPERATOR)),
        posts.give(services, by, "new", post(PostRole.AUDITOR)),
        admin.link(services, by, "quantri"),
        admin.link(services, by, "both"),
        admin.stand(services, by, "both", AccountStanding.LOCKED, "works elsewhere too"),
        admin.unlock(services, by, "both"),
        admin.sign_out(services, by, "both"),
        admin.must_change(services, by, "both"),
        posts.give(services, staff["clerk"].by, "new", post(PostRole.CLERK)),
        admin.review_lines(services, by, SOUTH),
    )
    for attempt in refused:
        assert (await denied(attempt)).code == "GW-RIGHT"
    assert added.person.added_by == staff["admin"].person.id


async def test_of_a_person_with_posts_elsewhere_one_ends_the_posts_of_the_own_agency(
    services: AccountServices,
) -> None:
    """Without a post elsewhere every act is possible again; an administrator of both agencies may do everything from the
    beginning."""
    staff = await team(services)
    root, by = staff["root"].by, staff["admin"].by
    both = await accounts.someone(services, root, "both", post(PostRole.CLERK), post(PostRole.CLERK, SOUTH))
    wide = post(PostRole.AGENCY_ADMIN), post(PostRole.AGENCY_ADMIN, SOUTH)
    two = await accounts.someone(services, root, "two", *wide)

    await both.enters()
    assert await admin.sign_out(services, two.by, "both") == 1
    await admin.unlock(services, two.by, "both")
    await posts.give(services, by, "both", post(PostRole.OFFICER, unit="Room 3"))
    await posts.take(services, by, "both", PostRole.CLERK, NORTH)
    await denied(posts.take(services, by, "both", PostRole.CLERK, SOUTH))

    await posts.take(services, root, "both", PostRole.CLERK, SOUTH)
    await both.enters()
    assert await admin.sign_out(services, by, "both") == 1
    assert (await denied(admin.unlock(services, by, "admin"))).code == "GW-OWN-RIGHTS"


async def test_nobody_links_a_person_who_decides_about_trust_but_who_administers_the_node(
    services: AccountServices, clock: ManualClock
) -> None:
    staff = await team(services)
    fields = {"name": "Decider", "roles": frozenset({Role.TRUST}), "added_by": staff["admin"].person.id}
    await hire(services, person_row("prn_decider", clock.now(), roles_by="operator", **fields))

    await denied(admin.link(services, staff["admin"].by, "Decider"))
    changed, _ = await admin.link(services, staff["root"].by, "Decider")
    # As with enrolling anew: what this person approves does not count for a day.
    assert (changed.roles_by, changed.roles_at) == (staff["root"].person.id, clock.now())


async def test_nobody_changes_the_own_account_and_the_last_operator_stays(services: AccountServices) -> None:
    root = await accounts.operator(services)
    other = await accounts.someone(services, root.by, "second", post(PostRole.OPERATOR))

    for attempt in (
        posts.give(services, root.by, "quantri", post(PostRole.HEAD)),
        admin.link(services, root.by, "quantri"),
        admin.stand(services, root.by, "quantri", AccountStanding.LOCKED, "a test of oneself"),
    ):
        assert (await denied(attempt)).code == "GW-OWN-RIGHTS"
    await posts.take(services, root.by, "second", PostRole.OPERATOR)
    await denied(posts.take(services, other.by, "quantri", PostRole.OPERATOR))
    decider = Administrator.person(root.person.id)
    await posts.give(services, decider, "second", post(PostRole.AGENCY_ADMIN))
    with pytest.raises(NotFound):
        await posts.take(services, decider, "second", PostRole.CLERK, NORTH)


async def test_a_post_belongs_where_it_belongs(services: AccountServices) -> None:
    root = await accounts.operator(services)
    await accounts.someone(services, root.by, "clerk", post(PostRole.CLERK))

    for role, agency_id in ((PostRole.OPERATOR, NORTH), (PostRole.CLERK, ""), (PostRole.SYSTEM, NORTH)):
        with pytest.raises(Clash) as error:
            await posts.give(services, root.by, "clerk", posts.WantedPost(role=role, agency_id=agency_id))
        assert error.value.code == "GW-POST"


async def test_a_name_to_sign_in_with_is_plain_and_one_persons_alone(services: AccountServices) -> None:
    for login in ("", "a", "Văn", "van anh", "vanANH", ".van", "x" * 65, "van\nanh"):
        with pytest.raises(Clash) as error:
            await admin.add(services, MACHINE, admin.NewAccount(login=login, name="Vân Anh"))
        assert error.value.code == "GW-LOGIN"

    for login in ("tranvana", "tranvana2"):
        await admin.add(services, MACHINE, admin.NewAccount(login=login, name="Trần Văn A"))
    with pytest.raises(Clash):
        await admin.add(services, MACHINE, admin.NewAccount(login="tranvana2", name="Trần Văn Á"))


async def test_a_mailbox_is_a_name_for_which_persons_act(services: AccountServices) -> None:
    """R85 (desks are mailboxes)."""
    staff = await team(services)
    by = staff["admin"].by
    mailbox = await posts.make_mailbox(services, by, NORTH, "vanthunorth", PostRole.CLERK)

    ((listed, people),) = await posts.mailboxes_of(services, NORTH)
    assert (listed, [person.login for person in people]) == (mailbox, ["clerk"])
    assert await posts.own_mailboxes(services, await staff["clerk"].acts()) == [mailbox]
    assert await posts.own_mailboxes(services, await staff["head"].acts()) == []
    for attempt in (
        posts.make_mailbox(services, by, NORTH, "vanthunorth", PostRole.CLERK),
        posts.make_mailbox(services, by, NORTH, "clerk", PostRole.CLERK),
        posts.make_mailbox(services, by, NORTH, "heads", PostRole.HEAD),
        admin.add(
            services, by, admin.NewAccount(login="vanthunorth", name="X", posts=(post(PostRole.CLERK),))
        ),
    ):
        with pytest.raises(Clash):
            await attempt
    assert (
        await denied(
            sign_in.sign_in(services, staff["clerk"].sign_in_form(login="vanthunorth"), accounts.ORIGIN)
        )
    ).code == "GW-SIGN-IN"
    await posts.close_mailbox(services, by, NORTH, "vanthunorth")
    assert await posts.own_mailboxes(services, await staff["clerk"].acts()) == []


def lends(
    services: AccountServices, to: str, *rights: Right, act: str = "", days: int = 10
) -> posts.WantedDelegation:
    now = services.clock.now()
    return posts.WantedDelegation(
        to_login=to,
        rights=rights,
        starts_at=now,
        ends_at=now + days * DAY,
        reason="on a journey",
        act_number=act,
    )


async def test_a_delegation_acts_once_a_head_agreed(services: AccountServices, clock: ManualClock) -> None:
    """R95 (delegation)."""
    staff = await team(services)
    unit, head, clerk = [await staff[name].acts() for name in ("unit", "head", "clerk")]
    delegation = await posts.delegate(services, unit, lends(services, "clerk", Right.INSTRUCT))

    session_before = await sessions.check(services, (await staff["clerk"].enters()).token)
    await denied(posts.approve_delegation(services, unit, delegation.id))
    await denied(posts.approve_delegation(services, clerk, delegation.id))
    await posts.approve_delegation(services, head, delegation.id)
    with pytest.raises(Clash):
        await posts.approve_delegation(services, head, delegation.id)
    session_after = await sessions.check(services, (await staff["clerk"].enters()).token)

    assert not session_before.may(Right.INSTRUCT)
    granted = session_after.require(Right.INSTRUCT)
    assert (granted.manner, granted.on_behalf_of) == (Manner.OWN, unit.person.id)
    assert [
        seen_delegation.id for seen_delegation in await posts.list_delegations(services, session_after)
    ] == [delegation.id]
    clock.advance(10 * DAY)
    assert not (await sessions.check(services, (await staff["clerk"].enters()).token)).may(Right.INSTRUCT)


async def test_a_heads_delegation_is_in_force_by_the_written_act_and_ends_with_the_head(
    services: AccountServices,
) -> None:
    staff = await team(services)
    head = await staff["head"].acts()
    loan = await posts.delegate(services, head, lends(services, "unit", Right.SIGN_PERSON, act="12/UQ-SNV"))

    async def may() -> bool:
        return (await staff["unit"].acts()).may(Right.SIGN_PERSON, Manner.YES)

    assert await may()
    await admin.stand(services, staff["root"].by, "head", AccountStanding.LOCKED, "the token was lost")
    assert not await may()
    await admin.stand(services, staff["root"].by, "head", AccountStanding.ACTIVE, "the token was found")
    assert await may()
    await posts.end_delegation(services, await staff["unit"].acts(), loan.id)
    assert not await may()
    kinds = [event.kind for event in await accounts.load_events(services, loan.id)]
    assert kinds == [EventKind.DELEGATION_CREATED, EventKind.DELEGATION_ENDED]


async def test_two_sweeps_at_once_leave_a_clerk(services: AccountServices, clock: ManualClock) -> None:
    root = await accounts.operator(services)
    for login in ("clerk1", "clerk2", "clerk3"):
        clock.advance(1)
        await accounts.someone(services, root.by, login, post(PostRole.CLERK))
    clock.advance(183 * DAY)

    sweeps = await asyncio.gather(sessions.sweep_idle(services), sessions.sweep_idle(services))
    third_sweep = await sessions.sweep_idle(services)

    async with services.accounts.read() as view:
        people = {person.login: person for person in await view.people.all()}
    standing = {login: person.standing for login, person in people.items()}
    assert standing == {
        "clerk1": AccountStanding.SUSPENDED,
        "clerk2": AccountStanding.SUSPENDED,
        "clerk3": AccountStanding.ACTIVE,
        "quantri": AccountStanding.ACTIVE,
    }
    verdicts = {people_id: verdict for sweep in sweeps for people_id, verdict in sweep.items()}
    assert sorted(verdicts.values()) == [
        AccountMeasure.SPARED,
        AccountMeasure.SPARED,
        AccountMeasure.SUSPEND,
        AccountMeasure.SUSPEND,
    ]
    assert third_sweep == {}
    events = await accounts.load_events(services, people["clerk3"].id)
    assert events[-1].data["verdict"] == "kept"


async def test_an_account_of_an_agency_that_exchanges_documents_is_not_suspended(
    services: AccountServices, store: SqlOfficeStore, clock: ManualClock
) -> None:
    """T21 (idle accounts): its document system works for it, though no person signs in."""
    root = await accounts.operator(services)
    officer = await accounts.someone(services, root.by, "officer", post(PostRole.OFFICER))
    clock.advance(180 * DAY)
    await root.enters()
    await stored(store, incoming(clock), scope=AgencyScope(agency_id=NORTH, principal_id="node"))
    clock.advance(20 * DAY)

    await sessions.sweep_idle(services)
    (line,) = [
        line for line in await admin.review_lines(services, root.by, NORTH) if line.person.login == "officer"
    ]

    assert line.person.standing is AccountStanding.ACTIVE
    assert line.traffic_at == clock.now() - 20 * DAY
    clock.advance(183 * DAY)
    await root.enters()
    assert await sessions.sweep_idle(services) == {officer.person.id: AccountMeasure.SUSPEND}


async def test_idleness_warns_suspends_withdraws_and_signing_in_restarts_the_count(
    services: AccountServices, clock: ManualClock
) -> None:
    root = await accounts.operator(services)
    officer = await accounts.someone(services, root.by, "officer", post(PostRole.OFFICER))
    clock.advance(60 * DAY)
    await root.enters()
    assert await sessions.sweep_idle(services) == {officer.person.id: AccountMeasure.WARN}
    await officer.enters()
    assert await sessions.sweep_idle(services) == {}
    clock.advance(183 * DAY)
    await root.enters()
    assert await sessions.sweep_idle(services) == {officer.person.id: AccountMeasure.SUSPEND}
    await denied(officer.enters())
    await admin.stand(services, root.by, "officer", AccountStanding.ACTIVE, "asked to go on, letter 5")
    assert await sessions.sweep_idle(services) == {}
    clock.advance(183 * DAY)
    await root.enters()
    await sessions.sweep_idle(services)
    clock.advance(15 * DAY)
    assert await sessions.sweep_idle(services) == {officer.person.id: AccountMeasure.WITHDRAW}
    with pytest.raises(Clash):
        await admin.stand(services, root.by, "officer", AccountStanding.ACTIVE, "asked too late to go on")


async def test_the_yearly_list_has_every_account_of_the_agency_and_its_review_is_filed(
    services: AccountServices,
) -> None:
    """T23 (yearly review)."""
    staff = await team(services)
    await accounts.with_factor(staff["clerk"])
    by = staff["admin"].by
    lines = await admin.review_lines(services, by, NORTH)

    assert [(line.person.login, line.has_factor) for line in lines] == [
        ("admin", False),
        ("clerk", True),
        ("head", False),
        ("unit", False),
    ]
    report = await requests.file_report(services, by, NORTH, remarks="Đường truyền chậm.")
    (event,) = await accounts.load_events(services, f"accounts:{NORTH}")
    assert (event.kind, event.data["year"], event.principal_id) == (
        EventKind.ACCOUNT_REVIEWED,
        2026,
        staff["admin"].person.id,
    )
    assert [account.login for account in report.accounts] == ["admin", "clerk", "head", "unit"]
    assert (event.data["report"], event.data["digest"]) == (report.id, report.digest)
    # What was kept is what was handed in, and says so itself.
    await services.clock.sleep(60)
    await staff["head"].enters()
    filed_report = await requests.find(services, by, report.id)
    assert filed_report == report
    assert requests.digest_of(filed_report) == report.digest
    await denied(requests.file_report(services, staff["clerk"].by, NORTH))


async def test_each_reading_is_told_with_who_read_it_and_for_whom(
    services: AccountServices, store: SqlOfficeStore
) -> None:
    """R123 (the whole process is kept)."""
    staff = await team(services)
    head = await staff["head"].acts()
    delegation = await posts.delegate(services, head, lends(services, "unit", Right.SEE_CONTENT, act="12/UQ"))
    await acting.note_reading(services, await staff["clerk"].acts(), "inb_1", file="a.pdf")
    await acting.note_reading(services, await staff["unit"].acts(), "inb_1")

    async with store.read(AgencyScope(agency_id=NORTH, principal_id="x")) as view:
        events = await view.events.of_subject("inb_1")
    assert [(event.kind, event.principal_id) for event in events] == [
        (EventKind.DOCUMENT_READ, staff["clerk"].person.id),
        (EventKind.DOCUMENT_READ, staff["unit"].person.id),
    ]
    assert (events[0].data["file"], events[0].data["role"]) == ("a.pdf", "clerk")
    assert (events[1].data["on_behalf_of"], events[1].data["delegation"]) == (head.person.id, delegation.id)


async def test_who_sees_metadata_own_items_or_by_order_alone_reads_no_more(services: AccountServices) -> None:
    staff = await team(services)
    await accounts.someone(services, staff["root"].by, "auditor", post(PostRole.AUDITOR))
    async with services.accounts.read() as view:
        auditor = Someone(services=services, person=await view.people.find_by_name("auditor"))
    admin_, unit, root, by_order = [
        await person.acts() for person in (staff["admin"], staff["unit"], staff["root"], auditor)
    ]

    for attempt in (
        acting.note_reading(services, admin_, "inb_1"),
        acting.note_reading(services, root, "inb_1"),
        acting.note_reading(services, unit, "inb_1"),
        acting.note_reading(services, by_order, "inb_1", order=" "),
    ):
        await denied(attempt)
    await acting.note_reading(services, unit, "inb_1", assigned=True)
    await acting.note_reading(services, by_order, "inb_1", order="7/QĐ-TTr")


async def test_a_reason_is_asked_for(services: AccountServices) -> None:
    staff = await team(services)

    with pytest.raises(Clash) as short:
        await admin.stand(services, staff["root"].by, "clerk", AccountStanding.LOCKED, "too short")
    changed = await admin.must_change(services, staff["root"].by, "clerk")
    acting = await sessions.check(services, (await staff["clerk"].enters()).token)

    assert short.value.code == "GW-REASON"
    assert changed.must_change
    assert not acting.may(Right.TAKE_IN)
    assert timedelta(0) < acting.ends_at - acting.at
