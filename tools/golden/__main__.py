"""`python tools/golden record CHECKOUT FOLDER`, once for the version before a change and once for the one after it;
`python tools/golden compare BEFORE AFTER` names what differs and ends with 1 when anything does."""

from __future__ import annotations

import difflib
import sys
from collections import Counter
from pathlib import Path

from record import record

MOST_LINES = 12


def compare(base: Path, changed: Path) -> int:
    """Print answers that differ, each with its first lines; return their number."""
    sides = [
        {
            path.relative_to(side).as_posix(): path
            for path in side.rglob("*")
            if path.is_file() and "run" not in path.relative_to(side).parts[:1]
        }
        for side in (base, changed)
    ]
    differing: Counter[str] = Counter()
    for name in sorted(sides[0].keys() | sides[1].keys()):
        texts = [
            side[name].read_text(encoding="utf-8").splitlines() if name in side else [] for side in sides
        ]
        if texts[0] == texts[1] and all(name in side for side in sides):
            continue
        differing[name.split("/")[0]] += 1
        print(f"\n### {name}")
        lines = list(difflib.unified_diff(*texts, lineterm="", n=1))[2:]
        print("\n".join(line[:200] for line in lines[:MOST_LINES]))
        if len(lines) > MOST_LINES:
            print(f"… {len(lines) - MOST_LINES} lines more")
    counts = Counter(name.split("/")[0] for name in sides[0])
    print("\nkind, answers before, differing")
    for kind in sorted(counts.keys() | differing.keys()):
        print(f"{kind}, {counts[kind]}, {differing[kind]}")
    return sum(differing.values())


def main(words: list[str]) -> int:
    match words:
        case ["record", checkout, folder]:
            record(Path(checkout), Path(folder))
            return 0
        case ["compare", before, after]:
            return int(compare(Path(before), Path(after)) > 0)
        case _:
            print(__doc__)
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
