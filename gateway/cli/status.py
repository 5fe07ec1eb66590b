"""`gateway status`, `gateway doctor`, `gateway watch`: state of the node, and its events. In: settings, or an open node.
Out: lines for a person, or the same for programs. `status` shows the node on one screen, a line for each question that an
operator has in the morning, marked where action is needed. `doctor` says what is wrong, why, and what to type, a line per
check, or writes a report to attach; exit 1 when any is red; it works on a node that does not start. `watch` prints one
agency's events, a line each, as they are numbered; it ends with Ctrl+C, or after --once with the existing ones."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import documents, output, tables
from gateway.cli.command import Invocation, OutputFormat, option, verb
from gateway.cli.node import StoreContext, at_node, at_rows, must_exist
from gateway.cli.output import FAILED, age
from gateway.cli.trust import issuer_line, issuer_record
from gateway.domain import pace
from gateway.domain.diagnosis import Diagnosis, Level, Tag, worst
from gateway.domain.event import Event
from gateway.errors import GatewayError
from gateway.words import labels

if TYPE_CHECKING:
    from gateway.domain.pace import Pace
    from gateway.folder.state import FolderState
    from gateway.ops.axis_view import AxisView
    from gateway.ops.status import Backup, NodeStatus
    from gateway.ops.subject import Subject
    from gateway.settings import Settings
    from gateway.store.data_folder import Disk
    from gateway.store.reporting import Pile

GOOD, LOOK, BAD = "✓", "!", "✗"
# Below this an authority may not be in time with the next certificate.
EXPIRING_DAYS = 60
BACKUP_TOO_OLD = timedelta(days=2)
# Our own rows never wait so long while all is well.
WAITS_LONG = timedelta(minutes=15)
# As the home page's lamp has it.
_DISK_SOON_DAYS = 14
_DISK_MARKS = {"good": GOOD, "low": LOOK, "full": BAD}
_NEED_A_PERSON = frozenset({"held", "quarantined", "malformed", "sealed"})
_STYLES = {"green": "green", "yellow": "yellow", "red": "bold red", "skipped": "dim"}
_EVENTS_AT_ONCE = 200
# Events of other processes wake no loop here, so the feed polls.
_LOOK_S = 0.5


@verb()
async def status(call: Invocation) -> None:
    """Show the node on one screen: axis, queues, late documents, certificates, backup, workers, speed."""
    from gateway.ops import checks, status
    from gateway.ops.subject import Subject

    async with at_node(call.settings()) as node:
        node_status = await status.look(node)
        findings = await checks.examine(Subject.within(node), Tag.STATUS)
    all_lines = [*lines(call, node_status), *_trouble_lines(call, findings)]
    texts = (output.plain(f"{mark} {text}") for mark, text in all_lines)
    output.answer(call, status_json(node_status) | {"checks": _levels(findings)}, texts)


def _trouble_lines(call: Invocation, findings: Sequence[Diagnosis]) -> Iterator[tuple[str, str]]:
    """Yield findings that have no line of their own above, where they are not green."""
    for finding in findings:
        if finding.level is not Level.GREEN:
            yield finding.level.mark, f"{finding.check}: {finding.says(call.lang.value)}"


def _levels(findings: Sequence[Diagnosis]) -> dict[str, str]:
    """Return the worst level of each check."""
    ordered = sorted(findings, key=lambda f: f.level.badness)
    return {f.check: f.level.value for f in ordered}


def lines(call: Invocation, status: NodeStatus) -> Iterator[tuple[str, str]]:
    """Yield mark and text, in the order of an operator's questions."""
    agencies = ", ".join(status.certificates) or "–"
    yield (GOOD, call.word("cli.status.node", node=status.node, version=status.version, agencies=agencies))
    yield _reserve(call, status)
    yield from axis_lines(call, status.axis)
    yield from _queues(call, status)
    yield from _deliveries(call, status)
    for code, days in status.certificates.items():
        key = "cli.status.certificate" if days > 0 else "cli.status.no_certificate"
        yield GOOD if days > EXPIRING_DAYS else LOOK, call.word(key, code=code, days=int(days))
    for code, days in status.partners.items():
        yield LOOK, call.word("cli.status.partner", code=code, days=int(days))
    for issuer in status.authorities:
        yield GOOD if issuer.word == "good" else LOOK, issuer_line(call, issuer, status.at)
    yield _backup(call, status.backup, status.at)
    yield from _workers(call, status)
    yield from _paces(call, status.paces)
    for folder in status.folders:
        yield _folder(call, folder)
    scanner = status.scanner.word
    mark = GOOD if scanner in ("ok", "off") else LOOK
    yield mark, call.word("cli.status.scanner", state=_label_or(call, f"scanner.{scanner}", scanner))
    for disk in status.disks:
        free = labels.megabytes(disk.space.bytes, call.lang.value)
        yield _DISK_MARKS[disk.word], call.word("cli.status.disk", path=disk.path, free=free)


