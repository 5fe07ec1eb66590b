"""Sends one entry of `out/` through the same steps as the API: intake, check, accept. In: a complete entry, with its
directory held open. Out: the API's answer, the same one again for a repeat; or the error with which the API would refuse
it. Only the meta is read into memory whole; an entry that changes while it is read raises `StillWritten`."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, BinaryIO

from gateway.api.models import MessageIn
from gateway.api.parsing import CheckedRequest, check_announced, parse_json
from gateway.api.resources.writing import order_of, render
from gateway.domain.account import AgencyScope
from gateway.domain.document import FileRole
from gateway.domain.request_fault import BadCall, RequestFault, pointer
from gateway.domain.text import nfc
from gateway.errors import NotFound, Refused
from gateway.folder.entries import META_BYTES, MOST_FILES, Entry
from gateway.folder.places import Mark, NotAFile, Place, mark_of, printable
from gateway.folder.texts import no_file
from gateway.outgoing import ready_envelope
from gateway.outgoing.accept import accept
from gateway.outgoing.intake import Accepted, Once, Order, RequestFiles, receive_files
from gateway.outgoing.package import Packed
from gateway.outgoing.services import OutgoingServices
from gateway.policy.folder_names import META, READY, Sort, is_plain
from gateway.policy.verdict import ReasonCode, Verdict, reason
from gateway.stored_content import stream_pieces
from gateway.trust import containers

# Owner of the folder's idempotency keys, so that they never meet those of API callers.
OWNER = "folder"
_PIECE = 256 * 1024
Start = Callable[[], Iterator[bytes]]


class StillWritten(Exception):
    """Signal that the entry is still being written, so that it is looked at again later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Papers:
    """Contents of an entry: its meta, and its files by their names in the meta."""

    meta: bytes
    files: Mapping[str, Start] = field(default_factory=dict)
    is_closed_set: bool = True
    """Whether the meta must name every file. Beside a sidecar there are files of other entries too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The API's answer (202), and whether it repeats an earlier one."""

    body: Mapping[str, Any]  # Any: a JSON document
    is_repeated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    order: Order
    meta: str
    normalized: bool = False
    signed: Packed | None = None


async def hand_in(services: OutgoingServices, scope: AgencyScope, out: Place, entry: Entry) -> Answer:
    """Send an entry, and return the API's answer. Raises BadCall or GatewayError where the API would refuse it, and
    StillWritten for an unfinished entry."""
    if entry.sort is Sort.FILE:
        is_ready = entry.name.lower().endswith(READY)
        raise _bad_entry("folder-ready-alone" if is_ready else "folder-alone", name=entry.name)
    async with receive_files(services) as files:
        if entry.sort is Sort.ENVELOPE:
            request = await _take_envelope(services, scope, out, entry, files)
        else:
            request = await _take_papers(
                services, await services.pool.run(partial(_open_papers, out, entry)), files
            )
        stored = _StoredAnswer(request)
        accepted = await accept(
            services, scope, request.order, files, stored.once(entry.name, files), request.signed
        )
    return stored.answer(accepted)


class _StoredAnswer:
    """Renderer of the answer that is stored for repeats, which it keeps for the caller."""

    def __init__(self, request: _Request) -> None:
        self._request = request
        self._body = ""

    def once(self, name: str, request_files: RequestFiles) -> Once:
        """Return the idempotency key: the same name with the same content is the same document, even after a crash."""
        files = [(f.field, f.item.name, f.item.sha256) for f in request_files.received]
        text = json.dumps([name, self._request.meta, files], ensure_ascii=False)
        return Once(
            owner=OWNER,
            key="out-" + hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest(),
            method="PUT",
            path="out",
            meta=self._request.meta,
            render=self._render,
        )

    def _render(self, accepted: Accepted) -> tuple[int, str]:
        self._body = render(accepted, "vi", normalized=self._request.normalized)
        return 202, self._body

    def answer(self, accepted: Accepted) -> Answer:
        if accepted.replayed is not None:
            return Answer(body=json.loads(accepted.replayed[1]), is_repeated=True)
        return Answer(body=json.loads(self._body), is_repeated=False)


