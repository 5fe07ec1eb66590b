"""The two lists and the search over both: rows by tab, filter and order, a page at a time. In: an address. Out: the page,
or the region of it that a script swaps; the documents before and after one in the list that it was opened from (`ds`),
which details show as links with the keys [ and ]; and the values that people keep on the lists: the agency's own labels,
each deleted with all its marks, and the saved views of one person."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import partial
from urllib.parse import urlencode

from aiohttp import web

from gateway.document_view.facts import received_word, state_word
from gateway.domain.document import URGENCY_KEYS, WORKED_ON
from gateway.domain.queues import InboxPacket
from gateway.domain.text import fold, sought
from gateway.errors import Clash, NotFound
from gateway.office.accounts import tags_and_views
from gateway.office.domain.listing import NO_BOOK, TABS, Filter, ListLine, ListOrder, Side, Tab, Tag
from gateway.office.domain.roles import Manner, Right
from gateway.office.store.lists import ListCount, ListPage
from gateway.office.store.store import OfficeWork
from gateway.office.web.answers import figure
from gateway.office.web.forms import Problems
from gateway.office.web.listing import asking, list_rows
from gateway.office.web.listing.asking import (
    ALL,
    ATTENTION,
    ORIGINS,
    PATHS,
    PICKS,
    SIZES,
    STATES,
    ListQuery,
    chosen_columns,
    visible_columns,
)
from gateway.office.web.listing.list_rows import ListSight, split_at_matches
from gateway.office.web.routes import Needs, both, get, post
from gateway.office.web.visits import Visit, claimed_sender

SEE = (Needs(right=Right.SEE_CONTENT),)
# The menu entry of each list, which also names its routes.
MENU = {Side.OUT: "outgoing", Side.IN: "incoming"}
_BROKEN = ("malformed", "held", "quarantined")
_MOST_BROKEN = 20
_WIDTHS = frozenset(map(str, range(35, 71)))


@dataclass(frozen=True, slots=True, kw_only=True)
class ListFindings:
    """Findings of one read of the store. `broken` are packets that became no document, each with the name of its sender;
    `last` is when one last came; `late` are the rows with late work, or a late answer."""

    page: ListPage
    total: ListCount
    counts: Mapping[str, ListCount]
    types: Sequence[str]
    books: Sequence[str]
    queued: ListCount | None = None
    broken: Sequence[tuple[InboxPacket, str]] = ()
    last: datetime | None = None
    late: frozenset[str] = frozenset()


async def show_list(visit: Visit, side: Side) -> web.StreamResponse:
    sight = list_rows.seen_by(visit)
    views = await tags_and_views.views_of(visit.deps.store, visit.scope(), side)
    first = next((view for view in views if view.is_first), None)
    if first is not None and not visit.request.query_string and not visit.is_piece:
        return visit.go_back(f"{asking.PATHS[side]}?{first.query}")
    question = read_query(visit, side, visit.request.query, sight)
    try:
        findings = await _load(visit, question)
    except NotFound:
        # A cursor of another list, from a typed or kept address: its first page is shown instead.
        return visit.go_back(question.address())
    values = {
        **await _list_values(visit, question, findings, sight),
        "views": views,
        "types": [(t, _type_name(visit, t)) for t in findings.types],
        "urgencies": [(key, visit.say(f"urgency.{key}")) for key in URGENCY_KEYS.values()],
        "states": [(s, _state_name(visit, side, s)) for s in STATES[side]],
        "picks": PICKS,
        "origins": [(o.value, visit.say(f"listing.source.{o}")) for o in ORIGINS[side]],
        "books": [(b, _book_name(visit, b)) for b in reversed(findings.books)],
        "all_columns": visible_columns(side, content=sight.content, tags=sight.tags),
    }
    if visit.is_piece:
        answer = visit.piece("lists/_list.html", **values)
        answer.headers["X-Address"] = question.address(trang=question.cursor)
        return answer
    return await visit.page("lists/list.html", title=visit.say(f"menu.{MENU[side]}"), **values)


def read_query(visit: Visit, side: Side, query: Mapping[str, str], sight: ListSight) -> ListQuery:
    """Read the question of that query, as this person may ask it."""
    getall = getattr(query, "getall", None)
    column_names = ",".join(getall("cot", [])) if getall else query.get("cot", "")
    visible = {column.key for column in visible_columns(side, content=sight.content, tags=sight.tags)}
    columns = [key for key in dict.fromkeys(column_names.split(",")) if key in visible]
    return asking.read_address(
        side,
        query,
        visit.today,
        columns=columns,
        content=sight.content,
        tags=sight.tags,
        viewer=sight.viewer(side),
    )


def read_list_query(visit: Visit, side: Side) -> ListQuery:
    """Read the question of the list that the page came from."""
    return read_query(visit, side, list_rows.query_of(visit), list_rows.seen_by(visit))


async def _load(visit: Visit, question: ListQuery) -> ListFindings:
    async with visit.deps.store.read(visit.scope()) as work:
        page = await work.office.lists.page(question.criteria, limit=question.size, cursor=question.cursor)
        total = await work.office.lists.count(question.criteria)
        is_in = question.side is Side.IN
        queued_filter = Filter(side=Side.OUT, tab=Tab.QUEUED)
        # Proves on an empty page that the line is alive.
        newest_first = Filter(side=Side.IN, viewer=question.criteria.viewer, sort=ListOrder.NEWEST)
        newest = await work.office.lists.page(newest_first, limit=1) if is_in and not page.lines else None
        return ListFindings(
            page=page,
            total=total,
            counts=await _counts(work, question),
            types=await work.office.lists.types(question.side),
            books=await work.office.lists.books(question.side),
            queued=await work.office.lists.count(queued_filter)
            if visit.deps.light().word == "down"
            else None,
            broken=await _broken(visit, work, question) if is_in and question.cursor is None else (),
            last=next((line.at for line in newest.lines), None) if newest is not None else None,
            late=await work.office.lists.late(
                question.side, _may_be_late(page.lines, visit.today), visit.today
            ),
        )


def _may_be_late(lines: Sequence[ListLine], today: date) -> list[str]:
    """List documents at work, and those with an answer due before today."""
    return [
        line.id
        for line in lines
        if (line.own_state in WORKED_ON if line.side is Side.IN else (line.card.reply_due or today) < today)
    ]


async def _counts(work: OfficeWork, question: ListQuery) -> Mapping[str, ListCount]:
    """Count every tab; within the person's view alone."""
    viewer = question.criteria.viewer
    if viewer is None:
        tabs = await work.office.lists.tabs(question.side)
        general = {ALL: tabs[None], ATTENTION: tabs[Tab(0)]}
        return general | {tab.name.lower(): tabs[tab] for tab in TABS[question.side] if tab.name}
    own_filter = Filter(side=question.side, viewer=viewer)
    counts = {
        ALL: await work.office.lists.count(own_filter),
        ATTENTION: await work.office.lists.count(replace(own_filter, attention=True)),
    }
    for tab in TABS[question.side]:
        counts[(tab.name or "").lower()] = await work.office.lists.count(replace(own_filter, tab=tab))
    return counts


