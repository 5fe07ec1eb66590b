"""Importing a registry file: every problem at once, a preview that writes nothing, and applying exactly that."""

from __future__ import annotations

import hashlib
from contextlib import closing
from dataclasses import replace
from datetime import date, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.domain.identity import Digest
from gateway.domain.registry import AgencyEntry, AgencyFilter, CodeStanding
from gateway.domain.registry_change import AgencyRecord
from gateway.domain.wall_clock import VIETNAM
from gateway.errors import Clash
from gateway.pool import ThreadPool
from gateway.registry_authoring import csv_file
from gateway.registry_authoring.changes import SqlDirectoryChanges
from gateway.registry_authoring.planning import Base, on_circles, plan
from gateway.store.memory import Memory
from tests.support import pki
from tests.support.cases import Cases
from tests.support.clock import ManualClock
from tests.unit.registry.conftest import Registry

EMPTY = Base(records={}, digest=Digest("0" * 64))
DIGEST = Digest("1" * 64)


def problems_of(text: str, base: Base = EMPTY) -> list[tuple[int, str, str]]:
    planned = plan(base, csv_file.read(text.encode()), DIGEST)
    assert planned.rows == () or not planned.problems
    return [(problem.line, problem.column, problem.found) for problem in planned.problems]


def test_every_bad_row_is_reported_at_once() -> None:
    text = """code;alias;name;parent;valid_from;valid_to;successor
Z91;;UBND tỉnh Sao Mai;;;;
z91.01;;Sở chữ thường;;;;
Z91.02;;;;;;
Z91.03;;Sở ngày sai;;2025-02-30;;
Z91.04;;Sở ngày ngược;;2025-03-01;2025-02-28;
Z91.05;;Sở cha lạ;Z95;;;
Z91.06;;Sở kế thừa lạ;;;2025-01-01;Z96.01
Z91;;Trùng mã;;;;
Z91.07;000.00.07.Z91;Sở bí danh một;;;;
Z91.08;07.Z91;Sở bí danh hai;;;;
Z91.09;Z91;Sở bí danh là mã;;;;
07.Z91;;Mã rút gọn;;;;
Z91.10;;Thiếu ô
"""
    assert problems_of(text) == [
        (3, "code", "z91.01"),
        (4, "name", ""),
        (5, "valid_from", "2025-02-30"),
        (6, "valid_to", "2025-02-28"),
        (7, "parent", "Z95"),
        (8, "successor", "Z96.01"),
        (9, "code", "Z91"),
        (11, "alias", "000.00.07.Z91"),
        (12, "alias", "Z91"),
        (13, "code", "07.Z91"),
        (14, "line", "3 cells"),
    ]


def test_a_problem_says_what_to_do_and_circles_are_reported_where_they_can_be_cut() -> None:
    planned = plan(EMPTY, csv_file.read(b"code,name\nz91,Sao Mai\n07.Z91,So\n"), DIGEST)

    first, second = (str(problem) for problem in planned.problems)
    assert first.startswith("line 2, code: found 'z91';")
    assert first.endswith("write it as Z91")
    assert second.endswith("short form; write it in full as 000.00.07.Z91")

    for column in ("parent", "successor"):
        third = AgencyRecord(code="Z93", name="Ba")
        third = replace(third, parent="Z91") if column == "parent" else replace(third, successor="Z91")
        text = f"code,name,{column}\nZ91,Một,Z92\nZ92,Hai,Z93\nZ94,Bốn,Z91\nZ95,Năm,Z95\n"
        line_problems = problems_of(text, Base(records={"Z93": third}, digest=DIGEST))
        assert line_problems == [(2, column, "Z92"), (3, column, "Z93"), (5, column, "Z95")]


