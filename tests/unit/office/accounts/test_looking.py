"""What administrators see of accounts: their own agency's, and nothing of others."""

from __future__ import annotations

import pytest

from gateway.domain.person import Person
from gateway.errors import NotFound
from gateway.office.accounts import admin, posts
from gateway.office.desks import AccountDesk
from gateway.office.domain.roles import Post, PostRole, Right
from tests.support import accounts
from tests.support.accounts import NORTH, SOUTH, Someone, denied, post


def anybody(person: Person, posts: tuple[Post, ...]) -> bool:
    return True


async def office(desk: AccountDesk) -> dict[str, Someone]:
    root = await accounts.operator(desk)
    wanted = {
        "north": (post(PostRole.AGENCY_ADMIN),),
        "clerk": (post(PostRole.CLERK),),
        "both": (post(PostRole.OFFICER), post(PostRole.CLERK, SOUTH)),
        "south": (post(PostRole.AGENCY_ADMIN, SOUTH),),
    }
    made = {login: await accounts.someone(desk, root.by, login, *posts) for login, posts in wanted.items()}
    return {"root": root, **made}


async def test_an_administrator_sees_the_own_agency_and_the_operator_all(desk: AccountDesk) -> None:
    found = await office(desk)

    async def seen(who: str, agency: str | None, skip: int = 0, most: int = 10) -> tuple[list[str], int]:
        lines, total = await admin.account_lines(desk, found[who].by, agency, anybody, skip, most)
        return [each.person.login or "" for each in lines], total

    assert await seen("north", NORTH) == (["both", "clerk", "north"], 3)
    assert await seen("root", None, skip=1, most=2) == (["clerk", "north"], 5)
    for agency in (SOUTH, None, ""):
        await denied(seen("north", agency))


async def test_whoever_signed_in_longest_ago_leads_and_nobody_before_who_never_did(desk: AccountDesk) -> None:
    found = await office(desk)
    await found["clerk"].enters()
    await desk.clock.sleep(60)
    await found["both"].enters()

    lines, _ = await admin.account_lines(desk, found["root"].by, NORTH, anybody, 0, 10)

    assert [each.person.login for each in lines] == ["north", "clerk", "both"]


async def test_one_account_shows_the_posts_that_one_administers(desk: AccountDesk) -> None:
    found = await office(desk)
    both, north = found["both"], found["north"]
    await both.enters()

    seen = await admin.look_at(desk, north.by, both.person.id)
    whole = await admin.look_at(desk, found["root"].by, both.person.id)

    assert [each.agency_id for each in seen.posts] == [NORTH]
    assert (seen.is_ours, whole.is_ours) == (False, True)
    assert (len(seen.sessions), len(whole.sessions)) == (0, 1)
    assert (await admin.look_at(desk, north.by, found["clerk"].person.id)).is_ours
    assert {each.agency_id for each in whole.posts} == {NORTH, SOUTH}
    assert not any(each.data.get("agency") == SOUTH for each in seen.events)
    assert any(each.data.get("agency") == SOUTH for each in whole.events)
    with pytest.raises(NotFound):
        await admin.look_at(desk, north.by, found["south"].person.id)
    with pytest.raises(NotFound):
        await admin.look_at(desk, north.by, "prn_nobody")


async def test_rights_are_lent_to_whoever_works_in_the_agency(desk: AccountDesk) -> None:
    found = await office(desk)
    acting = await found["clerk"].acts()

    assert {each.login for each in await posts.possible_borrowers(desk, acting)} == {"both", "north"}
    lendable = posts.lendable_rights(acting)
    assert Right.TAKE_IN in lendable
    assert not {Right.ACCOUNTS, Right.DELEGATE, Right.SIGN_PERSON} & set(lendable)
