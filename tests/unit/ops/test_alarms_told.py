"""A node reports each of its faults to persons, once, and its end: real faults of a real node, whose mails and webhooks a
mail server and a program of the operators receive."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import time, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway import time_source
from gateway.domain.diagnosis import Tag
from gateway.domain.identity import Secret
from gateway.domain.wall_clock import vietnam_time
from gateway.incoming import process
from gateway.ops import backup, checks, checks_of_watch
from gateway.ops.alarms import AlarmLoop, open_alarms, send_one
from gateway.ops.checks import Watch
from gateway.ops.subject import Subject
from gateway.outgoing import manage
from gateway.policy import alarms as rules
from gateway.settings.options import AlarmSettings, MailSettings, Settings
from gateway.store import maintenance
from gateway.store.alarm_file import read_alarms
from gateway.time_source import TimeSource
from gateway.transport.mail import NONE
from gateway_labs.authority import Authority
from tests.support.faulty import lose_database
from tests.support.hooks import Receiver, answers, receiving
from tests.support.mail_server import MailServer, running
from tests.support.node import DEPARTMENT, PROVINCE, Town, receipt_for, status_about
from tests.unit.ops import test_alarms as faults

SECRET = "c2VjcmV0IG9mIHRoZSBvcGVyYXRvcnM="
MINUTE = timedelta(minutes=1)
# Longer than any fault must stand, and than any must be gone.
SOME_MINUTES = 8 * MINUTE


@dataclass(kw_only=True)
class Desk:
    """A node, the mail server and the program of its operators, and the process that tells."""

    town: Town
    mails: MailServer
    hook: Receiver
    has_worker: bool = True
    quiet: str = ""
    to: str = "op@example.vn"
    alarms: AlarmLoop = field(init=False)
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    def settings(self, settings: Settings) -> Settings:
        mail = MailSettings(host="127.0.0.1", port=self.mails.port, security=NONE, sender="node@example.vn")
        alarms = AlarmSettings(mail=self.to, url=self.hook.url, secret=Secret(SECRET), quiet=self.quiet)
        return replace(settings, mail=mail, alarms=alarms)

    async def restart(self, town: Town) -> None:
        """Let another process tell of this node from now on."""
        await self.stack.aclose()
        self.town = replace(town, node=replace(town.node, settings=self.settings(town.node.settings)))
        self.alarms = await self.stack.enter_async_context(open_alarms(Watch(node=self.town.node)))

    async def pass_minutes(self, count: int = 4, step: timedelta = SOME_MINUTES / 4) -> None:
        """Let minutes pass, in which a worker that is well seals the log and gives its signs of life."""
        for _ in range(count):
            self.town.clock.advance(step)
            if self.has_worker:
                await self.town.number()
                await self.town.node.sealer.step()
                await self.town.node.pulse.beat()
            # The file would have the machine's time, which is not the test's.
            os.utime(faults.database_of(self.town), (now := self.town.clock.now().timestamp(), now))
            await self.alarms.step()

    def posted(self) -> list[tuple[str, str, str]]:
        """Return type, check and level of the messages at the operators' program."""
        bodies = [body for body in self.hook.bodies if "data" in body]
        return [(b["type"], b["data"]["check"], b["data"]["level"]) for b in bodies]

    def subjects(self) -> list[str]:
        return [str(mail.message["Subject"]) for mail in self.mails.mails]


@pytest.fixture
async def desk(town: Town) -> AsyncIterator[Desk]:
    async with running(MailServer()) as mails, receiving() as hook:
        desk = Desk(town=town, mails=mails, hook=hook)
        await desk.restart(town)
        await desk.pass_minutes(1, MINUTE)
        yield desk
        await desk.stack.aclose()


async def nothing(town: Town) -> None:
    """Change nothing: the fault is over with the node that had it."""


async def drop_the_dead(town: Town) -> None:
    for parcel in await town.node.axis.dead_list():
        await town.node.axis.dead_drop(parcel.id, "test")


async def backup_fails(town: Town) -> None:
    backup.note_failure(town.node.settings.node.data_dir, town.clock.now(), "backup", "no room")


async def backup_succeeds(town: Town) -> None:
    town.clock.advance(1)
    data_dir = town.node.settings.node.data_dir
    backup.note(data_dir, data_dir / "a.snapshot", town.clock.now(), town.clock.now())


