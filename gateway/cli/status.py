"""`gateway status`, `gateway doctor`, `gateway watch`: how the node is, and what happens on it. In: settings, or an
open node. Out: lines for a person, or the same for programs.

`status` is the node on one screen, a line for each thing that an operator asks in the morning, marked where somebody
should look. `doctor` says what is wrong, why, and what to type, a line per check, or writes a report to attach; exit
1 when any is red; it works on a node that does not start. `watch` prints one agency's events, a line each, as they
are numbered; it ends with Ctrl+C, or after --once with what is there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import documents, output
from gateway.cli.command import Invocation, OutputFormat, verb
from gateway.cli.node import Seat, at_agency, at_node, must_exist
from gateway.cli.output import FAILED, age
from gateway.cli.trust import issuer_line, shown_issuer
from gateway.domain import pace
from gateway.domain.diagnosis import Diagnosis, Level, Tag, worst
from gateway.domain.event import Event
from gateway.words import labels

if TYPE_CHECKING:
    from gateway.domain.pace import Pace
    from gateway.folder.state import FolderState
    from gateway.ops.axis_now import AxisNow
    from gateway.ops.status import Backup, NodeStatus
    from gateway.settings import Settings
    from gateway.store.data_folder import Disk
    from gateway.store.reporting import Pile

GOOD, LOOK, BAD = "✓", "!", "✗"
# Below this an authority may not be in time with the next certificate.
EXPIRING_DAYS = 60
BACKUP_TOO_OLD = timedelta(days=2)
# Nothing of ours waits so long while all is well.
WAITS_LONG = timedelta(minutes=15)
_DISK_MARKS = {"good": GOOD, "low": LOOK, "full": BAD}
_NEED_A_PERSON = frozenset({"held", "quarantined", "malformed", "sealed"})


@verb()
async def status(call: Invocation) -> None:
    """Show the node on one screen: axis, queues, late documents, certificates, backup, workers, speed."""
    from gateway.ops import checks, status
    from gateway.ops.subject import Subject

    async with at_node(call.settings()) as node:
        found = await status.look(node)
        findings = await checks.examine(Subject.within(node), Tag.STATUS)
    told = [*lines(call, found), *_troubles(call, findings)]
    texts = (output.plain(f"{mark} {text}") for mark, text in told)
    output.answer(call, shown(found) | {"checks": _levels(findings)}, texts)


def _troubles(call: Invocation, findings: Sequence[Diagnosis]) -> Iterator[tuple[str, str]]:
    """What has no line of its own above, where it is not well."""
    for each in findings:
        if each.level is not Level.GREEN:
            yield each.level.mark, f"{each.check}: {each.says(call.lang.value)}"


def _levels(findings: Sequence[Diagnosis]) -> dict[str, str]:
    """The worst of each check."""
    ordered = sorted(findings, key=lambda each: each.level.badness)
    return {each.check: each.level.value for each in ordered}


def lines(call: Invocation, found: NodeStatus) -> Iterator[tuple[str, str]]:
    """Mark and text, in the order in which one would ask."""
    agencies = ", ".join(found.certificates) or "–"
    yield GOOD, call.word("cli.status.node", node=found.node, version=found.version, agencies=agencies)
    yield from axis_lines(call, found.axis)
    yield from _queues(call, found)
    yield from _deliveries(call, found)
    for code, days in found.certificates.items():
        key = "cli.status.certificate" if days > 0 else "cli.status.no_certificate"
        yield GOOD if days > EXPIRING_DAYS else LOOK, call.word(key, code=code, days=int(days))
    for code, days in found.partners.items():
        yield LOOK, call.word("cli.status.partner", code=code, days=int(days))
    for each in found.authorities:
        yield GOOD if each.word == "good" else LOOK, issuer_line(call, each, found.at)
    yield _backup(call, found.backup, found.at)
    yield from _workers(call, found)
    yield from _paces(call, found.paces)
    for folder in found.folders:
        yield _folder(call, folder)
    scanner = found.scanner.word
    mark = GOOD if scanner in ("ok", "off") else LOOK
    yield mark, call.word("cli.status.scanner", state=_named(call, f"scanner.{scanner}", scanner))
    for disk in found.disks:
        free = labels.megabytes(disk.space.bytes, call.lang.value)
        yield _DISK_MARKS[disk.word], call.word("cli.status.disk", path=disk.path, free=free)


def axis_lines(call: Invocation, axis: AxisNow) -> Iterator[tuple[str, str]]:
    """How the line is, and what lies on it; of several each under its name."""
    for name, one in axis.each.items():
        for mark, text in axis_lines(call, one):
            yield mark, f"{name} · {text}"
    if axis.each:
        return
    state = axis.state
    mark = GOOD if state.word in ("up", "idle") else LOOK
    since = output.clock(state.since)
    yield mark, call.word(f"cli.status.axis.{state.word}", since=since, reason=state.reason)
    if axis.counts:
        yield LOOK if axis.counts.get("dead") else GOOD, call.word("cli.axis.state", **axis.counts)


def _queues(call: Invocation, found: NodeStatus) -> Iterator[tuple[str, str]]:
    load = found.load
    queues = (
        ("job", "queue.job", load.jobs),
        ("outbox", "lane", load.outbox),
        ("inbox", "packet", load.inbox),
    )
    for queue, words, piles in queues:
        for sort, pile in sorted(piles.items()):
            what = f"{call.word(f'queue.{queue}')} ({_named(call, f'{words}.{sort}', sort)})"
            mark, text = _pile(call, what, pile, found.at)
            yield LOOK if queue == "inbox" and sort in _NEED_A_PERSON else mark, text
    if load.outbox_failed:
        what = call.word("cli.status.failed")
        yield LOOK, call.word("cli.status.pile", what=what, count=load.outbox_failed)


def _deliveries(call: Invocation, found: NodeStatus) -> Iterator[tuple[str, str]]:
    if found.load.deliveries:
        states = ", ".join(
            f"{_named(call, f'state.{state}', state)} {count}"
            for state, count in sorted(found.load.deliveries.items())
        )
        yield GOOD, call.word("cli.status.deliveries", states=states)
    if found.load.late.count:
        _, text = _pile(call, call.word("cli.status.late"), found.load.late, found.at)
        yield LOOK, text


def _backup(call: Invocation, backup: Backup | None, now: datetime) -> tuple[str, str]:
    if backup is None:
        return LOOK, call.word("cli.status.no_backup")
    verified = output.clock(backup.verified_at) or call.word("cli.status.never")
    fresh = now - backup.at < BACKUP_TOO_OLD
    text = call.word("cli.status.backup", at=output.clock(backup.at), verified=verified)
    return GOOD if fresh and backup.verified_at else LOOK, text


def _folder(call: Invocation, one: FolderState) -> tuple[str, str]:
    if one.trouble:
        return LOOK, call.word("cli.folder.trouble", agency=one.code, why=one.trouble)
    text = call.word(
        "cli.status.folder",
        agency=one.code,
        waiting=one.waiting,
        age=age(call, timedelta(seconds=one.oldest_s)),
        errors=one.errors,
        unacked=one.unacked,
    )
    return LOOK if one.errors else GOOD, text


def _workers(call: Invocation, found: NodeStatus) -> Iterator[tuple[str, str]]:
    if not any(beat.lives(found.at) for beat in found.workers):
        yield BAD, call.word("cli.status.no_worker")
    for each in found.workers:
        if each.stuck:
            loops = ", ".join(each.stuck)
            yield LOOK, call.word("cli.status.stuck", process=each.process, loops=loops)
        else:
            ago = age(call, found.at - each.at)
            yield (
                GOOD if each.lives(found.at) else LOOK,
                call.word("cli.status.worker", process=each.process, age=ago),
            )


def _paces(call: Invocation, found: Sequence[Pace]) -> Iterator[tuple[str, str]]:
    if not found:
        yield GOOD, call.word("cli.status.no_pace")
    for each in found:
        text = call.word(
            "cli.status.pace",
            way=call.word(f"pace.way.{each.way}"),
            lane=call.word(f"lane.{each.lane}"),
            axis=_named(call, f"pace.axis.{each.axis}", each.axis),
            count=each.count,
            late=each.late,
            **{name: _bound(call, getattr(each, name)) for name in ("p50", "p95", "p99")},
        )
        yield LOOK if each.is_slow else GOOD, text


def _bound(call: Invocation, bound: float | None) -> str:
    key, number = pace.words(bound)
    return call.word(key, n=number)


def _pile(call: Invocation, what: str, pile: Pile, now: datetime) -> tuple[str, str]:
    if pile.oldest is None:
        return GOOD, call.word("cli.status.pile", what=what, count=pile.count)
    waits = now - pile.oldest
    text = call.word("cli.status.pile_old", what=what, count=pile.count, age=age(call, waits))
    return LOOK if waits > WAITS_LONG else GOOD, text


def _named(call: Invocation, key: str, other: str) -> str:
    return call.word(key) if labels.has(key) else other


def shown(found: NodeStatus) -> dict[str, Any]:
    """The same for programs."""
    load, backup = found.load, found.backup
    return {
        "node": found.node,
        "version": found.version,
        "at": output.stamp(found.at),
        "agencies": list(found.certificates),
        "axis": axis_shown(found.axis),
        "jobs": _piles(load.jobs),
        "outbox": _piles(load.outbox) | {"failed": load.outbox_failed},
        "inbox": _piles(load.inbox),
        "deliveries": dict(load.deliveries),
        "late": asdict(load.late),
        "leases": dict(load.leases),
        "events_unnumbered": load.unnumbered,
        "certificates": {code: round(days, 1) for code, days in found.certificates.items()},
        "partners_ending": {code: round(days, 1) for code, days in found.partners.items()},
        "revocation": [shown_issuer(each) for each in found.authorities],
        "backup": asdict(backup) if backup else None,
        "workers": [output.fields(each, "process at since stuck") for each in found.workers],
        "paces": [each.told() for each in found.paces],
        "disk_free_bytes": found.disk_free,
        "disks": [_shown_disk(disk) for disk in found.disks],
        "scanner": found.scanner.word,
        "folders": [asdict(each) for each in found.folders],
    }


def axis_shown(axis: AxisNow) -> dict[str, Any]:
    """State and counts of the axis for programs."""
    each = {name: axis_shown(one) for name, one in axis.each.items()}
    return {**asdict(axis.state), **axis.counts} | ({"each": each} if each else {})


def _piles(piles: Mapping[str, Pile]) -> dict[str, Any]:
    return {name: asdict(pile) for name, pile in sorted(piles.items())}


def _shown_disk(disk: Disk) -> dict[str, Any]:
    room = {"free_bytes": disk.space.bytes, "free_inodes": disk.space.inodes}
    return {"places": list(disk.places), "path": str(disk.path), **room, "state": disk.word}


_STYLES = {"green": "green", "yellow": "yellow", "red": "bold red", "skipped": "dim"}


@verb("", "-o json", "--report > node.txt")
async def doctor(
    call: Invocation,
    report: Annotated[
        bool, typer.Option("--report", help="Print what to attach when asking for help, without any secret.")
    ] = False,
) -> None:
    """Examine the node: settings, folders, disk, database, clock, keys, trust, axis, work left lying."""
    from gateway.clock import SystemClock
    from gateway.ops import checks
    from gateway.ops.subject import Subject
    from gateway.pool import ThreadPool

    settings = call.settings()
    with closing(ThreadPool(1)) as pool:
        found = await checks.examine(Subject(settings=settings, clock=SystemClock(), pool=pool))
    gravest = worst(found)
    level = gravest.level if gravest is not None else Level.GREEN
    records = [_finding_shown(call, each) for each in found]
    if report:
        _attach(call, await _report(settings, found))
    elif call.output is OutputFormat.TABLE:
        for each in found:
            if not call.quiet or each.level is not Level.GREEN:
                aloud_finding(call, each, f"{each.level.mark} {each.check:<14}")
    elif call.output is OutputFormat.JSON:
        output.document({"level": level, "checks": records})
    else:
        output.lines(output.compact(each) for each in records)
    if level is Level.RED:
        raise typer.Exit(FAILED)


def aloud_finding(call: Invocation, found: Diagnosis, head: str) -> None:
    """What was found behind its head, and below it what to do."""
    from rich.text import Text

    lang, console = call.lang.value, output.console()
    line = Text(f"{head} ", style=_STYLES[found.level])
    console.print(line.append(Text(output.plain(found.says(lang)), style="")), soft_wrap=True)
    if cure := found.mends(lang):
        console.print(Text(f"  → {cure}"), soft_wrap=True)


async def _report(settings: Settings, found: list[Diagnosis]) -> dict[str, Any]:
    """Of a node that does not open, what can be said without it, and why it does not."""
    from gateway.bootstrap.node import open_node
    from gateway.clock import SystemClock
    from gateway.errors import GatewayError
    from gateway.ops import status

    told: dict[str, Any] = status.report_of_settings(settings, found, SystemClock().now())
    try:
        must_exist(settings)
        async with open_node(settings) as node:
            return told | await status.report_of_node(node)
    except GatewayError as error:
        return told | {"does_not_open": error.code}


def _attach(call: Invocation, told: dict[str, Any]) -> None:
    from gateway.ops.status import report_lines

    if call.output is OutputFormat.TABLE:
        print("".join(report_lines(told)), end="")
    elif call.output is OutputFormat.JSON:
        output.document(told)
    else:
        output.lines([output.compact(told)])


def _finding_shown(call: Invocation, found: Diagnosis) -> dict[str, Any]:
    return output.fields(found, "check level says cure", says=output.plain(found.says(call.lang.value)))


_EVENTS_AT_ONCE = 200
# Events of other processes ring no bell here, so the feed looks by itself.
_LOOK_S = 0.5


@verb("", "--id msg_01J… -o ndjson")
async def watch(
    call: Invocation,
    id: Annotated[
        str | None, typer.Option("--id", help="Only what concerns this document or packet.")
    ] = None,
    after: Annotated[
        int | None, typer.Option(min=0, help="Begin after this number; 0 for everything.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Print what is there and end.")] = False,
) -> None:
    """Print events as they happen, oldest first. Ctrl+C ends it."""
    async with at_agency(call.settings(), call.agency) as seat:
        seq = after if after is not None else (0 if id or once else await _newest_event(seat))
        while True:
            found = await seat.node.store.events_after(seat.agency.id, seq, _EVENTS_AT_ONCE)
            for each in found:
                seq = each.agency_seq or seq
                if id is None or id in (each.subject_id, *map(str, each.data.values())):
                    _print_event(call, each)
            if once and len(found) < _EVENTS_AT_ONCE:
                return
            if not found:
                await seat.node.clock.sleep(_LOOK_S)


async def _newest_event(seat: Seat) -> int:
    """The number of the newest event now."""
    seq = 0
    while found := await seat.node.store.events_after(seat.agency.id, seq, _EVENTS_AT_ONCE):
        seq = found[-1].agency_seq or seq
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
