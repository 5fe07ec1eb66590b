"""Try faults one by one with the tests that execute them. In: faults, a record and copies of the checkout. Out: one line of
JSON for each fault in a results file, to which a later run adds what is not there yet."""

from __future__ import annotations

import json
import queue
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from faults import Fault, find
from record import Record, Test
from running import run_tests
from scratch import Scratch

FAULT_TIMEOUT_S = 1200
CONFIRM_TIMEOUT_S = 7200
# So many tests are tried first. Few faults outlive them, and few files of tests need to be loaded for them.
FIRST_TESTS = 40

CAUGHT, SURVIVED, NOT_EXECUTED, TIMED_OUT, MISSING = "found", "survived", "not executed", "timed out", "gone"


@dataclass
class Outcome:
    """Outcome of one fault. `executing` tests execute its line, `chosen` could be tried, `ran` were."""

    fault: int
    outcome: str
    by: str = ""
    reason: str = ""
    executing: int = 0
    chosen: int = 0
    ran: int = 0
    elapsed_s: float = 0.0
    cpu_s: float = 0.0


class Results:
    """The results file: outcomes of faults, and tests that are dropped as they fail without a fault too."""

    def __init__(self, path: Path) -> None:
        self.outcomes: dict[int, Outcome] = {}
        self.dropped: set[str] = set()
        self.confirmed: set[str] = set()
        self._lock = threading.Lock()
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                self._take(json.loads(line))
        self._file = path.open("a", encoding="utf-8")

    def add(self, outcome: Outcome) -> None:
        self._write(asdict(outcome))

    def confirm(self, name: str, passes: bool) -> None:
        self._write({"test": name, "passes": passes})

    def _write(self, line: dict[str, Any]) -> None:
        with self._lock:
            self._take(line)
            print(json.dumps(line, ensure_ascii=False), file=self._file, flush=True)

    def _take(self, line: dict[str, Any]) -> None:
        if "fault" in line:
            self.outcomes[line["fault"]] = Outcome(**line)
        elif line["passes"]:
            self.confirmed.add(line["test"])
        else:
            self.dropped.add(line["test"])
            # What this test found has to be found by another.
            self.outcomes = {n: o for n, o in self.outcomes.items() if o.by != line["test"]}


def try_all(faults: Sequence[Fault], record: Record, results: Results, scratches: Sequence[Scratch]) -> None:
    """Try what has no result yet, until every finding test is known to pass without a fault."""
    while pending := [fault for fault in faults if fault.number not in results.outcomes]:
        _try_in_parallel(pending, record, results, scratches)
        finding = {outcome.by for outcome in results.outcomes.values() if "::" in outcome.by}
        _confirm(sorted(finding - results.confirmed), record, results, scratches[0])


def _try_in_parallel(
    faults: Sequence[Fault], record: Record, results: Results, scratches: Sequence[Scratch]
) -> None:
    waiting: queue.SimpleQueue[Fault] = queue.SimpleQueue()
    for fault in faults:
        waiting.put(fault)
    errors: list[BaseException] = []

    def work(scratch: Scratch) -> None:
        try:
            while not errors:
                fault = waiting.get_nowait()
                outcome = try_fault(fault, record, results.dropped, scratch)
                results.add(outcome)
                say(fault, outcome)
        except queue.Empty:
            pass
        except BaseException as error:
            errors.append(error)
            raise

    threads = [threading.Thread(target=work, args=(scratch,)) for scratch in scratches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def try_fault(fault: Fault, record: Record, dropped: set[str], scratch: Scratch) -> Outcome:
    """Set one fault and run its tests until the first fails."""
    found = find(scratch.root, fault)
    if found is None:
        return Outcome(fault.number, MISSING)
    file, place = found
    selection = record.select(file, place.lines, dropped)
    outcome = Outcome(fault.number, SURVIVED, executing=selection.executing, chosen=len(selection.tests))
    if not selection.tests:
        outcome.outcome = NOT_EXECUTED
        return outcome
    begin = time.monotonic()
    with scratch.fault(file, place.apply((scratch.root / file).read_bytes()), fault.number):
        for tests in (selection.tests[:FIRST_TESTS], selection.tests[FIRST_TESTS:]):
            if outcome.outcome == SURVIVED and tests:
                remaining = FAULT_TIMEOUT_S - (time.monotonic() - begin)
                report = run_tests(scratch, _order(tests), remaining, "-x", file=file)
                outcome.ran += report.ran
                outcome.cpu_s = round(outcome.cpu_s + report.cpu_s, 1)
                if report.failed:
                    outcome.outcome = CAUGHT
                    outcome.by, outcome.reason = next(iter(report.failed.items()))
                elif report.is_timeout:
                    outcome.outcome = TIMED_OUT
    outcome.elapsed_s = round(time.monotonic() - begin, 1)
    return outcome


def _order(tests: Sequence[Test]) -> list[str]:
    """Order tests by cost, the cheapest first, but keep those of one file together for their common set-up."""
    files: dict[str, list[Test]] = {}
    for test in tests:
        files.setdefault(test.file, []).append(test)
    groups = [sorted(group, key=lambda test: (test.cpu_s, test.name)) for group in files.values()]
    groups.sort(key=lambda group: (group[0].cpu_s, group[0].name))
    return [test.name for group in groups for test in group]


def _confirm(names: Sequence[str], record: Record, results: Results, scratch: Scratch) -> None:
    """Run the tests that found faults without any fault; drop those that fail."""
    if names:
        report = run_tests(scratch, _order([record.tests[name] for name in names]), CONFIRM_TIMEOUT_S)
        for name in names:
            results.confirm(name, passes=name in report.passed)


def say(fault: Fault, outcome: Outcome) -> None:
    words = f"{fault.number} {fault.file} {fault.function}: {outcome.outcome} {outcome.by} ({outcome.elapsed_s} s)"
    print(words, file=sys.stderr, flush=True)
