"""The description is true: every route is in it, every example fits its schema. `tests.support.contract` checks that the
answers of the other tests fit too."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from aiohttp.test_utils import TestClient, TestServer
from jsonschema_rs import Draft202012Validator, meta

from gateway import __version__
from gateway.api.app import build
from gateway.api.openapi import document, places
from gateway.api.problems import OWN_FIELDS, OWN_SORTS, code_of_slug
from gateway.api.routes import Body
from gateway.api.shapes import BASE
from gateway.domain.document import Kind, OutState
from gateway.domain.fields import CHANGE, DRAFT, MOST, STATUS
from gateway.domain.states import STATES
from gateway.domain.wall_clock import local
from tests.office.support.api import DEPARTMENT, PDF, PROVINCE, OfficeDoor, form
from tests.office.support.doors import WITH_OFFICE
from tests.support.clock import START

ROOT = Path(__file__).parents[4]


def needs(*required: str, **more: Any) -> dict[str, Any]:
    """Return the schema of an object with these members; `more` are further keywords."""
    return {"type": "object", "required": list(required), **more}


def each_is(schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return the schema of an object whose members all have that schema; `more` are further keywords."""
    return {"type": "object", "additionalProperties": schema, **more}


TEXT = {"type": "string"}
PARAMETER = needs(
    *("name", "in", "schema"),
    properties={"in": {"enum": ["query", "header", "path", "cookie"]}},
    **{
        "if": {"properties": {"in": {"const": "path"}}},
        "then": {"properties": {"required": {"const": True}}, "required": ["required"]},
    },
)
RESPONSE = needs(
    *("description", "headers", "content"), properties={"content": {"type": "object", "minProperties": 1}}
)
RESPONSES = each_is(
    {"anyOf": [{"required": ["$ref"]}, RESPONSE]},
    minProperties=1,
    propertyNames={"pattern": "^([1-5][0-9][0-9]|default)$"},
    # The one answer without a body.
    properties={
        "304": {"required": ["description", "headers"], "properties": {"content": {"maxProperties": 0}}}
    },
)
OPERATION = needs(
    *("operationId", "summary", "tags", "responses", "parameters"),
    properties={
        "parameters": {"type": "array", "items": PARAMETER},
        "requestBody": needs("content"),
        "responses": RESPONSES,
    },
)
SCHEMES = {
    "required": ["type", "scheme"],
    "properties": {"type": {"const": "http"}, "scheme": {"const": "bearer"}},
}
COMPONENTS = {
    "headers": each_is({"required": ["description", "schema"]}),
    "responses": each_is(RESPONSE),
    "schemas": {"type": "object", "propertyNames": {"pattern": "^[a-zA-Z0-9._-]+$"}},
    "securitySchemes": each_is(SCHEMES),
}
VERBS = {"enum": ["get", "post", "put", "patch", "delete"]}
# The parts of OpenAPI 3.1 that this description uses, as its specification requires them.
STRUCTURE = needs(
    *("openapi", "info", "paths", "components"),
    additionalProperties=False,
    properties={
        "openapi": {"const": "3.1.0"},
        "info": needs("title", "version", properties={"title": TEXT, "version": TEXT}),
        "servers": {"type": "array", "items": needs("url")},
        "tags": {"type": "array", "items": needs("name")},
        "security": {"type": "array", "items": {"type": "object"}},
        "paths": each_is(each_is(OPERATION, propertyNames=VERBS), propertyNames={"pattern": "^/"}),
        # What the other side answers is its own: headers and bodies of it are not described.
        "webhooks": each_is(each_is(needs("operationId", "requestBody", "responses"), propertyNames=VERBS)),
        "components": {"type": "object", "properties": COMPONENTS},
    },
)


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, verbs in WITH_OFFICE.document["paths"].items():
        for verb, operation in verbs.items():
            yield verb.upper(), path, operation


