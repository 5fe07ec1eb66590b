"""Reports over the API: figures of what was sent and received, of one's own agency; a wrong question is answered with the
right ones."""

from __future__ import annotations

from gateway.store import figures
from tests.support.api import COMMUNE, Door
from tests.unit.api.test_messages import sent


async def test_a_report_counts_what_was_sent_and_what_came(door: Door) -> None:
    for number in ("15", "16"):
        await sent(door, number, recipients=[{"code": COMMUNE, "role": "to_act"}])
    await door.carry()
    first = (await door.ask("GET", "/inbox", agency=COMMUNE)).json["data"][0]
    await door.ask("POST", f"/inbox/{first['id']}/status", agency=COMMUNE, json={"code": "03"})
    await door.carry()
    while await figures.fold_next(door.node.store):
        pass

    named = (await door.ask("GET", "/reports")).json["data"]
    outgoing = (await door.ask("GET", "/reports/outgoing?by=type")).json
    partners = (await door.ask("GET", "/reports/outgoing?by=partner")).json
    incoming = (await door.ask("GET", "/reports/incoming?by=urgency", agency=COMMUNE)).json

    assert {report["name"] for report in named} >= {"incoming", "outgoing", "deadlines", "paper"}
    assert [(line["key"], line["figures"]["documents"]) for line in outgoing["data"]] == [("Công văn", 2)]
    assert outgoing["total"]["recipients"] == 2
    assert outgoing["total"]["taken"] == 1
    assert outgoing["before"]["documents"] == 0
    assert [(line["key"], line["figures"]["delivered"]) for line in partners["data"]] == [(COMMUNE, 2)]
    assert "documents" not in partners["total"]
    assert (incoming["total"]["documents"], incoming["total"]["taken"]) == (2, 1)


async def test_a_question_that_a_report_does_not_know_is_answered_with_those_it_knows(door: Door) -> None:
    lines = await door.ask("GET", "/reports/deadlines?by=urgency")
    missing = await door.ask("GET", "/reports/nothing")
    of_node = await door.ask("GET", "/reports/agencies")

    assert (lines.status, missing.status, of_node.status) == (400, 404, 404)
    assert "unit" in str(lines.json)
