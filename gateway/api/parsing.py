"""Turn requests into checked values. In: JSON text, query strings, the parts of a create call. Out: pydantic models, with
every fault named at once; all text is made NFC, and callers are warned when that changed anything (threats.md 75). A create
call is read as it comes: first the part `meta` (JSON), then files, each streamed piece by piece into the request's files.
Only the meta is held whole, and every limit (parts, part headers, meta, time) stops the reading where it is passed
(threats.md 66, 77, 86)."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Generic, TypeVar

from aiohttp import BodyPartReader, MultipartReader, web
from aiohttp.http import HttpProcessingError
from pydantic import BaseModel, ValidationError

from gateway import time_source
from gateway.api import parts
from gateway.api.deps import ApiOptions
from gateway.api.models import FileMeta, MessageIn
from gateway.api.parts import MULTIPART_FAULTS
from gateway.domain.account import AgencyScope
from gateway.domain.document import FileRole
from gateway.domain.request_fault import BadCall, RequestFault, pointer
from gateway.domain.text import nfc
from gateway.errors import Clash, NotFound
from gateway.outgoing import uploads
from gateway.outgoing.intake import Received, RequestFiles
from gateway.policy import admission

M = TypeVar("M", bound=BaseModel)
M_co = TypeVar("M_co", bound=BaseModel, covariant=True)

# Our codes for pydantic's errors; any other error is simply a bad value.
_FAULTS = {
    "missing": "missing",
    "extra_forbidden": "unknown-field",
    "string_too_long": "too-long",
    "too_long": "too-many",
    "string_too_short": "empty",
    "too_short": "empty",
    "value_error": "bad-characters",
    "string_type": "wrong-type",
    "int_type": "wrong-type",
    "bool_type": "wrong-type",
    "list_type": "wrong-type",
    "tuple_type": "wrong-type",
    "model_type": "wrong-type",
    "dict_type": "wrong-type",
}


# Expected values are written the same in every language.
_BOUNDS = {"expected": "", "max_length": "", "min_length": "", "le": "≤ ", "ge": "≥ ", "pattern": ""}
_KINDS = {
    "datetime": "2026-11-20T14:02:11+07:00",
    "timezone": "2026-11-20T14:02:11+07:00",
    "date": "2026-11-20",
    "int": "1, 2, 3 …",
    "bool": "true, false",
    "string": '"…"',
    "list": "[…]",
    "model": "{…}",
    "dict": "{…}",
}
# Other spellings are parsed by the library as mail headers, which takes a sixth of a millisecond.
_TYPE = re.compile(r"([A-Za-z0-9.+-]+/[A-Za-z0-9.+-]+)(?:;|\Z)")
Meta = TypeVar("Meta", bound=MessageIn)
_ROLES: Mapping[str, FileRole] = {role.value: role for role in FileRole}
_PLAIN = frozenset({"", "binary", "8bit", "7bit"})
# The bodies of a call that sends: naming files that were uploaded before, or with its files. Makers of clients for Java and
# C# see only what is described first, and build no parts of JSON.
MEDIA_OF_ORDERS = ("application/json", "multipart/form-data")


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedRequest(Generic[M_co]):
    """A checked request: the model, its canonical JSON (for idempotency), and whether NFC changed some text."""

    value: M_co
    canonical: str
    normalized: bool


def parse_json(raw: bytes, model: type[M], *, at: str = "") -> CheckedRequest[M]:
    """Parse a JSON text into the model. BadCall names every fault; `at` is put before each pointer."""
    try:
        # Windows programs put a byte order mark before UTF-8; a reader may ignore it (RFC 8259, 8.1).
        normalised = raw_json = json.loads(
            raw.decode("utf-8-sig"), object_pairs_hook=_unique_members, parse_constant=_no_constant
        )
        canonical = _canonical(raw_json)
        if nfc(canonical) != canonical:  # else each text in it is in form NFC too
            normalised = _nfc(raw_json)
            canonical = _canonical(normalised)
        canonical.encode("utf-8")
    except BadCall:
        raise
    except (ValueError, RecursionError) as error:
        raise BadCall("bad-json", _json_fault(error, at)) from error
    if not isinstance(normalised, dict):
        raise BadCall("bad-json", RequestFault(code="not-an-object", pointer=at))
    try:
        checked = model.model_validate_json(canonical, strict=True)
    except ValidationError as error:
        raise bad_fields(error, model, at) from error
    return CheckedRequest(value=checked, canonical=canonical, normalized=normalised != raw_json)


def _canonical(node: Any) -> str:
    return json.dumps(node, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def from_query(request: web.BaseRequest, model: type[M]) -> M:
    """Parse a query string into the model. A repeated or unknown parameter is a fault."""
    params: dict[str, str] = {}
    for name, text in request.query.items():
        if name in params:
            raise BadCall("bad-request", RequestFault(code="twice", pointer=f"?{name}"))
        params[name] = nfc(text)
    try:
        return model.model_validate(params)
    except ValidationError as error:
        raise bad_fields(error, model, "?") from error


async def read_body(request: web.Request, limit: int, within_s: float) -> bytes:
    """Read the body, up to `limit` bytes and within that time; a longer one is refused before it is held."""
    if request.content_length is not None and request.content_length > limit:
        raise too_large(limit)
    body = bytearray()
    try:
        async with _within(within_s):
            async for chunk in request.content.iter_chunked(64 * 1024):
                body += chunk
                if len(body) > limit:
                    raise too_large(limit)
    except (HttpProcessingError, web.RequestPayloadError, ConnectionError) as error:
        raise BadCall("bad-body", RequestFault(code="cut-short")) from error
    return bytes(body)


async def streamed_body(request: web.Request, within_s: float) -> AsyncIterator[bytes]:
    """Yield the body in pieces, within that time; the reader of the pieces bounds their size."""
    deadline = time_source.monotonic() + within_s
    while True:
        try:
            async with _within(max(deadline - time_source.monotonic(), 0)):
                chunk = await request.content.readany()
        except (HttpProcessingError, web.RequestPayloadError, ConnectionError) as error:
            raise BadCall("bad-body", RequestFault(code="cut-short")) from error
        if not chunk:
            return
        yield chunk


@asynccontextmanager
async def _within(seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise BadCall("too-slow", params={"seconds": str(seconds)}) from error


def need_type(request: web.Request, *allowed: str) -> str:
    """Check the media type, one of `allowed`, and that it is not compressed: a small body must not become a large one."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise BadCall(
            "unsupported-media", RequestFault(code="encoding"), headers={"Accept-Encoding": "identity"}
        )
    plain = _TYPE.match(request.headers.get("Content-Type", ""))
    media_type = plain[1].lower() if plain else request.content_type
    if media_type not in allowed:
        fault = RequestFault(code="media", params={"found": media_type, "expected": ", ".join(allowed)})
        raise BadCall("unsupported-media", fault, headers={"Accept": ", ".join(allowed)})
    return media_type


