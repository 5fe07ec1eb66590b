"""`gateway backup`, `gateway restore`, `gateway restored`: copy a node, restore it, and check it before work begins again.
In: settings, a place and a passphrase file; for `restored` two names and the last arrival numbers. Out: one sealed file, or
with `--incremental` a folder that keeps each content once; a node filled from it; a list of what an older copy brings back.
`backup` copies a running node and names missing or damaged content (exit 1 then; the file is kept). `restore` restores a
backup, or proves in a scratch place that it can be restored, and tells how many rows and files were equal."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import output
from gateway.cli.command import Invocation, OutputFormat, argument, existing, option, verb
from gateway.cli.node import at_core, must_exist
from gateway.cli.output import FAILED
from gateway.cli.people import sign_in
from gateway.errors import Clash, Denied, NotFound
from gateway.store import data_folder
from gateway.store.data_folder import BACKUP_SUFFIX, SNAPSHOT_SUFFIX

if TYPE_CHECKING:
    from gateway.bootstrap.core import NodeCore
    from gateway.domain.event import Event
    from gateway.ops.backup import BackupSource
    from gateway.ops.backup_file import BackupManifest
    from gateway.ops.restore import Restored, RestoreTarget
    from gateway.settings import Settings
    from gateway.store.restored import Counter

_IN_NAMES = "%Y%m%dT%H%M%SZ"
PassphraseFile = Annotated[
    Path, existing("File whose first line, 12 characters or more, seals the backup; keep it elsewhere.")
]


@verb(
    "--passphrase-file /run/secrets/gateway-backup",
    "--to node.backup --passphrase-file passphrase.txt --yes -o json",
    "--incremental --to /srv/gateway/backups --keep-days 14 --keep-weeks 8 --passphrase-file passphrase.txt",
    writes=True,
)
async def backup(
    call: Invocation,
    passphrase_file: PassphraseFile,
    to: Annotated[
        Path | None, option("File or folder; default: the folder backups in node.data_dir.")
    ] = None,
    keep_days: Annotated[
        int,
        option(
            "Afterwards delete this node's backups in the same folder that are older; 0: none.",
            min=0,
            max=3650,
        ),
    ] = 0,
    keep_weeks: Annotated[
        int, option("Of older ones keep the last of each of so many weeks.", min=0, max=520)
    ] = 0,
    keep_months: Annotated[
        int, option("Of older ones keep the last of each of so many months.", min=0, max=240)
    ] = 0,
    copy_to: Annotated[
        str | None,
        option(
            "With --incremental: copy the folder there with rclone (SFTP, S3, …), such as backup:gateway."
        ),
    ] = None,
    incremental: Annotated[
        bool,
        option("Write only what no earlier backup in the same folder has; the folder is needed as a whole."),
    ] = False,
) -> None:
    """Copy everything the node keeps into one sealed file, while it runs. With --incremental it writes only what is new.
    No file is ever overwritten."""
    from gateway.clock import SystemClock
    from gateway.ops import backup
    from gateway.ops.backup_file import passphrase_of

    settings = call.settings()
    must_exist(settings)
    if copy_to and not incremental:
        raise typer.BadParameter("--copy-to goes with --incremental")
    passphrase, started = passphrase_of(passphrase_file), SystemClock().now()
    target = _new_file(settings, to, started, SNAPSHOT_SUFFIX if incremental else BACKUP_SUFFIX)
    if call.dry_run:
        call.say("cli.would", what=f"backup → {target}")
        return
    manifest, added = await _make(call, settings, target, passphrase, started)
    data_folder.merge_destroyed(settings.node.data_dir, target.parent)
    outdated = backup.outdated(
        _backups(target, settings.node.name), started, keep_days, keep_weeks, keep_months
    )
    _delete_old(target, outdated, has_copy=bool(copy_to))
    if copy_to:
        await _copy(settings.node.data_dir, target.parent, copy_to)
    _print_manifest(call, target, manifest, added)


async def _make(
    call: Invocation, settings: Settings, target: Path, passphrase: bytes, started: datetime
) -> tuple[BackupManifest, int]:
    """Make the backup and note it for the node's checks. Return its manifest and the bytes that it added."""
    from gateway.clock import SystemClock
    from gateway.ops import backup
    from gateway.pool import ThreadPool

    source, data_dir, clock = _source(call, settings), settings.node.data_dir, SystemClock()
    in_pieces = target.suffix == SNAPSHOT_SUFFIX
    with backup.noting_failure(data_dir, clock, "backup"), closing(ThreadPool(1)) as pool:
        await backup.check_folders(source, target.parent, clock, pool)
        manifest = await backup.make(
            source, target, passphrase, clock, pool, _progress(call), in_pieces=in_pieces
        )
    added = target.stat().st_size + manifest.new_bytes
    backup.note(data_dir, target, started, new_bytes=added)
    if lost := _lost(manifest):
        backup.note_failure(data_dir, clock.now(), "backup", call.word("cli.backup.lacks", count=len(lost)))
    return manifest, added


