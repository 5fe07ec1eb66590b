"""`gateway host`: the agencies that this node hosts; and `gateway registry set-host`: the node that hosts a code. In: a
code of the registry. Out: the agency added, or removed when nothing of it is open; a recorded registry change."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import output
from gateway.cli.command import Invocation, argument, existing, noun, option
from gateway.cli.node import chosen, operator_id
from gateway.cli.registry import entry_of
from gateway.domain.account import HostedAgency, NumberingMode
from gateway.domain.registry import AgencyEntry
from gateway.domain.registry_change import Plan
from gateway.errors import Clash, NotFound, Refused

if TYPE_CHECKING:
    from gateway.bootstrap.core import NodeCore
    from gateway.bootstrap.stored import OpenRegistry

_PAGE = 1000
_MOST_NAMES = 5
Code = Annotated[str, argument("An agency code.")]

_COLUMNS = output.columns("code name alias=aliases numbering host")


verb, _registry = noun("host").verb, noun("registry")


@verb()
async def list_(call: Invocation, registry: OpenRegistry) -> None:
    """List the agencies of this node, with the node that the registry names for each."""
    hosted = await registry.store.hosted()
    entries = [await registry.directory.entry(agency.code) for agency in hosted]
    today = output.today(registry.clock.now())
    output.rows(call, [_agency_record(*pair, today) for pair in zip(hosted, entries, strict=True)], _COLUMNS)


@verb("Z91.03", "Z91.03 --numbering B --yes", writes=True)
async def add(
    call: Invocation,
    core: NodeCore,
    code: Code,
    numbering: Annotated[
        NumberingMode, option("Arrival numbers: A its document system, B this node, C typed by the clerk.")
    ] = NumberingMode.A,
) -> None:
    """Host one more agency of the registry; an agency that was here before finds its documents again."""
    entry = await _find_entry(core, code)
    call.ask("host.ask.add", code=entry.code, name=entry.name)
    parent = await core.directory.entry(entry.parent) if entry.parent else None
    new_agency = HostedAgency(
        id=core.clock.new_id("agy_"),
        code=entry.code,
        name=entry.name,
        numbering=numbering,
        aliases=(entry.alias,) if entry.alias else (),
        parent_name=parent.name if parent else None,
        email=entry.email,
    )
    agency = await core.store.accounts.add_hosted(new_agency)
    today = output.today(core.clock.now())
    output.record(call, _agency_record(agency, entry, today))
    call.say("host.next.add", code=agency.code)
    host = entry.host_on(today)
    if host != core.settings.node.name:
        call.say("host.elsewhere", code=entry.code, host=host or "–", node=core.settings.node.name)


async def _find_entry(core: NodeCore, code: str) -> AgencyEntry:
    entry = await core.directory.find(code, output.today(core.clock.now()))
    if entry is None:
        raise NotFound(
            f"no agency has the code {code} today; a node speaks for agencies of the registry alone",
            hint=f"try: gateway registry resolve {code}, or import it with: gateway registry import FILE",
        )
    return entry


@verb("Z91.03", writes=True)
async def remove(call: Invocation, core: NodeCore, code: Code) -> None:
    """Stop hosting an agency. Refused while it has open work; its documents stay on the node."""
    hosted = await core.store.hosted()
    agency = chosen(hosted, code)
    if len(hosted) == 1:
        raise Clash(
            f"{agency.code} is the only agency of this node",
            hint="add another first: gateway host add CODE",
        )
    call.ask("host.ask.remove", code=agency.code)
    if work := await core.store.accounts.leave(agency.id):
        open_work = ", ".join(call.word(f"host.open.{name}", count=count) for name, count in work.items())
        raise Clash(
            f"{agency.code} cannot leave: {open_work}",
            code="GW-HOST-OPEN",
            hint=f"finish them first: gateway outbox list --agency {agency.code},"
            f" gateway inbox list --agency {agency.code}, and the same with --quarantine",
        )
    output.record(call, {"id": agency.id, "code": agency.code, "removed": True})
    call.say("host.next.remove", code=agency.code)


@_registry.verb("Z91.03 province-1", "'Z91.*' province-1 --yes", "--file hosts.csv", writes=True, local=True)
async def set_host(
    call: Invocation,
    registry: OpenRegistry,
    code: Annotated[
        str | None, argument("An agency code; with * for many: 'Z91.*' is every code that begins with Z91.")
    ] = None,
    node: Annotated[str | None, argument("Name of the node (node.name of its settings).")] = None,
    none: Annotated[bool, option("No node hosts it any more.", "--none")] = False,
    file: Annotated[Path | None, existing("CSV with the columns code,host; an empty host is none.")] = None,
    from_: Annotated[
        datetime | None, option("First day on that node; default: at once.", "--from", formats=["%Y-%m-%d"])
    ] = None,
) -> None:
    """Set the node that hosts a code, or many codes at once; it is recorded like every change of the registry. To
    update the axis, on that day: gateway axis apply."""
    since = from_.date() if from_ else None
    if file is not None:
        if code or node or none:
            raise typer.BadParameter("--file says all of it; leave out the code and the node")
        await _set_hosts(call, registry, _read_hosts(file), None, since)
        return
    if code is None or none == (node is not None):
        raise typer.BadParameter("name a code and a node, or give --none, or --file")
    if "*" in code:
        await _set_hosts(call, registry, {}, (code.strip().upper(), node or ""), since)
        return
    await _set_host(call, registry, code, node or "", since)


async def _set_host(
    call: Invocation, registry: OpenRegistry, code: str, node: str, since: date | None
) -> None:
    entry = await entry_of(registry.directory, code)
    plan = await registry.directory_changes.plan_import(_registry_file([(entry, node)], since))
    _refuse_problems(plan)
    old = next((change.fields["host"][0] for change in plan.changed if "host" in change.fields), entry.host)
    call.ask("host.ask.move", code=entry.code, old=old or "–", new=node or "–")
    change = await registry.directory_changes.apply(plan, await operator_id(registry.store))
    output.record(call, {"id": change.id, "code": entry.code, "from": old, "to": node or None})
    call.say("host.next.move")


async def _set_hosts(
    call: Invocation,
    registry: OpenRegistry,
    hosts: Mapping[str, str],
    pattern: tuple[str, str] | None,
    since: date | None,
) -> None:
    """Change the hosts in one change of the registry, all or none."""
    moves = await _find_moves(registry, hosts, pattern)
    plan = await registry.directory_changes.plan_import(_registry_file(moves, since))
    _refuse_problems(plan)
    counts = {"changed": len(plan.changed), "unchanged": plan.unchanged}
    if not plan.changed:
        output.record(call, {"id": None, **counts})
        return
    call.ask("host.ask.move_many", **counts)
    change = await registry.directory_changes.apply(plan, await operator_id(registry.store))
    output.record(call, {"id": change.id, **counts})
    call.say("host.next.move")


async def _find_moves(
    registry: OpenRegistry, hosts: Mapping[str, str], pattern: tuple[str, str] | None
) -> list[tuple[AgencyEntry, str]]:
    """Find each entry with its new node. NotFound names unknown codes, or a pattern without a match."""
    moves: list[tuple[AgencyEntry, str]] = []
    cursor: str | None = None
    while True:
        page = await registry.directory.entries(_PAGE, cursor)
        for entry in page.items:
            if pattern is not None and fnmatchcase(entry.code, pattern[0]):
                moves.append((entry, pattern[1]))
            elif entry.code in hosts:
                moves.append((entry, hosts[entry.code]))
        cursor = page.next_cursor
        if cursor is None:
            break
    missing = sorted({*hosts} - {entry.code for entry, _ in moves})
    if missing or not moves:
        names = ", ".join(missing[:_MOST_NAMES]) or (pattern[0] if pattern else "–")
        raise NotFound(
            f"no agency has the code {names}; nothing was changed", hint="try: gateway registry search TEXT"
        )
    return moves


def _read_hosts(file: Path) -> dict[str, str]:
    """Read the file as a mapping of codes to nodes."""
    text = file.read_text(encoding="utf-8-sig", errors="replace")
    rows = csv.DictReader(io.StringIO(text), delimiter=";" if ";" in text.partition("\n")[0] else ",")
    if not {"code", "host"} <= {*(rows.fieldnames or ())}:
        raise typer.BadParameter(f"{file.name} needs the columns code,host in its first line")
    hosts: dict[str, str] = {}
    for row in rows:
        code, host = (row["code"] or "").strip().upper(), (row["host"] or "").strip()
        if code and hosts.setdefault(code, host) != host:
            raise typer.BadParameter(f"{file.name} names two nodes for {code}")
    return hosts


def _registry_file(moves: Sequence[tuple[AgencyEntry, str]], since: date | None) -> bytes:
    """Write a registry file that changes these cells and no others, so that a move equals an import of it. A move at once
    ends one that was planned."""
    text = io.StringIO()
    columns = ("next_host", "next_host_from") if since else ("host", "next_host", "next_host_from")
    tail = (since.isoformat(),) if since else ("", "")
    rows = [(entry.code, entry.name, node, *tail) for entry, node in moves]
    csv.writer(text).writerows([("code", "name", *columns), *rows])
    return text.getvalue().encode()


def _refuse_problems(plan: Plan) -> None:
    if plan.problems:
        raise Refused("host", "; ".join(f"{p.found}: {p.advice}" for p in plan.problems))


def _agency_record(agency: HostedAgency, entry: AgencyEntry | None, today: date) -> dict[str, Any]:
    host = entry.host_on(today) if entry else None
    return output.fields(agency, "id code name aliases numbering", host=host)
