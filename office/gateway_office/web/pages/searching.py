"""The search over both lists and inside files, and what the search field of every page offers while a person types: filters
with their values, the agencies of a name, pages and acts. In: a typed text. Out: rows ordered by fit; offers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from aiohttp import web

from gateway.domain.text import fold, sought
from gateway.errors import NotFound
from gateway_office.domain.listing import Filter, ListLine, Side
from gateway_office.domain.roles import Manner, Right
from gateway_office.store.lists import ListCount
from gateway_office.web.addresses import url_for
from gateway_office.web.listing import asking, inside, list_rows, tokens
from gateway_office.web.listing.asking import ORIGINS, SIZES, STATES
from gateway_office.web.listing.list_rows import split_at_matches
from gateway_office.web.listing.search_field import SearchField, known_tokens
from gateway_office.web.listing.tokens import Token
from gateway_office.web.menu import menu
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.routes import Needs, get

SEE = (Needs(right=Right.SEE_CONTENT),)
_SEARCH = "/tim-kiem"
_LONGEST = 200
_MOST_NAMES = 6
_FEW_INSIDE, _MOST_INSIDE = 5, 20
# A name is asked for from its second letter on, as recipients are.
_SHORTEST_NAME = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class PageOffer:
    """Offer that opens a page."""

    path: str
    words: str
    about: str = ""


async def search(request: PageRequest) -> web.StreamResponse:
    """Search both sides at once: rows ordered by fit, beneath them words inside files; or with `trong=tep` those alone. A
    person limited to the own unit is shown one side at a time: own documents differ by side."""
    sight, text = list_rows.seen_by(request), request.ask("q")[:_LONGEST]
    search_filter, is_inside = await _read_filter(request, text, sight)
    lines: tuple[ListLine, ...] = ()
    total, page, matches = ListCount(n=0), None, inside.NOTHING
    cursor = request.ask("trang") or None
    # Read before the rows, as for a list.
    renderer = await list_rows.row_renderer(request)
    if text and sight.content:
        async with request.deps.store.read(request.scope()) as work:
            try:
                if not is_inside:
                    page = await work.office.lists.page(search_filter, limit=SIZES[0], cursor=cursor)
                    total, lines = await work.office.lists.count(search_filter), page.lines
            except NotFound:
                return request.go(_SEARCH, q=text)
            if is_inside or cursor is None:
                most = _MOST_INSIDE if is_inside else _FEW_INSIDE
                matches = await inside.find_inside(work, search_filter, limit=most, cursor=cursor)
    search_words = sought(search_filter.text)
    shown_ids = {line.id for line in lines}
    inside_lines = [line for line in matches.lines if line.id not in shown_ids]
    return await request.page(
        "lists/search.html",
        title=request.say("listing.search"),
        text=text,
        search_field=SearchField(text=text),
        side=search_filter.side.value if search_filter.side else "",
        rows=_rows(renderer, lines, matches),
        inside_rows=_rows(renderer, inside_lines, matches),
        extracts=matches.extracts,
        next_inside=matches.next_cursor,
        is_inside=is_inside,
        total=total,
        page=page,
        seen=sight,
        marked=lambda words: list(split_at_matches(words, search_words)),
        may_issue=False,
        may_take=request.may(Right.TAKE_IN, Manner.YES),
    )


def _rows(
    renderer: list_rows.RowRenderer, lines: Sequence[ListLine], matches: inside.InsideMatches
) -> list[list_rows.ShownLine]:
    """Render lines; a row with an extract opens the page found."""
    rows = renderer.rows(lines)
    extracts = matches.extracts
    return [replace(row, path=extracts[row.line.id].path) if row.line.id in extracts else row for row in rows]


async def _read_filter(request: PageRequest, text: str, sight: list_rows.ListSight) -> tuple[Filter, bool]:
    """Read the text into a filter, and whether files alone are searched. The filter's side is the chosen one, else the one
    whose words it has."""
    values, plain_text = tokens.read_tokens(text, await known_tokens(request, None))
    chosen = request.ask("phia")
    side = Side(chosen) if chosen in ("out", "in") else _side_of(values)
    if side is None and sight.share is not None:
        side = Side.IN
    question = asking.read_address(
        side or _state_side(values), {**values, "q": plain_text}, request.today, content=sight.content
    )
    viewer = sight.viewer(side) if side else None
    is_inside = "tep" in (request.ask("trong"), values.get("trong"))
    return replace(question.criteria, side=side, tab=None, attention=False, viewer=viewer), is_inside


def _side_of(values: dict[str, str]) -> Side | None:
    """Return the side that alone knows one of the values."""
    if "chua-doc" in values:
        return Side.IN
    for side, other in ((Side.IN, Side.OUT), (Side.OUT, Side.IN)):
        state, origin = values.get("trang-thai"), values.get("nguon")
        if state in STATES[side] and state not in STATES[other]:
            return side
        if origin in ORIGINS[side] and origin not in ORIGINS[other]:
            return side
    return None


def _state_side(values: dict[str, str]) -> Side:
    return Side.OUT if values.get("trang-thai") in STATES[Side.OUT] else Side.IN


async def suggest(request: PageRequest) -> web.StreamResponse:
    """Offer what completes the typed text. Without a text: every filter, and every page."""
    text, side_name = request.http.query.get("q", "")[:_LONGEST].lstrip(), request.ask("phia")
    side = Side(side_name) if side_name in ("out", "in") else None
    sight = list_rows.seen_by(request)
    of_list = await known_tokens(request, side) if sight.content else ()
    names = await _agency_names(request, text, of_list)
    offers = tokens.offer(text, of_list, names)
    return request.piece(
        "lists/_offers.html",
        offers=offers,
        pages=_pages(request, text, side),
        shown=len(offers),
    )


async def _agency_names(request: PageRequest, text: str, of_list: Sequence[Token]) -> Sequence[str]:
    """List the agencies of the name that is typed behind *from:* or *to:*, those of the own province first."""
    token_at_end = tokens.typed_value(text, of_list)
    if (
        token_at_end is None
        or token_at_end[0].parameter != "co-quan"
        or len(token_at_end[1]) < _SHORTEST_NAME
    ):
        return ()
    root = request.own_agency.code.partition(".")[0]
    agencies = await request.deps.registry.search(token_at_end[1], _MOST_NAMES, root)
    return list(dict.fromkeys(agency.name for agency in agencies))


def _pages(request: PageRequest, text: str, side: Side | None) -> list[PageOffer]:
    """List pages and acts whose name begins with the text, or a word of it; and on a list the search over both."""
    sought_words = fold(text)
    pages = [PageOffer(path=entry.path, words=request.say(f"menu.{entry.key}")) for entry in menu(request)]
    if request.may(Right.ISSUE, Manner.YES):
        pages.insert(0, PageOffer(path="/phat-hanh", words=request.say("listing.new")))
    offers = [page for page in pages if f" {sought_words}" in f" {fold(page.words)}"]
    if text and side is not None:
        everywhere = request.say("listing.search.everywhere", text=text)
        offers.append(PageOffer(path=url_for(_SEARCH, q=text), words=everywhere))
    return offers


ROUTES = (
    get(_SEARCH, "search", search, needs=SEE),
    get(f"{_SEARCH}/goi-y", "search_offers", suggest, needs=SEE),
)