async def _take_envelope(
    services: OutgoingServices, scope: AgencyScope, out: Place, entry: Entry, files: RequestFiles
) -> _Request:
    content = stream_pieces(services.pool, _pieces(out, entry.name, entry.parts[entry.name]))
    envelope = await ready_envelope.take(services, scope, files, content, ready_envelope.EnvelopeExtras())
    return _Request(
        order=envelope.order, meta=json.dumps({"envelope": envelope.digest}), signed=envelope.signed
    )


async def _take_papers(services: OutgoingServices, papers: Papers, request_files: RequestFiles) -> _Request:
    """Read the meta, then take in the files that it names. A declared secret is refused before any file is read."""
    checked: CheckedRequest[MessageIn] = parse_json(papers.meta, MessageIn)
    message = checked.value
    order = order_of(message)
    request_files.declare(order.draft)
    files_in = message.files or []
    # The folder has no uploads, so files are given by name, never by upload id.
    names = [f.name or "" for f in files_in]
    _refuse_unequal(names, papers)
    for name, file_in in zip(names, files_in, strict=True):
        content = stream_pieces(services.pool, papers.files[nfc(name)]())
        received = await request_files.add(file_in.role.value, name, FileRole(file_in.role), content)
        check_announced(file_in, received)
    return _Request(order=order, meta=checked.canonical, normalized=checked.normalized)


def _refuse_unequal(listed: Sequence[str], papers: Papers) -> None:
    """Refuse the entry unless each listed file exists and is listed once; in a closed set, every file must be listed."""
    faults = []
    for n, name in enumerate(listed):
        place = pointer("files", n)
        if not is_plain(name):
            faults.append(
                RequestFault(code="folder-in-name", pointer=place, params={"name": printable(name, 100)})
            )
        elif nfc(name) not in papers.files:
            faults.append(RequestFault(code="file-absent", pointer=place, params={"name": name}))
        elif nfc(name) in map(nfc, listed[:n]):
            faults.append(RequestFault(code="file-twice", pointer=place, params={"name": name}))
    if papers.is_closed_set:
        named_files = set(map(nfc, listed))
        faults += [
            RequestFault(code="file-not-listed", params={"name": name, "field": "files"})
            for name in papers.files
            if name not in named_files
        ]
    if faults:
        raise BadCall("bad-folder", *faults)


def _bad_entry(code: str, **params: str) -> BadCall:
    printable_params = {name: printable(text, 100) for name, text in params.items()}
    return BadCall("bad-folder", RequestFault(code=code, params=printable_params))


def _open_papers(out: Place, entry: Entry) -> Papers:
    """Open the contents of an entry. Blocks."""
    try:
        if entry.sort is Sort.SIDECAR:
            return _sidecar_papers(out, entry)
        if entry.sort is Sort.FOLDER:
            return _folder_papers(out, entry.name)
        return _archive_papers(out, entry)
    except NotAFile as error:
        raise no_file(entry.name, error) from error
    except NotFound as error:
        raise StillWritten from error


def _sidecar_papers(out: Place, entry: Entry) -> Papers:
    files = {
        name: partial(_pieces, out, on_disk, entry.parts[on_disk]) for name, on_disk in entry.files.items()
    }
    return Papers(meta=_read_meta(out, entry.name), files=files, is_closed_set=False)


def _read_meta(place: Place, name: str) -> bytes:
    raw = place.read(name, META_BYTES)
    if len(raw) > META_BYTES:
        raise BadCall("too-large", RequestFault(code="too-large", params={"limit_bytes": str(META_BYTES)}))
    return raw


