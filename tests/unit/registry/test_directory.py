"""The directory answers for codes and names at a date."""

from __future__ import annotations

from datetime import date, timedelta
from typing import NamedTuple

import pytest
from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.domain.registry import AgencyFilter, CodeStanding, RowSource
from gateway.errors import StoreFailure
from gateway.registry import binding, lookup
from gateway.registry.directory import SqlDirectory
from gateway.registry.tables import AGENCY, METADATA
from gateway.registry_authoring.changes import SqlDirectoryChanges
from tests.support import pki
from tests.support.cases import Cases
from tests.support.clock import ManualClock

TODAY = date(2026, 11, 20)

AGENCIES = """code,alias,name,parent,valid_from,valid_to,successor
Z91,,UBND tỉnh Sao Mai,,,,
Z91.07,000.00.15.Z91,Sở Thử nghiệm tỉnh Sao Mai,Z91,2020-01-01,,
Z91.12,,Sở Nội vụ,Z91,,,
Z91.12.03,003.44.55.Z91,Phòng Đăng ký,Z91.12,,,
Z92,,UBND tỉnh Bình Minh,,,,
Z92.12,,Sở Nội vụ,Z92,,,
Z92.20,,Sở Cũ,Z92,,2025-02-28,Z92.21
Z92.21,,Sở Ghép,Z92,2025-03-01,2025-06-30,Z92.22
Z92.22,,Sở Ghép lần hai,Z92,2025-07-01,,
Z92.23,,Sở Sắp có,Z92,2027-01-01,,
Z92.24,,Sở Giải thể,Z92,,2024-12-31,
"""


@pytest.fixture
async def filled(directory: SqlDirectory, changes: SqlDirectoryChanges) -> SqlDirectory:
    plan = await changes.plan_import(AGENCIES.encode())
    assert plan.problems == ()
    await changes.apply(plan, "operator")
    return directory


async def test_a_code_is_found_whatever_its_letter_case_and_only_while_it_is_in_force(
    filled: SqlDirectory, cases: Cases
) -> None:
    """The last day counts; an alias is not a code."""
    for spelling in ("Z91.07", "z91.07", "  Z91.07 "):
        with cases.case(spelling):
            entry = await filled.find(spelling, TODAY)
            assert entry is not None
            assert (entry.code, entry.name) == ("Z91.07", "Sở Thử nghiệm tỉnh Sao Mai")
            assert (entry.alias, entry.parent) == ("000.00.15.Z91", "Z91")
            assert entry.source is RowSource.IMPORTED
    for code, on, is_there in (
        ("Z92.20", date(2025, 2, 28), True),
        ("Z92.20", date(2025, 3, 1), False),
        ("Z92.23", date(2026, 12, 31), False),
        ("Z92.23", date(2027, 1, 1), True),
        ("Z99", TODAY, False),
        ("000.00.15.Z91", TODAY, False),
    ):
        with cases.case((code, on)):
            assert (await filled.find(code, on) is not None) is is_there


class Resolved(NamedTuple):
    """Answer for a text: the code of its entry, how it was found, and its successor."""

    standing: CodeStanding
    code: str | None = None
    mapped_by: str | None = None
    successor: str | None = None
    nearest: str | None = None


