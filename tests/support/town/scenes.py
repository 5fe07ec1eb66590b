"""This module sets up a town before a test begins, with agencies that are ready to exchange documents. In: settings of a
node not set up yet. Out: a node that can be opened."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.bootstrap.node import OpenNode, open_node
from gateway.ports.services import Clock
from gateway.settings import Settings
from gateway_labs.demo import stage, story
from tests.support.clock import START, ManualClock
from tests.support.waiting import wait_until

# Means of deciding are new for a day; none are when a test begins.
STAGED = START - timedelta(days=2)


@dataclass(frozen=True, kw_only=True)
class Agencies:
    """Agencies hosted before the node opens, and those known and with certificates once it is open."""

    name: str
    at: datetime = STAGED + timedelta(days=1)
    """When it is set up: before a test begins, so that no id made then is made again by its own clock."""
    prepare: Callable[[Settings, Clock], Awaitable[None]]
    register: Callable[[OpenNode], Awaitable[None]]


# Looked up late: a test may have made the stage wider.
DEMONSTRATION = Agencies(
    name="demonstration",
    prepare=lambda settings, clock: stage.prepare(settings, clock),
    register=lambda node: stage.register(node),
)


async def set_up(settings: Settings, agencies: Agencies, clock: Clock | None) -> None:
    """Set up a town; `clock` says when, where a test does not begin at the hour of all tests."""
    clock = clock or ManualClock(agencies.at)
    await agencies.prepare(settings, clock)
    async with open_node(settings, clock) as node:
        await agencies.register(node)


async def until_quiet(node: OpenNode) -> None:
    """Wait until no packet is on its way."""
    await wait_until(lambda: story.is_quiet(node), "a node with nothing on its way")
