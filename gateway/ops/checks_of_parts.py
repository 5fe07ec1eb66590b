"""What is checked of the parts of a node beside trust and lines: where things are kept, clocks, the database, what waits,
the sealed log, periodic jobs, how fast the node serves (R100, T26), the scanner for malware, the sealed hold. In:
the node that is examined. Out: what was found, with the command that cures it; nothing where there is nothing to say.
Changes nothing."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from gateway.bootstrap import ground, guards
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
from gateway.settings import sqlite_file
from gateway.store import data_folder, migrate, reporting
from gateway.store import restored as restoring
from gateway.store.data_folder import Disk
from gateway.store.reporting import Load
from gateway.workers.pulse import beats, slots

# No machine that runs this program has an earlier date; a dead clock battery shows so.
OLDEST_NOW = datetime(2025, 1, 1, tzinfo=UTC)
# A lease is taken up again within one; what lies longer has no worker at all.
STALE_AFTER = timedelta(minutes=10)
WRITES_S = 4.0
# The authority is asked every hour; after a day somebody should ask it in person.
UNSTAMPED_YELLOW = timedelta(hours=24)
UNPUBLISHED_YELLOW = timedelta(days=7)
# A log of a day or less need not have been published yet.
_YOUNG = 1440


def _minute(at: datetime | None) -> str:
    return at.isoformat(timespec="minutes") if at is not None else "–"


async def folders(subject: Subject) -> AsyncGenerator[Diagnosis]:
    settings = subject.settings
    paths = {"data": settings.node.data_dir, "axis": settings.axis.folder, "keys": settings.keys.folder}
    if settings.axis_kind != "embedded":
        del paths["axis"]
    for name, path in paths.items():
        check = f"folder.{name}"
        if not path.is_dir():
            yield red(check, "folder.missing", f"mkdir -p {path}", path=path)
        elif not os.access(path, os.W_OK | os.X_OK):
            yield red(check, "folder.read_only", f"chmod u+rwx {path}", path=path)
        elif name == "keys" and path.stat().st_mode & 0o077:
            yield red(check, "folder.open", f"chmod 700 {path}", path=path)
        else:
            yield green(check, "folder.fine", path=path)


async def database_file(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Said only of one that others can read: it holds what agencies write to each other about."""
    file = sqlite_file(subject.settings)
    if file is not None and file.is_file() and file.stat().st_mode & 0o077:
        yield yellow("database.file", "database.open", f"chmod 600 {file}*", path=file)


_DISK_LEVELS = {data_folder.GOOD: Level.GREEN, data_folder.LOW: Level.YELLOW, data_folder.FULL: Level.RED}


def judged_disks(subject: Subject) -> Sequence[Disk]:
    """Sync: for the pool."""
    node, kept_back = subject.node, subject.settings.limits.disk_free_mb * MB
    return data_folder.disks(
        ground.places(subject.settings), node.room.reserve if node is not None else kept_back
    )