ACTIVE, MAPPED, CLOSED = CodeStanding.ACTIVE, CodeStanding.MAPPED, CodeStanding.CLOSED
UNCERTAIN, UNKNOWN = CodeStanding.UNCERTAIN, CodeStanding.UNKNOWN
RESOLVED: dict[tuple[str, str | None, date], Resolved] = {
    ("Z91.07", None, TODAY): Resolved(ACTIVE, "Z91.07"),
    # R77: by table only, except the all-zero level-1 form; else it is only a proposal (rules 14.1).
    ("000.00.15.Z91", None, TODAY): Resolved(MAPPED, "Z91.07", "alias"),
    ("15.Z91", None, TODAY): Resolved(MAPPED, "Z91.07", "alias"),
    ("000.00.00.Z92", None, TODAY): Resolved(MAPPED, "Z92", "level 1"),
    ("003.44.55.z91", None, TODAY): Resolved(MAPPED, "Z91.12.03", "alias"),
    ("000.00.07.Z91", None, TODAY): Resolved(UNCERTAIN, nearest="Z91.07"),
    # A name is found under its parent, and decides nothing without one, but for names of level 1.
    ("ubnd tinh sao mai", None, TODAY): Resolved(MAPPED, "Z91", "name"),
    **{
        (name, parent, TODAY): Resolved(MAPPED, "Z92.12", "name")
        for parent in ("Z92", "z92", "000.00.00.Z92", "UBND tỉnh Bình Minh")
        for name in ("SỞ NỘI VỤ", "sở noi vu")
    },
    # The kind word counts with its marks: without them it may be another word.
    **{(name, "Z92", TODAY): Resolved(UNCERTAIN, nearest="Z92.12") for name in ("SO NOI VU", "Số Nội vụ")},
    ("Sở Nội vụ", None, TODAY): Resolved(UNCERTAIN),
    ("Phòng Đăng ký", None, TODAY): Resolved(UNCERTAIN, nearest="Z91.12.03"),
    ("Sở Nội vụ", "UBND tỉnh Không Có", TODAY): Resolved(UNKNOWN),
    # R83: a closed code offers the successor in force, through the whole chain.
    ("Z92.20", None, TODAY): Resolved(CLOSED, "Z92.20", successor="Z92.22"),
    ("Z92.20", None, date(2025, 4, 1)): Resolved(CLOSED, "Z92.20", successor="Z92.21"),
    ("Z92.21", None, TODAY): Resolved(CLOSED, "Z92.21", successor="Z92.22"),
    ("Z92.24", None, TODAY): Resolved(CLOSED, "Z92.24"),
    ("Z92.23", None, TODAY): Resolved(UNCERTAIN, "Z92.23"),
    # An unknown text gets the nearest offer, or none.
    **{
        (text, None, TODAY): Resolved(UNKNOWN, nearest=near)
        for text, near in (
            ("Z91.O7", "Z91.07"),
            ("Z9107", "Z91.07"),
            ("Z91.12.003", "Z91.12.03"),
            ("Z91.2.3", None),
            ("Z91.12.O03", "Z91.12.03"),
            ("Z9", None),
            ("Z91.70", "Z91.07"),
            ("Z91.07.99", None),
            ("Z91.99", None),
            ("sở thử nghiêm tinh sao mia", "Z91.07"),
            ("hoàn toàn khác", None),
            ("", None),
            ("x" * 501, None),
        )
    },
}


async def test_a_text_is_resolved_by_code_table_or_name_at_its_day(
    filled: SqlDirectory, cases: Cases
) -> None:
    for query, resolved in RESOLVED.items():
        with cases.case(query):
            answer = await filled.resolve(query[0], query[2], query[1])
            code = answer.entry.code if answer.entry else None
            answered = Resolved(answer.standing, code, answer.mapped_by, answer.successor, answer.nearest)
            assert answered == resolved
            assert answer.may_refuse or resolved.standing not in (ACTIVE, CLOSED)


async def test_a_circle_of_successors_offers_none_and_a_database_without_tables_is_a_store_failure(
    filled: SqlDirectory, writer: AsyncEngine
) -> None:
    """No import can make one, an edited table can."""
    circle = update(AGENCY).where(AGENCY.c.code == "Z92.22")
    async with writer.begin() as connection:
        await connection.execute(circle.values(successor="Z92.20", valid_to=date(2025, 8, 1)))

    answer = await filled.resolve("Z92.20", TODAY)

    assert (answer.standing, answer.successor) == (CodeStanding.CLOSED, None)

    async with writer.begin() as connection:
        await connection.run_sync(METADATA.drop_all)

    with pytest.raises(StoreFailure, match="registry's database") as caught:
        await filled.find("Z91", TODAY)
    assert caught.value.__cause__ is not None


