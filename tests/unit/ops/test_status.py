"""The status of a node is read without holding up the node."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from gateway.ops import status
from gateway.store import data_folder
from tests.support.node import Town


async def test_disks_backup_and_heartbeats_are_read_beside_the_event_loop(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: dict[str, threading.Thread] = {}

    def with_note(name: str, read: Callable[..., Any]) -> Callable[..., Any]:
        def read_and_note(*arguments: object) -> Any:
            threads[name] = threading.current_thread()
            return read(*arguments)

        return read_and_note

    for module, name in (
        (status, "beats"),
        (status, "slots"),
        (status, "last_backup"),
        (data_folder, "disks"),
        (data_folder, "free_space"),
    ):
        monkeypatch.setattr(module, name, with_note(name, getattr(module, name)))

    await status.look(town.node)

    assert set(threads) == {"beats", "slots", "last_backup", "disks", "free_space"}
    assert threading.current_thread() not in threads.values()
