"""Opens the node with its office for one command. In: the `Invocation`. Out: the office and the agency the command
acts for; Misconfigured where the settings have switched the office off."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.cli.command import Invocation
from gateway.cli.node import at_agency
from gateway.domain.account import AgencyScope, HostedAgency
from gateway.errors import Misconfigured

if TYPE_CHECKING:
    from gateway.office.bootstrap.office import Office


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficeSeat:
    """Where a command works: this office, for this agency, as this operator."""

    node: Office
    agency: HostedAgency
    scope: AgencyScope


@asynccontextmanager
async def at_desk(call: Invocation) -> AsyncIterator[OfficeSeat]:
    """The open office and the agency chosen by --agency, or the only one hosted."""
    from gateway.office.bootstrap.office import Office

    async with at_agency(call) as seat:
        if not isinstance(seat.node, Office):
            raise Misconfigured(
                "the office of this node is switched off, so it has no books and no to-do list",
                hint='set node.office = "on"',
            )
        yield OfficeSeat(node=seat.node, agency=seat.agency, scope=seat.scope)