async def drill_fails(town: Town) -> None:
    await backup_succeeds(town)
    town.clock.advance(1)
    backup.note_failure(town.node.settings.node.data_dir, town.clock.now(), "drill", "not equal")


async def partner_silent(town: Town) -> None:
    await town._host()
    await town.send("15")
    await town.pack()
    await town.dispatch()
    for arrival in await town.node.inn.axis.take(50, 60):  # its node takes it, and never answers
        await town.node.inn.axis.settle(arrival, is_done=True)
    town.clock.advance(timedelta(hours=24))


async def partner_answers(town: Town) -> None:
    async with town.node.store.read(await town.scope(DEPARTMENT)) as work:
        (sent,) = (await work.outgoing.page(limit=5)).items
    status = town.forge(status_about("01", sent.document_id), receipt=receipt_for(sent, "01"))
    await town.brought(status, DEPARTMENT)


async def packets_discarded(town: Town) -> None:
    scope = await town.scope(PROVINCE)
    for row in await town.inbox(PROVINCE):
        await process.discard(town.node.inn, scope, row.id, "no envelope")


async def resend_packet(town: Town) -> None:
    scope = await town.scope(DEPARTMENT)
    async with town.node.store.read(scope) as work:
        (failed,) = (await work.outgoing.page(limit=5)).items
    await town._host()
    await manage.resend(town.node.out, scope, failed.id)
    await town.carry()


async def database_lost(town: Town) -> None:
    """Let a disk break, of whose database a copy is left."""
    await town.node.store.close()
    data_dir = town.node.settings.node.data_dir
    shutil.copytree(data_dir, data_dir / "copy", ignore=lambda _, names: {*names} - database_files(data_dir))
    await lose_database(town)


def database_files(data_dir: Path) -> set[str]:
    return {file.name for file in data_dir.glob("gateway.db*")}


async def database_put_back(town: Town) -> None:
    await town.node.store.close()
    data_dir = town.node.settings.node.data_dir
    for file in data_dir.glob("gateway.db*"):
        file.unlink()
    for file in (data_dir / "copy").iterdir():
        shutil.copy2(file, data_dir)


async def feed_away(town: Town) -> Town:
    """Let the issuer's list not come."""
    registry = replace(town.node.settings.registry, feed_url="http://127.0.0.1:9/feed", feed_h=6)
    settings = replace(town.node.settings, registry=registry)
    waiting = replace(town, node=replace(town.node, settings=settings))
    await waiting.node._axis_lists_loop()["axis_lists"].step()
    return waiting


async def sign_until(town: Town, days: int) -> None:
    """Let an agency sign with a new key, whose certificate ends after so many days, and with no other."""
    node, now = town.node, town.clock.now()
    former = node.keys.signer(DEPARTMENT, now).certificate_der
    entry = node.keys.generate(DEPARTMENT)
    request = node.keys.request(DEPARTMENT, entry.key_id, "Sở")
    authority = Authority.load(node.settings.node.data_dir / "authority")
    issued = authority.issue_for_request(request, now, timedelta(days=days))
    node.keys.import_certificate(DEPARTMENT, issued.public_bytes(Encoding.PEM))
    changes = node.directory_changes
    await changes.bind(DEPARTMENT, issued.public_bytes(Encoding.DER), None, None, "an", "binh")
    await changes.unbind(DEPARTMENT, sha256(former).hexdigest())


