"""Puts a backup into an empty node, or into a scratch place to prove that it can be. In: a backup and its passphrase.
Out: rows and files that were read back and found equal to the manifest; anything else is named, and nothing
remains."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from gateway import errors
from gateway.ops import backup_file as form
from gateway.ops.backup import MOST_LACKING, room_for
from gateway.ops.backup_file import Damaged
from gateway.ports.services import Clock, Pool
from gateway.store import dump, migrate, restored
from gateway.store.blobs import SCRATCH, path_of
from gateway.store.dump import DatabaseLoad, clear_database, loading
from gateway.store.store import SqlStore

# Files stand here until everything is proved; then each takes its place by one rename.
GROWING = ".restoring"
SETTINGS_FILE = "restored-settings.toml"
Tell = Callable[[str, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreTarget:
    """Where a node will keep what is restored."""

    database_url: str
    data_dir: Path
    content: Path
    keys: Path
    trust: Path

    @property
    def folders(self) -> Mapping[str, Path]:
        return {form.CONTENT: self.content, form.KEYS: self.keys, form.TRUST: self.trust}


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What was restored. `kept_trust`: the trust folder had files of its own and was left alone."""

    about: form.About
    manifest: form.BackupManifest
    kept_trust: bool

    @property
    def files(self) -> int:
        return self.manifest.contents + len(self.manifest.files)


async def restore(
    file: Path, passphrase: bytes, target: RestoreTarget, clock: Clock, pool: Pool, tell: Tell
) -> Restored:
    """Into an empty node, keys too. The node then waits to be confirmed (`store.restored`). Clash when it is used."""
    done = await _restore(
        file, passphrase, target, pool, tell, lambda about: restored.mark(clock, about.at, about.node)
    )
    await migrate.up(target.database_url)
    return done


async def drill(
    file: Path, passphrase: bytes, folder: Path, scratch_url: str | None, clock: Clock, pool: Pool, tell: Tell
) -> Restored:
    """The same into a scratch place below `folder`, opened as a node would open it, checked, and taken away again."""
    room_for(folder, file.stat().st_size)
    with tempfile.TemporaryDirectory(prefix="drill-", dir=folder) as name:
        place = Path(name)
        url = scratch_url or f"sqlite:///{place / 'gateway.db'}"
        target = RestoreTarget(
            database_url=url,
            data_dir=place,
            content=place / "content",
            keys=place / "keys",
            trust=place / "trust",
        )
        done = await _restore(file, passphrase, target, pool, tell, None)
        try:
            await _compare_committed(target, done.manifest, pool)
            await _open(url, clock)
        finally:
            if scratch_url is not None:
                await clear_database(scratch_url)
    return done


async def _restore(
    file: Path,
    passphrase: bytes,
    target: RestoreTarget,
    pool: Pool,
    tell: Tell,
    mark: Callable[[form.About], restored.RestoreMark] | None,
) -> Restored:
    kept_trust = _check_empty(target)
    try:
        with (
            file.open("rb") as raw,
            closing(await pool.run(partial(form.BackupReader, raw, passphrase))) as reader,
        ):
            about = form.read_about(await pool.run(partial(_first, reader)))
            async with loading(target.database_url, about.revision) as load:
                manifest = await _Filling(reader, about, load, target, pool, tell).run()
                await _compare(await load.seen(), manifest)
                if mark is not None:
                    await restored.put(load, mark(about))
                await pool.run(partial(_place, target, kept_trust))
                await load.commit()
    except OSError as cause:
        raise errors.StoreFailure(
            f"the backup was not restored: {cause}; nothing of it is in force"
        ) from cause
    finally:
        for folder in target.folders.values():
            await pool.run(partial(shutil.rmtree, folder / GROWING, ignore_errors=True))
    return Restored(about=about, manifest=manifest, kept_trust=kept_trust)


def _check_empty(target: RestoreTarget) -> bool:
    """Clash for a node that keeps anything; whether the trust folder has files, which is no node's own."""
    for folder in (target.content, target.keys):
        there = [each.name for each in folder.iterdir()] if folder.is_dir() else []
        used = sorted(set(there) - {GROWING, SCRATCH})
        if used:
            raise errors.Clash(
                f"{folder} holds {used[0]}; a backup is restored into an empty node, so move what is there away first"
            )
    return target.trust.is_dir() and any(
        each.name != GROWING for each in target.trust.rglob("*") if each.is_file()
    )


def _first(reader: form.BackupReader) -> bytes:
    member = reader.next()
    if member is None or member.name != form.ABOUT:
        raise Damaged("the backup does not begin with what it is about")
    return reader.whole(member)


