"""Describes the API in OpenAPI 3.1, from the same table that registers its routes and the same models that check its
requests. In: routes and a version. Out: the document, as JSON values. Nothing is written by hand twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from gateway.api.call import LONGEST_KEY
from gateway.api.problems import MEDIA
from gateway.api.routes import Body, Route
from gateway.domain.account import ApiScope

# Any, here and below: an OpenAPI document is JSON.
Json = dict[str, Any]

_REF = "#/components/schemas/{model}"
_FILE: Json = {
    "schema": {
        "type": "object",
        "required": ["lead"],
        "properties": {"lead": {"type": "string", "contentMediaType": "application/octet-stream"}},
    }
}
_PROBLEM: Json = {
    "type": "object",
    "description": "A failure (RFC 9457). `errors` lists every reason at once.",
    "required": [
        "type",
        "title",
        "status",
        "detail",
        "instance",
        "code",
        "request_id",
        "retryable",
        "errors",
    ],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "code": {"type": "string"},
        "request_id": {"type": "string"},
        "retryable": {"type": "boolean", "description": "The same call may succeed later"},
        "cause": {"type": "string", "description": "The same in English, for programmers"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "code", "detail", "suggest"],
                "properties": {
                    "pointer": {"type": "string"},
                    "code": {"type": "string"},
                    "detail": {"type": "string"},
                    "suggest": {"type": ["string", "null"]},
                },
            },
        },
    },
}
_TAGS = {
    "messages": "Outgoing documents",
    "inbox": "Incoming documents",
    "agencies": "The directory of agency codes",
    "events": "What happened, in order",
    "node": "The node itself",
    "pages": "Pages for people",
}


def document(routes: Iterable[Route], version: str) -> Json:
    """The whole description."""
    table = tuple(routes)
    asked = tuple(dict.fromkeys(route.asks for route in table if route.asks))
    told = tuple(dict.fromkeys(route.answer for route in table if route.answer))
    paths: dict[str, Json] = {}
    for route in table:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Document exchange node",
            "version": version,
            "description": "Text is NFC, times are RFC 3339 with offset, human text follows Accept-Language (vi, en). "
            "Unknown request fields are refused; unknown response fields must be ignored.",
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": _scopes_text()}},
            "schemas": _schemas(asked, told) | {"Problem": _PROBLEM},
        },
    }


def _scopes_text() -> str:
    return "An API key (`gwk_…`). Scopes: " + ", ".join(ApiScope) + "."


@cache
def _schemas(asked: tuple[type[BaseModel], ...], told: tuple[type[BaseModel], ...]) -> Json:
    """Most of the work of the whole description, and the same as long as the models are."""
    wanted: list[tuple[type[BaseModel], Any]] = [(model, "validation") for model in asked]
    wanted += [(model, "serialization") for model in told]
    _, defined = models_json_schema(wanted, ref_template=_REF)
    schemas: Json = defined["$defs"]
    return schemas


def _operation(route: Route) -> Json:
    operation: Json = {
        "operationId": route.name,
        "tags": [route.tag],
        "summary": route.summary,
        "parameters": [*_path_parameters(route), *_query_parameters(route), *_header_parameters(route)],
        "responses": _responses(route),
    }
    if route.text:
        operation["description"] = route.text
    if route.open:
        operation["security"] = []
    elif route.scopes:
        operation["security"] = (
            [{"key": [scope]} for scope in route.scopes] if route.any_scope else [{"key": list(route.scopes)}]
        )
    if (body := _body(route)) is not None:
        operation["requestBody"] = body
    return operation


def _path_parameters(route: Route) -> list[Json]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in route.path_names
    ]


def _query_parameters(route: Route) -> list[Json]:
    if route.query is None:
        return []
    schema = route.query.model_json_schema(ref_template=_REF)
    required = set(schema.get("required", ()))
    parameters = []
    for name, each in schema.get("properties", {}).items():
        described = {key: value for key, value in each.items() if key not in ("title", "description")}
        parameter: Json = {"name": name, "in": "query", "required": name in required, "schema": described}
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
        ("Accept-Language", False, "vi (default) or en", True, text),
    ]
    return [
        {
            "name": name,
            "in": "header",
            "required": required,
            "schema": schema,
            "description": told,
        }
        for name, required, told, used, schema in known
        if used
    ]


def _body(route: Route) -> Json | None:
    if route.body is Body.RAW:
        return {"required": True, "content": {route.takes: {"schema": {"type": "string"}}}}
    if route.body is Body.FILE:
        return {"required": True, "content": {"multipart/form-data": _FILE}}
    if route.asks is None or route.body is Body.NONE:
        return None
    meta: Json = {"schema": {"$ref": _REF.format(model=route.asks.__name__)}}
    if route.sample is not None:
        # What comes as JSON comes without files, so it may not list any.
        said = {name: value for name, value in route.sample.items() if name != "files"}
        meta["examples"] = {"sample": {"value": said}}
    if route.body is Body.JSON:
        return {"required": _needs_body(route.asks), "content": {"application/json": meta}}
    return {
        "required": True,
        "content": {"multipart/form-data": _parts(route, meta), "application/json": meta},
    }


def _needs_body(model: type[BaseModel]) -> bool:
    return any(field.is_required() for field in model.model_fields.values())


def _parts(route: Route, meta: Mapping[str, Any]) -> Json:
    """Meta first, then the files: named by their role, or listed by name in `meta.files`."""
    file: Json = {"type": "string", "contentMediaType": "application/octet-stream"}
    schema: Json = {
        "type": "object",
        "required": ["meta"],
        "properties": {
            "meta": meta["schema"],
            "lead": file,
            "source": {"type": "array", "items": file},
            "appendix": {"type": "array", "items": file},
            "reference": {"type": "array", "items": file},
        },
    }
    return {"schema": schema, "encoding": {"meta": {"contentType": "application/json"}}}


def _responses(route: Route) -> Json:
    content: Json = {route.media: {}}
    if route.answer is not None:
        content = {route.media: {"schema": {"$ref": _REF.format(model=route.answer.__name__)}}}
    elif route.media != "application/json":
        content = {route.media: {"schema": {"type": "string"}}}
    answers: Json = {str(route.status): {"description": "Done", "content": content}}
    fails = set(route.fails) | (set() if route.open else {401, 403})
    problem: Json = {MEDIA: {"schema": {"$ref": _REF.format(model="Problem")}}}
    if route.media == "text/html":
        # A browser is told in a page.
        problem[route.media] = {"schema": {"type": "string"}}
    for status in sorted(fails):
        answers[str(status)] = {"description": _WHY.get(status, "Failed"), "content": problem}
    answers["default"] = {"description": "Any other failure", "content": problem}
    return answers


_WHY = {
    400: "The request has the wrong shape",
    401: "No valid key",
    403: "The key may not do this",
    404: "Not found, or another agency's",
    409: "The present state forbids it, or the first call is still running",
    412: "The version is not the present one",
    413: "Over a limit",
    415: "Wrong media type",
    422: "A rule forbids it; every reason is listed",
    503: "Not now; try again",
}
