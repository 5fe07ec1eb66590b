"""Make a backup: one consistent, encrypted copy of a running node. In: the folders and database of the node, and a
passphrase. Out: one file that `ops.restore` reads, alone or with pieces beside it (`ops.backup_store`), and its manifest.
All rows are of one moment; content is checked while it is copied."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import tempfile
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO

from gateway import __version__, errors
from gateway.atomic_files import new_file, write_file
from gateway.domain.identity import Digest
from gateway.ops import backup_file as form
from gateway.ops.backup_store import BackupStore, StoreWriter, alone, names_file
from gateway.ports.services import Clock, Pool, Readable
from gateway.store import dump, migrate
from gateway.store.blobs import SCRATCH, hold_sweep, path_of
from gateway.store.folder_marks import CONTENT, KEYS, FolderMarks, backup_place
from gateway.store.store import SqlStore

if TYPE_CHECKING:
    from gateway.store.bucket import Bucket

# Lines are compressed in parts of at most this size, because a member's size must be known before its first byte. The last
# line of a part chooses its end, half a megabyte after another on average: a new line changes its own part alone.
PART, LEAST_PART, USUAL_PART = 4 * 1024 * 1024, 128 * 1024, 512 * 1024
# When more contents are missing or damaged, the folder must be a wrong one, or its disk broken.
MOST_LACKING = 1000
MISSING, DAMAGED, RELEASED = "missing", "damaged", "released"
_DIGITS = 64
_FILES_AT_ONCE = 200

Tell = Callable[[str, int], None]
BackupMemberWriter = form.BackupWriter | StoreWriter


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupSource:
    """Name of a node, and where it keeps the data to copy. `bucket` is read where content lies in one."""

    node: str
    database_url: str
    content: Path
    keys: Path
    trust: Path
    settings: Path | None
    bucket: Bucket | None = None


async def check_folders(source: BackupSource, target: Path, clock: Clock, pool: Pool) -> None:
    """Check by their marks that the folders to copy, and the one for the copy, are the right ones; StoreFailure when not.
    An older schema has no marks yet."""
    if any(step.phase == "expand" for step in (await migrate.status(source.database_url)).pending):
        return
    store = SqlStore(source.database_url, clock)
    try:
        folders = {CONTENT: source.content, KEYS: source.keys, backup_place(target): target}
        marks = FolderMarks(store, clock, pool, folders)
        await marks.settle()
        marks.check()
    finally:
        await store.close()


async def make(
    source: BackupSource,
    target: Path,
    passphrase: bytes,
    clock: Clock,
    pool: Pool,
    tell: Tell,
    *,
    in_pieces: bool = False,
) -> form.BackupManifest:
    """Write a backup to `target`, durable on return, and return its manifest. Clash when the file exists. `tell` is called
    with the progress. Missing or damaged content is listed in the manifest's `lacks` and does not stop the backup.
    `in_pieces`: what an earlier backup in the same folder has is not written again."""
    await pool.run(partial(_hold_sweep, source.content))
    async with _new_backup(target, passphrase, pool, in_pieces) as writer:
        copied = form.BackupManifest(tables={}, contents=0, content_bytes=0)
        with tempfile.TemporaryFile(dir=target.parent) as large_contents:
            async with dump.snapshot(source.database_url, by_age=in_pieces) as view:
                description = _description(source, view, clock, form.IN_PIECES if in_pieces else form.FORMAT)
                await pool.run(partial(writer.write, form.DESCRIPTION, description))
                for shape in view.shapes:
                    copied.tables[shape.name] = await _copy_table(source, view, shape.name, writer, pool)
                    tell(shape.name, copied.tables[shape.name].rows)
                async for small_batch in view.small():
                    for content in small_batch:
                        copied.count(content.digest, content.size, None if content.is_whole else DAMAGED)
                    tell("content", copied.contents)
                async for batch in view.contents():
                    await pool.run(partial(_hold_sweep, source.content))
                    large_contents.write(
                        b"".join(
                            f"{content.digest} {content.size} {content.object_name or ''}\n".encode()
                            for content in batch
                        )
                    )
            # The transaction has ended here: copying content may take hours, and so old a view would burden the database.
            await _copy_contents(source, large_contents, writer, copied, pool, tell)
        for name, path in _small_files(source):
            copied.files[name] = await pool.run(partial(_copy_small, writer, name, path))
        copied.new_bytes = writer.new_bytes
        await pool.run(partial(writer.write, form.MANIFEST, form.MANIFEST_JSON.dump_json(copied)))
    return copied


@asynccontextmanager
async def _new_backup(
    target: Path, passphrase: bytes, pool: Pool, in_pieces: bool
) -> AsyncIterator[BackupMemberWriter]:
    if not in_pieces:
        async with _new_file(target, passphrase, pool) as writer:
            yield writer
        return
    _must_not_exist(target)
    # The names of the pieces are on disk before the backup has its own name.
    with alone(target.parent):
        store = await pool.run(partial(BackupStore.open, target.parent, passphrase, make=True))
        async with _new_file(target, passphrase, pool) as writer:
            with new_file(names_file(target), 0o600, alone=True) as names:
                yield StoreWriter(store, writer, names)


@asynccontextmanager
async def _new_file(target: Path, passphrase: bytes, pool: Pool) -> AsyncIterator[form.BackupWriter]:
    """Open a writer whose file gets the name `target` only when it is complete and on disk."""
    _must_not_exist(target)
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with new_file(target, 0o600, alone=True) as file:
            writer = await pool.run(partial(form.BackupWriter, file, passphrase))
            try:
                yield writer
                await pool.run(writer.finish)
            finally:
                await pool.run(writer.close)
            await pool.run(partial(_flush_to_disk, file))
            _must_not_exist(target)
    except OSError as cause:
        raise errors.StoreFailure(
            f"the backup could not be written to {target}: {cause.strerror or cause}; free space or name another place"
        ) from cause


def _must_not_exist(target: Path) -> None:
    if target.exists():
        raise errors.Clash(f"{target} exists; a backup never overwrites anything, name another file")


def _flush_to_disk(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _description(source: BackupSource, view: dump.Snapshot, clock: Clock, format_number: int) -> bytes:
    return form.ABOUT_JSON.dump_json(
        form.BackupDescription(
            format=format_number,
            at=clock.now(),
            node=source.node,
            program=__version__,
            database=source.database_url.partition(":")[0].partition("+")[0],
            revision=view.revision,
            shapes=view.shapes,
        )
    )


async def _copy_table(
    source: BackupSource, view: dump.Snapshot, table: str, writer: BackupMemberWriter, pool: Pool
) -> dump.Sum:
    summing, pending_lines, size, part = dump.Summing(), list[bytes](), 0, 0

    async def write() -> None:
        await pool.run(partial(_hold_sweep, source.content))
        await pool.run(partial(_write_part, writer, f"{form.TABLES}{table}/{part:06}.gz", pending_lines))

    async for lines in view.lines(table):
        summing.add(lines)
        for line in lines:
            pending_lines.append(line)
            size += len(line)
            if size >= PART or (size >= LEAST_PART and zlib.crc32(line) % USUAL_PART < len(line)):
                await write()
                pending_lines, size, part = [], 0, part + 1
    if pending_lines:
        await write()
    return summing.sum()


def _write_part(writer: BackupMemberWriter, name: str, lines: list[bytes]) -> None:
    writer.write(name, gzip.compress(b"".join(lines), compresslevel=1, mtime=0))


async def _copy_contents(
    source: BackupSource,
    large_contents: IO[bytes],
    writer: BackupMemberWriter,
    copied: form.BackupManifest,
    pool: Pool,
    tell: Tell,
) -> None:
    large_contents.seek(0)
    while batch := [line for _, line in zip(range(_FILES_AT_ONCE), large_contents, strict=False)]:
        await pool.run(partial(_copy_blobs, source, batch, writer, copied))
        tell("content", copied.contents)
        if len(copied.lacks) > MOST_LACKING:
            raise errors.StoreFailure(
                f"more than {MOST_LACKING} files of the content are missing or damaged in {source.content}; "
                "it is another folder, or its disk is broken: nothing was kept of this backup"
            )
    if copied.lacks:
        await _mark_released(source, copied)


def _hold_sweep(content: Path) -> None:
    """Put off the sweeping of content; nothing to do when the folder does not exist yet."""
    if content.is_dir():
        hold_sweep(content)


def _copy_blobs(
    source: BackupSource, batch: list[bytes], writer: BackupMemberWriter, copied: form.BackupManifest
) -> None:
    _hold_sweep(source.content)
    for line in batch:
        digest = Digest(line[:_DIGITS].decode("ascii"))
        size, _, name = line[_DIGITS:].decode("ascii").strip().partition(" ")
        try:
            copied_digest = writer.copy(form.CONTENT + digest, _content_file(source, digest, name), int(size))
            copied.count(digest, int(size), None if copied_digest == digest else DAMAGED)
        except (FileNotFoundError, errors.MissingContent):
            copied.count(digest, int(size), MISSING)
        except errors.AlteredContent:
            copied.count(digest, int(size), DAMAGED)


def _content_file(source: BackupSource, digest: Digest, object_name: str) -> Readable:
    """Return large content to be opened, wherever it lies."""
    path = path_of(source.content, digest)
    if source.bucket is None:
        return path
    from gateway.store.bucket_content import FetchedContent, StoredFile

    scratch, is_file = source.content / SCRATCH, not object_name
    opener = FetchedContent(source.bucket, digest, object_name or None, path, scratch, is_file=is_file)
    return StoredFile(digest, opener)


async def _mark_released(source: BackupSource, copied: form.BackupManifest) -> None:
    """Mark missing content as released if by now no row refers to it, because then it was deleted in order, not damaged."""
    async with dump.snapshot(source.database_url) as now:
        needed = await now.needed(list(copied.lacks))
    copied.lacks.update((digest, RELEASED) for digest in copied.lacks.keys() - needed)


def _small_files(source: BackupSource) -> Iterator[tuple[str, Path]]:
    for head, folder in ((form.KEYS, source.keys), (form.TRUST, source.trust)):
        for path in sorted(folder.rglob("*")):
            # A name that begins with a dot is that of a half-written file.
            if path.is_file() and not path.name.startswith("."):
                yield head + path.relative_to(folder).as_posix(), path
    if source.settings is not None:
        yield form.SETTINGS, source.settings


def _copy_small(writer: BackupMemberWriter, name: str, path: Path) -> str:
    digest = writer.copy(name, path, path.stat().st_size)
    if not digest:
        raise errors.StoreFailure(f"{path} was changed while it was copied; make the backup again")
    return digest


def outdated(
    backups: Mapping[Path, datetime], now: datetime, days: int, weeks: int, months: int
) -> list[Path]:
    """Return the backups that are not kept: older than `days`, and not the last one of one of the last `weeks` weeks or
    `months` months. Where all three are 0, every backup is kept, and the newest always."""
    if not days and not weeks and not months:
        return []
    first_week = (now - timedelta(weeks=weeks)).isocalendar()[:2]
    first_month = now.year * 12 + now.month - months
    oldest_first = sorted(backups.items(), key=lambda item: item[1])
    last_of: dict[tuple[str, object], Path] = {}
    for file, at in oldest_first:
        last_of["all", None] = file
        if at >= now - timedelta(days=days):
            last_of["each", file] = file
        if (week := at.isocalendar()[:2]) > first_week:
            last_of["week", week] = file
        if (month := at.year * 12 + at.month) > first_month:
            last_of["month", month] = file
    staying = set(last_of.values())
    return [file for file, _ in oldest_first if file not in staying]


def note(
    data_dir: Path,
    target: Path,
    at: datetime,
    verified_at: datetime | None = None,
    new_bytes: int | None = None,
) -> None:
    """Write the note of the last backup, which the node's checks read. Without `verified_at` the time of the last
    verification is kept, and without `new_bytes` what the last backup added to its folder."""
    last = read_last(data_dir)
    _write_note(
        data_dir,
        last
        | {
            "at": at.isoformat(),
            "first_at": last.get("first_at") or at.isoformat(),
            "path": str(target),
            "verified_at": last.get("verified_at") if verified_at is None else verified_at.isoformat(),
            "new_bytes": last.get("new_bytes") if new_bytes is None else new_bytes,
        },
    )


def note_success(data_dir: Path, name: str, at: datetime) -> None:
    """Note that a sample of the last backup was as it should be (`sampled_at`), or that it was copied (`copied_at`)."""
    if data_dir.is_dir():
        _write_note(data_dir, read_last(data_dir) | {name: at.isoformat()})


@contextmanager
def noting_failure(data_dir: Path, clock: Clock, task: str) -> Iterator[None]:
    """Note a failure of the body, so that the node's checks tell it: `task` is `backup`, `drill`, `sample` or `copy`."""
    try:
        yield
    except Exception as error:
        why = error.detail if isinstance(error, errors.GatewayError) else str(error) or type(error).__name__
        note_failure(data_dir, clock.now(), task, why)
        raise


def note_failure(data_dir: Path, at: datetime, task: str, why: str) -> None:
    """Note that a backup or a drill failed then; it counts until one succeeds later."""
    if data_dir.is_dir():
        _write_note(
            data_dir, read_last(data_dir) | {f"{task}_failed_at": at.isoformat(), f"{task}_failed": why}
        )


def _write_note(data_dir: Path, content: Mapping[str, str | int | None]) -> None:
    write_file(data_dir / "backup.json", json.dumps(content).encode())


def read_last(data_dir: Path) -> dict[str, str | int | None]:
    """Read the note of the last backup; empty when there is none."""
    try:
        note_json = json.loads((data_dir / "backup.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return note_json if isinstance(note_json, dict) else {}


def check_room(folder: Path, size: int) -> None:
    """Check that the folder's disk has `size` bytes free, before hours of work; StoreFailure when it has not."""
    free = shutil.disk_usage(folder).free
    if free < size:
        raise errors.StoreFailure(
            f"{folder} has {free} bytes free and {size} are needed; name another folder", code="GW-B-004"
        )
