"""`fields` of every call that reads: what was asked for comes as it always does, the rest is neither written nor sought."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Select

from gateway.api import fields
from gateway.api.problems import BadCall
from gateway.api.routes import Route
from gateway.api.shapes import NoQuery
from gateway.domain.account import ApiScope
from gateway.store.transaction import Transaction
from tests.support.api import COMMUNE, DEPARTMENT, PROVINCE, Door, meta
from tests.support.contract import ALL, DOCUMENT

OFFERED = [each for each in ALL if fields.offers(each)]
MANY = [
    "/messages",
    "/inbox",
    "/agencies",
    "/agencies?q=Z91",
    "/events",
    "/uploads",
    "/webhooks",
    "/me/calls",
    "/paper",
    "/registers/outgoing",
    "/agencies/changes",
]


async def story(door: Door) -> tuple[str, str]:
    """A message that arrived, and the item that it is there."""
    sent = await door.send(meta(recipients=[{"code": PROVINCE, "role": "to_act"}]))
    assert sent.status == 202, str(sent)
    await door.carry()
    (item,) = (await door.ask("GET", "/inbox", agency=PROVINCE)).json["data"]
    return sent.json["id"], item["id"]


def test_every_call_that_reads_offers_them_and_says_which() -> None:
    reading = [r for r in ALL if r.method == "GET" and r.answer is not None and not r.open]
    for route in ALL:
        described = DOCUMENT["paths"][route.path][route.method.lower()]["parameters"]
        told = [each for each in described if each["name"] == "fields" and each["in"] == "query"]

        assert bool(told) == (route in reading), route.name
        if told:
            assert told[0]["schema"]["items"]["enum"] == fields.names_of(route)
            assert told[0]["explode"] is False

    assert {"listMessages", "readMessage", "listInbox", "readInboxItem", "listAgencies", "readAgency"} <= {
        each.name for each in reading
    }
    assert len(reading) >= 20


async def test_a_list_has_these_fields_of_each_row_and_all_that_is_around_them(door: Door) -> None:
    await story(door)
    whole = (await door.ask("GET", "/messages")).json

    told = (
        await door.ask("GET", "/messages?fields=number,recipients.code,recipients.state,signer.name")
    ).json

    (row,) = whole["data"]
    assert told == {
        "data": [
            {
                "id": row["id"],
                "number": row["number"],
                "signer": {"name": "Nguyễn Văn Mẫu"},
                "recipients": [{"code": PROVINCE, "state": row["recipients"][0]["state"]}],
            }
        ],
        "next_cursor": None,
        "has_more": False,
    }


async def test_one_thing_has_them_too_and_its_etag_is_its_version_all_the_same(door: Door) -> None:
    message, item = await story(door)
    for path, agency in ((f"/messages/{message}", DEPARTMENT), (f"/inbox/{item}", PROVINCE)):
        whole = await door.ask("GET", path, agency=agency)
        told = await door.ask("GET", f"{path}?fields=number,subject", agency=agency)

        assert told.json == {name: whole.json[name] for name in ("id", "number", "subject")}
        assert told.headers["ETag"] == whole.headers["ETag"] == f'"{whole.json["version"]}"'


async def test_a_field_comes_under_its_name_and_as_it_always_is(door: Door) -> None:
    message, item = await story(door)
    for call, path, agency in (
        ("readMessage", f"/messages/{message}", DEPARTMENT),
        ("readInboxItem", f"/inbox/{item}", PROVINCE),
    ):
        await compare(door, call, path, agency)


async def compare(door: Door, call: str, path: str, agency: str) -> None:
    whole = (await door.ask("GET", path, agency=agency)).json
    for name in fields.names_of(next(each for each in ALL if each.name == call)):
        told = (await door.ask("GET", f"{path}?fields={name}", agency=agency)).json

        first, _, within = name.partition(".")
        assert set(told) == {"id", first}
        if not within:
            assert told[first] == whole[first], name
        elif isinstance(whole[first], list):
            assert told[first] == [{within: each[within]} for each in whole[first]], name
        else:
            assert told[first] == (whole[first] and {within: whole[first][within]}), name


async def test_the_whole_of_a_field_wins_over_a_part_of_it(door: Door) -> None:
    message, _ = await story(door)
    whole = (await door.ask("GET", f"/messages/{message}")).json
    for asked in ("signer,signer.name", "signer.name,signer", " signer , signer.name,,"):
        told = (await door.ask("GET", f"/messages/{message}", params={"fields": asked})).json
        assert told == {"id": message, "signer": whole["signer"]}


async def test_what_has_no_id_keeps_its_code_and_no_field_at_all_is_all_of_them(door: Door) -> None:
    whole = (await door.ask("GET", f"/agencies/{COMMUNE}")).json

    assert (await door.ask("GET", f"/agencies/{COMMUNE}?fields=name")).json == {
        "code": COMMUNE,
        "name": whole["name"],
    }
    assert (await door.ask("GET", f"/agencies/{COMMUNE}?fields=")).json == whole


@pytest.mark.parametrize("path", MANY)
async def test_every_list_can_be_asked_for_ids_alone(door: Door, path: str) -> None:
    await story(door)
    name = next(each.name for each in OFFERED if each.path == "/api/v1" + path.partition("?")[0])
    route = next(each for each in OFFERED if each.name == name)
    known = "id" if "id" in fields.names_of(route) else "code"
    known = known if known in fields.names_of(route) else fields.names_of(route)[0]
    around = set((await door.ask("GET", path)).json)

    told = (await door.ask("GET", path, params={"fields": known})).json

    assert set(told) == around
    assert all(set(each) <= {known, "code"} for each in told["data"])


async def test_pages_keep_the_fields_and_a_cursor_is_good_with_others(door: Door) -> None:
    for number in ("15", "16", "17"):
        assert (await door.send(meta(number=number), once=f"n{number}")).status == 202
        door.clock.advance(1)

    first = await door.ask("GET", "/messages?limit=1&fields=number")
    second = await door.ask("GET", first.headers["Link"].removeprefix("<").partition(">")[0])
    other = await door.ask("GET", f"/messages?limit=1&fields=subject&cursor={first.json['next_cursor']}")

    assert [set(each) for each in second.json["data"]] == [{"id", "number"}]
    assert "fields=number" in second.headers["Link"]
    assert other.json["data"][0]["id"] == second.json["data"][0]["id"]
    assert set(other.json["data"][0]) == {"id", "subject"}


async def test_an_unknown_name_is_refused_with_the_one_that_was_meant(door: Door) -> None:
    answer = await door.ask("GET", "/messages?fields=id,nummber,recipients.cod,zzzzzz")

    assert answer.status == 400
    found = [(each["pointer"], each["code"], each["suggest"]) for each in answer.json["errors"]]
    assert found == [
        ("?fields", "unknown-field", "number"),
        ("?fields", "unknown-field", "recipients.code"),
        ("?fields", "unknown-field", None),
    ]
    assert "nummber" in answer.json["errors"][0]["detail"]


async def test_the_parameter_itself_is_what_is_meant_by_its_like(door: Door) -> None:
    answer = await door.ask("GET", "/messages?field=id")

    assert [each["suggest"] for each in answer.json["errors"]] == ["fields"]


async def test_a_call_that_acts_or_gives_bytes_has_none(door: Door) -> None:
    message, item = await story(door)

    assert (await door.ask("GET", f"/messages/{message}/envelope?fields=id")).status == 400
    assert (await door.ask("POST", f"/inbox/{item}/ack?fields=id", agency=PROVINCE, json={})).status == 400


async def test_a_packet_that_is_set_aside_has_the_names_of_both_sorts_of_row(door: Door) -> None:
    asked = await door.ask("GET", "/inbox?quarantine=true&fields=sha256,size", agency=PROVINCE)

    assert (asked.status, asked.json["data"]) == (200, [])


async def test_leased_rows_are_leased_whatever_is_told_of_them(door: Door) -> None:
    await story(door)
    told = (await door.ask("GET", "/inbox?lease=60&fields=number", agency=PROVINCE)).json["data"]

    assert [set(each) for each in told] == [{"id", "number"}]
    assert (await door.ask("GET", "/inbox?lease=60", agency=PROVINCE)).json["data"] == []


@contextmanager
def statements() -> Iterator[list[str]]:
    """Of each statement the first table that it reads."""
    told: list[str] = []
    execute = Transaction._execute

    async def noted(tx: Transaction, statement: Any, *more: Any, **named: Any) -> Any:
        if isinstance(statement, Select):
            told.append(getattr(statement.column_descriptions[0]["entity"], "__tablename__", ""))
        return await execute(tx, statement, *more, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Transaction, "_execute", noted)
        yield told


@pytest.mark.parametrize(
    ("path", "agency", "cheap", "table"),
    [
        ("/messages", DEPARTMENT, "number,subject", "delivery"),
        ("/messages/{message}", DEPARTMENT, "number,subject", "delivery"),
        ("/messages/{message}/events", DEPARTMENT, "events", "fact"),
        ("/messages/{message}/events", DEPARTMENT, "recipients", "event"),
        ("/inbox", PROVINCE, "number,subject", "fact"),
        ("/inbox/{item}", PROVINCE, "number,subject", "fact"),
        ("/events", DEPARTMENT, "type,subject", "outgoing_document"),
    ],
)
async def test_what_is_dear_is_not_asked_where_nobody_wants_it(
    door: Door, path: str, agency: str, cheap: str, table: str
) -> None:
    message, item = await story(door)
    target = path.format(message=message, item=item)

    with statements() as dear:
        await door.ask("GET", target, agency=agency)
    with statements() as light:
        assert (await door.ask("GET", f"{target}?fields={cheap}", agency=agency)).status == 200

    assert table in dear
    assert table not in light
    assert len(light) < len(dear)


async def test_a_key_reads_no_more_by_choosing(door: Door) -> None:
    key = await door.key(PROVINCE, scopes=[ApiScope.MESSAGES_READ])

    assert (await door.ask("GET", "/inbox?fields=id", key=key)).status == 403


WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@settings(max_examples=200, deadline=None)
@given(route=st.sampled_from(OFFERED), data=st.data())
def test_any_choice_is_a_view_of_the_answer_or_refused(route: Route, data: st.DataObject) -> None:
    known = fields.names_of(route)
    asked = data.draw(st.lists(st.one_of(st.sampled_from(known), WORDS), max_size=6))
    model = fields.query_of(route, NoQuery)
    query = model.model_construct(fields=asked)
    wrong = [each for each in asked if each not in known]

    if wrong:
        with pytest.raises(BadCall) as refused:
            fields.chosen(route, query)
        assert [each.params["field"] for each in refused.value.faults] == list(dict.fromkeys(wrong))
    else:
        chosen = fields.chosen(route, query)
        assert all(chosen.wants(each.partition(".")[0]) for each in asked)
        assert (chosen.include is None) == (not asked)