def _backups(target: Path, node: str) -> dict[Path, datetime]:
    """Return this node's backups of the same kind in the same folder, with the time in their names."""
    files = target.parent.glob(f"{glob.escape(node)}-*{target.suffix}")
    times = {file: _time_in_name(file.stem[len(node) + 1 :]) for file in files}
    return {file: at for file, at in times.items() if at is not None}


async def _copy(data_dir: Path, folder: Path, place: str) -> None:
    """Copy the folder of backups, and note it, or its failure, for the node's checks."""
    from gateway.clock import SystemClock
    from gateway.ops import backup, backup_copy

    clock = SystemClock()
    started = clock.now()
    with backup.noting_failure(data_dir, clock, "copy"):
        await backup_copy.copy(folder, place)
    backup.note_success(data_dir, "copied_at", started)


def _delete_old(target: Path, outdated: Sequence[Path], *, has_copy: bool) -> None:
    """Delete outdated backups, never the one just made; and what they alone consist of."""
    from gateway.ops import backup_store

    files = [file for file in outdated if file != target]
    if files and target.suffix == SNAPSHOT_SUFFIX:
        backup_store.delete(target.parent, files, has_copy=has_copy)
    for file in files:
        file.unlink(missing_ok=True)


def _time_in_name(text: str) -> datetime | None:
    try:
        return datetime.strptime(text.partition("-")[0], _IN_NAMES).replace(tzinfo=UTC)
    except ValueError:
        return None


def _new_file(settings: Settings, to: Path | None, started: datetime, suffix: str) -> Path:
    path = to or settings.node.data_dir / "backups"
    if to is None or path.is_dir() or suffix == SNAPSHOT_SUFFIX:
        name = f"{settings.node.name}-{started:{_IN_NAMES}}"
        # A backup of the same second has this name already.
        names = chain([name], (f"{name}-{n}" for n in count(2)))
        path = next(file for n in names if not (file := path / f"{n}{suffix}").exists())
    # A path relative to this process's folder means nothing to a later reader.
    return path.absolute()


def _source(call: Invocation, settings: Settings) -> BackupSource:
    from gateway.bootstrap.core import find_bucket
    from gateway.ops.backup import BackupSource
    from gateway.settings import reading

    return BackupSource(
        node=settings.node.name,
        database_url=settings.database.address,
        content=settings.node.data_dir / "content",
        keys=settings.keys.folder,
        trust=settings.trust.folder,
        settings=reading.locate(call.config, os.environ),
        bucket=find_bucket(settings),
    )


def _lost(manifest: BackupManifest) -> list[str]:
    from gateway.ops.backup import RELEASED

    return [digest for digest, why in manifest.lacks.items() if why != RELEASED]


def _print_manifest(call: Invocation, target: Path, manifest: BackupManifest, added: int) -> None:
    output.record(
        call,
        {
            "path": str(target),
            "size": added,
            "rows": manifest.rows,
            "files": manifest.contents + len(manifest.files),
            "content_bytes": manifest.content_bytes,
            "lacks": _lacks(manifest),
        },
        id_key="path",
    )
    if lost := _lost(manifest):
        call.say("cli.backup.lacks", count=len(lost))
        raise typer.Exit(FAILED)


def _lacks(manifest: BackupManifest) -> list[dict[str, str]]:
    return [{"sha256": digest, "why": why} for digest, why in sorted(manifest.lacks.items())]


