"""The rows by which a process knows whether what it remembers still holds: one for each subject, with a token that is
another one after each change. Written by triggers of the schema alone; no copy keeps them."""

from __future__ import annotations

from sqlmodel import Field

from gateway.store.row import Row


class MemoryVersionRow(Row, table=True):
    """A subject that nothing ever changed has no row yet."""

    __tablename__ = "memory_version"

    subject: str = Field(primary_key=True)
    token: str


MEMORY_TABLES = frozenset({"memory_version"})
