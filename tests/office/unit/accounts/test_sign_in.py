"""Signing in: all failures alike, tries counted before they are looked at, one-time links, second factors."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from gateway.domain.event import EventKind
from gateway.domain.person import AccountStanding
from gateway.errors import Clash, Denied
from gateway_office.accounts import admin, credentials, sessions, sign_in
from gateway_office.accounts.credentials import PasswordRefused
from gateway_office.domain.roles import PostRole, Right
from gateway_office.domain.session import CallOrigin, Factor, SignInDuty
from gateway_office.policy.signing_in import PasswordFault
from gateway_office.services import AccountServices
from tests.office.support import accounts
from tests.office.support.accounts import DAY, MACHINE, ORIGIN, PASSWORD, denied, post
from tests.support.clock import ManualClock


async def test_a_new_account_is_taken_up_by_its_person_alone(services: AccountServices) -> None:
    account = admin.NewAccount(login="vananh", name="Nguyễn Vân Anh", posts=(post(PostRole.CLERK),))
    added, code = await admin.add(services, MACHINE, account)

    assert (await credentials.owner_of_code(services, code, ORIGIN)).id == added.id
    await denied(sign_in.sign_in(services, sign_in.TypedSignIn(login="vananh", password=""), ORIGIN))
    user = await accounts.taken_up(services, code.lower())
    assert (await denied(credentials.take_up(services, code, "uV4#tr0p x", ORIGIN))).code == "GW-ONE-TIME"
    entered = await user.enters()
    assert (entered.duties, entered.session.factor, entered.session.agency_id) == (
        (),
        Factor.NONE,
        accounts.NORTH,
    )
    assert [event.kind for event in await accounts.load_events(services, added.id)] == [
        EventKind.PERSON_ADDED,
        EventKind.POST_ASSIGNED,
        EventKind.PERSON_ENROLLED,
        EventKind.SESSION_BEGUN,
    ]


async def test_a_link_is_too_old_after_three_days_and_refuses_a_bad_password(
    services: AccountServices, clock: ManualClock
) -> None:
    """R87 (passwords)."""
    _, code = await admin.add(services, MACHINE, admin.NewAccount(login="vananh", name="Vân Anh"))

    for _ in range(6):  # the holder of a link may try passwords without a limit
        with pytest.raises(PasswordRefused) as error:
            await credentials.take_up(services, code, "VanAnh@2026", ORIGIN)
    clock.advance(timedelta(hours=72))
    with pytest.raises(Denied, match="too old"):
        await credentials.take_up(services, code, PASSWORD, ORIGIN)

    assert PasswordFault.NAME in error.value.faults
    assert error.value.code == "GW-PASSWORD"


async def test_every_failure_looks_alike(services: AccountServices) -> None:
    user = await accounts.operator(services)
    device, _, _ = await accounts.with_factor(user)
    refusals = set()

    for attempt in (
        user.sign_in_form(password="Another-1 word"),
        user.sign_in_form(login="nobody"),
        user.sign_in_form(),  # the code is missing
        device.sign_in_form(code="000000", password="Another-1 word"),
    ):
        error = await denied(sign_in.sign_in(services, attempt, ORIGIN))
        refusals.add((error.code, error.detail, error.hint))

    assert refusals == {("GW-SIGN-IN", "name, password or code do not fit", "")}


@pytest.mark.parametrize("login", ["quantri", "nobody"])
async def test_five_wrong_tries_lock_a_name_whether_or_not_somebody_has_it(
    services: AccountServices, clock: ManualClock, login: str
) -> None:
    user = await accounts.operator(services)
    wrong = user.sign_in_form(login=login, password="wrong")
    codes = [(await denied(sign_in.sign_in(services, wrong, ORIGIN))).code for _ in range(7)]

    assert codes == ["GW-SIGN-IN"] * 5 + ["GW-LOCKED"] * 2
    if login == "quantri":
        # The right password does not open a locked name, and unlocking it does.
        right = await denied(user.enters())
        assert (right.code, right.hint) == ("GW-LOCKED", "wait: 900 s")
        await admin.unlock(services, MACHINE, "quantri")
        assert (await user.enters()).person.id == user.person.id
        for _ in range(5):
            await denied(
                sign_in.sign_in(services, user.sign_in_form(login="QuanTri", password="wrong"), ORIGIN)
            )
        await denied(user.enters())
    clock.advance(services.rules.slow.lock)
    assert (await user.enters()).person.id == user.person.id
    locked = [
        e for e in await accounts.load_events(services, user.person.id) if e.kind is EventKind.PERSON_LOCKED
    ]
    assert len(locked) == (2 if login == "quantri" else 0)


async def test_many_tries_at_once_gain_nothing(services: AccountServices) -> None:
    user = await accounts.operator(services)

    async def attempt() -> str:
        error = await denied(sign_in.sign_in(services, user.sign_in_form(password="wrong"), ORIGIN))
        return error.code

    codes = await asyncio.gather(*(attempt() for _ in range(12)))

    assert sorted(codes) == ["GW-LOCKED"] * 7 + ["GW-SIGN-IN"] * 5


async def test_an_address_that_tries_many_names_waits_and_others_do_not(
    services: AccountServices, clock: ManualClock
) -> None:
    user = await accounts.operator(services)
    bad = CallOrigin(address="198.51.100.9")
    for n in range(services.rules.slow.by_address):
        await denied(sign_in.sign_in(services, user.sign_in_form(login=f"name{n}"), bad))

    error = await denied(user.enters(bad))
    assert (error.code, error.hint) == ("GW-SLOW-DOWN", "wait: 1 s")
    assert (await user.enters()).person.id == user.person.id
    clock.advance(1)
    await user.enters(bad)
    # One success gives back one try, not all of them.
    await denied(sign_in.sign_in(services, user.sign_in_form(login="another"), bad))
    assert (await denied(user.enters(bad))).code == "GW-SLOW-DOWN"


async def test_a_second_factor_and_each_recovery_code_are_good_once(services: AccountServices) -> None:
    """R88 (second factor)."""
    device, codes, _ = await accounts.with_factor(await accounts.operator(services))
    entered = await device.enters()
    assert entered.session.factor is Factor.TOTP

    await denied(sign_in.sign_in(services, device.sign_in_form(), ORIGIN))
    by_code = await sign_in.sign_in(services, device.sign_in_form(code=codes[3].lower()), ORIGIN)
    await denied(sign_in.sign_in(services, device.sign_in_form(code=codes[3]), ORIGIN))

    assert by_code.session.factor is Factor.RECOVERY
    assert len(set(codes)) == 10
    async with services.accounts.read() as view:
        assert await view.past.codes_left(device.person.id) == 9


async def test_a_code_that_does_not_fit_sets_up_nothing(services: AccountServices) -> None:
    user = await accounts.operator(services)
    acting = await sessions.check(services, (await user.enters()).token)
    totp, uri = credentials.begin_factor(services, acting)

    with pytest.raises(Clash):
        await credentials.set_up_factor(services, acting, PASSWORD, totp, "nothing", ORIGIN)
    await denied(credentials.set_up_factor(services, acting, "Wrong-1 word", totp, "000000", ORIGIN))
    assert "quantri" in uri
    assert (await user.enters()).session.factor is Factor.NONE


async def test_an_account_that_is_out_is_told_only_to_who_showed_everything(
    services: AccountServices,
) -> None:
    root = await accounts.operator(services)
    clerk = await accounts.someone(services, root.by, "vananh", post(PostRole.CLERK))
    await admin.stand(services, root.by, "vananh", AccountStanding.SUSPENDED, "on leave for a year")

    wrong = await denied(sign_in.sign_in(services, clerk.sign_in_form(password="wrong"), ORIGIN))
    right = await denied(clerk.enters())
    await admin.stand(services, root.by, "vananh", AccountStanding.ACTIVE, "is back from leave")

    assert (wrong.code, right.code, right.hint) == ("GW-SIGN-IN", "GW-ACCOUNT", "suspended")
    assert (await clerk.enters()).person.standing is AccountStanding.ACTIVE


async def test_an_old_password_signs_in_to_nothing_but_its_change(
    services: AccountServices, clock: ManualClock
) -> None:
    user = await accounts.operator(services)
    clock.advance(89 * DAY)
    assert (await user.enters()).reminder == 1
    clock.advance(DAY)
    entered = await user.enters()

    acting = await sessions.check(services, entered.token)
    assert entered.duties == acting.duties == (SignInDuty.CHANGE_PASSWORD,)
    with pytest.raises(Denied) as error:
        acting.require(Right.ACCOUNTS, agency_id="")
    assert error.value.code == "GW-DUTY"


async def test_a_guessed_link_locks_nobody_and_slows_its_address_down(services: AccountServices) -> None:
    bad = CallOrigin(address="2001:db8::1")
    # Each from another address of one network.
    guesses = [
        credentials.owner_of_code(services, f"GUESS-{n}", CallOrigin(address=f"2001:db8::{n:x}"))
        for n in range(22)
    ]
    codes = [(await denied(guess)).code for guess in guesses]

    assert codes == ["GW-ONE-TIME"] * 20 + ["GW-SLOW-DOWN"] * 2
    own = await denied(credentials.owner_of_code(services, "GUESS", bad))
    other = await denied(credentials.owner_of_code(services, "GUESS", CallOrigin(address="2001:db8:0:1::1")))
    assert (own.code, other.code) == ("GW-SLOW-DOWN", "GW-ONE-TIME")
