"""Programs acknowledge many documents, and report many statuses, in one call, with the outcomes of single calls."""

from __future__ import annotations

from typing import Any

from tests.support.api import DEPARTMENT, PROVINCE, Answer, Door, meta
from tests.support.statements import noted_statements

UNKNOWN = "in_01K0000000000000000000000A"


async def arrived(door: Door, count: int) -> list[str]:
    """Send documents from the department; return their ids at the province, oldest first."""
    for number in range(count):
        await door.send(meta(number=str(100 + number)), once=f"n{number}")
        door.clock.advance(1)
    await door.carry()
    page = (await door.ask("GET", "/inbox?limit=200&sort=arrived_at", agency=PROVINCE)).json["data"]
    assert len(page) == count
    return [item["id"] for item in page]


async def ask(door: Door, path: str, agency: str = PROVINCE, **body: Any) -> Answer:
    return await door.ask("POST", f"/inbox{path}", agency=agency, json=body)


def plain(problem: dict[str, Any]) -> dict[str, Any]:
    return problem | {"request_id": ""}


async def test_acknowledgements_of_many_are_those_of_each(door: Door) -> None:
    leased, first, second = await arrived(door, 3)
    other = await door.key(PROVINCE)
    await door.ask("GET", "/inbox?lease=60&limit=1", key=other)
    await ask(door, f"/{first}/ack")
    unknown, clash = [await ask(door, f"/{id}/ack") for id in (UNKNOWN, leased)]
    ids = [first, UNKNOWN, second, leased, second]

    outcomes = (await ask(door, ":ack", ids=ids)).json["data"]

    assert [outcome["id"] for outcome in outcomes] == ids
    assert [outcome["status"] for outcome in outcomes] == [200, unknown.status, 200, clash.status, 200]
    assert (unknown.status, clash.status) == (404, 409)
    assert [outcome["result"] and outcome["result"]["repeated"] for outcome in outcomes] == [
        *(True, None, False, None, True)
    ]
    assert [plain(outcomes[place]["problem"]) for place in (1, 3)] == [plain(unknown.json), plain(clash.json)]
    assert [(await door.ask("GET", f"/inbox/{id}", agency=PROVINCE)).json["handover"] for id in ids[2:4]] == [
        *("acked", "leased")
    ]


async def test_statuses_of_many_are_those_of_each(door: Door) -> None:
    first, second, third = await arrived(door, 3)
    refused: list[tuple[str, dict[str, Any], int]] = [
        (UNKNOWN, {"code": "03", "register_no": "1"}, 404),
        (second, {"code": "99"}, 400),
        (second, {"code": "02"}, 422),
        (second, {"code": "15"}, 409),
        (second, {"code": "03", "register_no": "x" * 500}, 422),
    ]
    alone = [await ask(door, f"/{id}/status", **body) for id, body, _ in refused]
    good = [
        {"id": first, "code": "03", "register_no": "7"},
        {"id": first, "code": "06", "version": 1},
        {"id": third, "code": "02", "reason": "BAD_FORM"},
        {"id": first, "code": "04"},
    ]
    items = [good[0], *({"id": id, **body} for id, body, _ in refused), *good[1:]]

    outcomes = (await ask(door, ":status", statuses=items)).json["data"]

    assert [outcome["status"] for outcome in outcomes] == [200, *(row[2] for row in refused), 412, 200, 200]
    assert [plain(outcome["problem"]) for outcome in outcomes[1:6]] == [
        plain(answer.json) for answer in alone
    ]
    assert outcomes[0]["result"]["register_no"] == "7"
    assert [outcomes[place]["result"]["item"]["state"] for place in (0, 7, 8)] == [
        "accepted",
        "rejected",
        "assigned",
    ]
    repeats = (await ask(door, ":status", statuses=[good[0], good[2]])).json["data"]
    assert [outcome["result"]["repeated"] for outcome in repeats] == [True, True]
    states = [
        (await door.ask("GET", f"/inbox/{id}", agency=PROVINCE)).json["state"] for id in (first, second)
    ]
    assert states == ["assigned", "new"]


async def test_what_does_not_fit_is_refused_as_a_whole_and_does_nothing(door: Door) -> None:
    (id,) = await arrived(door, 1)
    for path, body in (
        (":ack", {"ids": []}),
        (":ack", {"ids": [id] * 101}),
        (":ack", {"ids": [id, 5]}),
        (":status", {"statuses": []}),
        (":status", {"statuses": [{"id": id, "code": "03"}, {"code": "04"}]}),
        (":status", {"statuses": [{"id": id, "code": "03", "more": 1}]}),
    ):
        assert (await ask(door, path, **body)).status in (400, 422), path
    item = (await door.ask("GET", f"/inbox/{id}", agency=PROVINCE)).json
    assert (item["state"], item["handover"]) == ("new", "available")
    assert (await ask(door, ":ack", agency=DEPARTMENT, ids=[id])).json["data"][0]["status"] == 404


async def test_the_work_grows_with_the_items_alone(door: Door) -> None:
    ids = await arrived(door, 24)
    counts = []
    for part in (ids[:8], ids[8:]):
        with noted_statements() as statements:
            outcomes = (await ask(door, ":ack", ids=part)).json["data"]
        assert {outcome["status"] for outcome in outcomes} == {200}
        counts.append(len(statements))
    assert counts[1] <= 2 * counts[0], counts