@verb(
    "node.backup --drill --passphrase-file passphrase.txt",
    "--drill --sample 2 --passphrase-file passphrase.txt",
    "node.backup --passphrase-file passphrase.txt --yes",
    writes=True,
)
async def restore(
    call: Invocation,
    passphrase_file: PassphraseFile,
    file: Annotated[
        Path | None, argument("The backup; with --drill the default is the last one made.", dir_okay=False)
    ] = None,
    drill: Annotated[
        bool, option("Only prove that it can be restored; the node is not touched.", "--drill")
    ] = False,
    sample: Annotated[
        float | None,
        option(
            "With --drill: load nothing; open so many percent of the pieces, and all that are new since the last sample.",
            min=0,
            max=100,
        ),
    ] = None,
    files: Annotated[
        bool,
        option(
            "Only bring back files that are missing here, beside a database that its own tools restored; needs no empty "
            "node.",
            "--files",
        ),
    ] = False,
    scratch: Annotated[
        Path | None,
        option("Folder for a drill; default: the folder of the backup.", exists=True, file_okay=False),
    ] = None,
    scratch_url: Annotated[
        str | None, option("Empty database for a drill; default: a SQLite file in the scratch folder.")
    ] = None,
) -> None:
    """Restore a backup into an empty node, or prove with --drill that this is possible; every row and file is
    compared."""
    from gateway.ops.backup_file import passphrase_of

    if drill and files:
        raise typer.BadParameter("choose --drill or --files")
    if sample is not None and (not drill or scratch or scratch_url):
        raise typer.BadParameter("--sample goes with --drill and without a scratch place")
    if not drill and (file is None or scratch or scratch_url):
        raise typer.BadParameter("name the backup; --scratch and --scratch-url go with --drill")
    settings = call.settings()
    chosen, folder = _find_backup(settings, file), settings.node.data_dir
    question = "cli.ask.restore_files" if files else "cli.ask.restore"
    if not drill and not call.agrees(question, file=chosen, folder=folder):
        return
    passphrase = passphrase_of(passphrase_file)
    if sample is not None:
        _read_sample(call, folder, chosen, passphrase, sample)
    elif drill:
        await _drill(call, folder, chosen, passphrase, scratch or chosen.parent, scratch_url)
    else:
        await _restore(call, settings, chosen, passphrase, only_files=files)


async def _drill(
    call: Invocation, data_dir: Path, file: Path, passphrase: bytes, scratch: Path, scratch_url: str | None
) -> None:
    """Drill the backup, and note it, or its failure, for the node's checks."""
    from gateway.clock import SystemClock
    from gateway.ops import backup, restore
    from gateway.pool import ThreadPool

    clock = SystemClock()
    with backup.noting_failure(data_dir, clock, "drill"), closing(ThreadPool(1)) as pool:
        outcome = await restore.drill(file, passphrase, scratch, scratch_url, clock, pool, _progress(call))
    if data_dir.is_dir():
        backup.note(data_dir, file, outcome.description.at, clock.now())
    _print_equal(call, file, outcome, drill=True)


async def _restore(
    call: Invocation, settings: Settings, file: Path, passphrase: bytes, *, only_files: bool
) -> None:
    from gateway.clock import SystemClock
    from gateway.ops import restore
    from gateway.pool import ThreadPool

    settings.node.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    target, clock, progress = _target(settings), SystemClock(), _progress(call)
    with closing(ThreadPool(1)) as pool:
        data_folder.merge_destroyed(file.parent, settings.node.data_dir)
        if not only_files:
            outcome = await restore.restore(file, passphrase, target, clock, pool, progress)
            _print_equal(call, file, outcome, drill=False)
            return
        counts = await restore.restore_files(file, passphrase, target, clock, pool, progress)
    output.record(call, {"path": str(file), "brought": counts.brought, "present": counts.present})
    call.say("cli.restore.files", brought=counts.brought, present=counts.present)


