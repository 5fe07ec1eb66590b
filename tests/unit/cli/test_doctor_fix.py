"""Cures by the doctor: each is said first and asked, and its outcome is shown."""

from __future__ import annotations

import stat
from pathlib import Path

from tests.unit.cli.conftest import Terminal, set_up

KEYS = Path("state/keys")


def _mode() -> int:
    return stat.S_IMODE(KEYS.stat().st_mode)


def test_a_cure_is_said_before_it_is_done_and_its_outcome_shown(terminal: Terminal) -> None:
    set_up(terminal)
    KEYS.chmod(0o755)

    plan = terminal.type("doctor", "--fix", "--dry-run", "--lang", "en", "-o", "json")
    refusal = terminal.type("doctor", "--fix")

    assert [(cure["code"], cure["state"]) for cure in plan.json["cures"]] == [("folder.open", "skipped")]
    assert "will: take the rights of others on the key folder" in plan.err
    assert (refusal.code, _mode()) == (2, 0o755), "without a terminal nothing is done unless --yes is typed"

    outcome = terminal.type("doctor", "--fix", "--yes", "-o", "json")

    assert [(cure["code"], cure["state"]) for cure in outcome.json["cures"]] == [("folder.open", "cured")]
    assert "folder.open" not in str(outcome.json["checks"])
    assert _mode() == 0o700
    assert terminal.type("doctor", "--fix", "--yes", "-o", "json").json["cures"] == []
