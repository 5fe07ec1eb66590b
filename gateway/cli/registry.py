"""`gateway registry`: look agency codes up, and import their list from a file. In: a code, an old code or a name; to import
a file in CSV, XLSX or JSON. Out: entries with their source and dates; of an import first the plan, with --apply the change
where it adds agencies, with --propose an open proposal where it changes known ones. An import is undone as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.atomic_files import new_file
from gateway.cli import output, people
from gateway.cli.command import Invocation, OutputFormat, argument, noun, option, piped
from gateway.cli.node import at_core, at_registry, operator_id
from gateway.cli.output import NOT_FOUND
from gateway.cli.people import As, ForApprover, KeptReason, Proposer
from gateway.cli.typed_times import day
from gateway.deciding import registry_changes
from gateway.domain.registry import DEFAULT_SCHEME, AgencyEntry, CodeStanding
from gateway.domain.registry_change import Plan
from gateway.errors import Clash, NotFound
from gateway.policy import code_file

if TYPE_CHECKING:
    from gateway.bootstrap.core import NodeCore
    from gateway.bootstrap.stored import OpenRegistry
    from gateway.registry.directory import SqlDirectory

On = Annotated[str | None, option("On this day; default: today.", "--on")]
Limit = Annotated[int, typer.Option(min=1, max=1000)]

_COLUMNS = output.columns("code scheme name alias parent valid=valid_from-valid_to source", dim="source")


verb = noun("registry").verb
_MOST_ROWS = 100  # rows of each sort that are printed without --details
_IMPORT_COLUMNS = output.columns("id since=at added changed closed undone")
_CONFLICT_COLUMNS = output.columns("code name column found advice")
_AXIS_LIST_COLUMNS = output.columns("id since=at state added waiting conflicts left_out")


@verb("--under Z91", "--limit 500 -o ndjson")
async def list_(
    call: Invocation,
    node: OpenRegistry,
    under: Annotated[str | None, option("Only directly below this agency.")] = None,
    limit: Limit = 100,
    cursor: Annotated[str | None, option("Continue where the last list ended.")] = None,
) -> None:
    """List agencies in the order of their codes."""
    if under:
        _print(call, (await node.directory.children(under))[:limit])
        return
    page = await node.directory.entries(limit, cursor)
    _print(call, page.items, page.next_cursor)


@verb("Z91.07")
async def show(
    call: Invocation, node: OpenRegistry, code: Annotated[str, argument("An agency code.")]
) -> None:
    """Show one agency, the certificates bound to it, and the form of envelopes to it (`form` of its route)."""
    from gateway.ops.axis_route import form_by_settings
    from gateway.registry.binding import fingerprint

    entry = await entry_of(node.directory, code)
    bindings = await node.directory.bindings(entry.code)
    sending_code = next((agency.code for agency in await node.store.hosted()), "")
    form = await form_by_settings(node.settings, node.host_of, sending_code, entry.code)
    certificates = [
        {"sha256": fingerprint(b.certificate_der), **output.fields(b, "valid_from valid_to")}
        for b in bindings
    ]
    record = _entry(entry) | {"form": form.value, "certificates": certificates}
    output.record(call, record)


async def entry_of(directory: SqlDirectory, code: str) -> AgencyEntry:
    """Return the entry of the code. NotFound for an unknown one."""
    entry = await directory.entry(code)
    if entry is None:
        raise NotFound(f"no agency has the code {code}", hint=f"try: gateway registry resolve {code}")
    return entry


@verb("000.00.07.Z91", "'So Y te' --parent Z91")
async def resolve(
    call: Invocation,
    node: OpenRegistry,
    text: Annotated[str, argument("A code of today, an old one, an alias, or a name.")],
    parent: Annotated[str | None, option("With a name: the code of the agency above it.")] = None,
    on: On = None,
) -> None:
    """Find the agency of a code or name, and its successor. Exit 3 if none is known."""
    on_day = date.fromisoformat(day(on)) if on else output.today(node.clock.now())
    answer = await node.directory.resolve(text, on_day, parent)
    record = output.fields(
        answer,
        "given=query standing code=entry.code name=entry.name scheme=entry.scheme mapped_by successor nearest may_refuse",
    )
    output.record(call, record, id_key="code")
    if answer.standing is CodeStanding.UNKNOWN:
        raise typer.Exit(NOT_FOUND)


@verb("'so y te'", "Z91.0 -o json")
async def search(
    call: Invocation,
    node: OpenRegistry,
    text: Annotated[str, argument("The beginning of a code, or words of a name; accents do not matter.")],
    limit: Limit = 20,
) -> None:
    """Find agencies by code or name, with or without accents."""
    _print(call, await node.directory.search(text, limit))


def _print(call: Invocation, entries: Sequence[AgencyEntry], cursor: str | None = None) -> None:
    cells = [{"scheme": "" if e.scheme == DEFAULT_SCHEME else e.scheme} for e in entries]
    output.page(call, [_entry(e) for e in entries], _COLUMNS, cursor, cells)


def _entry(entry: AgencyEntry) -> dict[str, Any]:
    return {"id": entry.code, **asdict(entry)}


@verb(
    "agencies.csv --apply --yes", "agencies.xlsx --propose --number 45/QD-UBND --as 'A. Clerk'", writes=True
)
async def import_(
    call: Invocation,
    file: Annotated[Path, piped("CSV, XLSX or JSON; - is standard input.")],
    apply: Annotated[bool, option("Preview only, unless --apply.", "--apply/--preview")] = False,
    propose: Annotated[bool, option("Propose it to a second person.", "--propose")] = False,
    number: Annotated[str, option("Number of the deciding document, with --propose.")] = "",
    as_: Proposer = None,
    reason: ForApprover = "",
    details: Annotated[bool, option("Print every row.", "--details")] = False,
) -> None:
    """Show what a list of agencies would change: the totals and the first rows, with --details all rows; --apply
    puts it in force. If it changes known agencies, --propose hands it to a second person."""
    if propose and (apply or not as_ or not number.strip()):
        raise typer.BadParameter("--propose needs --number NO and --as NAME, and goes without --apply")
    if propose:
        await _propose_import(call, file, number, as_ or "", reason, details=details)
    else:
        await _import(call, file, apply, details=details)


async def _import(call: Invocation, file: Path, apply: bool, *, details: bool) -> None:
    async with at_registry(call.settings()) as node:
        plan = await node.directory_changes.plan_import(read_file(call, file))
        if plan.problems or not apply:
            _print_plan(call, plan, details=details)
        refuse_problems(file, plan)
        if not apply:
            two = node.directory_changes.needs_two(plan)
            call.say("cli.import.two" if two else "cli.preview_only")
            return
        counts = {"added": len(plan.added), "changed": len(plan.changed), "closed": len(plan.closed)}
        call.ask("cli.ask.import", **counts)
        change = await node.directory_changes.apply(plan, await operator_id(node.store))
        output.record(call, {"id": change.id, "at": output.stamp(change.at), **counts})


async def _propose_import(
    call: Invocation, file: Path, number: str, as_: str, reason: str, *, details: bool
) -> None:
    async with at_core(call.settings()) as node:
        content = read_file(call, file)
        plan = await node.directory_changes.plan_import(content)
        if plan.problems or call.output is OutputFormat.TABLE:
            _print_plan(call, plan, details=details)
        refuse_problems(file, plan)
        call.ask("cli.ask.reform_propose")
        person = await people.sign_in(call, node, as_)
        proposal = await registry_changes.propose_import(
            node.deciding, person, plan, content, file.name, number, reason
        )
        output.record(call, output.fields(proposal, "id digest expires_at"))
        call.say("cli.import.next", id=proposal.id)


@verb("", "--limit 5 -o json")
async def imports(
    call: Invocation,
    node: OpenRegistry,
    limit: Annotated[int, option("Maximum number.", min=1, max=1000)] = 50,
) -> None:
    """List the imports that were applied, newest first, and which were undone."""
    changes = await node.directory_changes.list_applied(limit=10_000)
    undone_ids = {str(c.summary["undid"]) for c in changes if "undid" in c.summary}
    imported = [c for c in changes if c.is_import]
    rows = [
        {
            "id": change.id,
            "at": output.stamp(change.at),
            "by": change.by,
            "source": change.source_digest,
            **{name: change.summary.get(name, 0) for name in ("added", "changed", "closed")},
            "undone": change.id in undone_ids,
        }
        for change in reversed(imported[-limit:])
    ]
    cells = [{"since": str(row["at"]), "undone": "✓" if row["undone"] else ""} for row in rows]
    output.rows(call, rows, _IMPORT_COLUMNS, cells)


@verb(
    "chg_01 --as 'A. Clerk' --reason 'Wrong list'",
    "chg_01 --as 'A. Clerk' --reason 'Last year' --yes",
    name="undo",
    ask="cli.ask.import_undo",
)
async def undo_import(
    call: Invocation,
    node: NodeCore,
    id: Annotated[str, argument("Id of the import, from: gateway registry imports")],
    as_: As,
    reason: KeptReason,
) -> None:
    """Undo an import as a whole, within seven days and unless later changes depend on it."""
    person = await people.sign_in(call, node, as_)
    record = await registry_changes.undo_import(node.deciding, person, id, reason)
    counts = {"removed": record.added, "restored": record.changed}
    output.record(call, {"id": record.id, "undone": True, **counts})


@verb("", "--show LIST", "--write LIST --out waiting.csv")
async def axis_lists(
    call: Invocation,
    node: NodeCore,
    show: Annotated[str | None, option("Print the conflicts of this list.")] = None,
    write: Annotated[
        str | None, option("Write the lines of this list that wait, for: gateway registry import.")
    ] = None,
    out: Annotated[Path | None, option("The file to write, with --write.", dir_okay=False)] = None,
) -> None:
    """List the lists of agencies that foreign axes gave: those added, those that wait for people, those in conflict."""
    if (write is None) != (out is None):
        raise typer.BadParameter("--write LIST and --out FILE go together")
    if write is not None and out is not None:
        lines = await node.axis_lists.waiting_lines(write)
        with new_file(out, alone=True) as file:
            file.write(lines)
        call.say("cli.axis_list.written", file=out)
    elif show is not None:
        axis_list = await node.axis_lists.get(show)
        output.rows(call, [{"id": p["code"], **p} for p in axis_list.problems], _CONFLICT_COLUMNS)
    else:
        rows = [
            asdict(axis_list) | {"at": output.stamp(axis_list.at)}
            for axis_list in await node.axis_lists.listed()
        ]
        output.rows(call, rows, _AXIS_LIST_COLUMNS, [{"since": row["at"]} for row in rows])


def read_file(call: Invocation, file: Path) -> bytes:
    """Read the file as the registry does, its columns renamed from common headings; unknown ones stay, as problems."""
    table = read_table(call, file)
    names = code_file.headings_of(table)
    guessed = code_file.guess_columns(names)
    headings = [guess or name for guess, name in zip(guessed, names, strict=True)]
    return code_file.rename_columns(table, headings) if any(guessed) else table


def read_table(call: Invocation, file: Path) -> bytes:
    """Read a table of codes as CSV in UTF-8, and tell what was converted."""
    from gateway.edxml import workbook

    read = code_file.open_table(file.read_bytes(), workbook.first_sheet)
    if read.letters is not None:
        call.say(f"cli.import.{read.letters}")
        for original, repaired in read.samples:
            call.say("cli.import.sample", before=original, after=repaired)
    if read.formulas:
        call.say("cli.import.formulas", count=read.formulas)
    return read.csv


def refuse_problems(file: Path, plan: Plan) -> None:
    if plan.problems:
        raise Clash(f"{file.name} has {len(plan.problems)} problems; nothing was imported")


def _print_plan(call: Invocation, plan: Plan, *, details: bool) -> None:
    """Print the totals, then the first rows of each sort, or with `details` all."""
    totals = {
        "added": len(plan.added),
        "changed": len(plan.changed),
        "closed": len(plan.closed),
        "unchanged": plan.unchanged,
        "problems": len(plan.problems),
        "doubts": len(plan.doubts),
    }
    most = max(totals.values()) if details else _MOST_ROWS
    hidden = sum(max(count - most, 0) for name, count in totals.items() if name != "unchanged")
    if call.output is not OutputFormat.TABLE:
        output.document(_plan_document(plan, totals, most) | {"more": hidden})
        return
    output.print_lines(call, [call.word("cli.import.totals", **totals)])
    output.print_lines(call, (output.plain(line) for line in _plan_lines(plan, most)))
    if hidden:
        call.say("cli.more_details", count=hidden)


def _plan_lines(plan: Plan, most: int) -> Iterator[str]:
    yield from (f"✗ {p}" for p in plan.problems[:most])
    yield from (f"? {d}" for d in plan.doubts[:most])
    yield from (f"+ {e.code}  {e.name}{_scheme_mark(e.scheme)}" for e in plan.added[:most])
    for mark, rows in (("~", plan.changed), ("–", plan.closed)):
        for row in rows[:most]:
            yield f"{mark} {row.code}  {row.name}"
            yield from (f"    {name}: {old or '∅'} → {new or '∅'}" for name, (old, new) in row.fields.items())


def _scheme_mark(scheme: str) -> str:
    return "" if scheme == DEFAULT_SCHEME else f"  [{scheme}]"


def _plan_document(plan: Plan, totals: Mapping[str, int], most: int) -> dict[str, Any]:
    return {
        "totals": dict(totals),
        "added": [output.fields(e, "code name scheme") for e in plan.added[:most]],
        "changed": [{"code": e.code, "fields": dict(e.fields)} for e in plan.changed[:most]],
        "closed": [{"code": e.code, "fields": dict(e.fields)} for e in plan.closed[:most]],
        "unchanged": plan.unchanged,
        "problems": [asdict(p) for p in plan.problems[:most]],
        "doubts": [asdict(d) for d in plan.doubts[:most]],
    }
