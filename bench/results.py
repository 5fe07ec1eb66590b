"""Runs kept as files: one JSON for each, and an SVG chart for each table. In: figures. Out: those files, and lines that
compare a table with the last one measured with the same numbers. Nothing in a file says which machine it was but what
`machine` tells: cores, processor, memory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import chart
from bench.marks import Mark
from bench.measurements import MEASUREMENTS

_TREE = Path(__file__).resolve().parent
# What was recorded for everybody, and what somebody measured here.
RECORDED = _TREE / "results"
OWN = _TREE.parent / "var" / "bench"
_SAME = 0.05  # of a mark; less is called the same, because a machine is never twice as fast to the percent


@dataclass(frozen=True, slots=True)
class Table:
    """What one measurement was asked and what it found."""

    numbers: Mapping[str, Any]
    figures: Mapping[str, Any]


@dataclass(slots=True)
class Run:
    """One run, of as many measurements as were asked for."""

    at: str
    machine: Mapping[str, Any]
    tables: dict[str, Table] = field(default_factory=dict)

    @classmethod
    def begun(cls, machine: Mapping[str, Any]) -> Run:
        return cls(datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ"), machine)

    def add(self, name: str, numbers: Mapping[str, Any], figures: Mapping[str, Any]) -> None:
        """As JSON has them, so that what was written yesterday can be like what was measured today."""
        self.tables[name] = Table(*json.loads(json.dumps([numbers, figures])))

    def write(self, folder: Path) -> Path:
        """The folder of this run, which is below that one."""
        made = folder / self.at
        made.mkdir(parents=True, exist_ok=True)
        told = json.dumps(asdict(self), indent=1, ensure_ascii=False)
        (made / "run.json").write_text(told + "\n", encoding="utf-8")
        for name in self.tables:
            drawn = chart.svg(name.replace("_", " "), self.marks(name))
            (made / f"{name}.svg").write_text(drawn, encoding="utf-8")
        return made

    def marks(self, name: str) -> list[Mark]:
        return list(MEASUREMENTS[name].marks(self.tables[name].figures))


def read(file: Path) -> Run:
    told = json.loads(file.read_text(encoding="utf-8"))
    tables = {name: Table(each["numbers"], each["figures"]) for name, each in told["tables"].items()}
    return Run(told["at"], told["machine"], tables)


def last_like(run: Run, name: str, folders: Iterable[Path] = (RECORDED, OWN)) -> Run | None:
    """The newest earlier run that measured this with the same numbers."""
    files = sorted(
        (file for folder in folders for file in folder.glob("*/run.json")), key=lambda file: file.parent.name
    )
    for file in reversed(files):
        before = read(file) if file.parent.name < run.at else None
        table = before.tables.get(name) if before else None
        if table is not None and table.numbers == run.tables[name].numbers:
            return before
    return None


def compared(run: Run, name: str, folders: Iterable[Path] = (RECORDED, OWN)) -> Iterator[str]:
    """A line for each mark; nothing where nobody measured this before."""
    before = last_like(run, name, folders)
    if before is None:
        return
    slower = before.machine["processor"] != run.machine["processor"]
    yield f"  compared with {before.at}{' (ANOTHER PROCESSOR: read ratios alone)' if slower else ''}:"
    known = {(mark.name, mark.unit): mark for mark in before.marks(name)}
    for mark in run.marks(name):
        then = known.get((mark.name, mark.unit))
        if then is not None:
            yield f"    {mark.name:<44} {then.value:>10g} → {mark.value:>10g} {mark.unit:<10} {_verdict(then, mark)}"


def _verdict(then: Mark, now: Mark) -> str:
    if abs(now.value - then.value) <= _SAME * abs(then.value):
        return "as before"
    return "better" if (now.value < then.value) is now.less_is_better else "WORSE"
