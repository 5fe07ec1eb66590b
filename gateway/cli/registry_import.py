"""`gateway registry import`: the list of agency codes from a file. In: CSV, XLSX or JSON. Out: first the plan; with --apply
the change, where it adds agencies; with --propose an open proposal, where it changes known ones; undone as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import output, person
from gateway.cli.command import Call, Format, verb
from gateway.cli.node import at_ground, at_registry, operator, run
from gateway.cli.person import As

if TYPE_CHECKING:
    from gateway.domain.registry_change import Plan, RowProblem
    from gateway.policy.code_file import CodeFile

_SHOWN = 100  # rows of each sort that are printed unasked
_COLUMNS = (
    ("cli.column.id", ""),
    ("cli.column.since", ""),
    ("cli.column.added", ""),
    ("cli.column.changed", ""),
    ("cli.column.closed", ""),
    ("cli.column.undone", ""),
)


def register(registry: typer.Typer) -> None:
    """Adds the commands to the `registry` group."""
    verb(
        registry,
        "import",
        examples=(
            "gateway registry import agencies.csv --apply --yes",
            "gateway registry import agencies.xlsx --propose --number 45/QD-UBND --as 'A. Clerk'",
        ),
        writes=True,
    )(import_)
    verb(
        registry,
        "imports",
        examples=("gateway registry imports", "gateway registry imports --limit 5 -o json"),
    )(imports)
    verb(
        registry,
        "undo",
        examples=(
            "gateway registry undo chg_01 --as 'A. Clerk' --reason 'Wrong list'",
            "gateway registry undo chg_01 --as 'A. Clerk' --reason 'Last year' --yes",
        ),
        writes=True,
    )(undo)


def import_(
    call: Call,
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV, XLSX or JSON; - is standard input.", exists=True, dir_okay=False, allow_dash=True
        ),
    ],
    apply: Annotated[bool, typer.Option("--apply/--preview", help="Preview only, unless --apply.")] = False,
    propose: Annotated[bool, typer.Option("--propose", help="Propose it to a second person.")] = False,
    number: Annotated[str, typer.Option(help="Number of the deciding document, with --propose.")] = "",
    as_: Annotated[
        str | None, typer.Option("--as", help="Who you are; passphrase and second factor are asked for.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; the approver reads it.")] = "",
    details: Annotated[bool, typer.Option("--details", help="Print every row, however many.")] = False,
) -> None:
    """Show what a list of agencies would change: the totals and the first rows, with --details all; with --apply put it in
    force. Where it changes agencies that are known, --propose hands it to a second person."""
    if propose and (apply or not as_ or not number.strip()):
        raise typer.BadParameter("--propose needs --number NO and --as NAME, and goes without --apply")
    if propose:
        run(_propose(call, file, number, as_ or "", reason, details=details))
    else:
        run(_import(call, file, apply, details=details))


async def _import(call: Call, file: Path, apply: bool, *, details: bool) -> None:
    async with at_registry(call.settings()) as node:
        plan = await node.directory.plan_import(_read(call, file))
        if plan.problems or not apply:
            _print_plan(call, plan, details=details)
        _refuse_problems(file, plan)
        if not apply:
            two = node.directory.needs_two(plan)
            call.say("cli.import.two" if two else "cli.preview_only")
            return
        counts = {"added": len(plan.added), "changed": len(plan.changed), "closed": len(plan.closed)}
        if call.agrees("cli.ask.import", **counts):
            change = await node.directory.apply(plan, (await operator(node.store)).id)
            output.record(call, {"id": change.id, "at": output.stamp(change.at), **counts})


async def _propose(call: Call, file: Path, number: str, as_: str, reason: str, *, details: bool) -> None:
    from gateway.deciding import codes

    async with at_ground(call.settings()) as node:
        content = _read(call, file)
        plan = await node.directory.plan_import(content)
        if plan.problems or call.output is Format.TABLE:
            _print_plan(call, plan, details=details)
        _refuse_problems(file, plan)
        if call.agrees("cli.ask.reform_propose"):
            who = await person.signed_in(call, node, as_)
            made = await codes.proposed(node.deciding, who, plan, content, file.name, number, reason)
            output.record(
                call, {"id": made.id, "digest": made.digest, "expires_at": output.stamp(made.expires_at)}
            )
            call.say("cli.import.next", id=made.id)


def imports(
    call: Call, limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 50
) -> None:
    """List the imports that were applied, newest first, and which were undone."""
    run(_imports(call, limit))


async def _imports(call: Call, limit: int) -> None:
    async with at_ground(call.settings()) as node:
        found = await node.directory.changes(limit=10_000)
    undone = {str(each.summary["undid"]) for each in found if "undid" in each.summary}
    mine = [each for each in found if each.is_import]
    rows = [
        {
            "id": each.id,
            "at": output.stamp(each.at),
            "by": each.by,
            "source": each.source_digest,
            **{name: each.summary.get(name, 0) for name in ("added", "changed", "closed")},
            "undone": each.id in undone,
        }
        for each in reversed(mine[-limit:])
    ]
    cells = [
        (
            str(row["id"]),
            str(row["at"]),
            *(str(row[name]) for name in ("added", "changed", "closed")),
            "✓" if row["undone"] else "",
        )
        for row in rows
    ]
    output.rows(call, rows, _COLUMNS, cells)


def undo(
    call: Call,
    id: Annotated[str, typer.Argument(help="Id of the import, from: gateway registry imports")],
    as_: As,
    reason: Annotated[str, typer.Option(help="Why; it is kept.")],
) -> None:
    """Undo an import as a whole, within seven days and unless something was built on it."""
    run(_undo(call, id, as_, reason))


async def _undo(call: Call, id: str, as_: str, reason: str) -> None:
    from gateway.deciding import codes

    async with at_ground(call.settings()) as node:
        if call.agrees("cli.ask.import_undo", id=id):
            who = await person.signed_in(call, node, as_)
            record = await codes.undo(node.deciding, who, id, reason)
            output.record(
                call, {"id": record.id, "undone": True, "removed": record.added, "restored": record.changed}
            )


def _read(call: Call, file: Path) -> bytes:
    """The file as the registry reads it, with its columns by the names that offices write; unknown ones stay, and are
    problems."""
    from gateway.edxml import workbook
    from gateway.policy import code_columns, code_file

    read = code_file.opened(file.read_bytes(), workbook.first_sheet)
    _say(call, read)
    names = code_columns.headings(read.csv)
    guessed = code_columns.guessed(names)
    taken = [found or name for found, name in zip(guessed, names, strict=True)]
    return code_columns.rewritten(read.csv, taken) if any(guessed) else read.csv


def _say(call: Call, read: CodeFile) -> None:
    if read.letters is not None:
        call.say(f"cli.import.{read.letters}")
        for before, after in read.samples:
            call.say("cli.import.sample", before=before, after=after)
    if read.formulas:
        call.say("cli.import.formulas", count=read.formulas)


def _refuse_problems(file: Path, plan: Plan) -> None:
    from gateway.errors import Clash

    if plan.problems:
        raise Clash(f"{file.name} has {len(plan.problems)} problems; nothing was imported")


def _print_plan(call: Call, plan: Plan, *, details: bool) -> None:
    """The totals, then of each sort the first, or with `details` all."""
    totals = {
        "added": len(plan.added),
        "changed": len(plan.changed),
        "closed": len(plan.closed),
        "unchanged": plan.unchanged,
        "problems": len(plan.problems),
        "doubts": len(plan.doubts),
    }
    most = max(totals.values()) if details else _SHOWN
    more = sum(max(count - most, 0) for name, count in totals.items() if name != "unchanged")
    if call.output is not Format.TABLE:
        output.document(_document(plan, totals, most) | {"more": more})
        return
    output.aloud(call, [call.word("cli.import.totals", **totals)])
    output.aloud(call, (output.plain(line) for line in _lines(plan, most)))
    if more:
        call.say("cli.more_details", count=more)


def _lines(plan: Plan, most: int) -> Iterator[str]:
    yield from (f"✗ {each}" for each in plan.problems[:most])
    yield from (f"? {each}" for each in plan.doubts[:most])
    yield from (f"+ {each.code}  {each.name}" for each in plan.added[:most])
    for mark, rows in (("~", plan.changed), ("–", plan.closed)):
        for row in rows[:most]:
            yield f"{mark} {row.code}  {row.name}"
            yield from (f"    {name}: {old or '∅'} → {new or '∅'}" for name, (old, new) in row.fields.items())


def _document(plan: Plan, totals: Mapping[str, int], most: int) -> dict[str, Any]:
    def noted(found: Sequence[RowProblem]) -> list[dict[str, Any]]:
        return [
            {"line": each.line, "column": each.column, "found": each.found, "advice": each.advice}
            for each in found[:most]
        ]

    return {
        "totals": dict(totals),
        "added": [{"code": each.code, "name": each.name} for each in plan.added[:most]],
        "changed": [{"code": each.code, "fields": dict(each.fields)} for each in plan.changed[:most]],
        "closed": [{"code": each.code, "fields": dict(each.fields)} for each in plan.closed[:most]],
        "unchanged": plan.unchanged,
        "problems": noted(plan.problems),
        "doubts": noted(plan.doubts),
    }
