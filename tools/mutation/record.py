"""Record which tests execute which lines, and choose the tests of a line by it. In: a copy of the checkout. Out: a SQLite
file with the cost and the outcome of each test, and the lines of the product that it executes."""

from __future__ import annotations

import json
import resource
import sqlite3
import subprocess
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from faults import LEFT_OUT, ROOTS
from running import LANE, run_tests
from scratch import Scratch

# A test is slower while its lines are recorded.
TIMEOUT_S = 600
FAILED_TIMEOUT_S = 3600
# How many tests a fault is tried with at most, and what these cost together when they were recorded.
MOST_TESTS = 400
MOST_CPU_S = 100.0
# Where fewer tests than this execute a line, tests of other lines of its file are added: what is computed once
# in a process is recorded for the first test alone that needs it.
FEW_TESTS = 30

_COVERAGE = """\
[run]
core = ctrace
concurrency = thread,greenlet
patch = _exit
sigterm = true
parallel = true
data_file = {folder}/lines
context = ${{MUTATION_CONTEXT}}
disable_warnings = no-data-collected,module-not-imported,module-not-measured,couldnt-parse,dynamic-conflict
include =
    {include}
omit =
    {omit}
"""

_TABLES = """
CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE test (
    id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, cpu_s REAL NOT NULL, outcome TEXT NOT NULL,
    lines INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE file (id INTEGER PRIMARY KEY, path TEXT UNIQUE NOT NULL);
-- Line n is bit n % 8 of byte n / 8, as coverage has it.
CREATE TABLE line_set (id INTEGER PRIMARY KEY, bits BLOB UNIQUE NOT NULL);
-- `phase` is 'call', 'around' for set-up and teardown, and 'import' for what no test did.
CREATE TABLE execution (file INTEGER NOT NULL, test INTEGER, phase TEXT NOT NULL, line_set INTEGER NOT NULL);
"""


@dataclass(frozen=True)
class Test:
    name: str
    cpu_s: float
    outcome: str
    lines: int

    @property
    def file(self) -> str:
        return self.name.partition("::")[0]


@dataclass(frozen=True)
class Selection:
    """Tests for one place, the most telling first, and how many tests execute it."""

    tests: Sequence[Test]
    executing: int


class Record:
    """Recording of one version of the tree."""

    def __init__(self, path: Path) -> None:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            self.commit = dict(db.execute("SELECT name, value FROM fact"))["commit"]
            self._tests = {
                id_: Test(*row)
                for id_, *row in db.execute("SELECT id, name, cpu_s, outcome, lines FROM test")
            }
        self.tests = {test.name: test for test in self._tests.values()}
        self._path = path
        self._executions = lru_cache(maxsize=8)(self._load_executions)

    def select(self, file: str, lines: Sequence[int], dropped: set[str]) -> Selection:
        """Choose the tests that a fault is tried with.

        First come tests that execute the line themselves, then the other tests of files in whose set-up it is
        executed; each group by the number of lines that a test executes, fewest first. Tests that did not pass are
        left out.
        """
        for line in lines:
            calls, files, imported = self._executing(file, line)
            if calls or files or imported:
                break
        ranked = self._rank(calls, dropped)
        ranked += self._rank(
            {id_ for id_, test in self._tests.items() if test.file in files} - calls, dropped
        )
        executing = len(ranked)
        if (ranked or imported) and executing < FEW_TESTS:
            neighbours = {id_ for id_, phase, _ in self._executions(file) if phase == "call"}
            ranked += [test for test in self._rank(neighbours, dropped) if test not in ranked]
            ranked = ranked[: max(FEW_TESTS, executing)]
        tests: list[Test] = []
        cpu_s = 0.0
        for test in ranked[:MOST_TESTS]:
            cpu_s += test.cpu_s
            if tests and cpu_s > MOST_CPU_S:
                break
            tests.append(test)
        return Selection(tests, executing)

    def _executing(self, file: str, line: int) -> tuple[set[int], set[str], bool]:
        """Return the tests that execute a line, the files of tests that do around one, and whether an import does."""
        calls, files, imported = set(), set(), False
        for id_, phase, bits in self._executions(file):
            if line // 8 < len(bits) and bits[line // 8] & 1 << line % 8:
                if phase == "call":
                    calls.add(id_)
                elif phase == "around":
                    files.add(self._tests[id_].file)
                else:
                    imported = True
        return calls, files, imported

    def _rank(self, ids: set[int], dropped: set[str]) -> list[Test]:
        tests = [self._tests[id_] for id_ in ids]
        passed = [test for test in tests if test.outcome == "passed" and test.name not in dropped]
        return sorted(passed, key=lambda test: (test.lines, test.name))

    def _load_executions(self, file: str) -> list[tuple[int, str, bytes]]:
        with closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True)) as db:
            return db.execute(
                "SELECT test, phase, bits FROM execution JOIN line_set ON line_set.id = line_set"
                " JOIN file ON file.id = execution.file WHERE path = ?",
                (file,),
            ).fetchall()


