"""Runs every test that stands for a threat and prints the table. In: nothing, or names of tests' files to look at alone.
Out: the table on stdout; exit 0 only when every number of the list holds."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import pytest

from tests.threats import table


class Listener:
    """Hears what became of each test; with several workers the reports come to the one that started them."""

    def __init__(self) -> None:
        self._results: dict[str, table.Result] = {}

    @property
    def results(self) -> Sequence[table.Result]:
        return list(self._results.values())

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test passed when its call did; whatever else went wrong with it outweighs that."""
        if report.when != "call" and report.passed:
            return
        for result in table.results_of(report.nodeid, report.outcome, report.user_properties):
            earlier = self._results.get(result.test)
            if earlier is None or earlier.state == "passed":
                self._results[result.test] = result


def main(words: Sequence[str]) -> int:
    listener = Listener()
    # The name of every test that counts has the word in it.
    arguments = ["-q", "-n", "2", "-k", "threat", *(words or ["tests"])]
    ended = pytest.main(arguments, plugins=[listener])
    lines = list(table.lines(table.load(), [result for result in listener.results if result.numbers]))
    print(table.text(lines))
    wanting = [line for line in lines if line.lacks]
    print(f"{len(lines) - len(wanting)} of {len(lines)} threats end as they must")
    return 0 if not wanting and ended == pytest.ExitCode.OK else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