def too_large(limit: int) -> BadCall:
    """Return the refusal of a body over its limit."""
    return BadCall("too-large", RequestFault(code="too-large", params={"limit_bytes": str(limit)}))


def bad_fields(why: ValidationError, model: type[BaseModel], at: str) -> BadCall:
    """Collect every fault that pydantic found. Only missing fields: 422, because the shape is right."""
    faults = tuple(_fault(error, model, at) for error in why.errors(include_url=False, include_input=False))
    slug = "missing-field" if all(fault.code == "missing" for fault in faults) else "bad-request"
    return BadCall(slug, *faults)


def _fault(error: Mapping[str, Any], model: type[BaseModel], at: str) -> RequestFault:
    code = _FAULTS.get(error["type"], "bad-value")
    place: Sequence[Any] = error["loc"]
    place_text = at + ".".join(map(str, place)) if at == "?" else at + pointer(*place)
    params = {"field": str(place[-1]) if place else "", "expected": _expected(error)}
    suggest = None
    if code == "unknown-field" and len(place) == 1:
        suggest = nearest(str(place[0]), _field_names(model))
    return RequestFault(code=code, pointer=place_text, params=params, suggest=suggest)


def nearest(word: str, words: Iterable[str]) -> str | None:
    """Return the nearest known word, if one is near."""
    return next(iter(get_close_matches(word, words, n=1)), None)


def _expected(error: Mapping[str, Any]) -> str:
    """Describe briefly what pydantic expected; never the given value."""
    context = error.get("ctx") or {}
    for key, sign in _BOUNDS.items():
        if key in context:
            return (sign + str(context[key])).replace("'", "").replace(" or ", ", ")
    kind = str(error["type"]).removesuffix("_type").removesuffix("_parsing")
    return next((sample for name, sample in _KINDS.items() if kind.startswith(name)), kind.replace("_", "-"))