def test_a_file_that_cannot_be_read_says_where(monkeypatch: pytest.MonkeyPatch, cases: Cases) -> None:
    rows = [
        (b"", 1, "file"),
        (b"\n\n", 1, "file"),
        (b"name\nSao Mai\n", 1, "header"),
        (b"code,name,colour\nZ91,Sao Mai,red\n", 1, "header"),
        (b"code,name,code\nZ91,Sao Mai,Z91\n", 1, "header"),
        ("code,name\nZ91,Sao Mai\nZ92,Bình".encode("utf-16"), 1, "file"),
        ("code,name\nZ91,Sở".encode("cp1258", "replace") + b"\xff", 2, "file"),
        (b'code,name\nZ91,"Sao Mai\n', 2, "line"),
        (b"code,name\nZ91,Sao\x00Mai\n", 2, "name"),
        (b"code,name\nZ91," + b"x" * 501 + b"\n", 2, "name"),
        (b"code,name,alias\nZ91,Sao Mai,a b\n", 2, "alias"),
        (b"code,name,valid_to\nZ91,Sao Mai,2025/01/01\n", 2, "valid_to"),
    ]
    for raw, line, column in rows:
        with cases.case(raw[:40]):
            planned = plan(EMPTY, csv_file.read(raw), DIGEST)
            assert [(problem.line, problem.column) for problem in planned.problems] == [(line, column)]
            assert planned.problems[0].advice

    monkeypatch.setattr(csv_file, "LARGEST_FILE", 10)
    planned = plan(EMPTY, csv_file.read(b"code,name\nZ91,Sao Mai\n"), DIGEST)
    assert [problem.found for problem in planned.problems] == ["22 bytes"]


@given(st.binary(max_size=300))
def test_any_bytes_give_lines_or_problems(raw: bytes) -> None:
    assert list(csv_file.read(raw)) or b"code" in raw


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from("abcdefgh")))
def test_circles_are_those_one_can_walk(edges: dict[str, str]) -> None:
    def returns(start: str) -> bool:
        at = edges.get(start)
        for _ in edges:
            if at is None or at == start:
                break
            at = edges.get(at)
        return at == start

    assert on_circles(edges, edges.get) == {start for start in edges if returns(start)}


OLD = "000.00.01.Z91"
ONE_ALIAS = Base(records={"Z91.01": AgencyRecord(code="Z91.01", name="Một", alias=OLD)}, digest=DIGEST)


def test_aliases_and_new_codes_are_compared_with_the_registry_too() -> None:
    other_problems = problems_of("code,name,alias\nZ91.02,Hai,000.00.01.z91\n", ONE_ALIAS)
    moved = problems_of("code,name,alias\nZ91.01,Một,\nZ91.02,Hai,000.00.01.Z91\n", ONE_ALIAS)
    unmoved = problems_of("code,name\nZ91.01,Một\n", ONE_ALIAS)

    assert other_problems == [(2, "alias", OLD)]
    assert moved == unmoved == []

    # Whether its line is not in the file or changes nothing; it may take what its owner gives up there.
    for more_rows in ("", f"Z91.01,Một,{OLD}\n"):
        text = f"code,name,alias\n{OLD},Mới,\n{more_rows}"
        planned = plan(ONE_ALIAS, csv_file.read(text.encode()), DIGEST)
        assert [(x.line, x.column, x.found) for x in planned.problems] == [(2, "code", OLD)]
        assert "Z91.01" in planned.problems[0].advice
    assert problems_of(f"code,name,alias\n{OLD},Mới,\nZ91.01,Một,\n", ONE_ALIAS) == []

    second = AgencyRecord(code="Z92", name="Hai", successor="Z91")
    base = Base(records={"Z91": AgencyRecord(code="Z91", name="Một"), "Z92": second}, digest=DIGEST)

    closed = problems_of("code,name,successor\nZ92,Hai,Z91\nZ91,Một,Z92\n", base)
    twice = problems_of("code,name\nZ92,Hai\nZ91,Một mới\nZ92,Hai\n", base)

    assert closed == [(2, "successor", "Z91"), (3, "successor", "Z92")]
    assert twice == [(4, "code", "Z92")]