async def test_only_imported_rows_may_refuse(directory: SqlDirectory, changes: SqlDirectoryChanges) -> None:
    """R48 (starter rows only warn): so does silence about units under one; without others all do."""
    await changes.load_starter()
    for text in ("Q77", "không ai biết"):
        assert not (await directory.resolve(text, TODAY)).may_refuse
    await changes.apply(await changes.plan_import(AGENCIES.encode()), "operator")

    refuses = {"H49": False, "000.00.00.H49": False, "H49.99": False, "000.00.98.H49": False}
    refuses |= {"Z91": True, "Z91.99": True, "Q77": True}
    assert {text: (await directory.resolve(text, TODAY)).may_refuse for text in refuses} == refuses


async def test_search_ignores_accents_case_and_wildcards(filled: SqlDirectory, cases: Cases) -> None:
    """And puts codes and beginnings first, and stops at its limit."""
    rows = [
        ("noi vu", 10, ["Z91.12", "Z92.12"]),
        ("VỤ Nội", 10, ["Z91.12", "Z92.12"]),
        ("z92.2", 10, ["Z92.20", "Z92.21", "Z92.22", "Z92.23", "Z92.24"]),
        ("000.00.15", 10, ["Z91.07"]),
        ("đăng", 10, ["Z91.12.03"]),
        *((nothing, 10, []) for nothing in ("100%", "_", "  ")),
        ("sở", 2, ["Z91.07", "Z91.12"]),
        ("sao mai", 2, ["Z91", "Z91.07"]),
    ]
    for text, limit, codes in rows:
        with cases.case(text):
            assert [entry.code for entry in await filled.search(text, limit)] == codes


async def test_children_are_the_entries_directly_below_and_come_in_pages_that_miss_and_repeat_nothing(
    filled: SqlDirectory,
) -> None:
    assert [entry.code for entry in await filled.children("z91")] == ["Z91.07", "Z91.12"]

    page = await filled.entries(limit=4)
    codes = [entry.code for entry in page.items]
    while page.next_cursor is not None:
        page = await filled.entries(limit=4, cursor=page.next_cursor)
        codes += [entry.code for entry in page.items]

    assert codes == sorted(codes)
    assert len(codes) == len(AGENCIES.splitlines()) - 1


@pytest.mark.usefixtures("filled")
async def test_changes_are_told_since_a_moment(changes: SqlDirectoryChanges, clock: ManualClock) -> None:
    clock.advance(timedelta(hours=1))
    changed_at = clock.now()
    await changes.load_starter()

    everything = await changes.list_applied()
    newer = await changes.list_applied(since=changed_at)

    assert [change.by for change in everything] == ["operator", "starter"]
    assert [(change.by, change.at) for change in newer] == [("starter", changed_at)]
    assert everything[0].summary["added"] == 11


async def test_exact_questions_use_an_index_among_120_000_rows(
    directory: SqlDirectory, writer: AsyncEngine, clock: ManualClock
) -> None:
    rows = [
        {
            "code": f"Z{n // 10000:02}.{n % 10000}",
            "alias": f"A{n}",
            "name": f"Đơn vị {n}",
            "folded": f"don vi {n}",
            "parent": f"Z{n // 10000:02}",
            "source": "imported",
            "scheme": "VN-GOV",
            "updated_at": clock.now(),
        }
        for n in range(120_000)
    ]
    async with writer.begin() as connection:
        await connection.execute(insert(AGENCY), rows)
    questions = {
        "code": lookup.code_query("Z07.1234"),
        "alias": lookup.alias_query("A71234"),
        "name": lookup.name_query("Đơn vị 71234", None),
        "name under parent": lookup.name_query("Đơn vị 71234", "Z07"),
    }

    async with writer.connect() as connection:
        for name, query in questions.items():
            compiled = query.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
            steps = await _plan(connection, str(compiled))

            assert any("SEARCH agency USING" in step or "Index" in step for step in steps), (name, steps)
            assert not any("SCAN" in step or "Seq Scan" in step for step in steps), (name, steps)

    answer = await directory.resolve("z07.1234", TODAY)
    misspelt = await directory.resolve("Z07.1234X", TODAY)
    assert answer.standing is CodeStanding.ACTIVE
    assert (misspelt.standing, misspelt.nearest) == (CodeStanding.UNKNOWN, "Z07.1234")


async def _plan(connection: AsyncConnection, query: str) -> list[str]:
    """Return the steps in which this database answers the query."""
    if connection.dialect.name == "sqlite":
        return [row.detail for row in await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}")]
    return [row[0] for row in await connection.exec_driver_sql(f"EXPLAIN {query}")]