def _spare_workers(status: NodeStatus) -> int:
    """Return how many worker processes can be lost while one goes on; -1 where none works."""
    return sum(beat.lives(status.at) and not beat.stuck for beat in status.workers) - 1


def _reserve(call: Invocation, status: NodeStatus) -> tuple[str, str]:
    """Say how many failures the node can bear now: of workers, of backups, and of days without more disk."""
    spare, days = _spare_workers(status), status.disk_days
    is_enough = spare >= 0 and status.backups > 0 and (days is None or days >= _DISK_SOON_DAYS)
    words = {"workers": max(spare, 0), "backups": status.backups, "days": "–" if days is None else days}
    return GOOD if is_enough else LOOK, call.word("cli.status.reserve", **words)


def axis_lines(call: Invocation, axis: AxisView) -> Iterator[tuple[str, str]]:
    """Describe the line and the parcels on it; of several axes each under its name."""
    for name, view in axis.by_name.items():
        for mark, text in axis_lines(call, view):
            yield mark, f"{name} · {text}"
    if axis.by_name:
        return
    state = axis.state
    mark = GOOD if state.word in ("up", "idle") else LOOK
    since = output.clock(state.since)
    yield mark, call.word(f"cli.status.axis.{state.word}", since=since, reason=state.reason)
    if axis.counts:
        yield LOOK if axis.counts.get("dead") else GOOD, call.word("cli.axis.state", **axis.counts)


def _queues(call: Invocation, node_status: NodeStatus) -> Iterator[tuple[str, str]]:
    load = node_status.load
    queues = (
        ("job", "queue.job", load.jobs),
        ("outbox", "lane", load.outbox),
        ("inbox", "packet", load.inbox),
    )
    for queue, words, piles in queues:
        for sort, pile in sorted(piles.items()):
            title = f"{call.word(f'queue.{queue}')} ({_label_or(call, f'{words}.{sort}', sort)})"
            mark, text = _pile(call, title, pile, node_status.at)
            yield LOOK if queue == "inbox" and sort in _NEED_A_PERSON else mark, text
    if load.outbox_failed:
        title = call.word("cli.status.failed")
        yield LOOK, call.word("cli.status.pile", what=title, count=load.outbox_failed)


def _deliveries(call: Invocation, node_status: NodeStatus) -> Iterator[tuple[str, str]]:
    if node_status.load.deliveries:
        states = ", ".join(
            f"{_label_or(call, f'state.{state}', state)} {count}"
            for state, count in sorted(node_status.load.deliveries.items())
        )
        yield GOOD, call.word("cli.status.deliveries", states=states)
    if node_status.load.late.count:
        _, text = _pile(call, call.word("cli.status.late"), node_status.load.late, node_status.at)
        yield LOOK, text


def _backup(call: Invocation, backup: Backup | None, now: datetime) -> tuple[str, str]:
    if backup is None:
        return LOOK, call.word("cli.status.no_backup")
    verified = output.clock(backup.verified_at) or call.word("cli.status.never")
    fresh = now - backup.at < BACKUP_TOO_OLD
    text = call.word("cli.status.backup", at=output.clock(backup.at), verified=verified)
    return GOOD if fresh and backup.verified_at else LOOK, text


def _folder(call: Invocation, folder: FolderState) -> tuple[str, str]:
    if folder.trouble:
        return LOOK, call.word("cli.folder.trouble", agency=folder.code, why=folder.trouble)
    text = call.word(
        "cli.status.folder",
        agency=folder.code,
        waiting=folder.waiting,
        age=age(call, timedelta(seconds=folder.oldest_s)),
        errors=folder.errors,
        unacked=folder.unacked,
    )
    return LOOK if folder.errors else GOOD, text


def _workers(call: Invocation, node_status: NodeStatus) -> Iterator[tuple[str, str]]:
    if not any(beat.lives(node_status.at) for beat in node_status.workers):
        yield BAD, call.word("cli.status.no_worker")
    for worker in node_status.workers:
        if worker.stuck:
            loops = ", ".join(worker.stuck)
            yield LOOK, call.word("cli.status.stuck", process=worker.process, loops=loops)
        else:
            beat_age = age(call, node_status.at - worker.at)
            yield (
                GOOD if worker.lives(node_status.at) else LOOK,
                call.word("cli.status.worker", process=worker.process, age=beat_age),
            )


def _paces(call: Invocation, measured: Sequence[Pace]) -> Iterator[tuple[str, str]]:
    if not measured:
        yield GOOD, call.word("cli.status.no_pace")
    for row in measured:
        text = call.word(
            "cli.status.pace",
            way=call.word(f"pace.way.{row.way}"),
            lane=call.word(f"lane.{row.lane}"),
            axis=_label_or(call, f"pace.axis.{row.axis}", row.axis),
            count=row.count,
            late=row.late,
            **{name: _bound(call, getattr(row, name)) for name in ("p50", "p95", "p99")},
        )
        yield LOOK if row.is_slow else GOOD, text


