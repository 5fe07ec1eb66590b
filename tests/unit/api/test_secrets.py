"""Secrets at the API (R2, R3): what is declared is refused before a byte of it touches the disk; a stamp on the first page
asks, and is answered with one word that is remembered."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.api import PDF, Door, form, meta
from tests.support.stamped import stamped

DECLARED: dict[str, dict[str, Any]] = {
    "secrecy-declared": {"secrecy": "mat"},
    "forbidden-category": {"category": "denunciation"},
}
MARKER = b"%PDF-1.4 " + b"words of a secret " * 40_000


def disk(door: Door) -> set[tuple[str, int]]:
    """Every file and folder of the node's content, with when it was last written: making and removing a file shows."""
    root = door.node.settings.node.data_dir / "content"
    return {(str(path), path.stat().st_mtime_ns) for path in (root, *root.rglob("*")) if path.exists()}


@pytest.mark.parametrize("door_name", ["parts", "json", "validate", "update", "replace", "draft"])
async def test_what_is_declared_is_refused_before_anything_touches_the_disk_r2_r3(
    door: Door, door_name: str
) -> None:
    path = "/messages:validate" if door_name == "validate" else "/messages"
    if door_name in ("update", "replace"):
        path = f"/messages/{(await door.send(once='parent')).json['id']}/{door_name}"
    listed = (await door.ask("GET", "/messages")).json
    disk_before, files = disk(door), (("lead", "15.pdf", MARKER),)
    for code, fields in DECLARED.items():
        draft = meta(**fields, **({"send": False} if door_name == "draft" else {}))
        more: dict[str, Any] = {"json": draft} if door_name == "json" else {"data": form(draft, files)}

        answer = await door.ask("POST", path, once=code, **more)

        assert answer.status == 422
        assert [error["code"] for error in answer.json["errors"]] == [code]
    assert disk(door) == disk_before
    assert (await door.ask("GET", "/messages")).json == listed
    data = door.node.settings.node.data_dir
    assert not [
        path for path in data.rglob("*") if path.is_file() and b"words of a secret" in path.read_bytes()
    ]


async def test_a_stamp_asks_and_goes_on_once_confirmed_and_that_is_remembered_r2(door: Door) -> None:
    files = (("lead", "15.pdf", stamped("SO CONG", "MẬT")),)

    first = await door.ask("POST", "/messages", once="a", data=form(meta(), files))
    wrong = await door.ask("POST", "/messages", once="b", data=form(meta(confirm=["something"]), files))
    sent = await door.ask(
        "POST", "/messages", once="c", data=form(meta(confirm=first.json["confirm"]), files)
    )

    assert (first.status, first.json["code"], first.json["confirm"]) == (422, "GW-CONFIRM", ["secrecy-stamp"])
    assert wrong.status == 422
    assert sent.status == 202
    assert "secrecy-stamp" in {warning["type"] for warning in sent.json["warnings"]}
    events = (await door.ask("GET", f"/messages/{sent.json['id']}/events")).json["events"]
    (confirmed,) = [event["data"] for event in events if event["type"] == "message.confirmed"]
    assert confirmed["confirmed"] == [
        {"code": "secrecy-stamp", "at": "/files/0", "name": "15.pdf", "word": "MẬT"}
    ]


async def test_a_draft_may_bear_a_stamp_and_asks_when_it_is_sent_r2(door: Door) -> None:
    files = (("lead", "15.pdf", stamped("TỐI MẬT")),)
    draft = (await door.ask("POST", "/messages", once="a", data=form(meta(send=False), files))).json["id"]

    unconfirmed = await door.ask("POST", f"/messages/{draft}/send", json={})
    sent = await door.ask("POST", f"/messages/{draft}/send", json={"confirm": ["secrecy-stamp"]})

    assert (unconfirmed.status, unconfirmed.json["confirm"]) == (422, ["secrecy-stamp"])
    assert sent.status == 200
    events = (await door.ask("GET", f"/messages/{draft}/events")).json["events"]
    assert "message.confirmed" in {event["type"] for event in events}


async def test_a_stamp_beside_another_broken_rule_is_told_with_it_and_cannot_be_confirmed_away(
    door: Door,
) -> None:
    files = (("lead", "15.pdf", stamped("MẬT")),)

    answer = await door.ask("POST", "/messages", once="a", data=form(meta(subject=None), files))

    assert answer.json["code"] == "GW-R-000"
    assert {error["code"] for error in answer.json["errors"]} == {"missing", "secrecy-stamp"}


async def test_the_word_in_ordinary_text_or_an_appendix_asks_nothing_r2(door: Door) -> None:
    appendix = ("appendix", "phu luc.pdf", stamped("MẬT"))
    for number, files in {
        "15": [("lead", "15.pdf", stamped("BÍ MẬT NHA"))],
        "16": [("lead", "15.pdf", stamped("MAT"))],
        "17": [("lead", "15.pdf", PDF), appendix],
    }.items():
        assert (await door.send(meta(number=number), once=number, files=files)).status == 202, number