def test_a_line_that_changes_nothing_is_counted_and_gets_the_parent_that_the_file_brings() -> None:
    below = AgencyRecord(code="Z91.07.01", name="Phòng")
    base = Base(records={below.code: below, "Z92": AgencyRecord(code="Z92", name="Tỉnh")}, digest=DIGEST)

    text = "code,name\nZ91.07.01,Phòng\nZ92,Tỉnh\n"

    alone = plan(base, csv_file.read(text.encode()), DIGEST)
    with_parent = plan(base, csv_file.read(f"{text}Z91.07,Sở\nZ92,\n".encode()), DIGEST)

    assert (alone.rows, alone.unchanged) == ((), 2)
    assert [(problem.line, problem.column) for problem in with_parent.problems] == [(5, "name"), (5, "code")]
    assert [change.fields for change in with_parent.changed] == [{"parent": (None, "Z91.07")}]
    assert (len(with_parent.added), with_parent.unchanged) == (1, 1)


def test_the_forms_and_cells_that_spreadsheets_write_are_read_alike() -> None:
    for raw in (
        b"code,name,valid_from\nZ91,Sao Mai,2025-03-01\n",
        "\ufeffcode;name;valid_from\r\nZ91;Sao Mai;01/03/2025\r\n".encode(),
        b' Name , CODE ,valid_from\n" Sao Mai ",Z91,1/3/2025\n\n,,\n',
    ):
        planned = plan(EMPTY, csv_file.read(raw), DIGEST)
        assert planned.problems == ()
        assert planned.rows == (AgencyRecord(code="Z91", name="Sao Mai", valid_from=date(2025, 3, 1)),)

    planned = plan(EMPTY, csv_file.read(b'code,name,address\nZ91,"Sao, Mai","1 Street"\nbad,x,y\n'), DIGEST)

    assert [(problem.line, problem.found) for problem in planned.problems] == [(3, "bad")]


async def test_a_plan_writes_nothing_and_is_the_same_from_the_pool(
    registry: Registry, clock: ManualClock, writer: AsyncEngine, reader: AsyncEngine, memory: Memory
) -> None:
    raw = b"code,name\nZ91,Sao Mai\n"
    with closing(ThreadPool(1)) as pool:
        pooled = SqlDirectoryChanges(writer, reader, clock, pool)
        assert await pooled.plan_import(raw) == await registry.changes.plan_import(raw)

    assert await registry.rows() == {}
    assert await registry.changes.list_applied() == []


async def test_added_changed_closed_and_unchanged_are_told_apart(registry: Registry) -> None:
    await registry.take("code,name,email\nZ91,Sao Mai,a@sao-mai.example\nZ92,Bình Minh,\nZ93,Hoàng Hôn,\n")

    text = (
        "code,name,email,valid_to,successor\nZ91,Sao Mai,b@sao-mai.example,,\n"
        "Z92,Bình Minh,,2026-12-31,Z94\nZ93,Hoàng Hôn,,,\nZ94,Mới,,,\n"
    )
    planned = await registry.plan(text)

    assert [record.code for record in planned.added] == ["Z94"]
    assert {change.code: dict(change.fields) for change in planned.changed} == {
        "Z91": {"email": ("a@sao-mai.example", "b@sao-mai.example")}
    }
    assert {change.code: dict(change.fields) for change in planned.closed} == {
        "Z92": {"valid_to": (None, "2026-12-31"), "successor": (None, "Z94")}
    }
    assert planned.unchanged == 1


