"""Filters and pages that every list shares. In: query parameters. Out: checked bounds, and one page as it is answered,
with its cursor and its Link header. Cursors are the store's; the API only hands them on."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from datetime import date, datetime, time
from difflib import get_close_matches
from typing import Annotated, Generic, TypeVar

from pydantic import AwareDatetime, BeforeValidator, Field, StringConstraints

from gateway.api.call import Call
from gateway.api.failing import BadCall, Fault
from gateway.api.shapes import Asked, Cursor, Told
from gateway.domain.wall_clock import VIETNAM
from gateway.errors import NotFound
from gateway.ports import Page

T = TypeVar("T")

DEFAULT_ROWS = 50
MOST_ROWS = 200


def _split(text: object) -> object:
    return [piece.strip() for piece in text.split(",") if piece.strip()] if isinstance(text, str) else text


def _moment(text: object) -> object:
    """A date alone begins at midnight in Viet Nam; a `+` that a query string turned into a space is put back."""
    if not isinstance(text, str):
        return text
    try:
        return datetime.combine(date.fromisoformat(text), time.min, VIETNAM)
    except ValueError:
        return text.replace(" ", "+")


Words = Annotated[
    list[Annotated[str, StringConstraints(max_length=40)]], BeforeValidator(_split), Field(max_length=40)
]
Since = Annotated[AwareDatetime, BeforeValidator(_moment)]


class PageQuery(Asked):
    """Which page of a list."""

    limit: int = Field(DEFAULT_ROWS, ge=1, le=MOST_ROWS, description="Rows on one page")
    cursor: Cursor | None = Field(None, description="`next_cursor` of the page before")


class TextQuery(PageQuery):
    """A list that can be searched; letter case and accents do not matter."""

    q: Annotated[str, StringConstraints(max_length=200)] | None = Field(None, description="Words to look for")


class PageOut(Told, Generic[T]):
    """One page of a list."""

    data: list[T]
    next_cursor: str | None = Field(description="`cursor` of the next page")
    has_more: bool


def check_states(given: Iterable[str], known: Iterable[str]) -> None:
    """BadCall for a state that no row can be in."""
    check_words("state", given, known)


def check_words(field: str, given: Iterable[str], known: Iterable[str]) -> None:
    """BadCall for a word that stands nowhere: a typing error must not look like an empty list."""
    expected = ", ".join(dict.fromkeys(known))
    faults = [
        Fault(
            code="bad-value",
            pointer=f"?{field}",
            params={"field": field, "expected": expected},
            suggest=next(iter(get_close_matches(each, expected.split(", "), n=1)), None),
        )
        for each in given
        if each not in expected.split(", ")
    ]
    if faults:
        raise BadCall("bad-request", *faults)


async def page_of(call: Call, asked: Awaitable[Page[T]]) -> Page[T]:
    """The page from the store; a cursor that is none of ours is the caller's fault."""
    try:
        page = await asked
    except NotFound as why:
        if "cursor" not in call.request.query:
            raise
        fault = Fault(
            code="bad-value", pointer="?cursor", params={"field": "cursor", "expected": "next_cursor"}
        )
        raise BadCall("bad-request", fault) from why
    call.link_next(page.next_cursor)
    return page
