"""Turns what a database driver raises into our own error, so that none leaves the registry. In: any block of database
work. Out: the same, or StoreFailure with the cause."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import SQLAlchemyError

from gateway.errors import StoreFailure


@contextmanager
def failures_named() -> Iterator[None]:
    """Every error of the database in this block is a StoreFailure."""
    try:
        yield
    except SQLAlchemyError as cause:
        raise StoreFailure(
            f"the registry's database did not answer: {type(cause).__name__}; nothing was changed:"
            " check that it runs and that its tables are there (migrations)"
        ) from cause
