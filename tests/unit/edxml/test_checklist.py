"""docs/verification.md and `edxml.verify` say the same: steps, codes, the step of each code, and its outcome."""

from __future__ import annotations

import re
from pathlib import Path

from gateway.edxml.verify import CODES, STEPS, failed_steps, passed_steps

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "verification.md").read_text(encoding="utf-8")


def _rows(*cells: str) -> list[tuple[str, ...]]:
    return re.findall(r"^\| " + r" \| ".join(cells) + r" \|", PAGE, re.MULTILINE)


def test_the_page_lists_the_steps_of_the_code_and_its_codes_with_step_and_outcome() -> None:
    rows = _rows(r"(\d+)", r"([^|]+)", "[^|]+", "[^|]+")

    assert [(int(n), name) for n, name in rows] == list(STEPS.items())

    rows = _rows(r"`([A-Z-]+)`", r"(\d+)", r"([A-Z-]+)", "[^|]+")

    assert [(code, int(step), outcome) for code, step, outcome in rows] == [
        (code, row.step, row.outcome) for code, row in CODES.items()
    ]


def test_every_code_that_the_source_raises_is_on_the_list() -> None:
    """Codes are written as literals where they are decided; one that is missing here would have no meaning."""
    source = "".join(
        path.read_text(encoding="utf-8")
        for folder in ("edxml", "trust", "policy")
        for path in sorted((ROOT / "gateway" / folder).glob("*.py"))
    )

    raised = set(re.findall(r'"((?:ENV|SIG|CERT|MSG|AXIS|RCPT)-[A-Z-]+)"', source))

    assert raised - set(CODES) == set()
    assert {"ENV-LIMIT", "SIG-PLACE", "CERT-CHAIN", "MSG-ID"} <= raised


def test_steps_are_told_in_order_and_completely() -> None:
    for n in STEPS:
        steps = failed_steps(n, "why")
        assert [step.n for step in steps] == list(STEPS)
        assert [step.n for step in steps if step.ok is False] == [n]
        assert all(step.ok is None for step in steps if step.n > n)
    assert [step.n for step in passed_steps(1, "rsa-sha256") if step.ok is None] == [9, 10, 12]
