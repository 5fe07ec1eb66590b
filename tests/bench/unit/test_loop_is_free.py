"""Work that large input can make long is never done in the event loop's own thread."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from bench import pair, stage, traffic
from gateway.trust.evidence import NodeTrust
from gateway.trust.inspector import FileInspector
from tests.support.waiting import within_limit

MAY_TAKE_LONG = ((NodeTrust, "collect"), (FileInspector, "inspect"))


async def test_chains_lists_and_files_are_looked_at_in_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: set[tuple[str, int]] = set()
    for kind, name in MAY_TAKE_LONG:
        real = getattr(kind, name)

        # Any: whatever the real one takes and gives
        def noting(*args: Any, real: Any = real, name: str = name, **more: Any) -> Any:
            calls.add((name, threading.get_ident()))
            return real(*args, **more)

        monkeypatch.setattr(kind, name, noting)
    (paper,) = await pair.papers(tmp_path / "papers", 10_000, 1)
    await stage.prepare(tmp_path, {"node": [stage.SENDER, stage.RECEIVER]})

    async with stage.opened(tmp_path, "node") as node:
        await within_limit(traffic.there_and_back(node, [paper], 1, 1), "the way there and back")

    assert {name for name, _ in calls} == {name for _, name in MAY_TAKE_LONG}
    assert threading.get_ident() not in {thread for _, thread in calls}
