"""Carries out confirmed acts of destruction (R102), and repeats them after a restore. In: acts that are due; the list of
destroyed documents. Out: documents without content, comments, words and pictures of pages, each with a tombstone and an
event; the end of the act, with the digest of its list. A unit of work destroys a few documents and marks their lines, so a
crash repeats nothing and forgets nothing.

`destroyed.jsonl` beside the node's content names what was destroyed, without words about it, and is durable before the rows
are: a backup copies it beside the backups, and no restored copy works before it was run."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.atomic_files import sync_folder
from gateway.destruction import Grounds, find_document, item_of, judge, leave_out
from gateway.domain.account import AgencyScope
from gateway.domain.destruction import DUE, ActState, Destruction, DestructionItem, ItemState
from gateway.domain.document import Document, IncomingDocument, Tombstone
from gateway.domain.event import EventKind
from gateway.errors import NotFound
from gateway.incoming.seal import PURGED, packets_of
from gateway.store.blobs import sweep_content
from gateway.store.data_folder import DESTROYED_LIST, destroyed_lines
from gateway.store.destruction import open_destructions
from gateway.store.row import from_json, to_json

if TYPE_CHECKING:
    from gateway.ports.services import Clock, Pool
    from gateway.store.blobs import FileBlobs
    from gateway.store.store import SqlStore
    from gateway.store.work import SqlWork

AT_ONCE = 20
SIGNED = b"gateway destruction list 1\n"
"""Beginning of the bytes that the signature of a list is over; its SHA-256 in letters follows."""
_NODE = "node"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListEntry:
    """Entry of the list: a document that an act destroyed, or left out after an entry that a crash made untrue."""

    document: str
    is_destroyed: bool
    act: Destruction


async def destroy_some(store: SqlStore, clock: Clock, pool: Pool, blobs: FileBlobs, folder: Path) -> bool:
    """Destroy a few documents of each act that is due, or end it; return whether there may be more."""
    due = await store.destructions_due()
    for agency_id, act_id in due:
        scope = AgencyScope(agency_id=agency_id, principal_id=_NODE)
        if await _destroy_batch(store, clock, pool, scope, act_id, folder):
            await blobs.sweep(clock.now())
    return bool(due)


async def _destroy_batch(
    store: SqlStore, clock: Clock, pool: Pool, scope: AgencyScope, act_id: str, folder: Path
) -> bool:
    """Take the next step of an act; return whether it ended now. `clock` is that of retention."""
    async with store.changing(scope) as work:
        now = work.now()
        destructions = open_destructions(work)
        act = await destructions.work_on(act_id)
        if act.state not in DUE:  # another process ended it
            return False
        if act.state is ActState.CONFIRMED:
            act = replace(act, state=ActState.RUNNING, began_at=now)
            await destructions.save(act)
        items = await destructions.items(act_id, limit=AT_ONCE, states=(ItemState.DUE,))
        if not items:
            await _end(work, act, now)
            return True
        documents = [await find_document(work, item.document_id) for item in items]
        grounds, lines = await Grounds.load(work, clock.now(), act.rule, documents), list[str]()
        for item, document in zip(items, documents, strict=True):
            obstacle = (await judge(work, document, grounds)).obstacle
            if obstacle is None:
                await _destroy(work, act, item, document, now)
            else:
                await leave_out(work, item, obstacle, now)
            lines.append(_entry_of(act, item.document_id, is_destroyed=obstacle is None))
        await pool.run(partial(_append, folder / DESTROYED_LIST, lines))
    return False


async def _end(work: SqlWork, act: Destruction, now: datetime) -> None:
    destructions = open_destructions(work)
    counts = await destructions.counts(act.id)
    act = replace(act, state=ActState.DONE, ended_at=now, counts={**act.counts, ItemState.DUE: 0, **counts})
    await destructions.save(act)
    digest = hashlib.sha256()
    async for line in list_lines(work, act):
        digest.update(line)
    facts = {
        "count": counts.get(ItemState.DESTROYED, 0),
        "left_out": counts.get(ItemState.LEFT_OUT, 0),
        "list": digest.hexdigest(),
    }
    await work.events.append(EventKind.DESTRUCTION_ENDED, act.id, now, facts)


async def _destroy(
    work: SqlWork, act: Destruction, item: DestructionItem, document: Document, now: datetime
) -> None:
    """Drop the content of a document and of its updates; leave a tombstone, the line and an event."""
    tombstone = Tombstone(act=act.id, decision=act.decision, at=now)
    if isinstance(document, IncomingDocument):
        for inbox_id in sorted(await packets_of(work, document, await work.facts.of_subject(document.id))):
            await work.blobs.drop("inbox", inbox_id)
        siblings = await work.incoming.by_document_id(document.sender_code, document.document_id)
        for part in (document, *(d for d in siblings if d.target_id == document.id)):
            await work.comments.remove_of(part.id)
            marks = tuple(dict.fromkeys((*part.marks, PURGED)))
            await work.incoming.save(replace(part, marks=marks, destroyed=tombstone))
    else:
        changes = [d for d in await work.outgoing.children(document.id) if not d.kind.is_whole]
        for sent in (document, *changes):
            for owner in ("source", "envelope"):
                await work.blobs.drop(owner, sent.id)
            await work.outgoing.save(replace(sent, destroyed=tombstone))
    await open_destructions(work).save_item(replace(item, state=ItemState.DESTROYED, at=now))
    facts = {"act": act.id, "decision": act.decision, "digests": list(item.digests)}
    await work.events.append(EventKind.DOCUMENT_DESTROYED, document.id, now, facts)


async def repeat_list(store: SqlStore, clock: Clock, pool: Pool, folder: Path, content: Path) -> int:
    """Destroy again what an older copy brought back, before the node opens; return how many documents."""
    count, agencies = 0, {agency.id for agency in await store.hosted()}
    for entry in await pool.run(partial(_read, folder)):
        agency_id = entry.act.agency_id
        if not entry.is_destroyed or agency_id not in agencies:
            continue
        async with store.changing(AgencyScope(agency_id=agency_id, principal_id=_NODE)) as work:
            try:
                document = await find_document(work, entry.document)
            except NotFound:  # the copy is older than the document
                continue
            if document.destroyed is None:
                act = await _known_act(work, entry.act)
                await _destroy(work, act, await _line_in(work, act, document), document, clock.now())
                count += 1
    if count:
        await sweep_content(content, store, pool, clock.now(), ())
    return count


async def _known_act(work: SqlWork, confirmed: Destruction) -> Destruction:
    """Return the act, which runs or is done; an older copy learns from the list that it was confirmed."""
    destructions = open_destructions(work)
    try:
        act = await destructions.get(confirmed.id)
    except NotFound:
        await destructions.add(act := confirmed)
    if act.state not in (ActState.RUNNING, ActState.DONE):
        act = replace(confirmed, rule=act.rule, reason=act.reason, council=act.council, counts=act.counts)
        await destructions.save(act)
    return act


async def _line_in(work: SqlWork, act: Destruction, document: Document) -> DestructionItem:
    """Return the document's line in an act, adding one where the copy has none."""
    destructions = open_destructions(work)
    if (item := await destructions.item_of(act.id, document.id)) is not None:
        return item
    item = item_of(document, act.id, 1 + sum((await destructions.counts(act.id)).values()))
    await destructions.add_items([item])
    return item


