"""Opens the core of a node: database, registry and keys, which are there before trust and an axis are, because a new node
must have keys and accounts before it can open whole. In: settings. Out: an open `NodeCore`, with keys that are still
locked, the registry over its events, and the services for decisions about trust. Nothing runs on import."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from gateway import log
from gateway.bootstrap.stored import OpenRegistry, open_store
from gateway.deciding import DecisionServices
from gateway.errors import Misconfigured, SignerDown
from gateway.ports.services import Clock, Pool
from gateway.registry.directory import SqlDirectory
from gateway.registry_authoring.decisions import SqlDecisions
from gateway.registry_authoring.feed import SqlFeed
from gateway.registry_authoring.feed_judge import FeedRoom
from gateway.settings import Settings
from gateway.settings.reading import sqlite_file
from gateway.store import data_folder
from gateway.store.blobs import SCRATCH
from gateway.store.data_folder import Room
from gateway.store.folder_marks import FolderMarks, backup_place, is_marked
from gateway.store.store import SqlStore
from gateway.trust.evidence import NodeTrust
from gateway.trust.folder import AnchorFile
from gateway.trust.keys import KeyDirectory
from gateway.trust.person_secrets import PersonSecrets
from gateway.workers.key_watch import KeyWatch

if TYPE_CHECKING:
    from gateway.registry_authoring.axis_lists import SqlAxisLists
    from gateway.store.bucket import Bucket
    from gateway.store.bucket_content import BucketContent
    from gateway.trust.note_keys import LogSigner
    from gateway.trust.pkcs11_keys import Pkcs11Token, TokenKeys

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class NodeCore(OpenRegistry):
    """The parts of a node that are there before trust and an axis are."""

    deciding: DecisionServices
    feed: SqlFeed
    keys: KeyDirectory

    @property
    def axis_lists(self) -> SqlAxisLists:
        """Lists of agencies that foreign axes gave. Where the node asks for none, those of earlier days."""
        from gateway.registry_authoring.axis_lists import SqlAxisLists

        rules = self.settings.registry
        return SqlAxisLists(
            self.store.writer,
            self.store.reader,
            self.clock,
            self.directory_changes,
            every=timedelta(hours=rules.axis_list_h or 24),
            most_new=rules.axis_list_most_new,
        )


@asynccontextmanager
async def open_core(
    settings: Settings, clock: Clock | None = None, store: SqlStore | None = None
) -> AsyncIterator[NodeCore]:
    """Open the core on a migrated database. `store`: an extension's, which has more; it is closed here too."""
    async with open_store(settings, clock, store) as rows:
        store, time, pool = rows.store, rows.clock, rows.pool
        yield NodeCore(
            settings=settings,
            clock=time,
            pool=pool,
            store=store,
            directory=SqlDirectory(store.reader, store.memory, time),
            deciding=decision_services(settings, store, time, pool),
            feed=SqlFeed(
                FeedRoom(
                    writer=store.writer,
                    reader=store.reader,
                    clock=time,
                    pool=pool,
                    issuers=settings.trust.folder / "feed",
                    scratch=settings.node.data_dir,
                )
            ),
            keys=exchange_keys(settings),
        )


def places(settings: Settings) -> dict[str, Path]:
    """Return every folder that the node writes to, by the name of its place; a few of them may be mounted by themselves."""
    data, backup = settings.node.data_dir, data_folder.last_backup(settings.node.data_dir)
    file = sqlite_file(settings)
    paths = {"content": data / "content", "data": data, "backups": data / "backups"}
    if backup is not None and Path(backup.path).parent.is_dir():
        paths["backups"] = Path(backup.path).parent
    if file is not None:
        paths["database"] = file.parent
    for name, alone in settings.each_axis().items():
        folders = {"embedded": alone.axis.folder, "vxp": alone.vxp.folder, "lgsp": alone.lgsp.folder}
        folder = folders.get(alone.axis.kind)
        if folder is not None:
            paths[f"axis.{name}" if name else "axis"] = folder
    return paths | {data_folder.KEYS: settings.keys.folder}


def folder_marks(settings: Settings, store: SqlStore, clock: Clock, pool: Pool) -> FolderMarks:
    """Return the marks of the node's folders, and of the folder with the last backup."""
    paths = places(settings)
    folders = {name: path for name, path in paths.items() if is_marked(name)}
    return FolderMarks(store, clock, pool, folders, {backup_place(paths["backups"]): paths["backups"]})


async def open_marks(core: NodeCore) -> FolderMarks:
    """Compare the marks of the folders. Misconfigured for an axis folder that is a wrong one: opening it would make an
    empty axis there. While another folder is wrong, the node opens and waits for the right one."""
    marks = folder_marks(core.settings, core.store, core.clock, core.pool)
    await marks.settle()
    for strange in marks.stopping:
        if strange.place.startswith("axis"):
            raise Misconfigured(
                f"{strange.path} is not the axis folder that this node used: it has not its mark {strange.expected}",
                code="GW-C-004",
                hint=f"mount {strange.path}",
            )
    return marks


