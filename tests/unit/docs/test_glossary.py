"""docs/glossary.md stays one page, and each of its words has one meaning in the code."""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[3]
MOST_ENTRIES = 60
PAGE = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("| ") and not line.startswith(("| Vietnamese |", "| word |"))
]
PROGRAM = [row for row in ROWS if row[0].startswith("`")]


def class_modules() -> dict[str, list[str]]:
    """Map each public class of the product to the modules that define one of that name."""
    modules = defaultdict(list)
    for path in sorted((ROOT / "gateway").rglob("*.py")):
        module = ".".join(path.relative_to(ROOT / "gateway").with_suffix("").parts)
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                modules[node.name].append(module)
    return modules


def words_of(row: list[str]) -> list[str]:
    return re.findall(r"`([^`]+)`", row[0] if row in PROGRAM else row[1])


def test_the_page_is_short_and_has_each_word_once() -> None:
    assert 0 < len(ROWS) <= MOST_ENTRIES
    counts = Counter(word.casefold() for row in ROWS for word in words_of(row))
    assert [word for word, count in counts.items() if count != 1] == []


def test_each_word_is_the_name_of_one_class_at_most_and_stands_where_the_page_says() -> None:
    modules = class_modules()
    names = {
        word: "".join(part[:1].upper() + part[1:] for part in re.split(r"[ _]", word))
        for row in ROWS
        for word in words_of(row)
    }
    assert {name: modules[name] for name in names.values() if len(modules.get(name, ())) > 1} == {}
    assert {row[0]: modules.get(words_of(row)[0]) for row in PROGRAM} == {
        row[0]: [row[2].strip("`")] for row in PROGRAM
    }
