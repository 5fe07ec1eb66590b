"""The description is true: every route is in it, every example fits its schema. That every answer of the other tests
fits too is asked in `tests.support.contract`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator

from gateway.api.resources import ROUTES
from gateway.api.routes import Body
from tests.support.api import Door
from tests.support.contract import DOCUMENT, validator

# The parts of OpenAPI 3.1 that this description uses, as its specification requires them.
STRUCTURE: dict[str, Any] = {
    "type": "object",
    "required": ["openapi", "info", "paths", "components"],
    "additionalProperties": False,
    "properties": {
        "openapi": {"const": "3.1.0"},
        "info": {
            "type": "object",
            "required": ["title", "version"],
            "properties": {"title": {"type": "string"}, "version": {"type": "string"}},
        },
        "servers": {"type": "array", "items": {"type": "object", "required": ["url"]}},
        "tags": {"type": "array", "items": {"type": "object", "required": ["name"]}},
        "security": {"type": "array", "items": {"type": "object"}},
        "paths": {
            "type": "object",
            "propertyNames": {"pattern": "^/"},
            "additionalProperties": {
                "type": "object",
                "propertyNames": {"enum": ["get", "post", "put", "patch", "delete"]},
                "additionalProperties": {"$ref": "#/$defs/operation"},
            },
        },
        "components": {
            "type": "object",
            "properties": {
                "schemas": {"type": "object", "propertyNames": {"pattern": "^[a-zA-Z0-9._-]+$"}},
                "securitySchemes": {
                    "type": "object",
                    "additionalProperties": {
                        "required": ["type", "scheme"],
                        "properties": {"type": {"const": "http"}, "scheme": {"const": "bearer"}},
                    },
                },
            },
        },
    },
    "$defs": {
        "operation": {
            "type": "object",
            "required": ["operationId", "summary", "tags", "responses", "parameters"],
            "properties": {
                "parameters": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["name", "in", "schema"],
                        "properties": {"in": {"enum": ["query", "header", "path", "cookie"]}},
                        "if": {"properties": {"in": {"const": "path"}}},
                        "then": {"properties": {"required": {"const": True}}, "required": ["required"]},
                    },
                },
                "requestBody": {"type": "object", "required": ["content"]},
                "responses": {
                    "type": "object",
                    "minProperties": 1,
                    "propertyNames": {"pattern": "^([1-5][0-9][0-9]|default)$"},
                    "additionalProperties": {"type": "object", "required": ["description"]},
                },
            },
        }
    },
}


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, verbs in DOCUMENT["paths"].items():
        for verb, operation in verbs.items():
            yield verb.upper(), path, operation


def test_the_document_has_the_structure_of_openapi() -> None:
    assert [error.message for error in Draft202012Validator(STRUCTURE).iter_errors(DOCUMENT)] == []


async def test_the_document_is_served_as_it_is_made(door: Door) -> None:
    assert (await door.ask("GET", "/openapi.json", key=None)).json == DOCUMENT


async def test_every_route_of_the_application_is_described(door: Door) -> None:
    app = door.client.app
    assert app is not None
    routes = {(route.method, route.resource.canonical) for route in app.router.routes() if route.resource}
    pages = {("GET", "/trang-thai"), ("HEAD", "/trang-thai")}
    statics = {(verb, path) for verb, path in routes if path.startswith("/static/")}

    assert routes - pages - statics == {(verb, path) for verb, path, _ in operations()}


def test_every_operation_has_a_name_of_its_own() -> None:
    names = [operation["operationId"] for _, _, operation in operations()]

    assert len(names) == len(set(names))


def test_every_reference_leads_somewhere() -> None:
    for target in set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(DOCUMENT))):
        assert target in DOCUMENT["components"]["schemas"], target


def test_every_schema_is_a_schema() -> None:
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_every_path_variable_is_a_parameter() -> None:
    for _, path, operation in operations():
        named = {each["name"] for each in operation["parameters"] if each["in"] == "path"}

        assert named == set(re.findall(r"{(\w+)}", path)), path


def test_every_example_fits_its_schema() -> None:
    seen = 0
    for _, path, operation in operations():
        for content in operation.get("requestBody", {}).get("content", {}).values():
            for example in content.get("examples", {}).values():
                errors = [
                    error.message for error in validator(content["schema"]).iter_errors(example["value"])
                ]
                assert errors == [], path
                seen += 1

    assert seen >= 6


def test_every_sample_is_taken_by_the_model_beside_it() -> None:
    for route in ROUTES:
        if route.sample is not None:
            assert route.asks is not None
            route.asks.model_validate_json(json.dumps(route.sample), strict=True)


def test_every_call_says_who_may_make_it() -> None:
    for route in ROUTES:
        assert route.open or route.scopes or route.name in ("readMe", "readLimits", "readCodes"), route.name


def test_every_call_that_needs_a_body_describes_it() -> None:
    for route in ROUTES:
        assert (route.body in (Body.JSON, Body.PARTS)) == (route.asks is not None), route.name
        assert (route.body is Body.RAW) == bool(route.takes), route.name


def test_requests_refuse_unknown_fields_and_answers_do_not_rule_them_out() -> None:
    schemas = DOCUMENT["components"]["schemas"]

    assert schemas["MessageIn"]["additionalProperties"] is False
    assert "additionalProperties" not in schemas["Message"]


def test_the_document_does_not_change_between_two_makings() -> None:
    from gateway import __version__
    from gateway.api.openapi import document

    assert json.dumps(document(ROUTES, __version__)) == json.dumps(DOCUMENT)
