"""People are told: by mail of what waits for them, and by notices of a stop or an incident (R97, R98). In: the to-do list,
addresses, a wish. Out: letters handed to the mail server, a notice that holds. Letters go out once each, also when
several processes look: numbers, names and deadlines go by mail, never what a document is about, and never anything to
another agency. A notice is also an event in the stream of every agency that it is for."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta

from gateway import log
from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.event import EventKind
from gateway.domain.text import plain
from gateway.domain.wall_clock import local
from gateway.errors import BadForm, Clash, GatewayError
from gateway.office.desks import TodoDesk
from gateway.office.domain.notice import Audience, Mail, Mailer, Notice, NoticeKind, NoticeWish
from gateway.office.domain.roles import NODE
from gateway.office.domain.task import Task
from gateway.office.policy import todo
from gateway.office.policy.reminders import For, Letter, LetterSort, UnitPeople, letters_due
from gateway.office.store.store import SqlNotices
from gateway.office.todo import MOST_OF_A_KIND, TodoList, gather
from gateway.policy import timers
from gateway.words import labels

_log = logging.getLogger(__name__)
REMINDERS_KEPT = timedelta(days=30)
_MOST_LINES = 200
_LANG = "vi"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reminders:
    """`people`: further addresses by the code of a hosted agency, beside the agency's own. `heads`: addresses of the heads
    of an agency, by its id, for what waits for them alone."""

    desk: TodoDesk
    mailer: Mailer
    digest_at: tuple[time, ...]
    people: Mapping[str, tuple[str, ...]]
    heads: Callable[[str], Awaitable[Sequence[str]]]
    units: Callable[[str], Awaitable[Mapping[str, UnitPeople]]]
    """Addresses of the people of each unit of an agency, by the unit's key."""

    def addresses(self, agency: HostedAgency) -> tuple[str, ...]:
        """Of that agency's own people; nobody of an agency that has left."""
        if agency.left_at is not None:
            return ()
        named = self.people.get(agency.code.casefold(), ())
        return tuple(dict.fromkeys((*((agency.email,) if agency.email else ()), *named)))


async def send_reminders(reminders: Reminders, agency: HostedAgency) -> int:
    """Sends what is due now; how many letters. What could not be sent now is tried at the next look; what the server will
    never take is told in the log and not tried again."""
    to = reminders.addresses(agency)
    if agency.left_at is not None or not reminders.mailer.is_on:
        return 0
    desk, scope = reminders.desk, AgencyScope(agency_id=agency.id, principal_id="node")
    found = await gather(desk, scope)
    work = await _of_all_units(desk, scope, found) if timers.is_open(found.office, found.at) else []
    units = await reminders.units(agency.id) if work else {}
    sent = 0
    for letter in letters_due(found.office, found.tasks, work, found.at, reminders.digest_at):
        receivers = await _receivers(reminders, agency, letter, to, units)
        claimed = await _claim(desk, scope, letter.keys, found.at) if receivers else []
        if tasks := letter.told_of(claimed):
            mail = _mail_of(agency, letter.sort, tasks, claimed[0], tuple(receivers), found.at)
            sent += await _send(reminders, scope, mail, claimed, sort=letter.sort, agency=agency.code)
    return sent


async def _send(
    reminders: Reminders, scope: AgencyScope, mail: Mail, claimed: Sequence[str], **about: str
) -> bool:
    """What could not be sent now may be claimed again."""
    try:
        await reminders.mailer.send(mail)
    except GatewayError as error:
        log.action(_log, "mail.failed", error.detail, **about)
        if not error.permanent:
            async with reminders.desk.store.begin(scope) as work:
                for key in claimed:
                    await work.office.tasks.release(key)
                await work.commit()
        return False
    return True


async def _of_all_units(desk: TodoDesk, scope: AgencyScope, found: TodoList) -> list[Task]:
    async with desk.store.read(scope) as work:
        parts = await work.parts.open_of(None, MOST_OF_A_KIND)
        tasks = list(todo.of_parts(found.office, parts, found.at))
        notes = await work.office.tasks.notes([each.id for each in tasks])
    return [each for each in tasks if not replace(each, note=notes.get(each.id)).rests(found.at)]


async def _receivers(
    reminders: Reminders,
    agency: HostedAgency,
    letter: Letter,
    to: Sequence[str],
    units: Mapping[str, UnitPeople],
) -> Sequence[str]:
    if letter.to is For.AGENCY:
        return to
    if letter.to is For.HEADS:
        return tuple(await reminders.heads(agency.id)) or to
    people = units.get(letter.unit, UnitPeople())
    first, other = people.officers, people.heads
    return (first or other) if letter.to is For.OFFICERS else (other or first)


async def _claim(desk: TodoDesk, scope: AgencyScope, keys: Sequence[str], now: datetime) -> list[str]:
    """Looked at first, so that the one writer is not asked each minute for what was said long ago."""
    async with desk.store.read(scope) as work:
        if not await work.office.tasks.unclaimed(keys):
            return []
    async with desk.store.begin(scope) as work:
        claimed = [key for key in keys if await work.office.tasks.first_time(key, now)]
        await work.office.tasks.forget_reminders(now - REMINDERS_KEPT)
        await work.commit()
    return claimed


