"""`gateway archive`: hand-over of closed files of records to the historical archive. In: codes of files and a place; the
archive's answer. Out: one package for each file; the hand-overs with their answers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated

from gateway.cli import output, people
from gateway.cli.command import Invocation, argument, noun, option
from gateway.cli.people import Proposer
from gateway.cli.typed_times import day
from gateway.domain.person import Role
from gateway.errors import Denied
from gateway_office.cli import OfficeCommandContext
from gateway_office.domain.work_file import HandOver, HandOverState

_COLUMNS = output.columns(
    "id file=code state:archive.state document=documents size receipt since=at", dim="id"
)

verb = noun("archive").verb


@verb(
    "Z91.2026.01-TH --into /srv/gateway/archive",
    "Z91.2026.01-TH Z91.2026.02-TH --into archive:hand-over",
    "Z91.2026.03-TH --into /srv/gateway/archive --as 'A. Head'",
    ask="cli.ask.archive_make",
    local=True,
)
async def make(
    call: Invocation,
    context: OfficeCommandContext,
    files: Annotated[list[str], argument("Code of a closed file of records (repeat for more).")],
    into: Annotated[str, option("Folder, or a place as rclone names it (SFTP, S3): archive:hand-over.")],
    as_: Proposer = None,
) -> None:
    """Make a package of each file for the archive. A file that is not kept for ever goes by the head alone, with --as."""
    from gateway_office.node import hand_over

    scope, is_decided = context.scope, False
    if as_ is not None:
        person = (await people.sign_in(call, context.node, as_)).person
        if Role.HEAD not in person.roles or not person.is_active:
            raise Denied(f"{person.name} has not the role `head`", code="GW-ROLE")
        is_decided = True
    hand_overs = [
        await hand_over.pack(context.node, scope, code, into, is_decided=is_decided) for code in files
    ]
    _print(call, hand_overs)


@verb(
    "hov_01J… --number 12/BB-LTLS --on 2026-11-20",
    "hov_01J… --number 15/LTLS --on 2026-11-20 --refused --note 'One file cannot be read' --yes",
    ask="cli.ask.archive_receipt",
)
async def receipt(
    call: Invocation,
    context: OfficeCommandContext,
    package: Annotated[str, argument("Id of the hand-over, from: gateway archive list")],
    number: Annotated[str, option("Number of the archive's receipt, or of the letter that refuses.")],
    on: Annotated[str, option("Day of the receipt or letter.")],
    refused: Annotated[
        bool, option("The archive refused the package; another one may be made.", "--refused")
    ] = False,
    note: Annotated[str, option("Further words of the archive.")] = "",
) -> None:
    """Record the archive's answer to a package. With its receipt the file is in the archive."""
    from gateway_office.node import hand_over

    state = HandOverState.REFUSED if refused else HandOverState.RECEIVED
    answered_on = date.fromisoformat(day(on))
    answered = await hand_over.answer(context.node, context.scope, package, state, number, answered_on, note)
    output.record(call, _record(answered))


@verb("", "-o json")
async def list_(call: Invocation, context: OfficeCommandContext) -> None:
    """List the hand-overs with the archive's answers, oldest first."""
    async with context.node.store.read(context.scope) as work:
        _print(call, await work.office.work_files.hand_overs())


def _print(call: Invocation, hand_overs: Sequence[HandOver]) -> None:
    output.rows(call, [_record(hand_over) for hand_over in hand_overs], _COLUMNS)


def _record(hand_over: HandOver) -> dict[str, object]:
    names = (
        "id code state target sha256 size documents files at by receipt answered_on note noted_by noted_at"
    )
    return output.fields(hand_over, names)
