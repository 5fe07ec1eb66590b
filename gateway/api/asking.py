"""Turns what a caller sent into checked values: JSON text and query strings in, pydantic models out, with every fault
named at once. All text becomes NFC on the way; the caller is told when that changed anything (threats.md 75)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Generic, TypeVar

from aiohttp import web
from aiohttp.http import HttpProcessingError
from pydantic import BaseModel, ValidationError

from gateway.api.failing import BadCall, Fault, pointer
from gateway.domain.unicode_form import nfc

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
class Asked(Generic[M_co]):
    """A checked request: the model, its canonical JSON (for idempotency), and whether NFC changed some text."""

    value: M_co
    canonical: str
    normalized: bool


def from_json(raw: bytes, model: type[M], *, at: str = "") -> Asked[M]:
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
        raise BadCall("bad-json", Fault(code="not-an-object", pointer=at))
    try:
        value = model.model_validate_json(canonical, strict=True)
    except ValidationError as why:
        raise bad_fields(why, model, at) from why
    return Asked(value=value, canonical=canonical, normalized=tidy != given)


def from_query(request: web.BaseRequest, model: type[M]) -> M:
    """The model of a query string. A parameter given twice, or one that the call does not know, is a fault."""
    given: dict[str, str] = {}
    for name, text in request.query.items():
        if name in given:
            raise BadCall("bad-request", Fault(code="twice", pointer=f"?{name}"))
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
        async with asyncio.timeout(within_s):
            async for chunk in request.content.iter_chunked(64 * 1024):
                held += chunk
                if len(held) > limit:
                    raise too_large(limit)
    except TimeoutError as why:
        raise BadCall("too-slow", params={"seconds": str(within_s)}) from why
    except (HttpProcessingError, web.RequestPayloadError, ConnectionError) as why:
        raise BadCall("bad-body", Fault(code="cut-short")) from why
    return bytes(held)


def need_type(request: web.Request, *allowed: str) -> str:
    """The media type of the request, one of `allowed`, and not compressed: a small body must not become a large one."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise BadCall("unsupported-media", Fault(code="encoding"), headers={"Accept-Encoding": "identity"})
    if request.content_type not in allowed:
        fault = Fault(code="media", params={"found": request.content_type, "expected": ", ".join(allowed)})
        raise BadCall("unsupported-media", fault, headers={"Accept": ", ".join(allowed)})
    return request.content_type


def too_large(limit: int) -> BadCall:
    """The refusal of a body over its limit."""
    return BadCall("too-large", Fault(code="too-large", params={"limit_bytes": str(limit)}))


def bad_fields(why: ValidationError, model: type[BaseModel], at: str) -> BadCall:
    """Every fault that pydantic found. Only missing fields: 422, because the shape is right (interfaces.md 3.3)."""
    faults = tuple(_fault(error, model, at) for error in why.errors(include_url=False, include_input=False))
    slug = "missing-field" if all(fault.code == "missing" for fault in faults) else "bad-request"
    return BadCall(slug, *faults)


def _fault(error: Mapping[str, Any], model: type[BaseModel], at: str) -> Fault:
    code = _FAULTS.get(error["type"], "bad-value")
    place: Sequence[Any] = error["loc"]
    where = at + ".".join(map(str, place)) if at == "?" else at + pointer(*place)
    params = {"field": str(place[-1]) if place else "", "expected": _expected(error)}
    suggest = None
    if code == "unknown-field" and len(place) == 1:
        near = get_close_matches(str(place[0]), _field_names(model), n=1)
        suggest = near[0] if near else None
    return Fault(code=code, pointer=where, params=params, suggest=suggest)


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
        raise BadCall("bad-json", *(Fault(code="twice", pointer=pointer(name)) for name in twice))
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


def _unreadable(why: Exception, at: str) -> Fault:
    """Where the text stops being JSON; or, where it is JSON that no program reads alike, what that may be."""
    if isinstance(why, json.JSONDecodeError):
        place = {"line": str(why.lineno), "column": str(why.colno)}
        return Fault(code="bad-json", pointer=at, params=place)
    return Fault(code="odd-json", pointer=at)