def _mail_of(
    agency: HostedAgency,
    sort: LetterSort,
    tasks: Sequence[Task],
    key: str,
    to: tuple[str, ...],
    now: datetime,
) -> Mail:
    is_of_many = sort not in (LetterSort.LATE, LetterSort.URGENT)
    told = {
        "agency": agency.name,
        "count": len(tasks),
        "late": sum(each.is_late for each in tasks),
        "sender": "" if is_of_many else _party(tasks[0]),
        "time": f"{local(now):%H:%M %d/%m/%Y}",
    }
    lines = [_task_line(each) for each in tasks[:_MOST_LINES]]
    if len(tasks) > _MOST_LINES:
        lines.append(labels.say("mail.more", _LANG, count=len(tasks) - _MOST_LINES))
    body = (
        labels.say(f"mail.{sort}.intro", _LANG, **told),
        "",
        *lines,
        "",
        labels.say("mail.end", _LANG, **told),
    )
    return Mail(
        to=to,
        subject=_plain(labels.say(f"mail.{sort}.subject", _LANG, **told)),
        text="\n".join(body),
        id=hashlib.sha256(f"{agency.id} {key}".encode()).hexdigest()[:32],
    )


def _task_line(task: Task) -> str:
    words = "mail.line.late" if task.is_late else "mail.line.due"
    return _plain(
        labels.say(
            words,
            _LANG,
            what=labels.say(f"task.{task.kind}", _LANG),
            document=task.document,
            party=_party(task),
            due=f"{local(task.due_at):%H:%M %d/%m/%Y}",
            owner=labels.say("mail.owner", _LANG, owner=task.owner) if task.owner else "",
        )
    )


def _party(task: Task) -> str:
    name = _plain(task.counterpart_name)
    return f"{name} ({task.counterpart})" if name else task.counterpart


def _plain(text: str) -> str:
    """What another agency wrote of itself cannot end a line here, nor begin a header."""
    return " ".join(plain(text).split())


_REMEMBERED = timedelta(seconds=10)


@dataclass(slots=True, kw_only=True)
class NoticeBoard:
    """Every page asks which notice holds, so they are known for some seconds."""

    desk: TodoDesk
    rows: SqlNotices
    _known: tuple[datetime, Sequence[Notice]] | None = None
    _changes: int = 0

    async def current(self, now: datetime, agency_id: str = NODE) -> Notice | None:
        """What is to be shown on every page of that agency now; of the node for the empty id."""
        if self._known is not None and timedelta() <= now - self._known[0] < _REMEMBERED:
            rows = self._known[1]
        else:
            changes, rows = self._changes, await self.rows.open()
            # What was read while another notice was being given may be without it, and is not kept.
            self._known = (now, rows) if changes == self._changes else None
        told = (each for each in rows if each.holds(now) and each.is_for(agency_id))
        # What is wrong now goes before what is planned; of plans the next one.
        return min(
            told,
            key=lambda each: (each.wish.kind is not NoticeKind.INCIDENT, each.wish.starts_at),
            default=None,
        )

    async def earliest(self) -> datetime:
        """From when on a stop may begin that is announced now: one working day of the office later (T13)."""
        return todo.earliest_stop(await self.desk.office(), self.desk.clock.now())

    async def faults(self, wish: NoticeWish) -> Sequence[tuple[str, str]]:
        """(field, what is wrong with it); nothing when it may be given."""
        return todo.notice_faults(wish, await self.desk.office(), self.desk.clock.now())

    async def publish(self, by: str, wish: NoticeWish) -> Notice:
        """Shown on every page at once, and told in every agency's feed. BadForm for one with faults."""
        if found := await self.faults(wish):
            raise BadForm(f"the notice may not be given so: {found[0][0]} is {found[0][1]}")
        now = self.desk.clock.now()
        made = Notice(id=self.desk.clock.new_id("ntc_"), wish=wish, published_at=now, published_by=by)
        told = {"emergency": wish.emergency, "text_vi": wish.text_vi, "text_en": wish.text_en}
        await self._save(made, EventKind.NOTICE_PUBLISHED, told, by, now)
        return made

    async def end(self, by: str, id: str) -> Notice:
        """It is over, or called off. Clash when it ended before."""
        known, now = await self.rows.get(id), self.desk.clock.now()
        if known.closed_at is not None:
            raise Clash(f"the notice {id} ended before")
        closed = replace(known, closed_at=now, closed_by=by)
        await self._save(closed, EventKind.NOTICE_ENDED, {}, by, now)
        return closed

    async def _save(
        self, notice: Notice, kind: EventKind, more: Mapping[str, object], by: str, now: datetime
    ) -> None:
        wish = notice.wish
        if wish.audience is Audience.ONE_AGENCY:
            agencies = [NODE, wish.agency_id]
        else:
            agencies = [NODE, *(each.id for each in await self.desk.store.hosted() if each.left_at is None)]
        told = {
            "kind": wish.kind.value,
            "starts_at": wish.starts_at.isoformat(),
            "ends_at": wish.ends_at.isoformat() if wish.ends_at else None,
            "audience": wish.audience.value,
        }
        await self.rows.save(notice, kind, agencies, {**told, **more}, by, now)
        self._known, self._changes = None, self._changes + 1
        self.desk.wake()