async def list_lines(work: SqlWork, act: Destruction) -> AsyncIterator[bytes]:
    """Yield the list of an act in JSON: the act, then a line for each document."""
    yield f"{to_json(Destruction, act)}\n".encode()
    last = 0
    while items := await open_destructions(work).items(act.id, limit=500, last_n=last):
        for item in items:
            yield f"{to_json(DestructionItem, item)}\n".encode()
        last = items[-1].n


async def signed_lines(
    work: SqlWork, act: Destruction, sign: Callable[[bytes], bytes], key: bytes
) -> AsyncIterator[bytes]:
    """Yield the list, and a last line with its SHA-256, the signature and the public key that it is checked by."""
    digest = hashlib.sha256()
    async for line in list_lines(work, act):
        digest.update(line)
        yield line
    signature = sign(SIGNED + digest.hexdigest().encode())
    last_line = {"sha256": digest.hexdigest(), "key": key.hex(), "signature": signature.hex()}
    yield f"{json.dumps(last_line)}\n".encode()


def _entry_of(act: Destruction, document_id: str, *, is_destroyed: bool) -> str:
    """Make the entry of a document, without words about its content."""
    act = replace(act, rule=replace(act.rule, documents=()), reason="", council=None, counts={})
    return to_json(ListEntry, ListEntry(document=document_id, is_destroyed=is_destroyed, act=act))


def _append(path: Path, lines: Sequence[str]) -> None:
    is_new = not path.exists()
    with open(path, "ab", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        # A line that a crash cut off ends here, and is no entry.
        file.write("".join(f"{line}\n" for line in ("", *lines)).encode())
        file.flush()
        os.fsync(file.fileno())
    if is_new:
        sync_folder(path.parent)


def _read(folder: Path) -> Iterable[ListEntry]:
    """Return the last entry about each document."""
    entries = {}
    for line in destroyed_lines(folder):
        with suppress(ValueError):
            entry = from_json(ListEntry, line)
            entries[entry.act.agency_id, entry.document] = entry
    return entries.values()