async def test_an_absent_column_keeps_and_an_empty_cell_clears(registry: Registry) -> None:
    """A column that the file leaves out keeps its values."""
    first = "code,name,email,phone\nZ91,Sao Mai,a@sao-mai.example,000 1\nZ92,Bình Minh,,\n"
    await registry.take(first)
    await registry.take("code,name,phone\nZ91,Sao Mai Mới,\n")

    entries = await registry.rows()
    assert {code: entry.name for code, entry in entries.items()} == {"Z91": "Sao Mai Mới", "Z92": "Bình Minh"}
    assert (entries["Z91"].email, entries["Z91"].phone) == ("a@sao-mai.example", None)


async def test_an_empty_parent_is_the_next_shorter_code_if_the_directory_has_it(registry: Registry) -> None:
    await registry.take("code,name\nZ91.07.01,Phòng\nZ91.07,Sở\nZ92.05,Sở\n000.00.01.Z91,Cũ\n")

    parents = {code: entry.parent for code, entry in (await registry.rows()).items()}

    assert parents == {"Z91.07.01": "Z91.07", "Z91.07": None, "Z92.05": None, "000.00.01.Z91": None}


async def test_a_plan_with_problems_is_not_applied(registry: Registry) -> None:
    """One bad row hides none of the good ones, and nothing is written."""
    planned = await registry.plan("code,name\nZ95,Tốt\nz96,Sai\nZ97,Khác\n")

    assert [x.line for x in planned.problems] == [3]
    assert [x.code for x in planned.added] == ["Z95", "Z97"]
    with pytest.raises(Clash, match=r"1 problems and was not imported: line 3, code: found 'z96'"):
        await registry.changes.apply(planned, "operator")
    assert await registry.rows() == {}


async def test_a_plan_made_on_an_older_registry_is_not_applied(registry: Registry) -> None:
    """Nor one that was applied before."""
    stale = await registry.plan("code,name\nZ91,Sao Mai\n")
    applied = await registry.take("code,name\nZ92,Bình Minh\n")

    for planned in (stale, applied):
        with pytest.raises(Clash, match="changed since this plan was made"):
            await registry.changes.apply(planned, "operator")
    assert list(await registry.rows()) == ["Z92"]
    assert len(await registry.changes.list_applied()) == 1


async def test_the_change_is_kept_with_its_source_and_counts(registry: Registry, clock: ManualClock) -> None:
    """R78 (deciding document)."""
    text = "code,name\nZ91,Sao Mai\n"
    planned = await registry.plan(text)

    applied = await registry.changes.apply(planned, "operator:an")

    assert list(await registry.changes.list_applied()) == [applied]
    assert (applied.by, applied.at) == ("operator:an", clock.now())
    assert applied.source_digest == hashlib.sha256(text.encode()).hexdigest()
    assert applied.summary == {
        "added": 1,
        "changed": 0,
        "closed": 0,
        "unchanged": 0,
        "codes": {"added": ["Z91"], "changed": [], "closed": []},
    }


async def test_threat_115_an_import_never_touches_bindings(registry: Registry) -> None:
    """K6: changing a binding needs two people (threat 115). A code that ends no longer vouches for its agency; its end
    is no part of the binding, and moves with the code."""
    certificate = pki.signer("Z91", "p256").certificate_der
    await registry.changes.bind("Z91", certificate, None, None, "an", "binh")
    await registry.take("code,name\nZ91,Sao Mai\n")
    bindings_before = await registry.directory.bindings("Z91")

    await registry.take("code,name,valid_to,successor\nZ91,Đổi tên,2026-01-01,Z92\nZ92,Khác,,\n")
    (ended,) = await registry.directory.bindings("Z91")
    assert (ended.certificate_der, ended.valid_to) == (certificate, datetime(2026, 1, 2, tzinfo=VIETNAM))
    await registry.take("code,name,valid_to,successor\nZ91,Sao Mai,2030-01-01,\nZ92,Khác,,\n")

    (binding,) = await registry.directory.bindings("Z91")
    assert (binding.certificate_der, binding.valid_to) == (certificate, datetime(2030, 1, 2, tzinfo=VIETNAM))
    assert [x.certificate_der for x in bindings_before] == [certificate]
    assert await registry.directory.bindings("Z92") == []


