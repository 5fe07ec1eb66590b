"""The office's part of a world. In: whether the nodes of a world run with the office. Out: the part that lays out persons,
opens nodes with an office, makes clerks and heads, and checks their work. No module of the exchange's tests imports the
office: the part is found by its name, where the office is installed."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol, cast

from gateway.bootstrap.node import OpenNode, Wrap
from gateway.settings import Settings
from tests.simulation.stage import Site, StageClock

if TYPE_CHECKING:
    from tests.simulation.callers import Caller, Crowd
    from tests.simulation.world import World

_PART = "tests.office.simulation.part"


class OfficePart(Protocol):
    """Additions to a world whose nodes run with the office."""

    async def settle(self, site: Site, clock: StageClock) -> Mapping[tuple[str, str], str]:
        """Lay out the persons of a node."""

    def open_node(
        self, settings: Settings, clock: StageClock, wrap: Wrap
    ) -> AbstractAsyncContextManager[OpenNode]: ...

    def callers(self, crowd: Crowd, codes: frozenset[str]) -> list[Caller]:
        """Make the persons of these agencies; of all where none is named."""

    def remains(self, world: World) -> list[str]:
        """Name what the offices have still to do."""

    def check(self, world: World) -> list[str]:
        """Return the promises that the rows break."""

    async def check_running(self, world: World) -> list[str]:
        """Return the promises that running nodes break at rest."""


def is_installed() -> bool:
    try:
        return find_spec("gateway_office") is not None
    except ModuleNotFoundError:  # a run of tests without it
        return False


def new_part() -> OfficePart:
    return cast(OfficePart, import_module(_PART).Part())
