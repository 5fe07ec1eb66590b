"""Decides which findings of the doctor become alarms, and which messages are due. In: the findings, the alarms until now,
the time. Out: the alarms from now on; the kind of message that is due on a channel. A finding must stand for its time
first; one that follows from another fault waits until that is over; in quiet hours what is yellow waits for the morning."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta

from gateway.domain.alarm import Alarm, MessageKind, SentMessage
from gateway.domain.diagnosis import Diagnosis, Level
from gateway.domain.wall_clock import local
from gateway.errors import Misconfigured

# So long a fault must be gone: what comes and goes is one alarm.
ENDS_AFTER = timedelta(minutes=3)
REPEATED = timedelta(days=1)
_AT_ONCE, _MIN, _HOUR = timedelta(), timedelta(minutes=1), timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRule:
    """Rule of a check, and of those below it (`folder.content` of `folder`): how long a red finding and a yellow one must
    stand before they are an alarm (None: never), and which checks explain it, or a yellow one, while they are red."""

    red: timedelta | None = 5 * _MIN
    yellow: timedelta | None = None
    under: tuple[str, ...] = ()
    yellow_under: tuple[str, ...] = ()


_CAUSES = ("database", "folder", "clock", "disk", "workers", "process")
# Checks without a row are alarms when they have been red for five minutes.
RULE_BY_CHECK: Mapping[str, AlarmRule] = {
    "database": AlarmRule(red=_MIN),
    "database.lock": AlarmRule(red=_MIN, under=("database",)),
    "folder": AlarmRule(red=_MIN),
    "disk": AlarmRule(red=_MIN, yellow=15 * _MIN),
    "memory": AlarmRule(red=5 * _MIN, yellow=15 * _MIN),
    "clock": AlarmRule(red=_MIN),
    "workers": AlarmRule(red=_MIN, yellow=5 * _MIN, under=("database", "folder")),
    "process": AlarmRule(red=_MIN, yellow=_HOUR, under=("folder", "clock")),
    "axis": AlarmRule(red=5 * _MIN, yellow=5 * _MIN, under=("axis",), yellow_under=_CAUSES),
    # What was set aside for want of room is taken back within a minute.
    "axis.dead": AlarmRule(yellow=3 * _MIN, under=_CAUSES),
    "queues": AlarmRule(yellow=5 * _MIN, under=(*_CAUSES, "axis", "scanner", "keys")),
    "outbox": AlarmRule(yellow=_AT_ONCE),
    "outbox.queue": AlarmRule(yellow=15 * _MIN, under=("axis",)),
    "quarantine": AlarmRule(yellow=_AT_ONCE),
    "partners": AlarmRule(yellow=_MIN, under=(*_CAUSES, "axis")),
    "witnesses": AlarmRule(yellow=_HOUR, under=(*_CAUSES, "axis")),
    "log": AlarmRule(yellow=_HOUR, under=(*_CAUSES, "keys")),
    "jobs": AlarmRule(yellow=15 * _MIN, under=(*_CAUSES, "axis")),
    "backup": AlarmRule(red=_AT_ONCE, yellow=_HOUR),
    "keys": AlarmRule(yellow=_HOUR, under=("folder", "process")),
    "trust": AlarmRule(yellow=_HOUR),
    "bindings": AlarmRule(yellow=_HOUR),
    "axis.certificate": AlarmRule(yellow=_HOUR),
    "database.certificate": AlarmRule(yellow=_HOUR),
    "revocation": AlarmRule(yellow=6 * _HOUR),
    "pdf-revocation": AlarmRule(yellow=_HOUR),
    "axis-lists": AlarmRule(yellow=_HOUR),
    "delegation": AlarmRule(yellow=_HOUR),
    "hot-folder": AlarmRule(yellow=_HOUR),
    "webhooks": AlarmRule(yellow=_HOUR, under=("workers",)),
    "compat": AlarmRule(yellow=_HOUR),
    "pace": AlarmRule(yellow=15 * _MIN, under=(*_CAUSES, "scanner")),
    "alarms": AlarmRule(yellow=15 * _MIN),
}
_DEFAULT = AlarmRule()
# The finding of a maintenance explains these, because work waits, and what does it may be stopped.
MAINTENANCE = "maintenance"
_IN_MAINTENANCE = frozenset(
    {
        *("workers", "process", "queues", "outbox.queue", "partners", "jobs", "pace", "log"),
        *("hot-folder", "webhooks", "axis", "database"),
    }
)
# Findings about what an operator chose; the doctor alone shows them.
CHOSEN = frozenset(
    {
        *("keys.unprotected", "scanner.off", "revocation.none", "backup.beside", "workers.never"),
        # Each of several axes has an alarm of its own.
        *("compat.nobody", "compat.closed", "log.unpublished", "axis.partly"),
        # The loop that would send it has just looked.
        "alarms.late",
    }
)
# Parameters that name what a finding is about, where one check has several.
_SUBJECTS = ("code", "issuer", "axis", "path")


def rule_of(check: str) -> AlarmRule:
    """Return the rule of a check, or of the nearest one above it."""
    while check not in RULE_BY_CHECK and "." in check:
        check = check.rpartition(".")[0]
    return RULE_BY_CHECK.get(check, _DEFAULT)


def _names_above(check: str) -> Iterable[str]:
    parts = check.split(".")
    return (".".join(parts[:count]) for count in range(1, len(parts) + 1))


def key_of(finding: Diagnosis) -> str:
    """Return the name of the fault: the same as long as it stands, whatever its level and its numbers."""
    subjects = [str(finding.params[name]) for name in _SUBJECTS if name in finding.params]
    return " ".join((finding.check, finding.cause, *subjects))


def _waiting_time(finding: Diagnosis) -> timedelta | None:
    if finding.cause in CHOSEN:
        return None
    rule = rule_of(finding.check)
    return {Level.RED: rule.red, Level.YELLOW: rule.yellow}.get(finding.level)


def update(
    alarms: Mapping[str, Alarm], findings: Iterable[Diagnosis], now: datetime, new_id: Callable[[], str]
) -> dict[str, Alarm]:
    """Return the alarms after a look at the node. One whose check could not be made is unchanged."""
    findings = sorted(findings, key=lambda finding: finding.level.badness)
    alarms = {key: _not_ahead(alarm, now) for key, alarm in alarms.items()}
    unsure = {f.source for f in findings if f.level is Level.SKIPPED or f.cause == "failed"}
    faults = {key_of(finding): finding for finding in findings if _waiting_time(finding) is not None}
    red_checks = {finding.check for finding in faults.values() if finding.level is Level.RED}
    is_paused = any(f.check == MAINTENANCE and f.level is Level.YELLOW for f in findings)
    updated: dict[str, Alarm] = {}
    for key, finding in faults.items():
        alarm = alarms.get(key)
        # Once its end was told, a fault that comes back is another alarm.
        if alarm is None or any(map(_has_ended, alarm.sent.values())):
            alarm = Alarm(id=new_id(), finding=finding, since=now, waits_from=now, seen_at=now)
        explained = any(_explains(check, finding) for check in red_checks)
        explained |= is_paused and not _IN_MAINTENANCE.isdisjoint(_names_above(finding.check))
        # A pause of the looks proves nothing about the time between.
        is_anew = explained or now - alarm.seen_at > ENDS_AFTER
        waits_from = now if is_anew and not alarm.is_open else alarm.waits_from
        is_open = not explained and now - waits_from >= (_waiting_time(finding) or _AT_ONCE)
        updated[key] = replace(
            alarm,
            finding=finding,
            waits_from=waits_from,
            seen_at=now,
            is_open=alarm.is_open or is_open,
            ended_at=None,
        )
    for key, alarm in alarms.items():
        if key in updated:
            continue
        if alarm.finding.source in unsure:
            updated[key] = replace(alarm, seen_at=now)
        elif alarm.is_open:
            is_over = now - alarm.seen_at >= ENDS_AFTER
            updated[key] = replace(alarm, ended_at=alarm.ended_at or now) if is_over else alarm
    return updated


def _not_ahead(alarm: Alarm, now: datetime) -> Alarm:
    """Return the alarm without times of a clock that was ahead: it would not end, nor be told anew, until then."""
    if max(alarm.seen_at, alarm.waits_from, *(message.at for message in alarm.sent.values())) <= now:
        return alarm
    sent = {name: replace(message, at=min(message.at, now)) for name, message in alarm.sent.items()}
    waits_from, seen_at = min(alarm.waits_from, now), min(alarm.seen_at, now)
    return replace(alarm, waits_from=waits_from, seen_at=seen_at, sent=sent)


def _explains(cause: str, finding: Diagnosis) -> bool:
    """Tell whether a red check explains a finding of another one. One of several axes explains nothing about another."""
    rule, check = rule_of(finding.check), finding.check
    under = rule.under + (rule.yellow_under if finding.level is Level.YELLOW else ())
    names = [name for name in under if f"{cause}.".startswith(f"{name}.")]
    return cause != check and any(cause == name or not f"{check}.".startswith(f"{name}.") for name in names)


def next_message(alarm: Alarm, channel: str, now: datetime, *, is_quiet: bool) -> MessageKind | None:
    """Return the kind of message that is due about an alarm on that channel; None for none."""
    last, level = alarm.sent.get(channel), alarm.finding.level
    if not alarm.is_open or _has_ended(last) or (is_quiet and level is Level.YELLOW):
        return None
    if alarm.ended_at is not None:
        return MessageKind.ENDED
    if last is None:
        return MessageKind.OPENED
    if level.badness > last.level.badness:
        return MessageKind.WORSE
    return MessageKind.STANDS if not timedelta() <= now - last.at < REPEATED else None


def _has_ended(last: SentMessage | None) -> bool:
    return last is not None and last.kind is MessageKind.ENDED


def record_message(alarm: Alarm, channel: str, kind: MessageKind, now: datetime) -> Alarm:
    """Return the alarm with that message as the last one on the channel."""
    count = alarm.sent[channel].count + 1 if channel in alarm.sent else 1
    message = SentMessage(kind=kind, level=alarm.finding.level, at=now, count=count)
    return replace(alarm, sent={**alarm.sent, channel: message})


def is_done(alarm: Alarm, channels: Iterable[str]) -> bool:
    """Tell whether the alarm has ended, and every channel has the message of it."""
    return alarm.ended_at is not None and all(_has_ended(alarm.sent.get(name)) for name in channels)


def read_quiet(text: str) -> tuple[time, time] | None:
    """Read `22:00-06:00`; None for an empty text. Misconfigured for anything else."""
    if not text.strip():
        return None
    try:
        begin, end = (time.fromisoformat(part.strip()) for part in text.split("-"))
    except ValueError as why:
        raise Misconfigured(f"alarms.quiet is {text!r}; write two times of day, such as 22:00-06:00") from why
    return begin, end


def is_quiet(hours: tuple[time, time] | None, now: datetime) -> bool:
    """Tell whether it is within the quiet hours by the Vietnamese wall clock; they may span midnight."""
    if hours is None:
        return False
    (begin, end), at = hours, local(now).time()
    return begin <= at < end if begin <= end else at >= begin or at < end
