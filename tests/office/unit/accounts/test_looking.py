"""Accounts as administrators see them: their own agency's, and none of others."""

from __future__ import annotations

import pytest

from gateway.domain.person import Person
from gateway.errors import NotFound
from gateway_office.accounts import admin, posts
from gateway_office.domain.roles import Post, PostRole, Right
from gateway_office.services import AccountServices
from tests.office.support import accounts
from tests.office.support.accounts import NORTH, SOUTH, Someone, denied, post


def anybody(person: Person, posts: tuple[Post, ...]) -> bool:
    return True


async def office(services: AccountServices) -> dict[str, Someone]:
    root = await accounts.operator(services)
    by_login = {
        "north": (post(PostRole.AGENCY_ADMIN),),
        "clerk": (post(PostRole.CLERK),),
        "both": (post(PostRole.OFFICER), post(PostRole.CLERK, SOUTH)),
        "south": (post(PostRole.AGENCY_ADMIN, SOUTH),),
    }
    others_added = {
        login: await accounts.someone(services, root.by, login, *posts) for login, posts in by_login.items()
    }
    return {"root": root, **others_added}


async def test_an_administrator_sees_the_own_agency_and_the_operator_all(services: AccountServices) -> None:
    staff = await office(services)

    async def page(viewer: str, agency: str | None, skip: int = 0, most: int = 10) -> tuple[list[str], int]:
        lines, total = await admin.account_lines(services, staff[viewer].by, agency, anybody, skip, most)
        return [line.person.login or "" for line in lines], total

    assert await page("north", NORTH) == (["both", "clerk", "north"], 3)
    assert await page("root", None, skip=1, most=2) == (["clerk", "north"], 5)
    for agency in (SOUTH, None, ""):
        await denied(page("north", agency))


async def test_whoever_signed_in_longest_ago_leads_and_nobody_before_who_never_did(
    services: AccountServices,
) -> None:
    staff = await office(services)
    await staff["clerk"].enters()
    await services.clock.sleep(60)
    await staff["both"].enters()

    lines, _ = await admin.account_lines(services, staff["root"].by, NORTH, anybody, 0, 10)

    assert [line.person.login for line in lines] == ["north", "clerk", "both"]


async def test_one_account_shows_the_posts_that_one_administers(services: AccountServices) -> None:
    staff = await office(services)
    both, north = staff["both"], staff["north"]
    await both.enters()

    from_north = await admin.look_at(services, north.by, both.person.id)
    from_root = await admin.look_at(services, staff["root"].by, both.person.id)

    assert [post.agency_id for post in from_north.posts] == [NORTH]
    assert (from_north.is_ours, from_root.is_ours) == (False, True)
    assert (len(from_north.sessions), len(from_root.sessions)) == (0, 1)
    assert (await admin.look_at(services, north.by, staff["clerk"].person.id)).is_ours
    assert {post.agency_id for post in from_root.posts} == {NORTH, SOUTH}
    assert not any(event.data.get("agency") == SOUTH for event in from_north.events)
    assert any(event.data.get("agency") == SOUTH for event in from_root.events)
    with pytest.raises(NotFound):
        await admin.look_at(services, north.by, staff["south"].person.id)
    with pytest.raises(NotFound):
        await admin.look_at(services, north.by, "prn_nobody")


async def test_rights_are_lent_to_whoever_works_in_the_agency(services: AccountServices) -> None:
    staff = await office(services)
    acting = await staff["clerk"].acts()

    assert {b.login for b in await posts.possible_borrowers(services, acting)} == {"both", "north"}
    lendable = posts.lendable_rights(acting)
    assert Right.TAKE_IN in lendable
    assert not {Right.ACCOUNTS, Right.DELEGATE, Right.SIGN_PERSON} & set(lendable)
