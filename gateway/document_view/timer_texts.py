"""Puts the table of timers into words, the same for the page, the command and Help. In: a row of the table, the calendar of
an agency, a language. Out: its name, length, pause, and each step with its receivers. Pure, apart from the catalogues."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.domain.office_calendar import OfficeCalendar
from gateway.domain.timer_table import TIMERS, Base, Counting, Means, Step, Timer, TimerRow, Unit
from gateway.words.labels import say
from gateway.words.legal import basis_of_timer

_MANY_MINUTES = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerText:
    """One timer in words. `applies` is the tail of the label `timer.page.applies`; `setting` the key of the
    agency's or the node's setting that changes it."""

    timer: Timer
    rule: str
    name: str
    length: str
    counting: str
    start: str
    end: str
    pause: str
    steps: Sequence[str]
    basis: str
    applies: str
    setting: str
    is_chosen: bool


def list_timers(office: OfficeCalendar, lang: str, of_node: Mapping[str, int]) -> Sequence[TimerText]:
    """List every timer as it holds for the agency of the calendar. `of_node` are lengths that are settings of the node; at
    0 the timer is off."""
    return [_text(row, office, lang, of_node) for row in TIMERS.values()]


def _text(row: TimerRow, office: OfficeCalendar, lang: str, of_node: Mapping[str, int]) -> TimerText:
    timer = row.timer
    amount = of_node.get(timer, office.lengths.get(timer, row.amount))
    return TimerText(
        timer=timer,
        rule=timer.rule,
        name=say(f"timer.{timer}", lang),
        length=_length_text(row, amount, lang),
        counting=say(f"timer.counting.{row.counting}", lang),
        start=say(f"timer.start.{timer}", lang),
        end=say(f"timer.end.{timer}", lang),
        pause=_pause_text(row, lang),
        steps=_step_texts(row, lang),
        basis=basis_of_timer(timer, lang),
        applies=_applies(row, office, is_off=timer in of_node and not amount),
        setting=row.profile_key or row.setting,
        is_chosen=timer in office.lengths,
    )


def _length_text(row: TimerRow, amount: int, lang: str) -> str:
    if row.unit is Unit.RULE or not amount:
        return say(f"timer.length.{row.timer if row.unit is Unit.RULE else 'unset'}", lang)
    return say(f"timer.length.{row.unit}", lang, count=amount)


def _applies(row: TimerRow, office: OfficeCalendar, *, is_off: bool) -> str:
    if is_off:
        return "off"
    return "quiet" if row.timer in office.quiet else "yes"


def _pause_text(row: TimerRow, lang: str) -> str:
    pauses = []
    if row.counting in (Counting.OFFICE_HOURS, Counting.WORKING_DAYS):
        pauses.append(say("timer.pause.closed", lang))
    if row.may_rest:
        pause = say("timer.pause.rest", lang)
        pauses.append(pause if pauses else pause[:1].upper() + pause[1:])
    return ", ".join(pauses) or say("timer.pause.none", lang)


def _step_texts(row: TimerRow, lang: str) -> Sequence[str]:
    """Write the steps in their order; people with the same moment stand together."""
    groups: dict[tuple[str, Means], list[str]] = {}
    for step in row.steps:
        receivers = groups.setdefault((_moment_text(row, step, lang), step.by), [])
        name = say(f"timer.to.{step.to}", lang)
        if name not in receivers:
            receivers.append(name)
    return [
        say("timer.page.step", lang, moment=moment, to=", ".join(to), by=say(f"timer.by.{by}", lang))
        for (moment, by), to in groups.items()
    ]


def _moment_text(row: TimerRow, step: Step, lang: str) -> str:
    at = f"{step.at:%H:%M}" if step.at is not None else say("timer.step.opening", lang)
    if row.timer is Timer.TAKE_IN_URGENT:
        return say("timer.step.every", lang)
    if step.by is Means.DIGEST:
        return say("timer.step.daily", lang)
    if step.by in (Means.METRIC, Means.REFUSAL):
        return say("timer.step.whenever", lang)
    if step.months:
        return say("timer.step.months", lang, count=step.months, at=at)
    if step.days is not None:
        return say(_day_key(step), lang, count=abs(step.days), at=at)
    if step.minutes >= _MANY_MINUTES:
        return say("timer.step.hours", lang, count=step.minutes // 60)
    if step.minutes:
        key = "timer.step.minutes" if step.minutes > 0 else "timer.step.minutes_before"
        return say(key, lang, count=abs(step.minutes))
    return say("timer.step.start" if step.base is Base.START else "timer.step.late", lang)


def _day_key(step: Step) -> str:
    days = step.days or 0
    if step.base is Base.DUE:
        return "timer.step.due_day" if not days else f"timer.step.{'after' if days > 0 else 'before'}"
    if not days:
        return "timer.step.same_day"
    return "timer.step.working_days" if step.working else "timer.step.days"
