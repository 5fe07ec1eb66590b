"""One document to many recipients on several nodes, over a real broker. In: nothing; tests bring nodes and smaller numbers.
Out: for each lane the bytes that went up to the broker beside those of the envelope, the time until every delivery was
at its 01, and how soon the one recipient that nobody hosts was shown as failed, with its own reason."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import pair, reach
from bench.asked import number
from bench.machine import load
from bench.reach import Reach

SENDER, ABSENT = "Z91", "Z91.99"
ROOTS = ("Z92", "Z93", "Z94")
URGENCIES = {"normal": "thuong", "urgent": "hoa_toc"}
REASON = "unroutable"
MOST_RATIO = 1.2
# What goes up beside the envelope: names on each part, two questions and one acknowledgement for each recipient.
BESIDE = 1000
WITHIN_S = 60.0
SMALL = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """How much is sent to how many."""

    size: int = number(5_000_000, "bytes of the document", quick=1_000_000)
    each: int = number(100, "agencies on each of the three receiving nodes", quick=5)
    patience_s: float = number(600.0, "seconds until it is given up")


async def measure(folder: Path, numbers: Numbers) -> dict[str, Any]:
    """On nodes of its own."""
    async with reach.opened(reach.plan(cast(numbers), (ABSENT,)), folder) as nodes:
        return await run(nodes, folder, numbers)


def cast(numbers: Numbers) -> dict[str, tuple[str, ...]]:
    """Node → codes that it hosts."""
    return {"sender": (SENDER,)} | {root.lower(): agencies(root, numbers.each) for root in ROOTS}


async def run(nodes: Reach, folder: Path, numbers: Numbers) -> dict[str, Any]:
    """`holds` says whether the bytes stayed below the limit and the failure was told in time, in both lanes."""
    (small,) = await pair.papers(folder / "papers", SMALL, 1)
    papers = await pair.papers(folder / "papers", numbers.size, len(URGENCIES))
    # The first of each node: connections are made and code is loaded.
    first = await nodes.send(SENDER, ROOTS, small, 1)
    await nodes.until_shown(first, dict.fromkeys(ROOTS, "delivered"), numbers.patience_s)
    to = tuple(code for root in ROOTS for code in agencies(root, numbers.each))
    lanes: dict[str, Any] = {}
    for n, (lane, paper) in enumerate(zip(URGENCIES, papers, strict=True), start=2):
        lanes[lane] = await _one(nodes, to, paper, n, lane, numbers.patience_s)
    return {
        "bytes": numbers.size,
        "recipients": len(to),
        "nodes": len(ROOTS),
        "lanes": lanes,
        "most_ratio": MOST_RATIO,
        "beside": BESIDE,
        "within_s": WITHIN_S,
        "holds": all(_holds(told, len(to)) for told in lanes.values()),
    }


def agencies(root: str, count: int) -> tuple[str, ...]:
    """The root and those below it."""
    return (root, *(f"{root}.{n:02}" for n in range(1, count)))


async def _one(
    nodes: Reach, to: tuple[str, ...], paper: Path, number: int, lane: str, patience_s: float
) -> dict[str, Any]:
    # The one that nobody hosts stands in the middle, so that neither the first nor the last key is special.
    middle = len(to) // 2
    before, loaded = nodes.uploaded("sender"), load()
    sent = await nodes.send(SENDER, (*to[:middle], ABSENT, *to[middle:]), paper, number, URGENCIES[lane])
    failed_s = await nodes.until_shown(sent, {ABSENT: "failed"}, patience_s)
    seconds = await nodes.until_shown(sent, dict.fromkeys(to, "delivered"), patience_s)
    uploaded = nodes.uploaded("sender") - before
    shown = await nodes.states(sent)
    envelope, _ = await nodes.measured(SENDER, f"/messages/{sent.id}/envelope")
    return {
        "answered_s": round(sent.answered_s, 2),
        "failed_s": round(failed_s, 2),
        "reason": await nodes.reason(sent, ABSENT),
        "seconds": round(seconds, 1),
        "delivered": sum(state == "delivered" for state in shown.values()),
        "failed": sum(state == "failed" for state in shown.values()),
        "envelope": envelope,
        "uploaded": uploaded,
        "ratio": round(uploaded / envelope, 3),
        "load": loaded,
    }


def _holds(told: dict[str, Any], recipients: int) -> bool:
    return bool(
        told["uploaded"] < MOST_RATIO * told["envelope"] + BESIDE * recipients
        and told["failed_s"] < WITHIN_S
        and told["reason"] == REASON
        and (told["delivered"], told["failed"]) == (recipients, 1)
    )
