"""A list's address as a question, and back; and the columns of the two lists: their names, the default ones, the
sortable ones. In: the query of an address. Out: a `ListQuery`, which holds the core's `Filter` and writes every
other address of the same list: so a view is a bookmark. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from urllib.parse import urlencode

from gateway.domain import states
from gateway.domain.document import URGENCY_KEYS, InState, Urgency
from gateway.domain.figure_cells import FigureFilter
from gateway.domain.figures import IN, MEASURES, OUT, Dimension
from gateway.domain.status import RequestKind
from gateway.domain.wall_clock import VIETNAM, day_text
from gateway_office.domain.listing import NO_BOOK, TABS, Filter, ListOrder, Origin, Side, Tab, Viewer
from gateway_office.web import dates

PATHS: Mapping[Side, str] = {Side.OUT: "/van-ban-di", Side.IN: "/van-ban-den"}
SIZES = (25, 50, 100)
PICKS = ("hom-nay", "tuan-nay", "thang-nay", "quy-nay")
ALL, ATTENTION = "all", "attention"
# Tabs that the page does not show, for tiles and bookmarks.
_MORE_TABS: Mapping[Side, tuple[Tab, ...]] = {Side.OUT: (Tab.SILENT, Tab.UNSENT), Side.IN: ()}
STATES: Mapping[Side, tuple[str, ...]] = {
    Side.OUT: tuple(states.STATES),
    Side.IN: (*(state.value for state in InState), *(f"{kind}_asked" for kind in RequestKind)),
}
ORIGINS: Mapping[Side, tuple[Origin, ...]] = {
    Side.OUT: (Origin.PROGRAM, Origin.MACHINE, Origin.HAND),
    Side.IN: (Origin.AXIS, Origin.EMAIL, Origin.PAPER, Origin.OTHER),
}
_YEAR = re.compile(r"[0-9]{4}")
_LONGEST = 200
_FILTERS = (
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
    "so-lieu",
)
_OF_FIGURE = {"co-quan": Dimension.PARTNER, "loai": Dimension.TYPE, "khan": Dimension.URGENCY}
_URGENCIES = {key: urgency for urgency, key in URGENCY_KEYS.items()}
_VIEW = ("tab", "sap-xep", "so-dong", "cot")


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """Column of a list. `key` stands in addresses and names the words. `up` and `down` are the orders that its heading asks
    for, the first one first. `is_content`, `is_tag`: hidden where the person sees no content, or no labels."""

    key: str
    up: ListOrder | None = None
    down: ListOrder | None = None
    is_default: bool = True
    is_content: bool = False
    is_tag: bool = False
    opens_row: bool = False

    def sort_after(self, sort: ListOrder) -> ListOrder | None:
        """Return the order that a click on the heading asks for, in a list that is sorted by `sort`."""
        return self.down if sort is self.up else self.up

    def direction(self, sort: ListOrder) -> str:
        """Return the direction for `aria-sort`."""
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
    """List the columns that such a person may choose."""
    return [
        column
        for column in COLUMNS[side]
        if (content or not column.is_content) and (tags or not column.is_tag)
    ]


def chosen_columns(
    side: Side, keys: Sequence[str], *, content: bool, tags: bool = True
) -> tuple[Column, ...]:
    """Return the named columns in the list's order, with the number, which opens a row; without known names the default."""
    visible = visible_columns(side, content=content, tags=tags)
    if any(column.key in keys for column in visible):
        return tuple(column for column in visible if column.key in keys or column.opens_row)
    return tuple(column for column in visible if column.is_default)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQuery:
    """One list as its address asks for it. `parameters` holds the understood values by name; `unread_days` the unreadable
    days."""

    side: Side
    tab: str
    criteria: Filter
    parameters: Mapping[str, str] = field(default_factory=dict)
    size: int = SIZES[0]
    cursor: str | None = None
    columns: tuple[str, ...] = ()
    unread_days: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        return PATHS[self.side]

    @property
    def filters(self) -> Mapping[str, str]:
        """Return the filters beside the tab."""
        return {name: self.parameters[name] for name in _FILTERS if name in self.parameters}

    @property
    def query(self) -> str:
        """Return the list without the place in it, as a saved view keeps it."""
        return urlencode(self._pairs())

    def address(self, **changes: str | None) -> str:
        """Return this list's first page with some values replaced; None takes one out. Underlines stand for dashes."""
        changed = {name.replace("_", "-"): value for name, value in changes.items()}
        pairs = {name: value for name, value in {**self._pairs(), **changed}.items() if value}
        return f"{self.path}?{urlencode(pairs)}" if pairs else self.path

    def without_filters(self) -> str:
        return self.address(**{name.replace("-", "_"): None for name in _FILTERS})

    def _pairs(self) -> dict[str, str]:
        return {name: self.parameters[name] for name in (*_VIEW, *_FILTERS) if name in self.parameters}


