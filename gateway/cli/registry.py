"""`gateway registry`: looks up agency codes. In: a code, an old code, a name. Out: entries with their source and dates."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import host, output, registry_change, registry_feed, registry_import
from gateway.cli.command import Call, Format, noun, verb
from gateway.cli.failures import NOT_FOUND
from gateway.cli.node import at_ground, run
from gateway.cli.nouns import NOUNS

if TYPE_CHECKING:
    from gateway.domain.registry import AgencyEntry

On = Annotated[str | None, typer.Option("--on", help="On this day; default: today.")]
Limit = Annotated[int, typer.Option(min=1, max=1000)]

_COLUMNS = (
    ("cli.column.code", ""),
    ("cli.column.name", ""),
    ("cli.column.alias", ""),
    ("cli.column.parent", ""),
    ("cli.column.valid", ""),
    ("cli.column.source", "dim"),
)


def register(app: typer.Typer) -> None:
    group = noun("registry", NOUNS["registry"])
    verb(
        group,
        "list",
        examples=("gateway registry list --under Z91", "gateway registry list --limit 500 -o ndjson"),
    )(list_)
    verb(group, "show", examples=("gateway registry show Z91.07", "gateway registry show Z91.07 -o json"))(
        show
    )
    verb(
        group,
        "resolve",
        examples=(
            "gateway registry resolve 000.00.07.Z91",
            "gateway registry resolve 'So Y te' --parent Z91",
        ),
    )(resolve)
    verb(
        group,
        "search",
        examples=("gateway registry search 'so y te'", "gateway registry search Z91.0 -o json"),
    )(search)
    registry_import.register(group)
    registry_feed.register(group)
    registry_change.register(group)
    host.register_in_registry(group)
    app.add_typer(group)


def list_(
    call: Call,
    under: Annotated[str | None, typer.Option(help="Only directly below this agency.")] = None,
    limit: Limit = 100,
    cursor: Annotated[str | None, typer.Option(help="Go on where the last list ended.")] = None,
) -> None:
    """List agencies in the order of their codes."""
    run(_list(call, under, limit, cursor))


async def _list(call: Call, under: str | None, limit: int, cursor: str | None) -> None:
    async with at_ground(call.settings()) as node:
        if under:
            _print(call, (await node.directory.children(under))[:limit])
            return
        page = await node.directory.entries(limit, cursor)
    _print(call, page.items, page.next_cursor)
    if page.next_cursor and call.output is Format.TABLE:
        call.say("cli.more", command=f"--cursor {page.next_cursor}")


def show(call: Call, code: Annotated[str, typer.Argument(help="An agency code.")]) -> None:
    """Show one agency and the certificates that speak for it."""
    run(_show(call, code))


async def _show(call: Call, code: str) -> None:
    from gateway.errors import NotFound
    from gateway.registry.binding import fingerprint

    async with at_ground(call.settings()) as node:
        entry = await node.directory.entry(code)
        if entry is None:
            raise NotFound(f"no agency has the code {code}", hint=f"try: gateway registry resolve {code}")
        bound = await node.directory.bindings(entry.code)
    told = _entry(entry) | {
        "certificates": [
            {
                "sha256": fingerprint(each.certificate_der),
                "valid_from": output.stamp(each.valid_from),
                "valid_to": output.stamp(each.valid_to),
            }
            for each in bound
        ]
    }
    output.record(call, told)


def resolve(
    call: Call,
    text: Annotated[str, typer.Argument(help="A code of today, an old one, an alias, or a name.")],
    parent: Annotated[str | None, typer.Option(help="With a name: the code of the agency above it.")] = None,
    on: On = None,
) -> None:
    """Say which agency a code or name stands for, and what became of it. Exit 3 when nobody is known."""
    run(_resolve(call, text, parent, on))


async def _resolve(call: Call, text: str, parent: str | None, on: str | None) -> None:
    from gateway.domain.registry import Standing

    async with at_ground(call.settings()) as node:
        answer = await node.directory.resolve(text, _day(on, output.today(node.clock.now())), parent)
    told: dict[str, Any] = {
        "given": answer.given,
        "standing": str(answer.standing),
        "code": answer.entry.code if answer.entry else None,
        "name": answer.entry.name if answer.entry else None,
        "mapped_by": answer.mapped_by,
        "successor": answer.successor,
        "nearest": answer.nearest,
        "may_refuse": answer.may_refuse,
    }
    output.record(call, told, id_key="code")
    if answer.standing is Standing.UNKNOWN:
        raise typer.Exit(NOT_FOUND)


def search(
    call: Call,
    text: Annotated[
        str, typer.Argument(help="The beginning of a code, or words of a name; accents do not matter.")
    ],
    limit: Limit = 20,
) -> None:
    """Find agencies by code or name, with or without accents."""
    run(_search(call, text, limit))


async def _search(call: Call, text: str, limit: int) -> None:
    async with at_ground(call.settings()) as node:
        _print(call, await node.directory.search(text, limit))


def _print(call: Call, entries: Sequence[AgencyEntry], cursor: str | None = None) -> None:
    output.rows(
        call,
        [_entry(each) for each in entries],
        _COLUMNS,
        [_cells(each) for each in entries],
        extra={"next_cursor": cursor, "has_more": cursor is not None},
    )


def _cells(entry: AgencyEntry) -> tuple[str, ...]:
    valid = f"{output.day(entry.valid_from)} – {output.day(entry.valid_to)}".strip(" –")
    return entry.code, entry.name, entry.alias or "", entry.parent or "", valid, str(entry.source)


def _entry(entry: AgencyEntry) -> dict[str, Any]:
    return {
        "id": entry.code,
        "code": entry.code,
        "name": entry.name,
        "alias": entry.alias,
        "parent": entry.parent,
        "valid_from": entry.valid_from and entry.valid_from.isoformat(),
        "valid_to": entry.valid_to and entry.valid_to.isoformat(),
        "successor": entry.successor,
        "source": str(entry.source),
        "email": entry.email,
        "address": entry.address,
        "phone": entry.phone,
        "check": entry.check,
        "host": entry.host,
    }


def _day(text: str | None, today: date) -> date:
    from gateway.cli.send import day

    return date.fromisoformat(day(text)) if text else today
