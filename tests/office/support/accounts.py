"""Tests of the pages use these accounts: a node with two agencies and an operator, persons who took up their accounts, and
the forms that they fill in. Signing in costs a thousandth of its usual price."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import timedelta

import pyotp
import pytest

from gateway.domain.event import Event
from gateway.domain.person import Credentials, Person
from gateway.errors import Denied
from gateway_office.accounts import admin, credentials, posts, sessions, sign_in
from gateway_office.accounts.acting import Acting, Administrator
from gateway_office.accounts.sign_in import OpenedSession, TypedSignIn
from gateway_office.domain.roles import PostRole
from gateway_office.domain.session import CallOrigin
from gateway_office.services import AccountServices
from tests.office.support.rows import person_row
from tests.support.clock import MovableClock

PASSWORD = "Trời mưa 7 ngày"
MACHINE = Administrator(principal_id="operator")
NORTH, SOUTH = "agy_north", "agy_south"
ORIGIN = CallOrigin(address="192.0.2.7", agent="A browser")


@dataclass(frozen=True, kw_only=True)
class Someone:
    """One person with an account."""

    services: AccountServices
    person: Person
    password: str = PASSWORD
    totp: str | None = None

    @property
    def login(self) -> str:
        return self.person.login or self.person.name

    @property
    def by(self) -> Administrator:
        return Administrator.person(self.person.id)

    def sign_in_form(self, **more: str) -> TypedSignIn:
        code = pyotp.TOTP(self.totp).at(self.services.clock.now()) if self.totp else ""
        return TypedSignIn(**{"login": self.login, "password": self.password, "code": code, **more})

    async def enters(self, origin: CallOrigin = ORIGIN, earlier_token: str | None = None) -> OpenedSession:
        """Sign in; with a device half a minute later, because a code is good once."""
        clock = self.services.clock
        if self.totp and isinstance(clock, MovableClock):
            clock.skip(timedelta(seconds=31))
        elif self.totp:
            await clock.sleep(31)
        return await sign_in.sign_in(self.services, self.sign_in_form(), origin, earlier_token)

    async def acts(self, agency_id: str = NORTH) -> Acting:
        """Sign in for that agency."""
        token = (await self.enters()).token
        if (await sessions.check(self.services, token)).session.agency_id != agency_id:
            token = await sessions.choose_agency(self.services, token, agency_id)
        return await sessions.check(self.services, token)


def post(role: PostRole, agency_id: str = NORTH, unit: str = "") -> posts.WantedPost:
    return posts.WantedPost(role=role, agency_id="" if role.is_of_node else agency_id, unit=unit)


async def operator(services: AccountServices) -> Someone:
    """Create the node's first operator, at the machine."""
    return await someone(services, MACHINE, "quantri", post(PostRole.OPERATOR))


async def someone(
    services: AccountServices, by: Administrator, login: str, *wanted_posts: posts.WantedPost
) -> Someone:
    """Add a person, and take up the account."""
    account = admin.NewAccount(login=login, name=f"Person {login}", title="Staff", posts=wanted_posts)
    _, code = await admin.add(services, by, account)
    return await taken_up(services, code)


async def taken_up(services: AccountServices, code: str, password: str = PASSWORD) -> Someone:
    person = await credentials.take_up(services, code, password, ORIGIN)
    return Someone(services=services, person=person, password=password)


async def with_factor(user: Someone) -> tuple[Someone, tuple[str, ...], str]:
    """Give the person a device; return the person with it, its recovery codes, and the token of the session that set it
    up."""
    acting = await sessions.check(user.services, (await user.enters()).token)
    totp, _ = credentials.begin_factor(user.services, acting)
    first = pyotp.TOTP(totp).at(user.services.clock.now())
    token, codes = await credentials.set_up_factor(user.services, acting, user.password, totp, first, ORIGIN)
    return (
        Someone(services=user.services, person=user.person, password=user.password, totp=totp),
        codes,
        token,
    )


async def load_events(services: AccountServices, subject: str) -> list[Event]:
    """Return the node's events about a subject."""
    async with services.accounts.read() as view:
        return list(await view.events.of_subject(subject))


async def denied(act: Awaitable[object]) -> Denied:
    """Await an act that must be denied, and return its refusal."""
    with pytest.raises(Denied) as refusal:
        await act
    return refusal.value


DAY = timedelta(days=1)


async def units(services: AccountServices, agency_id: str, *names: str) -> None:
    """Add a person of the agency to each of these units, so that they are known as units."""
    for name in names:
        await _unit(services, agency_id, name)


async def _unit(services: AccountServices, agency_id: str, name: str) -> None:
    now = services.clock.now()
    officer = person_row(services.clock.new_id("prn_"), now, name=f"Cán bộ {name}")
    async with services.accounts.begin("operator") as work:
        await work.people.add(officer, Credentials())
        await posts.give_post(work, MACHINE, officer, post(PostRole.OFFICER, agency_id, name), now)
        await work.commit()