def _read_sample(call: Invocation, data_dir: Path, file: Path, passphrase: bytes, percent: float) -> None:
    """Read a sample of the backup, and note it, or its failure, for the node's checks."""
    from gateway.clock import SystemClock
    from gateway.ops import backup
    from gateway.ops.backup_sample import read_sample
    from gateway.store.data_folder import backup_notes

    clock = SystemClock()
    started = clock.now()
    with backup.noting_failure(data_dir, clock, "sample"):
        sample = read_sample(file, passphrase, percent, backup_notes(data_dir).sampled_at, _progress(call))
    if backup.read_last(data_dir).get("path") == str(
        file
    ):  # the next sample opens what is newer than this one
        backup.note_success(data_dir, "sampled_at", started)
    output.record(
        call,
        {
            "path": str(file),
            "copied_at": output.stamp(sample.description.at),
            "node": sample.description.node,
            "pieces": sample.pieces,
            "opened": sample.opened,
            "opened_bytes": sample.opened_bytes,
            "equal": True,
        },
        id_key="path",
    )
    call.say("cli.restore.sampled", opened=sample.opened, pieces=sample.pieces)


def _target(settings: Settings) -> RestoreTarget:
    from gateway.ops.restore import RestoreTarget

    folder = settings.node.data_dir
    return RestoreTarget(
        database_url=settings.database.address,
        data_dir=folder,
        content=folder / "content",
        keys=settings.keys.folder,
        trust=settings.trust.folder,
    )


def _find_backup(settings: Settings, file: Path | None) -> Path:
    from gateway.ops.backup import read_last

    path = str(file or read_last(settings.node.data_dir).get("path") or "")
    if not path or not Path(path).is_file():
        raise NotFound(f"there is no backup {path or 'known to this node'}", hint="name its file")
    return Path(path).absolute()


def _progress(call: Invocation) -> Any:
    return lambda part, count: call.say("cli.backup.copied", what=part, count=count)


def _print_equal(call: Invocation, file: Path, outcome: Restored, drill: bool) -> None:
    output.record(
        call,
        {
            "path": str(file),
            "copied_at": output.stamp(outcome.description.at),
            "node": outcome.description.node,
            "rows": outcome.manifest.rows,
            "files": outcome.files,
            "lacks": _lacks(outcome.manifest),
            "equal": True,
        },
        id_key="path",
    )
    call.say("cli.restore.equal", rows=outcome.manifest.rows, files=outcome.files)
    if outcome.kept_trust:
        call.say("cli.restore.kept_trust")
    if not drill:
        call.say("cli.restore.next")


@verb(
    "",
    "--mark --yes",
    "--number Z91.02=57 --confirmed-by 'A. Operator' --approved-by 'A. Leader' --yes",
    writes=True,
)
async def restored(
    call: Invocation,
    number: Annotated[
        list[str] | None, option("CODE=N: last arrival number given in this year's book; once per agency.")
    ] = None,
    withdraw: Annotated[
        list[str] | None,
        option("CODE=FINGERPRINT: a certificate that was withdrawn after the backup; once for each."),
    ] = None,
    confirmed_by: Annotated[str | None, option("The person who made the checks.")] = None,
    approved_by: Annotated[str | None, option("The second person.")] = None,
    mark: Annotated[
        bool,
        option("The database was restored with its own tools: work stops until this is confirmed.", "--mark"),
    ] = False,
) -> None:
    """Show what to check on a restored node; with two names, confirm the check and let the node work again."""
    from gateway import destroying
    from gateway.bootstrap.guards import published_seal
    from gateway.domain.wall_clock import local
    from gateway.incoming.register import BOOK
    from gateway.store import restored as gate

    async with at_core(call.settings()) as core:
        mark_event = await gate.waiting(core.store)
        if mark_event is None and mark and call.agrees("cli.ask.restored_mark"):
            await gate.mark_database(core.store, core.clock, call.settings().node.name)
            mark_event = await gate.waiting(core.store)
        if mark_event is None:
            call.say("cli.restored.none")
            return
        year = local(core.clock.now()).year
        counters = await gate.counters(core.store, BOOK, year)
        if confirmed_by is None or approved_by is None:
            await _show_restored(call, core, mark_event, counters)
            return
        _check_two_names(confirmed_by, approved_by)
        last, withdrawn = _numbers(number or (), counters), [_certificate(w) for w in withdraw or ()]
        people = await _two_people(call, core, confirmed_by, approved_by)
        call.ask("cli.ask.restored", at=output.clock(gate.copied_at(mark_event)))
        for code, fingerprint in withdrawn:
            await core.directory_changes.unbind(code, fingerprint)
        folder = core.settings.node.data_dir
        count = await destroying.repeat_list(core.store, core.clock, core.pool, folder, folder / "content")
        call.say("cli.restored.destroyed", count=count)
        published = published_seal(call.settings(), (await core.store.log.head()).log_id)
        await gate.confirm(core.store, core.clock, BOOK, year, last, people, published)
        output.record(call, {"confirmed": True, "confirmed_by": people[0], "approved_by": people[1]})