def _folder_papers(out: Place, name: str) -> Papers:
    """Open a folder with its meta; BadCall where it has no meta, a folder in it, or too many files."""
    with out.within(name) as folder:
        listed, has_more = folder.listing(MOST_FILES + 1)
        if has_more:
            raise _bad_entry("too-many-parts", limit=str(MOST_FILES))
        if (folder_name := next((e.name for e in listed if e.is_folder), None)) is not None:
            raise _bad_entry("folder-for-file", name=f"{name}/{folder_name}")
        marks = {e.name: folder.mark(e.name) for e in listed}
        if META not in marks:
            raise _bad_entry("folder-bare", name=name)
        meta = _read_meta(folder, META)
    files = {
        nfc(file_name): partial(_pieces_below, out, name, file_name, mark)
        for file_name, mark in marks.items()
        if file_name != META
    }
    return Papers(meta=meta, files=files)


def _pieces_below(out: Place, folder: str, name: str, mark: Mark | None) -> Iterator[bytes]:
    with out.within(folder) as place:
        yield from _pieces(place, name, mark)


def _pieces(place: Place, name: str, mark: Mark | None) -> Iterator[bytes]:
    """Yield the bytes of a file; raise StillWritten if it changes meanwhile."""
    try:
        file = place.open(name)
    except NotAFile as error:
        raise no_file(name, error) from error
    except NotFound as error:
        raise StillWritten from error
    with file:
        if mark is not None and mark_of(os.fstat(file.fileno())) != mark:
            raise StillWritten
        size = 0
        while piece := file.read(_PIECE):
            size += len(piece)
            yield piece
        end_mark = mark_of(os.fstat(file.fileno()))
        if (mark is not None and end_mark != mark) or end_mark.size != size:
            raise StillWritten


def _archive_papers(out: Place, entry: Entry) -> Papers:
    """Open an archive as a packed folder, whether or not its members' names begin with the folder's name."""
    name, mark = entry.name, entry.parts[entry.name]
    try:
        with out.open(name) as file:
            size = file.seek(0, 2)
            members = [m for m in containers.entries(file, size, MOST_FILES + 2) if not m.is_folder]
            bare_names = _without_folder([m.name for m in members])
            if (bad_name := next((n for n in bare_names if not is_plain(n)), None)) is not None:
                raise _bad_entry("folder-in-name", name=bad_name)
            if any(m.encrypted for m in members):
                raise Refused(Verdict(reasons=(reason(ReasonCode.ENCRYPTED, "/files", name=name),)))
            if META not in bare_names:
                raise _bad_entry("folder-no-meta", name=name)
            meta = members[bare_names.index(META)]
            if meta.size > META_BYTES:
                raise BadCall(
                    "too-large", RequestFault(code="too-large", params={"limit_bytes": str(META_BYTES)})
                )
            text = b"".join(containers.entry_content(file, meta))
    except containers.BadArchive as error:
        raise _broken_archive(name, error) from error
    files = {
        nfc(inside): partial(_unpacked_pieces, out, name, mark, member)
        for inside, member in zip(bare_names, members, strict=True)
        if member is not meta
    }
    return Papers(meta=text, files=files)


def _without_folder(names: Sequence[str]) -> Sequence[str]:
    top = {name.partition("/")[0] for name in names}
    if len(top) == 1 and all("/" in name for name in names):
        return [name.partition("/")[2] for name in names]
    return names


def _unpacked_pieces(
    out: Place, name: str, mark: Mark | None, member: containers.ArchiveMember
) -> Iterator[bytes]:
    """Yield the bytes of an unpacked member; the caller limits their number (R13, unpacked size)."""
    file: BinaryIO
    with out.open(name) as file:
        if mark is not None and mark_of(os.fstat(file.fileno())) != mark:
            raise StillWritten
        try:
            yield from containers.entry_content(file, member)
        except containers.BadArchive as error:
            raise _broken_archive(name, error) from error


def _broken_archive(name: str, error: containers.BadArchive) -> Refused:
    return Refused(Verdict(reasons=(reason(ReasonCode.BROKEN, "/files", name=name[:100], why=error.why),)))