def read_address(
    side: Side,
    query: Mapping[str, str],
    today: date,
    *,
    columns: Sequence[str] = (),
    content: bool = True,
    tags: bool = True,
    viewer: Viewer | None = None,
    first: str = "new",
) -> ListQuery:
    """Read a list's address; words without meaning are left out. Without `content` contents are not searched; `viewer`
    narrows everything to what that department or person may see. `first`: the tab with which an incoming list opens."""
    asked_values = {name: query.get(name, "").strip()[:_LONGEST] for name in (*_VIEW, *_FILTERS)}
    if not content:
        asked_values |= {"q": "", "nguoi-ky": ""}
    if not tags:
        asked_values["nhan"] = ""
    since, end, unread_days = _span(asked_values, today)
    tab = _tab_opened(side, asked_values, first)
    # Default values are dropped from the address.
    is_known = {
        "tab": asked_values["tab"] == tab,
        "sap-xep": asked_values["sap-xep"]
        in {order.value for order in ListOrder if order is not ListOrder.FIRST},
        "so-dong": asked_values["so-dong"] in map(str, SIZES[1:]),
        "khan": asked_values["khan"] in _URGENCIES or asked_values["khan"] == "1",
        "trang-thai": asked_values["trang-thai"] in STATES[side],
        "tep": asked_values["tep"] in ("co", "khong"),
        "ngay": asked_values["ngay"] in PICKS,
        "nguon": asked_values["nguon"] in ORIGINS[side],
        "so": asked_values["so"] == NO_BOOK or _YEAR.fullmatch(asked_values["so"]),
        **{name: asked_values[name] == "1" for name in ("qua-han", "tre")},
        "chua-doc": asked_values["chua-doc"] == "1" and side is Side.IN,
        "so-lieu": asked_values["so-lieu"] in MEASURES and viewer is None,
    }
    values = {name: value if is_known.get(name, True) else "" for name, value in asked_values.items()}
    values["cot"] = ",".join(columns)
    figure = _read_figure(side, values, today) if values["so-lieu"] else None
    if figure is not None:
        since = end = None
    return ListQuery(
        side=side,
        tab=tab,
        criteria=replace(
            _make_filter(
                side, tab, values if figure is None else {**values, **dict.fromkeys(_OF_FIGURE, "")}
            ),
            figure=figure,
            late=today if values["tre"] else None,
            viewer=viewer,
            since=since,
            until=end,
        ),
        parameters={name: value for name, value in values.items() if value},
        size=int(values["so-dong"] or SIZES[0]),
        cursor=query.get("trang") or None,
        columns=tuple(columns),
        unread_days=unread_days,
    )


def _read_figure(side: Side, parameters: Mapping[str, str], today: date) -> FigureFilter | None:
    """Read the filter of a report's figure from the address of its list; it has both days."""
    since, last_day = (dates.typed_day(parameters[name], today) for name in ("tu", "den"))
    if since is None or last_day is None:
        return None
    values = {dimension: parameters[name] for name, dimension in _OF_FIGURE.items() if parameters[name]}
    if Dimension.URGENCY in values:
        values[Dimension.URGENCY] = str(int(_URGENCIES.get(values[Dimension.URGENCY], -1)))
    return FigureFilter(
        side=IN if side is Side.IN else OUT,
        measure=parameters["so-lieu"],
        since=since,
        until=last_day,
        values=tuple(values.items()),
    )


