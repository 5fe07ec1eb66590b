"""The description is true: every route is in it, every example fits its schema. That every answer of the other tests
fits too is asked in `tests.support.contract`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from jsonschema_rs import Draft202012Validator, meta

from gateway.api.app import build
from gateway.api.openapi import document, places
from gateway.api.routes import BASE, Body
from gateway.domain.document import Kind, OutState
from gateway.domain.fields import CHANGE, DRAFT, MOST, STATUS, Rule
from gateway.domain.status import STATES
from gateway.domain.wall_clock import local
from tests.support.api import DEPARTMENT, PDF, PROVINCE, Door, form
from tests.support.clock import START
from tests.support.contract import ALL, DOCUMENT, resolved, validator

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
                "headers": {
                    "type": "object",
                    "additionalProperties": {"required": ["description", "schema"]},
                },
                "responses": {"type": "object", "additionalProperties": {"$ref": "#/$defs/response"}},
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
        "response": {
            "type": "object",
            "required": ["description", "headers", "content"],
            "properties": {"content": {"type": "object", "minProperties": 1}},
        },
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
                    # The one answer without a body.
                    "properties": {
                        "304": {
                            "required": ["description", "headers"],
                            "properties": {"content": {"maxProperties": 0}},
                        }
                    },
                    "additionalProperties": {"anyOf": [{"required": ["$ref"]}, {"$ref": "#/$defs/response"}]},
                },
            },
        },
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
    heads = {("HEAD", path) for verb, path, _ in operations() if verb == "GET"}
    statics = {(verb, path) for verb, path in routes if path.startswith(("/static/", "/favicon.ico"))}

    assert heads <= routes
    assert routes - pages - statics - heads == {(verb, path) for verb, path, _ in operations()}


def test_every_operation_has_a_name_of_its_own() -> None:
    names = [operation["operationId"] for _, _, operation in operations()]

    assert len(names) == len(set(names))


def test_every_reference_leads_somewhere() -> None:
    for sort, target in set(re.findall(r'"#/components/(\w+)/([^"]+)"', json.dumps(DOCUMENT))):
        assert target in DOCUMENT["components"][sort], target


def test_every_schema_is_a_schema() -> None:
    for schema in DOCUMENT["components"]["schemas"].values():
        meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})


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
    for route in ALL:
        if route.sample is not None:
            assert route.asks is not None
            route.asks.model_validate_json(json.dumps(route.sample(date(2026, 11, 20))), strict=True)


def test_every_call_says_who_may_make_it() -> None:
    for route in ALL:
        assert (
            route.open or route.scopes or route.name in ("readMe", "listCalls", "readLimits", "readCodes")
        ), route.name


def test_every_call_that_needs_a_body_describes_it() -> None:
    for route in ALL:
        assert route.asks is not None or route.body is not Body.PARTS, route.name
        assert route.asks is None or route.body in (Body.JSON, Body.PARTS), route.name
        assert (route.body is Body.RAW) == bool(route.takes), route.name


def test_requests_refuse_unknown_fields_and_answers_do_not_rule_them_out() -> None:
    schemas = DOCUMENT["components"]["schemas"]

    assert schemas["MessageIn"]["additionalProperties"] is False
    assert "additionalProperties" not in schemas["Message"]


def test_the_document_does_not_change_between_two_makings() -> None:
    from gateway import __version__
    from gateway.api.openapi import document

    assert json.dumps(document(ALL, __version__, local(START).date())) == json.dumps(DOCUMENT)


def operation(name: str) -> dict[str, Any]:
    return next(each for _, _, each in operations() if each["operationId"] == name)


def test_files_are_binary_parts_and_multipart_alone_is_described_where_files_go() -> None:
    binary = {"type": "string", "format": "binary"}
    for name in ("createMessage", "validateMessage", "updateMessage", "replaceMessage"):
        content = operation(name)["requestBody"]["content"]
        parts = content["multipart/form-data"]["schema"]["properties"]

        assert list(content) == ["multipart/form-data"], name
        assert next(iter(parts)) == "meta"
        assert parts["lead"] == binary
        assert all(parts[role]["items"] == binary for role in ("source", "appendix", "reference"))
    read = operation("readDocument")["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert read["properties"] == {"lead": binary}


@pytest.mark.parametrize(
    ("name", "media"),
    [
        ("readInboxFile", "application/octet-stream"),
        ("readInboxFile", "application/pdf"),
        ("readEnvelope", "application/xml"),
        ("readInboxEnvelope", "application/xml"),
        ("readMessageEvidence", "application/zip"),
        ("readInboxEvidence", "application/zip"),
    ],
)
def test_an_answer_of_bytes_is_described_as_bytes(name: str, media: str) -> None:
    done = operation(name)["responses"]["200"]

    assert done["content"][media]["schema"] == {"type": "string", "format": "binary"}
    assert "Content-Disposition" in done["headers"]


def test_every_call_says_what_any_call_can_meet_and_when_to_come_again() -> None:
    for _, path, each in operations():
        answers = {status: resolved(answer) for status, answer in each["responses"].items()}

        assert {"400", "405", "408", "429", "default"} <= answers.keys(), path
        assert "Retry-After" in answers["429"]["headers"], path
        assert "Allow" in answers["405"]["headers"], path
        assert all("X-Request-Id" in answer["headers"] for answer in answers.values()), path


def test_headers_that_a_client_works_with_are_described_where_they_stand() -> None:
    wanted = {
        "createMessage": {"ETag", "Location", "Idempotency-Replayed", "Content-Language", "X-Normalized"},
        "recallMessage": {"Idempotency-Replayed"},
        "listMessages": {"Link"},
        "listInbox": {"Link"},
        "readMessage": {"ETag"},
        "readInboxItem": {"ETag"},
        "setStatus": {"ETag"},
        "readInboxFile": {"ETag", "X-Content-SHA256"},
    }
    for name, headers in wanted.items():
        answers = operation(name)["responses"]
        done = next(answer for status, answer in answers.items() if status.startswith("2"))

        assert headers <= done["headers"].keys(), name


@pytest.mark.parametrize(
    ("table", "models"),
    [
        (DRAFT, ("MessageIn", "UpdateIn", "ReplaceIn")),
        (CHANGE, ("UpdateIn", "RecallIn")),
        (STATUS, ("StatusIn",)),
    ],
)
def test_each_text_has_the_length_that_the_writer_takes(
    table: dict[str, Rule], models: tuple[str, ...]
) -> None:
    schemas = DOCUMENT["components"]["schemas"]
    for path, rule in table.items():
        found = [place for model in models for place in places(schemas, model, path)]

        assert found, path
        assert {place["maxLength"] for place in found} == {rule.longest}, path


def test_each_list_has_the_number_of_entries_that_an_envelope_takes() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    for name, most in MOST.items():
        found = list(places(schemas, "UpdateIn", name))

        assert [place["maxItems"] for place in found] == [most], name


def test_words_of_states_kinds_roles_and_codes_are_listed() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    said = schemas["Message"]["properties"]

    assert set(said["state"]["enum"]) == {*STATES, *OutState}
    assert set(said["kind"]["enum"]) == {*Kind} - {Kind.STATUS}
    assert "to_report" in schemas["RecipientOut"]["properties"]["role"]["enum"]
    assert {"03", "accepted"} <= set(schemas["StatusIn"]["properties"]["code"]["enum"])
    assert {"GW-404", "GW-CONFIRM"} <= set(schemas["Problem"]["properties"]["code"]["x-extensible-enum"])
    assert "date-in-future" in json.dumps(schemas["Problem"]["properties"]["errors"])


async def test_the_limits_tell_how_often_one_may_call(door: Door) -> None:
    limits = (await door.ask("GET", "/limits")).json

    assert (limits["calls_per_second"], limits["calls_at_once"]) == (None, None)


async def test_the_example_is_taken_as_it_stands_and_its_status_too(door: Door) -> None:
    body = operation("createMessage")["requestBody"]["content"]["multipart/form-data"]
    meta = body["examples"]["sample"]["value"]["meta"]

    files = (("lead", "1523.pdf", PDF),)
    checked = await door.ask("POST", "/messages:validate", data=form(meta, files))
    sent = await door.ask("POST", "/messages", once="sample", data=form(meta, files))
    await door.carry()
    (item,) = (await door.ask("GET", "/inbox", agency=PROVINCE)).json["data"]
    said = operation("setStatus")["requestBody"]["content"]["application/json"]["examples"]["sample"]["value"]
    done = await door.ask("POST", f"/inbox/{item['id']}/status", agency=PROVINCE, json=said)

    assert checked.json["problems"] == []
    assert sent.status == 202, str(sent)
    assert done.status == 200, str(done)


async def test_a_call_that_is_going_says_so_in_each_answer_and_in_the_description(door: Door) -> None:
    old = next(each for each in ALL if each.name == "readMe")
    going = replace(old, path=f"{BASE}/who", old_since=date(2026, 11, 22), gone_on=date(2027, 11, 22))
    assert door.deps is not None
    deps = replace(door.deps, calls=None)
    key = await door.key(DEPARTMENT)

    async with TestClient(TestServer(build(deps, [going]))) as client:
        answers = [
            await client.get(going.path, headers={"Authorization": f"Bearer {each}"})
            for each in (key, "gwk_none")
        ]

    assert [each.status for each in answers] == [200, 401]
    assert {each.headers["Deprecation"] for each in answers} == {"@1795305600"}
    assert {each.headers["Sunset"] for each in answers} == {"Mon, 22 Nov 2027 00:00:00 GMT"}
    (told,) = document([going], "0", date(2026, 11, 22))["paths"][going.path].values()
    assert told["deprecated"]
    assert {"Deprecation", "Sunset"} <= told["responses"]["200"]["headers"].keys()
