"""Notifies systemd of the state of this process, over the socket that systemd names in the environment. In: the variables
NOTIFY_SOCKET and WATCHDOG_USEC. Out: a datagram with READY=1, STOPPING=1 or WATCHDOG=1; nothing where there is no
socket."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import suppress


def notify(state: str) -> None:
    """Send a state. A socket that does not take it stops nothing."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address:
        name = f"\0{address[1:]}" if address.startswith("@") else address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            line.sendto(state.encode(), name)


async def feed_watchdog(turns: Callable[[], bool], stop: asyncio.Event) -> None:
    """Give signs of life at half the time that systemd allows, until the stop, while the loops of this process turn."""
    allowed_s = int(os.environ.get("WATCHDOG_USEC") or 0) / 1_000_000
    while allowed_s and not stop.is_set():
        if turns():
            notify("WATCHDOG=1")
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), allowed_s / 2)