CODES = st.sampled_from(["Z91", "Z91.01", "Z91.02", "Z91.01.05", "Z92", "Z92.07"])
ROWS = st.dictionaries(
    CODES,
    st.tuples(
        st.sampled_from(["Một", "Hai", "Ba"]),
        st.sampled_from(["", "2024-01-01", "2025-01-01"]),
        st.sampled_from(["", "2025-06-30", "2026-06-30"]),
        st.sampled_from(["", "a@sao-mai.example"]),
    ),
    min_size=1,
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=ROWS, second=ROWS)
async def test_what_the_preview_shows_is_what_applying_does(
    registry: Registry,
    first: dict[str, tuple[str, str, str, str]],
    second: dict[str, tuple[str, str, str, str]],
) -> None:
    """R81 (import with a preview)."""
    for rows in (first, second):
        text = "code,name,valid_from,valid_to,email\n" + "".join(
            f"{code},{','.join(cells)}\n" for code, cells in rows.items()
        )
        entries_before = await registry.rows()
        planned = await registry.take(text)
        entries_after = await registry.rows()
        same = await registry.plan(text)

        changed = {change.code for change in (*planned.changed, *planned.closed)}
        assert {record.code for record in planned.added} == entries_after.keys() - entries_before.keys()
        assert changed == {code for code in entries_before if entries_before[code] != entries_after[code]}
        for change in (*planned.changed, *planned.closed):
            for field, (old, new) in change.fields.items():
                assert [
                    _text(entries_before[change.code], field),
                    _text(entries_after[change.code], field),
                ] == [old, new]
        assert (same.rows, same.unchanged) == ((), len(rows))


def _text(entry: AgencyEntry, field: str) -> str | None:
    content = getattr(entry, field)
    return None if content is None else str(content)


async def test_what_looks_alike_or_names_no_decision_is_a_doubt_and_no_problem(registry: Registry) -> None:
    first = "code,name,decision\nZ91,UBND tỉnh,1/QĐ\nZ91.01,Sở Tài chính,1/QĐ\nZ91.02,Sở Y tế,1/QĐ\n"
    await registry.take(first)
    revised_text = (
        "code,name,decision\nZ91.01,Sở Tài chính,1/QĐ\nZ91.03,Sở Tài chính,2/QĐ\nZ91.04,Sở Y tê,2/QĐ\n"
        "Z92,Sở Y tế,\nZ92.01,Sở Y tế,\n"
    )

    plan = await registry.plan(revised_text)

    assert plan.problems == ()
    assert [(doubt.line, doubt.column, doubt.advice.split(";")[0]) for doubt in plan.doubts] == [
        (3, "name", "Z91.01 under the same parent has the same name"),
        (4, "name", "Z91.02 under the same parent has a name that differs by accents or case alone"),
        (5, "name", "2 agencies have the name of one under another parent, as Z91.02"),
        (5, "decision", "2 agencies begin or end without a decision"),
    ]
    await registry.changes.apply(plan, "operator")
    assert not (await registry.plan("code,name\nZ91.03,Sở Tài chính\n")).doubts


async def test_a_name_that_is_not_written_in_full_is_a_doubt_r84(registry: Registry) -> None:
    text = (
        "code,name,decision\nZ91,UBND tỉnh Mẫu,1/QĐ\nZ92,SỞ TÀI CHÍNH,1/QĐ\nZ93,So Y te,1/QĐ\n"
        "Z94,Ủy ban nhân dân tỉnh Mẫu,1/QĐ\nZ95,Thanh tra,1/QĐ\n"
    )

    plan = await registry.plan(text)

    assert plan.problems == ()
    assert [(doubt.line, doubt.advice.split(";")[0]) for doubt in plan.doubts] == [
        (2, "the name has the short form UBND"),
        (3, "the name is in capitals"),
        (4, "the name has no accents"),
    ]
    await registry.changes.apply(plan, "operator")
    assert (await registry.plan(text)).doubts == ()


