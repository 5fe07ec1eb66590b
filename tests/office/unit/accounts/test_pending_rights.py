"""A change of rights takes effect once a second administrator has confirmed it, in an agency that wants this; every
change of rights is announced."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from gateway.domain.agency_profile import ON, RIGHTS_CONFIRMED
from gateway.domain.event import EventKind, rights_subject
from gateway.domain.person import AccountStanding, Proposal, ProposalState
from gateway.domain.wall_clock import local
from gateway.errors import Clash, Denied, NotFound
from gateway_office.accounts import admin, agency_profile, pending_rights, posts, sessions
from gateway_office.domain.roles import PostRole, Right
from gateway_office.services import AccountServices
from gateway_office.store.store import SqlOfficeStore
from tests.office.support import accounts
from tests.office.support.accounts import NORTH, SOUTH, Someone, denied, post
from tests.support.clock import ManualClock


async def team(services: AccountServices, store: SqlOfficeStore) -> dict[str, Someone]:
    """Add an operator, two administrators of the north, and a clerk; the north wants a second person."""
    staff = {"root": await accounts.operator(services)}
    for login, role in (
        ("admin", PostRole.AGENCY_ADMIN),
        ("second", PostRole.AGENCY_ADMIN),
        ("clerk", PostRole.CLERK),
    ):
        staff[login] = await accounts.someone(services, staff["root"].by, login, post(role))
    # A day later, because two people do not confirm together on the day on which one gave the other a role.
    await services.clock.sleep(25 * 3_600)
    await choose(services, store, staff["admin"], ON)
    return staff


async def choose(services: AccountServices, store: SqlOfficeStore, by: Someone, value: str) -> object:
    return await agency_profile.choose(store, services, by.by, "Admin", NORTH, RIGHTS_CONFIRMED, value)


async def roles_of(services: AccountServices, someone: Someone) -> set[PostRole]:
    async with services.accounts.read() as view:
        return {post.role for post in await view.posts.of_persons({someone.person.id})}


async def waiting(services: AccountServices, by: Someone) -> list[Proposal]:
    return [*await pending_rights.list_waiting(services, by.by, NORTH)]


async def propose(services: AccountServices, by: Someone, login: str, role: PostRole) -> Proposal:
    proposal = await posts.give(services, by.by, login, post(role))
    assert proposal is not None
    return proposal


async def test_a_post_is_given_once_a_second_administrator_confirmed(
    services: AccountServices, store: SqlOfficeStore
) -> None:
    """R122 (changed rights wait)."""
    staff = await team(services, store)
    session = await staff["clerk"].enters()
    proposal = await propose(services, staff["admin"], "clerk", PostRole.HEAD)

    assert await roles_of(services, staff["clerk"]) == {PostRole.CLERK}
    await sessions.check(services, session.token)
    assert [p.id for p in await waiting(services, staff["second"])] == [proposal.id]
    assert (await admin.look_at(services, staff["second"].by, staff["clerk"].person.id)).waiting == (
        proposal,
    )
    for refused, code in (
        (posts.confirm(services, staff["admin"].by, proposal.id, proposal.digest), "GW-TWO-PEOPLE"),
        (posts.confirm(services, staff["second"].by, proposal.id, "another"), "GW-TWO-EDITED"),
    ):
        assert (await denied(refused)).code == code
    with pytest.raises(NotFound):
        await posts.confirm(services, staff["clerk"].by, proposal.id, proposal.digest)

    await posts.confirm(services, staff["second"].by, proposal.id, proposal.digest)
    assert await roles_of(services, staff["clerk"]) == {PostRole.CLERK, PostRole.HEAD}
    await denied(sessions.check(services, session.token))
    assert await waiting(services, staff["admin"]) == []
    kinds = [event.kind for event in await accounts.load_events(services, proposal.id)]
    assert kinds == [
        EventKind.PROPOSAL_CREATED,
        *([EventKind.PROPOSAL_REFUSED] * 2),
        EventKind.PROPOSAL_APPROVED,
    ]


async def test_a_post_is_taken_once_confirmed_or_stays_where_refused_with_a_reason(
    services: AccountServices, store: SqlOfficeStore
) -> None:
    staff = await team(services, store)
    first = await posts.take(services, staff["admin"].by, "clerk", PostRole.CLERK, NORTH)
    assert first is not None
    with pytest.raises(Clash) as short:
        await pending_rights.refuse(services, staff["second"].by, first.id, "no")
    await pending_rights.refuse(services, staff["second"].by, first.id, "The clerk stays for now")
    assert await roles_of(services, staff["clerk"]) == {PostRole.CLERK}
    confirmation = posts.confirm(services, staff["second"].by, first.id, first.digest)
    assert (await denied(confirmation)).code == "GW-TWO-CLOSED"

    second = await posts.take(services, staff["admin"].by, "clerk", PostRole.CLERK, NORTH)
    assert second is not None
    await posts.confirm(services, staff["root"].by, second.id, second.digest)
    assert await roles_of(services, staff["clerk"]) == set()
    assert short.value.code == "GW-REASON"
    with pytest.raises(NotFound):
        await posts.take(services, staff["admin"].by, "clerk", PostRole.CLERK, NORTH)


async def test_nobody_confirms_a_change_of_the_own_rights_or_of_whom_they_renewed(
    services: AccountServices, store: SqlOfficeStore, clock: ManualClock
) -> None:
    staff = await team(services, store)
    own = await propose(services, staff["admin"], "second", PostRole.HEAD)
    other = await propose(services, staff["admin"], "clerk", PostRole.HEAD)
    confirming = posts.confirm(services, staff["second"].by, own.id, own.digest)
    assert (await denied(confirming)).code == "GW-OWN-RIGHTS"

    _, code = await admin.link(services, staff["admin"].by, "second")
    second = await accounts.taken_up(services, code, "Nắng lên 8 hướng")
    confirming = posts.confirm(services, second.by, other.id, other.digest)
    assert (await denied(confirming)).code == "GW-TWO-CHANGED"
    clock.advance(timedelta(hours=25))
    await posts.confirm(services, second.by, other.id, other.digest)


async def test_a_new_account_has_no_rights_before_they_are_confirmed(
    services: AccountServices, store: SqlOfficeStore
) -> None:
    staff = await team(services, store)
    new = await accounts.someone(services, staff["admin"].by, "new", post(PostRole.OFFICER, unit="Room 3"))
    (proposal,) = await waiting(services, staff["second"])

    assert await roles_of(services, new) == set()
    await posts.confirm(services, staff["second"].by, proposal.id, proposal.digest)
    assert (await new.acts()).may(Right.PROGRESS)


async def test_a_proposal_is_void_where_the_account_changed_or_time_ran_out(
    services: AccountServices, store: SqlOfficeStore, clock: ManualClock
) -> None:
    staff = await team(services, store)
    late = await propose(services, staff["admin"], "clerk", PostRole.HEAD)
    with pytest.raises(Clash) as twice:
        await propose(services, staff["second"], "clerk", PostRole.HEAD)
    clock.advance(timedelta(hours=73))
    assert await waiting(services, staff["second"]) == []
    confirmation = posts.confirm(services, staff["second"].by, late.id, late.digest)
    assert (await denied(confirmation)).code == "GW-TWO-EXPIRED"

    stale = await propose(services, staff["admin"], "clerk", PostRole.HEAD)
    await admin.stand(services, staff["second"].by, "clerk", AccountStanding.LOCKED, "the token was lost")
    confirming = posts.confirm(services, staff["second"].by, stale.id, stale.digest)
    assert (await denied(confirming)).code == "GW-RIGHTS-STALE"
    assert await roles_of(services, staff["clerk"]) == {PostRole.CLERK}
    assert await waiting(services, staff["second"]) == []
    assert twice.value.code == "GW-RIGHTS-WAIT"


async def test_two_confirmations_at_once_put_it_in_force_once(
    services: AccountServices, store: SqlOfficeStore
) -> None:
    staff = await team(services, store)
    proposal = await propose(services, staff["admin"], "clerk", PostRole.HEAD)

    answers = await asyncio.gather(
        *(
            posts.confirm(services, staff[name].by, proposal.id, proposal.digest)
            for name in ("second", "root")
        ),
        return_exceptions=True,
    )
    refusals = [answer for answer in answers if isinstance(answer, Denied)]
    assert [refusal.code for refusal in refusals] == ["GW-TWO-CLOSED"]
    events = await accounts.load_events(services, staff["clerk"].person.id)
    assert [e.data["role"] for e in events if e.kind is EventKind.POST_ASSIGNED] == ["clerk", "head"]


async def test_the_second_person_is_set_aside_by_two_and_elsewhere_one_is_enough(
    services: AccountServices, store: SqlOfficeStore
) -> None:
    staff = await team(services, store)
    proposal = await choose(services, store, staff["admin"], "")
    assert isinstance(proposal, Proposal)
    assert await posts.give(services, staff["admin"].by, "clerk", post(PostRole.HEAD)) is not None
    await posts.confirm(services, staff["second"].by, proposal.id, proposal.digest)

    assert await posts.give(services, staff["admin"].by, "clerk", post(PostRole.VIEWER)) is None
    assert await posts.give(services, staff["root"].by, "clerk", post(PostRole.CLERK, SOUTH)) is None


async def test_every_change_of_rights_is_told_to_each_agency_of_the_person(
    services: AccountServices, store: SqlOfficeStore, clock: ManualClock
) -> None:
    staff = await team(services, store)
    await propose(services, staff["admin"], "clerk", PostRole.HEAD)
    await posts.give(services, staff["root"].by, "clerk", post(PostRole.CLERK, SOUTH))
    await admin.stand(services, staff["root"].by, "clerk", AccountStanding.WITHDRAWN, "has left the office")

    changes: dict[str, list[str]] = {NORTH: [], SOUTH: []}
    for event in await accounts.load_events(services, rights_subject(local(clock.now()).date())):
        if event.data["person"] == staff["clerk"].person.id:
            changes[event.data["agency"]].append(event.data["what"])
    assert changes == {NORTH: ["give.asked", "standing"], SOUTH: ["give", "standing"]}
    async with services.accounts.read() as view:
        person = await view.people.get(staff["clerk"].person.id)
        (open_proposal,) = await view.proposals.of_rights(clock.now(), NORTH)
    assert (person.standing, open_proposal.state) == (AccountStanding.WITHDRAWN, ProposalState.OPEN)
