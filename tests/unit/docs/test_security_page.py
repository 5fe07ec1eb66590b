"""The page on security names tests that exist, and each of its lines names one."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")


def test_every_test_that_the_page_on_security_names_exists() -> None:
    named_tests = set(re.findall(r"`(test_\w+)`", PAGE))
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")]
    tests = {
        name for text in sources for name in re.findall(r"^(?:async )?def (test_\w+)", text, re.MULTILINE)
    }

    assert len(named_tests) > 30
    assert named_tests - tests == set()


def test_every_line_of_its_tables_names_a_test_or_a_page() -> None:
    lines = [line for line in PAGE.splitlines() if line.startswith("| ") and "| test |" not in line]

    assert len(lines) > 30
    assert [line for line in lines if not re.search(r"\| (`test_\w+`|\[\w+\]\(\w+\.md\)) \|$", line)] == []
