"""Reads a create call as it comes: first the part `meta` (JSON), then files, each streamed piece by piece into the tray.
In: a request and an open tray. Out: the checked meta. Nothing is ever held whole but the meta, and every limit (parts,
part headers, meta, time) stops the reading where it is passed (threats.md 66, 77, 86)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

from aiohttp import BodyPartReader, MultipartReader, web
from aiohttp.http import HttpProcessingError

from gateway.api import asking
from gateway.api.deps import ApiOptions
from gateway.api.failing import BadCall, Fault, pointer
from gateway.api.models import FileMeta, MessageIn
from gateway.domain.document import FileRole
from gateway.outgoing.intake import Received, Tray
from gateway.policy import sent_names

M = TypeVar("M", bound=MessageIn)

PIECE = 64 * 1024
# A part needs a disposition and a type; more and longer headers are an attack, not a document.
_PART_HEADERS = 16
_PART_HEADER_BYTES = 8190
_ROLES: Mapping[str, FileRole] = {role.value: role for role in FileRole}
_PLAIN = frozenset({"", "binary", "8bit", "7bit"})


async def read_order(
    request: web.Request, model: type[M], tray: Tray, options: ApiOptions
) -> asking.Asked[M]:
    """The meta and, in the tray, its files. JSON without parts is a call without files."""
    kind = asking.need_type(request, "multipart/form-data", "application/json")
    try:
        async with asyncio.timeout(options.upload_s):
            if kind == "application/json":
                raw = await asking.whole_body(request, options.meta_bytes, options.body_s)
                asked = asking.from_json(raw, model)
                tray.declare(asked.value.to_draft())
            else:
                asked = await _read_parts(request, model, tray, options)
    except TimeoutError as why:
        raise BadCall("too-slow", params={"seconds": str(options.upload_s)}) from why
    _refuse_absent(asked.value.files or (), tray.received)
    return asked


async def read_file(request: web.Request, tray: Tray, options: ApiOptions) -> Received:
    """The only part of the call, `lead`, in the tray."""
    asking.need_type(request, "multipart/form-data")
    try:
        async with asyncio.timeout(options.upload_s):
            return await _read_one(request, tray)
    except TimeoutError as why:
        raise BadCall("too-slow", params={"seconds": str(options.upload_s)}) from why


async def _read_one(request: web.Request, tray: Tray) -> Received:
    reader = _reader(request)
    part = await _next(reader)
    if part is None:
        raise _bad("file-absent", name=FileRole.LEAD)
    plain = _plain(part)
    field = plain.name or ""
    name = _name_of(plain, field)
    if field != FileRole.LEAD:
        raise _bad("no-role", field=_shown(field), name=name)
    received = await tray.add(field, name, FileRole.LEAD, _chunks(plain))
    if await _next(reader) is not None:
        raise _bad("too-many-parts", limit="1")
    return received


def _reader(request: web.Request) -> MultipartReader:
    with _as_multipart():
        return MultipartReader(
            request.headers, request.content, max_field_size=_PART_HEADER_BYTES, max_headers=_PART_HEADERS
        )


async def _read_parts(
    request: web.Request, model: type[M], tray: Tray, options: ApiOptions
) -> asking.Asked[M]:
    reader = _reader(request)
    asked = await _read_meta(await _next(reader), model, options)
    tray.declare(asked.value.to_draft())
    count = 1
    while (part := await _next(reader)) is not None:
        count += 1
        if count > options.max_parts:
            raise _bad("too-many-parts", limit=str(options.max_parts))
        await _take(_plain(part), asked.value.files, tray)
    return asked


async def _next(reader: MultipartReader) -> MultipartReader | BodyPartReader | None:
    """The next part, its disposition already read: aiohttp looks at it lazily, and complains then."""
    with _as_multipart():
        part = await reader.next()
        _ = (part.name, part.filename) if isinstance(part, BodyPartReader) else None
    return part


@contextmanager
def _as_multipart() -> Iterator[None]:
    """What aiohttp raises for a boundary, a header or an ending that is not multipart, or is cut off."""
    try:
        yield
    except (ValueError, HttpProcessingError, web.RequestPayloadError, ConnectionError, RuntimeWarning) as why:
        # A disposition that cannot be read is a warning to aiohttp, and an error where warnings are errors.
        raise _bad("not-multipart") from why


async def _read_meta(
    part: MultipartReader | BodyPartReader | None, model: type[M], options: ApiOptions
) -> asking.Asked[M]:
    """Meta stands first, so that the role of every file is known before its bytes are read."""
    if part is None or isinstance(part, MultipartReader) or part.name != "meta":
        raise _bad("meta-first")
    _plain(part)
    held = bytearray()
    async for chunk in _chunks(part):
        held += chunk
        if len(held) > options.meta_bytes:
            raise asking.too_large(options.meta_bytes)
    return asking.from_json(bytes(held), model)


async def _take(part: BodyPartReader, listed: Sequence[FileMeta] | None, tray: Tray) -> None:
    field = part.name or ""
    name = _name_of(part, field)
    announced = next((each for each in listed or () if each.name == name), None)
    if listed is not None and announced is None:
        raise _bad("file-not-listed", field=field, name=name)
    role = _ROLES.get(announced.role if announced else field)
    if role is None:
        raise _bad("no-role", field=field, name=name)
    if announced and any(each.item.name == name for each in tray.received):
        raise _bad("file-twice", field=field, name=name)
    received = await tray.add(field, name, role, _chunks(part))
    if announced:
        _compare(announced, received)


def _plain(part: MultipartReader | BodyPartReader) -> BodyPartReader:
    """A part as its own bytes: not a tree of parts, and not encoded a second time."""
    if isinstance(part, MultipartReader):
        raise _bad("nested-parts")
    coding = part.headers.get("Content-Transfer-Encoding", "").strip().lower()
    packed = part.headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in _PLAIN or packed != "identity":
        raise _bad("encoded-part", field=_shown(part.name or ""))
    return part


async def _chunks(part: BodyPartReader) -> AsyncIterator[bytes]:
    """The bytes of a part. Ends at its boundary alone: a body that stops before is a ValueError of the reader."""
    while not part.at_eof():
        with _as_multipart():
            chunk = await part.read_chunk(PIECE)
        if chunk:
            yield bytes(chunk)


def _name_of(part: BodyPartReader, field: str) -> str:
    """The file's name in NFC. Control characters are refused: they have no honest use in a name (threats.md 77)."""
    given = part.filename
    if given is None:
        raise _bad("no-file-name", field=_shown(field))
    name = sent_names.meant(part.headers.get("Content-Disposition", ""), given)
    if name is None:
        raise _bad("bad-file-name", field=_shown(field), name=_shown(given))
    return name


def _compare(announced: FileMeta, received: Received) -> None:
    """What the caller said of a file beforehand must be what came (threats.md 66)."""
    item = received.item
    if announced.size is not None and announced.size != item.size:
        raise _bad("size-differs", name=item.name, found=str(item.size), expected=str(announced.size))
    if announced.sha256 is not None and announced.sha256 != item.sha256:
        raise _bad("digest-differs", name=item.name, found=item.sha256, expected=announced.sha256)


def _refuse_absent(listed: Sequence[FileMeta], received: Sequence[Received]) -> None:
    came = {each.item.name for each in received}
    faults = [
        Fault(code="file-absent", pointer=pointer("files", n), params={"name": each.name})
        for n, each in enumerate(listed)
        if each.name not in came
    ]
    if faults:
        raise BadCall("bad-multipart", *faults)


def _shown(text: str) -> str:
    """A name as it may stand in an answer: printable, and short."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)[:100]


def _bad(code: str, **params: str) -> BadCall:
    return BadCall("bad-multipart", Fault(code=code, params=params))
