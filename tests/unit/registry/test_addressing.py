"""A pasted block of recipients becomes codes; what is not clear is offered."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.domain.registry import GroupMember, Offer, OfferKind, RecipientGroup
from gateway.domain.text import fold
from gateway.outgoing.addressing import list_offers
from gateway.policy.recipients_block import is_code, written_out
from gateway.registry.directory import SqlDirectory
from gateway.registry_authoring.changes import SqlDirectoryChanges
from tests.support.cases import Cases

TODAY = date(2026, 11, 20)
AGENCIES = """code,alias,name,parent,valid_from,valid_to,successor
Z91,000.00.00.Z91,Ủy ban nhân dân tỉnh Sao Mai,,,,
Z91.07,000.00.15.Z91,Sở Thử nghiệm,Z91,2020-01-01,,
Z91.08,,"Sở Văn hóa, Thể thao và Du lịch",Z91,,,
Z91.12,,Sở Nội vụ,Z91,,,
Z91.40,,Ủy ban nhân dân xã Bình Mẫu,Z91,,,
Z91.07.01,,Văn phòng Sở,Z91.07,,,
Z92,,Ủy ban nhân dân tỉnh Bình Minh,,,,
Z92.12,,Sở Nội vụ,Z92,,,
Z92.20,,Sở Cũ,Z92,,2025-02-28,Z92.12
"""
BLOCK = """Nơi nhận:
- Như Điều 3;
- Sở Thử nghiệm; UBND xã Bình Mẫu;
- Sở Văn hóa, Thể thao và
Du lịch (để p/h);
- Chủ tịch UBND tỉnh Sao Mai (để b/c);
- Các sở, ban, ngành;
- Lưu: VT, VP."""


@pytest.fixture
async def book(directory: SqlDirectory, changes: SqlDirectoryChanges) -> SqlDirectory:
    plan = await changes.plan_import(AGENCIES.encode())
    assert plan.problems == ()
    await changes.apply(plan, "operator")
    return directory


def rows_of(offered: Sequence[Offer]) -> list[tuple[str, str, list[str]]]:
    return [
        (offer.item.name, offer.kind.value, [agency.code for agency in offer.agencies]) for offer in offered
    ]


async def offers(
    book: SqlDirectory, groups: Sequence[RecipientGroup], text: str, on: date, near: str | None = None
) -> tuple[Offer, ...]:
    (offered,) = await list_offers(book, groups, (text,), on, near, units=["Phòng Tổng hợp"])
    return offered


async def test_a_whole_block_is_taken_apart(book: SqlDirectory) -> None:
    offered = await offers(book, (), BLOCK, TODAY, near="Z91.12")

    assert rows_of(offered) == [
        ("Như Điều 3", "pointer", []),
        ("Sở Thử nghiệm", "named", ["Z91.07"]),
        ("UBND xã Bình Mẫu", "named", ["Z91.40"]),
        ("Sở Văn hóa, Thể thao và Du lịch", "named", ["Z91.08"]),
        ("UBND tỉnh Sao Mai", "guessed", ["Z91"]),
        ("Các sở, ban, ngành", "many", []),
        ("Lưu: VT, VP", "filed", []),
    ]
    assert [x.item.role for x in offered[3:5]] == ["to_coordinate", "to_report"]
    assert [x.settled for x in offered] == [True, True, True, True, False, False, True]


HEAD, ALL = "- Chủ tịch UBND tỉnh (để b/c);", "Các sở, ban, ngành"
# A text and the asking agency; how it is understood, the first offers, and whether no question remains.
OFFERED: dict[tuple[str, str | None], tuple[str, list[str], bool]] = {
    # One's own head is no recipient; the head above is asked for with the own province.
    (HEAD, "Z91"): ("own", [], True),
    (HEAD, "Z91.07"): ("guessed", ["Z91"], False),
    ("- Chủ tịch UBND tỉnh Sao Mai;", "Z92.12"): ("person", ["Z91"], False),
    # Posts and units of the very agency are no other agency.
    ("- Giám đốc, các Phó Giám đốc;", "Z91.07"): ("own", [], True),
    ("- Phòng Tổng hợp;", "Z91.07"): ("own", [], True),
    ("- Đồng chí Nguyễn Văn Mẫu;", "Z91.07"): ("person", [], False),
    # The only one of the own province that it may mean is asked about.
    ("Sở Văn hóa", "Z91.07"): ("guessed", ["Z91.08"], False),
    ("Số Nội vụ", "Z91.07"): ("guessed", ["Z91.12", "Z92.12"], False),
    ("So noi vu", "Z91.07"): ("guessed", ["Z91.12", "Z92.12"], False),
    ("Uỷ ban nhân dân xã bình mẫu", "Z91.07"): ("named", ["Z91.40"], True),
    ("Số Nội vụ - Ủy ban nhân dân tỉnh Sao Mai", None): ("unclear", ["Z91.12", "Z92.12"], False),
    ("Sở Văn hóa", "Z92.12"): ("unclear", ["Z91.08"], False),
    ("Z91.99", "Z91.07"): ("unknown", [], False),
    ("UBND tỉnh", "Z92.20"): ("guessed", ["Z92"], False),
    ("Kính gửi: UBND các xã.", "Z91.07"): ("many", [], False),
    ("Kính gửi: Ủy ban nhân dân các xã.", "Z91.07"): ("many", [], False),
    ("Kính gửi: Các xã.", "Z91.07"): ("many", [], False),
    ("Nơi nhận:\n- Như trên;", None): ("pointer", [], True),
    ("000.00.15.Z91", None): ("old", ["Z91.07"], True),
    # A name that two places have is asked about; it is clear to a neighbour, and with its parent.
    ("Sở Nội vụ", None): ("unclear", ["Z91.12", "Z92.12"], False),
    ("Sở Nội vụ", "Z92.20"): ("named", ["Z92.12"], True),
    ("Sở Nội vụ - Ủy ban nhân dân tỉnh Sao Mai", None): ("named", ["Z91.12"], True),
    # One that was dissolved is asked about with its successor.
    ("Z92.20", None): ("closed", ["Z92.12"], False),
    ("Đoàn xe số bảy", None): ("unknown", [], False),
}


async def test_each_text_is_recognised_and_an_unclear_one_is_a_question(
    book: SqlDirectory, cases: Cases
) -> None:
    for (text, near), says in OFFERED.items():
        with cases.case((text, near)):
            (offer,) = await offers(book, (), text, TODAY, near)
            codes = sorted(agency.code for agency in offer.agencies)
            assert (offer.kind.value, codes, offer.settled) == says


KINDS = (
    "Sở",
    "Số",
    "Sơ",
    "Chi cục",
    "Chỉ cục",
    "Ban",
    "Bản",
    "Trung tâm",
    "Trung Tam",
    "Phòng",
    "Phông",
    "Cục",
    "UBND xã",
)
STEMS = (
    "Nội vụ",
    "Thử nghiệm",
    "Mẫu số",
    "Mẫu",
    "Bình Mẫu",
    "Văn hóa, Thể thao và Du lịch",
    "Văn hóa",
    "Cũ",
    "Lạ",
)
PLACES = ("", " tỉnh Sao Mai", " tỉnh Bình Minh", " - Ủy ban nhân dân tỉnh Sao Mai", " (để b/c)", " cũ")
MORE = """Z91.32,,Chi cục Mẫu số tỉnh Sao Mai,Z91,,,
Z91.33,,Ban Mẫu,Z91,,,
Z91.34,,Trung tâm Mẫu,Z91,,,
"""


@pytest.mark.parametrize(("step", "least"), [(5, 2), pytest.param(1, 6, marks=pytest.mark.long)])
async def test_no_name_outside_the_directory_is_certain_and_each_entry_has_a_row(
    book: SqlDirectory, changes: SqlDirectoryChanges, cases: Cases, step: int, least: int
) -> None:
    """Entries that end at one agency are one row that names each of them; none goes without a word."""
    await changes.apply(await changes.plan_import((AGENCIES + MORE).encode()), "operator")
    names = {row.split(",", 2)[0]: next(csv.reader([row]))[2] for row in (AGENCIES + MORE).splitlines()[1:]}
    texts = [f"- {kind} {stem}{place};" for kind in KINDS for stem in STEMS for place in PLACES][::step]
    texts += [
        "- Z91.32;",
        "- Chi cục Mẫu số tỉnh Sao Mai;",
        "- Sở Mẫu số tỉnh Sao Mai;",
        "- Sở Mẫu tỉnh Sao Mai;",
    ]

    for near in ("Z91", "Z91.07", "Z92.20"):
        offered = await offers(book, (), "\n".join(texts), TODAY, near)
        certain = [x for x in offered if x.settled and x.agencies and not is_code(x.item.name)]
        assert len(certain) >= least
        for offer in certain:
            with cases.case((near, offer.item.text)):
                stated, listed = written_out(offer.item.name).split(), names[offer.agencies[0].code].split()
                assert fold(" ".join(stated)) == fold(" ".join(listed))
                kind = 3 if listed[0] == "Ủy" else 2 if listed[0] in ("Chi", "Trung") else 1
                assert [x.casefold() for x in stated[:kind]] == [x.casefold() for x in listed[:kind]]


async def test_a_saved_group_stands_for_its_members_and_blocks_are_each_read_by_themselves(
    book: SqlDirectory,
) -> None:
    """One with a dissolved member is asked about."""
    offered = await offers(book, (group("Z91.07", "Z91.12"),), f"- {ALL};", TODAY)
    (closed,) = await offers(book, (group("Z91.07", "Z92.20"),), ALL.lower(), TODAY)

    assert rows_of(offered) == [(ALL, "group", ["Z91.07", "Z91.12"])]
    assert (closed.kind, closed.settled) == (OfferKind.CLOSED, False)

    texts = (BLOCK, "Sở Nội vụ", "Z91.12", "Sở Cũ", "Các sở, ban, ngành")

    together = await list_offers(book, (), texts, TODAY, near="Z91.12")

    assert [rows_of(x) for x in together] == [
        rows_of(await offers(book, (), text, TODAY, near="Z91.12")) for text in texts
    ]


async def test_what_is_not_clear_offers_ones_own_province_first(book: SqlDirectory) -> None:
    (offer,) = await offers(book, (), "Sở Nội vu tỉnh", TODAY, near="Z92.20")
    (many,) = await offers(book, (), "Các sở", TODAY, near="Z92.20")
    (begun,) = await offers(book, (), "Sở Nội", TODAY, near="Z92")

    assert all(x.kind is not OfferKind.EXACT for x in (offer, many))
    assert begun.agencies[0].code == "Z92.12"


async def test_those_a_letter_is_addressed_to_are_read_and_as_above_means_them(book: SqlDirectory) -> None:
    addressed = "Kính gửi:\n- Sở Thử nghiệm;\n- Ủy ban nhân dân xã Bình Mẫu.\n"

    offered = await offers(book, (), f"{addressed}Nơi nhận:\n- Như trên;\n- Lưu: VT.", TODAY, near="Z91.12")

    assert rows_of(offered) == [
        ("Sở Thử nghiệm", "named", ["Z91.07"]),
        ("Ủy ban nhân dân xã Bình Mẫu", "named", ["Z91.40"]),
        ("Lưu: VT", "filed", []),
    ]


async def test_codes_are_taken_however_they_are_listed(book: SqlDirectory, cases: Cases) -> None:
    for pasted in (
        "Z91.07, Z91.12 Z91.40",
        "Z91.07\nZ91.12\nZ91.40",
        "z91.07; Sở Nội vụ (Z91.12); Z91.40",
        "1. Z91.07\n2. Z91.12\n3. Z91.40",
    ):
        with cases.case(pasted):
            offered = await offers(book, (), pasted, TODAY)
            assert [x.agencies[0].code for x in offered] == ["Z91.07", "Z91.12", "Z91.40"]
            assert {x.kind for x in offered} == {OfferKind.EXACT}
    assert len(await offers(book, (), "Z91.07; z91.07; Z91.07", TODAY)) == 1, "told once"


def group(*codes: str) -> RecipientGroup:
    members = tuple(GroupMember(code=code) for code in codes)
    at = datetime(2026, 11, 20, tzinfo=UTC)
    return RecipientGroup(name=ALL, members=members, saved_by="prn", saved_at=at)


TEXTS = (
    *("Z91.07", "z91.07 ", "000.00.15.Z91", "00.15.Z91", "Z91.7", "Z92.20", "Z91.99", "Z9", "", "x" * 600),
    *("Sở Nội vụ", "so noi vu", "Sở Cũ", "Văn phòng Sở", "Văn phòng", "Sở Thử nghiệmm", "UBND xã Bình Mẫu"),
    *("Ủy ban nhân dân tỉnh Sao Mai", "Sở Thử nghiệm", "Sở Thử nghiệm cũ", "Z91.12", "Không có ở đâu"),
)


async def test_many_texts_at_once_are_answered_as_each_by_itself(
    book: SqlDirectory, changes: SqlDirectoryChanges
) -> None:
    """An agency renamed from a later day on answers to both names, with the name of the day."""
    parents = (None, "Z91", "z92", "Ủy ban nhân dân tỉnh Sao Mai", "Z92.20", "Không có")
    queries = [(text, parent) for text in TEXTS for parent in parents]

    together = await book.resolve_all([*queries, queries[0]], TODAY)

    assert list(together[:-1]) == [await book.resolve(text, TODAY, parent) for text, parent in queries]
    assert together[-1] == together[0]

    renamed = AGENCIES.replace("Sở Thử nghiệm,Z91", "Sở Đổi mới,Z91")
    await changes.apply(await changes.plan_import(renamed.encode()), "operator")
    queries = [(text, "Z91") for text in ("Sở Đổi mới", "Sở Thử nghiệm", "Z91.07")]

    together = await book.resolve_all(queries, TODAY)

    assert list(together) == [await book.resolve(text, TODAY, parent) for text, parent in queries]


async def test_a_long_list_takes_few_looks_at_the_registry(
    book: SqlDirectory, changes: SqlDirectoryChanges, reader: AsyncEngine
) -> None:
    communes = "".join(f"Z91.{n + 100},,Ủy ban nhân dân xã Đông {n},Z91,,,\n" for n in range(40))
    await changes.apply(await changes.plan_import((AGENCIES + communes).encode()), "operator")
    statements: list[str] = []
    event.listen(reader.sync_engine, "before_cursor_execute", lambda *call: statements.append(call[2]))

    few = await offers(book, (), "- UBND xã Bình Mẫu;\n- Sở Thử nghiệm", TODAY, near="Z91.12")
    first = len(statements)
    many = await offers(book, (), "\n".join(f"- UBND xã Đông {n};" for n in range(40)), TODAY, near="Z91.12")

    assert {offer.kind for offer in (*few, *many)} == {OfferKind.EXACT}
    assert len(many) == 40
    assert len(statements) - first < 2 * first
