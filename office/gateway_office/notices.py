"""Notifies people: by mail of their waiting tasks, and by notices of a stop or an incident (R97, R98). In: the to-do list,
addresses, a wish. Out: letters handed to the mail server, a notice that holds. Each letter goes out once, also when several
processes look: numbers, names and deadlines go by mail, never the subject of a document, and never anything to another
agency. A notice is also an event in the stream of every agency that it is for."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from functools import partial
from typing import TYPE_CHECKING

from gateway import log
from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.document import UNREADABLE, IncomingDocument
from gateway.domain.event import Event, EventKind, rights_subject
from gateway.domain.text import plain
from gateway.domain.timer_table import Receivers, Timer
from gateway.domain.wall_clock import local
from gateway.errors import BadForm, Clash, GatewayError
from gateway.policy import timers
from gateway.ports.mail import Mail, Mailer
from gateway.words import labels
from gateway_office.domain.account_request import ANSWER_KEY, AccountRequest
from gateway_office.domain.notice import Audience, Notice, NoticeKind, NoticeWish
from gateway_office.domain.roles import NODE
from gateway_office.domain.task import Task, TaskKind
from gateway_office.duties import DutySources
from gateway_office.policy import todo
from gateway_office.policy.reminders import Letter, LetterSort, UnitPeople, duty_letters, letters_due
from gateway_office.services import TodoServices
from gateway_office.store.store import RULE_MAIL_KEY, SqlNotices
from gateway_office.todo import gather, gather_for_steps, gather_of_units

if TYPE_CHECKING:
    from gateway.document_view.event_sentence import EventNames

_log = logging.getLogger(__name__)
REMINDERS_KEPT = timedelta(days=30)
SENDING = timedelta(minutes=5)
"""Lease of a reminder that is being sent; a mail server answers sooner, or the exchange with it is given up."""
_MOST_LINES = 200
_ALERT_DAYS = 3
"""Days whose changed rights are mailed, for a mail server that was away."""
_LANG = "vi"
NODE_PLACE = HostedAgency(id=NODE, code="", name="gateway", email=None)
_REMEMBERED = timedelta(seconds=10)


async def nobody(id: str) -> Sequence[str]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reminders:
    """Tools for reminding. `people`: further addresses by the code of a hosted agency, beside the agency's own. `heads`:
    addresses of the heads of an agency, by its id, for tasks of theirs alone."""

    services: TodoServices
    mailer: Mailer
    digest_at: tuple[time, ...]
    people: Mapping[str, tuple[str, ...]]
    heads: Callable[[str], Awaitable[Sequence[str]]]
    units: Callable[[str], Awaitable[Mapping[str, UnitPeople]]]
    """Addresses of the people of each unit of an agency, by the unit's key."""
    duties: DutySources | None = None
    admins: Callable[[str], Awaitable[Sequence[str]]] = nobody
    """Addresses of the administrators of an agency, by its id; of the operators for the node."""
    person: Callable[[str], Awaitable[Sequence[str]]] = nobody
    """Address of a person, by id."""

    def addresses(self, agency: HostedAgency) -> tuple[str, ...]:
        """Return the addresses of that agency's own people; none of an agency that has left."""
        if agency.left_at is not None:
            return ()
        more_addresses = self.people.get(agency.code.casefold(), ())
        return tuple(dict.fromkeys((*((agency.email,) if agency.email else ()), *more_addresses)))


async def send_reminders(reminders: Reminders, agency: HostedAgency) -> int:
    """Send the letters due now; return their number. A failed letter is tried again at the next look; one that the server
    refuses for ever is logged and not tried again."""
    if agency.left_at is not None or not reminders.mailer.is_on:
        return 0
    services, scope = reminders.services, AgencyScope(agency_id=agency.id, principal_id="node")
    todo_list = await gather(services, scope)
    is_open = timers.is_open(todo_list.office, todo_list.at)
    work = await gather_of_units(services, scope, todo_list) if is_open else []
    steps = await gather_for_steps(services, scope, todo_list) if is_open else todo_list.tasks
    letters = letters_due(
        todo_list.office,
        todo_list.tasks,
        work,
        todo_list.at,
        todo_list.office.digest_at or reminders.digest_at,
        steps,
    )
    return await _send_letters(reminders, agency, letters, todo_list.at)