def data_room(settings: Settings, marks: FolderMarks) -> Room:
    folders = places(settings)
    return Room(
        folder=folders["content"],
        reserve=settings.limits.disk_free_mb * 1024 * 1024,
        other_folders=(folders["data"], *([folders["database"]] if "database" in folders else [])),
        is_right=marks.check,
    )


def open_bucket(settings: Settings, store: SqlStore, clock: Clock) -> BucketContent | None:
    """Return the bucket as the content store uses it; None where the settings name none. Nothing calls it yet."""
    if (bucket := find_bucket(settings)) is None:
        return None
    from gateway.store.bucket_content import BucketContent

    scratch, takes_new = settings.node.data_dir / "content" / SCRATCH, settings.content.store == "s3"
    return BucketContent(bucket, store, clock, scratch, takes_new=takes_new)


def find_bucket(settings: Settings) -> Bucket | None:
    """Return the bucket with large content; None where the settings name none."""
    content = settings.content
    if not content.bucket or content.secret_key is None:
        return None
    from gateway.store.bucket import Bucket, BucketPlace

    place = BucketPlace(
        endpoint=content.endpoint,
        region=content.region,
        bucket=content.bucket,
        prefix=content.prefix,
        access_key=content.access_key,
        secret_key=content.secret_key.reveal(),
        ca=str(content.ca) if content.ca is not None else None,
        has_path_names=content.addressing == "path",
        timeout_s=content.timeout_s,
    )
    return Bucket(place)


def exchange_keys(settings: Settings) -> KeyDirectory:
    """Return the keys of the agencies, in files and on the token where one is named."""
    return KeyDirectory(settings.keys.folder, settings.keys.passwords, key_token(settings))


def key_token(settings: Settings) -> TokenKeys | None:
    """Return the token that new keys are made on; None where keys are files alone."""
    module, pin = settings.keys.pkcs11_module, settings.keys.pin
    if module is None:
        return None
    from gateway.trust.pkcs11_keys import TokenKeys

    return TokenKeys(_token(module, settings.keys.token, pin.reveal() if pin is not None else None))


def note_token(settings: Settings) -> Pkcs11Token | None:
    """Return the token with the key of checkpoints; None where that is a file. Misconfigured where no token is named."""
    if settings.log.note_key != "token":
        return None
    module, pin = settings.keys.pkcs11_module, settings.keys.pin
    if module is None:
        raise Misconfigured(
            "log.note_key is token, and no token is named", hint="set keys.pkcs11_module and keys.token"
        )
    return _token(module, settings.keys.token, pin.reveal() if pin is not None else None)


def log_signer_opener(settings: Settings) -> Callable[[str], LogSigner]:
    """Return what opens the signer of this node's checkpoints, for the id of its log."""
    from gateway.trust.note_keys import open_log_signer

    keys = settings.keys
    return partial(open_log_signer, keys.folder, keys.passwords, token=note_token(settings))


async def check_note_token(settings: Settings, pool: Pool) -> None:
    """Raise Misconfigured where the key of checkpoints is to lie on a token that cannot sign them. A token that does not
    answer is no reason not to start: checkpoints wait for it."""
    if (token := note_token(settings)) is None:
        return
    from gateway.trust.pkcs11_note_key import check_token

    try:
        await pool.run(partial(check_token, token))
    except SignerDown as error:
        log.action(_log, "token.unchecked", error.detail)


@cache
def _token(module: Path, label: str, pin: str | None) -> Pkcs11Token:
    """Return the token, one in a process, so that a PIN that it refused is tried once."""
    from gateway.trust.pkcs11_keys import Pkcs11Token

    return Pkcs11Token(module, label, pin)


def decision_services(settings: Settings, store: SqlStore, clock: Clock, pool: Pool) -> DecisionServices:
    """Make the services for decisions of persons."""
    return DecisionServices(
        decisions=SqlDecisions(store, clock, pool),
        secrets=PersonSecrets(),
        anchors=AnchorFile(settings.trust.folder / "ca.pem"),
        clock=clock,
        pool=pool,
        overlap=timedelta(days=settings.keys.overlap_days),
    )


def key_watch(
    store: SqlStore,
    bound: SqlDirectory,
    keys: KeyDirectory,
    trust: NodeTrust,
    services: DecisionServices,
    renew_days: int = 0,
) -> KeyWatch:
    """Make the loop that warns before keys and certificates end."""
    return KeyWatch(
        store=store,
        directory=bound,
        keys=keys,
        trust=trust,
        deciding=services,
        clock=services.clock,
        pool=services.pool,
        renew_days=renew_days,
    )
