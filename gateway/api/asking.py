"""Turns what a caller sent into checked values. In: JSON text, query strings, the parts of a create call. Out:
pydantic models, with every fault named at once; all text becomes NFC on the way, and the caller is told when that
changed anything (threats.md 75).

A create call is read as it comes: first the part `meta` (JSON), then files, each streamed piece by piece into the
tray. Nothing is ever held whole but the meta, and every limit (parts, part headers, meta, time) stops the reading
where it is passed (threats.md 66, 77, 86)."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Generic, TypeVar

from aiohttp import BodyPartReader, MultipartReader, web
from aiohttp.http import HttpProcessingError
from pydantic import BaseModel, ValidationError

from gateway.api import parts
from gateway.api.deps import ApiOptions
from gateway.api.models import FileMeta, MessageIn
from gateway.api.problems import BadCall, RequestFault, pointer
from gateway.domain.account import AgencyScope
from gateway.domain.document import FileRole
from gateway.domain.text import nfc
from gateway.errors import Clash, NotFound
from gateway.outgoing import uploads
from gateway.outgoing.intake import Received, Tray
from gateway.policy import door

M = TypeVar("M", bound=BaseModel)
M_co = TypeVar("M_co", bound=BaseModel, covariant=True)

# What an error of pydantic is in our words; anything else is simply a bad value.
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


# How what pydantic wanted is written, the same in every language.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedRequest(Generic[M_co]):
    """A checked request: the model, its canonical JSON (for idempotency), and whether NFC changed some text."""

    value: M_co
    canonical: str
    normalized: bool


def from_json(raw: bytes, model: type[M], *, at: str = "") -> CheckedRequest[M]:
    """The model of a JSON text. BadCall names every fault; `at` stands before each pointer."""
    try:
        # Windows programs put a byte order mark before UTF-8; a reader may ignore it (RFC 8259, 8.1).
        given = json.loads(raw.decode("utf-8-sig"), object_pairs_hook=_once_each, parse_constant=_no_constant)
        tidy = _nfc(given)
        canonical = json.dumps(tidy, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        canonical.encode("utf-8")
    except BadCall:
        raise
    except (ValueError, RecursionError) as why:
        raise BadCall("bad-json", _unreadable(why, at)) from why
    if not isinstance(tidy, dict):
        raise BadCall("bad-json", RequestFault(code="not-an-object", pointer=at))
    try:
        value = model.model_validate_json(canonical, strict=True)
    except ValidationError as why:
        raise bad_fields(why, model, at) from why
    return CheckedRequest(value=value, canonical=canonical, normalized=tidy != given)


def from_query(request: web.BaseRequest, model: type[M]) -> M:
    """The model of a query string. A parameter given twice, or one that the call does not know, is a fault."""
    given: dict[str, str] = {}
    for name, text in request.query.items():
        if name in given:
            raise BadCall("bad-request", RequestFault(code="twice", pointer=f"?{name}"))
        given[name] = nfc(text)
    try:
        return model.model_validate(given)
    except ValidationError as why:
        raise bad_fields(why, model, "?") from why


async def whole_body(request: web.Request, limit: int, within_s: float) -> bytes:
    """The body of a call, up to `limit` bytes and within that time; a longer one is refused before it is held."""
    if request.content_length is not None and request.content_length > limit:
        raise too_large(limit)
    held = bytearray()
    try:
        async with _within(within_s):
            async for chunk in request.content.iter_chunked(64 * 1024):
                held += chunk
                if len(held) > limit:
                    raise too_large(limit)
    except (HttpProcessingError, web.RequestPayloadError, ConnectionError) as why:
        raise BadCall("bad-body", RequestFault(code="cut-short")) from why
    return bytes(held)


async def streamed_body(request: web.Request, within_s: float) -> AsyncIterator[bytes]:
    """The body piece by piece, within that time; who takes it says when it is too long."""
    ends = asyncio.get_running_loop().time() + within_s
    while True:
        try:
            async with _within(max(ends - asyncio.get_running_loop().time(), 0)):
                chunk = await request.content.readany()
        except (HttpProcessingError, web.RequestPayloadError, ConnectionError) as why:
            raise BadCall("bad-body", RequestFault(code="cut-short")) from why
        if not chunk:
            return
        yield chunk


@asynccontextmanager
async def _within(seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as why:
        raise BadCall("too-slow", params={"seconds": str(seconds)}) from why


def need_type(request: web.Request, *allowed: str) -> str:
    """The media type of the request, one of `allowed`, and not compressed: a small body must not become a large one."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise BadCall(
            "unsupported-media", RequestFault(code="encoding"), headers={"Accept-Encoding": "identity"}
        )
    plain = _TYPE.match(request.headers.get("Content-Type", ""))
    found = plain[1].lower() if plain else request.content_type
    if found not in allowed:
        fault = RequestFault(code="media", params={"found": found, "expected": ", ".join(allowed)})
        raise BadCall("unsupported-media", fault, headers={"Accept": ", ".join(allowed)})
    return found


