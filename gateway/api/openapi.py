"""Describe the API in OpenAPI 3.1, from the table that registers its routes and the models that check its requests. In:
routes and a version. Out: the document as JSON values: each call with its media, headers, and possible failures. Limits of
texts and lists come from the table of intake and writer (`domain.fields`), so that the description cannot give another
length than the node accepts. Nothing is written by hand twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from datetime import date
from functools import cache
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from gateway.api import event_types, fields, shapes
from gateway.api.call import LONGEST_KEY, PageQuery
from gateway.api.parsing import MEDIA_OF_ORDERS
from gateway.api.problems import MEDIA, OWN_FIELDS, OWN_SORTS, PAGES, SORTS, code_of_slug, sorts
from gateway.api.routes import Body, Route
from gateway.api.shapes import MEDIA_TYPES, ONLY_BYTES
from gateway.domain.account import KEY_PREFIX, ApiScope
from gateway.domain.document import Rule
from gateway.domain.fields import CHANGE, DRAFT, MOST, STATUS
from gateway.policy.verdict import ReasonCode
from gateway.words import labels

# Any, here and below: an OpenAPI document is JSON.
Json = dict[str, Any]

_REF = "#/components/schemas/{model}"
_KEY: Json = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": f"{KEY_PREFIX}…",
    "description": f"An API key, as `Authorization: Bearer {KEY_PREFIX}…`. Scopes: "
    + ", ".join(ApiScope)
    + ". A key may also require the client certificate that is bound to it, or be used with that "
    "certificate alone: then a call over TLS with the certificate needs no such header.",
}
_TAGS = {
    "messages": "Outgoing documents",
    "uploads": "Files sent ahead of the message that carries them",
    "inbox": "Incoming documents",
    "numbers": "Numbers of outgoing documents that the node gives",
    "reports": "Figures of documents of a period",
    "accounts": "Requests about accounts of persons",
    "agencies": "The directory of agency codes",
    "profile": "Settings by which an agency differs from its node",
    "events": "Events, in order",
    "webhooks": "Addresses that receive events",
    "webhook-calls": "Calls that the node makes to the address of a webhook",
    "node": "The node itself",
    "pages": "Pages for people",
}
_TEXT: Json = {"type": "string"}
_COUNT: Json = {"type": "integer", "minimum": 0}
BINARY: Json = {"type": "string", "format": "binary"}
# This document itself.
_DESCRIPTION: Json = {"type": "object", "required": ["openapi", "info", "paths", "components"]}
JSON, HTML = "application/json", "text/html"
ANY_FILE = "*/*"
# Each header's description, and its schema.
_HEADERS: Mapping[str, tuple[str, Json]] = MappingProxyType(
    {
        "X-Request-Id": ("Id of this call, given or generated; report it to the operator", _TEXT),
        "Content-Language": ("Language of the texts", shapes.closed(("vi", "en"))),
        "ETag": ("Version of the answer; send it in If-Match", {"type": "string"}),
        "Link": ('The next page: `<…>; rel="next"`; absent on the last one', _TEXT),
        "Location": ("Address of the document", {"type": "string", "format": "uri-reference"}),
        "Idempotency-Replayed": (
            "`true`: this repeats the first answer under this key; otherwise absent",
            shapes.closed(("true",)),
        ),
        "X-Normalized": (
            "Text was converted into this Unicode form; otherwise absent",
            shapes.closed(("NFC",)),
        ),
        "Retry-After": ("Seconds to wait before the same call again", {"type": "integer", "minimum": 1}),
        "Content-Range": ("The range of bytes, and the total size", _TEXT),
        "Accept-Ranges": ("`bytes`: ranges may be requested", _TEXT),
        "Content-Disposition": ("Name of the file (RFC 6266)", _TEXT),
        "X-Content-SHA256": (
            "SHA-256 of the file, in hexadecimal; compare it",
            {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        ),
        "Gateway-Version": ("Version of the node, where the call had a key", _TEXT),
        "RateLimit-Limit": ("Calls that this key may make at once, if calls are limited", _COUNT),
        "RateLimit-Remaining": ("Calls that are left now", _COUNT),
        "RateLimit-Reset": ("Seconds until all calls are available again", _COUNT),
        "X-Key-Expires": (
            "End of this key, sent in its last 30 days; ask the agency's administrator for another one",
            {"type": "string", "format": "date-time"},
        ),
        "X-Certificate-Expires": (
            "End of the client certificate bound to this key, sent in its last 30 days; have a new one bound",
            {"type": "string", "format": "date-time"},
        ),
        "Deprecation": ("Time since which this call is deprecated, as `@` and a Unix time (RFC 9745)", _TEXT),
        "Sunset": ("Time of its removal (RFC 8594)", _TEXT),
        "WWW-Authenticate": ("How to authenticate: `Bearer`", _TEXT),
        "Allow": ("The methods that are supported", _TEXT),
        "Accept": ("The media types that are accepted", _TEXT),
        "Accept-Encoding": ("The content encodings that are accepted", _TEXT),
    }
)
# Headers that every call may have.
_ON_EVERY_CALL = {
    "X-Request-Id": "Returned unchanged; generated if absent",
    "traceparent": "Trace of this call (W3C Trace Context): written to the log, kept with the document that the call "
    "creates, and sent with webhooks about it; an invalid one is ignored",
    "tracestate": "State of the trace; 512 characters are passed on",
    "Accept-Language": "vi (default) or en",
}
# Headers that every answer of their kind has; others only where they apply.
_ALWAYS = frozenset({"X-Request-Id", "Content-Disposition", "WWW-Authenticate"})
# Failures of any call, and those of a call with a key.
_ANYWHERE = frozenset({400, 405, 408, 429})
_KEYED = frozenset({401, 403})
_FAILURES: Mapping[int, tuple[str, str, tuple[str, ...]]] = MappingProxyType(
    {
        400: ("BadRequest", "The request has the wrong shape", ()),
        401: ("Unauthorized", "No valid key", ("WWW-Authenticate",)),
        403: ("Forbidden", "The key may not do this", ()),
        404: ("NotFound", "Not found, or another agency's", ()),
        405: ("MethodNotAllowed", "The path does not support this method", ("Allow",)),
        408: ("TooSlow", "The request took too long to arrive; try again", ()),
        409: (
            "Conflict",
            "The current state forbids it, or the first call is still running",
            ("Retry-After",),
        ),
        410: ("Gone", "The node no longer has this cursor", ()),
        412: ("VersionDiffers", "The version is not the current one", ()),
        413: ("TooLarge", "Over a limit; see readLimits", ()),
        415: ("UnsupportedMedia", "Wrong media type", ("Accept", "Accept-Encoding")),
        416: ("NoSuchPart", "The requested range is outside the file", ("Content-Range",)),
        422: ("RuleBroken", "A rule forbids it; every reason is listed", ()),
        429: (
            "TooManyCalls",
            "This key or this address calls too often (see readLimits): wait for the seconds in Retry-After",
            ("Retry-After",),
        ),
        503: ("NotNow", "Not now; try again", ("Retry-After",)),
    }
)
# Present where a key was opened, where the node counts calls, and where the key ends soon.
_OF_KEY = (
    "Gateway-Version",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "X-Key-Expires",
    "X-Certificate-Expires",
)
# Rule tables that limit each model.
RULED: Mapping[str, tuple[Mapping[str, Rule], ...]] = {
    "MessageIn": (DRAFT,),
    "UpdateIn": (DRAFT, CHANGE),
    "ReplaceIn": (DRAFT, CHANGE),
    "RecallIn": (CHANGE,),
    "StatusIn": (STATUS,),
    "StatusOfIn": (STATUS,),
}


def document(routes: Iterable[Route], version: str, day: date, server: str = "/") -> Json:
    """Describe all routes of the node at that address, with examples as of that day."""
    table = tuple(routes)
    request_models = tuple(dict.fromkeys(route.asks for route in table if route.asks))
    answer_models = tuple(dict.fromkeys(route.answer for route in table if route.answer))
    described = _schemas(request_models, answer_models)
    events = event_types.schemas(described)
    paths: dict[str, Json] = {}
    for route in table:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, day)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Document exchange node",
            "version": version,
            "description": "Text is NFC, times are RFC 3339 with offset, human text follows Accept-Language (vi, "
            "en). "
            "Unknown request fields are refused; unknown response fields must be ignored, as must "
            "values that are not in an `x-extensible-enum`. A caller who exceeds the rates of "
            "readLimits gets 429 with Retry-After. Any call may have the headers of `components.parameters`. "
            "A call with `x-fields` also takes the parameter `fields`: those names that its answer (in a list: each "
            "row) shall have, separated by commas; nested ones as `recipients.code`. Rows become partial then: "
            "required fields may be absent, and only `id`, or else `code`, always stays.",
        },
        "servers": [{"url": server}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "security": [{"key": []}],
        "paths": paths,
        "webhooks": event_types.webhooks() if events else {},
        "components": {
            "securitySchemes": {"key": _KEY},
            "schemas": described | events | problem_schemas(),
            **components(),
        },
    }


@cache
def _schemas(request_models: tuple[type[BaseModel], ...], answer_models: tuple[type[BaseModel], ...]) -> Json:
    """Make the schemas, which is most of the work and depends on the models alone."""
    wanted_models: list[tuple[type[BaseModel], Any]] = [(model, "validation") for model in request_models]
    wanted_models += [(model, "serialization") for model in answer_models]
    _, defined = models_json_schema(wanted_models, ref_template=_REF)
    for schema in defined["$defs"].values():
        _drop_nulls(schema)
        _refer_to_problems(schema)
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
    elif scopes := sorted(route.scopes):
        operation["security"] = (
            [{"key": [scope]} for scope in scopes] if route.any_scope else [{"key": scopes}]
        )
    if fields.offers(route):
        operation["x-fields"] = fields.names_of(route)
    if (body := _request_body(route, day)) is not None:
        operation["requestBody"] = body
    return operation


def _query_parameters(route: Route) -> list[Json]:
    if route.query is None:
        return []
    schema = route.query.model_json_schema(ref_template=_REF)
    required = set(schema.get("required", ()))
    parameters = []
    for name, prop in schema.get("properties", {}).items():
        described = {key: value for key, value in prop.items() if key not in ("title", "description")}
        parameter: Json = {"name": name, "in": "query", "required": name in required, "schema": described}
        if "description" in prop:
            parameter["description"] = prop["description"]
        if described.get("type") == "array":
            parameter |= {"style": "form", "explode": False}
        parameters.append(parameter)
    return parameters


def _header_parameters(route: Route) -> list[Json]:
    text = {"type": "string"}
    once = text | {"minLength": 1, "maxLength": LONGEST_KEY, "pattern": "^[!-~]+$"}
    version = text | {"pattern": '^(\\*|"[0-9]{1,12}")$'}
    header_rows = (
        (not route.open, _header("X-Agency", False, "Agency of this call, if the key serves several")),
        (
            route.creates,
            _header("Idempotency-Key", True, "Makes a repeat harmless; at most 255 characters", once),
        ),
        (
            route.changes,
            _header("If-Match", False, "ETag of the version seen last; 412 if it has changed", version),
        ),
        (
            route.body is Body.RAW and route.tag == "uploads",
            _header("Content-Digest", False, "Digest of the body (RFC 9530): `sha-256=:…:`, in base64"),
        ),
    )
    return [header for is_used, header in header_rows if is_used]


def _header(name: str, required: bool, text: str, schema: Json = _TEXT) -> Json:
    return {"name": name, "in": "header", "required": required, "schema": schema, "description": text}


def _request_body(route: Route, day: date) -> Json | None:
    if route.body is Body.RAW:
        return {"required": True, "content": {route.takes: {"schema": BINARY}}}
    if route.body is Body.FILE:
        lead = {"type": "object", "required": ["lead"], "properties": {"lead": BINARY}}
        return {"required": True, "content": {"multipart/form-data": {"schema": lead}}}
    if route.asks is None:
        return None
    model_ref: Json = {"$ref": _REF.format(model=route.asks.__name__)}
    if route.body is Body.PARTS:
        parts = {"schema": _parts(model_ref), "encoding": {"meta": {"contentType": "application/json"}}}
        with_parts = parts | _example(route, day, within="meta")
        # A program that uploads its files first has no parts to build.
        described = {"multipart/form-data": with_parts, JSON: {"schema": model_ref}}
        return {"required": True, "content": {media: described[media] for media in MEDIA_OF_ORDERS}}
    meta = {"schema": model_ref} | _example(route, day)
    is_needed = any(field.is_required() for field in route.asks.model_fields.values())
    return {"required": is_needed, "content": {"application/json": meta}}


def _example(route: Route, day: date, within: str = "") -> Json:
    """Return the sample beside the route; for a call with files the part that is not bytes."""
    if route.sample is None:
        return {}
    sample = dict(route.sample(day))
    return {"examples": {"sample": {"value": {within: sample} if within else sample}}}


def _parts(meta: Json) -> Json:
    """Describe the meta, then the files: named by their role, or listed by name in `meta.files`."""
    many: Json = {"type": "array", "items": BINARY}
    files = {"lead": BINARY, "source": many, "appendix": many, "reference": many}
    return {"type": "object", "required": ["meta"], "properties": {"meta": meta, **files}}


def components() -> Json:
    """Describe the shared headers, failures, and the form of a failure."""
    return {
        # No operation refers to these, so that a client made of this has no arguments for them.
        "parameters": {name: _header(name, False, text) for name, text in _ON_EVERY_CALL.items()},
        "headers": {
            name: {"description": text, "schema": schema} | ({"required": True} if name in _ALWAYS else {})
            for name, (text, schema) in _HEADERS.items()
        },
        "responses": {name: _failure(text, headers) for _, (name, text, headers) in sorted(_FAILURES.items())}
        | {"Failure": _failure("Any other failure", ("Retry-After",))},
    }


def problem_schemas() -> Json:
    """Describe the form of every failure, and of those whose code has fields of its own. Codes are those of this version:
    act on known ones, on others by `status`."""
    faults = labels.tails("fault")
    fault_schema = {
        "type": "object",
        "required": ["pointer", "code", "detail", "suggest"],
        "properties": {
            "pointer": _TEXT | {"description": "Place: a JSON pointer, or `?name` of a query"},
            "code": shapes.growing((*ReasonCode, *sorted(faults))),
            "detail": _TEXT,
            "suggest": {"type": ["string", "null"]},
            "basis": {"type": ["string", "null"], "description": "Articles that the rule rests on"},
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
        "errors": {"type": "array", "items": fault_schema},
    }
    required = list(properties)
    properties["cause"] = _TEXT | {"description": "The same in English, for programmers"}
    own = {model: _own_problem(codes, own_fields) for model, codes, own_fields in OWN_FIELDS}
    for schema in own.values():
        properties |= schema["allOf"][1]["properties"] | {"code": properties["code"]}
    problem = {
        "type": "object",
        "description": "A failure (RFC 9457). `errors` lists every reason at once. What a code adds to it is required "
        "by the schema that `x-problems` names, and absent from other failures.",
        "required": required,
        "properties": properties,
        "x-problems": {code: _REF.format(model=model) for model, codes, _ in OWN_FIELDS for code in codes},
    }
    return {"Problem": problem, **own}


def _own_problem(codes: Sequence[str], own_fields: Mapping[str, Mapping[str, Any]]) -> Json:
    needs = {"required": list(own_fields), "properties": {"code": shapes.closed(codes), **own_fields}}
    return {
        "description": f"The failure {', '.join(codes)}",
        "allOf": [{"$ref": _REF.format(model="Problem")}, needs],
    }


def _drop_nulls(schema: Json) -> None:
    """Leave out defaults of null: what makes a client of this would require such a field."""
    for prop in schema.get("properties", {}).values():
        if prop.get("default", "") is None:
            del prop["default"]


def _refer_to_problems(schema: Json) -> None:
    """Refer to a schema that no model made, where a model names it."""
    for prop in schema.get("properties", {}).values():
        for choice in prop.get("anyOf", ()):
            if (name := choice.pop("x-schema", None)) is not None:
                choice["$ref"] = _REF.format(model=name)


def _responses(route: Route) -> Json:
    """Describe the possible answers of one call."""
    success = {"description": "Done", "headers": _refer(_headers_of(route)), "content": _content(route)}
    responses: Json = {str(route.status): success}
    if 416 in route.fails:  # a file: in part, or not at all where the caller has it
        part = _refer([*_headers_of(route), "Content-Range"])
        responses["206"] = {**success, "description": "The requested range", "headers": part}
        etag = _refer(["X-Request-Id", "ETag", *_OF_KEY])
        responses["304"] = {
            "description": "The file is the one that If-None-Match names",
            "headers": etag,
            "content": {},
        }
    for status in sorted({*route.failures, *_ANYWHERE, *(() if route.open else _KEYED)}):
        responses[str(status)] = _to_failure(route, status)
    responses["default"] = _to_failure(route, None)
    return responses


def _codes() -> list[str]:
    """List codes of the API, of the error tree, and of clashes that have words of their own."""
    own = map(code_of_slug, OWN_SORTS)
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
    """Tell whether the route answers a file, byte for byte."""
    return route.answer is None and route.media not in (JSON, HTML)


def _content(route: Route) -> Json:
    if route.answer is not None:
        return {route.media: {"schema": {"$ref": _REF.format(model=route.answer.__name__)}}}
    if route.media == ANY_FILE:
        # First a type that any program can take; a file has at most one of these types.
        return {media: {"schema": BINARY} for media in (ONLY_BYTES, *MEDIA_TYPES.values())}
    if is_binary(route):
        return {route.media: {"schema": BINARY}}
    return {route.media: {"schema": _TEXT if route.media == HTML else _DESCRIPTION}}


def _to_failure(route: Route, status: int | None) -> Json:
    name, text, headers = _FAILURES[status] if status else ("Failure", "Any other failure", ())
    if route.media == HTML:
        # A browser gets a page.
        return _failure(text, headers, HTML)
    return {"$ref": f"#/components/responses/{name}"}


def _failure(text: str, headers: tuple[str, ...], *more: str) -> Json:
    content: Json = {MEDIA: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    content |= {media: {"schema": _TEXT} for media in more}
    header_refs = _refer(["X-Request-Id", "Content-Language", *_OF_KEY, "Deprecation", "Sunset", *headers])
    return {"description": text, "headers": header_refs, "content": content}


def _refer(names: list[str]) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def limited(schemas: Json) -> Json:
    """Return the schemas with their limits."""
    narrowed = deepcopy(schemas)
    for model, tables in RULED.items():
        for table in tables:
            for path, rule in table.items():
                for place in places(narrowed, model, path):
                    _narrow(place, "maxLength", rule.longest)
        for name, most in MOST.items():
            for place in places(narrowed, model, name):
                _narrow(place, "maxItems", most)
    return narrowed


def places(schemas: Json, model: str, path: str) -> Iterator[Json]:
    """Yield the schemas at a path of a model, none where it is missing; `*` stands for the entries of a list."""
    level_schemas = [schemas[model]] if model in schemas else []
    for step in path.split("/"):
        children = (_schema_below(s, step) for s in level_schemas)
        level_schemas = [_bare_schema(schemas, s) for s in children if s is not None]
    yield from level_schemas


def _schema_below(schema: Json, step: str) -> Json | None:
    inner = schema.get("items") if step == "*" else schema.get("properties", {}).get(step)
    return inner if isinstance(inner, dict) else None


def _bare_schema(schemas: Json, schema: Json) -> Json:
    """Return the schema without the null beside it, behind its reference."""
    for variant in schema.get("anyOf", ()):
        if variant.get("type") != "null":
            schema = variant
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    return schemas[name] if name else schema


def _narrow(schema: Json, key: str, limit: int) -> None:
    """Set a limit; where two tables limit a type, the narrower one, which both accept."""
    current_limit = schema.get(key, limit)
    # The limit of the model alone is wider: it only bounds what is read.
    schema[key] = min(current_limit, limit)
