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
    asked = _asked(words)
    with ThreadPoolExecutor(asked.jobs) as pool:
        outcomes = list(
            pool.map(lambda name: running.run(name, asked.seconds, asked.seed, asked.findings), asked.targets)
        )
    print("\n".join(running.table(outcomes)))
    bad = [each for each in outcomes if not each.clean]
    for each in bad:
        print(f"\n{each.name} ended with {each.exit}; inputs lie in {asked.findings}\n{each.words}")
    return 1 if bad else 0


def _asked(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=300, help="for each target")
    parser.add_argument("--seed", type=int, default=0, help="0: another one each time")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="targets at a time")
    parser.add_argument("--findings", type=Path, default=Path("var/fuzz"), help="where inputs are written")
    parser.add_argument("targets", nargs="*", default=list(target.MODULES), help="these alone")
    asked = parser.parse_args(words)
    unknown = set(asked.targets) - set(target.MODULES)
    if unknown:
        parser.error(f"no such target: {', '.join(sorted(unknown))}; there are {', '.join(target.MODULES)}")
    return asked


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