async def _two_people(call: Invocation, core: NodeCore, first: str, second: str) -> tuple[str, str]:
    """Return both names: of persons who sign in, where two persons may decide on this node; else as typed."""
    async with core.deciding.decisions.read() as view:
        everybody = await view.people.all()
    if sum(bool(person.is_active and person.roles) for person in everybody) < len((first, second)):
        return first, second
    people = [(await sign_in(call, core, name)).person for name in (first, second)]
    if not all(person.roles for person in people) or people[0].id == people[1].id:
        raise Denied("a restore is confirmed by two persons who decide on this node", code="GW-TWO-PEOPLE")
    return people[0].name, people[1].name


def _certificate(text: str) -> tuple[str, str]:
    code, _, fingerprint = text.partition("=")
    if not code or not fingerprint:
        raise typer.BadParameter(f"{text!r} is not CODE=FINGERPRINT, as gateway restored shows them")
    return code.strip(), fingerprint.strip().lower()


def _check_two_names(confirmed_by: str, approved_by: str) -> None:
    if confirmed_by.strip().casefold() == approved_by.strip().casefold():
        raise Denied(
            f"confirming a restore needs two people, and {confirmed_by!r} stands twice", code="GW-TWO-PEOPLE"
        )


def _numbers(texts: Sequence[str], counters: Sequence[Counter]) -> Mapping[str, int]:
    """Read the last number of each agency that the node numbers for; none may be missing or below the copy's."""
    numbers = {}
    for text in texts:
        match = re.fullmatch(r"([^=]+)=([0-9]{1,9})", text)
        if match is None:
            raise typer.BadParameter(f"{text!r} is not CODE=N, for example Z91.02=57")
        numbers[match[1].strip().casefold()] = int(match[2])
    last = {}
    for counter in counters:
        number = numbers.pop(counter.code.casefold(), None)
        if number is None or number < counter.last:
            raise Clash(
                f"the last arrival number of {counter.code} is missing or below {counter.last}, which the copy knows",
                hint=f"look at the book on paper or at the stamps, then add: --number {counter.code}=N",
            )
        last[counter.agency_id] = number
    if numbers:
        raise NotFound(f"this node gives no arrival numbers for {', '.join(sorted(numbers))}")
    return last


async def _show_restored(call: Invocation, core: NodeCore, mark: Event, counters: Sequence[Counter]) -> None:
    from gateway.store.restored import copied_at

    bindings = await core.directory.speakers(core.clock.now())
    counts = await core.store.counts()
    facts: dict[str, Any] = {
        "copied_at": output.stamp(copied_at(mark)),
        "restored_at": output.stamp(mark.at),
        "sent_again": counts.get("outbox.waiting", 0) + counts.get("job.waiting", 0),
        "numbers": [{"code": c.code, "last": c.last} for c in counters],
        "certificates": [
            output.fields(b, "code fingerprint bound_at proposed_by approved_by") for b in bindings
        ],
    }
    if call.output is not OutputFormat.TABLE:
        output.record(call, facts)
        return
    output.record(call, {key: facts[key] for key in ("copied_at", "restored_at", "sent_again")})
    for counter in counters:
        output.print_lines(call, [call.word("cli.restored.number", code=counter.code, last=counter.last)])
    for binding in bindings:
        details = {"fingerprint": binding.fingerprint, "day": output.clock(binding.bound_at)}
        output.print_lines(call, [call.word("cli.restored.certificate", code=binding.code, **details)])
    call.say("cli.restored.check")