# Whatever is written in another way is read by the library, as mail is, which takes a sixth of a millisecond.
_TYPE = re.compile(r"([A-Za-z0-9.+-]+/[A-Za-z0-9.+-]+)(?:;|\Z)")


def too_large(limit: int) -> BadCall:
    """The refusal of a body over its limit."""
    return BadCall("too-large", RequestFault(code="too-large", params={"limit_bytes": str(limit)}))


def bad_fields(why: ValidationError, model: type[BaseModel], at: str) -> BadCall:
    """Every fault that pydantic found. Only missing fields: 422, because the shape is right (interfaces.md 3.3)."""
    faults = tuple(_fault(error, model, at) for error in why.errors(include_url=False, include_input=False))
    slug = "missing-field" if all(fault.code == "missing" for fault in faults) else "bad-request"
    return BadCall(slug, *faults)


def _fault(error: Mapping[str, Any], model: type[BaseModel], at: str) -> RequestFault:
    code = _FAULTS.get(error["type"], "bad-value")
    place: Sequence[Any] = error["loc"]
    where = at + ".".join(map(str, place)) if at == "?" else at + pointer(*place)
    params = {"field": str(place[-1]) if place else "", "expected": _expected(error)}
    suggest = None
    if code == "unknown-field" and len(place) == 1:
        suggest = nearest(str(place[0]), _field_names(model))
    return RequestFault(code=code, pointer=where, params=params, suggest=suggest)


def nearest(given: str, known: Iterable[str]) -> str | None:
    """The word that was meant, where one is near."""
    return next(iter(get_close_matches(given, known, n=1)), None)


def _expected(error: Mapping[str, Any]) -> str:
    """What pydantic wanted, shortly; never what was given."""
    context = error.get("ctx") or {}
    for key, sign in _BOUNDS.items():
        if key in context:
            return (sign + str(context[key])).replace("'", "").replace(" or ", ", ")
    kind = str(error["type"]).removesuffix("_type").removesuffix("_parsing")
    return next((shown for name, shown in _KINDS.items() if kind.startswith(name)), kind.replace("_", "-"))


