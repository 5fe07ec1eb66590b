"""Restore a backup into an empty node, or on trial into a scratch place. In: a backup and its passphrase. Out: rows and
files that were read back and equal the manifest; any difference is an error that names it, and nothing is restored."""

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
from gateway.atomic_files import new_file
from gateway.ops import backup_file as form
from gateway.ops.backup import MOST_LACKING, check_room
from gateway.ops.backup_file import Damaged
from gateway.ops.backup_store import BackupStore, StoreReader, size_of
from gateway.ports.services import Clock, Pool
from gateway.store import dump, migrate, restored
from gateway.store.blobs import SCRATCH, path_of
from gateway.store.data_folder import SNAPSHOT_SUFFIX
from gateway.store.dump import DatabaseLoad, clear_database, loading
from gateway.store.folder_marks import CONTENT, KEYS, MARK, FolderMarks
from gateway.store.store import SqlStore

# Folder, within each target folder, for files until everything is verified; then each is renamed to its place.
GROWING = ".restoring"
SETTINGS_FILE = "restored-settings.toml"
Tell = Callable[[str, int], None]
BackupMemberReader = form.BackupReader | StoreReader


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreTarget:
    """Database and folders into which a backup is restored."""

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
    """Result of a restore. `kept_trust`: the trust folder had files already, and was left unchanged."""

    description: form.BackupDescription
    manifest: form.BackupManifest
    kept_trust: bool

    @property
    def files(self) -> int:
        return self.manifest.contents + len(self.manifest.files)

    @property
    def by_age(self) -> bool:
        """Return whether the manifest sums rows in the order of their age."""
        return self.description.format == form.IN_PIECES


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesRestored:
    """Numbers of files that were brought back, and that were there."""

    brought: int
    present: int


async def restore(
    file: Path, passphrase: bytes, target: RestoreTarget, clock: Clock, pool: Pool, tell: Tell
) -> Restored:
    """Restore a backup into an empty node, with its keys, and migrate the database. The node then waits to be confirmed
    (`store.restored`). Clash when the node is in use."""
    outcome = await _restore(
        file,
        passphrase,
        target,
        pool,
        tell,
        lambda description: restored.mark(clock, description.at, description.node),
    )
    await migrate.up(target.database_url)
    store = SqlStore(target.database_url, clock)
    try:
        await FolderMarks(store, clock, pool, {CONTENT: target.content, KEYS: target.keys}).settle(
            restored=True
        )
    finally:
        await store.close()
    return outcome


async def restore_files(
    file: Path, passphrase: bytes, target: RestoreTarget, clock: Clock, pool: Pool, tell: Tell
) -> FilesRestored:
    """Bring back from a backup the files that are missing beside a database that its own tools restored: content, and keys
    and trust where there are none. Nothing is replaced. The folders get the marks that the database expects."""
    with (
        file.open("rb") as raw,
        closing(await pool.run(partial(form.BackupReader, raw, passphrase))) as reader,
    ):
        _, members = await pool.run(partial(read_description, file, passphrase, reader))
        outcome = await pool.run(partial(_bring_back, members, target, tell))
    store = SqlStore(target.database_url, clock)
    try:
        places = {CONTENT: target.content, KEYS: target.keys}
        await FolderMarks(store, clock, pool, places).write_missing()
    finally:
        await store.close()
    return outcome


def _bring_back(reader: BackupMemberReader, target: RestoreTarget, tell: Tell) -> FilesRestored:
    filled = {head for head, folder in target.folders.items() if head != form.CONTENT and _has_files(folder)}
    brought_count = present = 0
    while (member := reader.next()) is not None:
        head, _, rel = member.name.partition("/")
        folder = target.folders.get(f"{head}/")
        if folder is None:  # rows and settings
            reader.skip(member)
            continue
        place = path_of(folder, rel) if f"{head}/" == form.CONTENT else _inside(folder, rel)
        if f"{head}/" in filled or place.exists():
            present += 1
            reader.skip(member)
            continue
        _make_private(place.parent)
        with new_file(place, 0o600, durable=False) as target_file:
            hasher = hashlib.sha256()
            for piece in reader.pieces(member):
                hasher.update(piece)
                target_file.write(piece)
            if f"{head}/" == form.CONTENT and hasher.hexdigest() != place.name:
                raise Damaged(f"{member.name} in the backup is not what its name says")
        brought_count += 1
        if brought_count % 1000 == 0:
            tell("content", brought_count)
    os.sync()  # one sync for all files
    return FilesRestored(brought=brought_count, present=present)


def _has_files(folder: Path) -> bool:
    return folder.is_dir() and any(path.name != MARK for path in folder.rglob("*") if path.is_file())