async def test_the_list_is_narrowed(filled: SqlDirectory, cases: Cases) -> None:
    """And goes on where a page ended."""
    rows = [
        (AgencyFilter(level=3), ["Z91.12.03"]),
        (AgencyFilter(root="Z91"), ["Z91", "Z91.07", "Z91.12", "Z91.12.03"]),
        (AgencyFilter(root="Z9"), []),
        (AgencyFilter(standing="upcoming"), ["Z92.23"]),
        (AgencyFilter(standing="ended"), ["Z92.20", "Z92.21", "Z92.24"]),
        (AgencyFilter(standing="active", root="Z92"), ["Z92", "Z92.12", "Z92.22"]),
        (AgencyFilter(text="so noi", root="Z92"), ["Z92.12"]),
        (AgencyFilter(text="003.44"), ["Z91.12.03"]),
        (AgencyFilter(has_no_alias=True, level=2, root="Z91"), ["Z91.12"]),
        (AgencyFilter(changed_since=TODAY, level=1), ["Z91", "Z92"]),
        (AgencyFilter(changed_since=TODAY + timedelta(days=1)), []),
        (AgencyFilter(is_unbound=True, level=1), ["Z91", "Z92"]),
        (AgencyFilter(certificate_days=90), []),
    ]
    for agency_filter, codes in rows:
        with cases.case(agency_filter):
            assert [row.code for row in (await filled.filtered(agency_filter)).items] == codes

    agency_filter = AgencyFilter(root="Z92", standing="ended")
    first = await filled.filtered(agency_filter, 2)
    second = await filled.filtered(agency_filter, 2, first.next_cursor)
    assert [row.code for row in (*first.items, *second.items)] == ["Z92.20", "Z92.21", "Z92.24"]
    assert second.next_cursor is None


async def test_a_list_by_certificate_knows_what_ends_soon(
    filled: SqlDirectory, changes: SqlDirectoryChanges, clock: ManualClock
) -> None:
    now = clock.now()
    for code, days in (("Z91.07", 20), ("Z91.12", 45), ("Z92", 300)):
        der = pki.der(pki.root().issue(code, pki.key("p256", code)))
        await changes.bind(code, der, now, now + timedelta(days=days), "one", "two")

    async def codes_in(**conditions: object) -> list[str]:
        return [row.code for row in (await filled.filtered(AgencyFilter(**conditions))).items]  # type: ignore[arg-type]

    assert await codes_in(certificate_days=30) == ["Z91.07"]
    assert await codes_in(certificate_days=60) == ["Z91.07", "Z91.12"]
    assert await codes_in(is_unbound=True, root="Z91") == ["Z91", "Z91.12.03"]
    clock.advance(int(timedelta(days=30).total_seconds()))
    assert await codes_in(certificate_days=30) == ["Z91.12"]
    assert "Z91.07" in await codes_in(is_unbound=True)


async def test_a_row_changed_when_it_was_written_or_a_certificate_was_bound_or_withdrawn(
    filled: SqlDirectory, changes: SqlDirectoryChanges, clock: ManualClock
) -> None:
    imported_at = clock.now()
    certificate = pki.root().issue("Z91.07", pki.key("p256", "Z91.07"))
    codes = ["Z91", "Z91.07", "Z99"]

    clock.advance(timedelta(days=2))
    await changes.bind("Z91.07", pki.der(certificate), None, None, "one", "two")
    assert await filled.last_changed(codes) == {"Z91": imported_at, "Z91.07": clock.now()}

    clock.advance(timedelta(days=2))
    await changes.unbind("Z91.07", binding.fingerprint(pki.der(certificate)))
    assert await filled.last_changed(codes) == {"Z91": imported_at, "Z91.07": clock.now()}
    for days, codes_changed in ((1, ["Z91.07"]), (4, ["Z91.07"]), (5, [])):
        agency_filter = AgencyFilter(changed_since=TODAY + timedelta(days=days))
        assert [row.code for row in (await filled.filtered(agency_filter)).items] == codes_changed
