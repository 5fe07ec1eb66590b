"""The document itself, in front of whoever decides about it: pages of one of its files as pictures, a number of them at a
time, with their sizes told before they come; or their words, to select. In: what was found and how far the person may
see it; the file, the page and the size that the address names. Out: what the page shows, with the way to the original;
a page as a picture, once it was written down who reads it. Of what cannot be drawn a plain sentence, and the file."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from gateway.api import downloads
from gateway.domain.document import IncomingFile, InState
from gateway.domain.page_picture import PageLook, pixels
from gateway.domain.pdf import Size
from gateway.errors import Clash, Denied, GatewayError, NotFound
from gateway.office.domain.roles import Manner
from gateway.office.letters.looking import DOTS, WINDOW, lead_file, may_be_kept
from gateway.office.web import answers
from gateway.office.web.pages.incoming import seen
from gateway.office.web.pages.incoming.seen import SeenIncoming
from gateway.office.web.visits import Visit, merged, where

_UNREADABLE = (InState.RECALLED, InState.SEALED)
_SHARP = 2 * DOTS[0]
_GONE = "PAGE-GONE"
# Until it is drawn: one page of the commonest size, whose picture comes when it is ready.
_AWAITED = PageLook(sizes=(Size(width=595, height=842),))


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafSheet:
    """One page: where its picture is, and where the one for screens of twice as many dots; or its words."""

    number: int
    wide: int
    high: int
    path: str = ""
    sharp: str = ""
    words: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafLink:
    path: str
    word: str
    here: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """`fault` is a key of the labels where there is nothing to see; `original` shows the file as the browser does it."""

    item: IncomingFile
    files: tuple[LeafLink, ...]
    keep: str
    original: str = ""
    sheets: tuple[LeafSheet, ...] = ()
    pages: int = 0
    previous: str = ""
    next: str = ""
    zooms: tuple[LeafLink, ...] = ()
    as_words: str = ""
    as_pictures: str = ""
    is_large: bool = False
    again: str = ""
    """Where it was not drawn in time: this page once more."""
    fault: str = ""

    @property
    def first(self) -> int:
        return self.sheets[0].number if self.sheets else 1

    @property
    def last(self) -> int:
        return self.sheets[-1].number if self.sheets else 1


async def by_order(visit: Visit, found: SeenIncoming) -> SeenIncoming:
    """As `seen.by_order`, with the file that the page shows."""
    item = _item(visit, found)
    found = await seen.by_order(visit, found, item.name if item is not None else "")
    if item is not None and found.content and found.manner is Manner.ORDER:
        visit.deps.looking.note(_reader(visit, found, item.n))
    return found


async def leaf_of(visit: Visit, found: SeenIncoming) -> Leaf | None:
    """None for whoever may not read it, and where there is no file."""
    item = _item(visit, found)
    if item is None or not found.content or found.whole.state in _UNREADABLE:
        return None
    visit.deps.looking.are_at_work(visit.here.id)
    page, dots, as_words = _page_asked(visit), visit.number("co", DOTS[0], DOTS), visit.ask("chu") == "1"
    look = await _looked(visit, found, item, page, dots, as_words=as_words)
    bare = Leaf(
        item=item,
        files=_files(visit, found, item),
        keep=_by_order(visit, f"{found.path}/tep/{item.n}"),
        original=_by_order(visit, f"{found.path}/xem/{item.n}") if answers.can_show(item.found_type) else "",
        fault=f"incoming.leaf.{look.fault}" if look.fault else "",
    )
    if look.fault:
        return bare
    return _with_pages(visit, found, bare, look, page, dots, as_words=as_words)


async def page_given(visit: Visit) -> web.StreamResponse:
    """One page as a picture."""
    found = await seen.find(visit)
    item = next((each for each in found.whole.files if str(each.n) == visit.path("n")), None)
    if item is None:
        raise NotFound(f"{found.whole.id} has no such file")
    if found.whole.state in _UNREADABLE:
        raise Clash(f"the files of {found.whole.id} cannot be read", code="GW-UNREADABLE")
    page, dots = max(1, int(visit.path("page"))), visit.number("co", DOTS[0], DOTS)
    await _note(visit, found, item)
    etag = f'"{item.sha256}-{page}-{dots}"' if may_be_kept(found.whole) else None
    headers = answers.picture_headers(etag)
    if etag is not None and downloads.is_known(visit.request, etag):
        return web.Response(status=304, headers={"ETag": etag, "Cache-Control": headers["Cache-Control"]})
    look = await visit.deps.looking.look(visit.scope(), found.whole, item, page, dots)
    if not look.picture:
        raise NotFound(f"page {page} of file {item.n} cannot be shown: {look.fault}")
    return web.Response(body=look.picture, headers=headers)


async def _looked(
    visit: Visit, found: SeenIncoming, item: IncomingFile, page: int, dots: int, *, as_words: bool
) -> PageLook:
    """What fails beside the file itself leaves the page as it is without."""
    looking = visit.deps.looking
    try:
        if as_words:
            await _note(visit, found, item)
            return await looking.words(visit.scope(), found.whole, item, page)
        return await looking.look_soon(visit.scope(), found.whole, item, page, dots) or _AWAITED
    except Denied:
        raise
    except GatewayError:
        return PageLook(fault=_GONE)


def _with_pages(
    visit: Visit, found: SeenIncoming, bare: Leaf, look: PageLook, page: int, dots: int, *, as_words: bool
) -> Leaf:
    words: tuple[str | None, ...] = look.words or (None,) * len(look.sizes)
    last = page + len(look.sizes) - 1
    before = max(1, page - WINDOW)
    return Leaf(
        item=bare.item,
        files=bare.files,
        keep=bare.keep,
        original=bare.original,
        sheets=tuple(
            _sheet(visit, found, bare.item, page + n, size, dots, said)
            for n, (size, said) in enumerate(zip(look.sizes, words, strict=True))
        ),
        pages=look.pages,
        previous=_here(visit, found, trang=str(before) if before > 1 else None) if page > 1 else "",
        next=_here(visit, found, trang=str(last + 1)) if last < look.pages else "",
        zooms=tuple(_zoom(visit, found, each, dots) for each in DOTS) if not as_words else (),
        as_words=_here(visit, found, chu="1") if not as_words and bare.item.found_type == answers.PDF else "",
        as_pictures=_here(visit, found, chu=None) if as_words else "",
        is_large=dots != DOTS[0],
        again="" if look.pages else _here(visit, found),
    )


def _sheet(
    visit: Visit,
    found: SeenIncoming,
    item: IncomingFile,
    number: int,
    size: Size,
    dots: int,
    words: str | None,
) -> LeafSheet:
    wide, high = pixels(size, dots)
    if words is not None:
        return LeafSheet(number=number, wide=wide, high=high, words=words)
    path = f"{found.path}/trang/{item.n}/{number}"
    return LeafSheet(
        number=number,
        wide=wide,
        high=high,
        path=_by_order(visit, path, co=str(dots) if dots != DOTS[0] else ""),
        sharp=_by_order(visit, path, co=str(_SHARP)) if dots == DOTS[0] else "",
    )


def _zoom(visit: Visit, found: SeenIncoming, each: int, dots: int) -> LeafLink:
    path = _here(visit, found, co=str(each) if each != DOTS[0] else None)
    word = visit.say("incoming.leaf.fits") if each == DOTS[0] else f"{each} %"
    return LeafLink(path=path, word=word, here=each == dots)


def _files(visit: Visit, found: SeenIncoming, item: IncomingFile) -> tuple[LeafLink, ...]:
    """Nothing to choose where there is one."""
    listed = found.whole.files if len(found.whole.files) > 1 else ()
    return tuple(
        LeafLink(
            path=_here(visit, found, tep=str(each.n), trang=None, chu=None),
            word=each.name,
            here=each.n == item.n,
        )
        for each in listed
    )


def _item(visit: Visit, found: SeenIncoming) -> IncomingFile | None:
    """The file that the address names, else the lead."""
    named = [each for each in found.whole.files if str(each.n) == visit.ask("tep")]
    return named[0] if named else lead_file(found.whole)


def _page_asked(visit: Visit) -> int:
    given = visit.ask("trang")
    return max(1, int(given)) if given.isascii() and given.isdigit() and len(given) <= 4 else 1


def _here(visit: Visit, found: SeenIncoming, **other: str | None) -> str:
    """This page again, with something else in the pane."""
    query = {name: visit.ask(name) for name in ("ds", "lenh", "tep", "trang", "co", "chu")}
    kept = {name: value for name, value in {**query, **other}.items() if value}
    return where(found.path, **kept) + "#leaf"


def _by_order(visit: Visit, path: str, **query: str) -> str:
    return where(path, **merged({**query, "lenh": visit.ask("lenh")}))


async def _note(visit: Visit, found: SeenIncoming, item: IncomingFile) -> None:
    """Once for a session, a file and an order, before the first of it is given out."""
    looking, reader = visit.deps.looking, _reader(visit, found, item.n)
    if not looking.has_noted(reader):
        await seen.note_read(visit, found, item.name)
        looking.note(reader)


def _reader(visit: Visit, found: SeenIncoming, n: int) -> tuple[str, ...]:
    return visit.person.session.id, found.whole.id, str(n), visit.ask("lenh")
