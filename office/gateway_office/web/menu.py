"""The menu of pages, by rights. In: the request. Out: the entries that the person may open."""

from __future__ import annotations

from dataclasses import dataclass

from gateway_office.domain.roles import Manner, Right
from gateway_office.web.request_context import RequestContext
from gateway_office.web.routes import Needs


@dataclass(frozen=True, slots=True, kw_only=True)
class MenuEntry:
    """One entry of the menu: its key in the labels, its address, the letter after `g`, and who sees it."""

    key: str
    path: str
    letter: str = ""
    needs: tuple[Needs, ...] = ()
    of_agency: bool = True
    """Shown only where the person works for an agency, or has one of the rights of `beyond`."""
    beyond: tuple[Needs, ...] = ()


_SEES = (Needs(right=Right.SEE_CONTENT),)
_SEES_OR_OWN = (Needs(right=Right.SEE_CONTENT, manners=(Manner.YES, Manner.OWN)),)
_SEES_ALL = (Needs(right=Right.SEE_CONTENT, manners=(Manner.YES,)),)
OPERATES = (Needs(right=Right.NOTICES, manners=(Manner.YES,)),)
AUDITS = (Needs(right=Right.AUDIT),)
INSPECTS = (Needs(right=Right.INSPECT),)
ADMINISTERS = (Needs(right=Right.ACCOUNTS, manners=(Manner.YES,)),)
REPORT_READERS = (
    Needs(right=Right.REPORTS, manners=(Manner.YES, Manner.OWN, Manner.TOTALS, Manner.ACCOUNTS)),
)
# The books say what every document is about.
BOOKS = _SEES_ALL
MENU = (
    MenuEntry(key="dashboard", path="/tong-quan", letter="h", needs=(*_SEES, *ADMINISTERS), beyond=OPERATES),
    MenuEntry(key="outgoing", path="/van-ban-di", letter="o", needs=_SEES),
    MenuEntry(key="incoming", path="/van-ban-den", letter="i", needs=_SEES),
    MenuEntry(key="todo", path="/can-xu-ly", letter="t", needs=_SEES_OR_OWN),
    MenuEntry(key="books", path="/so-van-ban", letter="", needs=BOOKS),
    MenuEntry(key="reports", path="/bao-cao", needs=REPORT_READERS, beyond=REPORT_READERS),
    MenuEntry(key="inspection", path="/thanh-tra", needs=INSPECTS, of_agency=False),
    MenuEntry(key="agencies", path="/co-quan", letter="a", of_agency=False),
    MenuEntry(key="operations", path="/van-hanh", letter="v", needs=OPERATES, of_agency=False),
    MenuEntry(key="audit", path="/nhat-ky", letter="", needs=AUDITS, of_agency=False),
    MenuEntry(key="administration", path="/quan-tri", letter="", needs=ADMINISTERS, of_agency=False),
    MenuEntry(key="help", path="/tro-giup", letter="", of_agency=False),
)


def menu(request: RequestContext) -> tuple[MenuEntry, ...]:
    """List the entries that the person may open."""
    if request.acting is None or request.acting.duties:
        return ()
    return tuple(
        entry
        for entry in MENU
        if (
            request.agency is not None
            or not entry.of_agency
            or (entry.beyond and request.meets(entry.beyond))
        )
        and request.meets(entry.needs)
    )
