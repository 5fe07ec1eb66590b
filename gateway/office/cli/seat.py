"""Opens the node with its office for one command. In: the `Invocation`. Out: the office and the agency the command
acts for; Misconfigured where the settings have switched the office off."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from gateway.cli.command import Invocation
from gateway.cli.node import at_agency
from gateway.domain.account import AgencyScope
from gateway.errors import Misconfigured

if TYPE_CHECKING:
    from gateway.office.bootstrap.office import Office


@asynccontextmanager
async def at_desk(call: Invocation) -> AsyncIterator[tuple[Office, AgencyScope]]:
    """The open office, and the scope of the agency chosen by --agency, or of the only one hosted."""
    from gateway.office.bootstrap.office import Office

    async with at_agency(call) as seat:
        if not isinstance(seat.node, Office):
            raise Misconfigured(
                "the office of this node is switched off, so it has no books and no to-do list",
                hint='set node.office = "on"',
            )
        yield seat.node, seat.scope
