"""One entry of `out/` taken through the doors of the way out: intake, check, accept. In: an entry that is whole, its
directory held open. Out: the API's own answer to it, the first one again where it was accepted before; or the error by
which the API would have refused it. Nothing is read whole but the meta; what changed while it was read is
`StillWritten`."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, BinaryIO

from gateway.api.asking import CheckedRequest, from_json, same_as_announced
from gateway.api.models import MessageIn
from gateway.api.problems import BadCall, RequestFault, pointer
from gateway.api.resources.writing import order_of, render
from gateway.domain.account import AgencyScope
from gateway.domain.document import FileRole
from gateway.domain.text import nfc
from gateway.errors import NotFound, Refused
from gateway.folder.places import Mark, NotAFile, Place, mark_of, printable
from gateway.folder.told import no_file
from gateway.folder.waiting import META_BYTES, MOST_FILES, Entry
from gateway.outgoing import brought
from gateway.outgoing.accept import accept
from gateway.outgoing.desk import OutDesk
from gateway.outgoing.intake import Accepted, Once, Order, Tray, tray
from gateway.outgoing.package import Packed
from gateway.policy.folder_names import META, READY, Sort, is_plain
from gateway.policy.verdict import ReasonCode, Verdict, reason
from gateway.stored_content import streamed
from gateway.trust import containers

# Whose idempotency keys these are, beside those of the API's callers.
OWNER = "folder"
_PIECE = 256 * 1024
Start = Callable[[], Iterator[bytes]]


class StillWritten(Exception):
    """Somebody writes to it: it is looked at again later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Papers:
    """What an entry holds: its meta, and its files by the names that the meta has for them."""

    meta: bytes
    files: Mapping[str, Start] = field(default_factory=dict)
    is_closed_set: bool = True
    """Whether every file in it must be named; beside a sidecar lie those of others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the API would have answered (202), and whether it had answered so before."""

    told: Mapping[str, Any]  # Any: a JSON document
    repeated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    order: Order
    meta: str
    normalized: bool = False
    signed: Packed | None = None


async def hand_in(desk: OutDesk, scope: AgencyScope, out: Place, entry: Entry) -> Answer:
    """BadCall or an error of the tree as the API answers it; StillWritten where nothing can be said yet."""
    if entry.sort is Sort.FILE:
        is_ready = entry.name.lower().endswith(READY)
        raise _bad("folder-ready-alone" if is_ready else "folder-alone", name=entry.name)
    async with tray(desk) as held:
        if entry.sort is Sort.ENVELOPE:
            asked = await _envelope(desk, scope, out, entry, held)
        else:
            asked = await _papers(desk, await desk.pool.run(partial(_opened, out, entry)), held)
        said = _Said(asked)
        accepted = await accept(desk, scope, asked.order, held, said.once(entry.name, held), asked.signed)
    return said.answer(accepted)


class _Said:
    """The answer is the one that is stored for repeats."""

    def __init__(self, asked: _Asked) -> None:
        self._asked = asked
        self._body = ""

    def once(self, name: str, held: Tray) -> Once:
        """The same name with the same content is the same document, however often a crash has it taken again."""
        files = [(one.field, one.item.name, one.item.sha256) for one in held.received]
        text = json.dumps([name, self._asked.meta, files], ensure_ascii=False)
        return Once(
            owner=OWNER,
            key="out-" + hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest(),
            method="PUT",
            path="out",
            meta=self._asked.meta,
            render=self._render,
        )

    def _render(self, accepted: Accepted) -> tuple[int, str]:
        self._body = render(accepted, "vi", normalized=self._asked.normalized)
        return 202, self._body

    def answer(self, accepted: Accepted) -> Answer:
        if accepted.replayed is not None:
            return Answer(told=json.loads(accepted.replayed[1]), repeated=True)
        return Answer(told=json.loads(self._body), repeated=False)


async def _envelope(desk: OutDesk, scope: AgencyScope, out: Place, entry: Entry, held: Tray) -> _Asked:
    content = streamed(desk.pool, _pieces(out, entry.name, entry.parts[entry.name]))
    came = await brought.take(desk, scope, held, content, brought.Besides())
    return _Asked(order=came.order, meta=json.dumps({"envelope": came.digest}), signed=came.signed)


async def _papers(desk: OutDesk, papers: Papers, held: Tray) -> _Asked:
    """The meta first, as everywhere: what declares itself a secret is refused before a byte of a file is taken."""
    asked: CheckedRequest[MessageIn] = from_json(papers.meta, MessageIn)
    said = asked.value
    order = order_of(said)
    held.declare(order.draft)
    listed = said.files or []
    # Of a file by the id of an upload there is none here.
    names = [each.name or "" for each in listed]
    _refuse_unequal(names, papers)
    for name, each in zip(names, listed, strict=True):
        content = streamed(desk.pool, papers.files[nfc(name)]())
        received = await held.add(each.role.value, name, FileRole(each.role), content)
        same_as_announced(each, received)
    return _Asked(order=order, meta=asked.canonical, normalized=asked.normalized)


