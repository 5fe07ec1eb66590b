"""Each step makes work for the next one and wakes it: a document is there and back without any polling."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from bench import pair, stage, traffic

LOOK_S, PATIENCE_S = 55, 40


@pytest.mark.parametrize("size", [10_000, 300_000], ids=["small", "large"])
async def test_a_document_is_there_and_back_before_anybody_looks_by_the_clock(
    tmp_path: Path, size: int
) -> None:
    papers = await pair.papers(tmp_path / "papers", size, 2)
    await stage.prepare(tmp_path, {"node": [stage.SENDER, stage.RECEIVER]})
    rarely = {"GATEWAY_WORKERS_POLL_S": str(LOOK_S), "GATEWAY_WORKERS_LEASE_S": str(2 * LOOK_S)}
    stage.more_settings(tmp_path, "node").write_text(json.dumps(rarely), encoding="utf-8")

    async with stage.opened(tmp_path, "node") as node, asyncio.timeout(PATIENCE_S):
        for n, paper in enumerate(papers, 1):
            assert len(await traffic.there_and_back(node, [paper], n, 1)) == 1
