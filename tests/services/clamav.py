"""A private ClamAV daemon that knows one signature, the test string that every scanner knows. In: a folder. Out: a `Clamd`
that can be stopped, started again, and told to hang. It needs no network and is up in a fraction of a second."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from tests.services.process import ServiceFailed, free_ports, kill, wait_until

PACKAGES = ("clamav-daemon",)
# In two halves, so that a scanner of source files finds nothing here.
EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
NAME = "Eicar.Test"
_SERVER = Path("/usr/sbin/clamd")


def installed() -> bool:
    return _SERVER.exists() or shutil.which("clamd") is not None


@dataclass(kw_only=True)
class Clamd:
    """One daemon, on a socket file and on a port."""

    folder: Path
    port: int
    most_bytes: int
    _process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def socket(self) -> Path:
        return self.folder / "s"

    @property
    def unix(self) -> str:
        return f"unix:{self.socket}"

    @property
    def tcp(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    def start(self) -> None:
        with (self.folder / "out").open("ab") as out:
            self._process = subprocess.Popen(
                [str(_SERVER), "-c", str(self.folder / "clamd.conf")],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        wait_until(self.answers, f"an answer of clamd (log: {self.folder / 'out'})")

    def answers(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as line:
                line.settimeout(5)
                line.connect(str(self.socket))
                line.sendall(b"zPING\0")
                return line.recv(16) == b"PONG\0"
        except OSError:
            return False

    def stop(self) -> None:
        if self._process is not None:
            self.resume()
            kill(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None
        self.socket.unlink(missing_ok=True)

    def hang(self) -> None:
        """It takes connections and says nothing."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, which: signal.Signals) -> None:
        if self._process is not None:
            os.kill(self._process.pid, which)


def start(folder: Path, most_bytes: int = 1024 * 1024) -> Clamd:
    if not installed():
        raise ServiceFailed("ClamAV is not installed")
    (folder / "db").mkdir(parents=True)
    (folder / "db" / "one.ndb").write_text(f"{NAME}:0:*:{EICAR.hex()}\n")
    daemon = Clamd(folder=folder, port=free_ports(1)[0], most_bytes=most_bytes)
    lines = (
        f"LocalSocket {daemon.socket}",
        "TCPAddr 127.0.0.1",
        f"TCPSocket {daemon.port}",
        f"DatabaseDirectory {folder / 'db'}",
        f"TemporaryDirectory {folder}",
        "Foreground yes",
        f"StreamMaxLength {most_bytes}",
        *(("User root",) if os.geteuid() == 0 else ()),
    )
    (folder / "clamd.conf").write_text("".join(f"{line}\n" for line in lines))
    daemon.start()
    return daemon
