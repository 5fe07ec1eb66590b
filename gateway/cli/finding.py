"""Finds the document that a person means. In: an id, a number with its symbol (1523/STC-VP) or an external id. Out: the
document; NotFound when there is none, Clash that lists them when there are several."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from typing import TYPE_CHECKING

import typer

from gateway.cli.shapes import numbered
from gateway.domain.document import IncomingDocument, Kind, OutgoingDocument
from gateway.errors import Clash, NotFound

if TYPE_CHECKING:
    from gateway.ports import Work

# More documents of one number than this need an id in any case.
_LOOK = 50

# A recall or update carries the number of the document it is about, and is not what a person means by it.
_DOCUMENTS = (Kind.DOCUMENT, Kind.REPLACEMENT)


class Several(Clash):
    """More than one document is called that."""

    code = "GW-SEVERAL"
    label_key = "cli.which_document"


def states(given: Iterable[str], known: Collection[str]) -> list[str]:
    """The states to list; a usage error for one that nothing can be in, because an empty list would look like none."""
    wanted = list(given)
    for each in wanted:
        if each not in known:
            near = get_close_matches(each, known, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise typer.BadParameter(
                f"{each!r} is no state; {hint}expected one of {', '.join(sorted(known))}"
            )
    return wanted


async def outgoing(work: Work, text: str) -> OutgoingDocument:
    """The outgoing document meant by `text`."""
    if text.startswith("msg_"):
        return await work.outgoing.get(text)
    named = await work.outgoing.by_external_id(text)
    if named is not None:
        return named
    page = await work.outgoing.page(limit=_LOOK, query=text)
    found = [
        each
        for each in page.items
        if each.kind in _DOCUMENTS and _same(each.draft.number, each.draft.symbol, text)
    ]
    if len(found) > 1:
        raise _several(text, [f"{each.id} ({each.draft.issued_on})" for each in found])
    if not found:
        raise NotFound(f"there is no outgoing document {text}", hint="look with: gateway outbox list")
    return found[0]


async def incoming(work: Work, text: str) -> IncomingDocument:
    """The incoming document meant by `text`."""
    if text.startswith("inb_"):
        return await work.incoming.get(text)
    page = await work.incoming.page(limit=_LOOK, query=text)
    found = [each for each in page.items if each.kind in _DOCUMENTS and _same(each.number, each.symbol, text)]
    if len(found) > 1:
        raise _several(text, [f"{each.id} ({each.sender_code}, {each.issued_on})" for each in found])
    if not found:
        raise NotFound(f"there is no incoming document {text}", hint="look with: gateway inbox list")
    return found[0]


def _same(number: str, symbol: str, text: str) -> bool:
    return numbered(number, symbol).casefold() == text.strip().casefold()


def _several(text: str, ids: list[str]) -> Several:
    return Several(
        f"{len(ids)} documents are called {text}: {', '.join(ids)}", hint="give the id of one of them"
    )
