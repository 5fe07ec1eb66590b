"""Sessions: new at each signing in and change, over by their clocks, closed when the person is out; passwords changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from gateway.domain.person import AccountStanding
from gateway.errors import Denied, NotFound
from gateway_office.accounts import admin, credentials, posts, sessions
from gateway_office.accounts.credentials import PasswordRefused
from gateway_office.domain.roles import PostRole, Right
from gateway_office.domain.session import CallOrigin
from gateway_office.policy.signing_in import PasswordFault, PasswordRules, SessionRules
from gateway_office.services import AccountServices
from gateway_office.store.store import SqlOfficeStore
from tests.office.support import accounts
from tests.office.support.accounts import NORTH, ORIGIN, PASSWORD, SOUTH, Someone, denied, post
from tests.support.clock import ManualClock

NEW = "uV4#tr0p mới"


async def clerk(services: AccountServices) -> tuple[Someone, Someone]:
    root = await accounts.operator(services)
    return root, await accounts.someone(
        services, root.by, "vananh", post(PostRole.CLERK), post(PostRole.OFFICER, SOUTH)
    )


async def is_over(services: AccountServices, token: str) -> bool:
    try:
        await sessions.check(services, token)
    except Denied as denied:
        return denied.code == "GW-SESSION"
    return False


async def test_signing_in_gives_a_new_id_and_ends_the_one_before(services: AccountServices) -> None:
    """A session that was planted in the browser before is worthless."""
    _, user = await clerk(services)
    planted = (await user.enters()).token
    entered = await user.enters(earlier_token=planted)

    assert entered.token != planted
    assert await is_over(services, planted)
    assert not await is_over(services, entered.token)


async def test_choosing_an_agency_gives_a_new_id_and_other_rights(services: AccountServices) -> None:
    _, user = await clerk(services)
    entered = await user.enters()
    north = await sessions.choose_agency(services, entered.token, NORTH)
    south = await sessions.choose_agency(services, north, SOUTH)

    assert entered.session.agency_id is None
    assert await is_over(services, north)
    acting = await sessions.check(services, south)
    assert (acting.may(Right.TAKE_IN), acting.may(Right.PROGRESS)) == (False, True)
    await denied(sessions.choose_agency(services, south, "agy_nowhere"))


async def test_nobody_works_for_an_agency_without_a_post(services: AccountServices) -> None:
    root = await accounts.operator(services)
    user = await accounts.someone(services, root.by, "vananh", post(PostRole.CLERK))
    token = (await user.enters()).token

    await denied(sessions.choose_agency(services, token, SOUTH))


async def test_a_session_ends_when_it_is_not_used_and_in_any_case(
    services: AccountServices, clock: ManualClock
) -> None:
    short = replace(services, rules=replace(services.rules, sessions=SessionRules(total=timedelta(hours=1))))
    _, user = await clerk(short)
    idle, used = (await user.enters()).token, (await user.enters()).token

    for _ in range(2):
        clock.advance(timedelta(minutes=29))
        assert not await is_over(short, used)
    assert await is_over(short, idle)
    clock.advance(timedelta(minutes=2, microseconds=-1))
    assert not await is_over(short, used)
    clock.advance(timedelta(microseconds=1))
    assert await is_over(short, used)


async def test_use_is_written_down_once_a_minute(services: AccountServices, clock: ManualClock) -> None:
    _, user = await clerk(services)
    token = (await user.enters()).token
    first = (await sessions.check(services, token)).session.seen_at
    clock.advance(59)
    second = (await sessions.check(services, token)).session.seen_at
    clock.advance(1)
    third = await sessions.check(services, token)

    assert first == second
    assert third.session.seen_at == clock.now()
    assert third.ends_at == clock.now() + services.rules.sessions.idle


async def test_signing_out_everywhere_and_ending_one(services: AccountServices) -> None:
    """R94 (accounts are not shared)."""
    root, user = await clerk(services)
    tokens = [(await user.enters(CallOrigin(address=f"192.0.2.{n}"))).token for n in range(4)]
    entered = await user.enters()
    assert entered.other_sessions == 4
    acting = await sessions.check(services, entered.token)
    listed = await sessions.open_of(services, acting.person)

    assert [row.address for row in listed][1:] == ["192.0.2.3", "192.0.2.2", "192.0.2.1", "192.0.2.0"]
    await sessions.end_one(services, acting, listed[1].id)
    assert [await is_over(services, token) for token in tokens] == [False, False, False, True]
    other = await root.acts()
    with pytest.raises(NotFound):
        await sessions.end_one(services, other, listed[2].id)
    assert not await is_over(services, entered.token)
    await sessions.sign_out(services, entered.token)
    await sessions.sign_out(services, entered.token)
    assert await is_over(services, entered.token)
    await sessions.end_everywhere(services, user.person)
    assert all([await is_over(services, token) for token in tokens])


async def test_a_password_change_closes_all_other_sessions_and_renews_this_one(
    services: AccountServices,
) -> None:
    _, user = await clerk(services)
    device, _, _ = await accounts.with_factor(user)
    other, mine = (await device.enters()).token, (await device.enters()).token
    acting = await sessions.check(services, mine)
    token = await credentials.change_password(services, acting, PASSWORD, NEW, ORIGIN)

    assert [await is_over(services, t) for t in (other, mine, token)] == [True, True, False]
    changed = Someone(services=services, person=device.person, password=NEW, totp=device.totp)
    await changed.enters()  # the device still fits
    await denied(device.enters())


async def test_no_recent_password_is_reused(services: AccountServices, clock: ManualClock) -> None:
    """With two remembered passwords the third last may come back."""
    two = replace(services, rules=replace(services.rules, passwords=PasswordRules(remembered=2)))
    _, user = await clerk(two)
    token = (await user.enters()).token

    async def change(old: str, new: str) -> str:
        clock.advance(1)
        return await credentials.change_password(two, await sessions.check(two, token), old, new, ORIGIN)

    token = await change(PASSWORD, NEW)
    for old_password in (PASSWORD, NEW):
        with pytest.raises(PasswordRefused) as error:
            await change(NEW, old_password)
        assert error.value.faults == (PasswordFault.PAST,)
    token = await change(NEW, NEW + " 2")
    token = await change(NEW + " 2", PASSWORD)


async def test_a_stolen_session_guesses_no_password(services: AccountServices) -> None:
    _, user = await clerk(services)
    acting = await sessions.check(services, (await user.enters()).token)

    codes = [
        (await denied(credentials.change_password(services, acting, "Wrong-1 word", NEW, ORIGIN))).code
        for _ in range(6)
    ]

    assert codes == ["GW-SIGN-IN"] * 5 + ["GW-LOCKED"]


@pytest.mark.parametrize("how", ["locked", "post", "link", "own", "table"])
async def test_who_is_out_is_out_at_once(services: AccountServices, store: SqlOfficeStore, how: str) -> None:
    root, user = await clerk(services)
    token = (await user.enters()).token
    acting = await sessions.check(services, token)

    match how:
        case "locked":
            await admin.stand(services, root.by, "vananh", AccountStanding.LOCKED, "the device was stolen")
        case "post":
            await posts.give(services, root.by, "vananh", post(PostRole.HEAD))
        case "link":
            _, code = await admin.link(services, root.by, "vananh")
            await accounts.taken_up(services, code, NEW)
        case "own":
            await credentials.lock_own_account(services, acting, "somebody else was in")
        case _:
            async with store.writer.begin() as line:
                await line.execute(text("UPDATE person SET blocked_at = enrolled_at WHERE login = 'vananh'"))

    assert await is_over(services, token)


@pytest.mark.parametrize("token", ["", "x", "a" * 5000, chr(0xDCFF)], ids=["none", "short", "long", "odd"])
async def test_whatever_a_browser_sends_is_no_session(services: AccountServices, token: str) -> None:
    assert await is_over(services, token)


async def test_nothing_that_is_kept_opens_a_session(services: AccountServices, store: SqlOfficeStore) -> None:
    _, user = await clerk(services)
    entered = await user.enters()
    async with store.reader.connect() as line:
        cells = [str(cell) for row in await line.execute(text("SELECT * FROM session")) for cell in row]

    assert entered.token not in " ".join(cells)
    assert entered.token not in repr(entered)
    assert [await is_over(services, cell) for cell in cells] == [True] * len(cells)
