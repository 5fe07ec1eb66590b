"""`python -m tests.labs.fault_table.report`: prints what the rows of the table of faults showed, and writes it as JSON.
In: the outcomes in `dist/faults`. Out: a table, and `dist/faults.json`. With `--page` it writes the rows into the page of
the operators instead."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.labs.fault_table.child import FASTER
from tests.labs.fault_table.rows import ROWS

DIST = Path(__file__).parents[3] / "dist"
_HEADS = ("fault", "doctor", "readyz", "metrics", "mail", "stands", "over", "lines", "", "cure")
_LONGEST_CURE = 70
PAGE = DIST.parent / "docs" / "operations.md"
_PAGE_HEAD = "| fault | doctor | `/readyz` | cure |\n|---|---|---|---|\n"


def main() -> None:
    rows = [json.loads(file.read_text("utf-8")) for file in sorted((DIST / "faults").glob("*.json"))]
    DIST.mkdir(exist_ok=True)
    (DIST / "faults.json").write_text(json.dumps(rows, ensure_ascii=False, indent=1), "utf-8")
    print(table([_HEADS, *(_cells(row) for row in rows)]))
    print(
        "Seconds until the doctor, /readyz, the metrics and a mail showed the fault, and until all was well after it. It "
        f"stands so long before it is an alarm; {FASTER} times less passed here. Lines: of one process, at most."
    )
    print(f"{sum(row['holds'] for row in rows)} of {len(rows)} rows hold")


def _cells(row: Mapping[str, Any]) -> Sequence[str]:
    times = [row[name] for name in ("doctor_s", "ready_s", "metrics_s", "mail_s", "stands_s", "over_s")]
    lines = str(max(row["lines"].values(), default=0))
    texts = ["–" if seconds is None else f"{seconds:.0f}" for seconds in times]
    return (row["name"], *texts, lines, "" if row["holds"] else "BROKEN", row["cure"][:_LONGEST_CURE])


def page_table() -> str:
    """Return the rows as the operators' page has them."""
    lines = []
    for row in ROWS:
        ready = "no answer" if row.ready == "none" else " ".join(map("`{}`".format, row.ready.split()))
        doctor = f"`{row.check}` {row.level}"
        lines.append(f"| {row.fault} | {doctor} | {ready or 'ok'} | `… {row.cure.strip()} …` |\n")
    return _PAGE_HEAD + "".join(lines)


def with_table(page: str) -> str:
    """Return the page with the rows as they are."""
    head, _, tail = page.partition(_PAGE_HEAD)
    assert tail, "the page has no table of faults"
    return f"{head}{page_table()}\n{tail.partition(chr(10) * 2)[2]}"


def table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


if __name__ == "__main__":
    if "--page" in sys.argv:
        PAGE.write_text(with_table(PAGE.read_text("utf-8")), "utf-8")
    else:
        main()
