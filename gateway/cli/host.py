"""`gateway host`: the agencies that this node speaks for; and `gateway registry set-host`: which node speaks for a code.
In: a code of the registry. Out: the agency added, or let go when nothing of it is open; a recorded registry change."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import output
from gateway.cli.command import Call, noun, verb
from gateway.cli.node import at_office, chosen, operator, run
from gateway.domain.account import HostedAgency, NumberingMode
from gateway.errors import Clash, NotFound, Refused

if TYPE_CHECKING:
    from gateway.bootstrap import Office
    from gateway.domain.registry import AgencyEntry
    from gateway.domain.registry_change import Plan

Code = Annotated[str, typer.Argument(help="An agency code.")]

_COLUMNS = (
    ("cli.column.code", ""),
    ("cli.column.name", ""),
    ("cli.column.alias", ""),
    ("cli.column.numbering", ""),
    ("cli.column.host", ""),
)


def register(app: typer.Typer) -> None:
    group = noun("host", "The agencies that this node speaks for.")
    verb(group, "list", examples=("gateway host list", "gateway host list -o json"))(list_)
    verb(
        group,
        "add",
        examples=("gateway host add Z91.03", "gateway host add Z91.03 --numbering B --yes"),
        writes=True,
    )(add)
    verb(
        group,
        "remove",
        examples=("gateway host remove Z91.03", "gateway host remove Z91.03 --yes"),
        writes=True,
    )(remove)
    app.add_typer(group)


def register_in_registry(group: typer.Typer) -> None:
    """The command that says which node speaks for a code, beside the others that change the registry."""
    verb(
        group,
        "set-host",
        examples=(
            "gateway registry set-host Z91.03 province-1",
            "gateway registry set-host Z91.03 --none --yes",
        ),
        writes=True,
    )(set_host)


def list_(call: Call) -> None:
    """List the agencies of this node, with the node that the registry names for each."""
    run(_list(call))


async def _list(call: Call) -> None:
    async with at_office(call.settings()) as office:
        hosted = await office.store.hosted()
        entries = [await office.directory.entry(agency.code) for agency in hosted]
    pairs = list(zip(hosted, entries, strict=True))
    output.rows(
        call,
        [_shown(agency, entry) for agency, entry in pairs],
        _COLUMNS,
        [_cells(agency, entry) for agency, entry in pairs],
    )


def add(
    call: Call,
    code: Code,
    numbering: Annotated[
        NumberingMode,
        typer.Option(help="Arrival numbers: A its document system, B this node, C typed by the clerk."),
    ] = NumberingMode.A,
) -> None:
    """Speak for one more agency of the registry; one that was here before finds its documents again."""
    run(_add(call, code, numbering))


async def _add(call: Call, code: str, numbering: NumberingMode) -> None:
    settings = call.settings()
    async with at_office(settings) as office:
        entry = await _in_force(office, code)
        if not call.agrees("host.ask.add", code=entry.code, name=entry.name):
            return
        parent = await office.directory.entry(entry.parent) if entry.parent else None
        wanted = HostedAgency(
            id=office.clock.new_id("agy_"),
            code=entry.code,
            name=entry.name,
            numbering=numbering,
            aliases=(entry.alias,) if entry.alias else (),
            parent_name=parent.name if parent else None,
            email=entry.email,
        )
        kept = await office.store.accounts.add_hosted(wanted)
    output.record(call, _shown(kept, entry))
    call.say("host.next.add", code=kept.code)
    if entry.host != settings.node.name:
        call.say("host.elsewhere", code=entry.code, host=entry.host or "–", node=settings.node.name)


async def _in_force(office: Office, code: str) -> AgencyEntry:
    entry = await office.directory.find(code, output.today(office.clock.now()))
    if entry is None:
        raise NotFound(
            f"no agency has the code {code} today; a node speaks for agencies of the registry alone",
            hint=f"try: gateway registry resolve {code}, or import it with: gateway registry import FILE",
        )
    return entry


def remove(call: Call, code: Code) -> None:
    """Speak for an agency no longer. Refused while something of it is open; its documents stay on the node."""
    run(_remove(call, code))


async def _remove(call: Call, code: str) -> None:
    async with at_office(call.settings()) as office:
        hosted = await office.store.hosted()
        agency = chosen(hosted, code)
        if len(hosted) == 1:
            raise Clash(
                f"{agency.code} is the only agency of this node",
                hint="add another first: gateway host add CODE",
            )
        if not call.agrees("host.ask.remove", code=agency.code):
            return
        if work := await office.store.accounts.leave(agency.id):
            said = ", ".join(call.word(f"host.open.{name}", count=count) for name, count in work.items())
            raise Clash(
                f"{agency.code} cannot leave: {said}",
                code="GW-HOST-OPEN",
                hint=f"finish them first: gateway outbox list --agency {agency.code},"
                f" gateway inbox list --agency {agency.code}, and the same with --quarantine",
            )
    output.record(call, {"id": agency.id, "code": agency.code, "removed": True})
    call.say("host.next.remove", code=agency.code)


def set_host(
    call: Call,
    code: Code,
    node: Annotated[str | None, typer.Argument(help="Name of the node (node.name of its settings).")] = None,
    none: Annotated[bool, typer.Option("--none", help="No node speaks for it any more.")] = False,
) -> None:
    """Say which node speaks for a code; recorded like every change of the registry. The axis follows with: gateway axis
    apply."""
    if none == (node is not None):
        raise typer.BadParameter("name a node, or give --none")
    run(_set_host(call, code, node or ""))


async def _set_host(call: Call, code: str, node: str) -> None:
    async with at_office(call.settings()) as office:
        entry = await office.directory.entry(code)
        if entry is None:
            raise NotFound(f"no agency has the code {code}", hint=f"try: gateway registry resolve {code}")
        plan = await office.directory.plan_import(_one_line(entry, node))
        _refuse_problems(plan)
        old = entry.host or "–"
        if call.agrees("host.ask.move", code=entry.code, old=old, new=node or "–"):
            change = await office.directory.apply(plan, (await operator(office.store)).id)
            output.record(call, {"id": change.id, "code": entry.code, "from": entry.host, "to": node or None})
            call.say("host.next.move")


def _one_line(entry: AgencyEntry, node: str) -> bytes:
    """A registry file that changes this cell and no other, so that one move is what an import of it would be."""
    text = io.StringIO()
    csv.writer(text).writerows([("code", "name", "host"), (entry.code, entry.name, node)])
    return text.getvalue().encode()


def _refuse_problems(plan: Plan) -> None:
    if plan.problems:
        raise Refused("host", "; ".join(f"{each.found}: {each.advice}" for each in plan.problems))


def _shown(agency: HostedAgency, entry: AgencyEntry | None) -> dict[str, Any]:
    return {
        "id": agency.id,
        "code": agency.code,
        "name": agency.name,
        "aliases": list(agency.aliases),
        "numbering": str(agency.numbering),
        "host": entry.host if entry else None,
    }


def _cells(agency: HostedAgency, entry: AgencyEntry | None) -> tuple[str, ...]:
    host = (entry.host if entry else None) or ""
    return agency.code, agency.name, ", ".join(agency.aliases), str(agency.numbering), host