async def disks(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Within a process it is known whether anything is taken in."""
    is_full = False
    try:
        if subject.node is not None:
            subject.node.room.check()
    except StoreFailure:
        is_full = True
    for disk in await subject.pool.run(partial(judged_disks, subject)):
        level = _DISK_LEVELS[disk.word]
        params = {"path": disk.path, "free_bytes": disk.space.bytes, "places": ", ".join(disk.places)}
        cure = None if level is Level.GREEN else f"du -xh --max-depth=2 {disk.path} | sort -h | tail"
        cause = "disk.fine" if level is Level.GREEN else "disk.low"
        if disk.space.lacks_inodes:
            cause = "disk.inodes"
        stops = is_full and level is Level.RED
        word = "full" if stops else "low" if level is Level.RED else "ok"
        yield Diagnosis("disk", level, cause, params, cure, word, stops)


DISK_LOOKED_AT, DISK_SOON_DAYS = timedelta(days=7), 14
_SHORTEST_KNOWN = timedelta(days=1)
# Longer is no forecast any more.
MOST_DISK_DAYS = 3650


async def disk_days(subject: Subject) -> int | None:
    """How long the disk lasts; None where that is not known, or it does not fill."""
    since = subject.clock.now() - DISK_LOOKED_AT
    return disk_days_left(await subject.store.history.samples(since, DISK), free_bytes(subject))


def disk_days_left(samples: Sequence[QueueSample], free: int) -> int | None:
    known = sorted((each.at, each.depth) for each in samples if each.queue == DISK)
    if not known or known[-1][0] - known[0][0] < _SHORTEST_KNOWN:
        return None
    (began, first), (ended, last) = known[0], known[-1]
    a_day = (first - last) / ((ended - began) / timedelta(days=1))
    return min(MOST_DISK_DAYS, int(free / MB / a_day)) if a_day > 0 else None


def free_bytes(subject: Subject) -> int:
    """Where the content lies; 0 where its disk does not say."""
    try:
        return data_folder.free_space(ground.places(subject.settings)["content"]).bytes
    except StoreFailure:
        return 0


async def disk_lasts(subject: Subject) -> AsyncGenerator[Diagnosis]:
    days = await disk_days(subject)
    if days is not None and days < DISK_SOON_DAYS:
        yield Diagnosis("disk", Level.YELLOW, "machine.disk", words="lamp")


_OLD_COPY = timedelta(hours=36)


async def copies(subject: Subject) -> AsyncGenerator[Diagnosis]:
    backup = data_folder.last_backup(subject.settings.node.data_dir)
    level, cause = Level.GREEN, "copies.well"
    if backup is None:
        level, cause = Level.RED, "copies.never"
    elif backup.at < subject.clock.now() - _OLD_COPY:
        level, cause = Level.YELLOW, "copies.old"
    yield Diagnosis("copies", level, cause, words="lamp")


CLOCK_SKEW = timedelta(minutes=5)
SET_CLOCK = "timedatectl set-ntp true"


async def clock(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """A wrong clock makes good certificates look expired, and our signatures false (K2)."""
    now, file = subject.clock.now(), sqlite_file(subject.settings)
    written = datetime.fromtimestamp(file.stat().st_mtime, UTC) if file and file.exists() else now
    told = {"now": now.isoformat(timespec="seconds"), "written": written.isoformat(timespec="seconds")}
    if now < OLDEST_NOW or written - now > CLOCK_SKEW:
        yield red("clock", "clock.behind", SET_CLOCK, **told)
    else:
        yield green("clock", "clock.fine", **told)


async def server_clock(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Leases are times: to a machine whose clock is ahead the work that another one does looks abandoned (G7)."""
    node = subject.node
    gap = node.guard.gap() if node is not None else await subject.store.clock_gap(subject.clock.now)
    if not clocks_agree(gap, subject.lease_s):
        told = {"seconds": round(abs(gap).total_seconds()), "most": round(subject.lease_s / 3)}
        yield red("clock", "clock.apart", SET_CLOCK, **told).worded("apart", stops=True)


def clock_set_back(ahead: Mapping[str, int], written: datetime | None, now: datetime) -> Iterator[Diagnosis]:
    """Nothing waits for such a time; a person should know why they are there."""
    tables = [table for table, count in ahead.items() if count]
    late = written if written is not None and written - now > CLOCK_SKEW else None
    if tables or late:
        yield yellow(
            "clock",
            "clock.moved",
            SET_CLOCK,
            count=sum(ahead.values()),
            tables=", ".join(tables) or "–",
            written=late.isoformat(timespec="seconds") if late else "–",
        )


async def database(subject: Subject) -> AsyncGenerator[Diagnosis]:
    file = sqlite_file(subject.settings)
    if file is not None and not file.is_file():
        yield red("database", "database.missing", "gateway init", path=file)
        return
    schema = await subject.schema()
    whole = _schema_finding(schema)
    if schema.pending or not schema.runs_here:
        yield whole
        return
    now = subject.clock.now()
    horizon = Horizon.of(now, subject.lease_s)
    found = await reporting.examine(subject.settings.database.address, now - STALE_AFTER, horizon)
    if found.damage:
        yield red("database", "database.damaged", "gateway restore FILE.backup", detail=found.damage)
        return
    yield whole
    stale = {table: count for table, count in found.stale.items() if count}
    told = {"count": sum(stale.values()), "tables": ", ".join(stale) or "–"}
    if stale:
        yield yellow("leases", "leases.stale", "gateway serve", **told)
    else:
        yield green("leases", "leases.fine", **told)
    for moved in clock_set_back(found.ahead, found.written, now):
        yield moved
    if not found.searches:
        yield yellow("search", "search.slow")


async def answers(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Whether the database answers, and with a schema that this version knows."""
    await reporting.answers(subject.store)
    yield _schema_finding(await subject.schema())


def _schema_finding(schema: migrate.SchemaStatus) -> Diagnosis:
    told = {"current": schema.current or "–", "head": schema.head}
    if any(step.phase == "expand" for step in schema.pending):
        cure = "gateway migrate up"
        return red("database", "database.old", cure, **told).worded("old-schema", stops=True)
    if schema.pending:
        return yellow("database", "database.old", "gateway migrate up", **told).worded("ok")
    if not schema.is_newer:
        return green("database", "database.fine", head=schema.head).worded("ok")
    cure = "./upgrade.sh release.pub"
    if schema.runs_here:
        return yellow("database", "database.newer", cure, **told).worded("ok")
    return red("database", "database.newer", cure, **told).worded("newer-schema", stops=True)


async def writes(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """A standby or a disk that became read-only answers everything and takes no document."""
    try:
        async with asyncio.timeout(WRITES_S):
            await reporting.writable(subject.store)
    except TimeoutError:
        pass  # one long transaction of a worker, on a database with one writer
    except StoreFailure as error:
        broken = red("database", "database.read-only", "gateway config show", detail=str(error))
        yield broken.worded("read-only", stops=True)


async def restored(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """An older copy may have brought back what was withdrawn since: the node does not open before people looked."""
    mark = await restoring.waiting(subject.store)
    if mark is not None:
        yield red("restored", "restored.unconfirmed", "gateway restored", at=mark.data.get("copied_at", "–"))


async def jobs(subject: Subject) -> AsyncGenerator[Diagnosis]:
    now = subject.clock.now()
    days = await subject.store.history.days((now - HISTORY_KEPT).date())
    lines = upkeep.job_lines(days, now)
    late = tuple(each.job for each in lines if each.word == upkeep.LATE)
    faulty = tuple(each.job for each in lines if each.word == upkeep.FAULTY)
    if loops := tuple(job for job in late if job != "backup"):
        yield yellow("jobs", "jobs.late", "gateway serve", jobs=loops)
    if "backup" in late:
        yield yellow("jobs", "jobs.late", "gateway backup --passphrase-file passphrase.txt", jobs=("backup",))
    if faulty:
        yield yellow("jobs", "jobs.faulty", jobs=faulty)
    if days and not late and not faulty:
        yield green("jobs", "jobs.fine")


async def workers(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """The node's, in whatever process: one that answers and works is ready all the same."""
    now, folder = subject.clock.now(), subject.heartbeat
    known = await subject.pool.run(partial(beats, folder, now))
    alive = [worker for worker in known if worker.lives(now)]
    stuck = [worker for worker in alive if worker.stuck]
    works_here = subject.node is not None and bool(subject.node.pulse.loops())
    if not alive:
        # Some process of the node was started once, so that its workers are missed.
        tell, cause = (red, "workers.none") if folder.is_dir() else (yellow, "workers.never")
        seen = _minute(max((worker.at for worker in known), default=None))
        yield tell("workers", cause, "gateway serve", at=seen).worded("ok" if works_here else "none")
    elif stuck:
        tell, cure = red if len(stuck) == len(alive) else yellow, "systemctl restart gateway.target"
        processes = ", ".join(worker.process for worker in stuck)
        loops = ", ".join(sorted({loop for worker in stuck for loop in worker.stuck}))
        yield tell("workers", "workers.stuck", cure, processes=processes, loops=loops).worded("ok")
    else:
        yield green("workers", "workers.fine", count=len(alive)).worded("ok")


async def pace(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Never red, and not told where nothing was measured."""
    measured = await subject.pool.run(partial(slots, subject.heartbeat, subject.clock.now()))
    found = [each for each in paces(measured) if each.way in LIMITED]
    slow = [each for each in found if each.is_slow]
    for each in slow:
        told = {"way": each.way, "lane": each.lane, "late": each.late, "count": each.count}
        yield yellow("pace", "pace.slow", "gateway status", **told)
    if found and not slow:
        late, count = sum(each.late for each in found), sum(each.count for each in found)
        yield green("pace", "pace.fine", late=late, count=count)


async def log(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """E2: what waits for its seal can be changed by whoever can write to the database."""
    settings, node = subject.settings.log, subject.node
    closes_after = node.gate.most if node is not None else timedelta(hours=settings.require_timestamp_h)
    head, now = await subject.store.log.head(), subject.clock.now()
    for each in log_findings(head, now, stamped=bool(settings.tsa_url), closes_after=closes_after):
        yield each


def log_findings(
    head: LogHead, now: datetime, *, stamped: bool, closes_after: timedelta = timedelta()
) -> Iterator[Diagnosis]:
    """The state of the log, and what is late. Nothing that waits for its seal is lost: that alone stops no call. Without a
    timestamp for longer than `closes_after` nothing is taken in."""
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
    asked = node.scanner if node is not None else guards.scanner(subject.settings, subject.pool)
    yield scanner_finding(await asked.state())


def scanner_finding(state: ScannerState) -> Diagnosis:
    """A scanner that is down stops nothing that is here already, and loses nothing."""
    if state.word == "off":
        return yellow("scanner", "scanner.off")
    if state.word == "ok":
        return green("scanner", "scanner.fine", version=state.detail).worded("ok")
    return red("scanner", "scanner.down", reason=state.detail).worded(state.word)


async def trial(subject: Subject) -> AsyncGenerator[Diagnosis]:
    if subject.settings.node.trial == "on":
        yield Diagnosis("trial", Level.GREEN, "ribbon", word="on", words="page")


async def hold(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """R4: an incident is open until a person decided; frozen content that cannot be sealed lies in the content store."""
    has_recipient = subject.settings.seal.recipient is not None
    for each in hold_findings(await subject.store.open_holds(), has_recipient=has_recipient):
        yield each


def hold_findings(counts: Mapping[str, int], *, has_recipient: bool) -> Iterator[Diagnosis]:
    """`counts` are the open holds by state."""
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
    """Nothing is lost of one that stands still: it is told when it goes on. But its program does not know."""
    load = await subject.store.webhooks.load()
    failing = load.endpoints.get("failing", 0)
    if load.dead:
        yield yellow("webhooks", "webhooks.paused", "gateway webhooks list", count=load.dead)
    if failing:
        yield yellow("webhooks", "webhooks.failing", "gateway webhooks list", count=failing)
    if load.endpoints and not load.dead and not failing:
        yield green("webhooks", "webhooks.fine", count=load.endpoints.get("active", 0))


async def systems(subject: Subject) -> AsyncGenerator[Diagnosis]:
    now = subject.clock.now()
    active = {
        each.system
        for each in await subject.store.accounts.list_keys()
        if each.system is not None
        and each.revoked_at is None
        and (each.expires_at is None or each.expires_at > now)
    }
    stuck = await subject.store.systems.stuck_by_system()
    for finding in system_findings(subject.settings.compat.vxp, len(active), stuck):
        yield finding


def system_findings(is_open: bool, active: int, stuck: Mapping[str, int]) -> Iterator[Diagnosis]:
    """The compatibility door. What a system could not take waits for a person, also while the door is closed."""
    if count := sum(stuck.values()):
        names = ", ".join(sorted(stuck))
        yield yellow("compat", "compat.stuck", "gateway compat stuck", count=count, systems=names)
    if is_open and not active:
        yield yellow("compat", "compat.nobody", "gateway compat add SYSTEMID --agency CODE")
    elif active and not is_open:
        yield yellow("compat", "compat.closed", "gateway config show", count=active)
    elif is_open and not stuck:
        yield green("compat", "compat.fine", count=active)


# As the alarms of docs/operations.md: who waits longer does so because something stands in the way.
LIES_SOON, LIES = timedelta(minutes=5), timedelta(minutes=30)


async def work(subject: Subject) -> AsyncGenerator[Diagnosis]:
    counts, now = await subject.store.counts(), subject.clock.now()
    aside = ("held", "quarantined", "malformed", "sealed")
    told = {
        "waiting": counts.get("outbox.waiting", 0) + counts.get("job.waiting", 0),
        "landed": counts.get("inbox.landed", 0),
        "failed": counts.get("outbox.failed", 0),
        "held": sum(counts.get(f"inbox.{state}", 0) for state in aside),
        "parked": counts.get("inbox.waiting", 0),
    }
    yield _lying(await reporting.load(subject.store, now), now) or green("queues", "queues.fine", **told)
    if told["failed"]:
        yield yellow("outbox", "queues.failed", "gateway outbox list --state failed", **told)
    if told["held"]:
        yield yellow("quarantine", "queues.held", "gateway inbox list --quarantine", **told)


def _lying(load: Load, now: datetime) -> Diagnosis | None:
    """Find what waits too long to be packed, sent or verified here, whatever holds it up."""
    limits = (
        *((pile, LIES) for pile in load.jobs.values()),
        *((pile, LIES_SOON if lane == Lane.URGENT else LIES) for lane, pile in load.outbox.items()),
        *((pile, LIES_SOON) for state, pile in load.inbox.items() if state == "landed"),
    )
    lying = [pile for pile, limit in limits if pile.oldest is not None and now - pile.oldest > limit]
    if not lying:
        return None
    oldest = min(pile.oldest for pile in lying if pile.oldest is not None)
    count, minutes = sum(pile.count for pile in lying), round((now - oldest).total_seconds() / 60)
    return yellow("queues", "queues.lying", "gateway queue list", count=count, minutes=minutes)


# A look comes every few seconds, and what lacks a file waits some minutes.
FOLDER_WAITS_LONG_S = 3600.0


async def folder_states(subject: Subject) -> Sequence[FolderState]:
    """How the hot folder of each agency that has one stands; none where none is set."""
    rules = guards.folder_rules(subject.settings)
    if rules is None:
        return ()
    codes = [each.code for each in await subject.store.hosted() if rules.has_folder(each)]
    return await subject.pool.run(partial(folder_state.look, rules.root, rules.note, codes))


async def hot_folders(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """What stands in the way of a hot folder, what lies there too long, and what a person has to correct."""
    for each in await folder_states(subject):
        told: dict[str, object] = {"code": each.code, "path": each.path}
        if each.trouble:
            yield red("hot-folder", "hot.broken", "gateway folder check", detail=each.trouble, **told)
        elif each.waiting and each.oldest_s > FOLDER_WAITS_LONG_S:
            told |= {"count": each.waiting, "minutes": round(each.oldest_s / 60)}
            yield yellow("hot-folder", "hot.waits", "gateway folder status", **told)
        elif each.errors:
            yield yellow("hot-folder", "hot.refused", f"ls {each.path}/error", count=each.errors, **told)
        else:
            yield green("hot-folder", "hot.fine", **told)
