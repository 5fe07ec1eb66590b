"""The table of threats compares what the list promises with what the tests found. In: `threats.toml`, and the results of
a run of the tests. Out: one line per number, with the doors that were tried, the outcomes, and whether that is enough.
Pure."""

from __future__ import annotations

import json
import operator
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # pytest loads this plugin itself, to rewrite its assertions
    from tests.support.cases import Cases

LIST = Path(__file__).with_name("threats.toml")
WORDS = ("rej-sec", "rej-fmt", "dedup", "shown", "admitted", "held", "retry", "safe")
CASE = "threat"
"""Name of the property in which a test with a table of cases records each of them."""
Record = Callable[[str, object], None]
UNJUDGED = "explained"
"""What a door says that judges nothing."""

# `test_threat_045_…`, `test_threat_052_105_…` and `…_threats_79_82`: the numbers stand in the name of the test.
# `[045-…]`: one test takes many cases, and the number stands in the case's.
_IN_NAME = re.compile(r"threat_(\d{1,3}(?:_\d{3})*)(?!\d)|threats_(\d{1,3}(?:_\d{1,3})*)(?!\d)")
_IN_CASE = re.compile(r"test_each_threat\w*\[(\d{3})-")

_OF_SUBJECT = re.compile("^tests/(?:office/|labs/)?(?:long/)?")