async def test_how_a_name_was_typed_is_doubted_and_what_was_typed_well_is_not_r84(registry: Registry) -> None:
    text = (
        "code,name,decision\nZ91,Ủy ban nhân dân tỉnh Mẫu,1/QĐ\nZ91.01,sở Y tế,1/QĐ\n"
        "Z91.02,Sở Giáo dục Và Đào tạo,1/QĐ\nZ91.03,Sở  Nội vụ ,1/QĐ\nZ91.04,So\u031b\u0309 Tư pháp,1/QĐ\n"
        "Z91.05,Sở Giáo dục và Đào tạo,1/QĐ\nZ91.06,Phòng Kinh tế xã Mẫu,1/QĐ\n"
    )

    plan = await registry.plan(text)

    assert plan.problems == ()
    assert [(doubt.line, doubt.found, doubt.advice.split(";")[0]) for doubt in plan.doubts] == [
        (3, "sở Y tế", "the name begins with a small letter"),
        (4, "Sở Giáo dục Và Đào tạo", "the name has the word Và with a capital"),
        (5, "Sở  Nội vụ ", "the name has blanks too many"),
        (6, "So\u031b\u0309 Tư pháp", "the name has letters apart from their marks"),
        (
            7,
            "Sở Giáo dục và Đào tạo",
            "Z91.02 under the same parent has a name that differs by accents or case alone",
        ),
    ]
    await registry.changes.apply(plan, "operator")
    assert (await registry.rows())["Z91.04"].name == "Sở Tư pháp"
    assert (await registry.plan(text)).doubts == ()


async def test_a_new_name_is_doubted_also_above_the_line_of_the_agency_that_has_it(
    registry: Registry,
) -> None:
    """A code below one that does not exist is doubted too."""
    await registry.take("code,name,decision\nZ91,UBND tỉnh,1/QĐ\nZ91.01,Sở Y tế,1/QĐ\n")
    text = "code,name,decision\nZ91.02,Sở Y tế,2/QĐ\nZ91.01,Sở Y tế,1/QĐ\nZ95.10.01,Phòng Mồ côi,1/QĐ\n"

    plan = await registry.plan(text)

    assert plan.problems == ()
    doubts = [(doubt.line, doubt.column) for doubt in plan.doubts]
    assert doubts == [(2, "name"), (4, "parent")]
    assert plan.doubts[1].found == "Z95.10.01"
    assert "Z95.10" in plan.doubts[1].advice


COMPANIES = """code,name,scheme,parent,decision
Z91,Ủy ban nhân dân tỉnh Mẫu,,,1/QĐ
MAU.01,Công ty Mẫu Một,DN,,1/QĐ
0199990000,Công ty Mẫu Hai,DN,Z91,1/QĐ
0199990000-001,Chi nhánh Mẫu Hai,DN,0199990000,1/QĐ
"""


async def test_codes_of_another_scheme_are_kept_as_such_and_their_dots_mean_nothing(
    registry: Registry,
) -> None:
    """R76 (schemes of codes)."""
    planned = await registry.take(COMPANIES)

    assert planned.doubts == ()
    entries = await registry.rows()
    assert {code: (entry.scheme, entry.parent) for code, entry in entries.items()} == {
        "Z91": ("VN-GOV", None),
        "MAU.01": ("DN", None),
        "0199990000": ("DN", "Z91"),
        "0199990000-001": ("DN", "0199990000"),
    }
    assert [e.code for e in (await registry.directory.filtered(AgencyFilter(level=1))).items] == ["Z91"]
    assert (await registry.directory.filtered(AgencyFilter(level=2))).items == ()
    assert len((await registry.directory.filtered(AgencyFilter(scheme="DN"))).items) == 3
    answer = await registry.directory.resolve("0199990000", date(2026, 11, 20))
    assert answer.entry is not None
    assert (answer.standing, answer.entry.scheme) == (CodeStanding.ACTIVE, "DN")
    assert (await registry.plan(COMPANIES)).unchanged == 4


