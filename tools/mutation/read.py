"""Try faults without a record. In: faults, what an older version's tests found of them, and one copy of the checkout. Out:
outcomes in a results file. First comes the test that found the fault then, under the name or in the place that it has
now, then the test files nearest to the faulty module, until a test fails or the time for one fault is over."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path, PurePath

from faults import Fault, find
from running import run_tests
from scratch import Scratch
from trial import CAUGHT, CONFIRM_TIMEOUT_S, MISSING, SURVIVED, Outcome, Results, say

# A survivor of the older version is tried with the nearest test files only.
FOUND_S, SURVIVED_S = 150, 30
MOST_FILES = 12
# The name of a shorter function is a word that many texts have.
LONG_NAME = 8


def read_all(faults: Sequence[Fault], earlier: Results, results: Results, scratch: Scratch) -> None:
    """Try what has no result yet, until every finding test is known to pass without a fault."""
    while pending := [fault for fault in faults if fault.number not in results.outcomes]:
        for fault in pending:
            outcome = _read_fault(fault, earlier.outcomes[fault.number], results.dropped, scratch)
            results.add(outcome)
            say(fault, outcome)
        finding = {outcome.by for outcome in results.outcomes.values() if "::" in outcome.by}
        if names := sorted(finding - results.confirmed):
            report = run_tests(scratch, names, CONFIRM_TIMEOUT_S)
            for name in names:
                results.confirm(name, passes=name in report.passed)


def _read_fault(fault: Fault, earlier: Outcome, dropped: set[str], scratch: Scratch) -> Outcome:
    located = find(scratch.root, fault)
    if located is None:
        return Outcome(fault.number, MISSING)
    file, place = located
    outcome, begin = Outcome(fault.number, SURVIVED), time.monotonic()
    end = begin + (FOUND_S if earlier.outcome == CAUGHT else SURVIVED_S)
    with scratch.fault(file, place.apply((scratch.root / file).read_bytes()), fault.number):
        for name in _nearest_tests(scratch.root, file, place.function, earlier.by):
            if outcome.by or time.monotonic() > end:
                break
            without = [option for test in dropped for option in ("--deselect", test)]
            report = run_tests(
                scratch, [name], max(end - time.monotonic(), SURVIVED_S), "-x", *without, file=file
            )
            outcome.ran += report.ran
            outcome.chosen += 1
            outcome.cpu_s = round(outcome.cpu_s + report.cpu_s, 1)
            if report.is_timeout:
                outcome.reason = f"the time was over in {name}"
            if report.failed:
                outcome.outcome = CAUGHT
                outcome.by, outcome.reason = next(iter(report.failed.items()))
    outcome.elapsed_s = round(time.monotonic() - begin, 1)
    return outcome


def _nearest_tests(root: Path, file: str, function: str, by: str) -> Iterator[str]:
    """Yield the finding test of the older version where it exists, then test files, the nearest to the module first."""
    texts = _test_files(root)
    by_file, _, rest = by.partition("::")
    by_function = rest.partition("[")[0]
    holders = [name for name, text in texts.items() if by_function and f"def {by_function}(" in text]
    yield from (f"{name}::{by_function}" for name in sorted(holders, key=lambda name: name != by_file))
    part, _, _ = file.partition("/")
    parts = PurePath(file[file.index("gateway") :]).with_suffix("").parts
    package, module = ".".join(parts[:-1]), parts[-1]
    last = function.removesuffix(".__init__").rpartition(".")[2].strip("_")
    imports = re.compile(rf"\b{package}\.{module}\b|from {package} import (\([^)]*|.*)\b{module}\b")

    def distance(name: str) -> tuple[int, int]:
        text, stem = texts[name], PurePath(name).stem.removeprefix("test_")
        marks = (
            4 * (PurePath(name).name == PurePath(by_file).name),
            3 * (stem == module),
            3 * (name.split("/")[1] == part),
            2 * bool(imports.search(text)),
            2 * (len(last) >= LONG_NAME and last in text),
            PurePath(name).parent.name == parts[-2],
            2 * (parts[-2] in stem),
        )
        return -sum(marks), len(text)

    near = sorted((name for name in texts if distance(name)[0] < 0), key=distance)
    yield from near[:MOST_FILES]


@cache
def _test_files(root: Path) -> dict[str, str]:
    paths = (path for path in (root / "tests").rglob("test_*.py") if "long" not in path.parts)
    return {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in paths}