async def drill(
    file: Path, passphrase: bytes, folder: Path, scratch_url: str | None, clock: Clock, pool: Pool, tell: Tell
) -> Restored:
    """Restore a backup on trial into a scratch place below `folder`, check it, open its database, and delete it."""
    check_room(
        folder,
        await pool.run(partial(size_of, file)) if file.suffix == SNAPSHOT_SUFFIX else file.stat().st_size,
    )
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
        outcome = await _restore(file, passphrase, target, pool, tell, None)
        try:
            await _compare_committed(target, outcome, pool)
            await _open_once(url, clock)
        finally:
            if scratch_url is not None:
                await clear_database(scratch_url)
    return outcome


async def _restore(
    file: Path,
    passphrase: bytes,
    target: RestoreTarget,
    pool: Pool,
    tell: Tell,
    mark: Callable[[form.BackupDescription], restored.RestoreMark] | None,
) -> Restored:
    """Read the backup into the database and temporary folders, compare all with the manifest, and commit it."""
    kept_trust = _check_empty(target)
    try:
        with (
            file.open("rb") as raw,
            closing(await pool.run(partial(form.BackupReader, raw, passphrase))) as reader,
        ):
            description, members = await pool.run(partial(read_description, file, passphrase, reader))
            async with loading(target.database_url, description.revision) as load:
                manifest = await _Restoration(members, description, load, target, pool, tell).run()
                await _compare(await load.snapshot(by_age=description.format == form.IN_PIECES), manifest)
                if mark is not None:
                    await restored.write_mark(load, mark(description))
                await pool.run(partial(_move_into_place, target, kept_trust))
                await load.commit()
    except OSError as cause:
        raise errors.StoreFailure(
            f"the backup was not restored: {cause}; nothing of it is in force"
        ) from cause
    finally:
        for folder in target.folders.values():
            await pool.run(partial(shutil.rmtree, folder / GROWING, ignore_errors=True))
    return Restored(description=description, manifest=manifest, kept_trust=kept_trust)


def _check_empty(target: RestoreTarget) -> bool:
    """Check that the folders of content and keys are empty; Clash when not. Return whether the trust folder has files,
    which is allowed, because several nodes may have the same."""
    for folder in (target.content, target.keys):
        names = [p.name for p in folder.iterdir()] if folder.is_dir() else []
        occupied = sorted(set(names) - {GROWING, SCRATCH, MARK})
        if occupied:
            raise errors.Clash(
                f"{folder} holds {occupied[0]}; a backup is restored into an empty node, so move what is there away first"
            )
    return target.trust.is_dir() and any(p.name != GROWING for p in target.trust.rglob("*") if p.is_file())


def read_description(
    file: Path, passphrase: bytes, reader: form.BackupReader
) -> tuple[form.BackupDescription, BackupMemberReader]:
    """Read the description with which a backup begins, and return it with the reader of the other members."""
    member = reader.next()
    if member is None or member.name != form.DESCRIPTION:
        raise Damaged("the backup does not begin with what it is about")
    description = form.read_about(reader.read(member))
    if description.format != form.IN_PIECES:
        return description, reader
    return description, StoreReader(BackupStore.open(file.parent, passphrase), reader)


class _Restoration:
    """Reading of the backup's members one after another into database and folders, up to the manifest."""

    def __init__(
        self,
        reader: BackupMemberReader,
        description: form.BackupDescription,
        load: DatabaseLoad,
        target: RestoreTarget,
        pool: Pool,
        tell: Tell,
    ) -> None:
        self._reader, self._load, self._target = reader, load, target
        self._pool, self._tell = pool, tell
        self._shapes = {shape.name: shape for shape in description.shapes}
        # Counts of restored rows and files, to be compared with the manifest.
        self._restored = form.BackupManifest(tables={}, contents=0, content_bytes=0)
        self._damaged: set[str] = set()

    async def run(self) -> form.BackupManifest:
        while (member := await self._pool.run(self._reader.next)) is not None:
            if member.name == form.MANIFEST:
                return await self._check_manifest(member)
            if member.name.startswith(form.TABLES):
                await self._load_rows(member)
            else:
                await self._pool.run(partial(self._write_file, member))
        raise Damaged("the backup has no manifest at its end")

    async def _load_rows(self, member: tarfile.TarInfo) -> None:
        shape = self._shapes.get(member.name.split("/")[1])
        if shape is None:
            raise Damaged(f"the backup holds {member.name}, which it does not announce")
        lines = await self._pool.run(lambda: gzip.decompress(self._reader.read(member)).splitlines())
        for start in range(0, len(lines), dump.AT_ONCE):
            await self._load.insert(shape, lines[start : start + dump.AT_ONCE])
        self._tell(shape.name, len(lines))

    def _write_file(self, member: tarfile.TarInfo) -> None:
        path = self._path(member.name)
        _make_private(path.parent)
        hasher = hashlib.sha256()
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            for piece in self._reader.pieces(member):
                hasher.update(piece)
                file.write(piece)
        if member.name.startswith(form.CONTENT):
            self._note_content(member, path, hasher.hexdigest())
        else:
            self._restored.files[member.name] = hasher.hexdigest()

    def _note_content(self, member: tarfile.TarInfo, path: Path, digest: str) -> None:
        if path.name == digest:
            self._restored.count(digest, member.size, None)
            if self._restored.contents % 1000 == 0:
                self._tell("content", self._restored.contents)
            return
        path.unlink()
        self._damaged.add(path.name)
        if len(self._damaged) > MOST_LACKING:
            raise Damaged(f"{member.name} and many others in the backup are not what their names say")

    def _path(self, name: str) -> Path:
        """Return the path at which a member is written. Damaged for a name that would lead out of its folder."""
        if name == form.SETTINGS:
            return self._target.data_dir / SETTINGS_FILE
        head, _, rel = name.partition("/")
        folder = self._target.folders.get(f"{head}/")
        if folder is None:
            raise Damaged(f"the backup holds {name!r}, which has no place in a node")
        return path_of(folder / GROWING, rel) if head == "content" else _inside(folder / GROWING, rel)

    async def _check_manifest(self, member: tarfile.TarInfo) -> form.BackupManifest:
        manifest = form.MANIFEST_JSON.validate_json(await self._pool.run(partial(self._reader.read, member)))
        if await self._pool.run(self._reader.next) is not None:
            raise Damaged("the backup goes on behind its manifest")
        await self._load.finish()
        counts = self._restored
        async for batch in (await self._load.snapshot()).small():
            counts.contents += sum(c.is_whole for c in batch)
            counts.content_bytes += sum(c.size for c in batch if c.is_whole)
            self._damaged |= {c.digest for c in batch if not c.is_whole}
        check("content", (manifest.contents, manifest.content_bytes), (counts.contents, counts.content_bytes))
        check("damaged content", {*manifest.lacks} & self._damaged, self._damaged)
        check("keys, trust and settings", manifest.files, counts.files)
        return manifest