async def send_duties(reminders: Reminders, hosted: Sequence[HostedAgency]) -> int:
    """Send the letters on duties of administrators and operators that are due now; return their number."""
    if reminders.duties is None:
        return 0
    now, office = reminders.services.clock.now(), await reminders.services.office(NODE)
    agencies = [agency for agency in hosted if agency.left_at is None]
    offices = {agency.id: await reminders.services.office(agency.id) for agency in agencies}
    tasks_by_agency = await reminders.duties.of_agencies(offices, now)
    sent = 0
    for agency in agencies:
        letters = [*duty_letters(offices[agency.id], tasks_by_agency[agency.id], now)]
        sent += await _send_letters(reminders, agency, letters, now)
    letters = [*duty_letters(office, await reminders.duties.of_node(office, now), now)]
    return sent + await _send_letters(reminders, NODE_PLACE, letters, now)


async def send_request_answers(reminders: Reminders, agency: HostedAgency) -> int:
    """Tell the contact of each request about accounts that was answered, else the person who made it, else the
    administrators (T18); return the number of letters. The answer's own transaction planned each of them."""
    if reminders.duties is None or agency.left_at is not None:
        return 0
    services, scope = reminders.services, AgencyScope(agency_id=agency.id, principal_id="node")
    at, sent = services.clock.now(), 0
    async with services.store.read(scope) as work:
        keys = await work.office.reminders.planned(ANSWER_KEY, at)
    for key in keys:
        async with reminders.duties.accounts.accounts.read() as view:
            request = await view.requests.get(key.removeprefix(ANSWER_KEY))
        own = (request.contact.email,) if request.contact.email else await reminders.person(request.made_by)
        receivers = tuple(own or await reminders.admins(agency.id))
        if not receivers:
            continue
        write = partial(_write_answer, agency, request, to=receivers)
        sent += await _send_planned(reminders, agency, key, at, write)
    return sent


async def send_rule_mails(reminders: Reminders, agency: HostedAgency) -> int:
    """Tell persons of the letters that a rule of the agency lets them follow; return the number of mails. The letter's
    entry in the register planned each of them. None goes about a letter that was sealed since."""
    if agency.left_at is not None:
        return 0
    services, scope = reminders.services, AgencyScope(agency_id=agency.id, principal_id="node")
    at, sent = services.clock.now(), 0
    async with services.store.read(scope) as work:
        keys = await work.office.reminders.planned(RULE_MAIL_KEY, at)
    for key in keys:
        person_id, document_id, rule = key.removeprefix(RULE_MAIL_KEY).split(":", 2)
        async with services.store.read(scope) as work:
            letters = [d for d in await work.incoming.of_many([document_id]) if d.state not in UNREADABLE]
        receivers = tuple(await reminders.person(person_id))
        if not receivers or not letters:
            async with services.store.changing(scope) as work:
                await work.office.reminders.confirm([key])
            continue
        write = partial(_write_rule_mail, agency, letters[0], rule, to=receivers)
        sent += await _send_planned(reminders, agency, key, at, write)
    return sent


def _write_rule_mail(
    agency: HostedAgency, letter: IncomingDocument, rule: str, id: str, to: tuple[str, ...]
) -> Mail:
    """Write the rule and the arrival number alone: the person may have no right to read the letter yet."""
    params = {"agency": agency.name, "rule": rule, "arrival": letter.register_no or "–"}
    subject, text = (labels.say(f"mail.rule.{part}", _LANG, **params) for part in ("subject", "text"))
    return Mail(to=to, subject=_plain(subject), text=_plain(text), id=id)


