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
            known = self._results.get(result.test)
            if known is None or known.state == "passed":
                self._results[result.test] = result


def main(words: Sequence[str]) -> int:
    heard = Listener()
    # The name of every test that counts has the word in it.
    asked = ["-q", "-n", "2", "-k", "threat", *(words or ["tests"])]
    ended = pytest.main(asked, plugins=[heard])
    found = list(table.lines(table.load(), [result for result in heard.results if result.numbers]))
    print(table.text(found))
    wanting = [line for line in found if line.lacks]
    print(f"{len(found) - len(wanting)} of {len(found)} threats end as they must")
    return 0 if not wanting and ended == pytest.ExitCode.OK else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
