"""The rows of the sealed log: where it stands, its leaves, nodes that proofs need, and its seals. Tables of the node
itself: one log holds the events of all its agencies."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import BigInteger, Column, Index, Integer, Text, UniqueConstraint, text
from sqlmodel import Field

from gateway.store.columns import Moment
from gateway.store.row import Row

_STAMPED = text("stamped_at IS NOT NULL")


def _numbered() -> Any:  # Any: Field() gives whatever type the annotation beside it names
    """A key that we count ourselves."""
    return Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))


class LogRow(Row, table=True):
    """Where a log stands. Locking its one row is the sealer's lease. `peaks` are the hashes of the tree's complete
    subtrees, left to right, in hexadecimal digits; `last_seq` is the number of the last event in it."""

    __tablename__ = "log"

    name: str = Field(primary_key=True)
    log_id: str
    size: int = Field(sa_type=BigInteger)
    last_seq: int = Field(sa_type=BigInteger)
    peaks: str = Field(sa_type=Text)
    published_number: int | None = Field(default=None, sa_type=BigInteger)
    published_at: datetime | None = Field(default=None, sa_type=Moment)


class LogLeafRow(Row, table=True):
    """One leaf: its bytes as they were written once, their leaf hash, and the salts of the texts that stand outside (JSON),
    which go when the texts go."""

    __tablename__ = "log_leaf"
    __table_args__ = (UniqueConstraint("position", name="uq_log_leaf_position"),)

    leaf_index: int = _numbered()
    position: int = Field(sa_type=BigInteger)
    hash: bytes
    body: str = Field(sa_type=Text)
    salts: str | None = Field(default=None, sa_type=Text)


class LogNodeRow(Row, table=True):
    """The hash of one complete subtree. Every eighth level is kept: a proof then reads some hundred hashes however long
    the log is."""

    __tablename__ = "log_node"

    level: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    place: int = _numbered()
    hash: bytes


class LogSealRow(Row, table=True):
    """`body` is the signed seal as text; columns beside it are for asking."""

    __tablename__ = "log_seal"
    __table_args__: ClassVar[Any] = (
        Index("ix_log_seal_size", "tree_size"),
        Index("ix_log_seal_stamped", "number", postgresql_where=_STAMPED, sqlite_where=_STAMPED),
    )

    number: int = _numbered()
    tree_size: int = Field(sa_type=BigInteger)
    at: datetime = Field(sa_type=Moment)
    body: str = Field(sa_type=Text)
    stamp: bytes | None = None
    stamped_at: datetime | None = Field(default=None, sa_type=Moment)
