"""Reminds people of one agency by mail. In: the agency's tasks, and the addresses of its own people. Out: letters
handed to the mail server, each once, also when several processes look. Numbers, names and deadlines go by mail,
never what a document is about; and never is anything sent to another agency."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from gateway import log
from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.wall_clock import local
from gateway.errors import GatewayError
from gateway.office.domain.task import Task
from gateway.office.policy import reminding
from gateway.office.policy.reminding import Letter, Sort
from gateway.office.ports.mail import Mail, Mailer
from gateway.office.todo import gather
from gateway.office.todo.desk import TodoDesk
from gateway.words import labels

_log = logging.getLogger(__name__)
KEPT = timedelta(days=30)
_MOST_LINES = 200
_LANG = "vi"


async def _nobody(agency_id: str) -> Sequence[str]:
    """Where no head is known."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reminders:
    """`people`: further addresses by the code of a hosted agency, beside the agency's own. `heads`: addresses of the heads
    of an agency, by its id, for what waits for them alone."""

    desk: TodoDesk
    mailer: Mailer
    digest_at: tuple[time, ...]
    people: Mapping[str, tuple[str, ...]]
    heads: Callable[[str], Awaitable[Sequence[str]]] = _nobody

    def addresses(self, agency: HostedAgency) -> tuple[str, ...]:
        """Of that agency's own people; nobody of an agency that has left."""
        if agency.left_at is not None:
            return ()
        named = self.people.get(agency.code.casefold(), ())
        return tuple(dict.fromkeys((*((agency.email,) if agency.email else ()), *named)))


async def run(reminders: Reminders, agency: HostedAgency) -> int:
    """Sends what is due now; how many letters. What could not be sent now is tried at the next look; what the server will
    never take is told in the log and not tried again."""
    to = reminders.addresses(agency)
    if agency.left_at is not None or not reminders.mailer.is_on:
        return 0
    desk, scope = reminders.desk, AgencyScope(agency_id=agency.id, principal_id="node")
    found = await gather.run(desk, scope)
    sent = 0
    for letter in reminding.letters(found.office, found.tasks, found.at, reminders.digest_at):
        heads = await reminders.heads(agency.id) if letter.sort is Sort.APPROVAL else ()
        receivers = tuple(heads) or to
        claimed = await _claim(desk, scope, letter, found.at) if receivers else []
        if not claimed or not letter.tasks:
            continue
        try:
            await reminders.mailer.send(_mail(agency, letter, claimed[0], receivers, found.at))
            sent += 1
        except GatewayError as error:
            log.action(_log, "mail.failed", error.detail, sort=letter.sort, agency=agency.code)
            if not error.permanent:
                await _release(desk, scope, claimed)
    return sent


async def _claim(desk: TodoDesk, scope: AgencyScope, letter: Letter, now: datetime) -> list[str]:
    """Looked at first, so that the one writer is not asked each minute for what was said long ago."""
    async with desk.store.read(scope) as work:
        if not await work.office.tasks.unclaimed(letter.keys):
            return []
    async with desk.store.begin(scope) as work:
        claimed = [key for key in letter.keys if await work.office.tasks.first_time(key, now)]
        await work.office.tasks.forget_reminders(now - KEPT)
        await work.commit()
    return claimed


async def _release(desk: TodoDesk, scope: AgencyScope, keys: list[str]) -> None:
    async with desk.store.begin(scope) as work:
        for key in keys:
            await work.office.tasks.release(key)
        await work.commit()


def _mail(agency: HostedAgency, letter: Letter, key: str, to: tuple[str, ...], now: datetime) -> Mail:
    late = sum(each.is_late for each in letter.tasks)
    told = {
        "agency": agency.name,
        "count": len(letter.tasks),
        "late": late,
        "sender": _sender(letter),
        "time": f"{local(now):%H:%M %d/%m/%Y}",
    }
    lines = [_line(each) for each in letter.tasks[:_MOST_LINES]]
    if len(letter.tasks) > _MOST_LINES:
        lines.append(labels.say("mail.more", _LANG, count=len(letter.tasks) - _MOST_LINES))
    body = (
        labels.say(f"mail.{letter.sort}.intro", _LANG, **told),
        "",
        *lines,
        "",
        labels.say("mail.end", _LANG, **told),
    )
    return Mail(
        to=to,
        subject=_plain(labels.say(f"mail.{letter.sort}.subject", _LANG, **told)),
        text="\n".join(body),
        id=hashlib.sha256(f"{agency.id} {key}".encode()).hexdigest()[:32],
    )


def _sender(letter: Letter) -> str:
    if letter.sort in (Sort.DIGEST, Sort.APPROVAL):
        return ""
    return _party(letter.tasks[0])


def _line(task: Task) -> str:
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
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
