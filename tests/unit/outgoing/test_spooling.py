"""Incoming bytes go into their file once: written and hashed on the way, and never twice in memory."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from bench import papers
from gateway.domain.document import FileRole
from gateway.domain.pace import SMALL
from gateway.domain.signatures import FileFacts
from gateway.errors import BadForm
from gateway.outgoing.intake import receive_files
from gateway.outgoing.spooling import PIECE, Spool
from gateway.store.blobs import FileScratch
from gateway.trust.inspector import FileInspector
from tests.support.node import Town
from tests.support.printed import FOLDER

SHA256 = hashlib.sha256


async def chunks(*sizes: int) -> AsyncIterator[bytes]:
    for n, size in enumerate(sizes):
        yield bytes([n + 1]) * size


class CountedScratch(FileScratch):
    """Counts what is written, in memory too."""

    bytes_written = 0

    @property
    def file(self) -> Any:  # Any: a handle that counts
        return CountedHandle(self, super().file)


class CountedHandle:
    def __init__(self, scratch: CountedScratch, handle: BinaryIO) -> None:
        self._scratch, self._handle = scratch, handle

    def write(self, piece: bytes) -> int:
        self._scratch.bytes_written += len(piece)
        return self._handle.write(piece)

    def flush(self) -> None:
        self._handle.flush()


class CountedHash:
    """Stands for SHA-256 in the module."""

    hashed = 0

    def __init__(self) -> None:
        self._hash = SHA256()

    def copy(self) -> Any:  # Any: the library's own
        return self._hash.copy()

    def update(self, piece: bytes) -> None:
        CountedHash.hashed += len(piece)
        self._hash.update(piece)


@pytest.mark.parametrize(
    "sizes",
    [(0,), (10,), (SMALL,), (SMALL, 1), (SMALL + 1,), (256 * 1024,) * 4, (PIECE, 5), (1, PIECE, PIECE + 7)],
)
async def test_each_byte_is_hashed_once_and_written_once(
    town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sizes: Sequence[int]
) -> None:
    monkeypatch.setattr(CountedHash, "hashed", 0)
    monkeypatch.setattr(hashlib, "sha256", CountedHash)
    scratch = CountedScratch(tmp_path, "a", few=True)
    spool = Spool(scratch, town.node.pool)

    await spool.fill(chunks(*sizes), lambda size: None)
    digest = spool.end()

    content = b"".join([chunk async for chunk in chunks(*sizes)])
    assert (CountedHash.hashed, scratch.bytes_written, spool.size) == (
        len(content),
        len(content),
        len(content),
    )
    assert (digest, spool.digest()) == (SHA256(content).hexdigest(),) * 2
    assert spool.digest(b"behind") == SHA256(content + b"behind").hexdigest()
    with scratch.content.open("rb") as file:
        assert file.read() == content
    assert (tmp_path / "a").exists() is (len(content) >= PIECE)
    scratch.discard()


async def test_what_is_too_large_is_not_read_on(town: Town, tmp_path: Path) -> None:
    chunk_reads = []

    async def endless() -> AsyncIterator[bytes]:
        while True:
            chunk_reads.append(1)
            yield bytes(1000)

    def check_size(size: int) -> None:
        if size > 5000:
            raise BadForm("enough")

    spool = Spool(FileScratch(tmp_path, "a", few=True), town.node.pool)
    with pytest.raises(BadForm):
        await spool.fill(endless(), check_size)
    assert len(chunk_reads) == 6
    assert not (tmp_path / "a").exists()


async def test_each_file_is_looked_at_in_the_pool_whatever_it_is(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[str] = []
    services = replace(town.node.out, inspector=FileInspector())
    inspect = FileInspector.inspect

    def noted(self: FileInspector, *args: Any, **keywords: Any) -> FileFacts:
        threads.append("loop" if threading.current_thread() is threading.main_thread() else "pool")
        return inspect(self, *args, **keywords)

    monkeypatch.setattr(FileInspector, "inspect", noted)
    scan, text = papers.content(10_000, 1), (FOLDER / "cong-van.pdf").read_bytes()[: 15 * 1024]
    async with receive_files(services) as request_files:
        for n, raw in enumerate((scan, scan, text, papers.content(17 * 1024, 1), b"chu")):
            received = await request_files.add("file", f"{n}.pdf", FileRole.LEAD, single_chunk(raw))
            assert received.item.sha256 == hashlib.sha256(raw).hexdigest()
            assert received.item.pages == (None if raw in (text, b"chu") else 1)
    assert threads == ["pool"] * 5


async def single_chunk(raw: bytes) -> AsyncIterator[bytes]:
    yield raw