def _bound(call: Invocation, bound: float | None) -> str:
    key, number = pace.words(bound)
    return call.word(key, n=number)


def _pile(call: Invocation, title: str, pile: Pile, now: datetime) -> tuple[str, str]:
    if pile.oldest is None:
        return GOOD, call.word("cli.status.pile", what=title, count=pile.count)
    oldest_age = now - pile.oldest
    text = call.word("cli.status.pile_old", what=title, count=pile.count, age=age(call, oldest_age))
    return LOOK if oldest_age > WAITS_LONG else GOOD, text


def _label_or(call: Invocation, key: str, default: str) -> str:
    return call.word(key) if labels.has(key) else default


def status_json(node_status: NodeStatus) -> dict[str, Any]:
    """Return the status for programs."""
    load, backup = node_status.load, node_status.backup
    return {
        "node": node_status.node,
        "version": node_status.version,
        "at": output.stamp(node_status.at),
        "agencies": list(node_status.certificates),
        "axis": axis_json(node_status.axis),
        "jobs": _piles(load.jobs),
        "outbox": _piles(load.outbox) | {"failed": load.outbox_failed},
        "inbox": _piles(load.inbox),
        "deliveries": dict(load.deliveries),
        "late": asdict(load.late),
        "leases": dict(load.leases),
        "events_unnumbered": load.unnumbered,
        "certificates": {code: round(days, 1) for code, days in node_status.certificates.items()},
        "partners_ending": {code: round(days, 1) for code, days in node_status.partners.items()},
        "revocation": [issuer_record(i) for i in node_status.authorities],
        "backup": asdict(backup) if backup else None,
        "workers": [output.fields(worker, "process at since stuck") for worker in node_status.workers],
        "paces": [p.to_json() for p in node_status.paces],
        "spare_workers": max(_spare_workers(node_status), 0),
        "backups": node_status.backups,
        "disk_days": node_status.disk_days,
        "disk_free_bytes": node_status.disk_free,
        "disks": [_disk_record(disk) for disk in node_status.disks],
        "scanner": node_status.scanner.word,
        "folders": [asdict(f) for f in node_status.folders],
    }


def axis_json(axis: AxisView) -> dict[str, Any]:
    """Return state and counts of the axis for programs."""
    by_name = {name: axis_json(view) for name, view in axis.by_name.items()}
    return {**asdict(axis.state), **axis.counts} | ({"each": by_name} if by_name else {})


def _piles(piles: Mapping[str, Pile]) -> dict[str, Any]:
    return {name: asdict(pile) for name, pile in sorted(piles.items())}


def _disk_record(disk: Disk) -> dict[str, Any]:
    room = {"free_bytes": disk.space.bytes, "free_inodes": disk.space.inodes}
    return {"places": list(disk.places), "path": str(disk.path), **room, "state": disk.word}


@verb("", "--report > node.txt", "--fix", writes=True)
async def doctor(
    call: Invocation,
    report: Annotated[
        bool, option("Print a report to attach when asking for help; it contains no secret.", "--report")
    ] = False,
    fix: Annotated[
        bool, option("Cure what can be cured safely: say each cure, ask, do it, and check again.", "--fix")
    ] = False,
) -> None:
    """Examine the node: settings, folders, disk, database, clock, keys, trust, axis, idle work."""
    from gateway.clock import SystemClock
    from gateway.ops import checks
    from gateway.ops.subject import Subject
    from gateway.pool import ThreadPool

    settings = call.settings()
    with closing(ThreadPool(1)) as pool:
        subject = Subject(settings=settings, clock=SystemClock(), pool=pool)
        findings, cures = await checks.examine(subject), list[dict[str, Any]]()
        if fix:
            findings, cures = await _cure(call, subject, findings)
    worst_finding = worst(findings)
    level = worst_finding.level if worst_finding is not None else Level.GREEN
    records = [_finding_record(call, f) for f in findings]
    if report:
        _print_report(call, await _make_report(settings, findings))
    elif call.output is OutputFormat.TABLE:
        for finding in findings:
            if not call.quiet or finding.level is not Level.GREEN:
                print_finding(call, finding, f"{finding.level.mark} {finding.check:<14}")
    elif call.output is OutputFormat.JSON:
        output.document({"level": level, "checks": records} | ({"cures": cures} if fix else {}))
    else:
        output.lines(output.compact(r) for r in records)
    if level is Level.RED:
        raise typer.Exit(FAILED)


