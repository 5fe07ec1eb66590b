"""Filters of lists in the reader's words: the names of types, states and books; the chips above a list; and the tokens that
the search field understands (`listing.tokens`). In: a request, a list's question, the agency's labels. Out: words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.document_view.facts import received_word, state_word
from gateway.domain.document import URGENCY_KEYS
from gateway.domain.text import fold
from gateway.words import labels
from gateway_office.domain.listing import NO_BOOK, Side, Tag
from gateway_office.web.listing.asking import ORIGINS, PICKS, STATES, ListQuery
from gateway_office.web.listing.list_rows import known_tags
from gateway_office.web.listing.tokens import Token, TokenValue
from gateway_office.web.page_requests import PageRequest

_SIDES = {Side.IN: ("co-quan.in",), Side.OUT: ("co-quan.out",), None: ("co-quan.in", "co-quan.out")}
# Tokens, and the parameters of the address that they fill; those without a value of their own have `""`.
_PARAMETERS = {
    "co-quan.in": "co-quan",
    "co-quan.out": "co-quan",
    "ky": "nguoi-ky",
    "loai": "loai",
    "trang-thai": "trang-thai",
    "han": "",
    "khan": "khan",
    "ngay": "ngay",
    "tu-ngay": "tu",
    "den-ngay": "den",
    "tep": "tep",
    "nguon": "nguon",
    "so": "so",
    "nhan": "nhan",
    "la": "",
    "trong": "trong",
}
_SEARCHED = ("co-quan.in", "co-quan.out", "ky")
_OPEN_TOKENS = ("loai", "tu-ngay", "den-ngay")


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchField:
    """Search field of a page: where it leads, and the text in it."""

    path: str = "/tim-kiem"
    side: str = ""
    text: str = field(default="", repr=False)


def type_name(request: PageRequest, key: str) -> str:
    """Name a type. The rows know types by their key without accents; those of the one table have their words."""
    return request.say_or(f"type.{fold(key).replace(' ', '_')}", key)


def book_name(request: PageRequest, book: str) -> str:
    return request.say("listing.book.none") if book == NO_BOOK else request.say("listing.book", year=book)


def state_name(request: PageRequest, side: Side, state: str) -> str:
    return received_word(state, request.lang) if side is Side.IN else state_word(state, request.lang)


async def known_tokens(
    request: PageRequest, side: Side | None, tags: Sequence[Tag] | None = None
) -> tuple[Token, ...]:
    """List the tokens of a list, or of the search over both, with every value: what is offered is what is read."""
    sides = (side,) if side is not None else tuple(Side)
    async with request.deps.store.read(request.scope()) as work:
        types = [name for s in sides for name in await work.office.lists.types(s)]
        books = await work.office.lists.books(side) if side is not None else ()
    if tags is None:
        tags = await known_tags(request) if side is not None else ()
    return _tokens_of(request, side, list(dict.fromkeys(types)), books, tags)


def _tokens_of(
    request: PageRequest, side: Side | None, types: Sequence[str], books: Sequence[str], tags: Sequence[Tag]
) -> tuple[Token, ...]:
    keys = [key for key in _PARAMETERS if not key.startswith("co-quan.") or key in _SIDES[side]]
    values = {
        "loai": [("loai", key, type_name(request, key)) for key in types],
        "trang-thai": _states(request, side),
        "han": [
            ("qua-han", "1", request.say("listing.token.overdue")),
            ("tre", "1", request.say(f"listing.token.late.{(side or Side.IN).value}")),
        ],
        "khan": [
            ("khan", "1", request.say("listing.token.pressing")),
            *(("khan", key, request.say(f"urgency.{key}")) for key in URGENCY_KEYS.values()),
        ],
        "ngay": [("ngay", pick, request.say(f"listing.pick.{pick}")) for pick in PICKS],
        "tep": [("tep", key, request.say(f"listing.token.tep.{key}")) for key in ("co", "khong")],
        "nguon": [
            ("nguon", origin.value, request.say(f"listing.source.{origin}"))
            for key in ((side,) if side else Side)
            for origin in ORIGINS[key]
        ],
        "so": [("so", book, book if book != NO_BOOK else book_name(request, book)) for book in books],
        "nhan": [("nhan", tag.id, tag.name) for tag in tags],
        "la": [("chua-doc", "1", request.say("listing.token.unread"))] if side is not Side.OUT else [],
        # A list shows rows alone; the search over both looks into files too.
        "trong": [("trong", "tep", request.say("listing.token.files"))] if side is None else [],
    }
    return tuple(
        Token(
            names=_names(request, key),
            parameter=_PARAMETERS[key],
            about=request.say(f"listing.token.about.{key}"),
            values=tuple(
                TokenValue(parameter=parameter, value=value, words=words)
                for parameter, value, words in values.get(key, ())
            ),
            is_text=key in _SEARCHED,
            is_open=key in _OPEN_TOKENS,
        )
        for key in keys
        if key in _SEARCHED or key in _OPEN_TOKENS or values.get(key)
    )


def _names(request: PageRequest, key: str) -> tuple[str, ...]:
    """Return the name in the reader's language, and the one in the other."""
    other = "en" if request.lang == "vi" else "vi"
    return request.say(f"listing.token.{key}"), labels.say(f"listing.token.{key}", other)


def _states(request: PageRequest, side: Side | None) -> list[tuple[str, str, str]]:
    sides = (side,) if side is not None else tuple(Side)
    return [
        ("trang-thai", state, state_name(request, state_side, state))
        for state_side in sides
        for state in STATES[state_side]
    ]


def filter_words(
    request: PageRequest, question: ListQuery, tags: Sequence[Tag] = ()
) -> list[tuple[str, str, str]]:
    """Describe each filter: its name, its value, and the list without it. `tags` are those that the person may see."""
    tag_names = {tag.id: tag.name for tag in tags}
    words: Mapping[str, Callable[[str], str]] = {
        "khan": lambda value: request.say("listing.pressing" if value == "1" else f"urgency.{value}"),
        "ngay": lambda value: request.say(f"listing.pick.{value}"),
        "loai": lambda value: type_name(request, value),
        "trang-thai": lambda value: state_name(request, question.side, value),
        "tep": lambda value: request.say(f"listing.tep.{value}"),
        "nguon": lambda value: request.say(f"listing.source.{value}"),
        "so": lambda value: book_name(request, value),
        "nhan": lambda value: tag_names.get(value, "?"),
        "so-lieu": lambda value: request.say(f"report.column.{value}"),
        **dict.fromkeys(("qua-han", "tre", "chua-doc"), lambda _: ""),
    }
    return [
        (
            request.say(f"listing.filter.{f'tre.{question.side.value}' if name == 'tre' else name}"),
            words.get(name, str)(value),
            question.address(**{name.replace("-", "_"): None}),
        )
        for name, value in question.filters.items()
    ]