def test_a_code_never_changes_its_scheme_nor_takes_the_form_of_another(cases: Cases) -> None:
    company = AgencyRecord(code="0199990000", name="Công ty Mẫu", scheme="DN")
    base = Base(records={company.code: company}, digest=Digest("0" * 64))
    rows: list[tuple[str, list[tuple[int, str, str]]]] = [
        ("0199990000,A,HTX,", [(2, "scheme", "HTX")]),
        ("0199990000,A,,", [(2, "code", "0199990000")]),
        ("Z91.01,A,DN,", [(2, "code", "Z91.01")]),
        ("000.00.01.Z91,A,DN,", [(2, "code", "000.00.01.Z91")]),
        ("Z91,A,,0199990000", [(2, "parent", "0199990000")]),
        ("X-1,A,dn,", [(2, "scheme", "dn")]),
        ("Z91,A,VN-GOV,", []),
    ]
    for line, problems in rows:
        with cases.case(line):
            assert problems_of(f"code,name,scheme,parent\n{line}\n", base) == problems
    assert problems_of("code,name\n0199990000,A\n", base) == [(2, "code", "0199990000")]


PENDING = """code,name,scheme,parent,valid_from,decision
Z91,Ủy ban nhân dân tỉnh Mẫu,,,,1/QĐ
CHO-01,Sở Sắp có,PENDING,Z91,2026-11-01,2/QĐ
"""


async def test_a_body_without_a_code_is_listed_and_cannot_be_addressed_until_a_decision_gives_it_one_r79(
    registry: Registry,
) -> None:
    today = date(2026, 11, 20)
    await registry.take(PENDING)

    for text, parent in (("CHO-01", None), ("Sở Sắp có", "Z91")):
        answer = await registry.directory.resolve(text, today, parent)
        assert answer.entry is not None
        assert (answer.standing, answer.entry.has_no_code) == (CodeStanding.UNCERTAIN, True)
        assert answer.entry.decision == "2/QĐ"
    for standing, codes in (("pending", ["CHO-01"]), ("active", ["Z91"]), ("upcoming", [])):
        page = await registry.directory.filtered(AgencyFilter(standing=standing))
        assert [entry.code for entry in page.items] == codes
    with pytest.raises(Clash, match="has no code yet"):
        await registry.changes.bind(
            "CHO-01", pki.signer("Z91", "p256").certificate_der, pki.NOT_BEFORE, pki.NOT_AFTER, "one", "two"
        )
    assert problems_of("code,name,scheme,host,alias\nCHO-01,A,PENDING,north,X-1\n") == [
        (2, "host", "north"),
        (2, "alias", "X-1"),
    ]

    decided = (
        "code,name,scheme,parent,valid_from,valid_to,successor,decision\n"
        "Z91.15,Sở Sắp có,,Z91,2026-11-15,,,3/QĐ\n"
        "CHO-01,Sở Sắp có,PENDING,Z91,2026-11-01,2026-11-14,Z91.15,3/QĐ\n"
    )
    planned = await registry.take(decided)

    assert [change.code for change in planned.rewrites] == ["CHO-01"]  # so two people approve it
    old = await registry.directory.resolve("CHO-01", today)
    assert (old.standing, old.successor) == (CodeStanding.CLOSED, "Z91.15")
    resolution = await registry.directory.resolve("Sở Sắp có", today, "Z91")
    assert resolution.entry is not None
    assert (resolution.standing, resolution.entry.code) == (CodeStanding.MAPPED, "Z91.15")
