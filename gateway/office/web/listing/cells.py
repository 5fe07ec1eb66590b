"""A row of a list as cells of a table that leaves the page: real dates, plain words. In: rows and columns. Out: cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.domain.book import Cell
from gateway.office.domain.listing import Side
from gateway.office.domain.tag import Tag
from gateway.office.web.listing.columns import Column
from gateway.office.web.listing.rows import Row
from gateway.office.web.moments import moment
from gateway.words import labels

WIDTHS: Mapping[str, int] = {
    "trich-yeu": 60,
    "noi-nhan": 36,
    "noi-gui": 36,
    "trang-thai": 28,
    "ma-van-ban": 34,
}
WIDTH = 18


def cells(row: Row, columns: tuple[Column, ...], lang: str, tags: Sequence[Tag] = ()) -> list[Cell]:
    """`tags` are the agency's own labels on it."""
    return [_cell(row, each.key, lang, tags) for each in columns]


def _cell(row: Row, key: str, lang: str, tags: Sequence[Tag]) -> Cell:
    line, card = row.line, row.line.card
    plain: Mapping[str, Cell] = {
        "so": row.number,
        "ngay-vb": line.issued_on,
        "trich-yeu": row.subject,
        "loai": card.type_name,
        "khan": labels.say(f"urgency.{line.urgency.key}", lang),
        "gui-luc": moment(line.sent_at),
        "gan-nhat": moment(line.latest_at),
        "den-luc": moment(line.at),
        "con-lai": labels.time_left(row.left, lang) if row.left is not None else "",
        "so-den": card.arrival_no,
        "nguoi-ky": card.signer,
        "don-vi": card.unit,
        "han-tra-loi": card.reply_due,
        "ma-qlvb": card.external_id,
        "so-trang": card.pages,
        "ma-van-ban": card.document_id,
    }
    if key in plain:
        return plain[key]
    if key in ("noi-nhan", "noi-gui"):
        return _party(row)
    if key == "trang-thai":
        return f"{row.state}; {row.summary}" if row.summary else row.state
    if key == "kiem-tra":
        told = [
            (labels.say(f"listing.check.{each.key}", lang), _found(each.found, lang)) for each in row.checks
        ]
        return "; ".join(f"{name}: {found}" for name, found in told)
    if key == "nhan":
        return "; ".join(each.name for each in tags)
    return labels.say(f"listing.source.{line.origin}", lang) if line.origin else ""


def _party(row: Row) -> str:
    card = row.line.card
    name = f"{card.party} ({card.party_code})" if card.party else card.party_code
    return f"{name} +{card.parties - 1}" if row.line.side is Side.OUT and card.parties > 1 else name


def _found(found: str, lang: str) -> str:
    return labels.say(f"checked.{found}", lang) if labels.has(f"checked.{found}") else found
