"""What a release promised to programs still holds, and a broken promise is found."""

from __future__ import annotations

import json
import lzma
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tests.office.support.frozen import broken, contract

RELEASES = Path(__file__).parents[3] / "samples" / "releases"
Change = Callable[[dict[str, Any]], object]


def contract_of(release: Path) -> dict[str, Any]:
    with lzma.open(release / "contract.json.xz") as packed:
        release_contract: dict[str, Any] = json.load(packed)
    return release_contract


@pytest.mark.parametrize("release", sorted(RELEASES.glob("*/contract.json.xz")), ids=lambda p: p.parent.name)
def test_every_promise_of_a_release_still_holds(release: Path) -> None:
    assert broken(contract_of(release.parent), contract()) == []


def schemas(today: dict[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = today["api"]["components"]["schemas"]
    return described


def call(today: dict[str, Any], path: str, verb: str) -> dict[str, Any]:
    operation: dict[str, Any] = today["api"]["paths"][path][verb]
    return operation


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda c: c["events"].remove("message.status"), "event message.status is gone"),
        (lambda c: c["settings"].remove("api.port"), "setting api.port is gone"),
        (lambda c: c["exit_codes"].update(NotFound=9), "exit code of NotFound: 3 became 9"),
        (lambda c: c["commands"].pop("gateway outbox list"), "command gateway outbox list is gone"),
        (
            lambda c: c["commands"]["gateway outbox list"].remove("--state"),
            "gateway outbox list: option --state is gone",
        ),
        (lambda c: c["api"]["paths"].pop("/api/v1/quarantine"), "GET /api/v1/quarantine is gone"),
        (
            lambda c: call(c, "/api/v1/messages", "get")["parameters"].append(
                {"in": "query", "name": "new", "required": True, "schema": {}}
            ),
            "GET /api/v1/messages: new became required",
        ),
        (lambda c: schemas(c)["MessageIn"]["properties"].pop("labels"), ".labels is gone"),
        (lambda c: schemas(c)["RecallIn"].update(required=["notice_no"]), ".notice_no became required"),
        (lambda c: schemas(c)["RecipientOut"]["required"].remove("code"), ".code may be absent now"),
        (lambda c: schemas(c)["RecipientOut"]["properties"].pop("marks"), ".marks is gone"),
        (
            lambda c: schemas(c)["Message"]["properties"]["version"].update(type="string"),
            ".version: string became integer",
        ),
        (lambda c: schemas(c)["Message"]["properties"]["state"]["enum"].append("lost"), "a word outside"),
        (lambda c: schemas(c)["StatusIn"]["properties"]["code"]["enum"].remove("06"), "are taken now"),
        (
            lambda c: call(c, "/api/v1/messages", "post")["requestBody"]["content"].pop("application/json"),
            "application/json is gone",
        ),
    ],
)
def test_a_broken_promise_is_found(change: Change, fault: str) -> None:
    today = json.loads(json.dumps(contract()))
    next_contract = deepcopy(today)
    change(next_contract)

    faults = broken(today, next_contract)

    assert any(fault in line for line in faults), faults


def test_what_only_adds_breaks_nothing() -> None:
    today = json.loads(json.dumps(contract()))
    next_contract = deepcopy(today)
    next_contract["events"].append("message.new")
    next_contract["commands"]["gateway new"] = []
    schemas(next_contract)["MessageIn"]["properties"]["new"] = {"type": "string"}
    schemas(next_contract)["Message"]["properties"]["new"] = {"type": "string"}
    schemas(next_contract)["Message"]["required"].append("new")
    schemas(next_contract)["StatusIn"]["properties"]["code"]["enum"].append("07")

    assert broken(today, next_contract) == []