async def unroutable(town: Town) -> None:
    await town.node.inn.axis.host([])
    await town.send("15")
    await town.pack()
    await town.dispatch()


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A fault that is made for real, with the check that finds it, and how it is mended where that is tried here."""

    check: str
    level: str
    meet: faults.Met
    mend: Callable[[Town], Awaitable[None]] = nothing
    has_worker: bool = True
    stands_long: bool = False
    """It is an alarm when it has stood for an hour."""


FAULTS = {
    "no worker": Fault(check="workers", level="red", meet=faults.worker_dies, has_worker=False),
    "disk full": Fault(check="disk", level="red", meet=faults.disk_fills),
    "clock off": Fault(check="clock", level="red", meet=faults.clock_off),
    "axis down": Fault(check="axis", level="red", meet=faults.broker_away),
    "content not mounted": Fault(check="folder.content", level="red", meet=faults.content_away),
    "scanner away": Fault(check="scanner", level="red", meet=faults.scanner_away),
    "dead parcel": Fault(check="axis.dead", level="yellow", meet=faults.dead, mend=drop_the_dead),
    "quarantine": Fault(check="quarantine", level="yellow", meet=faults.quarantined, mend=packets_discarded),
    "packet failed": Fault(check="outbox", level="yellow", meet=unroutable, mend=resend_packet),
    "backup failed": Fault(check="backup", level="red", meet=backup_fails, mend=backup_succeeds),
    "drill failed": Fault(check="backup", level="red", meet=drill_fails, mend=backup_succeeds),
    "partner silent": Fault(check="partners", level="yellow", meet=partner_silent, mend=partner_answers),
    "database lost": Fault(
        check="database", level="red", meet=database_lost, mend=database_put_back, has_worker=False
    ),
    "memory short": Fault(check="memory", level="red", meet=faults.memory_is_short),
    "feed does not come": Fault(check="axis-lists", level="yellow", meet=feed_away, stands_long=True),
    "all hot folders down": Fault(check="hot-folder", level="red", meet=faults.folder_away, stands_long=True),
    "key of an agency ends": Fault(
        check="keys",
        level="yellow",
        meet=partial(sign_until, days=40),
        mend=partial(sign_until, days=400),
        stands_long=True,
    ),
    "certificate of the broker": Fault(
        check="axis.certificate", level="yellow", meet=faults.server_certificate_ends, stands_long=True
    ),
}


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.usefixtures("keys_away")
async def test_a_fault_is_told_once_by_mail_and_webhook_and_so_is_its_end(desk: Desk, name: str) -> None:
    fault, well = FAULTS[name], desk.town
    met = fault.meet(well)
    if isinstance(met, AbstractAsyncContextManager):
        async with met as ill:
            await stand(desk, ill, fault)
    else:
        await stand(desk, await met or well, fault)
    desk.has_worker = True
    await fault.mend(well)
    await desk.restart(well)
    await desk.pass_minutes()

    assert desk.posted()[1:] == [("alarm.ended", fault.check, fault.level)]
    assert len(desk.mails.mails) == 2
    assert "Đã hết" in desk.subjects()[-1]
    assert read_alarms(well.node.settings.node.data_dir).alarms == {}


async def stand(desk: Desk, town: Town, fault: Fault) -> None:
    """Let the fault stand, with a restart in the middle; each channel has one message, with the words of the doctor."""
    desk.has_worker = fault.has_worker
    for _ in range(2):
        await desk.restart(town)
        if fault.stands_long:
            await desk.pass_minutes(13, 2.5 * MINUTE)
        await desk.pass_minutes()

    assert desk.posted() == [("alarm.opened", fault.check, fault.level)]
    assert desk.hook.all_signed(SECRET)
    (mail,) = desk.mails.mails
    data = desk.hook.bodies[0]["data"]
    assert mail.to == [desk.to]
    assert data["says"] in mail.text
    assert data["cure"] is None or data["cure"] in mail.text
    findings = await checks.examine(Subject.within(desk.town.node), Tag.METRICS)
    assert data["says"] in [finding.says("vi") for finding in findings]


async def test_a_database_file_that_is_moved_away_is_named_and_no_empty_one_is_advised(town: Town) -> None:
    await town.node.pulse.beat()
    file = faults.database_of(town)
    file.rename(file.with_name("moved"))

    findings = await checks.examine(Subject.within(town.node), Tag.READY)

    (finding,) = [f for f in findings if f.check == "database" and f.level == "red"]
    assert (finding.cause, finding.word, finding.stops) == ("database.missing", "missing", True)
    assert "back if it was moved away" in (finding.mends("en") or "")


async def test_in_quiet_hours_what_is_yellow_waits_for_the_morning(desk: Desk) -> None:
    desk.quiet = "22:00-06:00"
    clock = desk.town.clock
    clock.advance(vietnam_time(clock.now().date() + timedelta(days=1), time(22, 30)) - clock.now())
    await unroutable(desk.town)
    await desk.restart(desk.town)
    await desk.pass_minutes(3, MINUTE)
    assert desk.posted() == []
    await backup_fails(desk.town)
    await desk.pass_minutes(3, MINUTE)
    assert desk.posted() == [("alarm.opened", "backup", "red")]

    clock.advance(timedelta(hours=7, minutes=30))
    await desk.pass_minutes(1, MINUTE)

    assert desk.posted()[1:] == [("alarm.opened", "outbox", "yellow")]


async def test_a_way_that_fails_is_tried_again_later_and_holds_up_no_other(desk: Desk) -> None:
    desk.mails.refuses["MAIL"] = "451 later"
    await backup_fails(desk.town)
    await desk.pass_minutes(5, MINUTE)
    state = read_alarms(desk.town.node.settings.node.data_dir).failures[f"mail {desk.to}"]
    (failing,) = [f for f in await checks.examine(Subject.within(desk.town.node)) if f.check == "alarms"]

    assert (len(desk.posted()), desk.subjects(), state.tries) == (1, [], 3)
    assert (failing.cause, failing.params["channel"]) == ("alarms.failing", f"mail {desk.to}")

    desk.mails.refuses.clear()
    await desk.restart(desk.town)
    await desk.pass_minutes(5, MINUTE)

    assert (len(desk.posted()), len(desk.subjects())) == (1, 1)
    assert read_alarms(desk.town.node.settings.node.data_dir).failures == {}


async def test_another_process_tells_when_the_one_that_told_has_ended(desk: Desk) -> None:
    await backup_fails(desk.town)
    async with open_alarms(Watch(node=desk.town.node)) as second:
        for _ in range(2):
            desk.town.clock.advance(MINUTE)
            await second.step()
        assert desk.posted() == []

        await desk.stack.aclose()
        desk.town.clock.advance(MINUTE)
        await second.step()

    assert desk.posted() == [("alarm.opened", "backup", "red")]


async def test_another_process_tells_when_the_one_that_told_stands_still_and_only_one_of_them(
    desk: Desk,
) -> None:
    await backup_fails(desk.town)
    await desk.pass_minutes(1, MINUTE)
    async with open_alarms(Watch(node=desk.town.node)) as second:
        await second.step()
        for loop in (second, second, desk.alarms):
            with time_source.replaced(TimeSource(monotonic=lambda: time_source._system_boottime() + 3600)):
                desk.town.clock.advance(rules.REPEATED)
                await loop.step()

    assert [kind for kind, check, _ in desk.posted() if check == "backup"] == ["alarm.opened", "alarm.stands"]
    assert not desk.alarms._is_holder


async def test_a_message_of_a_test_arrives_on_each_way_and_a_refusal_is_named(desk: Desk) -> None:
    node = desk.town.node
    desk.hook.behave = answers(500)
    tried = await send_one(node.settings, node.clock, node.pool, None)

    assert tried == {f"mail {desk.to}": "", "url": "the address of alarms.url did not take it (status, 500)"}
    assert desk.subjects() == ["[demo] Thử cảnh báo"]
    assert desk.hook.bodies[-1]["type"] == "alarm.test"


MEMORY = {(50, 0.0): "green", (4, 0.0): "yellow", (1, 0.0): "red", (50, 12.0): "yellow", (50, 41.0): "red"}


@pytest.mark.parametrize("shares", MEMORY)
async def test_a_machine_short_of_memory_is_found_by_what_its_kernel_says(
    town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shares: tuple[int, float]
) -> None:
    (available, pressure), level = shares, MEMORY[shares]
    monkeypatch.setattr(checks_of_watch, "_PROC", tmp_path)
    (tmp_path / "pressure").mkdir()
    (tmp_path / "meminfo").write_text(f"MemTotal:  100 kB\nMemFree:  1 kB\nMemAvailable:  {available} kB\n")
    (tmp_path / "pressure" / "memory").write_text(f"some avg10=0.00 avg60=0.00 avg300={pressure} total=0\n")

    (finding,) = [finding async for finding in checks_of_watch.memory(Subject.within(town.node))]

    assert finding.level == level


async def test_a_maintenance_explains_what_waits_and_stops_in_it_and_nothing_else(desk: Desk) -> None:
    node = desk.town.node
    await maintenance.begin(node.store, node.clock, "prn_operator", node.clock.now() + 30 * MINUTE, "")
    await node.maintenance.step()
    desk.has_worker = False
    await backup_fails(desk.town)

    await desk.pass_minutes(10, 2 * MINUTE)

    assert {check for _, check, _ in desk.posted()} == {"backup"}

    await desk.pass_minutes(10, 2 * MINUTE)

    assert "workers" in {check for _, check, _ in desk.posted()}
