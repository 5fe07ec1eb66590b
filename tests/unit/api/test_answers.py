"""Every call of the exchange has a recorded answer that its description allows, and none changes in silence."""

from __future__ import annotations

import json
import re
from copy import deepcopy

import pytest

from tests.support import answers
from tests.support.contract import EXCHANGE

PAGE = "# Changes\n\n## 2026-12-02\n\n- **Inbox:** `listInbox` has more.\n\n## 2026-12-01\n\n- `readMe`\n"


def test_every_call_has_a_recorded_answer_that_its_description_allows() -> None:
    assert list(answers.faults(EXCHANGE, "gateway")) == []


def test_a_recorded_answer_changes_only_with_a_line_of_the_changelog() -> None:
    digests = json.loads(answers.DIGESTS.read_text("utf-8"))
    page = answers.CHANGELOG.read_text("utf-8")
    assert list(answers.digest_faults(digests, answers.recorded(), page)) == []


def test_a_change_in_silence_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "newest_day", lambda: "2026-12-02")
    rows = {("listInbox", "200"): {"answer": {"body": 1}}, ("readMe", "200"): {"answer": {"body": 2}}}
    digests = answers.dated({}, rows)
    changed_rows = deepcopy(rows)
    for row in changed_rows.values():
        row["answer"]["more"] = 3
    recorded_digests = answers.dated(digests, changed_rows)

    assert list(answers.digest_faults(digests, rows, PAGE)) == []  # the first ones need no line
    changed = list(answers.digest_faults(digests, changed_rows, PAGE))
    assert [fault for fault in changed if "whose digest is recorded" in fault] == [changed[0], changed[1]]
    (unnamed,) = answers.digest_faults(recorded_digests, changed_rows, PAGE)
    assert unnamed.startswith("readMe 200")
    assert "section 2026-12-02" in unnamed


def test_the_guides_show_recorded_answers() -> None:
    """Else: make answers"""
    for guide in answers.GUIDES:
        text = guide.read_text("utf-8")
        assert answers.with_answers(text) == text, guide.name
        assert len(re.findall("^```json$", text, re.M)) == len(answers._BLOCK.findall(text)) > 0, guide.name