def _field_names(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose member stands twice would mean different things to different readers."""
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = sorted({name for name in names if names.count(name) > 1})
        raise BadCall("bad-json", *(RequestFault(code="twice", pointer=pointer(name)) for name in twice))
    return found


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


def _nfc(value: Any) -> Any:
    if isinstance(value, str):
        return nfc(value)
    if isinstance(value, list):
        return [_nfc(item) for item in value]
    if isinstance(value, dict):
        return {nfc(name): _nfc(item) for name, item in value.items()}
    return value


def _unreadable(why: Exception, at: str) -> RequestFault:
    """Where the text stops being JSON; or, where it is JSON that no program reads alike, what that may be."""
    if isinstance(why, json.JSONDecodeError):
        place = {"line": str(why.lineno), "column": str(why.colno)}
        return RequestFault(code="bad-json", pointer=at, params=place)
    return RequestFault(code="odd-json", pointer=at)


Meta = TypeVar("Meta", bound=MessageIn)

_ROLES: Mapping[str, FileRole] = {role.value: role for role in FileRole}
_PLAIN = frozenset({"", "binary", "8bit", "7bit"})


async def read_order(
    request: web.Request, model: type[Meta], scope: AgencyScope, tray: Tray, options: ApiOptions
) -> CheckedRequest[Meta]:
    """The meta and, in the tray, its files: first those of the call, then those that were uploaded before. JSON has no
    parts."""
    kind = need_type(request, "multipart/form-data", "application/json")
    async with _within(options.upload_s):
        if kind == "application/json":
            asked = from_json(await whole_body(request, options.meta_bytes, options.body_s), model)
            tray.declare(asked.value.to_draft())
        else:
            asked = await _read_parts(request, model, tray, options)
    listed = asked.value.files or ()
    _refuse_absent(listed, tray.received)
    for n, each in enumerate(listed):
        if each.id is not None:
            await _take_uploaded(each, each.id, n, scope, tray)
    return asked


async def read_file(request: web.Request, tray: Tray, options: ApiOptions) -> Received:
    """The only part of the call, `lead`, in the tray."""
    need_type(request, "multipart/form-data")
    async with _within(options.upload_s):
        return await _read_one(request, tray)


async def _read_one(request: web.Request, tray: Tray) -> Received:
    reader = _reader(request)
    part = await _next(reader)
    if part is None:
        raise _bad_part("file-absent", name=FileRole.LEAD)
    plain = _plain(part)
    field = plain.name or ""
    name = _name_of(plain, field)
    if field != FileRole.LEAD:
        raise _bad_part("no-role", field=_shown(field), name=name)
    received = await tray.add(field, name, FileRole.LEAD, _chunks(plain))
    if await _next(reader) is not None:
        raise _bad_part("too-many-parts", limit="1")
    return received


def _reader(request: web.Request) -> MultipartReader:
    with _as_multipart():
        return parts.reader(request)


async def _read_parts(
    request: web.Request, model: type[Meta], tray: Tray, options: ApiOptions
) -> CheckedRequest[Meta]:
    reader = _reader(request)
    asked = await _read_meta(await _next(reader), model, options)
    tray.declare(asked.value.to_draft())
    count = 1
    while (part := await _next(reader)) is not None:
        count += 1
        if count > options.max_parts:
            raise _bad_part("too-many-parts", limit=str(options.max_parts))
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
        raise _bad_part("not-multipart") from why


async def _read_meta(
    part: MultipartReader | BodyPartReader | None, model: type[Meta], options: ApiOptions
) -> CheckedRequest[Meta]:
    """Meta stands first, so that the role of every file is known before its bytes are read."""
    if part is None or isinstance(part, MultipartReader) or part.name != "meta":
        raise _bad_part("meta-first")
    _plain(part)
    held = bytearray()
    async for chunk in _chunks(part):
        held += chunk
        if len(held) > options.meta_bytes:
            raise too_large(options.meta_bytes)
    return from_json(bytes(held), model)


async def _take(part: BodyPartReader, listed: Sequence[FileMeta] | None, tray: Tray) -> None:
    field = part.name or ""
    name = _name_of(part, field)
    announced = next((one for one in listed or () if one.id is None and _listed_name(one) == name), None)
    if listed is not None and announced is None:
        raise _bad_part("file-not-listed", field=field, name=name)
    role = _ROLES.get(announced.role if announced else field)
    if role is None:
        raise _bad_part("no-role", field=field, name=name)
    if announced and any(each.item.name == name for each in tray.received):
        raise _bad_part("file-twice", field=field, name=name)
    received = await tray.add(field, name, role, _chunks(part))
    if announced:
        same_as_announced(announced, received)


async def _take_uploaded(announced: FileMeta, id: str, n: int, scope: AgencyScope, tray: Tray) -> None:
    try:
        received = await uploads.take(tray.desk, scope, tray, id, announced.role, announced.name)
    except (NotFound, Clash) as why:
        fault = RequestFault(
            code="upload-absent", pointer=pointer("files", n, "id"), params={"id": _shown(id)}
        )
        raise BadCall("bad-request", fault) from why
    same_as_announced(announced, received)


def _plain(part: MultipartReader | BodyPartReader) -> BodyPartReader:
    """A part as its own bytes: not a tree of parts, and not encoded a second time."""
    if isinstance(part, MultipartReader):
        raise _bad_part("nested-parts")
    coding = part.headers.get("Content-Transfer-Encoding", "").strip().lower()
    packed = part.headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in _PLAIN or packed != "identity":
        raise _bad_part("encoded-part", field=_shown(part.name or ""))
    return part


async def _chunks(part: BodyPartReader) -> AsyncIterator[bytes]:
    """The bytes of a part. Ends at its boundary alone: a body that stops before is a ValueError of the reader."""
    while not part.at_eof():
        with _as_multipart():
            chunk = await part.read_chunk()
        if chunk:
            yield chunk


def _name_of(part: BodyPartReader, field: str) -> str:
    """The file's name in NFC. Control characters are refused: they have no honest use in a name (threats.md 77)."""
    given = part.filename
    if given is None:
        raise _bad_part("no-file-name", field=_shown(field))
    name = door.meant_name(part.headers.get("Content-Disposition", ""), given)
    if name is None:
        raise _bad_part("bad-file-name", field=_shown(field), name=_shown(given))
    return name


def _listed_name(announced: FileMeta) -> str:
    """Return the name as that of a part is read: without folders."""
    return door.without_folders(announced.name or "")


def same_as_announced(announced: FileMeta, received: Received) -> None:
    """What the caller said of a file beforehand must be what came (threats.md 66)."""
    item = received.item
    if announced.size is not None and announced.size != item.size:
        raise _bad_part("size-differs", name=item.name, found=str(item.size), expected=str(announced.size))
    if announced.sha256 is not None and announced.sha256 != item.sha256:
        raise _bad_part("digest-differs", name=item.name, found=item.sha256, expected=announced.sha256)


def _refuse_absent(listed: Sequence[FileMeta], received: Sequence[Received]) -> None:
    came = {each.item.name for each in received}
    faults = [
        RequestFault(code="file-absent", pointer=pointer("files", n), params={"name": each.name or ""})
        for n, each in enumerate(listed)
        if each.id is None and _listed_name(each) not in came
    ]
    if faults:
        raise BadCall("bad-multipart", *faults)


def _shown(text: str) -> str:
    """A name as it may stand in an answer: printable, and short."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)[:100]


def _bad_part(code: str, **params: str) -> BadCall:
    return BadCall("bad-multipart", RequestFault(code=code, params=params))