def figure_address(figure: FigureFilter) -> str:
    """Return the address of the list of a figure's documents, which `read_address` reads back."""
    names = {dimension: name for name, dimension in _OF_FIGURE.items()}
    words = {names[dimension]: value for dimension, value in figure.values}
    if "khan" in words:
        words["khan"] = URGENCY_KEYS[Urgency(int(words["khan"]))]
    days = {"tu": day_text(figure.since), "den": day_text(figure.until)}
    query = {"tab": ALL, **words, **days, "so-lieu": figure.measure}
    return f"{PATHS[Side.IN if figure.side == IN else Side.OUT]}?{urlencode(query)}"


def _make_filter(side: Side, tab: str, parameters: Mapping[str, str]) -> Filter:
    """Make the core's filter of understood words, without days and viewer."""
    return Filter(
        side=side,
        tab=Tab[tab.upper()] if tab not in (ALL, ATTENTION) else None,
        attention=tab == ATTENTION,
        text=parameters["q"],
        sort=ListOrder(parameters["sap-xep"] or ListOrder.FIRST),
        type_name=parameters["loai"] or None,
        urgency=_URGENCIES.get(parameters["khan"]),
        pressing=parameters["khan"] == "1",
        state=parameters["trang-thai"] or None,
        party=parameters["co-quan"] or None,
        signer=parameters["nguoi-ky"] or None,
        attached={"co": True, "khong": False}.get(parameters["tep"]),
        origin=Origin(parameters["nguon"]) if parameters["nguon"] else None,
        book=parameters["so"] or None,
        tag=parameters["nhan"] or None,
        overdue=bool(parameters["qua-han"]),
        unread=bool(parameters["chua-doc"]),
    )


def tabs_of(side: Side) -> tuple[str, ...]:
    """List the tabs in the order of the page."""
    names = tuple(tab.name.lower() for tab in TABS[side] if tab.name)
    return (ALL, ATTENTION, *names) if side is Side.OUT else (*names, ALL)


def _tab_opened(side: Side, parameters: Mapping[str, str], first: str) -> str:
    """Return the tab to open: of an incoming list the person's first one, with filters all."""
    more = tuple(tab.name.lower() for tab in _MORE_TABS[side] if tab.name)
    if parameters["tab"] in (*tabs_of(side), ATTENTION, *more):
        return parameters["tab"]
    narrowed = any(parameters[name] for name in _FILTERS)
    return ALL if side is Side.OUT or narrowed else first


def _span(
    parameters: dict[str, str], today: date
) -> tuple[datetime | None, datetime | None, tuple[str, ...]]:
    """Return the first day's begin and the last day's end. Typed days go before a quick pick."""
    read_days = {name: dates.typed_day(parameters[name], today) for name in ("tu", "den") if parameters[name]}
    unread_days = tuple(name for name, on in read_days.items() if on is None)
    first, last = read_days.get("tu"), read_days.get("den")
    if first is None and last is None and parameters["ngay"] in PICKS:
        first, last = days_of_pick(parameters["ngay"], today)
    since = datetime.combine(first, time(), VIETNAM) if first else None
    end = datetime.combine(last + timedelta(days=1), time(), VIETNAM) if last and last < date.max else None
    return since, end, unread_days


def days_of_pick(pick: str, today: date) -> tuple[date, date]:
    """Return the days of a quick pick, up to today."""
    begins = {
        "hom-nay": today,
        "tuan-nay": today - timedelta(days=today.weekday()),
        "thang-nay": today.replace(day=1),
        "quy-nay": today.replace(month=3 * ((today.month - 1) // 3) + 1, day=1),
    }
    return begins[pick], today