def record(scratch: Scratch, folder: Path, path: Path, commit: str, workers: int) -> None:
    """Run the lane once and keep what it executed; `folder` takes some hundred megabytes meanwhile."""
    tests, settings = folder / "tests.jsonl", folder / "coverage.ini"
    settings.write_text(
        _COVERAGE.format(
            folder=folder,
            include="\n    ".join(f"{scratch.root / root}/*" for root in ROOTS),
            omit="\n    ".join(f"{scratch.root / left_out}*" for left_out in LEFT_OUT),
        )
    )
    command = [str(scratch.python), "-m", "pytest", "-q", "-n", str(workers), *LANE, "-p", "mutation_record"]
    command += ["-p", "no:cacheprovider", "--timeout", str(TIMEOUT_S)]
    environment = scratch.environment(
        COVERAGE_PROCESS_START=str(settings), MUTATION_CONTEXT="", MUTATION_TESTS=str(tests)
    )
    begin = time.monotonic()
    subprocess.run(command, cwd=scratch.root, env=environment, check=False)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    outcomes = [json.loads(line) for line in tests.read_text(encoding="utf-8").splitlines()]
    _run_failed_tests(scratch, outcomes)
    facts = {
        "commit": commit,
        "elapsed_s": f"{time.monotonic() - begin:.0f}",
        "cpu_s": f"{used.ru_utime + used.ru_stime:.0f}",
    }
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as db:
        db.executescript(_TABLES)
        db.executemany("INSERT INTO fact VALUES (?, ?)", facts.items())
        _Merger(db, scratch.root).merge(outcomes, sorted(folder.glob("lines.*")))
        db.commit()
        db.execute("VACUUM")


def _run_failed_tests(scratch: Scratch, outcomes: Sequence[dict[str, Any]]) -> None:
    """Run failed tests once more: some are too slow while their lines are recorded."""
    failed = [outcome["test"] for outcome in outcomes if outcome["outcome"] == "failed"]
    if failed:
        report = run_tests(scratch, failed, FAILED_TIMEOUT_S)
        for outcome in outcomes:
            if outcome["test"] in report.passed:
                outcome["outcome"] = "passed"


class _Merger:
    """Brings the data files of all processes together."""

    def __init__(self, db: sqlite3.Connection, root: Path) -> None:
        self._db = db
        self._root = root
        self._tests: dict[str, int] = {}
        self._files: dict[str, int] = {}
        self._line_sets: dict[bytes, int] = {}
        self._lines: dict[int, int] = {}

    def merge(self, outcomes: Sequence[dict[str, Any]], data_files: Sequence[Path]) -> None:
        for outcome in outcomes:
            row = (outcome["test"], outcome["cpu_s"], outcome["outcome"])
            id_ = self._db.execute("INSERT INTO test (name, cpu_s, outcome) VALUES (?, ?, ?)", row).lastrowid
            assert id_ is not None  # noqa: S101 - SQLite gives one for each row
            self._tests[outcome["test"]] = id_
        unreadable = 0
        for data_file in data_files:
            try:
                self._take(data_file)
            except sqlite3.DatabaseError:  # A process was killed while it wrote.
                unreadable += 1
        self._db.executemany(
            "INSERT INTO line_set VALUES (?, ?)", ((n, bits) for bits, n in self._line_sets.items())
        )
        self._db.executemany("INSERT INTO file VALUES (?, ?)", ((n, path) for path, n in self._files.items()))
        self._db.executemany(
            "UPDATE test SET lines = ? WHERE id = ?", ((n, id_) for id_, n in self._lines.items())
        )
        self._db.execute("CREATE INDEX execution_file ON execution (file)")
        processes = {"processes": len(data_files), "processes_unreadable": unreadable}
        self._db.executemany("INSERT INTO fact VALUES (?, ?)", processes.items())

    def _take(self, data_file: Path) -> None:
        """Read the tables of coverage themselves: its own calls would take as long as the tests."""
        with closing(sqlite3.connect(data_file)) as coverage:
            rows = coverage.execute(
                "SELECT path, context, numbits FROM line_bits"
                " JOIN file ON file.id = file_id JOIN context ON context.id = context_id"
            ).fetchall()
        executions = []
        for path, context, bits in rows:
            phase, _, name = context.partition(" ")
            test = self._tests.get(name)
            if name and test is None:  # a test that was never finished
                continue
            file = Path(path).relative_to(self._root).as_posix()
            if phase == "call" and test is not None:
                self._lines[test] = self._lines.get(test, 0) + int.from_bytes(bits, "big").bit_count()
            executions.append(
                (
                    self._files.setdefault(file, len(self._files)),
                    test,
                    phase or "import",
                    self._line_sets.setdefault(bits, len(self._line_sets)),
                )
            )
        self._db.executemany("INSERT INTO execution VALUES (?, ?, ?, ?)", executions)
