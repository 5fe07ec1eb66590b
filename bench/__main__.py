"""Runs the measurements one after another and prints them: `python -m bench [NAME ...] [--json FILE]`. Exit status 1
only when memory or the bytes sent grew past their limit, a document did not arrive as it left, or one was worked on
twice; a time is never judged, because it is the machine's as much as ours."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from bench import cost, fan_out, large, machine, memory, report, there_and_back, throughput, workers

MEASUREMENTS: Mapping[str, Callable[[Path], Coroutine[Any, Any, dict[str, Any]]]] = {
    "there_and_back": there_and_back.measure,
    "memory": memory.measure,
    "cost": cost.measure,
    "throughput": throughput.measure,
    "workers": workers.measure,
    "fan_out": fan_out.measure,
    "large": large.measure,
}
JUDGED = frozenset({"memory", "workers", "fan_out", "large"})


def main(words: list[str]) -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measures the node on this machine.")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"any of {', '.join(MEASUREMENTS)}; default all"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    parser.add_argument("--folder", type=Path, help="where databases and files go; its disk is measured too")
    given = parser.parse_args(words)
    unknown = [name for name in given.names if name not in MEASUREMENTS]
    if unknown:
        parser.error(f"no measurement is called {', '.join(unknown)}; there are {', '.join(MEASUREMENTS)}")
    figures: dict[str, dict[str, Any]] = {"machine": machine.facts().as_json()}
    _print("machine", figures["machine"])
    for name in given.names or MEASUREMENTS:
        with tempfile.TemporaryDirectory(prefix="gateway-bench-", dir=given.folder) as folder:
            figures[name] = asyncio.run(MEASUREMENTS[name](Path(folder)))
        _print(name, figures[name])
    if given.json is not None:
        given.json.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0 if all(figures[name]["holds"] for name in JUDGED & figures.keys()) else 1


def _print(name: str, told: dict[str, Any]) -> None:
    for line in report.WORDS[name](told):
        print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
