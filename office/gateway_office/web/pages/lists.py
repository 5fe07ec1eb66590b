"""The two lists: rows by tab, filter and order, a page at a time. In: an address. Out: the page,
or the region of it that a script swaps; the documents before and after one in the list that it was opened from (`ds`),
which details show as links with the keys [ and ]; and the values that people keep on the lists: the agency's own labels,
each deleted with all its marks, and the saved views of one person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import partial
from urllib.parse import urlencode

from aiohttp import web
from multidict import MultiDict

from gateway.domain.document import URGENCY_KEYS, WORKED_ON
from gateway.domain.queues import InboxPacket
from gateway.domain.states import State
from gateway.domain.text import fold, sought
from gateway.errors import Clash, NotFound
from gateway_office.accounts import tags_and_views
from gateway_office.domain.listing import TABS, Filter, ListLine, ListOrder, Side, Tab, Tag
from gateway_office.domain.roles import Manner, Right
from gateway_office.store.lists import ListCount, ListPage
from gateway_office.store.store import OfficeWork
from gateway_office.web.answers import figure
from gateway_office.web.display_names import claimed_sender
from gateway_office.web.forms import Problems
from gateway_office.web.listing import asking, list_rows
from gateway_office.web.listing.asking import (
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
from gateway_office.web.listing.list_rows import BulkAct, ListSight, split_at_matches
from gateway_office.web.listing.search_field import (
    SearchField,
    book_name,
    filter_words,
    known_tokens,
    state_name,
    type_name,
)
from gateway_office.web.listing.tokens import Token, read_tokens, write_tokens
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.routes import Needs, both, get, post

SEE = (Needs(right=Right.SEE_CONTENT),)
# The menu entry of each list, which also names its routes.
MENU = {Side.OUT: "outgoing", Side.IN: "incoming"}
_BROKEN = ("malformed", "held", "quarantined")
_MOST_BROKEN = 20
KEEPS = (
    Needs(right=Right.ISSUE, manners=(Manner.YES,)),
    Needs(right=Right.TAKE_IN, manners=(Manner.YES,)),
)
_TAGS = "/danh-sach/nhan"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListFindings:
    """Findings of one read of the store. `broken` are packets that became no document, each with the name of its sender;
    `last` is when one last came; `late` are the rows with late work, or a late answer; `counted` what a report's figure
    counts, where the list is that figure's."""

    page: ListPage
    total: ListCount
    counts: Mapping[str, ListCount]
    types: Sequence[str]
    books: Sequence[str]
    queued: ListCount | None = None
    broken: Sequence[tuple[InboxPacket, str]] = ()
    last: datetime | None = None
    late: frozenset[str] = frozenset()
    counted: Sequence[str] = ()

    @property
    def elsewhere(self) -> int:
        """Number of counted documents that have no row."""
        return 0 if self.total.more else max(0, len(set(self.counted)) - self.total.n)


async def show_list(request: PageRequest, side: Side) -> web.StreamResponse:
    sight = list_rows.seen_by(request)
    views = await tags_and_views.views_of(request.deps.store, request.scope(), side)
    tags = await list_rows.known_tags(request)
    tokens = await known_tokens(request, side, tags)
    query, had_tokens = _read_tokens(request, tokens)
    question = read_query(request, side, query, sight)
    if had_tokens and not request.is_piece:
        return request.go_back(question.address())
    # Read before the rows: an act that is done between the two offers nothing once more.
    renderer = await list_rows.row_renderer(request, question.side, question.query)
    try:
        findings = await _load(request, question)
    except NotFound:
        # A cursor of another list, from a typed or kept address: its first page is shown instead.
        return request.go_back(question.address())
    values = {
        **await _list_values(request, question, findings, sight, tags),
        "rows": renderer.rows(findings.page.lines),
        "views": views,
        "search_field": SearchField(
            path=question.path, side=side.value, text=write_tokens(question.parameters, tokens)
        ),
        "types": [(t, type_name(request, t)) for t in findings.types],
        "urgencies": [(key, request.say(f"urgency.{key}")) for key in URGENCY_KEYS.values()],
        "states": [(s, state_name(request, side, s)) for s in STATES[side]],
        "picks": PICKS,
        "origins": [(o.value, request.say(f"listing.source.{o}")) for o in ORIGINS[side]],
        "books": [(b, book_name(request, b)) for b in reversed(findings.books)],
        "all_columns": visible_columns(side, content=sight.content, tags=sight.tags),
    }
    if request.is_piece:
        answer = request.piece("lists/_list.html", **values)
        answer.headers["X-Address"] = question.address(trang=question.cursor)
        return answer
    return await request.page("lists/list.html", title=request.say(f"menu.{MENU[side]}"), **values)


