"""`python -m tests.services COMMAND...` brings up what the tests need, runs the command with the addresses in its
environment, and stops what it brought up. A service whose address is in the environment already is used from there; one
that is not installed is installed where that is allowed, and otherwise left out: tests say then what they missed. While
services start, the sources of a fresh clone are compiled."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from gateway.trust.page_drawing.drawer import model_folder
from tests.services import chromium, clamav, installing, memory, postgres, rabbit, radosgw, softhsm
from tests.support.services import AMQP, POSTGRES, RABBIT_API

_OF_MONO = ("net-http", "runtime-serialization", "componentmodel-dataannotations")
_PACKAGES = {
    "RabbitMQ": ("rabbitmq-server",),
    "PostgreSQL": ("postgresql",),
    "SoftHSM": softhsm.PACKAGES,
    "ClamAV": clamav.PACKAGES,
    "poppler": ("poppler-utils",),
    "age": ("age",),
    "Tesseract": ("tesseract-ocr-vie",),
    "C#": ("mono-mcs", *(f"libmono-system-{part}4.0-cil" for part in _OF_MONO)),
    "Chromium": chromium.PACKAGES,
    "Ceph": radosgw.PACKAGES,
}


def main(command: list[str]) -> int:
    if not command:
        print(__doc__, file=sys.stderr)
        return 2
    # A signal that ends this process ends its services with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with ExitStack() as stack:
        with subprocess.Popen([sys.executable, "-m", "tests.services.compiling"]):
            env = _services(stack)
        return subprocess.run(command, env=env, check=False).returncode


def _services(stack: ExitStack) -> dict[str, str]:
    """Start what is missing and return the environment with the addresses of all services; what was started stops with
    the stack."""
    env = dict(os.environ)
    missing = [
        name
        for name, is_there in (
            ("RabbitMQ", AMQP in env or rabbit.installed()),
            ("PostgreSQL", POSTGRES in env or postgres.installed()),
            ("SoftHSM", softhsm.installed()),
            ("ClamAV", clamav.installed()),
            ("poppler", shutil.which("pdfsig") is not None),
            ("age", shutil.which("age") is not None),
            ("Tesseract", model_folder() is not None),
            ("C#", Path("/usr/lib/mono/4.5/System.ComponentModel.DataAnnotations.dll").exists()),
            ("Chromium", chromium.PATH in env or chromium.installed()),
            ("Ceph", radosgw.installed()),
        )
        if not is_there
    ]
    if missing and installing.may_install():
        _say(f"installing {' and '.join(missing)}")
        installing.install([package for name in missing for package in _PACKAGES[name]])
        missing = []
    folder = Path(
        stack.enter_context(
            tempfile.TemporaryDirectory(
                prefix="gateway-services-", dir=memory.folder(), ignore_cleanup_errors=True
            )
        )
    )
    folder.chmod(0o755)  # PostgreSQL runs as a user of its own
    if memory.folder() is not None:
        (folder / "tmp").mkdir()
        env["TMPDIR"] = str(folder / "tmp")
    # It is started by the first test that needs it.
    env[radosgw.FOLDER] = str(folder / "s3")
    stack.callback(radosgw.stop, folder / "s3")
    for name in missing:
        _say(f"{name} is not installed and cannot be installed here: its tests will say so")
    if "PostgreSQL" not in missing and POSTGRES not in env:
        server = postgres.start(folder / "postgres")
        stack.callback(server.stop)
        env[POSTGRES] = server.url
    if "RabbitMQ" not in missing and AMQP not in env:
        cluster = rabbit.start(folder)
        stack.callback(cluster.stop)
        env |= {AMQP: cluster.nodes[0].amqp, RABBIT_API: cluster.nodes[0].api}
    return env


def _say(words: str) -> None:
    print(f"services: {words}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