async def _send_planned(
    reminders: Reminders, agency: HostedAgency, key: str, at: datetime, write: Callable[[str], Mail]
) -> bool:
    """Claim a reminder and send the mail that `write` makes with the claim's id; return whether it was sent."""
    scope = AgencyScope(agency_id=agency.id, principal_id="node")
    async with reminders.services.store.begin(scope) as work:
        claim = await work.office.reminders.claim(key, _mail_id(scope, key), at, at + SENDING)
        await work.commit()
    return claim is not None and await _send(
        reminders, scope, write(claim.mail), [key], at, agency=agency.code
    )


def _write_answer(agency: HostedAgency, request: AccountRequest, id: str, to: tuple[str, ...]) -> Mail:
    """Write which of the request's persons it was carried out for, and the answer; links of new accounts go by no mail."""
    params = {
        "agency": agency.name,
        "form": labels.say(f"account_request.form.{request.form}", _LANG),
        "number": request.number or "–",
        "state": labels.say(f"account_request.state.{request.state}", _LANG),
    }
    lines = []
    for line in request.lines:
        result = labels.say(f"account_request.state.{'done' if line.is_done else 'refused'}", _LANG)
        person = " – ".join(filter(None, (line.name, line.login)))
        lines.append(_plain(": ".join(filter(None, (person, result, line.refusal)))))
    body = (
        labels.say("mail.request.intro", _LANG, **params),
        "",
        *lines,
        "",
        request.answer,
        "",
        labels.say("mail.request.end", _LANG),
    )
    subject = _plain(labels.say("mail.request.subject", _LANG, **params))
    return Mail(to=to, subject=subject, text="\n".join(body), id=id)


async def send_rights_alerts(reminders: Reminders, hosted: Sequence[HostedAgency]) -> int:
    """Tell the administrators of each agency, and the person, of changed rights (R122); return the number of letters. Each
    address gets each change once."""
    if reminders.duties is None:
        return 0
    now, places = reminders.services.clock.now(), [NODE_PLACE, *(a for a in hosted if a.left_at is None)]
    async with reminders.duties.accounts.accounts.read() as view:
        today = local(now).date()
        subjects = [rights_subject(today - timedelta(days=n)) for n in reversed(range(_ALERT_DAYS))]
        events = [event for subject in subjects for event in await view.events.of_subject(subject)]
        if not events:
            return 0
        # Loaded at first use alone.
        from gateway.document_view.event_sentence import EventNames

        people = {person.id: person for person in await view.people.all()}
    names, sent = EventNames(people={id: person.name for id, person in people.items()}), 0
    for place in places:
        mine = [event for event in events if (event.data.get("agency") or NODE) == place.id]
        admins = await reminders.admins(place.id) if mine else ()
        lines: dict[str, list[Event]] = {}
        for event in mine:
            person = people.get(str(event.data.get("person")))
            # An operator may confirm too, where an agency has one administrator alone.
            operators = await reminders.admins(NODE) if str(event.data["what"]).endswith(".asked") else ()
            own = (person.email,) if person is not None and person.email else ()
            for address in dict.fromkeys((*admins, *operators, *own)):
                lines.setdefault(address, []).append(event)
        for address, alerts in lines.items():
            sent += await _send_alert(reminders, place, address, alerts, names)
    return sent


async def _send_alert(
    reminders: Reminders,
    place: HostedAgency,
    address: str,
    events: Sequence[Event],
    names: EventNames,
) -> int:
    services, scope = reminders.services, AgencyScope(agency_id=place.id, principal_id="node")
    at, sent = services.clock.now(), 0
    keys = {f"rights:{event.id}:{address}": event for event in events}
    letter = Letter(sort=LetterSort.RIGHTS, keys=tuple(keys), tasks=())
    async with services.store.read(scope) as work:
        if not await work.office.reminders.unclaimed(letter.keys, at):
            return 0
    for mail_id, claimed in (await _claim(services, scope, letter, at)).items():
        params = {"agency": place.name, "count": len(claimed)}
        lines = [_alert_line(keys[key], names) for key in claimed[:_MOST_LINES]]
        mail = Mail(
            to=(address,),
            subject=_plain(labels.say("mail.rights.subject", _LANG, **params)),
            text="\n".join((labels.say("mail.rights.intro", _LANG, **params), "", *lines)),
            id=mail_id,
        )
        sent += await _send(reminders, scope, mail, claimed, at, sort=letter.sort, agency=place.code)
    return sent