def test_the_document_has_the_structure_of_openapi() -> None:
    assert [
        error.message for error in Draft202012Validator(STRUCTURE).iter_errors(WITH_OFFICE.document)
    ] == []
    for sort, target in set(re.findall(r'"#/components/(\w+)/([^"]+)"', json.dumps(WITH_OFFICE.document))):
        assert target in WITH_OFFICE.document["components"][sort], target
    for schema in WITH_OFFICE.document["components"]["schemas"].values():
        meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})
    # Two models of one name would be told apart by the paths of their modules.
    assert [
        name for name in WITH_OFFICE.document["components"]["schemas"] if name.startswith("gateway_")
    ] == []
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(names) == len(set(names))
    for _, path, operation in operations():
        path_names = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "path"}
        assert path_names == set(re.findall(r"{(\w+)}", path)), path
    assert json.dumps(document(WITH_OFFICE.routes, __version__, local(START).date())) == json.dumps(
        WITH_OFFICE.document
    )


async def test_every_route_of_the_application_is_described(door: OfficeDoor) -> None:
    served = (await door.ask("GET", "/openapi.json", key=None)).json
    assert served["servers"] == [{"url": str(door.client.make_url("/")).rstrip("/")}]
    assert served | {"servers": [{"url": "/"}]} == WITH_OFFICE.document
    app = door.client.app
    assert app is not None
    routes = {(route.method, route.resource.canonical) for route in app.router.routes() if route.resource}
    pages = {("GET", "/trang-thai"), ("HEAD", "/trang-thai")}
    heads = {("HEAD", path) for verb, path, _ in operations() if verb == "GET"}
    statics = {(verb, path) for verb, path in routes if path.startswith(("/static/", "/favicon.ico"))}

    assert heads <= routes
    assert routes - pages - statics - heads == {(verb, path) for verb, path, _ in operations()}


def test_every_call_says_who_may_make_it_and_what_it_takes() -> None:
    for route in WITH_OFFICE.routes:
        for_all = route.name in ("readMe", "listCalls", "readLimits", "readCodes")
        assert route.open or route.scopes or for_all, route.name
        assert route.asks is not None or route.body is not Body.PARTS, route.name
        assert route.asks is None or route.body in (Body.JSON, Body.PARTS), route.name
        assert (route.body is Body.RAW) == bool(route.takes), route.name
        if route.sample is not None:
            assert route.asks is not None
            route.asks.model_validate_json(json.dumps(route.sample(date(2026, 11, 20))), strict=True)


def test_every_example_fits_its_schema() -> None:
    examples = 0
    for _, path, operation in operations():
        for content in operation.get("requestBody", {}).get("content", {}).values():
            for example in content.get("examples", {}).values():
                assert not list(WITH_OFFICE.validator(content["schema"]).iter_errors(example["value"])), path
                examples += 1

    assert examples >= 6


def operation(name: str) -> dict[str, Any]:
    return next(o for _, _, o in operations() if o["operationId"] == name)


def test_no_answer_is_described_so_that_anything_fits() -> None:
    judged = 0
    for _, path, operation in operations():
        for status, answer in operation["responses"].items():
            described = WITH_OFFICE.resolved(answer)["content"]
            for media in [media for media in described if media.endswith("json")]:
                judge = WITH_OFFICE.validator(described[media]["schema"])
                assert not judge.is_valid({"nonsense": 1}), (path, status)
                judged += 1

    assert judged > 500


def test_every_operation_has_a_text_and_no_request_a_default_of_null() -> None:
    assert [o["operationId"] for _, _, o in operations() if len(o.get("description", "")) < 10] == []
    schemas = WITH_OFFICE.document["components"]["schemas"]
    for name in [name for name in schemas if name.endswith("In")]:
        for field, schema in schemas[name]["properties"].items():
            assert schema.get("default", "") is not None, f"{name}.{field}"


def test_what_a_code_adds_to_a_failure_is_described_and_stands_in_the_table_of_errors() -> None:
    page = (ROOT / "docs/errors.md").read_text(encoding="utf-8")
    schemas = WITH_OFFICE.document["components"]["schemas"]
    for model, codes, own_fields in OWN_FIELDS:
        assert schemas[model]["allOf"][1]["required"] == list(own_fields)
        for code in [code for code in codes if code not in map(code_of_slug, OWN_SORTS)]:
            (row,) = [line for line in page.splitlines() if line.startswith(f"| `{code}` |")]
            assert [name for name in own_fields if f"`{name}`" not in row] == [], code


