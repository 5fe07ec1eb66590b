"""The register books over the API: every line once, in its order, as the file has them; and whose they are."""

from __future__ import annotations

import csv
import io
import zipfile

import pytest

from gateway.domain.account import AgencyScope, ApiScope
from gateway.domain.event import EventKind
from tests.office.support.api import COMMUNE, DEPARTMENT, OfficeDoor
from tests.office.support.printed_words import printed
from tests.unit.api.test_messages import sent


async def test_the_outgoing_book_is_read_page_by_page(door: OfficeDoor) -> None:
    ids = [(await sent(door, number))["id"] for number in ("15", "17", "18")]

    first = (await door.ask("GET", "/registers/outgoing?limit=2")).json
    second = (await door.ask("GET", f"/registers/outgoing?limit=2&cursor={first['next_cursor']}")).json

    rows = [*first["data"], *second["data"]]
    assert [row["id"] for row in rows] == ids
    assert [row["number"] for row in rows] == ["15", "17", "18"]
    assert (first["has_more"], second["has_more"], second["next_cursor"]) == (True, False, None)
    assert (first["lines"], first["year"]) == (3, 2026)
    assert [(gap["first"], gap["last"]) for gap in first["gaps"]][-1] == (16, 16)
    names = [column["name"] for column in first["columns"]]
    assert all(list(row["cells"]) == names for row in rows)
    assert all(column["title"] for column in first["columns"])


async def test_the_incoming_book_is_that_of_the_agency_and_of_the_days_asked_for(door: OfficeDoor) -> None:
    """R42 (one desk)."""
    for number in ("15", "16"):
        await sent(door, number, recipients=[{"code": COMMUNE, "role": "to_act"}])
    await door.carry()
    listed = (await door.ask("GET", "/inbox", agency=COMMUNE)).json["data"]
    for row in reversed(listed):
        await door.ask("POST", f"/inbox/{row['id']}/status", agency=COMMUNE, json={"code": "03"})

    first = (await door.ask("GET", "/registers/incoming?limit=1", agency=COMMUNE)).json
    two = (
        await door.ask("GET", f"/registers/incoming?limit=1&cursor={first['next_cursor']}", agency=COMMUNE)
    ).json
    early = (await door.ask("GET", "/registers/incoming?from=2026-01-01&to=2026-01-31", agency=COMMUNE)).json
    other = (await door.ask("GET", "/registers/incoming", agency=DEPARTMENT)).json

    assert [row["number"] for row in (*first["data"], *two["data"])] == ["1", "2"]
    assert (early["data"], early["lines"], other["data"]) == ([], 0, [])


@pytest.mark.parametrize("form", ["csv", "xlsx", "pdf"])
async def test_a_book_leaves_as_a_file_and_the_log_says_who_took_it(door: OfficeDoor, form: str) -> None:
    await sent(door)

    assert (await door.ask("HEAD", f"/registers/outgoing/file?format={form}")).status == 200  # takes nothing
    answer = await door.ask("GET", f"/registers/outgoing/file?format={form}")

    assert answer.status == 200, answer
    assert f"outgoing-2026.{form}" in answer.headers["Content-Disposition"]
    if form == "csv":
        titles, line = csv.reader(io.StringIO(answer.raw.decode("utf-8-sig")))
        book = (await door.ask("GET", "/registers/outgoing")).json
        assert titles == [column["title"] for column in book["columns"]]
        assert any("15" in cell for cell in line)
    elif form == "pdf":
        assert "SỔ ĐĂNG KÝ VĂN BẢN ĐI" in printed(answer.raw)
    else:
        assert "xl/workbook.xml" in zipfile.ZipFile(io.BytesIO(answer.raw)).namelist()
    agency = await door.node.store.accounts.hosted_by_code(DEPARTMENT)
    assert agency is not None
    async with door.node.store.read(AgencyScope(agency_id=agency.id, principal_id="reader")) as work:
        (exported,) = [e for e in await work.events.of_subject("book") if e.kind is EventKind.BOOK_EXPORTED]
    assert (exported.data["format"], exported.data["lines"]) == (form, 1)


async def test_what_cannot_be_asked_is_400(door: OfficeDoor) -> None:
    spans = ("?from=2026-11-20&to=2025-01-01", "?from=2025-01-01&to=2026-01-01", "?from=yesterday")
    for query in (*spans, "?cursor=msg_of_nobody", "?limit=0", "/file?format=doc"):
        assert (await door.ask("GET", f"/registers/outgoing{query}")).status == 400, query


async def test_each_book_needs_the_right_to_its_documents(door: OfficeDoor) -> None:
    key = await door.key(DEPARTMENT, scopes=(ApiScope.INBOX_READ,))

    assert (await door.ask("GET", "/registers/outgoing", key=key)).status == 403
    assert (await door.ask("GET", "/registers/outgoing/file", key=key)).status == 403
    assert (await door.ask("GET", "/registers/incoming", key=key)).status == 200