class _Filling:
    """Takes member after member to its place, up to the manifest."""

    def __init__(
        self,
        reader: form.BackupReader,
        about: form.About,
        load: DatabaseLoad,
        target: RestoreTarget,
        pool: Pool,
        tell: Tell,
    ) -> None:
        self._reader, self._load, self._target = reader, load, target
        self._pool, self._tell = pool, tell
        self._shapes = {each.name: each for each in about.shapes}
        # What came out of the file, to be held against its manifest.
        self._found = form.BackupManifest(tables={}, contents=0, content_bytes=0)
        self._odd: set[str] = set()

    async def run(self) -> form.BackupManifest:
        while (member := await self._pool.run(self._reader.next)) is not None:
            if member.name == form.MANIFEST:
                return await self._end(member)
            if member.name.startswith(form.TABLES):
                await self._rows(member)
            else:
                await self._pool.run(partial(self._file, member))
        raise Damaged("the backup has no manifest at its end")

    async def _rows(self, member: tarfile.TarInfo) -> None:
        shape = self._shapes.get(member.name.split("/")[1])
        if shape is None:
            raise Damaged(f"the backup holds {member.name}, which it does not announce")
        lines = await self._pool.run(lambda: gzip.decompress(self._reader.whole(member)).splitlines())
        for start in range(0, len(lines), dump.AT_ONCE):
            await self._load.put(shape, lines[start : start + dump.AT_ONCE])
        self._tell(shape.name, len(lines))

    def _file(self, member: tarfile.TarInfo) -> None:
        path = self._path(member.name)
        _private(path.parent)
        hashed = hashlib.sha256()
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            for piece in self._reader.pieces(member):
                hashed.update(piece)
                file.write(piece)
        if member.name.startswith(form.CONTENT):
            self._content(member, path, hashed.hexdigest())
        else:
            self._found.files[member.name] = hashed.hexdigest()

    def _content(self, member: tarfile.TarInfo, path: Path, digest: str) -> None:
        if path.name == digest:
            self._found.see(digest, member.size, None)
            if self._found.contents % 1000 == 0:
                self._tell("content", self._found.contents)
            return
        path.unlink()
        self._odd.add(path.name)
        if len(self._odd) > MOST_LACKING:
            raise Damaged(f"{member.name} and many others in the backup are not what their names say")

    def _path(self, name: str) -> Path:
        """Where a member grows. Damaged for a name that would lead out of its folder."""
        if name == form.SETTINGS:
            return self._target.data_dir / SETTINGS_FILE
        head, _, rest = name.partition("/")
        folder = self._target.folders.get(f"{head}/")
        parts = PurePosixPath(rest).parts
        if folder is None or not parts or ".." in parts or parts[0] == "/":
            raise Damaged(f"the backup holds {name!r}, which has no place in a node")
        return path_of(folder / GROWING, rest) if head == "content" else (folder / GROWING).joinpath(*parts)

    async def _end(self, member: tarfile.TarInfo) -> form.BackupManifest:
        manifest = form.MANIFEST_JSON.validate_json(await self._pool.run(partial(self._reader.whole, member)))
        if await self._pool.run(self._reader.next) is not None:
            raise Damaged("the backup goes on behind its manifest")
        await self._load.finish()
        found = self._found
        async for batch in (await self._load.seen()).small():
            found.contents += sum(each.is_whole for each in batch)
            found.content_bytes += sum(each.size for each in batch if each.is_whole)
            self._odd |= {each.digest for each in batch if not each.is_whole}
        equal("content", (manifest.contents, manifest.content_bytes), (found.contents, found.content_bytes))
        equal("damaged content", {*manifest.lacks} & self._odd, self._odd)
        equal("keys, trust and settings", manifest.files, found.files)
        return manifest


def equal(what: str, expected: object, found: object) -> None:
    """Damaged, with both sides, unless they are."""
    if expected != found:
        raise Damaged(f"the backup does not hold what its manifest says: {what}: {expected} and not {found}")


async def _compare(view: dump.Snapshot, manifest: form.BackupManifest) -> None:
    """Every table, read back from the database that was filled."""
    equal("tables", sorted(manifest.tables), sorted(each.name for each in view.shapes))
    for name, expected in manifest.tables.items():
        equal(f"table {name}", expected, await view.sum(name))
    if "blob" in manifest.tables:
        equal("content rows", manifest.tables["blob"].rows, manifest.contents + len(manifest.lacks))


def _place(target: RestoreTarget, kept_trust: bool) -> None:
    for head, folder in target.folders.items():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if (head == form.TRUST and kept_trust) or not (folder / GROWING).is_dir():
            continue
        for each in (folder / GROWING).iterdir():
            # An empty folder may be there already; a rename replaces nothing else.
            each.rename(folder / each.name)
    os.sync()  # one for all of them: nobody needs a single file before the rows are committed


async def _compare_committed(target: RestoreTarget, manifest: form.BackupManifest, pool: Pool) -> None:
    """Rows and content once more, as whoever opens the node finds them."""
    async with dump.snapshot(target.database_url) as view:
        await _compare(view, manifest)
        async for batch in view.contents():
            await pool.run(partial(_check_files, target.content, batch, manifest))


def _check_files(folder: Path, batch: list[dump.ReferredBlob], manifest: form.BackupManifest) -> None:
    for each in batch:
        if each.digest in manifest.lacks:
            continue
        with path_of(folder, each.digest).open("rb") as file:
            equal(f"content {each.digest}", each.digest, hashlib.file_digest(file, "sha256").hexdigest())


async def _open(url: str, clock: Clock) -> None:
    """As the program of today would open it, after the steps that are still to come."""
    await migrate.up(url)
    store = SqlStore(url, clock)
    try:
        await store.open()
        await store.counts()
    finally:
        await store.close()


def _private(folder: Path) -> None:
    """Makes it and what is missing above it, for the node's user alone: `parents` would leave those to the umask."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)
