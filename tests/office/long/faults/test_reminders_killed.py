"""Reminding is cut short at every call of the store and of the mail server: afterwards each mail is there. One that went
twice carries the id that it had, and each step has one event."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from gateway.bootstrap.node import Wrap
from gateway.domain.document import Urgency
from gateway.domain.event import EventKind
from gateway.pool import ThreadPool
from gateway.settings.options import MailSettings
from gateway.transport import mail
from gateway.transport.mail import SmtpMailer
from gateway_office.mail import DigestMail
from tests.faults.killer import Counter, Killer, stand_still
from tests.faults.test_hold_crash import clock_after, crashes_of
from tests.office.support.node import PROVINCE, OfficeTown, opened
from tests.support.clock import START, ManualClock
from tests.support.mail_server import MailServer, ReceivedMail, running

MAILS = 3


class Mailbox(list[ReceivedMail]):
    """The mails of a server, whose ids stay on disk when its process is killed."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def append(self, received: ReceivedMail) -> None:
        with self.path.open("a") as file:
            file.write(f"{received.message['Message-ID']}\n")


def ids_of(folder: Path) -> list[str]:
    path = folder / "mails"
    return path.read_text().split() if path.exists() else []


async def remind(town: OfficeTown, wrap: Wrap | None = None) -> None:
    wrap, pool = wrap or Wrap(), ThreadPool(1)
    server = MailServer(mails=Mailbox(town.node.settings.node.data_dir / "mails"))
    async with running(server):
        address = MailSettings(
            host="127.0.0.1", port=server.port, security=mail.NONE, sender="node@north.example"
        )
        reminders = replace(
            town.node.reminders,
            services=replace(town.node.todo, store=wrap("store", town.node.store)),
            mailer=wrap("mailer", SmtpMailer(address, town.clock, pool)),
            people={PROVINCE.casefold(): ("clerk@north.example",)},
        )
        await DigestMail(reminders).step()
    pool.close()


async def arrive(folder: Path) -> None:
    """Let two documents arrive at nine, one of them express: at ten a step of T2, an alert and a digest are due."""
    async with opened(folder, clock_after(1)) as town:
        await town.send("15")
        await town.send("16", urgency=Urgency.EXPRESS)
        await town.carry()


async def recovered(folder: Path) -> int:
    """Remind once more in the copy of a killed node, when the claims of the dead have run out; return how many mails its
    server had from both."""
    async with opened(folder, ManualClock(START + timedelta(hours=2, minutes=10))) as town:
        await remind(town)
        documents = await town.incoming(PROVINCE)
        events = [event for document in documents for event in await town.events(PROVINCE, document.id)]
        steps = [event.data["step"] for event in events if event.kind is EventKind.TIMER_TOLD]
        assert sorted(steps) == ["60", "every"]
    ids = ids_of(folder)
    assert len(set(ids)) == MAILS
    return len(ids)


def test_a_kill_between_two_steps_loses_no_reminder(tmp_path: Path) -> None:
    folder = tmp_path / "node"
    asyncio.run(arrive(folder))

    async def remind_and_be_killed() -> None:
        async with opened(folder, clock_after(2)) as town:
            await remind(town, Killer(Counter(stand_still)))

    counts = []
    for copy in crashes_of(remind_and_be_killed, folder, tmp_path):
        sent_before = len(ids_of(copy))
        counts.append((sent_before, asyncio.run(recovered(copy))))
        shutil.rmtree(copy)

    assert [earlier for earlier, _ in counts] == sorted(earlier for earlier, _ in counts)
    assert counts[0] == (0, MAILS)
    assert counts[-1] == (MAILS, MAILS)
    assert max(total for _, total in counts) == MAILS + 1  # sent, and not yet confirmed