def _refuse_unequal(listed: Sequence[str], papers: Papers) -> None:
    """Every file that is named is there, and once; of a set that is closed every file that is there is named."""
    faults = []
    for n, name in enumerate(listed):
        where = pointer("files", n)
        if not is_plain(name):
            faults.append(
                RequestFault(code="folder-in-name", pointer=where, params={"name": printable(name, 100)})
            )
        elif nfc(name) not in papers.files:
            faults.append(RequestFault(code="file-absent", pointer=where, params={"name": name}))
        elif nfc(name) in map(nfc, listed[:n]):
            faults.append(RequestFault(code="file-twice", pointer=where, params={"name": name}))
    if papers.is_closed_set:
        named = set(map(nfc, listed))
        faults += [
            RequestFault(code="file-not-listed", params={"name": name, "field": "files"})
            for name in papers.files
            if name not in named
        ]
    if faults:
        raise BadCall("bad-folder", *faults)


def _bad(code: str, **params: str) -> BadCall:
    shown = {name: printable(text, 100) for name, text in params.items()}
    return BadCall("bad-folder", RequestFault(code=code, params=shown))


def _opened(out: Place, entry: Entry) -> Papers:
    """Sync."""
    try:
        if entry.sort is Sort.SIDECAR:
            return _beside(out, entry)
        if entry.sort is Sort.FOLDER:
            return _in_folder(out, entry.name)
        return _in_archive(out, entry)
    except NotAFile as why:
        raise no_file(entry.name, why) from why
    except NotFound as why:
        raise StillWritten from why


def _beside(out: Place, entry: Entry) -> Papers:
    files = {
        name: partial(_pieces, out, on_disk, entry.parts[on_disk]) for name, on_disk in entry.files.items()
    }
    return Papers(meta=_meta(out, entry.name), files=files, is_closed_set=False)


def _meta(place: Place, name: str) -> bytes:
    raw = place.read(name, META_BYTES)
    if len(raw) > META_BYTES:
        raise BadCall("too-large", RequestFault(code="too-large", params={"limit_bytes": str(META_BYTES)}))
    return raw


def _in_folder(out: Place, name: str) -> Papers:
    with out.within(name) as below:
        listed, more = below.listing(MOST_FILES + 1)
        if more:
            raise _bad("too-many-parts", limit=str(MOST_FILES))
        if (wrong := next((each.name for each in listed if each.is_folder), None)) is not None:
            raise _bad("folder-for-file", name=f"{name}/{wrong}")
        marks = {each.name: below.mark(each.name) for each in listed}
        if META not in marks:
            raise _bad("folder-bare", name=name)
        meta = _meta(below, META)
    files = {
        nfc(each): partial(_pieces_below, out, name, each, mark)
        for each, mark in marks.items()
        if each != META
    }
    return Papers(meta=meta, files=files)


def _pieces_below(out: Place, folder: str, name: str, known: Mark | None) -> Iterator[bytes]:
    with out.within(folder) as below:
        yield from _pieces(below, name, known)


def _pieces(place: Place, name: str, known: Mark | None) -> Iterator[bytes]:
    """The bytes of a file, if nobody writes to it meanwhile."""
    try:
        file = place.open(name)
    except NotAFile as why:
        raise no_file(name, why) from why
    except NotFound as why:
        raise StillWritten from why
    with file:
        if known is not None and mark_of(os.fstat(file.fileno())) != known:
            raise StillWritten
        size = 0
        while piece := file.read(_PIECE):
            size += len(piece)
            yield piece
        after = mark_of(os.fstat(file.fileno()))
        if (known is not None and after != known) or after.size != size:
            raise StillWritten


def _in_archive(out: Place, entry: Entry) -> Papers:
    """As a folder that was packed, with or without the folder's own name before each."""
    name, known = entry.name, entry.parts[entry.name]
    try:
        with out.open(name) as file:
            size = file.seek(0, 2)
            members = [each for each in containers.entries(file, size, MOST_FILES + 2) if not each.is_folder]
            bare = _without_folder([each.name for each in members])
            if (wrong := next((each for each in bare if not is_plain(each)), None)) is not None:
                raise _bad("folder-in-name", name=wrong)
            if any(each.encrypted for each in members):
                raise Refused(Verdict(reasons=(reason(ReasonCode.ENCRYPTED, "/files", name=name),)))
            if META not in bare:
                raise _bad("folder-no-meta", name=name)
            meta = members[bare.index(META)]
            if meta.size > META_BYTES:
                raise BadCall(
                    "too-large", RequestFault(code="too-large", params={"limit_bytes": str(META_BYTES)})
                )
            text = b"".join(containers.entry_content(file, meta))
    except containers.BadArchive as why:
        raise _broken(name, why) from why
    files = {
        nfc(inside): partial(_unpacked, out, name, known, member)
        for inside, member in zip(bare, members, strict=True)
        if member is not meta
    }
    return Papers(meta=text, files=files)


def _without_folder(names: Sequence[str]) -> Sequence[str]:
    top = {name.partition("/")[0] for name in names}
    if len(top) == 1 and all("/" in name for name in names):
        return [name.partition("/")[2] for name in names]
    return names


def _unpacked(out: Place, name: str, known: Mark | None, member: containers.ArchiveMember) -> Iterator[bytes]:
    """How much comes out is bounded by whoever takes it (R13)."""
    file: BinaryIO
    with out.open(name) as file:
        if known is not None and mark_of(os.fstat(file.fileno())) != known:
            raise StillWritten
        try:
            yield from containers.entry_content(file, member)
        except containers.BadArchive as why:
            raise _broken(name, why) from why


def _broken(name: str, why: containers.BadArchive) -> Refused:
    return Refused(Verdict(reasons=(reason(ReasonCode.BROKEN, "/files", name=name[:100], why=why.why),)))
