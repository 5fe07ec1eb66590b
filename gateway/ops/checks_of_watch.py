"""Checks of the machine's memory, backups that failed, partners that went silent, a maintenance, leftovers of programs
that were killed, rights of secrets, statistics of the database, witnesses of logs, and the alarms themselves. In: the node
that is examined. Out: findings, each with the command that cures it; none when there is nothing to report. The checks
change nothing."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from itertools import chain
from pathlib import Path

from gateway.bootstrap import core
from gateway.domain.diagnosis import Diagnosis, Level, green, red, yellow
from gateway.domain.wall_clock import local, moment_text
from gateway.errors import ContentStoreDown
from gateway.ops.subject import Subject
from gateway.settings import Settings
from gateway.store import data_folder, reporting
from gateway.store.alarm_file import read_alarms
from gateway.store.maintenance import Maintenance
from gateway.workers.heartbeat import HEARTBEAT

_PROC, _CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")
# Shares of the machine's memory that can still be had, and of the last minutes in which programs waited for memory.
_LEAST_FREE, _LEAST_FREE_YELLOW, _MOST_PRESSURE, _MOST_PRESSURE_YELLOW = 0.02, 0.05, 0.4, 0.1
_AVAILABLE = re.compile(r"^Mem(Total|Available):\s+(\d+) kB$", re.MULTILINE)
_PRESSURE = re.compile(r"^some .*avg300=([\d.]+)", re.MULTILINE)
# Between two healthy nodes an answer takes seconds; a machine that is being mended is back within a day.
PARTNER_SILENT = timedelta(hours=24)
_MOST_NAMES = 5
# The shipped timers read a sample each night and drill each month.
_SAMPLED_LATELY, UNDRILLED, UNDRILLED_SAMPLED = timedelta(days=3), timedelta(days=14), timedelta(days=40)
# The next backup may be larger than the last one, and is needed whole before an older one goes.
_ROOM_FOR_BACKUPS, _COPIED_LATELY = 2, timedelta(days=2)
_BACKUP_TASKS = {
    "backup": ("backup.failed", "gateway backup --passphrase-file passphrase.txt"),
    "drill": ("backup.drill_failed", "gateway restore --drill --passphrase-file passphrase.txt"),
    "copy": (
        "backup.copy_failed",
        "gateway backup --incremental --copy-to PLACE --passphrase-file passphrase.txt",
    ),
    "sample": ("backup.sample_failed", "gateway restore --drill --sample 2 --passphrase-file passphrase.txt"),
}
FIX = "gateway doctor --fix"
CONTENT_SHOW = "gateway content show"
# Nothing that a running program still writes or reads is so old.
LEFT_FOR = timedelta(days=1)
_LATE_ROUNDS, _WITNESSED = 3, "gateway witness logs"
# A second log of a node stays a finding for so long.
_NEW_LOG = _LOSS_AGE = timedelta(days=30)
# Names that `atomic_files.new_file` gives to files that are not complete, and a drill to its folder.
_PART, _DRILL = re.compile(r"\..+\.(part|[0-9a-f]{16})"), re.compile(r"drill-[a-z0-9_]{8}")
# The node is examined each minute; a slow mail server may hold that up for some.
_LOOKED_LATELY = timedelta(minutes=15)


async def memory(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Check that the machine has memory left, and that programs do not wait for it. Without a finding where neither can be
    read."""
    free, pressure = await subject.pool.run(_memory_shares)
    if free is None and pressure is None:
        return
    params = {"free": "–" if free is None else round(100 * free), "pressure": round(100 * (pressure or 0.0))}
    if (free is not None and free < _LEAST_FREE) or (pressure or 0.0) > _MOST_PRESSURE:
        yield red("memory", "memory.low", "ps aux --sort=-rss | head", **params)
    elif (free is not None and free < _LEAST_FREE_YELLOW) or (pressure or 0.0) > _MOST_PRESSURE_YELLOW:
        yield yellow("memory", "memory.low", "ps aux --sort=-rss | head", **params)
    else:
        yield green("memory", "memory.fine", **params)


