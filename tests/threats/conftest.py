"""One node per door for the whole run of a worker: what a threat leaves behind would be met by the next one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer

from gateway.cli.applications import build_application
from gateway.ops.checks import Watch
from tests.support import api
from tests.support.broker import fresh_vhost
from tests.threats import ground
from tests.threats.doors import AxisDoor, CommandDoor, Door, explain_door, verify_door


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def embedded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[AxisDoor]:
    async with ground.embedded(tmp_path_factory.mktemp("embedded") / "node") as node:
        yield AxisDoor(name="embedded", ground=node)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def brokered(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[AxisDoor]:
    with fresh_vhost() as vhost:
        async with ground.over_broker(vhost, tmp_path_factory.mktemp("broker") / "node") as node:
            yield AxisDoor(name="broker", ground=node)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def services(embedded: AxisDoor) -> AsyncIterator[api.Door]:
    """The API of the node behind the axis."""
    node = embedded.ground.node
    async with TestClient(TestServer(build_application(node, Watch(node=node)))) as client:
        yield api.Door(node=node, clock=embedded.ground.town.clock, client=client)


@pytest.fixture(scope="session")
def verify(tmp_path_factory: pytest.TempPathFactory) -> CommandDoor:
    folder = tmp_path_factory.mktemp("verify")
    return verify_door(tmp_path_factory.mktemp("files"), ground.trust_folder(folder / "trust"))


@pytest.fixture(scope="session")
def explain(tmp_path_factory: pytest.TempPathFactory) -> CommandDoor:
    return explain_door(tmp_path_factory.mktemp("explain"))


@pytest.fixture
def door(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> Door:
    """The door that the parametrisation names; it stands in the table as the entry point that was tried."""
    chosen: Door = request.getfixturevalue(request.param)
    record_property("entry", chosen.name)
    return chosen
