"""Two persons at the pages keep the codes and decide together: they have accounts, devices, the role that decisions of
trust need, and are old enough in all of it. In: an open node. Out: the two, and the proofs that they type."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pyotp
from playwright.async_api import BrowserContext, Page, expect

from gateway.deciding import people
from gateway.domain.person import Role
from gateway_office.accounts import sign_in
from gateway_office.accounts.acting import Administrator
from gateway_office.bootstrap.office import Office
from gateway_office.domain.roles import PostRole
from gateway_office.web.page_handling import COOKIE
from tests.office.support.accounts import MACHINE, ORIGIN, Someone, post, someone, with_factor

GO = "[data-main]"
Skip = Callable[[timedelta], None]
_OLD_ENOUGH = timedelta(days=2)


@dataclass(frozen=True, kw_only=True)
class Decider:
    """One of them. A code is good once, so each use is half a minute after the last."""

    person: Someone = field(repr=False)
    url: str
    skip: Skip = field(repr=False)

    async def comes_in(self, context: BrowserContext) -> None:
        """Sign this person in, in the browser in place of any other."""
        self.skip(timedelta(seconds=31))
        token = (await sign_in.sign_in(self.person.services, self.person.sign_in_form(), ORIGIN)).token
        await context.clear_cookies()
        await context.add_cookies([{"name": COOKIE, "value": token, "url": self.url}])

    async def signs(self, page: Page, password: str = "") -> None:
        """Fill in the proof of the person, in the form that is open."""
        self.skip(timedelta(seconds=31))
        now = self.person.services.clock.now()
        await page.fill("#password", password or self.person.password)
        await page.fill("#code", pyotp.TOTP(self.person.totp or "").at(now))

    async def decides(self, page: Page, notice: str) -> None:
        """Decide in the open form, and wait for the page that says what was done."""
        await self.signs(page)
        await page.click(GO)
        await page.wait_for_url(f"**told={notice}")
        await expect(page.locator("[data-told]")).to_have_count(1)


async def two(node: Office, url: str, skip: Skip, by: Administrator = MACHINE) -> tuple[Decider, Decider]:
    """Add two deciders in place of those who set the stage, whose secrets no test knows; `by` adds the first account."""
    await _block_staged(node)
    deciders: list[Decider] = []
    for login in ("kiemsoat.mot", "kiemsoat.hai"):
        by = deciders[0].person.by if deciders else by
        account, _, _ = await with_factor(await someone(node.accounts, by, login, post(PostRole.OPERATOR)))
        await people.give(node.deciding, None, "operator", login, (Role.TRUST,))
        deciders.append(Decider(person=account, url=url, skip=skip))
        skip(timedelta(seconds=31))
    skip(_OLD_ENOUGH)
    return deciders[0], deciders[1]


async def entrust(node: Office, person: Someone) -> None:
    """Give a person the role of deciders, in place of those who set the stage."""
    await _block_staged(node)
    await people.give(node.deciding, None, "operator", person.login, (Role.TRUST,))


async def _block_staged(node: Office) -> None:
    async with node.deciding.decisions.read() as view:
        staged = [person for person in await view.people.all() if Role.PEOPLE in person.roles]
    for person in staged:
        await people.block(node.deciding, "operator", person.name)