# Where a test tries, when it does not say so itself: the longest beginning of its path that is here.
_PLACES = {
    "tests/acceptance": "flows",
    "tests/acceptance/test_api": "api",
    "tests/acceptance/test_cli": "command line",
    "tests/acceptance/test_forms": "foreign axis",
    "tests/contract": "store",
    "tests/contract/test_axis": "axis",
    "tests/foreign": "foreign axis",
    "tests/foreign/unit/compat": "api",
    "tests/hostile": "verifier",
    "tests/hostile/test_axis_node": "embedded",
    "tests/hostile/test_parts": "broker",
    "tests/hostile/test_registry_feed": "registry feed",
    "tests/integration": "broker",
    "tests/integration/test_postgres": "PostgreSQL",
    "tests/security": "api",
    "tests/pages": "pages",
    "tests/threats": "verifier",
    "tests/threats/test_altered": "store",
    "tests/unit/api": "api",
    "tests/unit/cli": "command line",
    "tests/unit/deciding": "people",
    "tests/unit/domain": "rules",
    "tests/unit/edxml": "verifier",
    "tests/unit/folder": "hot folder",
    "tests/unit/incoming": "flows",
    "tests/unit/ops": "operator",
    "tests/unit/outgoing": "flows",
    "tests/unit/policy": "rules",
    "tests/unit/registry": "registry",
    "tests/unit/store": "store",
    "tests/unit/trust": "trust",
    "tests": "elsewhere",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Threat:
    """One row of the list."""

    n: int
    title: str
    outcome: tuple[str, ...]
    no_door: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Outcome of one test. `said`: the entry and outcome that it recorded itself."""

    test: str
    state: str
    recorded: Mapping[str, str] = field(default_factory=dict)

    @property
    def numbers(self) -> tuple[int, ...]:
        return numbers(self.test)

    @property
    def entry(self) -> str:
        # A long test goes on with the subject of a short one, and so does one of the office or the laboratory.
        file = _OF_SUBJECT.sub("tests/", self.test)
        place = max((prefix for prefix in _PLACES if file.startswith(prefix)), key=len, default="tests")
        return self.recorded.get("entry") or _PLACES[place]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the table. `lacks` says why it is not enough; empty when it is."""

    threat: Threat
    entries: tuple[str, ...]
    outcomes: tuple[str, ...]
    tests: int
    lacks: str


@contextmanager
def tried(cases: Cases, record: Record, id: str, entry: str) -> Iterator[Callable[[str], None]]:
    """Try one case of a table at one entry; its outcome is said to what is given, and stands in the table of threats."""
    row = {"id": f"{id}-{entry}", "state": "failed", "entry": entry}
    with cases.case(row["id"]):
        try:
            yield partial(operator.setitem, row, "outcome")
            row["state"] = "passed"
        finally:
            record(CASE, json.dumps(row))


def results_of(test: str, state: str, properties: Iterable[tuple[str, object]]) -> Iterator[Result]:
    """Yield the results of one test: of each case that it tried, or its own."""
    pairs = [(name, str(value)) for name, value in properties]
    for row in (json.loads(value) for name, value in pairs if name == CASE):
        yield Result(test=f"{test}[{row.pop('id')}]", state=row.pop("state"), recorded=row)
    yield Result(test=test, state=state, recorded={name: value for name, value in pairs if name != CASE})


def load(path: Path = LIST) -> dict[int, Threat]:
    """Load the list, by number."""
    rows = tomllib.loads(path.read_text("utf-8"))
    threats = {}
    for number, row in rows.items():
        outcome = tuple(row.pop("outcome"))
        threats[int(number)] = Threat(n=int(number), outcome=outcome, **row)
    return threats


def numbers(test: str) -> tuple[int, ...]:
    """Return the numbers of the threats that a test stands for, by its id."""
    name = test.partition("::")[2]
    if (case := _IN_CASE.search(name)) is not None:
        return (int(case[1]),)
    digits = [
        part for match in _IN_NAME.findall(name.partition("[")[0]) for part in "".join(match).split("_")
    ]
    return tuple(dict.fromkeys(int(part) for part in digits))


def lines(threats: Mapping[int, Threat], results: Sequence[Result]) -> Iterator[Line]:
    """Yield a line for every number of the list, and for every number that only tests have."""
    unknown = {n for result in results for n in result.numbers} - set(threats)
    for n in sorted(unknown | set(threats)):
        threat = threats.get(n) or Threat(n=n, title="", outcome=())
        own = [result for result in results if n in result.numbers]
        yield Line(
            threat=threat,
            entries=tuple(sorted({result.entry for result in own})),
            outcomes=_outcomes(threat, own),
            tests=len(own),
            lacks=_lacks(threat, own),
        )


def _outcomes(threat: Threat, own: Sequence[Result]) -> tuple[str, ...]:
    """Return the outcomes that tests recorded, in the order of the list; where none did, what the tests themselves
    assert."""
    outcomes = {result.recorded["outcome"] for result in own if "outcome" in result.recorded} - {UNJUDGED}
    return tuple(word for word in WORDS if word in outcomes) or (threat.outcome if own else ())


def _lacks(threat: Threat, own: Sequence[Result]) -> str:
    if not threat.title:
        return "it is not in the list"
    if not own:
        return "" if threat.no_door else "no test"
    if wrong := _in_state(own, "failed"):
        return f"{len(wrong)} failed: {wrong[0]}"
    if skipped := _in_state(own, "skipped"):
        return f"{len(skipped)} not run: {skipped[0]}"
    other = {result.recorded.get("outcome", UNJUDGED) for result in own} - {*threat.outcome, UNJUDGED}
    return f"another outcome: {', '.join(sorted(other))}" if other else ""


def _in_state(own: Iterable[Result], state: str) -> list[str]:
    return [result.test for result in own if result.state == state]


def text(table: Iterable[Line]) -> str:
    """Render the table for people: number, subject, place of the test, outcome, and whether it holds."""
    rows = [("no", "threat", "entry points", "outcome", "tests", "passed")]
    for line in table:
        entries = ", ".join(line.entries) or f"none: {line.threat.no_door or 'not tried'}"
        passed = "yes" if not line.lacks else f"NO: {line.lacks}"
        if not line.tests and not line.lacks:
            passed = "-"
        rows.append(
            (
                str(line.threat.n),
                line.threat.title,
                entries,
                ", ".join(line.outcomes),
                str(line.tests),
                passed,
            )
        )
    widths = [max(len(row[at]) for row in rows if at != 2 or len(row[at]) < 60) for at in range(5)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row[:5], widths, strict=True)), row[5]])
        for row in rows
    )
