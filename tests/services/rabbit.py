"""A private RabbitMQ: one node, or a cluster of several on the loopback. In: a folder. Out: a `Cluster` whose nodes can be
stopped, killed, started again and put under a memory alarm."""

from __future__ import annotations

import base64
import json
import os
import secrets
import signal
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.services.process import LIMIT_S, ServiceFailed, free_ports, has_ended, kill, tell, wait_until

SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
ADMIN = "admin"
MAX_MESSAGE = (
    16 * 1024 * 1024
)  # what RabbitMQ 4 takes by default, so that nothing here leans on older, larger limits
# By the broker's name: one that is forgotten while it runs warns, and one that ended while it started is started again.
_launched: dict[str, subprocess.Popen[bytes]] = {}
# Two cores are shared with everything else: schedulers that find nothing to do must sleep.
_QUIET = "+sbwt none +sbwtdcpu none +sbwtdio none"


def installed() -> bool:
    return SERVER.exists()


@dataclass(frozen=True, kw_only=True)
class BrokerNode:
    """One broker process: its ports, and the ways to hurt it."""

    name: str
    folder: Path
    amqp_port: int
    api_port: int
    dist_port: int
    password: str
    peers: tuple[str, ...]
    extra: tuple[str, ...] = ()

    @property
    def amqp(self) -> str:
        return f"amqp://{ADMIN}:{self.password}@127.0.0.1:{self.amqp_port}/"

    @property
    def api(self) -> str:
        return f"http://{ADMIN}:{self.password}@127.0.0.1:{self.api_port}"

    def launch(self) -> subprocess.Popen[bytes]:
        """Starts it; `await_ready` says when it answers."""
        self._write_settings()
        if (earlier := _launched.get(self.name)) is not None:
            earlier.wait(LIMIT_S)
        with (self.folder / "out").open("ab") as out:
            started = subprocess.Popen(
                [str(SERVER)],
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        _launched[self.name] = started
        return started

    def start(self) -> None:
        self.launch()
        self.await_ready()

    def await_ready(self) -> None:
        wait_until(self.is_up, f"an answer of broker {self.name} (log: {self.folder / 'log'})")

    def is_up(self) -> bool:
        """Members that start in the same instant, as after a restart of all, may end over each other's feature flags;
        whoever supervises a service starts it again, and so do we."""
        if self.answers():
            return True
        if (started := _launched.get(self.name)) is not None and started.poll() is not None:
            self.launch()
        return False

    def answers(self) -> bool:
        try:
            call(self.api, "GET", "/api/overview")
        except (OSError, ServiceFailed):
            return False
        return True

    def stop(self) -> None:
        """Lets it end in order."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Takes it away in the middle of whatever it does."""
        self._signal(signal.SIGKILL)

    def alarm(self, on: bool) -> None:
        """Sets the memory alarm, which blocks all publishers, or lifts it."""
        self.ctl("set_vm_memory_high_watermark", "0.0000001" if on else "0.4")

    def ctl(self, *words: str) -> str:
        (program,) = sorted(Path("/usr/lib/rabbitmq/lib").glob("*/sbin/rabbitmqctl"))[-1:]
        return tell([str(program), "-n", self.name, *words], env=self._environment())

    def _signal(self, how: signal.Signals) -> None:
        file = self.folder / "pid"
        if not file.exists():
            return
        pid = int(file.read_text())
        kill(pid, how)
        assert has_ended(pid)
        file.unlink(missing_ok=True)

    def _write_settings(self) -> None:
        for sub in ("home", "mnesia", "log"):
            (self.folder / sub).mkdir(parents=True, exist_ok=True)
        lines = [
            f"listeners.tcp.1 = 127.0.0.1:{self.amqp_port}",
            "management.tcp.ip = 127.0.0.1",
            f"management.tcp.port = {self.api_port}",
            f"max_message_size = {MAX_MESSAGE}",
            f"default_user = {ADMIN}",
            f"default_pass = {self.password}",
            "log.file.level = warning",
            "disk_free_limit.absolute = 50MB",
            "collect_statistics_interval = 1000",
            *self.extra,
        ]
        if self.peers:
            lines.append("cluster_formation.peer_discovery_backend = classic_config")
            lines += [
                f"cluster_formation.classic_config.nodes.{n} = {peer}" for n, peer in enumerate(self.peers, 1)
            ]
        (self.folder / "rabbitmq.conf").write_text("\n".join(lines) + "\n")
        (self.folder / "plugins").write_text("[rabbitmq_management].\n")
        cookie = self.folder / "home" / ".erlang.cookie"
        if not cookie.exists():  # one cookie for all nodes of a cluster
            cookie.write_text(self.password)
            cookie.chmod(0o400)

    def _environment(self) -> dict[str, str]:
        at = {name: str(self.folder / file) for name, file in _FILES.items()}
        return (
            os.environ
            | at
            | {
                "RABBITMQ_NODENAME": self.name,
                "RABBITMQ_DIST_PORT": str(self.dist_port),
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": _QUIET,
            }
        )


_FILES = {
    "HOME": "home",
    "RABBITMQ_MNESIA_BASE": "mnesia",
    "RABBITMQ_LOG_BASE": "log",
    "RABBITMQ_PID_FILE": "pid",
    "RABBITMQ_CONFIG_FILE": "rabbitmq.conf",
    "RABBITMQ_ENABLED_PLUGINS_FILE": "plugins",
}


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """All nodes of one broker; of a single node, a cluster of one."""

    nodes: tuple[BrokerNode, ...]

    @property
    def amqp(self) -> Sequence[str]:
        return [node.amqp for node in self.nodes]

    def stop(self) -> None:
        """For good: what it held is thrown away with its folder, so it need not end in order."""
        for node in self.nodes:
            node.kill()

    def restart(self) -> None:
        """All of it down at once, then up. The nodes of a cluster wait for each other: one that ended while it started is
        seen to at once, and not only when its turn to answer comes."""
        for node in self.nodes:
            node.kill()
        for node in self.nodes:
            node.launch()
        logs = ", ".join(str(node.folder / "log") for node in self.nodes)
        wait_until(self._are_up, f"an answer of each broker (logs: {logs})")

    def _are_up(self) -> bool:
        return min(node.is_up() for node in self.nodes)  # each of them is asked

    def leader_of(self, vhost: str, queue: str) -> BrokerNode:
        """The node that leads a quorum queue now."""
        status = self.ask("GET", f"/api/queues/{quoted(vhost)}/{quoted(queue)}")
        return next(node for node in self.nodes if node.name == status["leader"])

    def ask(self, method: str, path: str, body: object = None) -> Any:  # Any: JSON
        """Asks the first node that answers."""
        alive = next((node for node in self.nodes if node.answers()), self.nodes[0])
        return call(alive.api, method, path, body)


def start(folder: Path, nodes: int = 1, extra: Sequence[str] = ()) -> Cluster:
    """A broker in that folder, ready to be used; `extra` are lines for rabbitmq.conf."""
    run = secrets.token_hex(3)
    names = tuple(f"gw{run}n{n}@localhost" for n in range(1, nodes + 1))
    password, ports = secrets.token_hex(12), free_ports(3 * nodes)
    new_nodes = [
        BrokerNode(
            name=name,
            folder=folder / f"rabbit-{n}",
            amqp_port=ports[3 * n],
            api_port=ports[3 * n + 1],
            dist_port=ports[3 * n + 2],
            password=password,
            peers=(names[0], name) if n else (),
            extra=tuple(extra),
        )
        for n, name in enumerate(names)
    ]
    cluster = Cluster(nodes=tuple(new_nodes))
    try:
        # One after another: members of RabbitMQ 3.10 that form a cluster in one instant may end over each other's feature
        # flags. And to the end of its start: management answers before it, and a vhost made in between is missing at
        # the late member until the cluster looks again, half a minute later.
        for node in new_nodes:
            node.start()
            node.ctl("await_startup")
        wait_until(lambda: _all_joined(cluster), "a whole cluster")
    except BaseException:
        cluster.stop()
        raise
    return cluster


def _all_joined(cluster: Cluster) -> bool:
    running = {n["name"] for n in cluster.ask("GET", "/api/nodes") if n.get("running")}
    return running >= {node.name for node in cluster.nodes}


def quoted(text: str) -> str:
    return urllib.parse.quote(text, safe="")


def call(api: str, method: str, path: str, body: object = None) -> Any:  # Any: JSON
    """One call of the management API. ServiceFailed with the broker's own words when it says no."""
    parts = urllib.parse.urlsplit(api)
    login = base64.b64encode(f"{parts.username}:{parts.password}".encode()).decode()
    request = urllib.request.Request(
        f"http://{parts.hostname}:{parts.port}{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Basic {login}", "Content-Type": "application/json"},
    )
    for tries_left in reversed(range(5)):
        try:
            with urllib.request.urlopen(request, timeout=LIMIT_S) as answer:  # noqa: S310 - as above
                content = answer.read()
            break
        except urllib.error.HTTPError as error:
            with error:
                text = error.read().decode(errors="replace")
                # It lists users while another test removes one: right a moment later.
                if error.code < 500 or not tries_left:
                    raise ServiceFailed(f"{method} {path}: {error.code} {text}") from None
    return json.loads(content) if content else None
