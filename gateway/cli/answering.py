"""Carries out commands for callers at a socket of the node's folder, so that they load nothing. In: a running node. Out:
`asking` gets each command's output, questions and exit code, in lines of JSON. Only the node's own user and the system's
are answered; commands that belong in the caller's process are sent back."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gateway import __version__, log
from gateway.bootstrap.node import OpenNode
from gateway.cli import main
from gateway.cli.asking import AS_OPTIONS, SOCKET, digests
from gateway.cli.served import SERVED, Elsewhere, Question, Served

_log = logging.getLogger(__name__)
_LONGEST = 256 * 1024  # of a request
_PEER = struct.Struct("3i")  # process, user and group at the other end


@asynccontextmanager
async def answering(node: OpenNode) -> AsyncIterator[None]:
    """Answer at the socket until the end. The last process that starts on a folder has it."""
    folder = os.open(node.settings.node.data_dir, os.O_PATH | os.O_DIRECTORY)
    # The name is short, whatever the folder's is: a socket has 107 bytes for it.
    place = Path(f"/proc/self/fd/{folder}")
    counter, own = _Counter(node), 0
    try:
        new = place / f"{SOCKET}.{os.getpid()}"
        server = await asyncio.start_unix_server(counter.serve, new, limit=_LONGEST)
        new.chmod(0o600)
        own = new.stat().st_ino
        new.replace(place / SOCKET)
    except OSError as why:  # a disk without sockets: commands work without
        log.action(_log, "commands.unanswered", str(why), folder=str(node.settings.node.data_dir))
        server = None
    try:
        yield
    finally:
        if server is not None:
            server.close()
        counter.close()
        with contextlib.suppress(FileNotFoundError):
            if (place / SOCKET).stat().st_ino == own:
                (place / SOCKET).unlink()
        os.close(folder)


class _Counter:
    def __init__(self, node: OpenNode) -> None:
        self._node = node
        self._settings = digests(os.environ)
        self._tasks: dict[asyncio.Task[Any], None] = {}

    def close(self) -> None:
        for task in [*self._tasks]:
            task.cancel()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one caller. A caller that hangs up cancels its command, as Ctrl+C does."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - the server makes one
        self._tasks[task] = None
        try:
            if _is_own(writer) and (request := await reader.readline()):
                await self._answer(json.loads(request), reader, writer)
        except (ConnectionError, ValueError, KeyError, TypeError):
            pass
        finally:
            del self._tasks[task]
            writer.close()

    async def _answer(
        self, request: Mapping[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        def send(content: Mapping[str, Any]) -> None:
            writer.write(json.dumps(content, ensure_ascii=False).encode() + b"\n")

        served = Served(
            node=self._node, user=str(request["user"]), has_terminal=bool(request["has_terminal"]), send=send
        )
        if self._is_for_us(request):
            send({"taken": True})
            SERVED.set(served)
            hears = asyncio.create_task(reader.readline())
            while (question := await _run(request["args"], served, hears)) is not None:
                send({"ask": question})
                served.restart()
                served.answers[question] = bool(json.loads(await hears)["agrees"])
                hears = asyncio.create_task(reader.readline())
            hears.cancel()
        await writer.drain()

    def _is_for_us(self, request: Mapping[str, Any]) -> bool:
        """Tell whether the caller means this node as it runs: its program, and no other settings in variables."""
        return (
            request["version"] == __version__
            and request["settings"].items() <= self._settings.items()
            and not any(name in os.environ for name in AS_OPTIONS)
        )


async def _run(args: list[str], served: Served, hears: asyncio.Task[bytes]) -> str | None:
    """Run the command while its caller is there. Return the question that a person must answer first."""
    work = asyncio.create_task(main.run_served(args, served.node.pool))
    try:
        await asyncio.wait((work, hears), return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            return None
        served.send({"code": await work})
    except Elsewhere:
        served.send({"elsewhere": True})
    except Question as question:
        return str(question)
    finally:
        work.cancel()
        await asyncio.wait((work,))
    return None


def _is_own(writer: asyncio.StreamWriter) -> bool:
    """Tell whether the caller is the node's own user or the system's."""
    peer: socket.socket = writer.get_extra_info("socket")
    _, user, _ = _PEER.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
    return user in (0, os.geteuid())
