"""Runs seeds: `python -m tests.simulation --seed 7 --hours 12`. The last line is one JSON object; the exit code is 1 where
a promise was broken, and then the film and the error come before it."""

from __future__ import annotations

# First of all, before any module of the product binds a clock.
from tests.simulation import machine  # isort: skip  # noqa: F401

import argparse
import json
import logging
import os
import sys

from tests.simulation import loop, sources
from tests.simulation.film import FILM_LENGTH
from tests.simulation.run import AXES, Plan, Result, a_folder, lay_out_all, remove_stages, run
from tests.simulation.shrink import shrink_with

_ALL_EVENTS = 10**7


def main() -> int:
    words = _parsed()
    logging.basicConfig(level=words.log)
    if words.log == "CRITICAL":
        logging.disable(logging.WARNING)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    loop.install()
    if words.cpu:
        return _many(words)
    plan = Plan(
        seed=words.seed or new_seed(),
        hours=words.hours,
        last_event=words.until,
        film_length=_ALL_EVENTS if words.film else FILM_LENGTH,
        without=frozenset(filter(None, words.without.split(","))),
        callers=frozenset(filter(None, words.callers.split(","))),
        has_office=words.office,
        axis=words.axis,
        has_hot_folder=words.hot_folder,
        has_archivists=words.archivists,
        programs=programs_in(words),
        is_cut=words.cut,
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
    parser.add_argument("--cut", action="store_true", help="end after the hours, before anything is at rest")
    parser.add_argument("--without", default="", help="kinds of faults to leave out, with commas")
    parser.add_argument("--programs", default="", help="programs to run, whatever the seed draws")
    parser.add_argument("--callers", default="", help="agencies that send, with commas; all without it")
    parser.add_argument(
        "--office",
        action=argparse.BooleanOptionalAction,
        help="nodes with the office, or without; the seed decides where neither is given",
    )
    parser.add_argument(
        "--axis",
        default="",
        choices=("", *AXES),
        help="what lies between the nodes; the seed decides without it",
    )
    parser.add_argument(
        "--hot-folder",
        action=argparse.BooleanOptionalAction,
        help="two agencies whose documents go by the hot folder (without an office), or none",
    )
    parser.add_argument(
        "--archivists",
        action=argparse.BooleanOptionalAction,
        help="offices with keepers of records, or without",
    )
    parser.add_argument(
        "--film", action="store_true", help="show the whole film, also of a run that went well"
    )
    parser.add_argument("--detail", action="store_true", help="show counts of everything")
    parser.add_argument(
        "--points",
        default="",
        help="with --cpu: a file; each world adds the points at which it killed",
    )
    parser.add_argument("--log", default="CRITICAL", help="level of the nodes' own log")
    return parser.parse_args()


def programs_in(words: argparse.Namespace) -> tuple[str, ...]:
    return tuple(filter(None, words.programs.split(",")))


def new_seed() -> int:
    return int.from_bytes(os.urandom(4), "big")


def run_plan(plan: Plan) -> Result:
    with a_folder() as folder:
        return run(plan, folder)


def _many(words: argparse.Namespace) -> int:
    """Try seeds until the CPU seconds are spent; end at the first that breaks a promise. Each has a process of
    its own, which begins with the same modules and the same stage as any other."""
    lay_out_all(words.office)
    spent_s, seed = sources.cpu_s(), words.seed
    while spent_s < words.cpu:
        plan = Plan(
            seed=seed or new_seed(),
            hours=words.hours,
            has_office=words.office,
            axis=words.axis,
            has_hot_folder=words.hot_folder,
            has_archivists=words.archivists,
            programs=programs_in(words),
        )
        print(f"seed {plan.seed}", flush=True)
        if (child := os.fork()) == 0:
            _end_with(plan, words.points)
        _, status, usage = os.wait4(child, 0)
        if status:
            return 1
        spent_s += usage.ru_utime + usage.ru_stime
        seed = seed + 1 if seed else 0
    return 0


def _end_with(plan: Plan, points_file: str) -> None:
    """Run one world, show it, and end this process without any of the interpreter's own last steps."""
    code = 2
    try:
        result = run_plan(plan)
        show(result)
        if points_file:
            with open(points_file, "a", encoding="utf-8") as file:
                file.write(json.dumps(result.points) + "\n")
        code = 1 if result.broken else 0
    finally:
        sys.stdout.flush()
        os._exit(code)


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
    remove_stages(os.getpid())
    # What killed processes left is never run, not even by the interpreter's own end.
    os._exit(code)