def _alert_line(event: Event, names: EventNames) -> str:
    from gateway.document_view.event_sentence import say_event

    actor = names.people.get(event.principal_id) or labels.say("admin.machine", _LANG)
    return _plain(f"{local(event.at):%H:%M %d/%m/%Y}: {say_event(event, actor, names, _LANG).text}")


async def _send_letters(
    reminders: Reminders, agency: HostedAgency, letters: Sequence[Letter], now: datetime
) -> int:
    scope = AgencyScope(agency_id=agency.id, principal_id="node")
    has_units = any(letter.unit for letter in letters)
    units = await reminders.units(agency.id) if has_units else {}
    to, sent = reminders.addresses(agency), 0
    for letter in letters:
        at = reminders.services.clock.now()
        # Read first, so that the one writer is not asked each minute for letters sent long ago.
        async with reminders.services.store.read(scope) as work:
            if not await work.office.reminders.unclaimed(letter.keys, at):
                continue
        receivers = tuple(await _find_receivers(reminders, agency, letter, to, units))
        claims = await _claim(reminders.services, scope, letter, at) if receivers else {}
        for mail_id, keys in claims.items():
            mail = _write_mail(agency, letter, letter.claimed_tasks(keys), mail_id, receivers, now)
            sent += await _send(reminders, scope, mail, keys, at, sort=letter.sort, agency=agency.code)
    return sent


async def _send(
    reminders: Reminders, scope: AgencyScope, mail: Mail, keys: Sequence[str], at: datetime, **context: str
) -> bool:
    """Send a letter whose reminders were claimed then, and confirm them; a temporary failure releases them, so that they
    may be claimed again. In a process that ends before it does either, they wait for the end of their lease."""
    failure: GatewayError | None = None
    try:
        await reminders.mailer.send(mail)
    except GatewayError as error:
        log.action(_log, "mail.failed", error.detail, **context)
        failure = error
    async with reminders.services.store.changing(scope) as work:
        if failure is None or failure.permanent:
            await work.office.reminders.confirm(keys)
        else:
            await work.office.reminders.release(keys, at + SENDING, at)
    return failure is None


async def _find_receivers(
    reminders: Reminders,
    agency: HostedAgency,
    letter: Letter,
    to: Sequence[str],
    units: Mapping[str, UnitPeople],
) -> Sequence[str]:
    if letter.to is Receivers.AGENCY:
        return to
    if letter.to is Receivers.HEADS:
        heads = tuple(await reminders.heads(agency.id))
        # The agency was told at a step of its own.
        return heads if letter.sort is LetterSort.STEP else heads or to
    if letter.to is Receivers.ADMINS:
        return tuple(await reminders.admins(agency.id))
    if letter.to is Receivers.OPERATORS:
        return tuple(await reminders.admins(NODE))
    if letter.to is Receivers.PERSON:
        own_address = tuple(await reminders.person(letter.person_id))
        # The file of a person who has left still has to go to the archive.
        return own_address or (to if letter.timer == Timer.ARCHIVE_FILES else ())
    people = units.get(letter.unit, UnitPeople())
    if letter.to is Receivers.OFFICERS and letter.person_id:
        # Other officers of the unit may not read what was given to a person by name.
        address = people.by_id.get(letter.person_id)
        return (address,) if address else people.heads
    first, other = people.officers, people.heads
    return (first or other) if letter.to is Receivers.OFFICERS else (other or first)


