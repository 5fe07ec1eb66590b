"""What stands in a town when a test begins: agencies that are ready to work, persons who took up their accounts, the story
of the demonstration, or its desks. In: settings that nothing was set up for. Out: who took up an account."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from gateway.domain.person import Person
from gateway.office.bootstrap.office import Office, account_rules, open_office
from gateway.office.domain.roles import PostRole
from gateway.office.services import AccountServices
from gateway.ports.services import Clock
from gateway.settings import Settings
from gateway_labs.demo import desks, people, stage, story
from gateway_labs.demo.people import Invited
from tests.support.accounts import Someone, taken_up, with_factor
from tests.support.clock import START, ManualClock, MovableClock
from tests.support.waiting import until

# Means of deciding are new for a day; nobody's are when a test begins.
STAGED = START - timedelta(days=2)


class Shown(StrEnum):
    """What a town shows."""

    AGENCIES = "agencies"
    PEOPLE = "people"
    """Everybody of the cast took up the account."""
    STORY = "story"
    DESKS = "desks"
    """All that the demonstration shows."""


@dataclass(frozen=True, kw_only=True)
class Agencies:
    """Who is hosted, before the node opens, and who is known and whose certificates speak, once it is open."""

    name: str
    at: datetime = STAGED + timedelta(days=1)
    """When it is set up: before a test begins, so that no id made then is made again by its own clock."""
    prepare: Callable[[Settings, Clock], Awaitable[None]]
    register: Callable[[Office], Awaitable[Sequence[Invited]]]


# Looked up late: a test may have made the stage wider.
DEMONSTRATION = Agencies(
    name="demonstration",
    prepare=lambda settings, clock: stage.prepare(settings, clock),
    register=lambda node: stage.register(node),
)


@dataclass(frozen=True, kw_only=True)
class Taken:
    """An account that its person took up, whichever node it is opened on."""

    person: Person
    password: str
    totp: str | None

    def on(self, services: AccountServices) -> Someone:
        return Someone(services=services, person=self.person, password=self.password, totp=self.totp)


People = Mapping[tuple[PostRole, str], Taken]


async def set_up(settings: Settings, shown: Shown, agencies: Agencies, clock: Clock | None) -> People:
    """`clock`: when it is set up, where a test does not begin at the hour of all tests."""
    if shown is Shown.DESKS:
        return await _lay_desks(settings)
    clock = clock or ManualClock(agencies.at if shown is Shown.AGENCIES else STAGED)
    await agencies.prepare(settings, clock)
    async with open_office(settings, clock) as node:
        invited = await agencies.register(node)
        taken = {} if shown is Shown.AGENCIES else await _take_up(node, invited)
    if shown is Shown.STORY:
        await _tell(settings)
    return taken


async def _take_up(node: Office, invited: Sequence[Invited]) -> People:
    codes = {each.id: each.code for each in await node.store.hosted()}
    actors = {stage.cast().code(actor): actor for actor in stage.ACTORS}
    two_steps = account_rules(node.settings).sessions.second_factor
    taken = {}
    for account in invited:
        person = await taken_up(node.accounts, account.code)
        if account.role in two_steps:
            person, _, _ = await with_factor(person)
        actor = actors.get(codes.get(account.agency_id, ""), "")
        taken[account.role, actor] = Taken(person=person.person, password=person.password, totp=person.totp)
    return taken


async def _tell(settings: Settings) -> None:
    clock = MovableClock(START - timedelta(hours=1))
    cast = await story.prepare_cast(settings, clock)
    async with open_office(settings, clock) as node, story.at_work(node):
        tale = story.DemoStory(node=node, cast=cast, say=_unheard)
        await tale.tell()
        await tale.settled()


async def _lay_desks(settings: Settings) -> People:
    """As `gateway demo` does it; then everybody takes up the account by the link that it names."""
    earlier, clock = MovableClock(STAGED), MovableClock(START - timedelta(hours=1))
    await stage.prepare(settings, earlier)
    stage.write_revocation(settings, earlier)
    cast = await story.prepare_cast(settings, earlier)
    await desks.days_ago(settings, cast, earlier, _unheard)
    async with open_office(settings, clock) as node:
        async with story.at_work(node):
            await desks.just_now(node, cast)
            await until_quiet(node)
        return await _take_up(node, await people.linked(node.accounts, await stage.accounts(node)))


async def until_quiet(node: Office) -> None:
    """Nothing is on its way any more."""
    await until(lambda: story.is_quiet(node), "a node with nothing on its way")


def _unheard(key: str, **params: object) -> None:
    """Nobody listens to the story."""
