"""A list's address as a question, and back; and the columns of the two lists: which there are, which stand there unless
a person chooses others, which sort. In: the query of an address. Out: an `ListQuestion`, which the core understands as a
`Wanted`, and which writes every other address of the same list: so a view is a bookmark. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from urllib.parse import urlencode

from gateway.domain import status
from gateway.domain.document import URGENCY_KEYS, InState
from gateway.domain.status import RequestKind
from gateway.domain.wall_clock import VIETNAM
from gateway.office.domain.listing import NO_BOOK, TABS, ListOrder, Origin, Side, Tab, Wanted
from gateway.office.web import dates


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """`key` stands in addresses and names the words. `up` and `down` are the orders that its heading asks for, the first
    one first. `is_content`, `is_tag`: not for those who see no content, or no labels of the agency."""

    key: str
    up: ListOrder | None = None
    down: ListOrder | None = None
    is_default: bool = True
    is_content: bool = False
    is_tag: bool = False
    opens_row: bool = False

    def sort_after(self, sort: ListOrder) -> ListOrder | None:
        """What a click on the heading asks for, in a list that is sorted so."""
        return self.down if sort is self.up else self.up

    def direction(self, sort: ListOrder) -> str:
        """For `aria-sort`."""
        rising = {self.up: "ascending", self.down: "descending"}
        if self.up is ListOrder.NEWEST:
            rising = {self.up: "descending", self.down: "ascending"}
        return rising.get(sort, "") if self.up is not None else ""


_NUMBER = Column(key="so", up=ListOrder.NUMBER, down=ListOrder.NUMBER_DOWN, opens_row=True)
_ISSUED = Column(key="ngay-vb", up=ListOrder.ISSUED_DOWN, down=ListOrder.ISSUED)
_SUBJECT = Column(key="trich-yeu", is_content=True)
_URGENCY = Column(key="khan")
_STATE = Column(key="trang-thai")
_SIGNER = Column(key="nguoi-ky", is_default=False, is_content=True)
_REPLY = Column(key="han-tra-loi", is_default=False)
_SOURCE = Column(key="nguon", is_default=False)
_LAST_COLUMNS = (
    Column(key="so-trang", is_default=False),
    Column(key="ma-van-ban", is_default=False),
    Column(key="nhan", is_default=False, is_tag=True),
)
COLUMNS: Mapping[Side, tuple[Column, ...]] = {
    Side.OUT: (
        _NUMBER,
        _ISSUED,
        _SUBJECT,
        Column(key="loai", up=ListOrder.TYPE, down=ListOrder.TYPE_DOWN),
        _URGENCY,
        Column(key="noi-nhan", up=ListOrder.PARTY, down=ListOrder.PARTY_DOWN),
        _STATE,
        Column(key="gui-luc", up=ListOrder.NEWEST, down=ListOrder.OLDEST),
        Column(key="gan-nhat"),
        _SIGNER,
        Column(key="don-vi", is_default=False),
        _REPLY,
        _SOURCE,
        Column(key="ma-qlvb", is_default=False),
        *_LAST_COLUMNS,
    ),
    Side.IN: (
        Column(key="con-lai", up=ListOrder.FIRST),
        Column(key="den-luc", up=ListOrder.NEWEST, down=ListOrder.OLDEST),
        Column(key="noi-gui", up=ListOrder.PARTY, down=ListOrder.PARTY_DOWN),
        _NUMBER,
        _ISSUED,
        _SUBJECT,
        _URGENCY,
        Column(key="kiem-tra"),
        _STATE,
        Column(key="so-den"),
        Column(key="loai", up=ListOrder.TYPE, down=ListOrder.TYPE_DOWN, is_default=False),
        _SIGNER,
        _REPLY,
        _SOURCE,
        *_LAST_COLUMNS,
    ),
}


def visible_columns(side: Side, *, content: bool, tags: bool) -> list[Column]:
    """Those that such a person may choose."""
    return [each for each in COLUMNS[side] if (content or not each.is_content) and (tags or not each.is_tag)]


def chosen_columns(
    side: Side, keys: Sequence[str], *, content: bool, tags: bool = True
) -> tuple[Column, ...]:
    """Those named, in the list's order, and always the number, which opens a row; of none that is known those that stand
    there by default."""
    seen = visible_columns(side, content=content, tags=tags)
    if any(each.key in keys for each in seen):
        return tuple(each for each in seen if each.key in keys or each.opens_row)
    return tuple(each for each in seen if each.is_default)


PATHS: Mapping[Side, str] = {Side.OUT: "/van-ban-di", Side.IN: "/van-ban-den"}
SIZES = (25, 50, 100)
PICKS = ("hom-nay", "tuan-nay", "thang-nay", "quy-nay")
ALL, ATTENTION = "all", "attention"
# Not among the tabs on the page, but there for tiles and bookmarks.
_MORE_TABS: Mapping[Side, tuple[Tab, ...]] = {Side.OUT: (Tab.SILENT, Tab.UNSENT), Side.IN: ()}
STATES: Mapping[Side, tuple[str, ...]] = {
    Side.OUT: tuple(status.STATES),
    Side.IN: (*(each.value for each in InState), *(f"{kind}_asked" for kind in RequestKind)),
}
ORIGINS: Mapping[Side, tuple[Origin, ...]] = {
    Side.OUT: (Origin.PROGRAM, Origin.MACHINE, Origin.HAND),
    Side.IN: (Origin.AXIS, Origin.EMAIL, Origin.PAPER, Origin.OTHER),
}
_YEAR = re.compile(r"[0-9]{4}")
_LONGEST = 200
_FILTERS = (
    *(
        "q",
        "tu",
        "den",
        "ngay",
        "loai",
        "khan",
        "co-quan",
        "trang-thai",
        "nguoi-ky",
        "tep",
        "nguon",
        "so",
        "nhan",
        "qua-han",
        "tre",
        "chua-doc",
    ),
)
_URGENCIES = {key: each for each, key in URGENCY_KEYS.items()}
_VIEW = ("tab", "sap-xep", "so-dong", "cot")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQuestion:
    """`given` holds what the address said and is understood, by name; `unread_days` names the days that are none."""

    side: Side
    tab: str
    wanted: Wanted
    given: Mapping[str, str] = field(default_factory=dict)
    size: int = SIZES[0]
    cursor: str | None = None
    columns: tuple[str, ...] = ()
    unread_days: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        return PATHS[self.side]

    @property
    def filters(self) -> Mapping[str, str]:
        """What narrows the list, beside its tab."""
        return {name: self.given[name] for name in _FILTERS if name in self.given}

    @property
    def query(self) -> str:
        """The list without the place in it: what a view keeps."""
        return urlencode(self._pairs())

    def address(self, **other: str | None) -> str:
        """This list with some values in place of others, from its first page; None takes one out. Underlines stand for the
        dashes of names."""
        changed = {name.replace("_", "-"): value for name, value in other.items()}
        pairs = {name: value for name, value in {**self._pairs(), **changed}.items() if value}
        return f"{self.path}?{urlencode(pairs)}" if pairs else self.path

    def without_filters(self) -> str:
        return self.address(**{name.replace("-", "_"): None for name in _FILTERS})

    def _pairs(self) -> dict[str, str]:
        return {name: self.given[name] for name in (*_VIEW, *_FILTERS) if name in self.given}


def read_address(
    side: Side,
    query: Mapping[str, str],
    today: date,
    *,
    columns: Sequence[str] = (),
    content: bool = True,
    tags: bool = True,
    viewer: str | None = None,
) -> ListQuestion:
    """Words that mean nothing are left out. Without `content` nothing is found by what documents are about; `viewer`
    narrows everything to what that department or person may see."""
    given = {name: query.get(name, "").strip()[:_LONGEST] for name in (*_VIEW, *_FILTERS)}
    if not content:
        given |= {"q": "", "nguoi-ky": ""}
    if not tags:
        given["nhan"] = ""
    since, until, unread_days = _span(given, today)
    tab = _tab_opened(side, given)
    # What stands there by default is as if nothing had been said.
    is_known = {
        "tab": given["tab"] == tab,
        "sap-xep": given["sap-xep"] in {each.value for each in ListOrder if each is not ListOrder.FIRST},
        "so-dong": given["so-dong"] in map(str, SIZES[1:]),
        "khan": given["khan"] in _URGENCIES or given["khan"] == "1",
        "trang-thai": given["trang-thai"] in STATES[side],
        "tep": given["tep"] in ("co", "khong"),
        "ngay": given["ngay"] in PICKS,
        "nguon": given["nguon"] in ORIGINS[side],
        "so": given["so"] == NO_BOOK or _YEAR.fullmatch(given["so"]),
        "qua-han": given["qua-han"] == "1",
        "tre": given["tre"] == "1",
        "chua-doc": given["chua-doc"] == "1" and side is Side.IN,
    }
    known = {name: value if is_known.get(name, True) else "" for name, value in given.items()}
    known["cot"] = ",".join(columns)
    return ListQuestion(
        side=side,
        tab=tab,
        wanted=replace(
            _wanted(side, tab, known),
            late=today if known["tre"] else None,
            viewer=viewer,
            since=since,
            until=until,
        ),
        given={name: value for name, value in known.items() if value},
        size=int(known["so-dong"] or SIZES[0]),
        cursor=query.get("trang") or None,
        columns=tuple(columns),
        unread_days=unread_days,
    )


def _wanted(side: Side, tab: str, known: Mapping[str, str]) -> Wanted:
    """What understood words ask of the lists, but for its days and for who looks."""
    return Wanted(
        side=side,
        tab=Tab[tab.upper()] if tab not in (ALL, ATTENTION) else None,
        attention=tab == ATTENTION,
        text=known["q"],
        sort=ListOrder(known["sap-xep"] or ListOrder.FIRST),
        type_name=known["loai"] or None,
        urgency=_URGENCIES.get(known["khan"]),
        pressing=known["khan"] == "1",
        state=known["trang-thai"] or None,
        party=known["co-quan"] or None,
        signer=known["nguoi-ky"] or None,
        attached={"co": True, "khong": False}.get(known["tep"]),
        origin=Origin(known["nguon"]) if known["nguon"] else None,
        book=known["so"] or None,
        tag=known["nhan"] or None,
        overdue=bool(known["qua-han"]),
        unread=bool(known["chua-doc"]),
    )


def tabs_of(side: Side) -> tuple[str, ...]:
    """In the order of the page (interfaces.md 2.2, 2.5)."""
    named = tuple(each.name.lower() for each in TABS[side] if each.name)
    return (ALL, ATTENTION, *named) if side is Side.OUT else (*named, ALL)


def _tab_opened(side: Side, given: Mapping[str, str]) -> str:
    """What waits to be taken in is what an incoming list is opened for; whoever filters means all."""
    more = tuple(each.name.lower() for each in _MORE_TABS[side] if each.name)
    if given["tab"] in (*tabs_of(side), ATTENTION, *more):
        return given["tab"]
    narrowed = any(given[name] for name in _FILTERS)
    return ALL if side is Side.OUT or narrowed else "new"


def _span(given: dict[str, str], today: date) -> tuple[datetime | None, datetime | None, tuple[str, ...]]:
    """From the beginning of the first day to the end of the last. Days typed go before a quick pick."""
    read_days = {name: dates.typed_day(given[name], today) for name in ("tu", "den") if given[name]}
    unread_days = tuple(name for name, on in read_days.items() if on is None)
    first, last = read_days.get("tu"), read_days.get("den")
    if first is None and last is None and given["ngay"] in PICKS:
        first, last = picked(given["ngay"], today)
    since = datetime.combine(first, time(), VIETNAM) if first else None
    until = datetime.combine(last + timedelta(days=1), time(), VIETNAM) if last and last < date.max else None
    return since, until, unread_days


def picked(pick: str, today: date) -> tuple[date, date]:
    """The days of a quick pick, up to today."""
    begins = {
        "hom-nay": today,
        "tuan-nay": today - timedelta(days=today.weekday()),
        "thang-nay": today.replace(day=1),
        "quy-nay": today.replace(month=3 * ((today.month - 1) // 3) + 1, day=1),
    }
    return begins[pick], today