def _read_tokens(request: PageRequest, tokens: Sequence[Token]) -> tuple[Mapping[str, str], bool]:
    """Return the query with the tokens of its text as values, and whether there were any."""
    query = request.http.query
    values, plain_text = read_tokens(request.ask("q"), tokens)
    if not values:
        return query, False
    changed = MultiDict(query)
    for name in (*values, "q", "trang"):
        changed.popall(name, None)
    changed.update({**values, "q": plain_text})
    return changed, True


def read_query(request: PageRequest, side: Side, query: Mapping[str, str], sight: ListSight) -> ListQuery:
    """Read the question of that query, as this person may ask it."""
    getall = getattr(query, "getall", None)
    column_names = ",".join(getall("cot", [])) if getall else query.get("cot", "")
    visible = {column.key for column in visible_columns(side, content=sight.content, tags=sight.tags)}
    columns = [key for key in dict.fromkeys(column_names.split(",")) if key in visible]
    return asking.read_address(
        side,
        query,
        request.today,
        columns=columns,
        content=sight.content,
        tags=sight.tags,
        viewer=sight.viewer(side),
        first=_first_tab(request),
    )


def _first_tab(request: PageRequest) -> str:
    """Return the tab of the person's own work: new letters for who takes them in, else those of the unit, or taken in."""
    if request.may(Right.TAKE_IN, Manner.YES):
        return "new"
    return State.ACCEPTED if request.may(Right.SEE_CONTENT, Manner.YES) else State.PROCESSING


def read_list_query(request: PageRequest, side: Side) -> ListQuery:
    """Read the question of the list that the page came from."""
    return read_query(request, side, list_rows.query_of(request), list_rows.seen_by(request))


async def _load(request: PageRequest, question: ListQuery) -> ListFindings:
    async with request.deps.store.read(request.scope()) as work:
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
            if request.deps.light().word == "down"
            else None,
            broken=await _broken(request, work, question) if is_in and question.cursor is None else (),
            last=next((line.at for line in newest.lines), None) if newest is not None else None,
            late=await work.office.lists.late(
                question.side, _may_be_late(page.lines, request.today), request.today
            ),
            counted=await work.office.lists.counted(question.criteria.figure)
            if question.criteria.figure is not None and question.tab == ALL
            else (),
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


async def _broken(
    request: PageRequest, work: OfficeWork, question: ListQuery
) -> Sequence[tuple[InboxPacket, str]]:
    """List packets that could not be opened: rows too, where a clerk looks for held ones."""
    if question.criteria.viewer is not None or question.filters or question.tab not in ("held", ALL):
        return ()
    packets = (await work.inbox.page(limit=_MOST_BROKEN, cursor=None, states=_BROKEN)).items
    return [(packet, await claimed_sender(request, packet)) for packet in packets]


async def _list_values(
    request: PageRequest,
    question: ListQuery,
    findings: ListFindings,
    sight: ListSight,
    tags: Sequence[Tag],
) -> dict[str, object]:
    columns = chosen_columns(question.side, question.columns, content=sight.content, tags=sight.tags)
    lines = findings.page.lines
    search = sought(question.criteria.text)
    return {
        "asked": question,
        "side": question.side.value,
        "columns": columns,
        "shown": findings,
        "seen": sight,
        "tabs": asking.tabs_of(question.side),
        "sizes": SIZES,
        "words": filter_words(request, question, tags),
        "tag_options": [("", request.say("listing.any")), *((tag.id, tag.name) for tag in tags)],
        "tags": tags,
        "tags_of": await list_rows.tags_of_lines(request, lines) if tags else {},
        "named_tags": any(c.is_tag for c in columns),
        "acts": acts_of(request, question.side),
        "marked": lambda text: list(split_at_matches(text, search)),
        "since": request.deps.clock.now(),
        "as_rows": not question.columns,
        "has_pane": not question.columns and sight.content,
        "type_name": lambda name: type_name(request, fold(name)) if request.lang != "vi" else name,
        "may_issue": request.may(Right.ISSUE, Manner.YES),
        "may_take": request.may(Right.TAKE_IN, Manner.YES),
    }


