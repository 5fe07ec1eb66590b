"""Describes the API in OpenAPI 3.1, from the same table that registers its routes and the same models that check its
requests. In: routes and a version. Out: the document, as JSON values: each call with its media, its headers, and
every failure that it can meet. The limits of texts and lists come from the table that intake and writer keep
(`domain.fields`), so that the description cannot say another length than the node takes. Nothing is written by hand
twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from datetime import date
from functools import cache
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from gateway.api import fields, shapes
from gateway.api.call import LONGEST_KEY, PageQuery
from gateway.api.problems import MEDIA, OWN_SORTS, PAGES, SORTS, sorts
from gateway.api.routes import Body, Route
from gateway.api.shapes import MEDIA_TYPES, ONLY_BYTES
from gateway.domain.account import KEY_PREFIX, ApiScope
from gateway.domain.document import Rule
from gateway.domain.fields import CHANGE, DRAFT, MOST, STATUS
from gateway.policy.verdict import CONFIRMABLE, ReasonCode
from gateway.words import labels

# Any, here and below: an OpenAPI document is JSON.
Json = dict[str, Any]

_REF = "#/components/schemas/{model}"
CHOSEN = "ChosenFields"
_CHOSEN: Mapping[str, Any] = {
    "type": "object",
    "description": "The same answer with the fields that `fields` names alone; nothing of it is required",
    "additionalProperties": True,
}
_KEY: Json = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": f"{KEY_PREFIX}…",
    "description": f"An API key, as `Authorization: Bearer {KEY_PREFIX}…`. Scopes: "
    + ", ".join(ApiScope)
    + ". A key may ask for the client certificate that is bound to it besides, or instead: then a call over TLS with that "
    "certificate needs no such header.",
}
_TAGS = {
    "messages": "Outgoing documents",
    "uploads": "Files that come before the message that carries them",
    "inbox": "Incoming documents",
    "agencies": "The directory of agency codes",
    "events": "What happened, in order",
    "webhooks": "Addresses that are told what happened",
    "node": "The node itself",
    "pages": "Pages for people",
}


def document(routes: Iterable[Route], version: str, day: date) -> Json:
    """The whole description, its examples as of that day."""
    table = tuple(routes)
    asked = tuple(dict.fromkeys(route.asks for route in table if route.asks))
    told = tuple(dict.fromkeys(route.answer for route in table if route.answer))
    paths: dict[str, Json] = {}
    for route in table:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, day)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Document exchange node",
            "version": version,
            "description": "Text is NFC, times are RFC 3339 with offset, human text follows Accept-Language (vi, en). "
            "Unknown request fields are refused; unknown response fields must be ignored, and so must words that are "
            "not in an `x-extensible-enum`. Who calls more often than readLimits says is answered 429 with Retry-After.",
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"key": _KEY},
            "schemas": _schemas(asked, told) | {"Problem": problem_schema(), CHOSEN: _CHOSEN},
            **components(),
        },
    }


@cache
def _schemas(asked: tuple[type[BaseModel], ...], told: tuple[type[BaseModel], ...]) -> Json:
    """Most of the work of the whole description, and the same as long as the models are."""
    wanted: list[tuple[type[BaseModel], Any]] = [(model, "validation") for model in asked]
    wanted += [(model, "serialization") for model in told]
    _, defined = models_json_schema(wanted, ref_template=_REF)
    return limited(defined["$defs"])


def _operation(route: Route, day: date) -> Json:
    text: Json = {"required": True, "schema": {"type": "string"}}
    path = [{"name": name, "in": "path", **text} for name in route.path_names]
    operation: Json = {
        "operationId": route.name,
        "tags": [route.tag],
        "summary": route.summary,
        "parameters": [*path, *_query_parameters(route), *_header_parameters(route)],
        "responses": _responses(route),
    }
    if route.farewell:
        operation["deprecated"] = True
    if route.text:
        operation["description"] = route.text
    if route.open:
        operation["security"] = []
    elif route.scopes:
        operation["security"] = (
            [{"key": [scope]} for scope in route.scopes] if route.any_scope else [{"key": list(route.scopes)}]
        )
    if (body := _body(route, day)) is not None:
        operation["requestBody"] = body
    return operation


def _query_parameters(route: Route) -> list[Json]:
    if route.query is None and not fields.offers(route):
        return []
    schema = fields.query_of(route, route.query or shapes.NoQuery).model_json_schema(ref_template=_REF)
    required = set(schema.get("required", ()))
    parameters = []
    for name, each in schema.get("properties", {}).items():
        described = {key: value for key, value in each.items() if key not in ("title", "description")}
        parameter: Json = {"name": name, "in": "query", "required": name in required, "schema": described}
        if name == fields.PARAMETER:
            described["items"] = _TEXT | {"enum": fields.names_of(route)}
        if "description" in each:
            parameter["description"] = each["description"]
        if described.get("type") == "array":
            parameter |= {"style": "form", "explode": False}
        parameters.append(parameter)
    return parameters


def _header_parameters(route: Route) -> list[Json]:
    text = {"type": "string"}
    once = text | {"minLength": 1, "maxLength": LONGEST_KEY, "pattern": "^[!-~]+$"}
    version = text | {"pattern": '^(\\*|"[0-9]{1,12}")$'}
    known: list[tuple[str, bool, str, bool, Json]] = [
        (
            "X-Agency",
            False,
            "The agency this call is for, where the key serves several",
            not route.open,
            text,
        ),
        ("Idempotency-Key", True, "Makes a repeat harmless; at most 255 characters", route.creates, once),
        ("If-Match", False, "The version seen last, as ETag; 412 when it is no more", route.changes, version),
        ("X-Request-Id", False, "Returned as it is; made where absent", True, text),
        (
            "traceparent",
            False,
            "The trace of this call (W3C Trace Context): in the log, kept with the document that it makes, and sent with "
            "the webhooks about that; one that does not hold is passed over",
            True,
            text,
        ),
        ("tracestate", False, "What goes with it; 512 characters are passed on", True, text),
        ("Accept-Language", False, "vi (default) or en", True, text),
    ]
    return [
        {"name": name, "in": "header", "required": required, "schema": schema, "description": told}
        for name, required, told, used, schema in known
        if used
    ]


def _body(route: Route, day: date) -> Json | None:
    if route.body is Body.RAW:
        return {"required": True, "content": {route.takes: {"schema": {"type": "string"}}}}
    if route.body is Body.FILE:
        lead = {"type": "object", "required": ["lead"], "properties": {"lead": BINARY}}
        return {"required": True, "content": {"multipart/form-data": {"schema": lead}}}
    if route.asks is None:
        return None
    said: Json = {"$ref": _REF.format(model=route.asks.__name__)}
    if route.body is Body.PARTS:
        parts = {"schema": _parts(said), "encoding": {"meta": {"contentType": "application/json"}}}
        return {
            "required": True,
            "content": {"multipart/form-data": parts | _example(route, day, within="meta")},
        }
    meta = {"schema": said} | _example(route, day)
    needed = any(field.is_required() for field in route.asks.model_fields.values())
    return {"required": needed, "content": {"application/json": meta}}


def _example(route: Route, day: date, within: str = "") -> Json:
    """The sample beside the route; of a call with files the part that is not bytes."""
    if route.sample is None:
        return {}
    said = dict(route.sample(day))
    return {"examples": {"sample": {"value": {within: said} if within else said}}}


def _parts(meta: Json) -> Json:
    """Meta first, then the files: named by their role, or listed by name in `meta.files`."""
    many: Json = {"type": "array", "items": BINARY}
    files = {"lead": BINARY, "source": many, "appendix": many, "reference": many}
    return {"type": "object", "required": ["meta"], "properties": {"meta": meta, **files}}


_TEXT: Json = {"type": "string"}
_COUNT: Json = {"type": "integer", "minimum": 0}
BINARY: Json = {"type": "string", "format": "binary"}
JSON, HTML = "application/json", "text/html"
ANY_FILE = "*/*"

# Each with what it says, and its schema.
_HEADERS: Mapping[str, tuple[str, Json]] = MappingProxyType(
    {
        "X-Request-Id": ("Name of this call, as given or made; tell it to the operator", _TEXT),
        "Content-Language": ("Language of the words", shapes.closed(("vi", "en"))),
        "ETag": ("What the answer is the version of: give it in If-Match", {"type": "string"}),
        "Link": ('The next page: `<…>; rel="next"`; absent on the last one', _TEXT),
        "Location": ("Where the document is", {"type": "string", "format": "uri-reference"}),
        "Idempotency-Replayed": (
            "`true`: the first answer under this key again; else absent",
            shapes.closed(("true",)),
        ),
        "X-Normalized": ("Text was brought into this Unicode form; else absent", shapes.closed(("NFC",))),
        "Retry-After": ("Seconds to wait before the same call again", {"type": "integer", "minimum": 1}),
        "Content-Range": ("Which bytes these are, and of how many", _TEXT),
        "Accept-Ranges": ("`bytes`: parts may be asked for", _TEXT),
        "Content-Disposition": ("Name of the file (RFC 6266)", _TEXT),
        "X-Content-SHA256": (
            "SHA-256 of the file, in hexadecimal; compare it",
            {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        ),
        "RateLimit-Limit": ("Calls that this key may make at one moment, where calls are counted", _COUNT),
        "RateLimit-Remaining": ("How many of them are left now", _COUNT),
        "RateLimit-Reset": ("Seconds until all of them are", _COUNT),
        "X-Key-Expires": (
            "When this key ends, in its last 30 days; ask the agency's administrator for another one",
            {"type": "string", "format": "date-time"},
        ),
        "X-Certificate-Expires": (
            "When the client certificate that this key takes ends, in its last 30 days; have a new one bound to the key",
            {"type": "string", "format": "date-time"},
        ),
        "Deprecation": ("Since when this call is going, as `@` and a Unix time (RFC 9745)", _TEXT),
        "Sunset": ("From when on it is gone (RFC 8594)", _TEXT),
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


def problem_schema() -> Json:
    """The shape of every failure. Its codes are those of this version: act on those you know, by `status` on others."""
    faults = labels.tails("fault")
    item = {
        "type": "object",
        "required": ["pointer", "code", "detail", "suggest"],
        "properties": {
            "pointer": _TEXT | {"description": "Where: a JSON pointer, or `?name` of a query"},
            "code": shapes.growing((*ReasonCode, *sorted(faults))),
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
        "code": shapes.growing(_codes()),
        "request_id": _TEXT,
        "retryable": {"type": "boolean", "description": "The same call may succeed later"},
        "errors": {"type": "array", "items": item},
    }
    required = list(properties)
    properties["cause"] = _TEXT | {"description": "The same in English, for programmers"}
    properties["confirm"] = {
        "type": "array",
        "items": shapes.growing(sorted(CONFIRMABLE)),
        "description": "What a person may bear with: send it again with these in `confirm`",
    }
    return {
        "type": "object",
        "description": "A failure (RFC 9457). `errors` lists every reason at once.",
        "required": required,
        "properties": properties,
    }


# Where the node counts calls, and where a key ends soon.
_OF_KEY = (
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "X-Key-Expires",
    "X-Certificate-Expires",
)


def _responses(route: Route) -> Json:
    """What one call may answer."""
    done = {"description": "Done", "headers": _refer(_headers_of(route)), "content": _content(route)}
    told: Json = {str(route.status): done}
    if 416 in route.fails:  # a file: in part, or not at all where the caller has it
        part = _refer([*_headers_of(route), "Content-Range"])
        told["206"] = {**done, "description": "The part that Range names", "headers": part}
        etag = _refer(["X-Request-Id", "ETag", *_OF_KEY])
        told["304"] = {"description": "If-None-Match names this very file", "headers": etag, "content": {}}
    for status in sorted({*route.failures, *_ANYWHERE, *(() if route.open else _KEYED)}):
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
    if route.asks is not None:
        names.append("X-Normalized")
    if route.query is not None and issubclass(route.query, PageQuery):
        names.append("Link")
    if not route.open:
        names += _OF_KEY
    return [*names, *route.farewell, *route.headers]


def is_binary(route: Route) -> bool:
    """Whether it answers a file, byte for byte."""
    return route.answer is None and route.media not in (JSON, HTML)


def _content(route: Route) -> Json:
    if route.answer is not None:
        whole = {"$ref": _REF.format(model=route.answer.__name__)}
        chosen = {"$ref": _REF.format(model=CHOSEN)}
        return {route.media: {"schema": {"anyOf": [whole, chosen]} if fields.offers(route) else whole}}
    if route.media == ANY_FILE:
        # First what any program can take; a file is said to be of one of these types at most.
        return {media: {"schema": BINARY} for media in (ONLY_BYTES, *MEDIA_TYPES.values())}
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
    named = _refer(["X-Request-Id", "Content-Language", *_OF_KEY, "Deprecation", "Sunset", *headers])
    return {"description": text, "headers": named, "content": content}


def _refer(names: list[str]) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


# What each says, by the tables that rule it.
RULED: Mapping[str, tuple[Mapping[str, Rule], ...]] = {
    "MessageIn": (DRAFT,),
    "UpdateIn": (DRAFT, CHANGE),
    "ReplaceIn": (DRAFT, CHANGE),
    "RecallIn": (CHANGE,),
    "StatusIn": (STATUS,),
}


def limited(schemas: Json) -> Json:
    """The schemas with their limits."""
    made = deepcopy(schemas)
    for model, tables in RULED.items():
        for table in tables:
            for path, rule in table.items():
                for place in places(made, model, path):
                    _narrow(place, "maxLength", rule.longest)
        for name, most in MOST.items():
            for place in places(made, model, name):
                _narrow(place, "maxItems", most)
    return made


def places(schemas: Json, model: str, path: str) -> Iterator[Json]:
    """The schemas at a path of a model; `*` stands for the entries of a list. None where the model has no such field."""
    found = [schemas[model]] if model in schemas else []
    for step in path.split("/"):
        below = (_schema_below(each, step) for each in found)
        found = [_bare_schema(schemas, each) for each in below if each is not None]
    yield from found


def _schema_below(schema: Json, step: str) -> Json | None:
    inner = schema.get("items") if step == "*" else schema.get("properties", {}).get(step)
    return inner if isinstance(inner, dict) else None


def _bare_schema(schemas: Json, schema: Json) -> Json:
    """The schema itself: without the null beside it, and behind its reference."""
    for each in schema.get("anyOf", ()):
        if each.get("type") != "null":
            schema = each
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    return schemas[name] if name else schema


def _narrow(schema: Json, key: str, limit: int) -> None:
    """A type that two tables rule has the narrower limit, which each of them takes."""
    known = schema.get(key, limit)
    # What the shape alone allows is wider: it only bounds what is read.
    schema[key] = min(known, limit)
