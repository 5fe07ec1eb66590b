"""Hands incoming documents over as files: each in a folder of its own, complete before it is acknowledged. In: leased
documents. Out: `<folder>/<id>/` with the files, envelope.edxml and document.json. A pull cut short is offered again."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

from gateway.cli import output, shapes
from gateway.cli.command import Call
from gateway.cli.node import Seat, at_agency
from gateway.domain.document import IncomingDocument
from gateway.errors import StoreFailure

# Long enough to write a full document to a slow share.
_LEASE_S = 600


async def pull(call: Call, folder: Path, limit: int, client: str, keep: bool) -> None:
    """Writes up to `limit` documents; each is acknowledged only when its folder is complete and durable."""
    from gateway.incoming import act

    async with at_agency(call) as seat:
        if call.dry_run:
            await _would(call, seat, limit)
            return
        documents = await act.lease(seat.node.inn, seat.scope, client, limit, _LEASE_S)
        told = []
        for document in documents:
            where = await _write(call, seat, folder, document)
            if not keep:
                await act.ack(seat.node.inn, seat.scope, document.id, client)
            told.append((document, where))
            call.say("cli.pulled", id=document.id, where=where)
    output.rows(
        call,
        [{"id": each.id, "folder": str(where), "document_id": each.document_id} for each, where in told],
        (("cli.column.id", "dim"), ("cli.column.number", ""), ("cli.column.folder", "")),
        [(each.id, shapes.numbered(each.number, each.symbol), str(where)) for each, where in told],
    )


async def _would(call: Call, seat: Seat, limit: int) -> None:
    async with seat.node.store.read(seat.scope) as work:
        page = await work.incoming.page(limit=limit, handover="available")
    for each in page.items:
        call.say("cli.would", what=f"pull {each.id}")


async def _write(call: Call, seat: Seat, folder: Path, document: IncomingDocument) -> Path:
    """The finished folder appears under its name at once, so that a watching program never sees half of it."""
    from gateway.incoming import around, files

    final = folder / document.id
    if final.exists():
        return final
    making = folder / f".{document.id}.part"
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    async with seat.node.store.read(seat.scope) as work:
        beside = await around.of(work, document, await seat.node.inn.office())
    if beside.is_readable:  # what is recalled or sealed is told of, and its files are not given out
        opened = await files.open_envelope(seat.node.inn, seat.scope, document.id)
        await _pour(opened.pieces, making / "envelope.edxml", opened.sha256)
    for each in document.files if beside.is_readable else ():
        opened = await files.open_file(seat.node.inn, seat.scope, document.id, each.n)
        await _pour(opened.pieces, making / safe_name(each.n, opened.name), opened.sha256)
    shown = json.dumps(shapes.incoming(call, document, beside), ensure_ascii=False, indent=2)
    (making / "document.json").write_text(shown, encoding="utf-8")
    os.replace(making, final)
    return final


async def _pour(pieces: AsyncIterator[bytes], path: Path, sha256: str) -> None:
    hasher = hashlib.sha256()
    with path.open("xb") as file:
        async for piece in pieces:
            hasher.update(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    if hasher.hexdigest() != sha256:
        raise StoreFailure(
            f"{path.name} was read back with another digest than it was stored with; try again"
        )


def safe_name(n: int, name: str) -> str:
    """A sender's file name as one name inside our folder: nothing that leaves it, hides in it or steers a shell."""
    kept = "".join(letter if letter.isalnum() or letter in " ._-()" else "_" for letter in name).strip(" .")
    while len(kept.encode()) > 180:
        kept = kept[1:]
    return f"{n:02}-{kept or 'file'}"
