"""Runs seeds: `python -m tests.simulation --seed 7 --hours 12`. The last line is one JSON object; the exit code is 1 where
a promise was broken, and then the film and the error come before it."""

from __future__ import annotations

# First of all, before any module of the product binds a clock.
from tests.simulation import sources  # isort: skip

import argparse
import json
import logging
import os
import sys

from tests.simulation import loop
from tests.simulation.run import Plan, Result, a_folder, run

del sources


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seed", type=int, default=0, help="0 draws a new one")
    parser.add_argument("--hours", type=float, default=12.0)
    parser.add_argument(
        "--pause", type=float, default=1200.0, help="mean seconds between two acts of a caller"
    )
    parser.add_argument("--until", type=int, default=0, help="show the film up to that event")
    parser.add_argument("--without", default="", help="kinds of faults to leave out")
    parser.add_argument("--film", action="store_true", help="show the film of a run that went well too")
    parser.add_argument("--detail", action="store_true")
    parser.add_argument("--log", default="CRITICAL")
    words = parser.parse_args()
    logging.basicConfig(level=words.log)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    loop.install()
    seed = words.seed or int.from_bytes(os.urandom(4), "big")
    plan = Plan(
        seed=seed,
        hours=words.hours,
        pause_s=words.pause,
        until=words.until,
        without=frozenset(filter(None, words.without.split(","))),
    )
    with a_folder() as folder:
        result = run(plan, folder)
    show(result, film=words.film, detail=words.detail)
    return 1 if result.broken else 0


def show(result: Result, *, film: bool = False, detail: bool = False) -> None:
    if result.broken or film:
        print("\n".join(result.film))
    for error in result.detail.get("errors", []):
        print(error)
    if detail:
        print(json.dumps({key: value for key, value in result.detail.items() if key != "errors"}))
    print(json.dumps(result.as_json(), ensure_ascii=False), flush=True)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # What killed processes left is never run, not even by the interpreter's own end.
    os._exit(code)
