"""Wires the to-do list and its reminders: office hours, certificates that end, the mail server. In: settings and
open adapters. Out: the desk and what reminds. Part of the wiring; nothing runs on import."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from gateway.accounts import heads
from gateway.accounts.desk import AccountDesk
from gateway.errors import Misconfigured
from gateway.policy import awaited, expiry, office_hours, reminding
from gateway.ports import Clock, EndingCertificate, Pool
from gateway.settings import Settings
from gateway.store.lists_due import Reckon
from gateway.store.store import SqlStore
from gateway.todo.desk import TodoDesk
from gateway.todo.remind import Reminders
from gateway.transport.mail import MailServer, SmtpMailer
from gateway.workers.key_watch import KeyWatch

# Certificates change by the hour at most; a list is asked for by every clerk.
_FRESH = timedelta(minutes=10)


class Certificates:
    """Keeps the promise of `ports.EndingCertificates` over the watch of keys, which opens every key to tell."""

    def __init__(self, watch: KeyWatch) -> None:
        self._watch = watch
        self._known: tuple[datetime, Sequence[EndingCertificate]] | None = None

    async def endings(self, now: datetime) -> Sequence[EndingCertificate]:
        if self._known is None or not self._known[0] <= now < self._known[0] + _FRESH:
            found = expiry.last_of_each(await self._watch.endings(now))
            self._known = (
                now,
                [
                    EndingCertificate(
                        code=each.code, fingerprint=each.fingerprint, until=each.until, own=each.own
                    )
                    for each in found
                ],
            )
        return self._known[1]


def desk(
    settings: Settings,
    store: SqlStore,
    watch: KeyWatch,
    clock: Clock,
    wake: Callable[[], None],
) -> TodoDesk:
    """The to-do list of every agency of this node."""
    return TodoDesk(
        store=store,
        calendar=store.calendar,
        certificates=Certificates(watch),
        clock=clock,
        weekdays=office_hours.read_weekdays(settings.office.weekdays),
        spans=office_hours.read_spans(settings.office.hours),
        wake=wake,
    )


def waiting(settings: Settings) -> Reckon:
    """Until when lists wait for a document to be taken in."""
    return awaited.by_days(
        office_hours.read_weekdays(settings.office.weekdays), office_hours.read_spans(settings.office.hours)
    )


def reminders(
    settings: Settings, todo: TodoDesk, accounts: AccountDesk, clock: Clock, pool: Pool
) -> Reminders:
    """What reminds by mail; silent where no mail server is set."""
    mail = settings.mail

    async def of_heads(agency_id: str) -> Sequence[str]:
        return [each.email for each in await heads.of(accounts, agency_id) if each.email]

    server = MailServer(
        host=mail.host,
        port=mail.port,
        security=mail.security,
        sender=mail.sender,
        user=mail.user,
        password=mail.password.reveal() if mail.password is not None else "",
        ca=mail.ca,
        timeout_s=float(mail.timeout_s),
    )
    return Reminders(
        desk=todo,
        mailer=SmtpMailer(server, clock, pool),
        digest_at=reminding.read_hours(mail.digest_at),
        people=read_people(mail.people),
        heads=of_heads,
    )


def read_people(text: str) -> Mapping[str, tuple[str, ...]]:
    """`CODE=address, CODE=address` by code without letter case; Misconfigured for anything else."""
    found: dict[str, tuple[str, ...]] = {}
    for part in filter(None, (each.strip() for each in text.split(","))):
        code, _, address = (each.strip() for each in part.partition("="))
        if not code or "@" not in address:
            raise Misconfigured(f"mail.people has {part!r}; write CODE=address, and a comma between two")
        found[code.casefold()] = (*found.get(code.casefold(), ()), address)
    return found
