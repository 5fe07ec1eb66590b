"""Describes the API in OpenAPI 3.1, from the same table that registers its routes and the same models that check its
requests. In: routes and a version. Out: the document, as JSON values. Nothing is written by hand twice."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from gateway.api import openapi_answers
from gateway.api.call import LONGEST_KEY
from gateway.api.openapi_answers import BINARY
from gateway.api.openapi_limits import limited
from gateway.api.routes import Body, Route
from gateway.domain.account import KEY_PREFIX, ApiScope

# Any, here and below: an OpenAPI document is JSON.
Json = dict[str, Any]

_REF = "#/components/schemas/{model}"
_KEY: Json = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": f"{KEY_PREFIX}…",
    "description": f"An API key, as `Authorization: Bearer {KEY_PREFIX}…`. Scopes: "
    + ", ".join(ApiScope)
    + ".",
}
_TAGS = {
    "messages": "Outgoing documents",
    "inbox": "Incoming documents",
    "agencies": "The directory of agency codes",
    "events": "What happened, in order",
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
            "schemas": _schemas(asked, told) | {"Problem": openapi_answers.problem()},
            **openapi_answers.components(),
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
    operation: Json = {
        "operationId": route.name,
        "tags": [route.tag],
        "summary": route.summary,
        "parameters": [*_path_parameters(route), *_query_parameters(route), *_header_parameters(route)],
        "responses": openapi_answers.responses(route, _answer(route)),
    }
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


def _answer(route: Route) -> Json | None:
    return None if route.answer is None else {"$ref": _REF.format(model=route.answer.__name__)}


def _body(route: Route, day: date) -> Json | None:
    if route.body is Body.RAW:
        return {"required": True, "content": {route.takes: {"schema": {"type": "string"}}}}
    if route.body is Body.FILE:
        lead = {"type": "object", "required": ["lead"], "properties": {"lead": BINARY}}
        return {"required": True, "content": {"multipart/form-data": {"schema": lead}}}
    if route.asks is None or route.body is Body.NONE:
        return None
    said: Json = {"$ref": _REF.format(model=route.asks.__name__)}
    if route.body is Body.PARTS:
        parts = {"schema": _parts(said), "encoding": {"meta": {"contentType": "application/json"}}}
        return {
            "required": True,
            "content": {"multipart/form-data": parts | _example(route, day, within="meta")},
        }
    meta = {"schema": said} | _example(route, day)
    return {"required": _needs_body(route.asks), "content": {"application/json": meta}}


def _example(route: Route, day: date, within: str = "") -> Json:
    """The sample beside the route; of a call with files the part that is not bytes."""
    if route.sample is None:
        return {}
    said = dict(route.sample(day))
    return {"examples": {"sample": {"value": {within: said} if within else said}}}


def _needs_body(model: type[BaseModel]) -> bool:
    return any(field.is_required() for field in model.model_fields.values())


def _parts(meta: Json) -> Json:
    """Meta first, then the files: named by their role, or listed by name in `meta.files`."""
    many: Json = {"type": "array", "items": BINARY}
    files = {"lead": BINARY, "source": many, "appendix": many, "reference": many}
    return {"type": "object", "required": ["meta"], "properties": {"meta": meta, **files}}
