"""Tests read, change or remove content past the program, wherever it lies: in a row or in a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, update
from sqlalchemy.sql.dml import Update
from sqlmodel import col

from gateway.incoming import receive
from gateway.store import blobs
from gateway.store.blobs import path_of
from gateway.store.store import SqlStore
from gateway.store.tables import BlobRow

if TYPE_CHECKING:
    from gateway.bootstrap.node import OpenNode
    from tests.support.buckets import Objects

_ROW = BlobRow


@pytest.fixture(params=["rows", "files"])
def lies_in(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Put all content of the test in one place, whatever its size, and return the name of the place."""
    return put_all_in(request.param, monkeypatch)


def put_all_in(place: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Take all content for small, or all for large."""
    for module in (blobs, receive):
        monkeypatch.setattr(module, "SMALL", 1 << 30 if place == "rows" else -1)
    return place


class Lying:
    """The content of one store, and its folder and bucket."""

    def __init__(self, store: SqlStore, root: Path, objects: Objects | None = None) -> None:
        self._store = store
        self._root = root
        self._objects = objects

    @classmethod
    def in_node(cls, node: OpenNode) -> Lying:
        return cls(node.store, node.room.folder)

    async def is_there(self, digest: str) -> bool:
        is_object = self._objects is not None and self._objects.find(digest) is not None
        return bool(await self._rows(digest)) or is_object or path_of(self._root, digest).exists()

    async def read(self, digest: str) -> bytes:
        rows = await self._rows(digest)
        return rows[0] if rows else path_of(self._root, digest).read_bytes()

    async def change(self, digest: str, change: Callable[[bytes], bytes]) -> None:
        """Change content as a broken disk, or a person past the program, would."""
        await self.write(digest, change(await self.read(digest)))

    async def write(self, digest: str, body: bytes) -> None:
        async with self._store.writing() as tx:
            is_row = await tx.change(_row(digest).values(body=body))
            await tx.commit()
        if not is_row and self._objects is not None and (name := self._objects.find(digest)):
            self._objects.write(name, body)
        elif not is_row:
            path_of(self._root, digest).write_bytes(body)

    async def lose(self, digest: str) -> None:
        async with self._store.writing() as tx:
            was_row = await tx.change(_row(digest).values(body=None))
            await tx.commit()
        if not was_row and self._objects is not None and (name := self._objects.find(digest)):
            self._objects.delete(name)
        elif not was_row:
            path_of(self._root, digest).unlink()

    async def _rows(self, digest: str) -> list[bytes]:
        async with self._store.reading() as tx:
            return [
                body
                for (body,) in await tx.tuples(select(col(_ROW.body)).where(col(_ROW.digest) == digest))
                if body is not None
            ]


def _row(digest: str) -> Update:
    return update(_ROW).where(col(_ROW.digest) == digest, col(_ROW.body).is_not(None))
