"""Words of files: the documents whose words may be kept and searched, the outcome of reading a file, and an extract around
searched words. In: documents, texts, search queries. Out: judgements and short texts. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import islice

from gateway.domain.document import WORKED_ON, IncomingDocument, InState, OutgoingDocument, OutState
from gateway.domain.text import SearchRole, Sought, Term, fold, hits, indexed, sought
from gateway_office.domain.listing import Side

DECIDABLE = frozenset({InState.NEW, *WORKED_ON, InState.DONE, InState.REPLACED})
"""States of incoming documents that no doubt hides."""
# Drafts change until they leave, and are their clerk's alone.
SEARCHED = {
    Side.IN: frozenset(state.value for state in DECIDABLE),
    Side.OUT: frozenset((OutState.QUEUED.value, OutState.PACKED.value, OutState.PAPER.value)),
}
"""By side the states of documents whose words are searched."""
_SECRECY = "secrecy"
EXTRACT_LETTERS = 200
_WORDS_AHEAD, _MOST_HITS = 40, 500
# A longer word is no word; PostgreSQL indexes none of more than 2,046 bytes.
_LONG_WORD = re.compile(r"\S{61,}")
_ROLES = tuple(SearchRole)
# Words of files have none but printable signs, so that this sign can mark a stored page.
RECOGNISED = "\u200b"


class Reading(StrEnum):
    """Result of reading a file."""

    WORDS = "words"
    NO_TEXT = "no_text"
    """Nothing but pictures: a scan without a layer of text, in which nothing was recognised either."""
    PARTLY = "partly"
    """Some of its pages are pictures that are to be read when the node is idle."""
    STAMPED = "stamped"
    """A picture seems to bear a stamp of secrecy, so that no words of the document are kept."""
    UNREADABLE = "unreadable"
    TOO_LARGE = "too_large"


@dataclass(frozen=True, slots=True, kw_only=True)
class WordPage:
    """Words of one page of a file, as they are shown. `recognised`: a machine read them in a picture."""

    n: int
    page: int
    text: str
    recognised: bool = False

    @property
    def stored_text(self) -> str:
        return (RECOGNISED if self.recognised else "") + self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class WordQuery:
    """Search for words in files. `roles` are words about the document itself, such as its sender."""

    terms: tuple[Term, ...]
    exact: tuple[Term, ...] = ()
    roles: tuple[Term, ...] = ()


def may_be_kept(document: IncomingDocument | OutgoingDocument) -> bool:
    """Tell whether pictures and words of its files may lie beside the node."""
    if document.destroyed is not None:
        return False
    if isinstance(document, OutgoingDocument):
        is_doubted = document.draft.secrecy != "none" or any(file.stamped for file in document.files)
        return not (document.is_sealed or document.state is OutState.CANCELLED or is_doubted)
    remarks = " ".join(document.checks.get(key, "") for key in ("warnings", "reasons"))
    return document.state in DECIDABLE and _SECRECY not in remarks


def may_be_searched(document: IncomingDocument | OutgoingDocument) -> bool:
    """Tell whether a search may find the words of its files."""
    side = Side.IN if isinstance(document, IncomingDocument) else Side.OUT
    return document.state.value in SEARCHED[side] and may_be_kept(document)


def searched_words(text: str) -> str:
    """Return the words of a page as they are searched, between two spaces."""
    words = indexed([_LONG_WORD.sub(" ", text)])
    return f" {words} " if words else ""


def read_query(search: Sought) -> WordQuery:
    """Turn a search of lists into one of files: there a word is the whole word, because pages have thousands."""
    terms = [replace(term, is_whole=True) for term in search.terms]
    return WordQuery(
        terms=tuple(term for term in terms if not term.words[0].startswith(_ROLES)),
        exact=tuple(replace(term, is_whole=True) for term in search.exact),
        roles=tuple(term for term in search.terms if term.words[0].startswith(_ROLES)),
    )


def extract(text: str, query: WordQuery) -> tuple[tuple[str, bool], ...]:
    """Return the part of a text that has the most different searched words, cut at spaces, in pieces with whether each was
    searched for. Where words have the accents that were typed, only those count."""
    flat = " ".join(text.split())
    places = _places(flat, query)
    start = max(0, _best_start(flat, places) - _WORDS_AHEAD)
    end = min(len(flat), start + EXTRACT_LETTERS)
    if start:
        start = flat.find(" ", start) + 1 or start
    if end < len(flat):
        end = max(flat.rfind(" ", start, end), start + 1)
    pieces = [("… ", False)] if start else []
    at = start
    for begin, finish in places:
        if at <= begin and finish <= end:
            pieces += [(flat[at:begin], False), (flat[begin:finish], True)]
            at = finish
    pieces += [(flat[at:end], False), (" …" if end < len(flat) else "", False)]
    return tuple(piece for piece in pieces if piece[0])


def _places(flat: str, query: WordQuery) -> list[tuple[int, int]]:
    places = list(islice(hits(flat, Sought(terms=query.terms)), _MOST_HITS))
    exact = {fold(term.words[0]): term.words[0] for term in query.exact}
    exact_places = [
        (begin, end)
        for begin, end in places
        if (exact_word := exact.get(fold(flat[begin:end]))) is None
        or exact_word in _exact_words(flat[begin:end])
    ]
    return exact_places or places


def _exact_words(word: str) -> set[str]:
    return {term.words[0] for term in sought(word).exact}


def _best_start(flat: str, places: Sequence[tuple[int, int]]) -> int:
    """Return where the most different words stand close together."""
    best, start = 0, places[0][0] if places else 0
    for n, (begin, _) in enumerate(places):
        last = begin + EXTRACT_LETTERS - _WORDS_AHEAD
        words = {flat[b:e].casefold() for b, e in places[n : n + 50] if e <= last}
        if len(words) > best:
            best, start = len(words), begin
    return start