async def _broken(visit: Visit, work: OfficeWork, question: ListQuery) -> Sequence[tuple[InboxPacket, str]]:
    """List packets that could not be opened: rows too, where a clerk looks for held ones (interfaces.md 2.5)."""
    if question.criteria.viewer is not None or question.filters or question.tab not in ("held", ALL):
        return ()
    packets = (await work.inbox.page(limit=_MOST_BROKEN, cursor=None, states=_BROKEN)).items
    return [(packet, await claimed_sender(visit, packet)) for packet in packets]


async def _list_values(
    visit: Visit, question: ListQuery, findings: ListFindings, sight: ListSight
) -> dict[str, object]:
    teller = await list_rows.row_renderer(visit, question.side, question.query)
    columns = chosen_columns(question.side, question.columns, content=sight.content, tags=sight.tags)
    lines = findings.page.lines
    tags = await list_rows.known_tags(visit)
    search = sought(question.criteria.text)
    return {
        "asked": question,
        "side": question.side.value,
        "rows": teller.rows(lines),
        "columns": columns,
        "shown": findings,
        "seen": sight,
        "tabs": asking.tabs_of(question.side),
        "sizes": SIZES,
        "words": filter_words(visit, question, tags),
        "tag_options": [("", visit.say("listing.any")), *((tag.id, tag.name) for tag in tags)],
        "tags": tags,
        "tags_of": await list_rows.tags_of_lines(visit, lines) if tags else {},
        "named_tags": any(c.is_tag for c in columns),
        "acts": acts_of(visit, question.side),
        "marked": lambda text: list(split_at_matches(text, search)),
        "since": visit.deps.clock.now(),
        "as_letters": question.side is Side.IN and not question.columns,
        "has_pane": question.side is Side.IN and sight.content,
        # In hundredths of the page, as last set in this browser; 0 for the usual.
        "pane_width": int(width) if (width := visit.request.cookies.get("gw_pane", "")) in _WIDTHS else 0,
        "type_name": lambda name: _type_name(visit, fold(name)) if visit.lang != "vi" else name,
        "may_issue": visit.may(Right.ISSUE, Manner.YES),
        "may_take": visit.may(Right.TAKE_IN, Manner.YES),
    }


