"""Texts in which a person is named, in every table that has some: accounts, letters, their recipients and statuses, letters
on paper, events. In: a name, sign-in name, e-mail address or telephone number, in its spelling. Out: the place of each, a
page of rows at a time."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from sqlalchemy import select, tuple_
from sqlmodel import col

from gateway.domain.text import bare_words
from gateway.store.store import SqlStore
from gateway.store.tables import DeliveryRow, FactRow, IncomingRow, OutgoingRow, PaperOutgoingRow
from gateway.store.tables_node import EventRow, PersonRow

_PAGE = 500
_PERSON = ("name", "login", "title", "email")


class SourceKind(StrEnum):
    ACCOUNT = "account"
    INCOMING = "incoming"
    OUTGOING = "outgoing"
    RECIPIENT = "recipient"
    STATUS = "status"
    PAPER = "paper"
    EVENT = "event"


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedIn:
    """Place of a person's name: a field of a thing, which is about `subject`. `is_alone`: the field has nothing else."""

    kind: SourceKind
    agency_id: str
    id: str
    subject: str
    field: str
    is_alone: bool = False

    @property
    def row(self) -> tuple[str, str, str]:
        return self.kind, self.agency_id, self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """Column with JSON: the columns of agency, id and subject, and the key that its pages follow."""

    kind: SourceKind
    column: Any
    names: tuple[Any, Any, Any]
    key: tuple[Any, ...]


def _source(kind: SourceKind, row: Any, column: str, id: str, subject: str, key: str) -> _Source:
    names = (col(row.agency_id), col(getattr(row, id)), col(getattr(row, subject)))
    return _Source(
        kind=kind,
        column=col(getattr(row, column)),
        names=names,
        key=tuple(row.__table__.c[n] for n in key.split()),
    )


_SOURCES = (
    _source(SourceKind.INCOMING, IncomingRow, "body", "id", "id", "agency_id id"),
    _source(SourceKind.OUTGOING, OutgoingRow, "body", "id", "id", "agency_id id"),
    _source(SourceKind.RECIPIENT, DeliveryRow, "recipient", "id", "document_id", "agency_id id"),
    _source(SourceKind.STATUS, FactRow, "body", "subject_id", "subject_id", "agency_id subject_id key"),
    _source(SourceKind.PAPER, PaperOutgoingRow, "body", "id", "id", "agency_id id"),
    _source(SourceKind.EVENT, EventRow, "data", "id", "subject_id", "position"),
)


async def find_named(store: SqlStore, person_text: str) -> AsyncIterator[NamedIn]:
    """Yield each place with these words as whole ones, accounts first. For all but accounts the spelling must be the same,
    with its accents."""
    words = bare_words(person_text)
    async with store.reading() as tx:
        people = await tx.tuples(
            select(col(PersonRow.id), *(PersonRow.__table__.c[name] for name in _PERSON))
        )
    for id, *texts in people:
        for field, text in zip(_PERSON, texts, strict=True):
            if text and _has_words(text, words):
                alone = bare_words(text) == words
                account = NamedIn(kind=SourceKind.ACCOUNT, agency_id="", id=id, subject=id, field=field)
                yield replace(account, is_alone=alone)
    for source in _SOURCES:
        async for place in _in_source(store, source, person_text):
            yield place


async def _in_source(store: SqlStore, source: _Source, person_text: str) -> AsyncIterator[NamedIn]:
    json_text = json.dumps(person_text, ensure_ascii=False)[1:-1]
    query = select(*source.names, source.column, *source.key).where(
        source.column.contains(json_text, autoescape=True)
    )
    query, last = query.order_by(*source.key).limit(_PAGE), ()
    while True:
        async with store.reading() as tx:
            rows = await tx.tuples(query.where(tuple_(*source.key) > tuple_(*last)) if last else query)
        for agency_id, id, subject, body, *_ in rows:
            for field in dict.fromkeys(_fields(json.loads(body), bare_words(person_text))):
                yield NamedIn(kind=source.kind, agency_id=agency_id, id=id, subject=subject, field=field)
        if len(rows) < _PAGE:
            return
        last = tuple(rows[-1][4:])


def _has_words(text: str, words: Sequence[str]) -> bool:
    """Tell whether the words follow each other in the text: a part of a word is another person's."""
    return bool(words) and f" {' '.join(words)} " in f" {' '.join(bare_words(text))} "


def _fields(json_part: Any, words: Sequence[str], path: str = "") -> Iterator[str]:
    """Yield the paths of texts that contain the words."""
    if isinstance(json_part, str):
        if _has_words(json_part, words):
            yield path
    elif isinstance(json_part, dict):
        for name, part in json_part.items():
            yield from _fields(part, words, f"{path}.{name}" if path else name)
    elif isinstance(json_part, list):
        for part in json_part:
            yield from _fields(part, words, path)
