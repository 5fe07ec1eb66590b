"""The two lists and the search over both: rows by tab, filter and order, a page at a time. In: an address. Out: the page,
or the region of it that a script swaps; the documents before and after one in the list that it was opened from (`ds`),
which details show as links with the keys [ and ]; and news for open lists: how many documents came, or left, since the page
was made, as server-sent events or as one number for a script that asks now and then. News keep no session alive, and no row
is moved. And what people keep on the lists: the agency's own labels, each deleted with all its marks, and the views that
one person saved."""

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
from gateway.office.domain.listing import NO_BOOK, TABS, ListLine, ListOrder, Side, Tab, Tag, Wanted
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
    ListQuestion,
    chosen_columns,
    visible_columns,
)
from gateway.office.web.listing.list_rows import Sees, marked
from gateway.office.web.routes import Needs, both, get, post
from gateway.office.web.visits import Visit, claimed_sender

SEE = (Needs(right=Right.SEE_CONTENT),)
# The menu entry of each list, by which its routes are called too.
MENU = {Side.OUT: "outgoing", Side.IN: "incoming"}
_BROKEN = ("malformed", "held", "quarantined")
_MOST_BROKEN = 20
_WIDTHS = frozenset(map(str, range(35, 71)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What one look at the store found. `broken` are packets that became no document, each with the name of its sender;
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


async def listed(visit: Visit, side: Side) -> web.StreamResponse:
    seen = list_rows.seen_by(visit)
    views = await tags_and_views.views_of(visit.deps.store, visit.scope(), side)
    first = next((each for each in views if each.is_first), None)
    if first is not None and not visit.request.query_string and not visit.is_piece:
        return visit.go_back(f"{asking.PATHS[side]}?{first.query}")
    asked = asked_of(visit, side, visit.request.query, seen)
    try:
        shown = await _look(visit, asked)
    except NotFound:
        # A place in another list, as of an address that was typed or kept: its first page instead.
        return visit.go_back(asked.address())
    values = {
        **await _list_values(visit, asked, shown, seen),
        "views": views,
        "types": [(each, _type_name(visit, each)) for each in shown.types],
        "urgencies": [(key, visit.say(f"urgency.{key}")) for key in URGENCY_KEYS.values()],
        "states": [(each, _state_name(visit, side, each)) for each in STATES[side]],
        "picks": PICKS,
        "origins": [(each.value, visit.say(f"listing.source.{each}")) for each in ORIGINS[side]],
        "books": [(each, _book_name(visit, each)) for each in reversed(shown.books)],
        "all_columns": visible_columns(side, content=seen.content, tags=seen.tags),
    }
    if visit.is_piece:
        answer = visit.piece("lists/_list.html", **values)
        answer.headers["X-Address"] = asked.address(trang=asked.cursor)
        return answer
    return await visit.page("lists/list.html", title=visit.say(f"menu.{MENU[side]}"), **values)


def asked_of(visit: Visit, side: Side, query: Mapping[str, str], seen: Sees) -> ListQuestion:
    """The question of that query, as this person may ask it."""
    getall = getattr(query, "getall", None)
    named = ",".join(getall("cot", [])) if getall else query.get("cot", "")
    known = {each.key for each in visible_columns(side, content=seen.content, tags=seen.tags)}
    columns = [key for key in dict.fromkeys(named.split(",")) if key in known]
    return asking.read_address(
        side,
        query,
        visit.today,
        columns=columns,
        content=seen.content,
        tags=seen.tags,
        viewer=seen.viewer(side),
    )


def asked_here(visit: Visit, side: Side) -> ListQuestion:
    """The question of the list that the page came from."""
    return asked_of(visit, side, list_rows.query_of(visit), list_rows.seen_by(visit))


async def _look(visit: Visit, asked: ListQuestion) -> Shown:
    async with visit.deps.store.read(visit.scope()) as work:
        page = await work.office.lists.page(asked.wanted, limit=asked.size, cursor=asked.cursor)
        total = await work.office.lists.count(asked.wanted)
        is_in = asked.side is Side.IN
        queued = Wanted(side=Side.OUT, tab=Tab.QUEUED)
        # Proves on an empty page that the line is alive.
        last = Wanted(side=Side.IN, viewer=asked.wanted.viewer, sort=ListOrder.NEWEST)
        newest = await work.office.lists.page(last, limit=1) if is_in and not page.lines else None
        return Shown(
            page=page,
            total=total,
            counts=await _counts(work, asked),
            types=await work.office.lists.types(asked.side),
            books=await work.office.lists.books(asked.side),
            queued=await work.office.lists.count(queued) if visit.deps.light().word == "down" else None,
            broken=await _broken(visit, work, asked) if is_in and asked.cursor is None else (),
            last=next((each.at for each in newest.lines), None) if newest is not None else None,
            late=await work.office.lists.late(asked.side, _may_be_late(page.lines, visit.today), visit.today),
        )


def _may_be_late(lines: Sequence[ListLine], today: date) -> list[str]:
    """What somebody works on, and what was to be answered before today."""
    return [
        each.id
        for each in lines
        if (each.own_state in WORKED_ON if each.side is Side.IN else (each.card.reply_due or today) < today)
    ]


async def _counts(work: OfficeWork, asked: ListQuestion) -> Mapping[str, ListCount]:
    """Of every tab; of what this person may see alone."""
    viewer = asked.wanted.viewer
    if viewer is None:
        found = await work.office.lists.tabs(asked.side)
        special = {ALL: found[None], ATTENTION: found[Tab(0)]}
        return special | {tab.name.lower(): found[tab] for tab in TABS[asked.side] if tab.name}
    mine = Wanted(side=asked.side, viewer=viewer)
    counts = {
        ALL: await work.office.lists.count(mine),
        ATTENTION: await work.office.lists.count(replace(mine, attention=True)),
    }
    for tab in TABS[asked.side]:
        counts[(tab.name or "").lower()] = await work.office.lists.count(replace(mine, tab=tab))
    return counts


async def _broken(visit: Visit, work: OfficeWork, asked: ListQuestion) -> Sequence[tuple[InboxPacket, str]]:
    """Packets that could not be opened are rows too, where a clerk looks for what is held (interfaces.md 2.5)."""
    if asked.wanted.viewer is not None or asked.filters or asked.tab not in ("held", ALL):
        return ()
    packets = (await work.inbox.page(limit=_MOST_BROKEN, cursor=None, states=_BROKEN)).items
    return [(packet, await claimed_sender(visit, packet)) for packet in packets]


async def _list_values(visit: Visit, asked: ListQuestion, shown: Shown, seen: Sees) -> dict[str, object]:
    teller = await list_rows.teller_of(visit, asked.side, asked.query)
    columns = chosen_columns(asked.side, asked.columns, content=seen.content, tags=seen.tags)
    lines = shown.page.lines
    known = await list_rows.known_tags(visit)
    found = sought(asked.wanted.text)
    return {
        "asked": asked,
        "side": asked.side.value,
        "rows": teller.rows(lines),
        "columns": columns,
        "shown": shown,
        "seen": seen,
        "tabs": asking.tabs_of(asked.side),
        "sizes": SIZES,
        "words": filter_words(visit, asked, known),
        "tag_options": [("", visit.say("listing.any")), *((each.id, each.name) for each in known)],
        "tags": known,
        "tags_of": await list_rows.tags_of_lines(visit, lines) if known else {},
        "named_tags": any(each.is_tag for each in columns),
        "acts": acts_of(visit, asked.side),
        "marked": lambda text: list(marked(text, found)),
        "since": visit.deps.clock.now(),
        "as_letters": asked.side is Side.IN and not asked.columns,
        "has_pane": asked.side is Side.IN and seen.content,
        # In hundredths of the page, as this browser was left; 0 for the usual.
        "pane_width": int(width) if (width := visit.request.cookies.get("gw_pane", "")) in _WIDTHS else 0,
        "type_name": lambda name: _type_name(visit, fold(name)) if visit.lang != "vi" else name,
        "may_issue": visit.may(Right.ISSUE, Manner.YES),
        "may_take": visit.may(Right.TAKE_IN, Manner.YES),
    }


def acts_of(visit: Visit, side: Side) -> tuple[str, ...]:
    """What this person may do to many at once (rules 13); the acts ask again."""
    named: tuple[tuple[str, bool], ...]
    issues, takes = visit.may(Right.ISSUE, Manner.YES), visit.may(Right.TAKE_IN, Manner.YES)
    reads = list_rows.seen_by(visit).content
    if side is Side.OUT:
        named = (
            ("gui-lai", issues),
            ("don-doc", visit.may(Right.URGE, Manner.YES)),
            ("xuat", True),
            ("ho-so", reads),
            ("huy-gui", issues),
            ("gan-nhan", issues),
            ("bo-nhan", issues),
        )
    else:
        named = (
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
    return tuple(key for key, may in named if may)


def filter_words(visit: Visit, asked: ListQuestion, tags: Sequence[Tag] = ()) -> list[tuple[str, str, str]]:
    """Each filter in words: its name, its value, and the list without it. `tags` are those that the person may see."""
    tag_names = {each.id: each.name for each in tags}
    words: Mapping[str, Callable[[str], str]] = {
        "khan": lambda value: visit.say("listing.pressing" if value == "1" else f"urgency.{value}"),
        "ngay": lambda value: visit.say(f"listing.pick.{value}"),
        "loai": lambda value: _type_name(visit, value),
        "trang-thai": lambda value: _state_name(visit, asked.side, value),
        "tep": lambda value: visit.say(f"listing.tep.{value}"),
        "nguon": lambda value: visit.say(f"listing.source.{value}"),
        "so": lambda value: _book_name(visit, value),
        "nhan": lambda value: tag_names.get(value, "?"),
        **dict.fromkeys(("qua-han", "tre", "chua-doc"), lambda _: ""),
    }
    return [
        (
            visit.say(f"listing.filter.{f'tre.{asked.side.value}' if name == 'tre' else name}"),
            words.get(name, str)(value),
            asked.address(**{name.replace("-", "_"): None}),
        )
        for name, value in asked.filters.items()
    ]


def _type_name(visit: Visit, key: str) -> str:
    """The rows know types by their key without accents; those of the one table have their words."""
    return visit.say_or(f"type.{fold(key).replace(' ', '_')}", key)


def _book_name(visit: Visit, book: str) -> str:
    return visit.say("listing.book.none") if book == NO_BOOK else visit.say("listing.book", year=book)


def _state_name(visit: Visit, side: Side, state: str) -> str:
    return received_word(state, visit.lang) if side is Side.IN else state_word(state, visit.lang)


async def search(visit: Visit) -> web.StreamResponse:
    """Both sides at once, ordered by fit. Who sees the own unit's alone is shown one side at a time: what counts as own
    differs."""
    seen, text, given = list_rows.seen_by(visit), visit.ask("q")[:200], visit.ask("phia")
    side = Side(given) if given in ("out", "in") else Side.IN if seen.unit is not None else None
    wanted = Wanted(side=side, text=text, viewer=seen.viewer(side) if side else None)
    lines: tuple[ListLine, ...] = ()
    total, page = ListCount(n=0), None
    if text and seen.content:
        async with visit.deps.store.read(visit.scope()) as work:
            try:
                page = await work.office.lists.page(wanted, limit=SIZES[0], cursor=visit.ask("trang") or None)
            except NotFound:
                return visit.go("/tim-kiem", q=text)
            total, lines = await work.office.lists.count(wanted), page.lines
    teller, found = await list_rows.teller_of(visit), sought(text)
    return await visit.page(
        "lists/search.html",
        title=visit.say("listing.search"),
        text=text,
        side=side.value if side else "",
        rows=teller.rows(lines),
        total=total,
        page=page,
        seen=seen,
        marked=lambda words: list(marked(words, found)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """Empty where there is none. `back` is the list itself."""

    back: str
    previous: str = ""
    next: str = ""


async def neighbours_of(visit: Visit, side: Side, id: str) -> Neighbours:
    asked = asked_here(visit, side)
    if not list_rows.query_of(visit):
        return Neighbours(back=PATHS[side])
    async with visit.deps.store.read(visit.scope()) as work:
        before, after = await work.office.lists.beside(asked.wanted, id)

    def path(other: str | None) -> str:
        return f"{PATHS[side]}/{other}?{urlencode({'ds': asked.query})}" if other else ""

    return Neighbours(back=asked.address(), previous=path(before), next=path(after))


async def after(visit: Visit, side: Side, id: str) -> str | None:
    """The document behind that one in the list that the page came from, else in the list as it opens."""
    asked = asked_here(visit, side)
    async with visit.deps.store.read(visit.scope()) as work:
        _, after = await work.office.lists.beside(asked.wanted, id)
    return after


async def view_page(visit: Visit, side: Side, problems: Problems | None = None) -> web.StreamResponse:
    asked = asked_here(visit, side)
    return await visit.form_page(
        "lists/keep.html",
        problems,
        title=visit.say("listing.view.save"),
        asked=asked,
        words=filter_words(visit, asked, await list_rows.known_tags(visit)),
    )


async def view_saved(visit: Visit, side: Side) -> web.StreamResponse:
    asked = asked_here(visit, side)
    try:
        view = await tags_and_views.save_view(
            visit.deps.store,
            visit.scope(),
            side,
            visit.form.text("name"),
            # An empty address would open the list without the view.
            asked.query or f"tab={asked.tab}",
            visit.deps.clock.now(),
            is_first=visit.form.text("first") == "1",
        )
    except Clash as why:
        return await view_page(visit, side, [("name", visit.why(why))])
    return visit.go_back(f"{PATHS[side]}?{view.query}&told=listing.view.saved")


async def view_removed(visit: Visit, side: Side) -> web.StreamResponse:
    await tags_and_views.remove_view(visit.deps.store, visit.scope(), side, visit.form.text("name"))
    return visit.said(PATHS[side], "listing.view.removed", tab="all")


KEEPS = (
    Needs(right=Right.ISSUE, manners=(Manner.YES,)),
    Needs(right=Right.TAKE_IN, manners=(Manner.YES,)),
)


async def tags_shown(visit: Visit) -> web.StreamResponse:
    return await visit.page("lists/tags.html", title=visit.say("tags.title"), tags=await _tags_counted(visit))


async def tag_removed(visit: Visit) -> web.StreamResponse:
    counted = {tag.id: (tag, sent + came) for tag, sent, came in await _tags_counted(visit)}
    if visit.path("id") not in counted:
        raise NotFound("this agency has no such label")
    tag, count = counted[visit.path("id")]
    if not visit.is_act:
        words, carried = ("tags.remove", "tags.remove.will", "tags.remove"), figure(count, visit.lang)
        return await visit.question(None, *words, back=_TAGS, grave=True, name=tag.name, count=carried)
    await tags_and_views.remove_tag(visit.deps.store, visit.scope(), tag.id)
    return visit.said(_TAGS, "tags.removed")


async def _tags_counted(visit: Visit) -> list[tuple[Tag, int, int]]:
    """Each with how many outgoing and incoming documents carry it."""
    async with visit.deps.store.read(visit.scope()) as work:
        tags, counts = await work.office.tags.all(), await work.office.tags.counts()
    return [(each, counts.get((each.id, Side.OUT), 0), counts.get((each.id, Side.IN), 0)) for each in tags]


_TAGS = "/danh-sach/nhan"


ROUTES = (
    *(get(PATHS[side], key, partial(listed, side=side), needs=SEE, key=key) for side, key in MENU.items()),
    get("/tim-kiem", "search", search, needs=SEE),
    *(
        route
        for side, key in MENU.items()
        for at, name in ((f"/danh-sach{PATHS[side]}/bo-loc", f"{key}_list_view"),)
        for route in (
            get(at, name, partial(view_page, side=side), needs=SEE, key=key),
            post(at, f"{name}_saved", partial(view_saved, side=side), needs=SEE, key=key),
            post(f"{at}/xoa", f"{name}_removed", partial(view_removed, side=side), needs=SEE, key=key),
        )
    ),
    get(_TAGS, "tags", tags_shown, needs=KEEPS),
    *both(f"{_TAGS}/{{id}}/xoa", "tag_remove", "tag_removed", tag_removed, needs=KEEPS),
)
