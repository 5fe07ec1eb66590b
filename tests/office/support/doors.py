"""Tests call a town with an office through this door: its API with the calls of the office, beside the plain pages that
need no session. Every answer is held against the description of both."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import TestClient

from gateway import __version__
from gateway.api.deps import ApiDeps, ApiOptions
from gateway.api.resources import ROUTES
from gateway.bootstrap.node import OpenNode
from gateway_office import calls
from gateway_office.bootstrap.office import Office
from gateway_office.web.app import add_static, add_status
from tests.office.support.town import OfficeTown, open_town
from tests.support.contract import Description
from tests.support.town.builder import Change, unchanged
from tests.support.town.doors import Door, Hang, Served, api_of

WITH_OFFICE = Description((*ROUTES, *calls.routes(None)))  # type: ignore[arg-type]  # it does not ask the office


@dataclass(kw_only=True)
class OfficeDoor(Door):
    """The front door of one node with its office."""

    node: Office
    description: Description = WITH_OFFICE

    @property
    def town(self) -> OfficeTown:
        return OfficeTown(node=self.node, clock=self.clock)


@asynccontextmanager
async def open_door(
    blank: Path,
    folder: Path,
    options: ApiOptions | None = None,
    change: Change = unchanged,
    hang: Hang = lambda app, node, deps: None,
) -> AsyncIterator[OfficeDoor]:
    """Open the API of a town of its own in that folder, on a copy of another; `hang` adds doors to it."""

    def hang_pages(app: web.Application, node: OpenNode, deps: ApiDeps) -> None:
        hang(app, node, deps)
        add_status(app.router, node.store, deps.clock, __version__)
        add_static(app.router)

    shutil.copytree(blank, folder, dirs_exist_ok=True)
    async with open_town(folder, change=change) as town:
        app, deps = api_of(town, options, hang_pages, (*ROUTES, *calls.routes(town.node)))
        async with TestClient(Served(app)) as client:
            yield OfficeDoor(node=town.node, clock=town.clock, client=client, deps=deps, calls=deps.calls)
