"""Makes throw-away copies of this machine, to try a package as root: its files under an overlay in memory, in a mount
namespace of their own. No systemd runs there: `systemctl` notes what is enabled, and a unit is started by its own lines.
In: a folder of files to put into /root. Out: a shell there; or, for tests, a `Machine`. Changes are gone at the end."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

_MOUNT = """set -e; mount -t tmpfs none "$1"; mkdir "$1/up" "$1/work" "$1/root"
mount -t overlay none -o "lowerdir=$3,upperdir=$1/up,workdir=$1/work" "$1/root"
mount --rbind /dev "$1/root/dev"; mount -t proc none "$1/root/proc"; mkdir -p "$1/root/srv/gateway"
mount --bind "$2" "$1/root/srv/gateway"; echo ready; exec cat >/dev/null"""
_VARIABLES = "PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin GATEWAY_LANG=en TERM=dumb HOME=/root"


class Refused(OSError):
    """This system makes no overlay, or not for this user."""


class Machine:
    """A machine; /srv/gateway is a folder that it shares with others, and commands are typed in /root."""

    def __init__(self, folder: Path, holder: subprocess.Popen[str]) -> None:
        root = str(folder / "root")
        self._enter = ("nsenter", f"--target={holder.pid}", "--mount", "--wd=/", "chroot", root)
        # A path through the namespace in which the machine's files are mounted.
        self.files = Path(f"/proc/{holder.pid}/root{root}")

    def program(self, line: str) -> list[str]:
        """Return the words that carry out a line of a shell on this machine."""
        line = line.replace("systemctl enable --now", "systemctl enable")
        return [*self._enter, "env", "-i", *_VARIABLES.split(), "sh", "-c", f"cd /root && exec {line}"]

    def type(self, line: str) -> str:
        """Carry out a line that must succeed; return its output."""
        run = subprocess.run(
            self.program(line), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=500
        )
        if run.returncode != 0:
            raise AssertionError(f"{line}\n{run.stdout}{run.stderr}")
        return run.stdout + run.stderr

    @contextmanager
    def units(self, *names: str) -> Iterator[None]:
        """Start the service of each unit as its lines say, with its credentials in a folder; stop them at the end."""
        with ExitStack() as stack:
            for n, name in enumerate(names):
                stack.enter_context(self._unit(name, f"/run/credentials-{n}"))
            yield

    @contextmanager
    def _unit(self, name: str, credentials: str) -> Iterator[None]:
        template, at, instance = name.partition("@")
        folders = "/etc/systemd/system", "/usr/lib/systemd/system"
        files = (self.files / folder.lstrip("/") / f"{template}{at}.service" for folder in folders)
        text = next(file.read_text() for file in files if file.exists())
        text = text.replace("%d", credentials).replace("%i", instance)
        self.type(f"install -d -o gateway {credentials}")
        for credential, path in re.findall(r"^LoadCredential=(\w+):(\S+)$", text, re.M):
            copy = f"install -o gateway -m 0400 {path} {credentials}/{credential}"
            if f"\nSetCredential={credential}:" in text:
                copy = f"sh -c '{copy} 2>&- || echo > {credentials}/{credential}'"
            self.type(copy)
        variables = " ".join(shlex.quote(v) for v in re.findall(r"^Environment=(.*)$", text, re.M))
        (command,) = re.findall(r"^ExecStart=(.*)$", text, re.M)
        # All machines have the network of this one, so none has the ports of the units.
        line = f"runuser -u gateway -- env {variables.replace('9180', '0')} {command}"
        with subprocess.Popen(
            self.program(line), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                yield
            finally:
                process.terminate()
                if process.stderr is not None:
                    print(process.stderr.read()[-3000:])


@contextmanager
def machine(folder: Path, shared: Path, files: Path = Path("/")) -> Iterator[Machine]:
    """Make a machine of these files, in an empty folder. Raise Refused where this system does not allow it."""
    folder.mkdir(exist_ok=True)
    with subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", _MOUNT, "sh", folder, shared, files],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as holder:
        if holder.stdout is None or holder.stderr is None or holder.stdout.readline() != "ready\n":
            raise Refused(holder.stderr.read() if holder.stderr else "")
        try:
            yield Machine(folder, holder)
        finally:
            holder.kill()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place, machine(Path(place) / "m", Path(place)) as trial:
        shutil.copytree(sys.argv[1], trial.files / "root", dirs_exist_ok=True)
        subprocess.run(trial.program("bash"), check=False)
