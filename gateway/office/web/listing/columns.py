"""The columns of the two lists: which there are, which stand there unless a person chooses others, which sort. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.office.domain.listing import Side
from gateway.office.ports.lists import Sort


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """`key` stands in addresses and names the words. `up` and `down` are the orders that its heading asks for, the first
    one first. `is_content`, `is_tag`: not for those who see no content, or no labels of the agency."""

    key: str
    up: Sort | None = None
    down: Sort | None = None
    is_default: bool = True
    is_content: bool = False
    is_tag: bool = False

    def sort_after(self, sort: Sort) -> Sort | None:
        """What a click on the heading asks for, in a list that is sorted so."""
        return self.down if sort is self.up else self.up

    def direction(self, sort: Sort) -> str:
        """For `aria-sort`."""
        rising = {self.up: "ascending", self.down: "descending"}
        if self.up is Sort.NEWEST:
            rising = {self.up: "descending", self.down: "ascending"}
        return rising.get(sort, "") if self.up is not None else ""


_NUMBER = Column(key="so", up=Sort.NUMBER, down=Sort.NUMBER_DOWN)
_ISSUED = Column(key="ngay-vb", up=Sort.ISSUED_DOWN, down=Sort.ISSUED)
_SUBJECT = Column(key="trich-yeu", is_content=True)
_URGENCY = Column(key="khan")
_STATE = Column(key="trang-thai")
_SIGNER = Column(key="nguoi-ky", is_default=False, is_content=True)
_REPLY = Column(key="han-tra-loi", is_default=False)
_SOURCE = Column(key="nguon", is_default=False)
_LAST = (
    Column(key="so-trang", is_default=False),
    Column(key="ma-van-ban", is_default=False),
    Column(key="nhan", is_default=False, is_tag=True),
)
COLUMNS: Mapping[Side, tuple[Column, ...]] = {
    Side.OUT: (
        _NUMBER,
        _ISSUED,
        _SUBJECT,
        Column(key="loai", up=Sort.TYPE, down=Sort.TYPE_DOWN),
        _URGENCY,
        Column(key="noi-nhan", up=Sort.PARTY, down=Sort.PARTY_DOWN),
        _STATE,
        Column(key="gui-luc", up=Sort.NEWEST, down=Sort.OLDEST),
        Column(key="gan-nhat"),
        _SIGNER,
        Column(key="don-vi", is_default=False),
        _REPLY,
        _SOURCE,
        Column(key="ma-qlvb", is_default=False),
        *_LAST,
    ),
    Side.IN: (
        Column(key="con-lai", up=Sort.FIRST),
        Column(key="den-luc", up=Sort.NEWEST, down=Sort.OLDEST),
        Column(key="noi-gui", up=Sort.PARTY, down=Sort.PARTY_DOWN),
        _NUMBER,
        _ISSUED,
        _SUBJECT,
        _URGENCY,
        Column(key="kiem-tra"),
        _STATE,
        Column(key="so-den"),
        Column(key="loai", up=Sort.TYPE, down=Sort.TYPE_DOWN, is_default=False),
        _SIGNER,
        _REPLY,
        _SOURCE,
        *_LAST,
    ),
}


def visible(side: Side, *, content: bool, tags: bool) -> list[Column]:
    """Those that such a person may choose."""
    return [each for each in COLUMNS[side] if (content or not each.is_content) and (tags or not each.is_tag)]


def chosen(side: Side, keys: Sequence[str], *, content: bool, tags: bool = True) -> tuple[Column, ...]:
    """Those named, in the list's order; of none that is known those that stand there by default."""
    seen = visible(side, content=content, tags=tags)
    named = tuple(each for each in seen if each.key in keys)
    return named or tuple(each for each in seen if each.is_default)
