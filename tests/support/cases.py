"""Tables of cases in one test: every case is tried, every failure is reported, and the number of cases stands in the
summary of the run. In place of a test function made anew for each row: a row costs a call, a test some milliseconds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

import pytest

T = TypeVar("T")
RECORDED = "cases"
# More failures than these say nothing new.
_MAX_LISTED = 20


class Cases:
    """The cases of one test. Each goes by a name, which stands in front of its failure."""

    def __init__(self) -> None:
        self.tried = 0
        self._failures: list[tuple[str, BaseException]] = []

    @contextmanager
    def case(self, name: object) -> Iterator[None]:
        """Try one case; what fails in it is kept, and the next case follows."""
        self.tried += 1
        try:
            yield
        except (Exception, pytest.fail.Exception) as failure:  # reason: every failure is reported at the end
            self._failures.append((str(name), failure))

    def check_rows(self, rows: Iterable[T] | Mapping[str, T], check: Callable[[T], object]) -> None:
        """Check each row. The rows of a mapping go by their keys."""
        for name, row in _by_name(rows):
            with self.case(name):
                check(row)

    async def check_rows_async(
        self, rows: Iterable[T] | Mapping[str, T], check: Callable[[T], Awaitable[object]]
    ) -> None:
        """Check each row, one after another."""
        for name, row in _by_name(rows):
            with self.case(name):
                await check(row)

    def finish(self) -> None:
        """Fail with every failure there was; a table without a row is a failure too."""
        if not self.tried:
            pytest.fail("the table has no cases", pytrace=False)
        if self._failures:
            count = f"{len(self._failures)} of {self.tried} cases failed"
            failures = [f"[{name}] {type(failure).__name__}: {failure}" for name, failure in self._failures]
            more = [f"and {len(failures) - _MAX_LISTED} more"] if len(failures) > _MAX_LISTED else []
            first = self._failures[0][1]
            raise AssertionError("\n\n".join([count, *failures[:_MAX_LISTED], *more])) from first


def _by_name(rows: Iterable[T] | Mapping[str, T]) -> Iterable[tuple[object, T]]:
    if isinstance(rows, Mapping):
        return rows.items()
    return ((row, row) for row in rows)


@pytest.fixture
def cases(record_property: Callable[[str, object], None]) -> Iterator[Cases]:
    """A table of cases, judged when the test ends."""
    table = Cases()
    yield table
    record_property(RECORDED, table.tried)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """A test with a table fails at its end, and not in its teardown."""
    result = yield
    table = pyfuncitem.funcargs.get("cases")
    if isinstance(table, Cases):
        table.finish()
    return result


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell how many cases each subject has: a folder of tests is a subject."""
    counts: Counter[str] = Counter()
    tables = 0
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") != "teardown":
                continue
            for name, value in report.user_properties:
                if name == RECORDED:
                    tables += 1
                    counts[report.nodeid.partition("::")[0].rpartition("/")[0]] += int(value)
    if tables:
        counts_text = ", ".join(f"{folder} {count}" for folder, count in sorted(counts.items()))
        terminalreporter.line(f"{sum(counts.values())} cases in {tables} tables: {counts_text}")
