"""The calls that people try by hand are those that the node describes, and it understands them."""

from __future__ import annotations

import json
import re

from tests.office.support.api import OfficeDoor
from tests.office.support.doors import WITH_OFFICE
from tests.support import api
from tests.support.cases import Cases
from tools import make_collections


def test_the_files_are_as_the_description_is_now() -> None:
    """Else: python tools/make_collections.py"""
    calls = list(make_collections.calls())
    assert make_collections.HTTP.read_text("utf-8") == make_collections.http(calls)
    assert make_collections.POSTMAN.read_text("utf-8") == make_collections.postman(calls)


def test_every_operation_is_there_once_and_no_name_is_open() -> None:
    described = [x["operationId"] for ways in WITH_OFFICE.document["paths"].values() for x in ways.values()]
    text = make_collections.HTTP.read_text("utf-8")

    assert re.findall("^# @name (.*)$", text, re.M) == described
    assert set(re.findall(r"\{\{(\w+)\}\}", text)) <= set(make_collections.VARIABLES)
    folders = json.loads(make_collections.POSTMAN.read_text("utf-8"))["item"]
    assert sorted(x["name"] for folder in folders for x in folder["item"]) == sorted(described)


def test_a_body_is_one_that_the_call_takes(cases: Cases) -> None:
    for call in make_collections.calls():
        if not call.body and "meta" not in call.parts:
            continue
        with cases.case(call.name):
            content = WITH_OFFICE.document["paths"][call.path][call.method.lower()]["requestBody"]["content"]
            schema = content["multipart/form-data" if call.parts else "application/json"]["schema"]
            part_schema = schema["properties"]["meta"] if call.parts else schema
            assert list(WITH_OFFICE.validator(part_schema).iter_errors(call.body or call.parts["meta"])) == []


async def test_what_is_only_read_is_answered(door: OfficeDoor, cases: Cases) -> None:
    key = {"Authorization": f"Bearer {await door.key(api.DEPARTMENT)}"}
    for call in make_collections.calls():
        if call.method != "GET" or "{" in call.path:
            continue
        with cases.case(call.name):
            query = {need: make_collections.VARIABLES[need] for need in call.needs}
            headers = key if "Authorization" in call.headers else {}
            answer = await door.client.get(call.path, params=query, headers=headers)
            assert answer.status == 200, await answer.text()
