"""`gateway alarms`: the open alarms of the node. In: settings, and the file of the process that sends the messages. Out: a
line for each alarm and each channel that fails; or a test on each channel, and its outcome. A node that does not start is
no obstacle."""

from __future__ import annotations

import re
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway import time_source
from gateway.cli import output
from gateway.cli.command import Invocation, option, verb
from gateway.domain.alarm import AlarmBook
from gateway.domain.diagnosis import red
from gateway.errors import Misconfigured

if TYPE_CHECKING:
    from gateway.settings import Settings

_COLUMNS = output.columns("since state=level:alarm.level name=check detail advice")
_HOUR_S = 3600.0
_CHANNELS = output.columns("name state:alarm.state reason")


@verb("", "--test", "--unit gateway-backup.service")
async def alarms(
    call: Invocation,
    test: Annotated[
        bool, option("Send a test on each channel now; exit 6 if one fails, 1 without one.", "--test")
    ] = False,
    unit: Annotated[str, option("Send that this unit of systemd failed, at most once an hour.")] = "",
) -> None:
    """Show the open alarms, which the node tells by mail and webhook, and the channels that fail."""
    settings = call.settings()
    if not settings.alarms.mail and not settings.alarms.url:
        if test:  # what sends nothing proves nothing
            raise Misconfigured(
                "no channel is set, so nothing was sent", hint="set alarms.mail or alarms.url, then try again"
            )
        call.say("cli.alarms.nobody")
    elif test or (unit and _is_first_of_hour(settings.node.data_dir, unit)):
        await _send(call, settings, unit)
        return
    from gateway.store.alarm_file import read_alarms

    _show(call, read_alarms(settings.node.data_dir))


def _show(call: Invocation, book: AlarmBook) -> None:
    records = [
        output.fields(
            alarm,
            "id check=finding.check code=finding.cause level=finding.level since",
            detail=output.plain(alarm.finding.says(call.lang.value)),
            advice=alarm.finding.mends(call.lang.value) or "",
        )
        for alarm in book.standing()
    ]
    failing = [
        output.fields(failure, "since next_at tries why", channel=channel)
        for channel, failure in book.failures.items()
    ]
    output.rows(
        call, records, _COLUMNS, extra={"looked_at": output.stamp(book.looked_at), "failing": failing}
    )
    for channel, failure in book.failures.items():
        call.say("cli.alarms.failing", channel=channel, since=output.clock(failure.since), why=failure.why)
    if not records:
        call.say("cli.alarms.none", at=output.clock(book.looked_at) or "–")


def _is_first_of_hour(data_dir: Path, unit: str) -> bool:
    """Tell whether no failure of this unit was sent within the hour: a unit that is restarted fails every few seconds."""
    mark = data_dir / f"{re.sub(r'[^a-zA-Z0-9@._-]', '_', unit)}.failed"
    with suppress(OSError):
        if time_source.utc_now().timestamp() - mark.stat().st_mtime < _HOUR_S:
            return False
    with suppress(OSError):
        mark.touch()
    return True


async def _send(call: Invocation, settings: Settings, unit: str) -> None:
    from gateway.clock import SystemClock
    from gateway.ops.alarms import send_one
    from gateway.pool import ThreadPool

    finding = red("unit", "unit.failed", f"journalctl -u {unit} -n 50", unit=unit) if unit else None
    with closing(ThreadPool(1)) as pool:
        faults = await send_one(settings, SystemClock(), pool, finding)
    output.rows(
        call,
        [
            {"id": name, "name": name, "state": "failed" if why else "sent", "reason": why}
            for name, why in faults.items()
        ],
        _CHANNELS,
    )
    if any(faults.values()):
        raise typer.Exit(output.NETWORK)