async def _claim(
    services: TodoServices, scope: AgencyScope, letter: Letter, now: datetime
) -> Mapping[str, Sequence[str]]:
    """Claim the letter's keys, and record an event for each step; return the keys by the id of the mail that they go in.
    What was claimed before and never confirmed goes again in a mail of its own, under the id that it had."""
    new_id, keys_by_mail = "", dict[str, list[str]]()
    async with services.store.begin(scope) as work:
        for n, key in enumerate(letter.keys):
            # The hour of a digest has passed without anything to say.
            if not letter.tasks and letter.sort is not LetterSort.RIGHTS:
                await work.office.reminders.first_time(key, now)
                continue
            claim = await work.office.reminders.claim(key, new_id or _mail_id(scope, key), now, now + SENDING)
            if claim is None:
                continue
            keys_by_mail.setdefault(claim.mail, []).append(key)
            if claim.is_first:
                new_id = claim.mail
                if letter.timer:
                    task = letter.tasks[n]
                    await work.events.append(EventKind.TIMER_TOLD, task.subject_id, now, _facts(letter, task))
        await work.office.reminders.forget(now - REMINDERS_KEPT)
        await work.commit()
    if letter.by_task or not keys_by_mail:
        return keys_by_mail
    # One mail says everything, under a new id where any of it is new.
    return {new_id or next(iter(keys_by_mail)): [key for keys in keys_by_mail.values() for key in keys]}


def _mail_id(scope: AgencyScope, key: str) -> str:
    return hashlib.sha256(f"{scope.agency_id} {key}".encode()).hexdigest()[:32]


def _facts(letter: Letter, task: Task) -> dict[str, object]:
    """Return the facts of a told step: numbers, names and moments, never a subject."""
    return {
        "timer": letter.timer,
        "step": letter.step,
        "to": letter.to.value,
        "unit": task.unit,
        "task": task.id,
        "document": task.document,
        "due": task.due_at.isoformat(),
    }


def _write_mail(
    agency: HostedAgency,
    letter: Letter,
    tasks: Sequence[Task],
    id: str,
    to: tuple[str, ...],
    now: datetime,
) -> Mail:
    sort = letter.sort
    is_of_many = sort not in (LetterSort.LATE, LetterSort.URGENT)
    params = {
        "agency": agency.name,
        "count": len(tasks),
        "late": sum(task.is_late for task in tasks),
        "sender": "" if is_of_many else _party(tasks[0]),
        "time": f"{local(now):%H:%M %d/%m/%Y}",
        "timer": labels.say(f"timer.{letter.timer}", _LANG) if letter.timer else "",
    }
    lines = [_task_line(task) for task in tasks[:_MOST_LINES]]
    if len(tasks) > _MOST_LINES:
        lines.append(labels.say("mail.more", _LANG, count=len(tasks) - _MOST_LINES))
    body = (
        labels.say(f"mail.{sort}.intro", _LANG, **params),
        "",
        *lines,
        "",
        labels.say("mail.end", _LANG, **params),
    )
    return Mail(
        to=to,
        subject=_plain(labels.say(f"mail.{sort}.subject", _LANG, **params)),
        text="\n".join(body),
        id=id,
    )


def _task_line(task: Task) -> str:
    due = f"{local(task.due_at):%H:%M %d/%m/%Y}"
    if task.kind is TaskKind.DUTY:
        duty = ": ".join(filter(None, (labels.say(f"timer.{task.timer}", _LANG), _duty_name(task))))
        return _plain(labels.say("mail.line.duty", _LANG, what=duty, due=due))
    return _plain(
        labels.say(
            "mail.line.late" if task.is_late else "mail.line.due",
            _LANG,
            what=labels.say(f"task.{task.kind}", _LANG),
            document=_document_name(task),
            party=_party(task),
            due=due,
            owner=labels.say("mail.owner", _LANG, owner=task.owner) if task.owner else "",
        )
    )


def _document_name(task: Task) -> str:
    """Return the number of a document; its subject goes by no mail."""
    has_number = bool(task.document.strip("/"))
    return task.document if has_number else labels.say(f"mail.line.{task.subject_kind}", _LANG)