async def test_each_call_takes_the_media_that_are_described_and_no_other(door: OfficeDoor) -> None:
    bodies = {
        "application/json": b"{}",
        "multipart/form-data; boundary=a": b"--a--\r\n",
        "application/octet-stream": b"a",
        "text/plain": b"a",
    }
    for verb, path, operation in operations():
        described = operation.get("requestBody", {}).get("content", {})
        if not described:
            continue
        query = "&".join(
            f"{p['name']}=1" for p in operation["parameters"] if p["in"] == "query" and p["required"]
        )
        target = re.sub(r"{\w+}", "1", path).removeprefix(BASE)
        for media, body in bodies.items():
            answer = await door.ask(
                verb,
                f"{target}?{query}",
                once=f"{path} {media}",
                headers={"Content-Type": media},
                data=body,
            )
            if media.partition(";")[0] in described:
                assert answer.status not in (415, 500), f"{verb} {path} {media}: {answer}"
            else:  # some look first whether there is such a thing
                assert answer.status in (415, 404), f"{verb} {path} {media}: {answer}"


def test_files_are_binary_parts_or_uploads_that_json_names() -> None:
    binary = {"type": "string", "format": "binary"}
    for name in ("createMessage", "validateMessage", "updateMessage", "replaceMessage"):
        content = operation(name)["requestBody"]["content"]
        parts = content["multipart/form-data"]["schema"]["properties"]

        assert list(content) == ["application/json", "multipart/form-data"], name
        assert next(iter(parts)) == "meta"
        assert parts["lead"] == binary
        assert all(parts[role]["items"] == binary for role in ("source", "appendix", "reference"))
    read = operation("readDocument")["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert read["properties"] == {"lead": binary}


def test_a_body_of_bytes_is_described_as_bytes_and_an_upload_with_its_digest() -> None:
    binary = {"type": "string", "format": "binary"}
    raw = [
        (operation, media, described["schema"])
        for _, _, operation in operations()
        for media, described in operation.get("requestBody", {}).get("content", {}).items()
        if media not in ("application/json", "multipart/form-data")
    ]
    digests = [
        operation["operationId"]
        for operation, _, _ in raw
        if "Content-Digest" in [p["name"] for p in operation["parameters"]]
    ]

    assert [schema for _, _, schema in raw if schema != binary] == []
    assert digests == ["putUpload", "putUploadPart"]


def test_an_answer_of_bytes_is_described_as_bytes() -> None:
    for name, media in (
        ("readInboxFile", "application/octet-stream"),
        ("readInboxFile", "application/pdf"),
        ("readEnvelope", "application/xml"),
        ("readInboxEnvelope", "application/xml"),
        ("readMessageEvidence", "application/zip"),
        ("readInboxEvidence", "application/zip"),
    ):
        success = operation(name)["responses"]["200"]
        assert success["content"][media]["schema"] == {"type": "string", "format": "binary"}, name
        assert "Content-Disposition" in success["headers"], name


def test_every_call_describes_what_any_call_can_meet_and_when_to_retry() -> None:
    for _, path, operation in operations():
        answers = {status: WITH_OFFICE.resolved(answer) for status, answer in operation["responses"].items()}

        assert {"400", "405", "408", "429", "default"} <= answers.keys(), path
        assert "Retry-After" in answers["429"]["headers"], path
        assert "Allow" in answers["405"]["headers"], path
        assert all("X-Request-Id" in answer["headers"] for answer in answers.values()), path


def test_headers_that_a_client_works_with_are_described_where_they_stand() -> None:
    expected = {
        "createMessage": {"ETag", "Location", "Idempotency-Replayed", "Content-Language", "X-Normalized"},
        "recallMessage": {"Idempotency-Replayed"},
        "listMessages": {"Link"},
        "listInbox": {"Link"},
        "readMessage": {"ETag"},
        "readInboxItem": {"ETag"},
        "setStatus": {"ETag"},
        "readInboxFile": {"ETag", "X-Content-SHA256"},
    }
    for name, headers in expected.items():
        answers = operation(name)["responses"]
        success = next(answer for status, answer in answers.items() if status.startswith("2"))

        assert headers <= success["headers"].keys(), name


def test_each_text_and_list_has_the_length_that_the_writer_takes() -> None:
    schemas = WITH_OFFICE.document["components"]["schemas"]
    for table, models in (
        (DRAFT, ("MessageIn", "UpdateIn", "ReplaceIn")),
        (CHANGE, ("UpdateIn", "RecallIn")),
        (STATUS, ("StatusIn",)),
    ):
        for path, rule in table.items():
            fields = [place for model in models for place in places(schemas, model, path)]
            assert fields, path
            assert {place["maxLength"] for place in fields} == {rule.longest}, path
    for name, most in MOST.items():
        assert [place["maxItems"] for place in places(schemas, "UpdateIn", name)] == [most], name


def test_words_of_states_kinds_roles_and_codes_are_listed() -> None:
    schemas = WITH_OFFICE.document["components"]["schemas"]
    properties = schemas["Message"]["properties"]

    assert set(properties["state"]["enum"]) == {*STATES, *OutState}
    assert set(properties["kind"]["enum"]) == {*Kind} - {Kind.STATUS}
    assert "to_report" in schemas["RecipientOut"]["properties"]["role"]["enum"]
    assert {"03", "accepted"} <= set(schemas["StatusIn"]["properties"]["code"]["enum"])
    assert {"GW-404", "GW-CONFIRM"} <= set(schemas["Problem"]["properties"]["code"]["x-extensible-enum"])
    assert "date-in-future" in json.dumps(schemas["Problem"]["properties"]["errors"])
    # Requests refuse unknown fields, and answers do not rule them out.
    assert schemas["MessageIn"]["additionalProperties"] is False
    assert "additionalProperties" not in schemas["Message"]


async def test_the_example_is_taken_as_it_stands_and_its_status_too(door: OfficeDoor) -> None:
    body = operation("createMessage")["requestBody"]["content"]["multipart/form-data"]
    meta = body["examples"]["sample"]["value"]["meta"]

    files = (("lead", "1523.pdf", PDF),)
    checked = await door.ask("POST", "/messages:validate", data=form(meta, files))
    sent = await door.ask("POST", "/messages", once="sample", data=form(meta, files))
    await door.carry()
    (item,) = (await door.ask("GET", "/inbox", agency=PROVINCE)).json["data"]
    sample = operation("setStatus")["requestBody"]["content"]["application/json"]["examples"]["sample"][
        "value"
    ]
    answer = await door.ask("POST", f"/inbox/{item['id']}/status", agency=PROVINCE, json=sample)

    assert checked.json["problems"] == []
    assert sent.status == 202, str(sent)
    assert answer.status == 200, str(answer)


async def test_a_call_that_is_going_says_so_in_each_answer_and_in_the_description(door: OfficeDoor) -> None:
    old = next(r for r in WITH_OFFICE.routes if r.name == "readMe")
    going = replace(old, path=f"{BASE}/who", old_since=date(2026, 11, 22), gone_on=date(2027, 11, 22))
    assert door.deps is not None
    deps = replace(door.deps, calls=None)
    key = await door.key(DEPARTMENT)

    async with TestClient(TestServer(build(deps, lambda: [going]))) as client:
        answers = [
            await client.get(going.path, headers={"Authorization": f"Bearer {secret}"})
            for secret in (key, "gwk_none")
        ]

    assert [answer.status for answer in answers] == [200, 401]
    assert {answer.headers["Deprecation"] for answer in answers} == {"@1795305600"}
    assert {answer.headers["Sunset"] for answer in answers} == {"Mon, 22 Nov 2027 00:00:00 GMT"}
    (operation,) = document([going], "0", date(2026, 11, 22))["paths"][going.path].values()
    assert operation["deprecated"]
    assert {"Deprecation", "Sunset"} <= operation["responses"]["200"]["headers"].keys()
