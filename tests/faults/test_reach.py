"""One document to many recipients goes up to the broker once, and a large one survives the broker: with small numbers what
`python -m bench fan_out large` measures with large ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import fan_out, large
from tests.services import postgres, rabbit
from tests.support.services import missing

MB = 1_000_000
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("reach")]


@pytest.fixture(autouse=True)
def servers_installed() -> None:
    if not (rabbit.installed() and postgres.installed()):
        missing("RabbitMQ and PostgreSQL are needed here; `make test` installs them where it may")


async def test_one_upload_a_lane_reaches_everybody_and_names_whom_nobody_hosts(tmp_path: Path) -> None:
    told = await fan_out.measure(tmp_path, fan_out.Numbers(size=MB, each=4, patience_s=120))

    assert set(told["lanes"]) == {"normal", "urgent"}
    for row in told["lanes"].values():
        assert (row["delivered"], row["failed"], row["reason"]) == (12, 1, "unroutable")
        assert row["envelope"] <= row["uploaded"] < 1.2 * row["envelope"] + 12 * fan_out.BESIDE
        assert row["failed_s"] < 60
    assert told["holds"]


async def test_a_large_document_survives_its_broker_in_bounded_memory(tmp_path: Path) -> None:
    """The broker dies when half of the parts are up; the document arrives once, and as it left."""
    told = await large.measure(tmp_path, large.Numbers(size=12 * MB, patience_s=120))

    assert told["up_at_kill"] < told["envelope"] < told["uploaded"]
    assert (told["came"], told["same"]) == (1, True)
    assert max(told["above_idle_mb"].values()) <= 64
    assert told["holds"], told
