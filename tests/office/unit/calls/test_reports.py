"""Reports over the API: figures of what was sent and received, of one's own agency; a wrong question is answered with the
right ones."""

from __future__ import annotations

import pytest

from gateway.store import figures
from tests.office.support.api import COMMUNE, OfficeDoor
from tests.office.support.printed_words import printed
from tests.unit.api.test_messages import sent


async def test_a_report_counts_sent_and_received_documents(door: OfficeDoor) -> None:
    """R110 (statistics of documents)."""
    for number in ("15", "16"):
        await sent(door, number, recipients=[{"code": COMMUNE, "role": "to_act"}])
    await door.carry()
    first = (await door.ask("GET", "/inbox", agency=COMMUNE)).json["data"][0]
    await door.ask("POST", f"/inbox/{first['id']}/status", agency=COMMUNE, json={"code": "03"})
    await door.carry()
    while await figures.fold_next(door.node.store):
        pass

    catalogue = (await door.ask("GET", "/reports")).json["data"]
    outgoing = (await door.ask("GET", "/reports/outgoing?by=type")).json
    partners = (await door.ask("GET", "/reports/outgoing?by=partner")).json
    incoming = (await door.ask("GET", "/reports/incoming?by=urgency", agency=COMMUNE)).json
    of_partner = (await door.ask("GET", f"/reports/outgoing?by=type&partner={COMMUNE}&from=2026-11-15")).json
    of_urgency = (await door.ask("GET", "/reports/incoming?urgency=thuong", agency=COMMUNE)).json

    assert {report["name"] for report in catalogue} >= {"incoming", "outgoing", "deadlines", "paper"}
    assert [(line["key"], line["figures"]["documents"]) for line in outgoing["data"]] == [("Công văn", 2)]
    assert outgoing["total"]["recipients"] == 2
    assert outgoing["total"]["taken"] == 1
    assert outgoing["before"]["documents"] == 0
    assert [(line["key"], line["figures"]["delivered"]) for line in partners["data"]] == [(COMMUNE, 2)]
    assert "documents" not in partners["total"]
    assert (incoming["total"]["documents"], incoming["total"]["taken"]) == (2, 1)
    assert [(line["key"], line["figures"]["recipients"]) for line in of_partner["data"]] == [("Công văn", 2)]
    assert (of_partner["since"], of_partner["until"]) == ("2026-11-01", "2026-11-30")
    assert (of_urgency["by"], of_urgency["total"]["documents"]) == ("day", 2)


async def test_a_question_that_a_report_does_not_know_is_answered_with_those_it_knows(
    door: OfficeDoor,
) -> None:
    lines = await door.ask("GET", "/reports/deadlines?by=urgency")
    missing = await door.ask("GET", "/reports/nothing")
    of_node = await door.ask("GET", "/reports/agencies")
    two = await door.ask("GET", f"/reports/incoming?partner={COMMUNE}&type=x")
    not_its = await door.ask("GET", f"/reports/incoming?by=person&partner={COMMUNE}")

    assert [(answer.status, answer.json["errors"][0]["pointer"]) for answer in (two, not_its)] == [
        (400, "?type"),
        (400, "?by"),
    ]
    assert (lines.status, missing.status, of_node.status) == (400, 404, 404)
    assert "unit" in str(lines.json)


@pytest.mark.parametrize("form", ["csv", "xlsx", "pdf"])
async def test_a_report_leaves_as_a_file(door: OfficeDoor, form: str) -> None:
    await sent(door, "15", recipients=[{"code": COMMUNE, "role": "to_act"}])
    await door.carry()
    while await figures.fold_next(door.node.store):
        pass

    name = (await door.ask("GET", f"/agencies/{COMMUNE}")).json["name"]
    empty = await door.ask("HEAD", f"/reports/outgoing/file?format={form}")
    answer = await door.ask("GET", f"/reports/outgoing/file?by=partner&format={form}")

    assert (empty.status, answer.status) == (200, 200)
    assert f"bao-cao-outgoing-2026-11-01-2026-11-20.{form}" in answer.headers["Content-Disposition"]
    if form == "csv":
        assert name in answer.raw.decode("utf-8-sig")
    elif form == "xlsx":
        assert answer.raw.startswith(b"PK")
    else:
        text = printed(answer.raw)
        for words in (
            *("CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", "BÁO CÁO", "Văn bản đi", "Trang 1/"),
            *("Từ ngày 01/11/2026 đến ngày 20/11/2026", "Cơ quan gửi, nhận", name, "NGƯỜI LẬP BIỂU"),
        ):
            assert words in text, text


async def test_the_review_of_the_year_has_types_and_reasons_on_one_sheet(door: OfficeDoor) -> None:
    """R1 (share of documents that go electronically)."""
    recipient = [{"code": COMMUNE, "role": "to_act"}]
    await sent(door, "15", recipients=recipient)
    await sent(door, "16", recipients=recipient, delivery_mode="both")
    while await figures.fold_next(door.node.store):
        pass

    year = "from=2026-01-01&to=2026-12-31&format=pdf"
    text = printed((await door.ask("GET", f"/reports/paper/file?by=type&{year}")).raw)
    by_month = printed((await door.ask("GET", f"/reports/paper/file?by=month&{year}")).raw)

    for words in ("Từ ngày 01/01/2026 đến ngày 31/12/2026", "Công văn 2 1 50,0 1 0", "Lý do gửi giấy"):
        assert words in text, text
    assert "Người gửi yêu cầu 1 0 0,0 1 0" in text, text
    assert "Lý do gửi giấy" not in by_month
