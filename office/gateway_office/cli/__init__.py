"""Commands about what persons at pages need; and the node with its office, opened for one of them. In: the `Invocation`.
Out: the office and the agency the command acts for; Misconfigured where the settings have switched the office off."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import typer

from gateway.cli.command import OPENED, Invocation
from gateway.cli.node import CommandContext, at_agency
from gateway.errors import Misconfigured

if TYPE_CHECKING:
    from gateway_office.bootstrap.office import Office


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficeCommandContext(CommandContext):
    """Context of a command that needs the office of this node."""

    node: Office


@asynccontextmanager
async def _at_office(call: Invocation) -> AsyncIterator[OfficeCommandContext]:
    from gateway_office.bootstrap.office import Office

    async with at_agency(call.settings(), call.agency) as context:
        if not isinstance(context.node, Office):
            raise Misconfigured(
                "the office of this node is switched off, so it has no books and no to-do list",
                hint='set node.office = "on"',
            )
        yield OfficeCommandContext(node=context.node, agency=context.agency, scope=context.scope)


OPENED["OfficeCommandContext"] = _at_office


@contextmanager
def whole_file(file: Path) -> Iterator[BinaryIO]:
    """Yield a new file; an existing one is not overwritten, and after an error none is left: half a book must not look
    like a whole one."""
    try:
        with file.open("xb") as out:
            try:
                yield out
            except BaseException:
                file.unlink(missing_ok=True)
                raise
    except OSError as cause:
        raise typer.BadParameter(f"{file} cannot be written: {cause.strerror}") from cause
