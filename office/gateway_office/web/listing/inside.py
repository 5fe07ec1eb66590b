"""Matches inside files, as the search page shows them: beneath a document's row the file, the page and an extract with the
words found. In: a search, the lines that the search by rows shows. Out: extracts by document, each with the address that
opens the document at that page; nothing for a person who does not see content."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.domain.document import IncomingDocument, IncomingFile, OutgoingDocument
from gateway.domain.pdf import DRAWN_KINDS
from gateway.domain.text import sought
from gateway_office.domain.content import extract, may_be_searched, read_query
from gateway_office.domain.listing import Filter, ListLine, Side
from gateway_office.store.contents import ContentMatch
from gateway_office.store.store import OfficeWork
from gateway_office.web.addresses import url_for
from gateway_office.web.listing.asking import PATHS


@dataclass(frozen=True, slots=True, kw_only=True)
class FileExtract:
    """Extract of a file, in pieces with whether each was searched for. `page` is None where the file has no pages;
    `recognised`: a machine read the page in a picture."""

    file: str
    page: int | None
    pieces: tuple[tuple[str, bool], ...]
    path: str
    recognised: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class InsideMatches:
    """Matches inside files: the lines of their documents, and the extract of each by its id."""

    lines: tuple[ListLine, ...]
    extracts: dict[str, FileExtract]
    next_cursor: str | None = None


NOTHING = InsideMatches(lines=(), extracts={})


async def find_inside(
    work: OfficeWork, criteria: Filter, *, limit: int, cursor: str | None = None
) -> InsideMatches:
    """Find documents whose files have the words of the search."""
    page = await work.office.contents.search(work.office.lists, criteria, limit=limit, cursor=cursor)
    query = read_query(sought(criteria.text))
    documents = await _load(work, [match.line for match in page.matches])
    extracts: dict[str, FileExtract] = {}
    for match in page.matches:
        file = _file_of(documents.get(match.line.id), match)
        if file is None:
            continue
        number, kind, name = file
        shown_page = match.page if kind in DRAWN_KINDS else None
        address = {"tep": str(number), **({"trang": str(shown_page)} if shown_page else {})}
        extracts[match.line.id] = FileExtract(
            file=name,
            page=shown_page,
            pieces=extract(match.text, query),
            recognised=match.recognised,
            path=url_for(f"{PATHS[match.line.side]}/{match.line.id}", **address),
        )
    lines = tuple(match.line for match in page.matches if match.line.id in extracts)
    return InsideMatches(lines=lines, extracts=extracts, next_cursor=page.next_cursor)


async def _load(
    work: OfficeWork, lines: Sequence[ListLine]
) -> dict[str, IncomingDocument | OutgoingDocument]:
    """Load the documents of a page of results, with one statement for each direction."""
    sent_ids = [line.id for line in lines if line.side is Side.OUT]
    arrived_ids = [line.id for line in lines if line.side is Side.IN]
    sent = await work.outgoing.of_many(sent_ids) if sent_ids else ()
    arrived = await work.incoming.of_many(arrived_ids) if arrived_ids else ()
    documents: dict[str, IncomingDocument | OutgoingDocument] = {document.id: document for document in sent}
    return documents | {document.id: document for document in arrived}


def _file_of(
    document: IncomingDocument | OutgoingDocument | None, match: ContentMatch
) -> tuple[int, str, str] | None:
    """Return number, kind and name of the file found; None where the document may not be searched at this moment."""
    if document is None or not may_be_searched(document):
        return None
    for file in document.files:
        if file.n == match.n:
            kind = file.found_type if isinstance(file, IncomingFile) else file.content_type
            return file.n, kind or "", file.name
    return None
