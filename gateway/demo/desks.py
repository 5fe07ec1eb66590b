"""Lays the desks of the demonstration, so that whoever signs in finds something on every page. In: settings of a prepared
folder, whatever was laid out there before. Out: the story and two days of work: first what happened two days ago, then, on
the open node whose workers run, what happened just now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

from gateway.clock import SystemClock
from gateway.demo import machine, organisation, stage, story
from gateway.demo.offices import Offices
from gateway.demo.stage import Cast
from gateway.demo.steps import Steps
from gateway.office.bootstrap.office import Office, open_office
from gateway.ports import Clock
from gateway.settings import Settings

_TOLD = "told"


class EarlierClock(SystemClock):
    """Goes as the machine's, so long ago."""

    def __init__(self, by: timedelta = stage.AGO) -> None:
        self._by = by

    def now(self) -> datetime:
        return datetime.now(UTC) - self._by


async def days_ago(settings: Settings, cast: Cast, clock: Clock, say: story.Say) -> None:
    """The organisation, the accounts, the story, and what lies since."""
    steps = Steps(settings.node.data_dir)
    if steps.done(_TOLD):
        return
    async with open_office(settings, clock) as node:
        await stage.enter(node)
        await organisation.told(node, cast)
        offices = Offices(node=node, cast=cast, steps=steps)
        async with story.at_work(node):
            tale = story.Story(node=node, cast=cast, say=say)
            await tale.tell()
            await offices.days_ago()
            await tale.settled()
        operator = await offices.person("node", "operator")
        await steps.once("incident", partial(machine.incident_over, node, cast, operator.id))
    await steps.once(_TOLD, _nothing)


async def just_now(node: Office, cast: Cast) -> None:
    """Everything else, after what happened two days ago."""
    steps = Steps(node.settings.node.data_dir)
    offices = Offices(node=node, cast=cast, steps=steps)
    await steps.once("mail", offices.just_now)
    await steps.once("forged", offices.forged)
    for actor in stage.ACTORS:
        await offices.furnished(actor)
    operator = await offices.person("node", "operator")
    commune = (await offices.scope("commune")).agency_id
    await machine.laid_out(node, cast, steps, operator.id, commune)


async def _nothing() -> None:
    """What was to be done is done by then."""
