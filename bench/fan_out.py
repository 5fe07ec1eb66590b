"""One document to many recipients on several nodes, over a real broker. In: nothing; tests bring nodes and smaller numbers.
Out: for each lane the bytes that went up to the broker beside those of the envelope, the time until every delivery was
at its 01, and how soon the one unhosted recipient was shown as failed, with its own reason."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import pair, reach
from bench.amounts import number
from bench.machine import load
from bench.reach import Reach

SENDER, ABSENT = "Z91", "Z91.99"
ROOTS = ("Z92", "Z93", "Z94")
URGENCIES = {"normal": "thuong", "urgent": "hoa_toc"}
REASON = "unroutable"
MOST_RATIO = 1.2
# Bytes beside the envelope: names on each part, two questions and one acknowledgement for each recipient.
BYTES_PER_RECIPIENT = 1000
WITHIN_S = 60.0
SMALL = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """Sizes and recipients."""

    size: int = number(5_000_000, "bytes of the document", quick=1_000_000)
    each: int = number(100, "agencies on each of the three receiving nodes", quick=5)
    patience_s: float = number(600.0, "seconds until it is given up")


async def measure(folder: Path, numbers: Numbers) -> dict[str, Any]:
    """Measure on nodes of its own."""
    async with reach.opened(reach.plan(cast(numbers), (ABSENT,)), folder) as nodes:
        return await run(nodes, folder, numbers)


def cast(numbers: Numbers) -> dict[str, tuple[str, ...]]:
    """Return the codes of each node."""
    return {"sender": (SENDER,)} | {root.lower(): agencies(root, numbers.each) for root in ROOTS}


async def run(nodes: Reach, folder: Path, numbers: Numbers) -> dict[str, Any]:
    """Measure both lanes. `holds`: the bytes stayed below the limit and the failure was shown in time, in both."""
    (small,) = await pair.papers(folder / "papers", SMALL, 1)
    papers = await pair.papers(folder / "papers", numbers.size, len(URGENCIES))
    # The first send to each node is not counted: connections are made and code is loaded.
    first = await nodes.send(SENDER, ROOTS, small, 1)
    await nodes.wait_for_states(first, dict.fromkeys(ROOTS, "delivered"), numbers.patience_s)
    to = tuple(code for root in ROOTS for code in agencies(root, numbers.each))
    lanes: dict[str, Any] = {}
    for n, (lane, paper) in enumerate(zip(URGENCIES, papers, strict=True), start=2):
        lanes[lane] = await _measure_lane(nodes, to, paper, n, lane, numbers.patience_s)
    return {
        "bytes": numbers.size,
        "recipients": len(to),
        "nodes": len(ROOTS),
        "lanes": lanes,
        "most_ratio": MOST_RATIO,
        "beside": BYTES_PER_RECIPIENT,
        "within_s": WITHIN_S,
        "holds": all(_holds(row, len(to)) for row in lanes.values()),
    }


def agencies(root: str, count: int) -> tuple[str, ...]:
    """Return the root and those below it."""
    return (root, *(f"{root}.{n:02}" for n in range(1, count)))


async def _measure_lane(
    nodes: Reach, to: tuple[str, ...], paper: Path, number: int, lane: str, patience_s: float
) -> dict[str, Any]:
    # The unhosted one stands in the middle, so that neither the first nor the last key is special.
    middle = len(to) // 2
    uploaded_before, loaded = nodes.uploaded("sender"), load()
    sent = await nodes.send(SENDER, (*to[:middle], ABSENT, *to[middle:]), paper, number, URGENCIES[lane])
    failed_s = await nodes.wait_for_states(sent, {ABSENT: "failed"}, patience_s)
    seconds = await nodes.wait_for_states(sent, dict.fromkeys(to, "delivered"), patience_s)
    uploaded = nodes.uploaded("sender") - uploaded_before
    states = await nodes.states(sent)
    envelope, _ = await nodes.measured(SENDER, f"/messages/{sent.id}/envelope")
    return {
        "answered_s": round(sent.answered_s, 2),
        "failed_s": round(failed_s, 2),
        "reason": await nodes.reason(sent, ABSENT),
        "seconds": round(seconds, 1),
        "delivered": sum(state == "delivered" for state in states.values()),
        "failed": sum(state == "failed" for state in states.values()),
        "envelope": envelope,
        "uploaded": uploaded,
        "ratio": round(uploaded / envelope, 3),
        "load": loaded,
    }


def _holds(row: dict[str, Any], recipients: int) -> bool:
    return bool(
        row["uploaded"] < MOST_RATIO * row["envelope"] + BYTES_PER_RECIPIENT * recipients
        and row["failed_s"] < WITHIN_S
        and row["reason"] == REASON
        and (row["delivered"], row["failed"]) == (recipients, 1)
    )
