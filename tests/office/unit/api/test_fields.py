"""Every call that reads takes `fields`: the fields asked for come as always, the rest is neither written nor sought."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Select

from gateway.api import fields
from gateway.api.routes import Route
from gateway.api.shapes import NoQuery
from gateway.domain.account import ApiScope
from gateway.domain.request_fault import BadCall
from gateway.store.transaction import Transaction
from tests.office.support.api import COMMUNE, DEPARTMENT, PROVINCE, OfficeDoor, meta
from tests.office.support.doors import WITH_OFFICE
from tests.support.amounts import examples

OFFERED = [route for route in WITH_OFFICE.routes if fields.offers(route)]


async def story(door: OfficeDoor) -> tuple[str, str]:
    """Send a message that arrives; return its id, and the id of the item at the receiver."""
    sent = await door.send(meta(recipients=[{"code": PROVINCE, "role": "to_act"}]))
    assert sent.status == 202, str(sent)
    await door.carry()
    (item,) = (await door.ask("GET", "/inbox", agency=PROVINCE)).json["data"]
    return sent.json["id"], item["id"]


def test_every_call_that_reads_offers_them_and_says_which() -> None:
    reading = [r for r in WITH_OFFICE.routes if r.method == "GET" and r.answer is not None and not r.open]
    for route in WITH_OFFICE.routes:
        described = WITH_OFFICE.document["paths"][route.path][route.method.lower()]

        assert ("x-fields" in described) == (route in reading), route.name
        assert described.get("x-fields", []) == (fields.names_of(route) if route in reading else [])

    assert {"listMessages", "readMessage", "listInbox", "readInboxItem", "listAgencies", "readAgency"} <= {
        route.name for route in reading
    }
    assert len(reading) >= 20


async def test_a_list_has_these_fields_of_each_row_and_all_that_is_around_them(door: OfficeDoor) -> None:
    await story(door)
    full = (await door.ask("GET", "/messages")).json

    chosen = (
        await door.ask("GET", "/messages?fields=number,recipients.code,recipients.state,signer.name")
    ).json

    (row,) = full["data"]
    assert chosen == {
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


async def test_one_thing_has_them_too_and_its_etag_is_its_version_all_the_same(door: OfficeDoor) -> None:
    message, item = await story(door)
    for path, agency in ((f"/messages/{message}", DEPARTMENT), (f"/inbox/{item}", PROVINCE)):
        full = await door.ask("GET", path, agency=agency)
        chosen = await door.ask("GET", f"{path}?fields=number,subject", agency=agency)

        assert chosen.json == {name: full.json[name] for name in ("id", "number", "subject")}
        assert chosen.headers["ETag"] == full.headers["ETag"] == f'"{full.json["version"]}"'
    # What has no id keeps its code, and no field at all is all of them.
    agency = (await door.ask("GET", f"/agencies/{COMMUNE}")).json
    agency_name = (await door.ask("GET", f"/agencies/{COMMUNE}?fields=name")).json
    assert agency_name == {"code": COMMUNE, "name": agency["name"]}
    assert (await door.ask("GET", f"/agencies/{COMMUNE}?fields=")).json == agency


async def test_a_field_comes_under_its_name_and_as_it_always_is(door: OfficeDoor) -> None:
    message, item = await story(door)
    for call, path, agency in (
        ("readMessage", f"/messages/{message}", DEPARTMENT),
        ("readInboxItem", f"/inbox/{item}", PROVINCE),
    ):
        full = (await door.ask("GET", path, agency=agency)).json
        for name in fields.names_of(next(r for r in WITH_OFFICE.routes if r.name == call)):
            chosen = (await door.ask("GET", f"{path}?fields={name}", agency=agency)).json

            first, _, within = name.partition(".")
            assert set(chosen) == {"id", first}
            if not within:
                assert chosen[first] == full[first], name
            elif isinstance(full[first], list):
                assert chosen[first] == [{within: member[within]} for member in full[first]], name
            else:
                assert chosen[first] == (full[first] and {within: full[first][within]}), name

    signer = (await door.ask("GET", f"/messages/{message}")).json["signer"]
    for choice in ("signer,signer.name", "signer.name,signer", " signer , signer.name,,"):  # the whole wins
        chosen = (await door.ask("GET", f"/messages/{message}", params={"fields": choice})).json
        assert chosen == {"id": message, "signer": signer}


async def test_every_list_can_be_asked_for_ids_alone(door: OfficeDoor) -> None:
    await story(door)
    for path in (
        *("/messages", "/inbox", "/agencies", "/agencies?q=Z91", "/events", "/uploads", "/webhooks"),
        *("/me/calls", "/paper", "/registers/outgoing", "/agencies/changes"),
    ):
        names = fields.names_of(next(o for o in OFFERED if o.path == "/api/v1" + path.partition("?")[0]))
        id_name = next((name for name in ("id", "code") if name in names), names[0])
        members = set((await door.ask("GET", path)).json)

        chosen = (await door.ask("GET", path, params={"fields": id_name})).json

        assert set(chosen) == members, path
        assert all(set(row) <= {id_name, "code"} for row in chosen["data"]), path


async def test_pages_keep_the_fields_and_a_cursor_is_good_with_other_fields(door: OfficeDoor) -> None:
    for number in ("15", "16", "17"):
        assert (await door.send(meta(number=number), once=f"n{number}")).status == 202
        door.clock.advance(1)

    first = await door.ask("GET", "/messages?limit=1&fields=number")
    second = await door.ask("GET", first.headers["Link"].removeprefix("<").partition(">")[0])
    other = await door.ask("GET", f"/messages?limit=1&fields=subject&cursor={first.json['next_cursor']}")

    assert [set(row) for row in second.json["data"]] == [{"id", "number"}]
    assert "fields=number" in second.headers["Link"]
    assert other.json["data"][0]["id"] == second.json["data"][0]["id"]
    assert set(other.json["data"][0]) == {"id", "subject"}


async def test_an_unknown_name_is_refused_with_the_likely_name(door: OfficeDoor) -> None:
    answer = await door.ask("GET", "/messages?fields=id,nummber,recipients.cod,zzzzzz")
    alike = await door.ask("GET", "/messages?field=id")

    assert answer.status == 400
    faults = [(error["pointer"], error["code"], error["suggest"]) for error in answer.json["errors"]]
    assert faults == [
        ("?fields", "unknown-field", "number"),
        ("?fields", "unknown-field", "recipients.code"),
        ("?fields", "unknown-field", None),
    ]
    assert "nummber" in answer.json["errors"][0]["detail"]
    assert [error["suggest"] for error in alike.json["errors"]] == ["fields"]


async def test_a_call_that_acts_or_gives_bytes_has_none_and_the_inbox_is_as_closed_as_ever(
    door: OfficeDoor,
) -> None:
    message, item = await story(door)
    assert (await door.ask("GET", f"/messages/{message}/envelope?fields=id")).status == 400
    assert (await door.ask("POST", f"/inbox/{item}/ack?fields=id", agency=PROVINCE, json={})).status == 400

    key = await door.key(PROVINCE, scopes=[ApiScope.MESSAGES_READ])
    assert (await door.ask("GET", "/inbox?fields=id", key=key)).status == 403
    quarantine = await door.ask("GET", "/quarantine?fields=sha256,size", agency=PROVINCE)
    assert (quarantine.status, quarantine.json["data"]) == (200, [])
    # Rows are leased also where only some of their fields are returned.
    leased = (await door.ask("GET", "/inbox?lease=60&fields=number", agency=PROVINCE)).json["data"]
    assert [set(row) for row in leased] == [{"id", "number"}]
    assert (await door.ask("GET", "/inbox?lease=60", agency=PROVINCE)).json["data"] == []


@contextmanager
def statements() -> Iterator[list[str]]:
    """Collect the first table that each statement reads."""
    tables: list[str] = []
    execute = Transaction._execute

    async def noted(tx: Transaction, statement: Any, *more: Any, **options: Any) -> Any:
        if isinstance(statement, Select):
            tables.append(getattr(statement.columns_clause_froms[0], "name", ""))
        return await execute(tx, statement, *more, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Transaction, "_execute", noted)
        yield tables


async def test_what_is_dear_is_not_asked_where_nobody_wants_it(door: OfficeDoor) -> None:
    message, item = await story(door)
    for path, agency, cheap, table in (
        ("/messages", DEPARTMENT, "number,subject", "delivery"),
        (f"/messages/{message}", DEPARTMENT, "number,subject", "delivery"),
        (f"/messages/{message}/events", DEPARTMENT, "events", "fact"),
        (f"/messages/{message}/events", DEPARTMENT, "recipients", "event"),
        ("/inbox", PROVINCE, "number,subject", "fact"),
        (f"/inbox/{item}", PROVINCE, "number,subject", "fact"),
        ("/events", DEPARTMENT, "type,subject", "outgoing_document"),
    ):
        with statements() as dear:
            await door.ask("GET", path, agency=agency)
        with statements() as light:
            assert (await door.ask("GET", f"{path}?fields={cheap}", agency=agency)).status == 200

        assert table in dear, path
        assert table not in light, path
        assert len(light) < len(dear), path


WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@settings(max_examples=examples(200), deadline=None)
@given(route=st.sampled_from(OFFERED), data=st.data())
def test_any_choice_is_a_view_of_the_answer_or_refused(route: Route, data: st.DataObject) -> None:
    names = fields.names_of(route)
    choice = data.draw(st.lists(st.one_of(st.sampled_from(names), WORDS), max_size=6))
    model = fields.query_of(route, NoQuery)
    query = model.model_construct(fields=choice)
    wrong = [name for name in choice if name not in names]

    if wrong:
        with pytest.raises(BadCall) as refused:
            fields.chosen(route, query)
        assert [fault.params["field"] for fault in refused.value.faults] == list(dict.fromkeys(wrong))
    else:
        chosen = fields.chosen(route, query)
        assert all(chosen.wants(name.partition(".")[0]) for name in choice)
        assert (chosen.include is None) == (not choice)