async def _cure(
    call: Invocation, subject: Subject, findings: list[Diagnosis]
) -> tuple[list[Diagnosis], list[dict[str, Any]]]:
    """Cure what the person agrees to, and examine the node again. Return the findings and one record for each cure."""
    from gateway.ops import checks
    from gateway.ops.cures import CURES

    records = []
    for finding in (f for f in findings if f.cause in CURES):
        says = output.plain(call.word(f"cure.{finding.cause}", **finding.params))
        call.say("cli.will", what=says)
        record = {
            "check": finding.check,
            "code": finding.cause,
            "will": says,
            "state": "skipped",
            "reason": "",
        }
        records.append(record)
        if call.dry_run or not _wants_cure(call, says):
            continue
        record["state"] = "done"
        try:
            await CURES[finding.cause](subject, finding)
        except (OSError, GatewayError) as error:
            record |= {"state": "failed", "reason": str(error)}
        await subject.close()
    if any(record["state"] != "skipped" for record in records):
        findings = await checks.examine(subject)
    standing = {(f.check, f.cause) for f in findings}
    for record in records:
        if record["state"] == "done":
            record["state"] = "stands" if (record["check"], record["code"]) in standing else "cured"
        call.say(f"cli.cure.{record['state']}", what=record["will"], reason=record["reason"])
    if not records:
        call.say("cli.cure.none")
    return findings, records


def _wants_cure(call: Invocation, says: str) -> bool:
    """Ask about one cure; a refusal goes on with the next one."""
    if call.yes:
        return True
    if not sys.stdin.isatty():
        raise typer.BadParameter(call.word("cli.needs_yes", what=says))
    return typer.confirm(call.word("cli.ask.cure"), err=True)


def print_finding(call: Invocation, finding: Diagnosis, head: str) -> None:
    """Print a finding behind its head, and below it what to do."""
    lang, style = call.lang.value, _STYLES[finding.level]
    output.lines([f"{tables.painted(head, style)} {output.plain(finding.says(lang))}"])
    if cure := finding.mends(lang):
        output.lines([f"  → {cure}"])


async def _make_report(settings: Settings, findings: list[Diagnosis]) -> dict[str, Any]:
    """Make the report; for a node that does not open, what is known without it, and why it does not."""
    from gateway.bootstrap.node import open_node
    from gateway.clock import SystemClock
    from gateway.errors import GatewayError
    from gateway.ops import status

    facts: dict[str, Any] = status.report_of_settings(settings, findings, SystemClock().now())
    try:
        must_exist(settings)
        async with open_node(settings) as node:
            return facts | await status.report_of_node(node)
    except GatewayError as error:
        return facts | {"does_not_open": error.code}


def _print_report(call: Invocation, facts: dict[str, Any]) -> None:
    from gateway.ops.status import report_lines

    if call.output is OutputFormat.TABLE:
        print(output.local_times("".join(report_lines(facts))), end="")
    elif call.output is OutputFormat.JSON:
        output.document(facts)
    else:
        output.lines([output.compact(facts)])


def _finding_record(call: Invocation, finding: Diagnosis) -> dict[str, Any]:
    return output.fields(finding, "check level says cure", says=output.plain(finding.says(call.lang.value)))


@verb("", "--id msg_01J… -o ndjson")
async def watch(
    call: Invocation,
    id: Annotated[str | None, option("Only events of this document or packet.", "--id")] = None,
    after: Annotated[int | None, option("Begin after this event number; 0 for all events.", min=0)] = None,
    once: Annotated[bool, option("Print the events so far, then exit.", "--once")] = False,
) -> None:
    """Print events as they happen, oldest first. Ctrl+C ends it."""
    async with at_rows(call.settings(), call.agency) as context:
        seq = after if after is not None else (0 if id or once else await _newest_event(context))
        while True:
            new_events = await context.node.store.events_after(context.agency.id, seq, _EVENTS_AT_ONCE)
            for event in new_events:
                seq = event.agency_seq or seq
                if id is None or id in (event.subject_id, *map(str, event.data.values())):
                    _print_event(call, event)
            if once and len(new_events) < _EVENTS_AT_ONCE:
                return
            if not new_events:
                await context.node.clock.sleep(_LOOK_S)


async def _newest_event(context: StoreContext) -> int:
    """Return the number of the newest event now."""
    seq = 0
    while page := await context.node.store.events_after(context.agency.id, seq, _EVENTS_AT_ONCE):
        seq = page[-1].agency_seq or seq
    return seq


def _print_event(call: Invocation, event: Event) -> None:
    if call.quiet:
        print(event.subject_id, flush=True)
    elif call.output is OutputFormat.TABLE:
        line = (
            f"{output.clock(event.at)}  {event.kind:<26}  {event.subject_id}  {documents.event_detail(event)}"
        )
        print(output.plain(line).rstrip(), flush=True)
    else:
        output.stream(documents.event_record(event))