def _duty_name(task: Task) -> str:
    """Return the subject of a duty, which is no document's subject: a draft is named by its number or its hour."""
    since = f"{local(task.since):%H:%M %d/%m/%Y}"
    if task.timer == Timer.LEADERS_DRAFT:
        return task.document or labels.say("mail.line.draft", _LANG, since=since)
    if task.timer == Timer.INCIDENT_NOTICE:
        return labels.say("mail.line.outage", _LANG, since=since, axis=task.title).replace("  ", " ")
    return task.title


def _party(task: Task) -> str:
    name = _plain(task.counterpart_name)
    return f"{name} ({task.counterpart})" if name else task.counterpart


def _plain(text: str) -> str:
    """Keep another agency's words from ending a line here, or beginning a header."""
    return " ".join(plain(text).split())


@dataclass(slots=True, kw_only=True)
class NoticeBoard:
    """Cache of notices for some seconds, since every page asks for the one that holds."""

    services: TodoServices
    rows: SqlNotices
    _cache: tuple[datetime, Sequence[Notice]] | None = None
    _changes: int = 0

    async def current(self, now: datetime, agency_id: str = NODE) -> Notice | None:
        """Return the notice to show on every page of that agency now; of the node for the empty id."""
        if self._cache is not None and timedelta() <= now - self._cache[0] < _REMEMBERED:
            rows = self._cache[1]
        else:
            changes, rows = self._changes, await self.rows.open()
            # Rows read while another notice was given may lack it, and are not kept.
            self._cache = (now, rows) if changes == self._changes else None
        notices = (notice for notice in rows if notice.holds(now) and notice.is_for(agency_id))
        # Incidents go before plans; of plans the next one.
        return min(
            notices,
            key=lambda notice: (notice.wish.kind is not NoticeKind.INCIDENT, notice.wish.starts_at),
            default=None,
        )

    async def earliest(self) -> datetime:
        """Return from when on a stop that is announced now may begin: one working day of the office later (T13)."""
        return todo.earliest_stop(await self.services.office(NODE), self.services.clock.now())

    async def faults(self, wish: NoticeWish) -> Sequence[tuple[str, str]]:
        """Return (field, fault) pairs; none when the notice may be given."""
        return todo.notice_faults(wish, await self.services.office(NODE), self.services.clock.now())

    async def publish(self, by: str, wish: NoticeWish) -> Notice:
        """Show a notice on every page at once, and in every agency's feed. BadForm for one with faults."""
        if faults := await self.faults(wish):
            raise BadForm(f"the notice may not be given so: {faults[0][0]} is {faults[0][1]}")
        now = self.services.clock.now()
        notice = Notice(id=self.services.clock.new_id("ntc_"), wish=wish, published_at=now, published_by=by)
        data = {"emergency": wish.emergency, "text_vi": wish.text_vi, "text_en": wish.text_en}
        await self._save(notice, EventKind.NOTICE_PUBLISHED, data, by, now)
        return notice

    async def end(self, by: str, id: str) -> Notice:
        """End a notice that is over, or called off. Clash when it ended before."""
        notice, now = await self.rows.get(id), self.services.clock.now()
        if notice.closed_at is not None:
            raise Clash(f"the notice {id} ended before")
        closed = replace(notice, closed_at=now, closed_by=by)
        await self._save(closed, EventKind.NOTICE_ENDED, {}, by, now)
        return closed

    async def _save(
        self, notice: Notice, kind: EventKind, more: Mapping[str, object], by: str, now: datetime
    ) -> None:
        wish = notice.wish
        if wish.audience is Audience.ONE_AGENCY:
            agencies = [NODE, wish.agency_id]
        else:
            agencies = [NODE, *(a.id for a in await self.services.store.hosted() if a.left_at is None)]
        data = {
            "kind": wish.kind.value,
            "starts_at": wish.starts_at.isoformat(),
            "ends_at": wish.ends_at.isoformat() if wish.ends_at else None,
            "audience": wish.audience.value,
        }
        await self.rows.save(notice, kind, agencies, {**data, **more}, by, now)
        self._cache, self._changes = None, self._changes + 1
        self.services.wake()
