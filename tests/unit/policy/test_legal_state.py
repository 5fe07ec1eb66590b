"""The table of legal bases on a day: which faults it finds in texts and in itself."""

from __future__ import annotations

from datetime import date

from gateway.policy.legal_state import Fault, judge
from gateway.words import legal
from tests.support.cases import Cases

TABLE = """
[acts.OLD]
number = "1/2001/NĐ-CP"
kind = "decree"
issuer = "Chính phủ"
title = "Văn bản cũ"
issued = 2001-01-01
from = 2001-02-01
to = 2020-01-31
replaced_by = ["NEW"]
source = "Công báo"
checked = 2026-01-01

[acts.NEW]
number = "2/2020/NĐ-CP"
kind = "decree"
issuer = "Chính phủ"
title = "Văn bản mới"
issued = 2020-01-01
from = 2020-02-01
source = "Công báo"
dates_from = "báo chí"

[rules.R1]
vi = "Một."
en = "One."
bases = ["NEW 3.2a"]
does = "warn"
codes = ["missing"]
evidence = []

[rules.R2]
vi = "Hai."
en = "Two."
bases = ["OLD PL I II.3"]
does = "refuse"
evidence = []

[[allowances]]
act = "OLD"
path = "history.md"
why = "lịch sử"
"""
BASES = legal.parse(TABLE)
LAST_DAY, NEXT_DAY = date(2020, 1, 31), date(2020, 2, 1)


def faults(texts: dict[str, str], on: date) -> list[tuple[str, str, str, str]]:
    return [(f.fault.value, f.subject, f.place, f.instead) for f in judge(BASES, texts, on) if not f.is_note]


def test_an_act_that_had_ended_is_a_fault_from_the_day_after_its_last(cases: Cases) -> None:
    ended = (Fault.ACT_ENDED.value, "NĐ 1/2001/NĐ-CP", "R2", "NĐ 2/2020/NĐ-CP")
    for day, expected in ((LAST_DAY, []), (NEXT_DAY, [ended])):
        with cases.case(str(day)):
            assert faults({}, day) == expected


def test_a_text_that_cites_an_ended_or_an_unknown_act_is_named_with_its_line(cases: Cases) -> None:
    cited = (Fault.ENDED_ACT_CITED.value, "NĐ 1/2001/NĐ-CP", "a.py:2", "NĐ 2/2020/NĐ-CP")
    for text in ("# decree 1/2001 says so", "Nghị định số 1/2001/NĐ-CP", "theo NĐ 1/2001", "1/2001/NĐ-CP"):
        with cases.case(text):
            assert cited in faults({"a.py": f"\n{text}"}, NEXT_DAY)
            assert cited not in faults({"a.py": f"\n{text}"}, LAST_DAY)
    for text in ("decree 9/2009", "9/2009/QĐ-TTg", "QCVN 7"):
        with cases.case(text):
            assert (Fault.ACT_UNKNOWN.value, text, "a.py:1", "") in faults({"a.py": text}, LAST_DAY)
    for text in ("12/2024/QĐ-UBND", "page 1/2001", "chapter 3 of 12/2020"):
        with cases.case(text):
            assert faults({"a.py": text}, LAST_DAY) == []


def test_an_allowance_permits_one_file_and_is_a_fault_itself_once_nothing_needs_it() -> None:
    ended = faults({}, NEXT_DAY)
    assert faults({"history.md": "decree 1/2001"}, NEXT_DAY) == ended
    idle = (Fault.ALLOWANCE_IDLE.value, "NĐ 1/2001/NĐ-CP", "history.md", "")
    assert faults({"history.md": "decree 2/2020"}, NEXT_DAY) == [*ended, idle]


def test_a_rule_that_the_program_names_without_an_entry_is_a_fault(cases: Cases) -> None:
    for text, rules in (
        ("# R9 (of nine)", ["R9"]),
        ("T12: later", ["T12"]),
        ("see R1, T7n", ["T7n"]),
        ("R2", []),
        ("2026-11-20T17:05+07:00 {day}T17:00 T17:05 x.T1 PR2 T00.OK", []),
    ):
        with cases.case(text):
            assert faults({"a.py": text}, LAST_DAY) == [
                (Fault.RULE_WITHOUT_ENTRY.value, rule, "a.py:1", "") for rule in rules
            ]


def test_what_was_not_compared_is_a_note_with_the_rules_that_rest_on_it() -> None:
    notes = [(f.subject, f.place) for f in judge(BASES, {}, NEXT_DAY) if f.is_note]
    assert notes == [("NĐ 2/2020/NĐ-CP", "R1")]


def test_a_rule_is_not_judged_before_its_first_act_began() -> None:
    assert [f.subject for f in judge(BASES, {}, date(2010, 1, 1))] == []


def test_a_rule_that_the_node_does_not_keep_is_a_note_from_the_day_on_which_it_is_in_force() -> None:
    table = TABLE.replace(
        'bases = ["NEW 3.2a"]',
        'bases = ["NEW 3.2a"]\nfrom = 2027-07-01\nstate = "absent"\nlacks_vi = "."\nlacks_en = "."',
    )
    bases = legal.parse(table)

    def not_kept(on: date) -> list[tuple[str, str, bool]]:
        findings = [f for f in judge(bases, {}, on) if f.fault is Fault.NOT_KEPT]
        return [(f.subject, f.place, f.is_note) for f in findings]

    assert not_kept(date(2027, 6, 30)) == []
    assert not_kept(date(2027, 7, 1)) == [("R1", "absent", True)]
