"""`gateway rules`: the table as people and programs read it, without a node."""

from __future__ import annotations

import json

from gateway.words import legal
from tests.unit.cli.conftest import Terminal


def test_the_list_has_each_rule_with_its_bases(terminal: Terminal) -> None:
    rows = json.loads(terminal.type("rules", "list", "-o", "json").out)["data"]

    assert [row["id"] for row in rows] == list(legal.read().rules)
    listing = terminal.type("rules", "list").out
    assert "R26" in listing
    assert "Điều 26 NĐ 30/2020/NĐ-CP" in listing


def test_the_list_of_one_state_says_what_lacks(terminal: Terminal) -> None:
    """The annex of a statement of conformity: what works in part, with what lacks."""
    rows = json.loads(terminal.type("rules", "list", "--state", "partly", "-o", "json").out)["data"]

    assert {row["state"] for row in rows} == {"partly"}
    assert all(row["lacks"]["vi"] for row in rows)
    absent_rules = terminal.type("rules", "list", "--state", "absent").out
    assert "R18" in absent_rules
    assert "Chưa kiểm tra độ phân giải" in absent_rules
    assert "chưa có" in terminal.type("rules", "show", "R18").out
    assert terminal.type("rules", "list", "--state", "soon").code == 2
    check_output = terminal.type("rules", "check", "--on", "2027-07-02").out
    assert "R124: chưa có" in check_output


def test_one_rule_is_shown_with_what_was_compared_and_what_was_not(terminal: Terminal) -> None:
    rule_text = terminal.type("rules", "show", "r23").out

    assert "khoản 2 Điều 5 NĐ 30/2020/NĐ-CP (đã đối chiếu)" in rule_text
    assert "NĐ 68/2024/NĐ-CP (chưa đối chiếu văn bản gốc)" in rule_text
    assert "signature-invalid" in rule_text
    assert "gateway/policy/pdf_verdict.py" in rule_text
    unknown = terminal.type("rules", "show", "R999")
    assert (unknown.code, "gateway rules list" in unknown.err) == (3, True)


def test_the_check_is_good_today_and_notes_are_faults_only_on_request(terminal: Terminal) -> None:
    good = terminal.type("rules", "check", "-o", "json")

    answer = json.loads(good.out)
    assert good.code == 0
    assert answer["rules"] == len(legal.read().rules)
    assert {finding["fault"] for finding in answer["findings"]} == {"not-compared", "not-kept"}
    assert all(finding["note"] for finding in answer["findings"])
    assert terminal.type("rules", "check", "--strict").code == 1
    lines = terminal.type("rules", "check", "--on", "2026-11-27").out.splitlines()
    assert "27/11/2026" in lines[-1]
