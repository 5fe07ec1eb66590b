"""The services that the other tests lean on do what those tests believe of them."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.services import memory, rabbit
from tests.services.rabbit import BrokerNode


@pytest.mark.skipif(not rabbit.installed(), reason="no RabbitMQ is installed here")
def test_a_broker_that_ends_while_it_starts_is_restarted(tmp_path: Path) -> None:
    cluster = rabbit.start(tmp_path)
    try:
        (node,) = cluster.nodes
        node.kill()
        doomed = node.launch()
        os.killpg(doomed.pid, signal.SIGKILL)
        doomed.wait()

        node.await_ready()

        assert node.answers()
    finally:
        cluster.stop()


def test_of_a_cluster_that_starts_each_broker_is_seen_to_while_the_others_wait_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = [
        BrokerNode(
            name=name, folder=tmp_path / name, amqp_port=1, api_port=2, dist_port=3, password="none", peers=()
        )
        for name in ("first", "last")
    ]
    looks = list[str]()

    def is_up(node: BrokerNode) -> bool:
        """Report that the last node ends while it starts; its first look starts it again, and the first node waits for
        it."""
        looks.append(node.name)
        return looks.count("last") > 1

    for step in ("kill", "launch"):
        monkeypatch.setattr(BrokerNode, step, lambda node: None)
    monkeypatch.setattr(BrokerNode, "is_up", is_up)

    rabbit.Cluster(nodes=tuple(nodes)).restart()

    assert looks.count("last") > 1


def test_a_run_lies_in_memory_only_where_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = memory.folder()

    assert folder is None or os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize >= memory.ROOM
    monkeypatch.setattr(memory, "ROOM", 1 << 60)
    assert memory.folder() is None
