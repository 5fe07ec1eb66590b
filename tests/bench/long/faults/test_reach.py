"""One document to many recipients goes up to the broker once, a large one survives the broker, and one that comes in
parts survives its line. The numbers are small here; `python -m bench fan_out large upload` measures the same with large
ones. One set of nodes serves all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import pytest_asyncio

from bench import fan_out, large, reach, upload
from bench.reach import Reach
from tests.services import postgres, rabbit
from tests.support.services import missing

MB = 1_000_000
MANY = fan_out.Numbers(size=MB, each=4, patience_s=120)
LARGE = large.Numbers(size=12 * MB, patience_s=120)
UPLOAD = upload.Numbers(size=30 * MB, part=1024 * 1024, patience_s=120)

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Make a folder that is not below pytest's own, which is closed to the user that PostgreSQL runs as."""
    with TemporaryDirectory(prefix="gateway-reach-") as path:
        yield Path(path)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def nodes(folder: Path) -> AsyncIterator[Reach]:
    """Open a sender and three receivers."""
    if not (rabbit.installed() and postgres.installed()):
        missing("RabbitMQ and PostgreSQL are needed here; `make test` installs them where it may")
    plan = reach.plan(fan_out.cast(MANY), (fan_out.ABSENT,), large.LIMITS)
    async with reach.opened(plan, folder) as opened:
        yield opened


async def test_one_upload_a_lane_reaches_everybody_and_names_whom_nobody_hosts(
    nodes: Reach, folder: Path
) -> None:
    figures = await fan_out.run(nodes, folder, MANY)

    assert set(figures["lanes"]) == {"normal", "urgent"}
    for row in figures["lanes"].values():
        assert (row["delivered"], row["failed"], row["reason"]) == (12, 1, "unroutable")
        assert row["envelope"] <= row["uploaded"] < 1.2 * row["envelope"] + 12 * fan_out.BYTES_PER_RECIPIENT
        assert row["failed_s"] < 60
    assert figures["holds"]


async def test_a_large_document_survives_its_broker_in_bounded_memory(nodes: Reach, folder: Path) -> None:
    """The broker dies when half of the parts are up; the document arrives once, and as it left."""
    figures = await large.run(nodes, folder, LARGE, receiver=large.RECEIVER.lower())

    assert figures["up_at_kill"] < figures["envelope"] < figures["uploaded"]
    assert (figures["came"], figures["same"]) == (1, True)
    assert max(figures["above_idle_mb"].values()) <= 64
    assert figures["holds"], figures


async def test_a_file_in_parts_survives_a_line_that_breaks_in_bounded_memory(
    nodes: Reach, folder: Path
) -> None:
    figures = await upload.run(nodes, folder, UPLOAD, receiver=large.RECEIVER.lower())

    assert (figures["broke"], figures["same"]) == (5, True)
    assert max(figures["above_idle_mb"].values()) <= 64
    assert figures["holds"], figures