def acts_of(visit: Visit, side: Side) -> tuple[str, ...]:
    """List the person's acts on many rows at once: rules 13 (rights by role); the acts check again."""
    acts: tuple[tuple[str, bool], ...]
    issues, takes = visit.may(Right.ISSUE, Manner.YES), visit.may(Right.TAKE_IN, Manner.YES)
    reads = list_rows.seen_by(visit).content
    if side is Side.OUT:
        acts = (
            ("gui-lai", issues),
            ("don-doc", visit.may(Right.URGE, Manner.YES)),
            ("xuat", True),
            ("ho-so", reads),
            ("huy-gui", issues),
            ("gan-nhan", issues),
            ("bo-nhan", issues),
        )
    else:
        acts = (
            ("tiep-nhan", takes),
            ("tu-choi", takes),
            ("trinh", takes),
            ("xuat", True),
            ("in", True),
            ("da-doc", reads),
            ("giao-lai", takes),
            ("gan-nhan", takes),
            ("bo-nhan", takes),
        )
    return tuple(key for key, may in acts if may)


def filter_words(visit: Visit, question: ListQuery, tags: Sequence[Tag] = ()) -> list[tuple[str, str, str]]:
    """Describe each filter: its name, its value, and the list without it. `tags` are those that the person may see."""
    tag_names = {tag.id: tag.name for tag in tags}
    words: Mapping[str, Callable[[str], str]] = {
        "khan": lambda value: visit.say("listing.pressing" if value == "1" else f"urgency.{value}"),
        "ngay": lambda value: visit.say(f"listing.pick.{value}"),
        "loai": lambda value: _type_name(visit, value),
        "trang-thai": lambda value: _state_name(visit, question.side, value),
        "tep": lambda value: visit.say(f"listing.tep.{value}"),
        "nguon": lambda value: visit.say(f"listing.source.{value}"),
        "so": lambda value: _book_name(visit, value),
        "nhan": lambda value: tag_names.get(value, "?"),
        **dict.fromkeys(("qua-han", "tre", "chua-doc"), lambda _: ""),
    }
    return [
        (
            visit.say(f"listing.filter.{f'tre.{question.side.value}' if name == 'tre' else name}"),
            words.get(name, str)(value),
            question.address(**{name.replace("-", "_"): None}),
        )
        for name, value in question.filters.items()
    ]


def _type_name(visit: Visit, key: str) -> str:
    """Name a type. The rows know types by their key without accents; those of the one table have their words."""
    return visit.say_or(f"type.{fold(key).replace(' ', '_')}", key)


def _book_name(visit: Visit, book: str) -> str:
    return visit.say("listing.book.none") if book == NO_BOOK else visit.say("listing.book", year=book)


def _state_name(visit: Visit, side: Side, state: str) -> str:
    return received_word(state, visit.lang) if side is Side.IN else state_word(state, visit.lang)


