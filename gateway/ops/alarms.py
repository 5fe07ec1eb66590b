"""Notifies persons of the node's faults, by mail and by a webhook of the operators. In: the findings of the checks, each
minute, and the messages sent before. Out: one message when a fault has stood for its time, one each day while it stands,
one at its end. Each channel is tried again, later and later, while it fails, and holds up neither the others nor the node's
work. One process of the node does it: the one that has the lock, and so also one that only answers calls."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from gateway import log
from gateway.bootstrap import guards
from gateway.domain.alarm import Alarm, AlarmBook, ChannelFailure, MessageKind
from gateway.domain.diagnosis import Diagnosis, Tag
from gateway.domain.identity import Secret
from gateway.domain.text import plain
from gateway.domain.wall_clock import local, moment_text
from gateway.errors import GatewayError, Misconfigured, Unreachable
from gateway.ops.checks import Watch
from gateway.policy import alarms as rules
from gateway.policy import upkeep
from gateway.ports.mail import Mail, Mailer
from gateway.ports.services import Clock, Pool, Poster
from gateway.settings import Settings
from gateway.store.alarm_file import AlarmFile, read_alarms
from gateway.transport import mail
from gateway.trust.sealing import PREFIX, webhook_headers
from gateway.words import labels
from gateway.workers.loop import Turn

LOOK_EVERY = timedelta(minutes=1)
RETRY_DELAYS_S = (60, 120, 300, 900, 1800, 3600)
_LANG = "vi"
_LONGEST_SUBJECT = 150
_LEAST_KEY = 16
_log = logging.getLogger(__name__)
Send = Callable[["AlarmMessage"], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmMessage:
    """Message about an alarm, or a test about none. `id` is the same however often it is sent."""

    id: str
    kind: MessageKind
    node: str
    at: datetime
    alarm: Alarm | None = None

    def subject(self) -> str:
        finding = self.alarm.finding if self.alarm is not None else None
        level = labels.say(f"alarm.level.{finding.level}", _LANG) if finding is not None else ""
        line = labels.say(f"alarm.{self.kind}.subject", _LANG, node=self.node, level=level)
        line += f" {plain(finding.says(_LANG))}" if finding is not None else ""
        return line if len(line) <= _LONGEST_SUBJECT else f"{line[: _LONGEST_SUBJECT - 1]}…"

    def text(self) -> str:
        """Return the body of the mail: the fault, since when, and its cure."""
        if self.alarm is None:
            return labels.say("alarm.test.text", _LANG, node=self.node)
        alarm, finding = self.alarm, self.alarm.finding
        times = {"since": moment_text(alarm.since), "until": moment_text(alarm.ended_at)}
        paragraphs = [labels.say(f"alarm.{self.kind}.text", _LANG, node=self.node, **times)]
        paragraphs.append(plain(finding.says(_LANG)))
        if (cure := finding.mends(_LANG)) and alarm.ended_at is None:
            paragraphs.append(f"{labels.say('alarm.cure', _LANG)}\n  {cure}")
        return "\n\n".join([*paragraphs, labels.say("alarm.foot", _LANG, check=finding.check)])

    def body(self) -> bytes:
        """Return the body for the webhook."""
        content: dict[str, object] = {"id": self.id, "type": f"alarm.{self.kind}"}
        content |= {"created_at": _stamp(self.at), "node": self.node}
        if self.alarm is not None:
            finding = self.alarm.finding
            content["data"] = {
                "alarm": self.alarm.id,
                "code": finding.cause,
                "check": finding.check,
                "level": finding.level,
                "since": _stamp(self.alarm.since),
                "ended_at": _stamp(self.alarm.ended_at),
                "says": finding.says(_LANG),
                "cure": finding.mends(_LANG),
            }
        return json.dumps(content, ensure_ascii=False).encode()


def _stamp(at: datetime | None) -> str | None:
    return None if at is None else local(at).isoformat(timespec="seconds")


def read_addresses(text: str) -> Sequence[str]:
    """Read mail addresses with commas between. Misconfigured for a text that is none."""
    return [mail.read_address(part).addr_spec for part in text.split(",") if part.strip()]


def read_key(secret: Secret | None) -> bytes:
    """Read the secret of the webhook, as those of agencies have it. Misconfigured for another text."""
    try:
        key = base64.b64decode(secret.reveal().removeprefix(PREFIX) if secret else "", validate=True)
    except ValueError:
        key = b""
    if len(key) < _LEAST_KEY:
        raise Misconfigured(
            "alarms.secret is no secret of a webhook", hint="make one with: openssl rand -base64 32"
        )
    return key


@asynccontextmanager
async def open_channels(settings: Settings, clock: Clock, pool: Pool) -> AsyncIterator[Mapping[str, Send]]:
    """Open the channels of the settings, by name. Each mail address is one, so that one that is refused holds up no other.
    Misconfigured for an address or a secret that is none."""
    mailer, poster = mail.SmtpMailer(settings.mail, clock, pool), guards.alarm_poster(settings, pool)
    addresses = read_addresses(settings.alarms.mail)
    channels: dict[str, Send] = {f"mail {name}": partial(_mail_to, mailer, name) for name in addresses}
    if settings.alarms.url:
        key = read_key(settings.alarms.secret)
        channels["url"] = partial(_post_to, poster, settings.alarms.url, key)
    try:
        yield channels
    finally:
        await poster.close()


async def _mail_to(mailer: Mailer, address: str, message: AlarmMessage) -> None:
    id, text = f"{message.id}.{address}", message.text()
    await mailer.send(Mail(to=(address,), subject=message.subject(), text=text, id=id))


async def _post_to(poster: Poster, url: str, key: bytes, message: AlarmMessage) -> None:
    body = message.body()
    posted = await poster.post(url, body, webhook_headers([key], message.id, message.at, body))
    if posted.code != "ok":
        raise Unreachable(f"the address of alarms.url did not take it ({posted.code}, {posted.status})")


async def send_one(
    settings: Settings, clock: Clock, pool: Pool, finding: Diagnosis | None
) -> Mapping[str, str]:
    """Send a message about a finding, or a test, on each channel of the settings; return the reason of a failure by
    channel, empty where there was none."""
    id, now, kind = clock.new_id("alm_"), clock.now(), MessageKind.OPENED if finding else MessageKind.TEST
    alarm = Alarm(id=id, finding=finding, since=now, waits_from=now, seen_at=now) if finding else None
    message = AlarmMessage(id=id, kind=kind, node=settings.node.name, at=now, alarm=alarm)
    async with open_channels(settings, clock, pool) as channels:
        return {name: await _send(send, message) for name, send in channels.items()}


async def _send(send: Send, message: AlarmMessage) -> str:
    """Send a message; return the reason of a failure."""
    try:
        await send(message)
    except GatewayError as error:
        return error.detail
    return ""


@dataclass(slots=True, kw_only=True)
class AlarmLoop:
    """Loop that examines the node each minute, and sends the messages that are due."""

    watch: Watch
    channels: Mapping[str, Send]
    file: AlarmFile
    _book: AlarmBook = field(default_factory=AlarmBook)
    _is_holder: bool = False
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _turn: Turn = field(default_factory=lambda: Turn(LOOK_EVERY))

    async def step(self) -> bool:
        """Examine the node and send what is due, where it is time and this process has the lock."""
        node = self.watch.node
        if not self._turn.take(node.clock.now()):
            return False
        was_holder, self._is_holder = self._is_holder, await node.pool.run(self.file.hold)
        if not self._is_holder:
            return False
        if not was_holder:
            self._book = await node.pool.run(partial(read_alarms, node.settings.node.data_dir))
        findings, now = await self.watch.list_findings(Tag.METRICS), node.clock.now()
        alarms = rules.update(self._book.alarms, findings, now, partial(node.clock.new_id, "alm_"))
        self._book = AlarmBook(
            looked_at=now,
            alarms={key: alarm for key, alarm in alarms.items() if not rules.is_done(alarm, self.channels)},
            failures={name: f for name, f in self._book.failures.items() if name in self.channels},
        )
        await self._write()
        await asyncio.gather(*(self._send_due(name, send) for name, send in self.channels.items()))
        return False

    async def _send_due(self, channel: str, send: Send) -> None:
        """Send what is due on one channel, until it fails. Each message is recorded before the next one."""
        node = self.watch.node
        quiet = rules.read_quiet(node.settings.alarms.quiet)
        for key in self._book.alarms:
            alarm, now, failure = self._book.alarms[key], node.clock.now(), self._book.failures.get(channel)
            kind = rules.next_message(alarm, channel, now, is_quiet=rules.is_quiet(quiet, now))
            if kind is None or (failure is not None and now < failure.next_at):
                continue
            count = alarm.sent[channel].count if channel in alarm.sent else 0
            id, name = f"{alarm.id}-{count}", node.settings.node.name
            why = await _send(send, AlarmMessage(id=id, kind=kind, node=name, at=now, alarm=alarm))
            failures = {name: f for name, f in self._book.failures.items() if name != channel}
            alarms = dict(self._book.alarms)
            if why:
                failures[channel] = _next_failure(failure, why, now)
                log.action(_log, "alarm.not_sent", why, attempts=failures[channel].tries)
            else:
                alarms[key] = rules.record_message(alarms[key], channel, kind, now)
                log.action(_log, "alarm.sent", alarm=alarm.id, check=alarm.finding.check, kind=kind)
            self._book = replace(self._book, alarms=alarms, failures=failures)
            await self._write()

    async def _write(self) -> None:
        """Write the book. Where the folder does not take it, the loop goes on from memory."""
        async with self._writing:
            try:
                await self.watch.node.pool.run(partial(self.file.write, self._book))
            except (OSError, ValueError) as error:
                log.action(_log, "alarm.not_written", str(error))


def _next_failure(failure: ChannelFailure | None, why: str, now: datetime) -> ChannelFailure:
    tries = failure.tries + 1 if failure is not None else 1
    since, next_at = failure.since if failure else now, now + upkeep.retry_delay(tries, RETRY_DELAYS_S)
    return ChannelFailure(since=since, next_at=next_at, tries=tries, why=why)


@asynccontextmanager
async def open_alarms(watch: Watch) -> AsyncIterator[AlarmLoop]:
    """Open the loop of the alarms. Misconfigured for settings that cannot be used."""
    node = watch.node
    rules.read_quiet(node.settings.alarms.quiet)
    file = AlarmFile(node.settings.node.data_dir)
    async with open_channels(node.settings, node.clock, node.pool) as channels:
        try:
            yield AlarmLoop(watch=watch, channels=channels, file=file)
        finally:
            file.release()