def _memory_shares() -> tuple[float | None, float | None]:
    """Return the shares of memory free and of time pressure; None for what cannot be read. A service that sees only its own
    processes reads the waiting of its own group."""
    free = pressure = None
    with suppress(OSError, KeyError, ZeroDivisionError):
        amounts = dict(_AVAILABLE.findall((_PROC / "meminfo").read_text()))
        free = int(amounts["Available"]) / int(amounts["Total"])
    files = [_PROC / "pressure" / "memory"]
    with suppress(OSError):
        groups = [line.partition("::")[2] for line in (_PROC / "self/cgroup").read_text().splitlines()]
        files += [_CGROUPS / group.lstrip("/") / "memory.pressure" for group in groups if group]
    for file in files:
        with suppress(OSError):
            if pressure is None and (match := _PRESSURE.search(file.read_text())):
                pressure = float(match[1]) / 100
    return free, pressure


async def bucket(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Check that the bucket with large content answers, and is the one of this database. It stops nothing: small documents
    go on, and every process of the node has the same bucket."""
    node, is_marked = subject.node, True
    if node is not None:
        content = node.bucket
    elif (content := core.open_bucket(subject.settings, subject.store, subject.clock)) is not None:
        is_marked = await content.look()
    if content is None:
        return
    try:
        await content.probe(is_marked=is_marked)
    except ContentStoreDown as error:
        cause = "content.strange" if error.params.get("strange") else "content.down"
        yield red("content", cause, CONTENT_SHOW, detail=str(error)).worded("down")
    else:
        yield green("content", "content.fine", place=str(content.bucket.place)).worded("ok")


async def content_places(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Report large content that is not where new content goes, or in a bucket that no setting names."""
    target = subject.settings.content.store
    if not await reporting.is_content_elsewhere(subject.store, wants_bucket=target == "s3"):
        return
    if subject.settings.content.bucket:
        cure = f"gateway content move --to {target}"
        yield yellow("content", "content.elsewhere", cure, place=target).worded("ok")
    else:
        yield red("content", "content.unnamed", CONTENT_SHOW).worded("unnamed")


async def backups(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Check that the next backup will fit, and that it or a copy of it would outlive the disk that holds the content."""
    data_dir = subject.settings.node.data_dir
    backup = await subject.pool.run(partial(data_folder.last_backup, data_dir))
    if backup is None:
        return
    copied_at = (await subject.pool.run(partial(data_folder.backup_notes, data_dir))).copied_at
    is_copied = copied_at is not None and subject.clock.now() - copied_at < _COPIED_LATELY
    folder, content = Path(backup.path).parent, core.places(subject.settings)["content"]
    try:
        free, is_beside = await subject.pool.run(partial(_room_for_backup, folder, content))
    except OSError:  # the check of the folders tells it
        return
    params = {"path": folder, "free_bytes": free, "need_bytes": backup.new_bytes}
    if free < backup.new_bytes * _ROOM_FOR_BACKUPS:
        yield red("backup", "backup.room", "gateway backup --help", **params)
    elif is_beside and not is_copied and subject.settings.node.trial == "off":
        yield yellow("backup", "backup.beside", f"findmnt -T {folder}", **params)
    else:
        yield green("backup", "backup.fine", **params)


def _room_for_backup(folder: Path, content: Path) -> tuple[int, bool]:
    """Return the free bytes of the folder's disk, and whether the content is on the same one. It blocks on the disks."""
    is_beside = folder.stat().st_dev == (content if content.is_dir() else content.parent).stat().st_dev
    return data_folder.free_space(folder).bytes, is_beside


async def backup_failures(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Report a backup, copy, drill or sample that failed and did not succeed since, and backups without a drill for two
    weeks, or for 40 days where samples of them are read."""
    data_dir, now = subject.settings.node.data_dir, subject.clock.now()
    notes = await subject.pool.run(partial(data_folder.backup_notes, data_dir))
    for task, (at, why) in notes.failed.items():
        cause, cure = _BACKUP_TASKS[task]
        yield red("backup", cause, cure, at=at.isoformat(timespec="minutes"), why=why)
    since = notes.verified_at or notes.first_at
    is_sampled = notes.sampled_at is not None and now - notes.sampled_at < _SAMPLED_LATELY
    if since is not None and now - since > (UNDRILLED_SAMPLED if is_sampled else UNDRILLED):
        cure = "gateway restore --drill --passphrase-file passphrase.txt"
        yield yellow("backup", "backup.undrilled", cure, at=since.isoformat(timespec="minutes"))


def open_secrets(folder: Path) -> Sequence[Path]:
    """Return the files of private keys below a folder that others may read. It blocks on the disk."""
    return [path for path in sorted(folder.rglob("*.key.pem")) if path.stat().st_mode & 0o077]


async def secrets(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Report files of private keys that other users of the machine may read."""
    folder = subject.settings.keys.folder
    if files := await subject.pool.run(partial(open_secrets, folder)):
        yield red("secrets", "secrets.open", FIX, path=folder, count=len(files))


def find_leftovers(settings: Settings, now: datetime) -> Mapping[str, Sequence[Path]]:
    """Return files and folders that programs left when they were killed, by kind: signs of life, parts of files, also of
    backups, and folders of drills. All of them are older than a day. It blocks on the disks."""
    data = settings.node.data_dir
    backups = core.places(settings)["backups"]
    parts = [path for folder in (data, backups) for path in folder.glob(".*") if path.is_file()]
    parts += backups.glob("*/*/.*")
    leftover_paths = {
        "signs": [*(data / HEARTBEAT).glob("*.json"), *(data / HEARTBEAT).glob(".*")],
        "parts": [path for path in parts if _PART.fullmatch(path.name)],
        "drills": [path for path in backups.glob("drill-*") if path.is_dir() and _DRILL.fullmatch(path.name)],
    }
    return {
        kind: [path for path in sorted({*paths}) if _is_old(path, now)]
        for kind, paths in leftover_paths.items()
    }


def _is_old(path: Path, now: datetime) -> bool:
    """Tell whether nothing of it was written for long; a drill of a large node may itself take days."""
    try:
        return all(
            now.timestamp() - part.lstat().st_mtime > LEFT_FOR.total_seconds()
            for part in chain([path], path.rglob("*"))
        )
    except OSError:
        return False


async def leftovers(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Report what programs left when they were killed; it takes room, and nothing reads it."""
    kinds = await subject.pool.run(partial(find_leftovers, subject.settings, subject.clock.now()))
    for kind, paths in kinds.items():
        if paths:
            yield yellow("leftovers", f"leftovers.{kind}", FIX, count=len(paths), path=paths[0])


async def statistics(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Report large tables of a server that were never analysed, as after an upgrade of the server: it guesses then."""
    if tables := await reporting.unanalysed(subject.store):
        yield yellow("statistics", "statistics.none", FIX, tables=", ".join(tables), count=len(tables))


async def read_maintenance(subject: Subject) -> Maintenance:
    """Return the maintenance of the node as its process knows it, or as the database has it."""
    if subject.node is not None:
        return subject.node.maintenance
    stated = Maintenance(subject.store, subject.clock)
    await stated.look()
    return stated


async def maintenance(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Report a maintenance that goes on, with its end."""
    if (statement := (await read_maintenance(subject)).current) is not None:
        end = local(statement.ends_at).isoformat(timespec="seconds")
        params = {"until": end, "reason": statement.reason}
        finding = yellow("maintenance", "maintenance.on", "gateway maintenance --end", **params)
        yield finding.worded(f"until {end}")


async def silent_partners(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Report partners whose node has answered nothing for a day, although documents wait for an answer there. Answers that
    came during a maintenance of this node were not taken in yet."""
    if (await read_maintenance(subject)).is_settling:
        return
    silent = await reporting.silent_codes(subject.store, subject.clock.now() - PARTNER_SILENT)
    if silent:
        codes = ", ".join(
            [code.upper() for code, _ in silent[:_MOST_NAMES]] + ["…"] * (len(silent) > _MOST_NAMES)
        )
        params = {"codes": codes, "count": len(silent), "since": silent[0][1].isoformat(timespec="minutes")}
        yield yellow("partners", "partners.silent", f"gateway ping {silent[0][0].upper()}", **params)


async def alarms(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Check, where the settings name a channel for alarms, that a process looks for them and that each channel works."""
    settings, now = subject.settings.alarms, subject.clock.now()
    if not settings.mail and not settings.url:
        return
    book = await subject.pool.run(partial(read_alarms, subject.settings.node.data_dir))
    for channel, failure in book.failures.items():
        params = {
            "channel": channel,
            "since": failure.since.isoformat(timespec="minutes"),
            "why": failure.why,
        }
        yield yellow("alarms", "alarms.failing", "gateway alarms --test", **params)
    if book.looked_at is None or now - book.looked_at > _LOOKED_LATELY:
        at = "–" if book.looked_at is None else book.looked_at.isoformat(timespec="minutes")
        yield yellow("alarms", "alarms.late", "gateway serve", at=at)
    elif not book.failures:
        yield green("alarms", "alarms.fine", count=len(book.standing()))


async def witnesses(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Report how the log is anchored by its witnesses, and logs of other nodes that show two histories. Without a finding
    where there is neither."""
    from gateway.store.witnesses import list_witnessed

    settings, now = subject.settings, subject.clock.now()
    late = _LATE_ROUNDS * timedelta(seconds=settings.log.witness_every_s)
    if settings.log.witnesses:
        yield await _own_anchoring(subject, now - late)
    logs = await list_witnessed(subject.store)
    troubled: dict[tuple[str, str], list[str]] = {}
    for log in logs:
        name, size = log.node or log.origin, f"{log.size:,}"
        is_second = log.node and any(x.node == log.node and x.first_at < log.first_at for x in logs)
        if is_second and now - log.first_at < _NEW_LOG:
            words = troubled.setdefault(("yellow", "witnesses.another"), [])
            words.append(f"{name} ({moment_text(log.first_at)})")
        if log.other_history:
            troubled.setdefault(("red", "witnesses.forked"), []).append(f"{name} ({size})")
        elif log.fault and (log.cosigned_at is None or log.cosigned_at < now - late):
            troubled.setdefault(("yellow", "witnesses.unproved"), []).append(f"{name} ({size})")
    # One finding for all logs in the same trouble: an alarm tells it once, and is to name each of them.
    for (level, cause), names in troubled.items():
        params = {"names": ", ".join(names), "count": len(names)}
        yield Diagnosis("witnesses", Level(level), cause, params, _WITNESSED)


async def losses(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Report packets that one of two nodes lacks, and documents whose states differ, as the comparisons with partners found
    them twice."""
    from gateway.store import state_audit
    from gateway.store.loss_audit import list_counts

    since = local(subject.clock.now()).date() - _LOSS_AGE
    counts = await list_counts(subject.store, since, open_only=True)
    differences = [(count, difference) for count in counts for difference in count.open_differences]
    if differences:
        names = [f"{d.name or d.key} ({c.sender.upper()} → {c.recipient.upper()})" for c, d in differences]
        listed = ", ".join(names[:_MOST_NAMES] + ["…"] * (len(names) > _MOST_NAMES))
        nodes = ", ".join(sorted({count.node for count, _ in differences}))
        yield red(
            "losses",
            "losses.found",
            "gateway audit losses",
            count=len(differences),
            nodes=nodes,
            names=listed,
        )
    state_counts = await state_audit.list_counts(subject.store, since, open_only=True)
    unequal = [(count, difference) for count in state_counts for difference in count.open_differences]
    if unequal:
        names = [
            f"{d.name or d.key} ({c.sender.upper()} → {c.recipient.upper()}: {d.own} ≠ {d.other})"
            for c, d in unequal
        ]
        listed = ", ".join(names[:_MOST_NAMES] + ["…"] * (len(names) > _MOST_NAMES))
        params = {"nodes": ", ".join(sorted({count.node for count, _ in unequal})), "names": listed}
        yield red("losses", "losses.states", "gateway audit states", count=len(unequal), **params)


async def _own_anchoring(subject: Subject, late: datetime) -> Diagnosis:
    from gateway.ops.witness_view import read_anchoring
    from gateway.store.log_reading import seal_before

    anchoring = await read_anchoring(subject.store, subject.settings, subject.pool)
    names = [
        *(witness.name for witness in anchoring.histories),
        *(name for name, _ in anchoring.contradicted),
    ]
    if names:
        return red("witnesses", "witnesses.histories", "gateway audit verify", names=", ".join(names))
    params: dict[str, object] = {
        "seen": len(anchoring.cosigners),
        "of": anchoring.count,
        "need": anchoring.need,
    }
    if anchoring.at is None:
        first = await seal_before(subject.store, datetime.min.replace(tzinfo=late.tzinfo))
        is_late = first is not None and first.signed.seal.at < late
        if not is_late:
            return green("witnesses", "witnesses.nobody", **params)
        return yellow("witnesses", "witnesses.nobody", "gateway witness list", **params)
    params |= {"at": moment_text(anchoring.at), "size": anchoring.size}
    # A log that did not grow has nothing new to be cosigned.
    seal = await seal_before(subject.store, late)
    if seal is not None and seal.signed.seal.at < late and seal.signed.seal.tree_size > anchoring.size:
        return yellow("witnesses", "witnesses.old", "gateway witness list", **params)
    return green("witnesses", "witnesses.fine", **params)


async def scans(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Say whether scans are read. A node without Tesseract is whole, so that this is no fault of it."""
    from gateway.trust.page_drawing.drawer import is_readable

    is_off = subject.settings.pages.scans == "off"
    yield green("scans", "scans.off" if is_off else "scans.fine" if is_readable() else "scans.absent")