def _field_names(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object with a repeated member, which readers would understand differently."""
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        repeated = sorted({name for name in names if names.count(name) > 1})
        raise BadCall("bad-json", *(RequestFault(code="twice", pointer=pointer(name)) for name in repeated))
    return members


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


def _nfc(node: Any) -> Any:
    if isinstance(node, str):
        return nfc(node)
    if isinstance(node, list):
        return [_nfc(child) for child in node]
    if isinstance(node, dict):
        return {nfc(name): _nfc(child) for name, child in node.items()}
    return node


def _json_fault(error: Exception, at: str) -> RequestFault:
    """Return the place where the text stops being JSON, or what in it readers understand differently."""
    if isinstance(error, json.JSONDecodeError):
        place = {"line": str(error.lineno), "column": str(error.colno)}
        return RequestFault(code="bad-json", pointer=at, params=place)
    if isinstance(error, UnicodeDecodeError):
        return RequestFault(code="not-utf-8", pointer=at, params={"n": str(error.start)})
    if isinstance(error, UnicodeEncodeError):
        return RequestFault(code="half-character", pointer=at)
    return RequestFault(code="deep-json" if isinstance(error, RecursionError) else "no-number", pointer=at)


async def read_order(
    request: web.Request,
    model: type[Meta],
    scope: AgencyScope,
    request_files: RequestFiles,
    options: ApiOptions,
) -> CheckedRequest[Meta]:
    """Read the meta, and the files into the request's files: first those of the call, then earlier uploads. JSON has no
    parts."""
    kind = need_type(request, *MEDIA_OF_ORDERS)
    async with _within(options.upload_s):
        if kind == "application/json":
            checked = parse_json(await read_body(request, options.meta_bytes, options.body_s), model)
            request_files.declare(checked.value.to_draft())
        else:
            checked = await _read_parts(request, model, request_files, options)
    listed = checked.value.files or ()
    _refuse_absent(listed, request_files.received)
    for n, file in enumerate(listed):
        if file.id is not None:
            await _take_uploaded(file, file.id, n, scope, request_files)
    return checked


async def read_file(request: web.Request, request_files: RequestFiles, options: ApiOptions) -> Received:
    """Read the only part of the call, `lead`, into the request's files."""
    need_type(request, "multipart/form-data")
    async with _within(options.upload_s):
        return await _read_one(request, request_files)


async def _read_one(request: web.Request, request_files: RequestFiles) -> Received:
    reader = _reader(request)
    part = await _next(reader)
    if part is None:
        raise _bad_part("file-absent", name=FileRole.LEAD)
    plain = _plain(part)
    field = plain.name or ""
    name = _name_of(plain, field)
    if field != FileRole.LEAD:
        raise _bad_part("no-role", field=_printable(field), name=name)
    received = await request_files.add(field, name, FileRole.LEAD, _chunks(plain))
    if await _next(reader) is not None:
        raise _bad_part("too-many-parts", limit="1")
    return received


def _reader(request: web.Request) -> MultipartReader:
    try:
        return parts.reader(request)
    except MULTIPART_FAULTS as error:
        raise _bad_part("not-multipart") from error


async def _read_parts(
    request: web.Request, model: type[Meta], request_files: RequestFiles, options: ApiOptions
) -> CheckedRequest[Meta]:
    reader = _reader(request)
    checked = await _read_meta(await _next(reader), model, options)
    request_files.declare(checked.value.to_draft())
    count = 1
    while (part := await _next(reader)) is not None:
        count += 1
        if count > options.max_parts:
            raise _bad_part("too-many-parts", limit=str(options.max_parts))
        await _take_part(_plain(part), checked.value.files, request_files)
    return checked


async def _next(reader: MultipartReader) -> MultipartReader | BodyPartReader | None:
    """Return the next part with its disposition parsed: aiohttp parses lazily, and raises only then."""
    try:
        part = await reader.next()
        _ = (part.name, part.filename) if isinstance(part, BodyPartReader) else None
    except MULTIPART_FAULTS as error:
        raise _bad_part("not-multipart") from error
    return part


async def _read_meta(
    part: MultipartReader | BodyPartReader | None, model: type[Meta], options: ApiOptions
) -> CheckedRequest[Meta]:
    """Read the meta, which stands first, so that the role of every file is known before its bytes are read."""
    if part is None or isinstance(part, MultipartReader) or part.name != "meta":
        raise _bad_part("meta-first")
    _plain(part)
    raw = bytearray()
    async for chunk in _chunks(part):
        raw += chunk
        if len(raw) > options.meta_bytes:
            raise too_large(options.meta_bytes)
    return parse_json(bytes(raw), model)


async def _take_part(
    part: BodyPartReader, listed: Sequence[FileMeta] | None, request_files: RequestFiles
) -> None:
    field = part.name or ""
    name = _name_of(part, field)
    announced = next((f for f in listed or () if f.id is None and _listed_name(f) == name), None)
    if listed is not None and announced is None:
        raise _bad_part("file-not-listed", field=field, name=name)
    role = _ROLES.get(announced.role if announced else field)
    if role is None:
        raise _bad_part("no-role", field=field, name=name)
    if announced and any(r.item.name == name for r in request_files.received):
        raise _bad_part("file-twice", field=field, name=name)
    received = await request_files.add(field, name, role, _chunks(part))
    if announced:
        check_announced(announced, received)


async def _take_uploaded(
    announced: FileMeta, id: str, n: int, scope: AgencyScope, request_files: RequestFiles
) -> None:
    try:
        received = await uploads.take(
            request_files.services, scope, request_files, id, announced.role, announced.name
        )
    except (NotFound, Clash) as error:
        fault = RequestFault(
            code="upload-absent", pointer=pointer("files", n, "id"), params={"id": _printable(id)}
        )
        raise BadCall("bad-request", fault) from error
    check_announced(announced, received)


def _plain(part: MultipartReader | BodyPartReader) -> BodyPartReader:
    """Check that a part is plain bytes: no nested parts, no second encoding."""
    if isinstance(part, MultipartReader):
        raise _bad_part("nested-parts")
    coding = part.headers.get("Content-Transfer-Encoding", "").strip().lower()
    packed = part.headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in _PLAIN or packed != "identity":
        raise _bad_part("encoded-part", field=_printable(part.name or ""))
    return part


async def _chunks(part: BodyPartReader) -> AsyncIterator[bytes]:
    """Yield the bytes of a part, up to its boundary; a body that stops before is a ValueError of the reader."""
    while not part.at_eof():
        try:
            chunk = await part.read_chunk()
        except MULTIPART_FAULTS as error:
            raise _bad_part("not-multipart") from error
        if chunk:
            yield chunk


def _name_of(part: BodyPartReader, field: str) -> str:
    """Return the file's name in NFC. Control characters are refused: they have no honest use in a name (threats.md 77)."""
    raw_name = part.filename
    if raw_name is None:
        raise _bad_part("no-file-name", field=_printable(field))
    name = admission.meant_name(part.headers.get("Content-Disposition", ""), raw_name)
    if name is None:
        raise _bad_part("bad-file-name", field=_printable(field), name=_printable(raw_name))
    return name


def _listed_name(announced: FileMeta) -> str:
    """Return the listed name without folders, like the names of parts."""
    return admission.without_folders(announced.name or "")


def check_announced(announced: FileMeta, received: Received) -> None:
    """Check that a file is as announced (threats.md 66)."""
    file = received.item
    if announced.size is not None and announced.size != file.size:
        raise _bad_part("size-differs", name=file.name, found=str(file.size), expected=str(announced.size))
    if announced.sha256 is not None and announced.sha256 != file.sha256:
        raise _bad_part("digest-differs", name=file.name, found=file.sha256, expected=announced.sha256)


def _refuse_absent(listed: Sequence[FileMeta], received: Sequence[Received]) -> None:
    received_names = {r.item.name for r in received}
    faults = [
        RequestFault(code="file-absent", pointer=pointer("files", n), params={"name": file.name or ""})
        for n, file in enumerate(listed)
        if file.id is None and _listed_name(file) not in received_names
    ]
    if faults:
        raise BadCall("bad-multipart", *faults)


def _printable(text: str) -> str:
    """Make a name printable and short, for an answer."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)[:100]


def _bad_part(code: str, **params: str) -> BadCall:
    return BadCall("bad-multipart", RequestFault(code=code, params=params))
