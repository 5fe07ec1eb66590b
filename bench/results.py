"""Runs kept as files: one JSON for each, and an SVG chart for each table. In: figures. Out: those files, and lines that
compare a table with the last one measured with the same numbers. A file identifies the machine only by the facts of
`machine`: cores, processor, memory."""

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
# Figures recorded for all, and those measured here.
RECORDED = _TREE / "results"
OWN = _TREE.parent / "var" / "bench"
_SAME = 0.05  # of a mark; a smaller difference counts as the same, because a machine is never twice as fast to the percent


@dataclass(frozen=True, slots=True)
class Table:
    """Numbers and figures of one measurement."""

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
        """Add a table in the form of JSON, so that it equals one that was written and read again."""
        self.tables[name] = Table(*json.loads(json.dumps([numbers, figures])))

    def write(self, folder: Path) -> Path:
        """Write the run and return its folder, which is below that one."""
        folder_of_run = folder / self.at
        folder_of_run.mkdir(parents=True, exist_ok=True)
        text = json.dumps(asdict(self), indent=1, ensure_ascii=False)
        (folder_of_run / "run.json").write_text(text + "\n", encoding="utf-8")
        for name in self.tables:
            drawn = chart.svg(name.replace("_", " "), self.marks(name))
            (folder_of_run / f"{name}.svg").write_text(drawn, encoding="utf-8")
        return folder_of_run

    def marks(self, name: str) -> list[Mark]:
        return list(MEASUREMENTS[name].marks(self.tables[name].figures))


def read(file: Path) -> Run:
    content = json.loads(file.read_text(encoding="utf-8"))
    tables = {name: Table(t["numbers"], t["figures"]) for name, t in content["tables"].items()}
    return Run(content["at"], content["machine"], tables)


def last_like(run: Run, name: str, folders: Iterable[Path] = (RECORDED, OWN)) -> Run | None:
    """Return the newest earlier run that measured this with the same numbers."""
    files = sorted(
        (file for folder in folders for file in folder.glob("*/run.json")), key=lambda file: file.parent.name
    )
    for file in reversed(files):
        earlier = read(file) if file.parent.name < run.at else None
        table = earlier.tables.get(name) if earlier else None
        if table is not None and table.numbers == run.tables[name].numbers:
            return earlier
    return None


def compared(run: Run, name: str, folders: Iterable[Path] = (RECORDED, OWN)) -> Iterator[str]:
    """Yield a line for each mark; nothing where no earlier run measured this."""
    earlier = last_like(run, name, folders)
    if earlier is None:
        return
    slower = earlier.machine["processor"] != run.machine["processor"]
    yield f"  compared with {earlier.at}{' (ANOTHER PROCESSOR: read ratios alone)' if slower else ''}:"
    marks_before = {(mark.name, mark.unit): mark for mark in earlier.marks(name)}
    for mark in run.marks(name):
        then = marks_before.get((mark.name, mark.unit))
        if then is not None:
            yield f"    {mark.name:<44} {then.value:>10g} → {mark.value:>10g} {mark.unit:<10} {_verdict(then, mark)}"


def _verdict(then: Mark, now: Mark) -> str:
    if abs(now.value - then.value) <= _SAME * abs(then.value):
        return "as before"
    return "better" if (now.value < then.value) is now.less_is_better else "WORSE"
