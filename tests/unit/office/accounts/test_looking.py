"""What administrators see of accounts: their own agency's, and nothing of others."""

from __future__ import annotations

import pytest

from gateway.domain.person import Person
from gateway.errors import NotFound
from gateway.office.accounts import admin, posts
from gateway.office.domain.roles import Post, PostRole, Right
from gateway.office.services import AccountServices
from tests.support import accounts
from tests.support.accounts import NORTH, SOUTH, Someone, denied, post


def anybody(person: Person, posts: tuple[Post, ...]) -> bool:
    return True


async def office(services: AccountServices) -> dict[str, Someone]:
    root = await accounts.operator(services)
    wanted = {
        "north": (post(PostRole.AGENCY_ADMIN),),
        "clerk": (post(PostRole.CLERK),),
        "both": (post(PostRole.OFFICER), post(PostRole.CLERK, SOUTH)),
        "south": (post(PostRole.AGENCY_ADMIN, SOUTH),),
    }
    made = {
        login: await accounts.someone(services, root.by, login, *posts) for login, posts in wanted.items()
    }
    return {"root": root, **made}


async def test_an_administrator_sees_the_own_agency_and_the_operator_all(services: AccountServices) -> None:
    found = await office(services)

    async def seen(who: str, agency: str | None, skip: int = 0, most: int = 10) -> tuple[list[str], int]:
        lines, total = await admin.account_lines(services, found[who].by, agency, anybody, skip, most)
        return [each.person.login or "" for each in lines], total

    assert await seen("north", NORTH) == (["both", "clerk", "north"], 3)
    assert await seen("root", None, skip=1, most=2) == (["clerk", "north"], 5)
    for agency in (SOUTH, None, ""):
        await denied(seen("north", agency))


async def test_whoever_signed_in_longest_ago_leads_and_nobody_before_who_never_did(
    services: AccountServices,
) -> None:
    found = await office(services)
    await found["clerk"].enters()
    await services.clock.sleep(60)
    await found["both"].enters()

    lines, _ = await admin.account_lines(services, found["root"].by, NORTH, anybody, 0, 10)

    assert [each.person.login for each in lines] == ["north", "clerk", "both"]


async def test_one_account_shows_the_posts_that_one_administers(services: AccountServices) -> None:
    found = await office(services)
    both, north = found["both"], found["north"]
    await both.enters()

    seen = await admin.look_at(services, north.by, both.person.id)
    whole = await admin.look_at(services, found["root"].by, both.person.id)

    assert [each.agency_id for each in seen.posts] == [NORTH]
    assert (seen.is_ours, whole.is_ours) == (False, True)
    assert (len(seen.sessions), len(whole.sessions)) == (0, 1)
    assert (await admin.look_at(services, north.by, found["clerk"].person.id)).is_ours
    assert {each.agency_id for each in whole.posts} == {NORTH, SOUTH}
    assert not any(each.data.get("agency") == SOUTH for each in seen.events)
    assert any(each.data.get("agency") == SOUTH for each in whole.events)
    with pytest.raises(NotFound):
        await admin.look_at(services, north.by, found["south"].person.id)
    with pytest.raises(NotFound):
        await admin.look_at(services, north.by, "prn_nobody")


async def test_rights_are_lent_to_whoever_works_in_the_agency(services: AccountServices) -> None:
    found = await office(services)
    acting = await found["clerk"].acts()

    assert {each.login for each in await posts.possible_borrowers(services, acting)} == {"both", "north"}
    lendable = posts.lendable_rights(acting)
    assert Right.TAKE_IN in lendable
    assert not {Right.ACCOUNTS, Right.DELEGATE, Right.SIGN_PERSON} & set(lendable)
