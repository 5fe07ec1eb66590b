"""A process tells systemd when it is ready, that it lives, and that it ends."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from gateway.cli.service_manager import feed_watchdog, notify
from gateway.clock import SystemClock
from tests.support.town.builder import lay_out
from tests.support.waiting import within_limit


@pytest.fixture
def systemd() -> Iterator[socket.socket]:
    """Yield the socket at which systemd would listen; a path of a socket must be short."""
    with TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"{folder}/notify")
        listener.setblocking(False)
        yield listener


async def receive(listener: socket.socket) -> str:
    received = await within_limit(asyncio.get_running_loop().sock_recv(listener, 100), "a word to systemd")
    return received.decode()


async def test_a_living_process_feeds_the_watchdog_and_one_that_hangs_does_not(
    systemd: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", systemd.getsockname())
    monkeypatch.setenv("WATCHDOG_USEC", "20000")
    stop, answers = asyncio.Event(), list[bool]()

    def turns() -> bool:
        answers.append(len(answers) < 2)
        if len(answers) == 5:
            stop.set()
        return answers[-1]

    await within_limit(feed_watchdog(turns, stop), "the watchdog")
    notify("STOPPING=1")

    assert [await receive(systemd) for _ in range(3)] == ["WATCHDOG=1", "WATCHDOG=1", "STOPPING=1"]


async def test_serve_is_ready_when_it_works_and_says_when_it_ends(
    systemd: socket.socket, tmp_path: Path
) -> None:
    await lay_out(tmp_path / "node", SystemClock())
    words = {"NOTIFY_SOCKET": systemd.getsockname(), "GATEWAY_NODE_OFFICE": "off"}
    environ = {**os.environ, **words, "GATEWAY_NODE_DATA_DIR": str(tmp_path / "node")}
    serve = (sys.executable, "-m", "gateway", "serve", "--role", "worker")
    process = await asyncio.create_subprocess_exec(*serve, env=environ)

    ready = await receive(systemd)
    process.send_signal(signal.SIGTERM)

    assert (ready, await receive(systemd)) == ("READY=1", "STOPPING=1")
    assert await within_limit(process.wait(), "its end") == 0
