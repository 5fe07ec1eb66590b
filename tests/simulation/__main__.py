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
from tests.simulation.film import FILM_LENGTH
from tests.simulation.run import Plan, Result, a_folder, run
from tests.simulation.shrink import shrink_with

del sources


_ALL_EVENTS = 10**7


def main() -> int:
    words = _parsed()
    logging.basicConfig(level=words.log)
    if words.log == "CRITICAL":
        logging.disable(logging.WARNING)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    loop.install()
    if words.cpu:
        return _many(words.hours, words.cpu, words.seed, words.office)
    plan = Plan(
        seed=words.seed or new_seed(),
        hours=words.hours,
        last_event=words.until,
        film_length=_ALL_EVENTS if words.film else FILM_LENGTH,
        without=frozenset(filter(None, words.without.split(","))),
        callers=frozenset(filter(None, words.callers.split(","))),
        has_office=words.office,
    )
    result = run_plan(plan)
    if words.shrink and result.broken:
        plan, result = shrink_with(run_plan, plan, result)
    show(result, film=words.film, detail=words.detail)
    return 1 if result.broken else 0


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seed", type=int, default=0, help="0 draws a new one")
    parser.add_argument(
        "--hours", type=float, default=1.5, help="virtual hours in which callers and faults act"
    )
    parser.add_argument("--until", type=int, default=0, help="end the film at that event")
    parser.add_argument("--cpu", type=float, default=0.0, help="try new seeds for so many CPU seconds")
    parser.add_argument(
        "--shrink", action="store_true", help="leave out callers and faults while it still fails"
    )
    parser.add_argument("--without", default="", help="kinds of faults to leave out, with commas")
    parser.add_argument("--callers", default="", help="agencies that send, with commas; all without it")
    parser.add_argument(
        "--office",
        action=argparse.BooleanOptionalAction,
        help="nodes with the office, or without; the seed decides where neither is given",
    )
    parser.add_argument(
        "--film", action="store_true", help="show the whole film, also of a run that went well"
    )
    parser.add_argument("--detail", action="store_true", help="show counts of everything")
    parser.add_argument("--log", default="CRITICAL", help="level of the nodes' own log")
    return parser.parse_args()


def new_seed() -> int:
    return int.from_bytes(os.urandom(4), "big")


def run_plan(plan: Plan) -> Result:
    with a_folder() as folder:
        return run(plan, folder)


def _many(hours: float, cpu_s: float, seed: int, has_office: bool | None) -> int:
    """Try seeds until the CPU seconds are spent; end at the first that breaks a promise."""
    spent_s = 0.0
    while spent_s < cpu_s:
        plan = Plan(seed=seed or new_seed(), hours=hours, has_office=has_office)
        print(f"seed {plan.seed}", flush=True)
        result = run_plan(plan)
        show(result)
        if result.broken:
            return 1
        spent_s += result.cpu_s
        seed = seed + 1 if seed else 0
    return 0


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