async def search(visit: Visit) -> web.StreamResponse:
    """Search both sides at once, ordered by fit. A person limited to the own unit is shown one side at a time: own
    documents differ by side."""
    sight, text, side_name = list_rows.seen_by(visit), visit.ask("q")[:200], visit.ask("phia")
    side = Side(side_name) if side_name in ("out", "in") else Side.IN if sight.unit is not None else None
    search_filter = Filter(side=side, text=text, viewer=sight.viewer(side) if side else None)
    lines: tuple[ListLine, ...] = ()
    total, page = ListCount(n=0), None
    if text and sight.content:
        async with visit.deps.store.read(visit.scope()) as work:
            try:
                page = await work.office.lists.page(
                    search_filter, limit=SIZES[0], cursor=visit.ask("trang") or None
                )
            except NotFound:
                return visit.go("/tim-kiem", q=text)
            total, lines = await work.office.lists.count(search_filter), page.lines
    teller, search_words = await list_rows.row_renderer(visit), sought(text)
    return await visit.page(
        "lists/search.html",
        title=visit.say("listing.search"),
        text=text,
        side=side.value if side else "",
        rows=teller.rows(lines),
        total=total,
        page=page,
        seen=sight,
        marked=lambda words: list(split_at_matches(words, search_words)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """Addresses of the list's previous and next document; empty where there is none. `back` is the list itself."""

    back: str
    previous: str = ""
    next: str = ""


async def neighbours_of(visit: Visit, side: Side, id: str) -> Neighbours:
    question = read_list_query(visit, side)
    if not list_rows.query_of(visit):
        return Neighbours(back=PATHS[side])
    async with visit.deps.store.read(visit.scope()) as work:
        previous_id, next_id = await work.office.lists.neighbours(question.criteria, id)

    def path(other_id: str | None) -> str:
        return f"{PATHS[side]}/{other_id}?{urlencode({'ds': question.query})}" if other_id else ""

    return Neighbours(back=question.address(), previous=path(previous_id), next=path(next_id))


async def next_document(visit: Visit, side: Side, id: str) -> str | None:
    """Return the document behind that one in the list that the page came from, else in the list as it opens."""
    question = read_list_query(visit, side)
    async with visit.deps.store.read(visit.scope()) as work:
        _, next_id = await work.office.lists.neighbours(question.criteria, id)
    return next_id


async def view_page(visit: Visit, side: Side, problems: Problems | None = None) -> web.StreamResponse:
    question = read_list_query(visit, side)
    return await visit.form_page(
        "lists/keep.html",
        problems,
        title=visit.say("listing.view.save"),
        asked=question,
        words=filter_words(visit, question, await list_rows.known_tags(visit)),
    )


async def save_view(visit: Visit, side: Side) -> web.StreamResponse:
    question = read_list_query(visit, side)
    try:
        view = await tags_and_views.save_view(
            visit.deps.store,
            visit.scope(),
            side,
            visit.form.text("name"),
            # An empty address would open the list without the view.
            question.query or f"tab={question.tab}",
            visit.deps.clock.now(),
            is_first=visit.form.text("first") == "1",
        )
    except Clash as error:
        return await view_page(visit, side, [("name", visit.why(error))])
    return visit.go_back(f"{PATHS[side]}?{view.query}&told=listing.view.saved")


async def remove_view(visit: Visit, side: Side) -> web.StreamResponse:
    await tags_and_views.remove_view(visit.deps.store, visit.scope(), side, visit.form.text("name"))
    return visit.confirm(PATHS[side], "listing.view.removed", tab="all")


KEEPS = (
    Needs(right=Right.ISSUE, manners=(Manner.YES,)),
    Needs(right=Right.TAKE_IN, manners=(Manner.YES,)),
)


async def show_tags(visit: Visit) -> web.StreamResponse:
    return await visit.page("lists/tags.html", title=visit.say("tags.title"), tags=await _count_tags(visit))


async def remove_tag(visit: Visit) -> web.StreamResponse:
    counts_by_id = {tag.id: (tag, sent + received) for tag, sent, received in await _count_tags(visit)}
    if visit.path("id") not in counts_by_id:
        raise NotFound("this agency has no such label")
    tag, count = counts_by_id[visit.path("id")]
    if not visit.is_act:
        words, shown_count = ("tags.remove", "tags.remove.will", "tags.remove"), figure(count, visit.lang)
        return await visit.question(None, *words, back=_TAGS, grave=True, name=tag.name, count=shown_count)
    await tags_and_views.remove_tag(visit.deps.store, visit.scope(), tag.id)
    return visit.confirm(_TAGS, "tags.removed")


async def _count_tags(visit: Visit) -> list[tuple[Tag, int, int]]:
    """List labels, each with its number of outgoing and incoming documents."""
    async with visit.deps.store.read(visit.scope()) as work:
        tags, counts = await work.office.tags.all(), await work.office.tags.counts()
    return [(tag, counts.get((tag.id, Side.OUT), 0), counts.get((tag.id, Side.IN), 0)) for tag in tags]


_TAGS = "/danh-sach/nhan"


ROUTES = (
    *(get(PATHS[side], key, partial(show_list, side=side), needs=SEE, key=key) for side, key in MENU.items()),
    get("/tim-kiem", "search", search, needs=SEE),
    *(
        route
        for side, key in MENU.items()
        for at, name in ((f"/danh-sach{PATHS[side]}/bo-loc", f"{key}_list_view"),)
        for route in (
            get(at, name, partial(view_page, side=side), needs=SEE, key=key),
            post(at, f"{name}_saved", partial(save_view, side=side), needs=SEE, key=key),
            post(f"{at}/xoa", f"{name}_removed", partial(remove_view, side=side), needs=SEE, key=key),
        )
    ),
    get(_TAGS, "tags", show_tags, needs=KEEPS),
    *both(f"{_TAGS}/{{id}}/xoa", "tag_remove", "tag_removed", remove_tag, needs=KEEPS),
)
