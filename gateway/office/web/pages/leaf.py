"""The document itself, in front of whoever decides about it, whether it came in or is to go out: pages of one of its files
as pictures, a number of them at a time, with their sizes told before they come; or their words, to select. In: a
`LeafDesk`, which is how one side shows its document; the file, the page and the size that the address names. Out: what the
page shows, with the way to the original; a page as a picture, once it was written down who reads it. Of what cannot be
drawn a plain sentence, and the file."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace

from aiohttp import web

from gateway.api import downloads
from gateway.domain.page_picture import PageLook, pixels
from gateway.domain.pdf import Size
from gateway.errors import Denied, GatewayError, NotFound
from gateway.office.letters.looking import DOTS, WINDOW, LookedFile
from gateway.office.web import answers
from gateway.office.web.forms import whole_number
from gateway.office.web.visits import Visit, where

_SHARP = 2 * DOTS[0]
_GONE = "PAGE-GONE"
# Until it is drawn: one page of the commonest size, whose picture comes when it is ready.
_AWAITED = PageLook(sizes=(Size(width=595, height=842),))


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafDesk:
    """One document as its side shows it. `path` is its page, whose query keeps the names of `kept`; `files` are all that
    can be chosen; the three ways are addresses of a file by its number, the last also by a page and a query; `note` writes
    down who reads a file; `faults` are keys of the labels where the side has words of its own."""

    id: str
    path: str
    files: tuple[LookedFile, ...]
    lead: LookedFile
    keep: Callable[[int], str]
    original: Callable[[int], str]
    picture: Callable[[int, int, Mapping[str, str]], str]
    note: Callable[[str], Awaitable[None]]
    kept: tuple[str, ...] = ()
    reader: str = ""
    faults: Mapping[str, str] = field(default_factory=dict)


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

    item: LookedFile
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


async def leaf_of(visit: Visit, desk: LeafDesk) -> Leaf:
    item = chosen(visit, desk)
    visit.deps.looking.are_at_work(visit.here.id)
    page = max(1, whole_number(visit.ask("trang"), 4) or 1)
    dots, as_words = visit.number("co", DOTS[0], DOTS), visit.ask("chu") == "1"
    look = await _looked(visit, desk, item, page, dots, as_words=as_words)
    bare = Leaf(
        item=item,
        files=_files(visit, desk, item),
        keep=desk.keep(item.n),
        original=desk.original(item.n) if answers.can_show(item.kind) else "",
        fault=desk.faults.get(look.fault, f"leaf.{look.fault}") if look.fault else "",
    )
    if look.fault:
        return bare
    return _with_pages(visit, desk, bare, look, page, dots, as_words=as_words)


def chosen(visit: Visit, desk: LeafDesk) -> LookedFile:
    """The file that the address names, else the lead."""
    return next((each for each in desk.files if str(each.n) == visit.ask("tep")), desk.lead)


async def picture_given(visit: Visit, desk: LeafDesk | None, id: str) -> web.StreamResponse:
    """The page that the address names, as a picture; `desk` is None where the document of that id has no file."""
    item = next((each for each in desk.files if str(each.n) == visit.path("n")), None) if desk else None
    if desk is None or item is None:
        raise NotFound(f"{id} has no such file")
    page, dots = max(1, int(visit.path("page"))), visit.number("co", DOTS[0], DOTS)
    await _note(visit, desk, item)
    etag = f'"{item.sha256}-{page}-{dots}"' if item.is_kept else None
    headers = answers.picture_headers(etag)
    if etag is not None and downloads.is_known(visit.request, etag):
        return web.Response(status=304, headers={"ETag": etag, "Cache-Control": headers["Cache-Control"]})
    look = await visit.deps.looking.look(visit.scope(), item, page, dots)
    if not look.picture:
        raise NotFound(f"page {page} of file {item.n} cannot be shown: {look.fault}")
    return web.Response(body=look.picture, headers=headers)


def reader_of(visit: Visit, desk: LeafDesk, n: int) -> tuple[str, ...]:
    """Who reads which file, by which order: written down once for each."""
    return visit.person.session.id, desk.id, str(n), desk.reader


async def _looked(
    visit: Visit, desk: LeafDesk, item: LookedFile, page: int, dots: int, *, as_words: bool
) -> PageLook:
    """What fails beside the file itself leaves the page as it is without."""
    looking = visit.deps.looking
    try:
        if as_words:
            await _note(visit, desk, item)
            return await looking.words(visit.scope(), item, page)
        return await looking.look_soon(visit.scope(), item, page, dots) or _AWAITED
    except Denied:
        raise
    except GatewayError:
        return PageLook(fault=_GONE)


def _with_pages(
    visit: Visit, desk: LeafDesk, bare: Leaf, look: PageLook, page: int, dots: int, *, as_words: bool
) -> Leaf:
    words: tuple[str | None, ...] = look.words or (None,) * len(look.sizes)
    last = page + len(look.sizes) - 1
    before = max(1, page - WINDOW)
    return replace(
        bare,
        sheets=tuple(
            _sheet(desk, bare.item, page + n, size, dots, said)
            for n, (size, said) in enumerate(zip(look.sizes, words, strict=True))
        ),
        pages=look.pages,
        previous=_here(visit, desk, trang=str(before) if before > 1 else None) if page > 1 else "",
        next=_here(visit, desk, trang=str(last + 1)) if last < look.pages else "",
        zooms=tuple(_zoom(visit, desk, each, dots) for each in DOTS) if not as_words else (),
        as_words=_here(visit, desk, chu="1") if not as_words and bare.item.kind == answers.PDF else "",
        as_pictures=_here(visit, desk, chu=None) if as_words else "",
        is_large=dots != DOTS[0],
        again="" if look.pages else _here(visit, desk),
    )


def _sheet(
    desk: LeafDesk, item: LookedFile, number: int, size: Size, dots: int, words: str | None
) -> LeafSheet:
    wide, high = pixels(size, dots)
    if words is not None:
        return LeafSheet(number=number, wide=wide, high=high, words=words)
    return LeafSheet(
        number=number,
        wide=wide,
        high=high,
        path=desk.picture(item.n, number, {"co": str(dots) if dots != DOTS[0] else ""}),
        sharp=desk.picture(item.n, number, {"co": str(_SHARP)}) if dots == DOTS[0] else "",
    )


def _zoom(visit: Visit, desk: LeafDesk, each: int, dots: int) -> LeafLink:
    path = _here(visit, desk, co=str(each) if each != DOTS[0] else None)
    word = visit.say("leaf.fits") if each == DOTS[0] else f"{each} %"
    return LeafLink(path=path, word=word, here=each == dots)


def _files(visit: Visit, desk: LeafDesk, item: LookedFile) -> tuple[LeafLink, ...]:
    """Nothing to choose where there is one."""
    listed = desk.files if len(desk.files) > 1 else ()
    return tuple(
        LeafLink(
            path=_here(visit, desk, tep=str(each.n), trang=None, chu=None),
            word=each.name,
            here=each.n == item.n,
        )
        for each in listed
    )


def _here(visit: Visit, desk: LeafDesk, **other: str | None) -> str:
    """This page again, with something else in the pane."""
    query = {name: visit.ask(name) for name in (*desk.kept, "tep", "trang", "co", "chu")}
    kept = {name: value for name, value in {**query, **other}.items() if value}
    return where(desk.path, **kept) + "#leaf"


async def _note(visit: Visit, desk: LeafDesk, item: LookedFile) -> None:
    """Once for a session, a file and an order, before the first of it is given out."""
    looking, reader = visit.deps.looking, reader_of(visit, desk, item.n)
    if not looking.has_noted(reader):
        await desk.note(item.name)
        looking.note(reader)
