"""`gateway backup`: a sealed copy of the node while it works. In: settings, a place and a passphrase file. Out: one file,
what it holds, and by name whatever content was found missing or damaged (exit 1 then; the file is kept)."""

from __future__ import annotations

import glob
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import output
from gateway.cli.command import Call, verb
from gateway.cli.failures import FAILED
from gateway.cli.node import must_exist, run

if TYPE_CHECKING:
    from gateway.ops.backup import Source
    from gateway.ops.backup_file import Manifest
    from gateway.settings import Settings

SUFFIX = ".backup"
PassphraseFile = Annotated[
    Path,
    typer.Option(
        help="File whose first line, 12 characters or more, seals the backup; keep it elsewhere.",
        exists=True,
        dir_okay=False,
    ),
]


def register(app: typer.Typer) -> None:
    verb(
        app,
        "backup",
        examples=(
            "gateway backup --passphrase-file /run/secrets/gateway-backup",
            "gateway backup --to node.backup --passphrase-file passphrase.txt --yes -o json",
        ),
        writes=True,
    )(backup)


def backup(
    call: Call,
    passphrase_file: PassphraseFile,
    to: Annotated[
        Path | None, typer.Option(help="File or folder; default: the folder backups in node.data_dir.")
    ] = None,
    keep_days: Annotated[
        int,
        typer.Option(
            min=0, max=3650, help="Afterwards delete this node's backups beside it that are older; 0: none."
        ),
    ] = 0,
) -> None:
    """Copy everything the node keeps into one sealed file, while it works. Nothing is ever overwritten."""
    run(_backup(call, passphrase_file, to, keep_days))


async def _backup(call: Call, passphrase_file: Path, to: Path | None, keep_days: int) -> None:
    from gateway.clock import SystemClock
    from gateway.ops import backup as making
    from gateway.ops.backup_file import passphrase_of
    from gateway.pool import ThreadPool

    settings = call.settings()
    must_exist(settings)
    passphrase, clock = passphrase_of(passphrase_file), SystemClock()
    began = clock.now()
    target = _target(settings, to, f"{settings.node.name}-{began:%Y%m%dT%H%M%SZ}{SUFFIX}")
    if call.dry_run:
        call.say("cli.would", what=f"backup → {target}")
        return
    pool = ThreadPool(1)
    try:
        manifest = await making.make(
            _source(call, settings),
            target,
            passphrase,
            clock,
            pool,
            lambda what, count: call.say("cli.backup.copied", what=what, count=count),
        )
    finally:
        pool.close()
    making.note(settings.node.data_dir, target, began)
    if keep_days:
        _let_go(target, settings.node.name, began - timedelta(days=keep_days))
    _tell(call, target, manifest)


def _let_go(target: Path, node: str, before: datetime) -> None:
    """By the time in their names, never the one just made."""
    for each in target.parent.glob(f"{glob.escape(node)}-*{SUFFIX}"):
        made = _made_at(each.name.removesuffix(SUFFIX)[len(node) + 1 :])
        if each != target and made is not None and made < before:
            each.unlink()


def _made_at(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def _target(settings: Settings, to: Path | None, name: str) -> Path:
    chosen = to or settings.node.data_dir / "backups"
    # A path of this process's folder would mean nothing to whoever reads it later.
    return (chosen / name if chosen.is_dir() or to is None else chosen).absolute()


def _source(call: Call, settings: Settings) -> Source:
    from gateway import settings as reading
    from gateway.ops.backup import Source

    return Source(
        node=settings.node.name,
        database_url=settings.database.address,
        content=settings.node.data_dir / "content",
        keys=settings.keys.folder,
        trust=settings.trust.folder,
        settings=reading.locate(call.config, os.environ),
    )


def _tell(call: Call, target: Path, manifest: Manifest) -> None:
    from gateway.ops.backup import RELEASED

    output.record(
        call,
        {
            "path": str(target),
            "size": target.stat().st_size,
            "rows": manifest.rows,
            "files": manifest.contents + len(manifest.files),
            "content_bytes": manifest.content_bytes,
            "lacks": [{"sha256": digest, "why": why} for digest, why in sorted(manifest.lacks.items())],
        },
        id_key="path",
    )
    lost = [digest for digest, why in manifest.lacks.items() if why != RELEASED]
    if lost:
        call.say("cli.backup.lacks", count=len(lost))
        raise typer.Exit(FAILED)
