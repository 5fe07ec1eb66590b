"""`gateway evidence`: makes a pack of what proves that a document was sent or received, and lists those that were made. In:
an id or a number. Out: one ZIP file. What is done with a pack anywhere else is in `evidence_check`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import evidence_check, finding, output
from gateway.cli.command import Call, noun, verb
from gateway.cli.node import at_agency, run
from gateway.cli.nouns import NOUNS
from gateway.errors import Clash, NotFound, StoreFailure

if TYPE_CHECKING:
    from gateway.domain.event import Event
    from gateway.ops.evidence.make import Made
    from gateway.ports import Work

_COLUMNS = (
    ("cli.column.pack", "dim"),
    ("cli.column.made", ""),
    ("cli.column.document", ""),
    ("cli.column.size", ""),
    ("cli.column.sha256", "dim"),
)


def register(app: typer.Typer) -> None:
    group = noun("evidence", NOUNS["evidence"])
    verb(
        group,
        "make",
        examples=("gateway evidence make 15/SNV-VP", "gateway evidence make msg_01J… --to case.zip"),
    )(make)
    evidence_check.register(group)
    verb(
        group,
        "list",
        examples=("gateway evidence list", "gateway evidence list --document msg_01J… -o json"),
    )(list_)
    app.add_typer(group)


def make(
    call: Call,
    document: Annotated[str, typer.Argument(help="Id, or number/symbol, of a document sent or received.")],
    to: Annotated[Path | None, typer.Option(help="File or folder; default: this folder.")] = None,
) -> None:
    """Put everything that proves one document into one file that can be checked without this node."""
    run(_make(call, document, to))


async def _make(call: Call, document: str, to: Path | None) -> None:
    from gateway.ops.evidence.make import EvidenceMaker

    async with at_agency(call) as seat:
        async with seat.node.store.read(seat.scope) as work:
            id = await _meant(work, document)
        target = to or Path()
        if not target.is_dir():
            _must_not_exist(target)
        made = await EvidenceMaker(seat.node).make(seat.scope, id)
        target = (target / made.name if target.is_dir() else target).absolute()
        await seat.node.pool.run(lambda: _write(made, target))
    output.record(
        call,
        {
            "id": made.id,
            "path": str(target),
            "size": made.size,
            "members": len(made.ready.manifest.members),
            "manifest_sha256": made.ready.digest,
        },
    )


async def _meant(work: Work, text: str) -> str:
    """Sent or received; a number may be either."""
    if text.startswith("inb_"):
        return (await finding.incoming(work, text)).id
    try:
        return (await finding.outgoing(work, text)).id
    except NotFound:
        if text.startswith("msg_"):
            raise
    return (await finding.incoming(work, text)).id


def _must_not_exist(target: Path) -> None:
    if target.exists():
        raise Clash(f"{target} exists; a pack never overwrites anything, name another file")


def _write(made: Made, target: Path) -> None:
    """Under its name only when it is whole and on disk; read once more, because it may be needed in ten years."""
    from gateway.ops.evidence import read

    _must_not_exist(target)
    growing = target.with_name(f".{target.name}.new")
    try:
        with open(os.open(growing, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            for piece in made.pieces():
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        read.read(growing)
        growing.rename(target)
    except OSError as cause:
        raise StoreFailure(
            f"the pack could not be written to {target}: {cause.strerror or cause}; free space or name another place"
        ) from cause
    finally:
        growing.unlink(missing_ok=True)


def list_(
    call: Call,
    document: Annotated[str | None, typer.Option(help="Only of this document (its id).")] = None,
) -> None:
    """List the packs that were made here, oldest first."""
    run(_list(call, document))


async def _list(call: Call, document: str | None) -> None:
    from gateway.ops.evidence.make import SUBJECT

    async with at_agency(call) as seat, seat.node.store.read(seat.scope) as work:
        found = [
            each
            for each in await work.events.of(SUBJECT)
            if document is None or each.data.get("document") == document
        ]
    output.rows(call, [_row(each) for each in found], _COLUMNS, [_cells(each) for each in found])


def _row(event: Event) -> dict[str, object]:
    told = event.data
    return {
        "id": told.get("pack"),
        "made_at": output.stamp(event.at),
        "document": told.get("document"),
        "size": told.get("size"),
        "members": told.get("members"),
        "manifest_sha256": told.get("manifest"),
    }


def _cells(event: Event) -> tuple[str, ...]:
    told = event.data
    names = ("document", "size", "manifest")
    return (str(told.get("pack", "")), output.clock(event.at), *(str(told.get(name, "")) for name in names))
