"""Records the golden answers of the API (`tests.support.answers`): runs the tests of the API twice, and writes of each call
and status an answer that both runs gave alike. `python -m tests.office.record_answers [PATHS]`; of other calls and statuses
everything stays. A recorded answer that changed gets the day of the changelog's newest section."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.office.support.doors import WITH_OFFICE
from tests.support import answers
from tests.support.answers import Json

Key = tuple[str, str]
Met = tuple[str, str, str]
# An example is for people: the most telling answer among those that are not longer.
_LONGEST = 6000

# They look at the records themselves, and fail where a call is new.
_IGNORED = tuple(
    f"--ignore={folder}test_answers.py" for folder in ("tests/unit/api/", "tests/office/unit/api/")
)


def main() -> None:
    """Record, and say what changed."""
    paths = [*(sys.argv[1:] or [*answers.EXCHANGE_TESTS, *answers.OFFICE_TESTS]), *_IGNORED]
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        for folder in (first, second):
            command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "-m", "not long"]
            subprocess.run([*command, answers.RECORD, folder, *paths], check=True)
        merge(read(Path(first)), read(Path(second)))


def read(folder: Path) -> dict[Met, Json]:
    """Read what a run recorded, by call, status and test."""
    rows = [row for file in folder.iterdir() for row in json.loads(file.read_text("utf-8"))]
    return {
        (row["call"], row["status"], row["test"]): {
            "test": row["test"],
            **answers.neutral({"request": row["request"], "answer": row["answer"]}),
        }
        for row in rows
    }


def merge(first: dict[Met, Json], second: dict[Met, Json]) -> None:
    """Write the answers that both runs gave alike, their digests, and the guides that show them."""
    candidates: dict[Key, list[Json]] = {}
    for (call, status, test), row in first.items():
        if second.get((call, status, test)) == row:
            candidates.setdefault((call, status), []).append(row)
    old = answers.recorded()
    new = old | {key: choose(rows, old.get(key)) for key, rows in candidates.items()}
    write(new)
    digests = json.loads(answers.DIGESTS.read_text("utf-8")) if answers.DIGESTS.exists() else {}
    answers.DIGESTS.write_text(answers.pretty(answers.dated(digests, new)), "utf-8")
    answers.recorded.cache_clear()
    for guide in answers.GUIDES:
        guide.write_text(answers.with_answers(guide.read_text("utf-8")), "utf-8")
    changed = sorted(" ".join(key) for key, row in new.items() if old.get(key) != row)
    unstable = sorted({" ".join(met[:2]) for met in first} - set(map(" ".join, new)))
    print(f"{len(new)} answers; changed: {', '.join(changed) or 'none'}")
    print(f"never the same: {', '.join(unstable) or 'none'}")


def choose(rows: list[Json], old: Json | None) -> Json:
    """Choose the answer of the test that gave the recorded one, else the one with most fields."""
    same_test = [row for row in rows if old is not None and row["test"] == old["test"]]
    return same_test[0] if same_test else max(rows, key=_worth)


def _worth(row: Json) -> tuple[bool, int, int, str]:
    text = json.dumps(row["answer"], ensure_ascii=False)
    places = re.findall(r'"\w+":(?! null| ""| \[\])', text)
    return len(text) <= _LONGEST, len(set(places)), -len(json.dumps(row)), row["test"]


def write(rows: dict[Key, Json]) -> None:
    """Write a file for each call, in the folder of its package."""
    for call in sorted({call for call, _ in rows}):
        statuses = {s: row for (name, s), row in sorted(rows.items()) if name == call}
        folder = answers.FOLDERS[WITH_OFFICE.package_of(call)]
        folder.mkdir(exist_ok=True)
        (folder / f"{call}.json").write_text(answers.pretty(statuses), "utf-8")


if __name__ == "__main__":
    main()
