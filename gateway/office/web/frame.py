"""What stands around every page: the menu by rights, the agency, the light of the axis, what was just done. In: a visit.
Out: the values that `layout.html` shows. Cheap: one look at the database for the count of tasks, everything else
from memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.office.domain.right import Manner, Right
from gateway.office.web.deps import Notice
from gateway.office.web.routes import Needs
from gateway.office.web.visit import Visit, merged, where
from gateway.words import labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of the menu: its key in the labels, its address, the letter after `g`, and who sees it."""

    key: str
    path: str
    letter: str = ""
    needs: tuple[Needs, ...] = ()
    of_agency: bool = True
    """Only where an agency is worked for."""


_SEE = (Needs(right=Right.SEE_CONTENT),)
_ALL = (Needs(right=Right.SEE_CONTENT, manners=(Manner.YES,)),)
OPERATES = (Needs(right=Right.NOTICES, manners=(Manner.YES,)),)
AUDITS = (Needs(right=Right.AUDIT),)
ADMINISTERS = (Needs(right=Right.ACCOUNTS, manners=(Manner.YES,)),)
# The books say what every document is about.
BOOKS = _ALL
MENU = (
    Entry(key="dashboard", path="/tong-quan", letter="h", needs=_SEE),
    Entry(key="outgoing", path="/van-ban-di", letter="o", needs=_SEE),
    Entry(key="incoming", path="/van-ban-den", letter="i", needs=_SEE),
    Entry(key="todo", path="/can-xu-ly", letter="t", needs=_ALL),
    Entry(key="books", path="/so-van-ban", letter="", needs=BOOKS),
    Entry(key="agencies", path="/co-quan", letter="a", of_agency=False),
    Entry(key="operations", path="/van-hanh", letter="v", needs=OPERATES, of_agency=False),
    Entry(key="audit", path="/nhat-ky", letter="", needs=AUDITS, of_agency=False),
    Entry(key="administration", path="/quan-tri", letter="", needs=ADMINISTERS, of_agency=False),
    Entry(key="help", path="/tro-giup", letter="", of_agency=False),
)


async def around(visit: Visit) -> Mapping[str, object]:
    """The values of the frame."""
    cookies = visit.request.cookies
    told = visit.ask("told")
    return {
        "menu": menu(visit),
        "light": visit.deps.light(),
        "told": visit.say(f"told.{told}") if told and labels.has(f"told.{told}") else "",
        "other_lang": _other_lang(visit),
        "is_narrow": cookies.get("gw_menu") == "small",
        "has_keys": cookies.get("gw_keys") != "off",
        "waiting": await _waiting(visit),
        "notice": await _notice(visit) if visit.acting else None,
    }


def menu(visit: Visit) -> tuple[Entry, ...]:
    """What the person may open."""
    if visit.acting is None or visit.acting.duties:
        return ()
    return tuple(
        each
        for each in MENU
        if (visit.agency is not None or not each.of_agency)
        and (not each.needs or any(visit.may(need.right, *need.manners) for need in each.needs))
    )


def _other_lang(visit: Visit) -> tuple[str, str]:
    """The other language, and this page's address in it."""
    other = "en" if visit.lang == "vi" else "vi"
    query = merged(dict(visit.request.query), told=None, lang=None)
    return other, where("/ngon-ngu", lang=other, next=where(visit.request.path, **query))


async def _notice(visit: Visit) -> Notice | None:
    here = visit.agency.id if visit.agency is not None else ""
    return await visit.deps.notices.current(visit.deps.clock.now(), here)


async def _waiting(visit: Visit) -> int:
    """The tasks of the agency, for the bell."""
    if visit.agency is None or not visit.may(Right.SEE_CONTENT, Manner.YES):
        return 0
    return await visit.deps.bell.count(visit.scope())
