"""Runs a private object store: Ceph's gateway for S3, with one monitor and one store in memory. In: a folder. Out: its
address and the keys of two users. It is started by the first test that needs it, shared by all processes of a run, and
stopped with the folder's owner."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import uuid
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.services.process import free_ports, kill, tell, wait_until

PACKAGES = ("radosgw", "ceph-mon", "ceph-osd", "ceph-common")
FOLDER = "LIENTHONG_TEST_S3_FOLDER"
_RUNNING, _PIDS = "running.json", "pids"
_CONF = """[global]
fsid = {fsid}
mon host = [v2:127.0.0.1:{mon}/0]
keyring = {folder}/keyring
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon data avail crit = 1
mon data avail warn = 1
osd objectstore = memstore
memstore device bytes = 1073741824
ms bind msgr1 = false
public network = 127.0.0.0/8
auth allow insecure global id reclaim = false
run dir = {folder}
admin socket = {folder}/$name.asok
pid file = {folder}/$name.pid
log file = {folder}/$name.log
mon data = {folder}/mon
osd data = {folder}/osd
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:{port}
rgw enable apis = s3
rgw thread pool size = 32
"""
_USERS = ("owner", "stranger")


@dataclass(frozen=True, kw_only=True)
class ObjectStore:
    """Address of the running store, and access and secret key of each user."""

    endpoint: str
    keys: dict[str, tuple[str, str]]


def installed() -> bool:
    return all(shutil.which(name) for name in ("radosgw", "radosgw-admin", "ceph-mon", "ceph-osd", "ceph"))


def shared(folder: Path) -> ObjectStore:
    """Return the store of this folder, started if it does not run yet."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        file = folder / _RUNNING
        if not file.exists():
            file.write_text(json.dumps(asdict(_start(folder))))
        running = json.loads(file.read_text())
    return ObjectStore(
        endpoint=running["endpoint"], keys={user: (key[0], key[1]) for user, key in running["keys"].items()}
    )


def stop(folder: Path) -> None:
    """Kill every program of the store; its data is thrown away with the folder."""
    pids = [int(line) for line in (folder / _PIDS).read_text().split()] if (folder / _PIDS).exists() else []
    for pid in pids:  # all of them before the first is waited for
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for pid in pids:
        kill(pid, signal.SIGKILL)


def _start(folder: Path) -> ObjectStore:
    monitor, port = free_ports(2)
    conf, ring, monmap = folder / "ceph.conf", folder / "keyring", folder / "monmap"
    fsid, osd = str(uuid.uuid4()), str(uuid.uuid4())
    conf.write_text(_CONF.format(fsid=fsid, mon=monitor, port=port, folder=folder))
    for part in ("mon", "osd"):
        (folder / part).mkdir()
    tell(
        ["ceph-authtool", "--create-keyring", str(ring), "--gen-key", "-n", "mon.", "--cap", "mon", "allow *"]
    )
    for name in ("client.admin", "client.rgw", "osd.0"):
        allows = ("--cap", "mon", "allow *", "--cap", "osd", "allow *")
        tell(["ceph-authtool", str(ring), "--gen-key", "-n", name, *allows])
    address = f"[v2:127.0.0.1:{monitor}/0]"
    tell(["monmaptool", "--create", "--fsid", fsid, "--addv", "a", address, str(monmap)])
    settings = ("-c", str(conf))
    tell(["ceph-mon", *settings, "-i", "a", "--mkfs", "--monmap", str(monmap), "--keyring", str(ring)])
    _launch(folder, ["ceph-mon", *settings, "-f", "-i", "a"])
    tell(["ceph", *settings, "osd", "new", osd])
    tell(["ceph-osd", *settings, "-i", "0", "--mkfs", "--osd-uuid", osd])
    _launch(folder, ["ceph-osd", *settings, "-f", "-i", "0"])
    _launch(folder, ["radosgw", *settings, "-f", "-n", "client.rgw"])
    keys = {}
    for user in _USERS:
        output = tell(
            ["radosgw-admin", *settings, "user", "create", f"--uid={user}", f"--display-name={user}"]
        )
        key = json.loads(output)["keys"][0]
        keys[user] = (key["access_key"], key["secret_key"])
    wait_until(lambda: _answers(port), f"an answer of the object store (logs: {folder})")
    return ObjectStore(endpoint=f"http://127.0.0.1:{port}", keys=keys)


def _launch(folder: Path, command: list[str]) -> None:
    with (folder / "out").open("ab") as out:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    with (folder / _PIDS).open("a") as pids:
        print(process.pid, file=pids)


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def from_environment() -> ObjectStore | None:
    """Return the store of this run of tests; None where it cannot run here."""
    folder = os.environ.get(FOLDER)
    return shared(Path(folder)) if folder and installed() else None