def check(part: str, expected: object, actual: object) -> None:
    """Check that a part of the backup is as the manifest says; Damaged, with both values, when it is not."""
    if expected != actual:
        raise Damaged(f"the backup does not hold what its manifest says: {part}: {expected} and not {actual}")


def _inside(folder: Path, rel: str) -> Path:
    """Return the path of a member in its folder. Damaged for a name that would lead out of it."""
    parts = PurePosixPath(rel).parts
    if not parts or ".." in parts or parts[0] == "/":
        raise Damaged(f"the backup holds {rel!r}, which has no place in a node")
    return folder.joinpath(*parts)


async def _compare(view: dump.Snapshot, manifest: form.BackupManifest) -> None:
    """Compare every table, read back from the database, with the manifest. A table that the backup does not have must be
    empty. Damaged for a difference."""
    names = {s.name for s in view.shapes}
    for name in sorted(names - manifest.tables.keys()):
        check(f"rows of table {name}", 0, (await view.sum(name)).rows)
    check("tables that are not there", set(), manifest.tables.keys() - names)
    for name, expected in manifest.tables.items():
        check(f"table {name}", expected, await view.sum(name))
    if "blob" in manifest.tables:
        check("content rows", manifest.tables["blob"].rows, manifest.contents + len(manifest.lacks))


def _move_into_place(target: RestoreTarget, kept_trust: bool) -> None:
    for head, folder in target.folders.items():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if (head == form.TRUST and kept_trust) or not (folder / GROWING).is_dir():
            continue
        for child in (folder / GROWING).iterdir():
            # A rename replaces at most an empty folder that exists already.
            child.rename(folder / child.name)
    os.sync()  # one sync for all files: a single file is not needed before the rows are committed


async def _compare_committed(target: RestoreTarget, outcome: Restored, pool: Pool) -> None:
    """Compare the committed rows, and the content in its final place, with the manifest once more."""
    async with dump.snapshot(target.database_url, by_age=outcome.by_age) as view:
        await _compare(view, outcome.manifest)
        async for batch in view.contents():
            await pool.run(partial(_check_files, target.content, batch, outcome.manifest))


def _check_files(folder: Path, batch: list[dump.ReferredBlob], manifest: form.BackupManifest) -> None:
    for blob in batch:
        if blob.digest in manifest.lacks:
            continue
        with path_of(folder, blob.digest).open("rb") as file:
            check(f"content {blob.digest}", blob.digest, hashlib.file_digest(file, "sha256").hexdigest())


async def _open_once(url: str, clock: Clock) -> None:
    """Migrate the restored database to this version, and open it once as a node does."""
    await migrate.up(url)
    store = SqlStore(url, clock)
    try:
        await store.open()
        await store.counts()
    finally:
        await store.close()


def _make_private(folder: Path) -> None:
    """Create the folder and its missing parents for the node's user alone; `mkdir(parents=True)` would use the umask."""
    missing = [p for p in (folder, *folder.parents) if not p.exists()]
    for parent in reversed(missing):
        parent.mkdir(mode=0o700, exist_ok=True)
