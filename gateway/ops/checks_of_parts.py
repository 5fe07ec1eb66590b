"""Checks of the parts of a node apart from trust and lines: folders and disks, clocks, the database, queues, the sealed
log, periodic jobs, pace (R100, T26: five seconds), the malware scanner, the sealed hold. In: the node that is examined.
Out: findings, each with the command that cures it; none when there is nothing to report. The checks change nothing."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from gateway.bootstrap import core, guards
from gateway.bootstrap.node import MB
from gateway.domain.diagnosis import Diagnosis, Level, green, red, yellow
from gateway.domain.document import Lane
from gateway.domain.hold import HoldState
from gateway.domain.pace import DISK, HISTORY_KEPT, LIMITED, Horizon, QueueSample, clocks_agree, paces
from gateway.domain.sealed_log import LogHead
from gateway.errors import StoreFailure
from gateway.folder import state as folder_state
from gateway.folder.state import FolderState
from gateway.ops.subject import Subject
from gateway.policy import upkeep
from gateway.ports.services import ScannerState
from gateway.settings.reading import sqlite_file
from gateway.store import data_folder, migrate, reporting
from gateway.store import restored as restoring
from gateway.store.data_folder import Disk
from gateway.store.folder_marks import MARK
from gateway.store.reporting import Load
from gateway.trust.seals import seal_key_path
from gateway.workers.heartbeat import all_beats, beats, own_name, slots

# An earlier time than this program's existence shows a dead clock battery.
OLDEST_NOW = datetime(2025, 1, 1, tzinfo=UTC)
# Leases are renewed in time, so a row whose lease ran out this long ago has no worker at all.
STALE_AFTER = timedelta(minutes=10)
WRITES_S = 4.0
# The timestamp authority is asked again by itself; after a day without an answer a person should look.
UNSTAMPED_YELLOW = timedelta(hours=24)
UNPUBLISHED_YELLOW = timedelta(days=7)
# Number of seals, one a minute: a log of a day or less need not have been published yet.
_YOUNG = 1440
_DISK_LEVELS = {data_folder.GOOD: Level.GREEN, data_folder.LOW: Level.YELLOW, data_folder.FULL: Level.RED}
DISK_LOOKED_AT, DISK_SOON_DAYS = timedelta(days=7), 14
_SHORTEST_SPAN = timedelta(days=1)
# Cap of the estimate, because a longer time is no forecast any more.
MOST_DISK_DAYS = 3650
_OLD_COPY = timedelta(hours=36)
CLOCK_SKEW = timedelta(minutes=5)
SET_CLOCK = "timedatectl set-ntp true"
# Faults that a process sees of itself: check and cause, and the key of the cure.
_OF_PROCESS = {
    "keys": ("process.keys", "doctor.process.keys.cure"),
    "folder": ("process.folder", "doctor.process.folder.cure"),
    "clock": ("process.clock", "doctor.process.clock.cure"),
}
# Longest waits in the queues, as in the alarms of docs/operations.md; a longer wait has a cause that needs mending.
LIES_SOON, LIES = timedelta(minutes=5), timedelta(minutes=30)
# A recipient may lack a queue at the axis for this long before a person has to act.
QUEUE_MISSING = timedelta(hours=1)
# Share of its budget above which a partner is reported: its next letter may have to wait.
_NEARLY_FULL = 0.8
# A hot folder is read every few seconds, and an incomplete entry waits some minutes; a longer wait is reported.
FOLDER_WAITS_LONG_S = 3600.0


def _minute(at: datetime | None) -> str:
    return at.isoformat(timespec="minutes") if at is not None else "–"


async def folders(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Check that the folders of data, axis and keys exist, can be written, and that only the node can read its keys."""
    settings = subject.settings
    paths = {"data": settings.node.data_dir, "axis": settings.axis.folder, "keys": settings.keys.folder}
    if settings.axis_kind != "embedded":
        del paths["axis"]
    for name, path in paths.items():
        check = f"folder.{name}"
        if not path.is_dir():
            yield red(check, "folder.missing", f"mkdir -p {path}", path=path)
        elif not os.access(path, os.W_OK | os.X_OK):
            yield red(check, "folder.read_only", _cure_for_writes(path), path=path)
        elif name == "keys" and path.stat().st_mode & 0o077:
            yield red(check, "folder.open", f"chmod 700 {path}", path=path)
        else:
            yield green(check, "folder.fine", path=path)
    content = core.places(settings)["content"]
    if content.is_dir() and not os.access(content, os.W_OK | os.X_OK):
        yield red("folder.content", "folder.read_only", _cure_for_writes(content), path=content)


