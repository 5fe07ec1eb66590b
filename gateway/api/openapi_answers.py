"""Describes what the API answers: the media, the headers, and every failure that any call can meet. In: a row of the table
of routes. Out: its `responses`, and the components that they refer to."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from gateway.api import vocabulary
from gateway.api.media import BYTES, TYPES
from gateway.api.paging import PageQuery
from gateway.api.problems import MEDIA, OWN_SORTS, PAGES, SORTS, sorts
from gateway.api.routes import Body, Route
from gateway.policy.verdict import CONFIRMABLE, ReasonCode
from gateway.words import labels

# Any, here and below: an OpenAPI document is JSON.
Json = dict[str, Any]

_TEXT: Json = {"type": "string"}
BINARY: Json = {"type": "string", "format": "binary"}
JSON, HTML = "application/json", "text/html"
ANY_FILE = "*/*"

# Each with what it says, and its schema.
_HEADERS: Mapping[str, tuple[str, Json]] = MappingProxyType(
    {
        "X-Request-Id": ("Name of this call, as given or made; tell it to the operator", _TEXT),
        "Content-Language": ("Language of the words", vocabulary.closed(("vi", "en"))),
        "ETag": ("What the answer is the version of: give it in If-Match", {"type": "string"}),
        "Link": ('The next page: `<…>; rel="next"`; absent on the last one', _TEXT),
        "Location": ("Where the document is", {"type": "string", "format": "uri-reference"}),
        "Idempotency-Replayed": (
            "`true`: the first answer under this key again; else absent",
            vocabulary.closed(("true",)),
        ),
        "X-Normalized": ("Text was brought into this Unicode form; else absent", vocabulary.closed(("NFC",))),
        "Retry-After": ("Seconds to wait before the same call again", {"type": "integer", "minimum": 1}),
        "Content-Range": ("Which bytes these are, and of how many", _TEXT),
        "Accept-Ranges": ("`bytes`: parts may be asked for", _TEXT),
        "Content-Disposition": ("Name of the file (RFC 6266)", _TEXT),
        "X-Content-SHA256": (
            "SHA-256 of the file, in hexadecimal; compare it",
            {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        ),
        "WWW-Authenticate": ("How to authenticate: `Bearer`", _TEXT),
        "Allow": ("The methods that there are", _TEXT),
        "Accept": ("The media types that are taken", _TEXT),
        "Accept-Encoding": ("The content encodings that are taken", _TEXT),
    }
)
# Those that stand in every answer of their kind; the others only where they have something to say.
_ALWAYS = frozenset({"X-Request-Id", "Content-Disposition", "WWW-Authenticate"})

# Failures that any call may meet, and those of a call with a key.
_ANYWHERE = frozenset({400, 405, 408, 429})
_KEYED = frozenset({401, 403})
_FAILURES: Mapping[int, tuple[str, str, tuple[str, ...]]] = MappingProxyType(
    {
        400: ("BadRequest", "The request has the wrong shape", ()),
        401: ("Unauthorized", "No valid key", ("WWW-Authenticate",)),
        403: ("Forbidden", "The key may not do this", ()),
        404: ("NotFound", "Not found, or another agency's", ()),
        405: ("MethodNotAllowed", "The path has no such method", ("Allow",)),
        408: ("TooSlow", "The request took too long to arrive; try again", ()),
        409: (
            "Conflict",
            "The present state forbids it, or the first call is still running",
            ("Retry-After",),
        ),
        410: ("Gone", "The cursor is none of this node any more", ()),
        412: ("VersionDiffers", "The version is not the present one", ()),
        413: ("TooLarge", "Over a limit; see readLimits", ()),
        415: ("UnsupportedMedia", "Wrong media type", ("Accept", "Accept-Encoding")),
        416: ("NoSuchPart", "The part that Range names lies outside of the file", ("Content-Range",)),
        422: ("RuleBroken", "A rule forbids it; every reason is listed", ()),
        429: (
            "TooManyCalls",
            "This key or this address calls too often (see readLimits): wait as many seconds as Retry-After says",
            ("Retry-After",),
        ),
        503: ("NotNow", "Not now; try again", ("Retry-After",)),
    }
)


def components() -> Json:
    """What the answers refer to: headers, failures, and the shape of a failure."""
    return {
        "headers": {
            name: {"description": text, "schema": schema} | ({"required": True} if name in _ALWAYS else {})
            for name, (text, schema) in _HEADERS.items()
        },
        "responses": {name: _failure(text, headers) for _, (name, text, headers) in sorted(_FAILURES.items())}
        | {"Failure": _failure("Any other failure", ("Retry-After",))},
    }


def problem() -> Json:
    """The shape of every failure. Its codes are those of this version: act on those you know, by `status` on others."""
    faults = labels.tails("fault")
    item = {
        "type": "object",
        "required": ["pointer", "code", "detail", "suggest"],
        "properties": {
            "pointer": _TEXT | {"description": "Where: a JSON pointer, or `?name` of a query"},
            "code": vocabulary.growing((*ReasonCode, *sorted(faults))),
            "detail": _TEXT,
            "suggest": {"type": ["string", "null"]},
        },
    }
    properties: Json = {
        "type": {"type": "string", "format": "uri-reference"}
        | {"x-extensible-enum": [PAGES + slug for slug in sorts()]},
        "title": _TEXT,
        "status": {"type": "integer"},
        "detail": _TEXT,
        "instance": _TEXT,
        "code": vocabulary.growing(_codes()),
        "request_id": _TEXT,
        "retryable": {"type": "boolean", "description": "The same call may succeed later"},
        "errors": {"type": "array", "items": item},
    }
    required = list(properties)
    properties["cause"] = _TEXT | {"description": "The same in English, for programmers"}
    properties["confirm"] = {
        "type": "array",
        "items": vocabulary.growing(sorted(CONFIRMABLE)),
        "description": "What a person may bear with: send it again with these in `confirm`",
    }
    return {
        "type": "object",
        "description": "A failure (RFC 9457). `errors` lists every reason at once.",
        "required": required,
        "properties": properties,
    }


def responses(route: Route, answer: Json | None) -> Json:
    """What one call may answer; `answer` is the schema of its JSON."""
    done = {"description": "Done", "headers": _refer(_headers_of(route)), "content": _content(route, answer)}
    told: Json = {str(route.status): done}
    if 416 in route.fails:  # a file: in part, or not at all where the caller has it
        part = _refer([*_headers_of(route), "Content-Range"])
        told["206"] = {**done, "description": "The part that Range names", "headers": part}
        etag = _refer(["X-Request-Id", "ETag"])
        told["304"] = {"description": "If-None-Match names this very file", "headers": etag, "content": {}}
    for status in sorted({*route.fails, *_ANYWHERE, *(() if route.open else _KEYED)}):
        told[str(status)] = _to_failure(route, status)
    told["default"] = _to_failure(route, None)
    return told


def _codes() -> list[str]:
    """Codes of the front door, of the tree of errors, and of the clashes that have words of their own."""
    own = [f"GW-{sort.status}-{slug.upper()}" for slug, sort in OWN_SORTS.items()]
    tree = [kind.code for kind in SORTS]
    clashes = labels.tails("clash")
    return sorted({*own, *tree, *clashes})


def _headers_of(route: Route) -> list[str]:
    names = ["X-Request-Id"]
    if is_binary(route):
        names += ["Content-Disposition", "Accept-Ranges"]
    else:
        names.append("Content-Language")
    if route.creates:
        names.append("Idempotency-Replayed")
    if route.body in (Body.JSON, Body.PARTS):
        names.append("X-Normalized")
    if route.query is not None and issubclass(route.query, PageQuery):
        names.append("Link")
    return [*names, *route.headers]


def is_binary(route: Route) -> bool:
    """Whether it answers a file, byte for byte."""
    return route.answer is None and route.media not in (JSON, HTML)


def _content(route: Route, answer: Json | None) -> Json:
    if answer is not None:
        return {route.media: {"schema": answer}}
    if route.media == ANY_FILE:
        # First what any program can take; a file is said to be of one of these types at most.
        return {media: {"schema": BINARY} for media in (BYTES, *TYPES.values())}
    if is_binary(route):
        return {route.media: {"schema": BINARY}}
    return {route.media: {"schema": _TEXT if route.media == HTML else {"type": "object"}}}


def _to_failure(route: Route, status: int | None) -> Json:
    name, text, headers = _FAILURES[status] if status else ("Failure", "Any other failure", ())
    if route.media == HTML:
        # A browser is told in a page.
        return _failure(text, headers, HTML)
    return {"$ref": f"#/components/responses/{name}"}


def _failure(text: str, headers: tuple[str, ...], *more: str) -> Json:
    content: Json = {MEDIA: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    content |= {media: {"schema": _TEXT} for media in more}
    named = _refer(["X-Request-Id", "Content-Language", *headers])
    return {"description": text, "headers": named, "content": content}


def _refer(names: list[str]) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
