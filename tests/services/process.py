"""What both servers need: a free port, a file owned by the right user, waiting for an answer, an end that is sure."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

PAUSE_S = 0.1
# A service that does not come within it has failed; a machine that is busy with ten other things is no reason.
LIMIT_S = 600.0


class ServiceFailed(Exception):
    """A server did not do what it was told; the message says which, and where its log is."""


@contextmanager
def kept_ports(count: int) -> Iterator[list[int]]:
    """Ports that nobody else is given meanwhile, also while the server that listens there is killed and started again.
    Bound here and not listened at: whoever names one and may use it again, as servers may, gets it all the same."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for listener in sockets:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", 0))
        yield [listener.getsockname()[1] for listener in sockets]


_port_stack = ExitStack()


def free_ports(count: int) -> list[int]:
    """Ports that nobody had, all different, and that nobody else is given until this process ends."""
    return _port_stack.enter_context(kept_ports(count))


def wait_until(ready: Callable[[], bool], event: str, timeout_s: float = LIMIT_S) -> None:
    """Asks again and again, for servers cannot tell us by themselves when they are ready."""
    end = time.monotonic() + timeout_s
    while not ready():
        if time.monotonic() > end:
            raise ServiceFailed(f"{event} not within {timeout_s:.0f} s")
        time.sleep(PAUSE_S)


def tell(command: Sequence[str], env: dict[str, str] | None = None, timeout_s: float = LIMIT_S) -> str:
    """Runs a command to its end and gives what it said; ServiceFailed with its words when it went wrong."""
    process = subprocess.run(
        command,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    if process.returncode != 0:
        raise ServiceFailed(
            f"{' '.join(command[:3])}: exit {process.returncode}: {(process.stderr or process.stdout).strip()}"
        )
    return process.stdout


def has_ended(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def kill(pid: int, how: signal.Signals) -> None:
    """Signals the process and waits until it is gone."""
    try:
        os.kill(pid, how)
    except ProcessLookupError:
        return
    wait_until(lambda: _reaped(pid), f"the end of process {pid}")


def _reaped(pid: int) -> bool:
    with suppress(ChildProcessError):  # not a child of ours
        os.waitpid(pid, os.WNOHANG)
    return has_ended(pid)