def _cure_for_writes(path: Path) -> str:
    """Return the command for a folder that takes no writes: its rights, or its file system, which may be read-only."""
    is_read_only = os.statvfs(path).f_flag & os.ST_RDONLY
    return f"findmnt -T {path}" if is_read_only else f"chmod u+rwx {path}"


async def marked_folders(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Check that each folder is the one that the node stored in, by its mark: a share may not be mounted."""
    if subject.node is not None:
        marks = subject.node.marks
    else:
        marks = core.folder_marks(subject.settings, subject.store, subject.clock, subject.pool)
        await marks.look()
    for strange in marks.strange:
        path, mark = strange.path, strange.expected
        params = {"path": path, "mount": strange.mount, "mark": mark, "file": path / MARK}
        cause = "folder.other" if strange.actual else "folder.unmarked" if mark else "folder.emptied"
        check = f"folder.{strange.place.partition(' ')[0]}"
        yield red(check, cause, f"mount {path}", **params).worded("other", stops=strange.stops)


async def database_file(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Report a database file that other users can read, because it has the subjects of agencies' documents."""
    file = sqlite_file(subject.settings)
    if file is not None and file.is_file() and file.stat().st_mode & 0o077:
        yield yellow("database.file", "database.open", f"chmod 600 {file}*", path=file)


def judge_disks(subject: Subject) -> Sequence[Disk]:
    """Return the state of each disk that the node uses. It blocks on the disks: call it in the pool."""
    node, kept_back = subject.node, subject.settings.limits.disk_free_mb * MB
    return data_folder.disks(
        core.places(subject.settings), node.room.reserve if node is not None else kept_back
    )


async def disks(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Check the free space of the disks. A full one stops an open node, which then accepts nothing."""
    is_full = False
    try:
        if subject.node is not None:
            subject.node.room.check()
    except StoreFailure:
        is_full = True
    for disk in await subject.pool.run(partial(judge_disks, subject)):
        level = _DISK_LEVELS[disk.word]
        params = {"path": disk.path, "free_bytes": disk.space.bytes, "places": ", ".join(disk.places)}
        cure = None if level is Level.GREEN else f"du -xh --max-depth=2 {disk.path} | sort -h | tail"
        cause = "disk.fine" if level is Level.GREEN else "disk.low"
        if disk.space.lacks_inodes:
            cause = "disk.inodes"
        stops = is_full and level is Level.RED
        word = "full" if stops else "low" if level is Level.RED else "ok"
        yield Diagnosis("disk", level, cause, params, cure, word, stops)


async def disk_days(subject: Subject) -> int | None:
    """Estimate how many days the content's disk lasts; None when too little is known, or the disk does not fill."""
    since = subject.clock.now() - DISK_LOOKED_AT
    free = await subject.pool.run(partial(free_bytes, subject))
    return disk_days_left(await subject.store.history.samples(since, DISK), free)


def disk_days_left(samples: Sequence[QueueSample], free: int) -> int | None:
    points = sorted((s.at, s.depth) for s in samples if s.queue == DISK)
    if not points or points[-1][0] - points[0][0] < _SHORTEST_SPAN:
        return None
    (first_at, first), (last_at, last) = points[0], points[-1]
    mb_per_day = (first - last) / ((last_at - first_at) / timedelta(days=1))
    return min(MOST_DISK_DAYS, int(free / MB / mb_per_day)) if mb_per_day > 0 else None


def free_bytes(subject: Subject) -> int:
    """Return the free bytes of the content's disk; 0 when the disk does not answer."""
    try:
        return data_folder.free_space(core.places(subject.settings)["content"]).bytes
    except StoreFailure:
        return 0


async def disk_lasts(subject: Subject) -> AsyncGenerator[Diagnosis]:
    days = await disk_days(subject)
    if days is not None and days < DISK_SOON_DAYS:
        yield Diagnosis("disk", Level.YELLOW, "machine.disk", words="lamp")


async def copies(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Check that the last backup is not too old."""
    backup = data_folder.last_backup(subject.settings.node.data_dir)
    level, cause = Level.GREEN, "copies.well"
    if backup is None:
        level, cause = Level.RED, "copies.never"
    elif backup.at < subject.clock.now() - _OLD_COPY:
        level, cause = Level.YELLOW, "copies.old"
    yield Diagnosis("copies", level, cause, words="lamp")


async def clock(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Check that the clock is not behind the program or the database file. A wrong clock makes valid certificates look
    expired, and the times in our signatures false (K2, signing time)."""
    now, file = subject.clock.now(), sqlite_file(subject.settings)
    written_at = datetime.fromtimestamp(file.stat().st_mtime, UTC) if file and file.exists() else now
    params = {"now": now.isoformat(timespec="seconds"), "written": written_at.isoformat(timespec="seconds")}
    if now < OLDEST_NOW or written_at - now > CLOCK_SKEW:
        yield red("clock", "clock.behind", SET_CLOCK, **params)
    else:
        yield green("clock", "clock.fine", **params)


async def server_clock(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Check that this machine's clock agrees with the database server's: a machine that is ahead takes others' leases for
    abandoned (G7, leases)."""
    node = subject.node
    gap = node.guard.gap() if node is not None else await subject.store.clock_gap(subject.clock.now)
    if not clocks_agree(gap, subject.lease_s):
        params = {"seconds": round(abs(gap).total_seconds()), "most": round(subject.lease_s / 3)}
        yield red("clock", "clock.apart", SET_CLOCK, **params).worded("apart", stops=True)


def clock_set_back(ahead: Mapping[str, int], mtime: datetime | None, now: datetime) -> Iterator[Diagnosis]:
    """Report rows with leases or retries in the future, or a last write (`mtime`) there. Such rows are claimed in spite of
    their times, but a person should know that the clock was ahead."""
    tables = [table for table, count in ahead.items() if count]
    future_write = mtime if mtime is not None and mtime - now > CLOCK_SKEW else None
    if tables or future_write:
        yield yellow(
            "clock",
            "clock.moved",
            SET_CLOCK,
            count=sum(ahead.values()),
            tables=", ".join(tables) or "–",
            written=future_write.isoformat(timespec="seconds") if future_write else "–",
        )


async def database(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Examine the database: its schema, damage, abandoned leases, times in the future, and the search index."""
    if (missing := _missing_file(subject)) is not None:
        yield missing
        return
    schema = await subject.schema()
    schema_finding = _schema_finding(schema)
    if schema.pending or not schema.is_supported:
        yield schema_finding
        return
    now = subject.clock.now()
    horizon = Horizon.from_lease(now, subject.lease_s)
    report = await reporting.examine(subject.settings.database.address, now - STALE_AFTER, horizon)
    if report.damage:
        yield red("database", "database.damaged", "gateway restore FILE.backup", detail=report.damage)
        return
    yield schema_finding
    stale = {table: count for table, count in report.stale.items() if count}
    params = {"count": sum(stale.values()), "tables": ", ".join(stale) or "–"}
    if stale:
        yield yellow("leases", "leases.stale", "gateway serve", **params)
    else:
        yield green("leases", "leases.fine", **params)
    for finding in clock_set_back(report.ahead, report.newest_event_at, now):
        yield finding
    if not report.searches:
        yield yellow("search", "search.slow")


def _missing_file(subject: Subject) -> Diagnosis | None:
    """Return a finding where the database is a file that does not exist."""
    file = sqlite_file(subject.settings)
    if file is None or file.is_file():
        return None
    # A node that has worked has lost its file: another `init` would begin an empty one.
    cure = "doctor.database.missing.cure" if subject.heartbeat.is_dir() else "gateway init"
    return red("database", "database.missing", cure, path=file)


async def answers(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Check that the database answers, and has a schema that this version runs on."""
    if (missing := _missing_file(subject)) is not None:
        # The file is still open here, and takes documents that are lost when this process ends.
        yield missing.worded("missing", stops=True)
        return
    await reporting.check_answers(subject.store)
    yield _schema_finding(await subject.schema())


def _schema_finding(schema: migrate.SchemaStatus) -> Diagnosis:
    params = {"current": schema.current or "–", "head": schema.head}
    if any(step.phase == "expand" for step in schema.pending):
        cure = "gateway migrate up"
        return red("database", "database.old", cure, **params).worded("old-schema", stops=True)
    if schema.pending:
        return yellow("database", "database.old", "gateway migrate up", **params).worded("ok")
    if not schema.is_newer:
        return green("database", "database.fine", head=schema.head).worded("ok")
    cure = "./upgrade.sh release.pub"
    if schema.is_supported:
        return yellow("database", "database.newer", cure, **params).worded("ok")
    return red("database", "database.newer", cure, **params).worded("newer-schema", stops=True)


async def locks(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Name the session that keeps a table of the database to itself, so that everything waits."""
    try:
        blockers = await reporting.blockers(subject.store)
    except StoreFailure:  # the next check says why
        return
    for pid, user, program, since in blockers:
        cure = f'psql -c "SELECT pg_terminate_backend({pid})"'
        params = {"pid": pid, "user": user, "program": program or "–", "since": _minute(since)}
        yield red("database.lock", "database.locked", cure, **params).worded("locked")


async def writes(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Check that the database accepts writes. A standby server or a read-only disk only answers reads."""
    try:
        async with asyncio.timeout(WRITES_S):
            await reporting.check_writable(subject.store)
    except TimeoutError:
        # A server names who holds it up; of a file only the machine knows.
        if (file := sqlite_file(subject.settings)) is not None:
            busy = red(
                "database.lock", "database.busy", f"fuser -v {file}", path=file, seconds=round(WRITES_S)
            )
            yield busy.worded("busy")
    except StoreFailure as error:
        broken = red("database", "database.read-only", "doctor.database.cure", detail=str(error))
        yield broken.worded("read-only", stops=True)


async def restored(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Report a restore that is not confirmed: the older copy may have withdrawn rights again, so the node does not work."""
    mark = await restoring.waiting(subject.store)
    if mark is not None:
        yield red("restored", "restored.unconfirmed", "gateway restored", at=mark.data.get("copied_at", "–"))


async def jobs(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Check by the history whether periodic jobs are late or fail."""
    now = subject.clock.now()
    days = await subject.store.history.days((now - HISTORY_KEPT).date())
    lines = upkeep.job_lines(days, now)
    late_jobs = tuple(j.job for j in lines if j.word == upkeep.LATE)
    faulty_jobs = tuple(j.job for j in lines if j.word == upkeep.FAULTY)
    if late_loops := tuple(job for job in late_jobs if job != "backup"):
        yield yellow("jobs", "jobs.late", "gateway serve", jobs=late_loops)
    if "backup" in late_jobs:
        yield yellow("jobs", "jobs.late", "gateway backup --passphrase-file passphrase.txt", jobs=("backup",))
    if faulty_jobs:
        yield yellow("jobs", "jobs.faulty", jobs=faulty_jobs)
    if days and not late_jobs and not faulty_jobs:
        yield green("jobs", "jobs.fine")


async def workers(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Check the heartbeats of the node's worker processes. Without any, a process that has loops itself is ready anyway."""
    now, folder = subject.clock.now(), subject.heartbeat
    process_beats = await subject.pool.run(partial(beats, folder, now))
    alive = [worker for worker in process_beats if worker.lives(now)]
    stuck = [worker for worker in alive if worker.stuck]
    has_loops = subject.node is not None and bool(subject.node.pulse.loops())
    if not alive:
        # A heartbeat folder means that some process of the node was started once, so its workers are missed.
        finding, cause = (red, "workers.none") if folder.is_dir() else (yellow, "workers.never")
        last_seen = _minute(max((worker.at for worker in process_beats), default=None))
        yield finding("workers", cause, "gateway serve", at=last_seen).worded("ok" if has_loops else "none")
    elif stuck:
        finding, cure = red if len(stuck) == len(alive) else yellow, "systemctl restart gateway.target"
        processes = ", ".join(worker.process for worker in stuck)
        loops = ", ".join(sorted({loop for worker in stuck for loop in worker.stuck}))
        yield finding("workers", "workers.stuck", cure, processes=processes, loops=loops).worded("ok")
    else:
        yield green("workers", "workers.fine", count=len(alive)).worded("ok")


async def processes(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Report what the node's living processes see of themselves, because another one may have other secrets or folders."""
    now = subject.clock.now()
    live_beats = [
        b for b in await subject.pool.run(partial(all_beats, subject.heartbeat, now)) if b.lives(now)
    ]
    for beat in live_beats:
        for check, why in beat.faults.items():
            cause, cure = _OF_PROCESS[check.partition(".")[0]]
            fault = red(cause, cause, cure, process=beat.process, why=why)
            yield fault.worded("faulty", stops=subject.node is not None and beat.process == own_name())
    if len({(beat.version, beat.settings) for beat in live_beats}) > 1:
        rows = ", ".join(f"{beat.process}: {beat.version} {beat.settings}" for beat in live_beats)
        yield yellow("process", "process.differ", "systemctl restart gateway.target", processes=rows)


async def pace(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Check the measured paces against their limits. The finding is never red, and there is none without measurements."""
    measured = await subject.pool.run(partial(slots, subject.heartbeat, subject.clock.now()))
    limited = [p for p in paces(measured) if p.way in LIMITED]
    slow_paces = [p for p in limited if p.is_slow]
    for slow in slow_paces:
        params = {"way": slow.way, "lane": slow.lane, "late": slow.late, "count": slow.count}
        yield yellow("pace", "pace.slow", "gateway status", **params)
    if limited and not slow_paces:
        late, count = sum(p.late for p in limited), sum(p.count for p in limited)
        yield green("pace", "pace.fine", late=late, count=count)


async def log(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Check that the log is sealed, stamped and published in time: events without a seal can still be changed in the
    database (E2, sealing soon)."""
    settings, node = subject.settings.log, subject.node
    closes_after = node.gate.most if node is not None else timedelta(hours=settings.require_timestamp_h)
    head, now = await subject.store.log.head(), subject.clock.now()
    key_file = seal_key_path(subject.settings.keys.folder)
    if head.seal is not None and not await subject.pool.run(key_file.is_file):
        # A worker that opened it goes on with it, until it ends.
        yield red("log", "log.key_lost", "doctor.log.key_lost.cure", path=key_file).worded("key-lost")
    heartbeats = await subject.pool.run(partial(beats, subject.heartbeat, now))
    working = [beat for beat in heartbeats if beat.lives(now)]
    for finding in log_findings(head, now, stamped=bool(settings.tsa_url), closes_after=closes_after):
        is_served = finding.cause == "log.unsealed" and working
        yield replace(finding, cure="journalctl -u 'gateway-worker@*' -n 50") if is_served else finding


def log_findings(
    head: LogHead, now: datetime, *, stamped: bool, closes_after: timedelta = timedelta()
) -> Iterator[Diagnosis]:
    """Yield the findings about the state of the log. A late seal loses nothing, so it stops no call; without a timestamp
    for longer than `closes_after` the node accepts nothing. `stamped`: timestamps are configured."""
    if head.unsealed_since is not None and upkeep.is_unsealed(head, now):
        since = _minute(head.unsealed_since)
        yield red("log", "log.unsealed", "gateway serve", since=since).worded("unsealed")
    elif head.seal is None:
        yield green("log", "log.none").worded("ok")
    else:
        yield green("log", "log.fine", at=_minute(head.seal.signed.seal.at)).worded("ok")
    since = _minute(head.unstamped_since)
    if upkeep.lacks_stamp(head, closes_after, now):
        yield red("log", "log.closed", "gateway config show", since=since).worded("unstamped", stops=True)
    elif stamped and upkeep.lacks_stamp(head, UNSTAMPED_YELLOW, now):
        yield yellow("log", "log.unstamped", since=since)
    if head.seal is not None and _is_unpublished(head, now):
        cure = "gateway audit publish --to seal-of-this-node.seal"
        yield yellow("log", "log.unpublished", cure, since=_minute(head.published_at))


def _is_unpublished(head: LogHead, now: datetime) -> bool:
    if head.published_at is not None:
        return now - head.published_at > UNPUBLISHED_YELLOW
    return head.seal is not None and head.seal.signed.seal.number > _YOUNG


async def scanner(subject: Subject) -> AsyncGenerator[Diagnosis]:
    node = subject.node
    scan_service = node.scanner if node is not None else guards.scanner(subject.settings, subject.pool)
    yield scanner_finding(await scan_service.state())


def scanner_finding(state: ScannerState) -> Diagnosis:
    """Return the finding about the scanner's state. A scanner that is down stops nothing, and no document is lost."""
    if state.word == "off":
        return yellow("scanner", "scanner.off")
    if state.word == "ok":
        return green("scanner", "scanner.fine", version=state.detail).worded("ok")
    cure = "systemctl status clamav-daemon"
    return red("scanner", "scanner.down", cure, reason=state.detail).worded(state.word)


async def trial(subject: Subject) -> AsyncGenerator[Diagnosis]:
    if subject.settings.node.trial == "on":
        yield Diagnosis("trial", Level.GREEN, "ribbon", word="on", words="page")


async def hold(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Report open incidents of the sealed hold (R4, sealed content), each of which needs a decision."""
    has_recipient = subject.settings.seal.recipient is not None
    for finding in hold_findings(await subject.store.open_holds(), has_recipient=has_recipient):
        yield finding


def hold_findings(counts: Mapping[str, int], *, has_recipient: bool) -> Iterator[Diagnosis]:
    """Yield the findings about open holds, from their numbers by state. Frozen ones wait to be encrypted for the recipient;
    until then their content stays in the content store."""
    frozen, sealed = counts.get(HoldState.FROZEN, 0), counts.get(HoldState.SEALED, 0)
    if frozen and not has_recipient:
        yield red("hold", "hold.unsealed", "gateway hold key", count=frozen)
    elif frozen:
        yield yellow("hold", "hold.frozen", "gateway serve", count=frozen)
    if sealed:
        yield yellow("hold", "hold.open", "gateway hold list", count=sealed)
    if not frozen and not sealed:
        yield green("hold", "hold.none" if has_recipient else "hold.no_key")


async def webhooks(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Report webhooks that are paused or fail. Their events are delivered later, but their program misses them now."""
    load = await subject.store.webhooks.load()
    failing_count = load.endpoints.get("failing", 0)
    if load.dead:
        yield yellow("webhooks", "webhooks.paused", "gateway webhooks list", count=load.dead)
    if failing_count:
        yield yellow("webhooks", "webhooks.failing", "gateway webhooks list", count=failing_count)
    if load.endpoints and not load.dead and not failing_count:
        yield green("webhooks", "webhooks.fine", count=load.endpoints.get("active", 0))


async def systems(subject: Subject) -> AsyncGenerator[Diagnosis]:
    now = subject.clock.now()
    active_systems = {
        key.system
        for key in await subject.store.accounts.list_keys()
        if key.system is not None
        and key.revoked_at is None
        and (key.expires_at is None or key.expires_at > now)
    }
    stuck_counts = await subject.store.systems.stuck_by_system()
    for finding in system_findings(subject.settings.compat.vxp, len(active_systems), stuck_counts):
        yield finding


def system_findings(is_open: bool, active_count: int, stuck_counts: Mapping[str, int]) -> Iterator[Diagnosis]:
    """Yield the findings about the compatibility interface. Stuck items wait for a person, even while it is closed."""
    if count := sum(stuck_counts.values()):
        names = ", ".join(sorted(stuck_counts))
        yield yellow("compat", "compat.stuck", "gateway compat stuck", count=count, systems=names)
    if is_open and not active_count:
        yield yellow("compat", "compat.nobody", "gateway compat add SYSTEMID --agency CODE")
    elif active_count and not is_open:
        yield yellow("compat", "compat.closed", "gateway config show", count=active_count)
    elif is_open and not stuck_counts:
        yield green("compat", "compat.fine", count=active_count)


async def work(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Check whether work waits too long, failed, or needs a person."""
    counts, now = await subject.store.counts(), subject.clock.now()
    set_aside_states = ("held", "quarantined", "malformed", "sealed")
    facts = {
        "waiting": counts.get("outbox.waiting", 0) + counts.get("job.waiting", 0),
        "landed": counts.get("inbox.landed", 0),
        "failed": counts.get("outbox.failed", 0),
        "held": sum(counts.get(f"inbox.{state}", 0) for state in set_aside_states),
        "parked": counts.get("inbox.waiting", 0),
    }
    yield _lateness(await reporting.load(subject.store, now), now) or green("queues", "queues.fine", **facts)
    lacking = await reporting.without_queue(subject.store)
    if lacking.oldest is not None:
        waits, params = now - lacking.oldest, {"count": lacking.count, "since": _minute(lacking.oldest)}
        yield (red if waits > QUEUE_MISSING else yellow)(
            "outbox.queue", "queues.no_queue", "gateway axis check", **params
        )
    if facts["failed"]:
        yield yellow("outbox", "queues.failed", "gateway outbox list --state failed", **facts)
    if (full := await _full_partners(subject)) is not None:
        yield full
    if facts["held"]:
        yield yellow("quarantine", "queues.held", "gateway inbox list --quarantine", **facts)


async def _full_partners(subject: Subject) -> Diagnosis | None:
    """Return a finding about the partner with most unhandled mail, where that is near its budget."""
    allowed, hosted = subject.settings.limits.partner_mb * MB, await subject.store.hosted()
    sizes = await subject.store.partner_bytes()
    holders = [(size, code, a.code) for a in hosted for code, size in sizes.get(a.id, {}).items()]
    full = [holder for holder in holders if allowed and holder[0] > _NEARLY_FULL * allowed]
    if not full:
        return None
    size, code, agency = max(full)
    facts = {"code": code.upper(), "agency": agency, "used": size // MB, "allowed": allowed // MB}
    cure = f"gateway inbox list --state new --agency {agency}"
    return yellow("partners", "queues.partner", cure, count=len(full), **facts)


def _lateness(load: Load, now: datetime) -> Diagnosis | None:
    """Return a finding if jobs or packets wait too long to be packed, sent or verified here, for whatever cause."""
    limits = (
        *((pile, LIES) for pile in load.jobs.values()),
        *((pile, LIES_SOON if lane == Lane.URGENT else LIES) for lane, pile in load.outbox.items()),
        *((pile, LIES_SOON) for state, pile in load.inbox.items() if state == "landed"),
    )
    late_piles = [pile for pile, limit in limits if pile.oldest is not None and now - pile.oldest > limit]
    if not late_piles:
        return None
    oldest = min(pile.oldest for pile in late_piles if pile.oldest is not None)
    count, minutes = sum(pile.count for pile in late_piles), round((now - oldest).total_seconds() / 60)
    return yellow("queues", "queues.lying", "gateway queue list", count=count, minutes=minutes)


async def folder_states(subject: Subject) -> Sequence[FolderState]:
    """Return the state of each agency's hot folder; empty when hot folders are not configured."""
    rules = guards.folder_rules(subject.settings)
    if rules is None:
        return ()
    codes = [a.code for a in await subject.store.hosted() if rules.has_folder(a)]
    return await subject.pool.run(partial(folder_state.look, rules.root, rules.note, codes))


async def hot_folders(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Report for each hot folder whether it works, entries wait too long, or a person has to correct some. One trouble of
    all of them, such as a share that is not mounted, is one finding."""
    folders = await folder_states(subject)
    if len(folders) > 1 and folders[0].trouble and len({folder.trouble for folder in folders}) == 1:
        path = Path(folders[0].path).parent
        yield red("hot-folder", "hot.all", "gateway folder check", detail=folders[0].trouble, path=path)
        return
    for folder in folders:
        facts: dict[str, object] = {"code": folder.code, "path": folder.path}
        if folder.trouble:
            yield red("hot-folder", "hot.broken", "gateway folder check", detail=folder.trouble, **facts)
        elif folder.waiting and folder.oldest_s > FOLDER_WAITS_LONG_S:
            facts |= {"count": folder.waiting, "minutes": round(folder.oldest_s / 60)}
            yield yellow("hot-folder", "hot.waits", "gateway folder status", **facts)
        elif folder.errors:
            yield yellow("hot-folder", "hot.refused", f"ls {folder.path}/error", count=folder.errors, **facts)
        else:
            yield green("hot-folder", "hot.fine", **facts)
