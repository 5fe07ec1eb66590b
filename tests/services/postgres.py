"""Runs a private PostgreSQL. In: a folder. Out: a `Server` that can be restarted as a power cut would do it."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.services.process import LIMIT_S, ServiceFailed, free_ports, tell

ADMIN = "admin"
_PROGRAMS = Path("/usr/lib/postgresql")


def installed() -> bool:
    return bool(_bins())


def _bins() -> list[Path]:
    return sorted(_PROGRAMS.glob("*/bin/initdb"))


@dataclass(frozen=True, kw_only=True)
class Server:
    """One database server with its own data folder."""

    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"postgresql://{ADMIN}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        options = (
            f"-p {self.port} -c unix_socket_directories= -c listen_addresses=127.0.0.1 -c max_connections=300"
            " -c log_min_messages=warning"
        )
        self._ctl("-o", options, "-l", str(self.folder / "log"), "start")

    def stop(self) -> None:
        self._ctl("-m", "fast", "stop")

    def restart_immediate(self) -> None:
        """Kill every process of the server and start it again, so that it recovers from its log."""
        self._ctl("-m", "immediate", "stop")
        self.start()

    def _ctl(self, *words: str) -> None:
        waiting = ("-w", "-t", f"{LIMIT_S:.0f}")
        as_owner([str(_bins()[-1].with_name("pg_ctl")), "-D", str(self.folder / "data"), *waiting, *words])


def start(folder: Path) -> Server:
    """Start a new, empty server in that folder, ready to be used."""
    folder.mkdir(parents=True, exist_ok=True)
    owner = _owner()
    if owner is not None:
        shutil.chown(folder, owner)
    data = str(folder / "data")
    as_owner(
        [
            str(_bins()[-1]),
            "-D",
            data,
            "-A",
            "trust",
            "-U",
            ADMIN,
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ]
    )
    server = Server(folder=folder, port=free_ports(1)[0])
    server.start()
    return server


def _owner() -> str | None:
    """Return the user that runs the server: it refuses root."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        raise ServiceFailed("PostgreSQL refuses to run as root and there is no user postgres") from None


def as_owner(command: Sequence[str]) -> None:
    """Run a command as the user that runs the server."""
    owner = _owner()
    if owner is None:
        tell(command)
        return
    # Output to a file handle of ours would be held open by the server for ever: `tell` would wait for its end.
    process = subprocess.run(
        ["runuser", "-u", owner, "--", *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE if command[-1] not in ("start",) else subprocess.DEVNULL,
        cwd="/",
        check=False,
    )
    if process.returncode != 0:
        raise ServiceFailed(
            f"{Path(command[0]).name} {command[-1]}: exit {process.returncode}: {(process.stderr or b'').decode()}"
        )
