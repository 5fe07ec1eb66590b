"""This module fills a town with an office before a test begins: with agencies that are ready to work, with persons who took
up their accounts, with the story of the demonstration, or with its desks. In: settings of a node not set up yet. Out: the
persons with accounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from gateway.domain.person import Person
from gateway.ports.services import Clock
from gateway.settings import Settings
from gateway_labs.demo import desks, people, stage, story
from gateway_labs.demo.people import Invited
from gateway_office.bootstrap.office import Office, account_rules, open_office
from gateway_office.domain.roles import PostRole
from gateway_office.services import AccountServices
from tests.office.support.accounts import Someone, taken_up, with_factor
from tests.support.clock import START, ManualClock, MovableClock
from tests.support.town.scenes import DEMONSTRATION, STAGED, until_quiet


class TownScene(StrEnum):
    """Content of a town."""

    AGENCIES = "agencies"
    PEOPLE = "people"
    """All persons of the cast took up their accounts."""
    STORY = "story"
    DESKS = "desks"
    """All that the demonstration shows."""


@dataclass(frozen=True, kw_only=True)
class PersonAccount:
    """An account that its person took up, whichever node it is opened on."""

    person: Person
    password: str
    totp: str | None

    def on(self, services: AccountServices) -> Someone:
        return Someone(services=services, person=self.person, password=self.password, totp=self.totp)


People = Mapping[tuple[PostRole, str], PersonAccount]


async def set_up(settings: Settings, scene: TownScene, clock: Clock | None) -> People:
    """Set up a town; `clock` says when, where a test does not begin at the hour of all tests."""
    if scene is TownScene.DESKS:
        return await _lay_desks(settings)
    clock = clock or ManualClock(DEMONSTRATION.at if scene is TownScene.AGENCIES else STAGED)
    await DEMONSTRATION.prepare(settings, clock)
    async with open_office(settings, clock) as node:
        invited = await people.register(node)
        accounts = {} if scene is TownScene.AGENCIES else await _take_up(node, invited)
    if scene is TownScene.STORY:
        await _tell(settings)
    return accounts


async def _take_up(node: Office, invited: Sequence[Invited]) -> People:
    codes = {agency.id: agency.code for agency in await node.store.hosted()}
    actors = {stage.cast().code(actor): actor for actor in stage.ACTORS}
    two_steps = account_rules(node.settings).sessions.second_factor
    people = {}
    for account in invited:
        person = await taken_up(node.accounts, account.code)
        if account.role in two_steps:
            person, _, _ = await with_factor(person)
        actor = actors.get(codes.get(account.agency_id, ""), "")
        people[account.role, actor] = PersonAccount(
            person=person.person, password=person.password, totp=person.totp
        )
    return people


async def _tell(settings: Settings) -> None:
    clock = MovableClock(START - timedelta(hours=1))
    cast = await story.prepare_cast(settings, clock, desks=False)
    async with open_office(settings, clock) as node, story.at_work(node):
        tale = story.DemoStory(node=node, cast=cast, say=_unheard)
        await tale.tell()
        await tale.settled()


async def _lay_desks(settings: Settings) -> People:
    """Lay out the desks as `gateway demo` does; then each person takes up the account by its link."""
    earlier, clock = MovableClock(STAGED), MovableClock(START - timedelta(hours=1))
    await stage.prepare(settings, earlier)
    stage.write_revocation(settings, earlier)
    cast = await story.prepare_cast(settings, earlier)
    await desks.days_ago(settings, cast, earlier, _unheard)
    async with open_office(settings, clock) as node:
        async with story.at_work(node):
            await desks.just_now(node, cast)
            await until_quiet(node)
        return await _take_up(node, await people.renew_links(node.accounts, await people.accounts(node)))


def _unheard(key: str, **params: object) -> None:
    """Ignore a step of the story."""
