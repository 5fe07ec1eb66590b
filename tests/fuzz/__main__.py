"""Fuzzes every target, each in a process of its own, and prints what came of it. In: seconds for each, the seed, names of
targets to run alone. Out: a table on stdout; findings in the folder named; exit 1 when there is any."""

from __future__ import annotations

import argparse
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.fuzz import running, target


def main(words: list[str]) -> int:
    arguments = _parse_arguments(words)
    with ThreadPoolExecutor(arguments.jobs) as pool:
        outcomes = list(
            pool.map(
                lambda name: running.run(name, arguments.seconds, arguments.seed, arguments.findings),
                arguments.targets,
            )
        )
    print("\n".join(running.table(outcomes)))
    bad = [outcome for outcome in outcomes if not outcome.clean]
    for outcome in bad:
        print(
            f"\n{outcome.name} ended with {outcome.exit}; inputs lie in {arguments.findings}\n{outcome.words}"
        )
    return 1 if bad else 0


def _parse_arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=300, help="for each target")
    parser.add_argument("--seed", type=int, default=0, help="0: another one each time")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="targets at a time")
    parser.add_argument("--findings", type=Path, default=Path("var/fuzz"), help="where inputs are written")
    parser.add_argument("targets", nargs="*", default=list(target.MODULES), help="these alone")
    arguments = parser.parse_args(words)
    unknown = set(arguments.targets) - set(target.MODULES)
    if unknown:
        parser.error(f"no such target: {', '.join(sorted(unknown))}; there are {', '.join(target.MODULES)}")
    return arguments


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