def acts_of(request: PageRequest, side: Side) -> tuple[BulkAct, ...]:
    """List the person's acts on many rows at once: rules 13 (rights by role); the acts check again."""
    acts: tuple[tuple[BulkAct, bool], ...]
    issues, takes = request.may(Right.ISSUE, Manner.YES), request.may(Right.TAKE_IN, Manner.YES)
    reads = list_rows.seen_by(request).content
    if side is Side.OUT:
        acts = (
            (BulkAct.RESEND, issues),
            (BulkAct.URGE, request.may(Right.URGE, Manner.YES)),
            (BulkAct.EXPORT, True),
            (BulkAct.PACK, reads),
            (BulkAct.CANCEL, issues),
            (BulkAct.TAG, issues),
            (BulkAct.UNTAG, issues),
            (BulkAct.FILE, request.may(Right.RECORDS)),
            (BulkAct.PRESERVE, request.may(Right.PRESERVE)),
        )
    else:
        acts = (
            (BulkAct.TAKE_IN, takes),
            (BulkAct.REFUSE, takes),
            (BulkAct.SUBMIT, takes),
            (BulkAct.EXPORT, True),
            (BulkAct.PRINT, True),
            (BulkAct.MARK_READ, reads),
            (BulkAct.OFFER, takes),
            (BulkAct.TAG, takes),
            (BulkAct.UNTAG, takes),
            (BulkAct.FILE, request.may(Right.RECORDS)),
            (BulkAct.PRESERVE, request.may(Right.PRESERVE)),
        )
    return tuple(key for key, may in acts if may)


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """Addresses of the list's previous and next document; empty where there is none. `back` is the list itself."""

    back: str
    previous: str = ""
    next: str = ""


async def neighbours_of(request: PageRequest, side: Side, id: str) -> Neighbours:
    question = read_list_query(request, side)
    if not list_rows.query_of(request):
        return Neighbours(back=PATHS[side])
    async with request.deps.store.read(request.scope()) as work:
        previous_id, next_id = await work.office.lists.neighbours(question.criteria, id)

    def path(other_id: str | None) -> str:
        return f"{PATHS[side]}/{other_id}?{urlencode({'ds': question.query})}" if other_id else ""

    return Neighbours(back=question.address(), previous=path(previous_id), next=path(next_id))


async def next_document(request: PageRequest, side: Side, id: str) -> str | None:
    """Return the document behind that one in the list that the page came from, else in the list as it opens."""
    question = read_list_query(request, side)
    async with request.deps.store.read(request.scope()) as work:
        _, next_id = await work.office.lists.neighbours(question.criteria, id)
    return next_id


async def view_page(request: PageRequest, side: Side, problems: Problems | None = None) -> web.StreamResponse:
    question = read_list_query(request, side)
    return await request.form_page(
        "lists/keep.html",
        problems,
        title=request.say("listing.view.save"),
        asked=question,
        words=filter_words(request, question, await list_rows.known_tags(request)),
    )


async def save_view(request: PageRequest, side: Side) -> web.StreamResponse:
    question = read_list_query(request, side)
    try:
        view = await tags_and_views.save_view(
            request.deps.store,
            request.scope(),
            side,
            request.form.text("name"),
            # An empty address would open the list without the view.
            question.query or f"tab={question.tab}",
            request.deps.clock.now(),
        )
    except Clash as error:
        return await view_page(request, side, [("name", request.why(error))])
    return request.go_back(f"{PATHS[side]}?{view.query}&told=listing.view.saved")


async def remove_view(request: PageRequest, side: Side) -> web.StreamResponse:
    await tags_and_views.remove_view(request.deps.store, request.scope(), side, request.form.text("name"))
    return request.confirm(PATHS[side], "listing.view.removed", tab="all")


async def show_tags(request: PageRequest) -> web.StreamResponse:
    return await request.page(
        "lists/tags.html", title=request.say("tags.title"), tags=await _count_tags(request)
    )


async def remove_tag(request: PageRequest) -> web.StreamResponse:
    counts_by_id = {tag.id: (tag, sent + received) for tag, sent, received in await _count_tags(request)}
    if request.path("id") not in counts_by_id:
        raise NotFound("this agency has no such label")
    tag, count = counts_by_id[request.path("id")]
    if not request.is_act:
        shown_count = figure(count, request.lang)
        return await request.question(
            None, "tags.remove", back=_TAGS, grave=True, name=tag.name, count=shown_count
        )
    await tags_and_views.remove_tag(request.deps.store, request.scope(), tag.id)
    return request.confirm(_TAGS, "tags.removed")


async def _count_tags(request: PageRequest) -> list[tuple[Tag, int, int]]:
    """List labels, each with its number of outgoing and incoming documents."""
    async with request.deps.store.read(request.scope()) as work:
        tags, counts = await work.office.tags.all(), await work.office.tags.counts()
    return [(tag, counts.get((tag.id, Side.OUT), 0), counts.get((tag.id, Side.IN), 0)) for tag in tags]


ROUTES = (
    *(get(PATHS[side], key, partial(show_list, side=side), needs=SEE, key=key) for side, key in MENU.items()),
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
