"""The address of a list: what it means, what it leaves out, and that every other address of the list follows from it."""

from __future__ import annotations

from datetime import date, datetime
from urllib.parse import parse_qsl, urlsplit

import pytest

from gateway.domain.document import Urgency
from gateway.domain.wall_clock import VIETNAM
from gateway_office.domain.listing import Filter, ListOrder, Origin, Side, Tab
from gateway_office.web.listing import asking
from gateway_office.web.listing.asking import COLUMNS, chosen_columns
from tests.office.support.stores import unit_viewer

TODAY = date(2026, 11, 20)
FULL = {
    "tab": "sent",
    "q": "kế hoạch",
    "tu": "01/11/2026",
    "den": "hôm nay",
    "loai": "cong van",
    "khan": "hoa_toc",
    "co-quan": "H41.09",
    "trang-thai": "accepted",
    "nguoi-ky": "Bình",
    "tep": "co",
    "nguon": "program",
    "so": "2026",
    "nhan": "tag_a",
    "qua-han": "1",
    "tre": "1",
    "sap-xep": "number-",
    "so-dong": "100",
}


def test_every_filter_is_asked_of_the_core() -> None:
    question = asking.read_address(Side.OUT, FULL, TODAY)

    assert question.criteria == Filter(
        side=Side.OUT,
        tab=Tab.SENT,
        text="kế hoạch",
        sort=ListOrder.NUMBER_DOWN,
        type_name="cong van",
        urgency=Urgency.EXPRESS,
        state="accepted",
        party="H41.09",
        signer="Bình",
        attached=True,
        origin=Origin.PROGRAM,
        book="2026",
        tag="tag_a",
        overdue=True,
        late=TODAY,
        since=datetime(2026, 11, 1, tzinfo=VIETNAM),
        until=datetime(2026, 11, 21, tzinfo=VIETNAM),
    )
    assert question.size == 100


@pytest.mark.parametrize("side", list(Side))
def test_an_address_read_again_is_the_same_question(side: Side) -> None:
    first = asking.read_address(side, {**FULL, "tab": "all"}, TODAY, columns=("so", "trang-thai"))
    repeat = asking.read_address(
        side,
        dict(parse_qsl(urlsplit(first.address()).query)),
        TODAY,
        columns=tuple(dict(parse_qsl(first.query))["cot"].split(",")),
    )

    assert repeat == first


def test_one_value_is_taken_out_or_put_in_and_the_place_is_left_behind() -> None:
    question = asking.read_address(Side.OUT, {**FULL, "trang": "a-cursor"}, TODAY)

    moved = dict(parse_qsl(urlsplit(question.address(khan=None, tab="failed")).query))

    assert "khan" not in moved
    assert moved["tab"] == "failed"
    assert "trang" not in moved
    assert moved["q"] == "kế hoạch"
    assert asking.read_address(Side.OUT, {}, TODAY).address() == "/van-ban-di"


def test_words_that_mean_nothing_are_left_out() -> None:
    odd = {
        "tab": "nothing",
        "sap-xep": "up",
        "so-dong": "7",
        "khan": "x",
        "trang-thai": "x",
        "ngay": "x",
        "tep": "x",
        "nguon": "paper",
        "so": "20x6",
        "qua-han": "2",
        "tre": "2",
        "chua-doc": "1",
    }

    question = asking.read_address(Side.OUT, odd, TODAY)

    assert question == asking.read_address(Side.OUT, {}, TODAY)
    assert question.criteria == Filter(side=Side.OUT)


def test_a_day_that_is_none_is_told_and_not_guessed() -> None:
    question = asking.read_address(Side.OUT, {"tu": "31/02/2026"}, TODAY)

    assert question.unread_days == ("tu",)
    assert question.criteria.since is None
    assert question.parameters["tu"] == "31/02/2026"


@pytest.mark.parametrize(
    ("pick", "first"),
    [
        ("hom-nay", date(2026, 11, 20)),
        ("tuan-nay", date(2026, 11, 16)),
        ("thang-nay", date(2026, 11, 1)),
        ("quy-nay", date(2026, 10, 1)),
    ],
)
def test_quick_picks_begin_where_their_span_does(pick: str, first: date) -> None:
    question = asking.read_address(Side.IN, {"ngay": pick}, TODAY)

    assert question.criteria.since == datetime(first.year, first.month, first.day, tzinfo=VIETNAM)
    assert question.criteria.until == datetime(2026, 11, 21, tzinfo=VIETNAM)


def test_an_incoming_list_opens_with_what_waits_and_a_filter_means_all() -> None:
    assert asking.read_address(Side.IN, {}, TODAY).criteria.tab is Tab.NEW
    assert asking.read_address(Side.IN, {"ngay": "hom-nay"}, TODAY).criteria.tab is None
    assert asking.read_address(Side.IN, {"tab": "new", "khan": "1"}, TODAY).criteria.pressing


def test_who_sees_metadata_alone_finds_nothing_by_content() -> None:
    question = asking.read_address(Side.OUT, FULL, TODAY, content=False, viewer=unit_viewer("Phòng A"))

    assert (question.criteria.text, question.criteria.signer) == ("", None)
    assert question.criteria.viewer == unit_viewer("Phòng A")
    assert question.criteria.tag == "tag_a"
    assert asking.read_address(Side.OUT, FULL, TODAY, tags=False).criteria.tag is None
    assert not {"trich-yeu", "nguoi-ky"} & {
        column.key for column in chosen_columns(Side.OUT, ("trich-yeu", "nguoi-ky", "so"), content=False)
    }


def test_columns_stand_in_the_order_of_the_list_and_never_none() -> None:
    keys = [column.key for column in chosen_columns(Side.IN, ("so", "con-lai"), content=True)]

    assert keys == ["con-lai", "so"]
    assert chosen_columns(Side.OUT, ("nothing",), content=True) == chosen_columns(Side.OUT, (), content=True)
    assert all(column.key for side in Side for column in COLUMNS[side])


def test_the_number_stands_in_every_table_because_it_opens_the_row() -> None:
    for side in Side:
        for column in COLUMNS[side]:
            assert "so" in [c.key for c in chosen_columns(side, (column.key,), content=True)]
