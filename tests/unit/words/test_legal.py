"""The table of legal bases that the product ships: its entries name what exists, and a basis reads as people cite it."""

from __future__ import annotations

import ast
import re
from collections import Counter
from datetime import date
from pathlib import Path
from typing import get_args

import pytest

from gateway.cli.rules import program_texts
from gateway.domain.event import EventKind
from gateway.domain.timer_table import Timer
from gateway.incoming.act import RefusalReason
from gateway.ops.checks import CHECKS
from gateway.policy.legal_state import find_rules, judge
from gateway.policy.verdict import ReasonCode
from gateway.words import labels, legal
from tests.support.cases import Cases

ROOT = Path(__file__).parents[3]


def repository_texts() -> dict[str, str]:
    """Read what the product says: the installed program, and the pages and settings beside it."""
    other_files = [
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "office").rglob("*.py"),
        *(ROOT / "office").rglob("*.po"),
        *(ROOT / "office").rglob("*.html"),
        *(ROOT / "foreign").rglob("*.py"),
        *(ROOT / "labs").rglob("*.py"),
        *(ROOT / "labs").rglob("*.po"),
        *(ROOT / "config").rglob("*.toml"),
        ROOT / "README.md",
        ROOT / "CHANGELOG.md",
        ROOT / "CONTRIBUTING.md",
    ]
    texts = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in other_files}
    return {**program_texts(), **texts}


def release_day() -> date:
    """Return the day of the newest entry of the changelog; today while it is not released."""
    head = re.search(r"^## \[[^\]]+\] - (\S+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
    assert head is not None
    return date.today() if head[1] == "unreleased" else date.fromisoformat(head[1])


def test_on_the_day_of_the_release_no_rule_lacks_its_entry_and_no_text_cites_an_act_that_had_ended() -> None:
    findings = judge(legal.read(), repository_texts(), release_day())
    assert [finding for finding in findings if not finding.is_note] == []


def test_every_entry_names_evidence_that_exists_and_codes_that_the_program_has(cases: Cases) -> None:
    known_codes, check_names = code_table(), {check.name for check in CHECKS}
    for rule in legal.read().rules.values():
        with cases.case(rule.id):
            assert rule.evidence or rule.state in ("absent", "outside")
            assert [path for path in rule.evidence if not (ROOT / path).exists()] == []
            assert [code for code in rule.codes if code not in known_codes] == []
            assert [kind for kind in rule.events if kind not in {*EventKind}] == []
            assert [name for name in rule.checks if name not in check_names] == []


def code_table() -> set[str]:
    """Return every code that the program names a rule by: reasons, timers, errors, remarks on a reform, faults of a
    notice."""
    errors = re.findall(r"`(GW-[A-Z0-9-]+)`", (ROOT / "docs/errors.md").read_text(encoding="utf-8"))
    return {
        *map(str, ReasonCode),
        *get_args(RefusalReason),
        *map(str, Timer),
        *errors,
        *labels.tails("reform"),
        *labels.tails("operating.notice.fault"),
    }


def test_every_number_of_the_rulebook_has_a_state() -> None:
    """R1 to R140 with R23a, 141 rules; and T1 to T27 with T1u, T2u and T7n, the thirty timers of the rulebook."""
    numbers = [
        *(f"R{n}" for n in range(1, 141)),
        "R23a",
        *(f"T{n}" for n in range(1, 28)),
        "T1u",
        "T2u",
        "T7n",
    ]
    rules = legal.read().rules

    assert len(numbers) == 171
    assert [number for number in numbers if number not in rules] == []
    states = Counter(rules[number].state for number in numbers)
    assert {*states} == {*legal.STATES}
    # The lack is said in both languages, and only where a rule does not work.
    assert all(all(rule.lacks.values()) is (rule.state != "works") for rule in rules.values())


def test_what_works_cites_tests_that_exist_and_name_the_rule(cases: Cases) -> None:
    cited = [(rule, test) for rule in legal.read().rules.values() for test in rule.tests]
    functions = {file: _functions_of(ROOT / file) for file in {test.partition("::")[0] for _, test in cited}}

    assert [rule.id for rule in legal.read().rules.values() if rule.state == "works" and not rule.tests] == []
    for rule, test in cited:
        file, _, name = test.partition("::")
        with cases.case(f"{rule.id} {test}"):
            text = functions[file][name]
            is_number = re.fullmatch(r"[RT]\d+[a-z]?", rule.id) is not None
            assert (
                not is_number or rule.id in {id for _, id in find_rules(text)} or _is_in_name(rule.id, name)
            )


def _functions_of(file: Path) -> dict[str, str]:
    """Return the text of each test of a file, by its name; nothing where there is no such file."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return {
        node.name: "\n".join(lines[node.lineno - 1 : node.end_lineno])
        for node in ast.walk(ast.parse("\n".join(lines)))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def _is_in_name(rule: str, name: str) -> bool:
    return rule.lower() in name.split("_")


def test_what_warns_refuses_or_holds_names_a_code_that_a_test_provokes(cases: Cases) -> None:
    """The month of timers and the tests of each check name the codes that they provoke."""
    own = Path(__file__).name
    tests = "\n".join(
        file.read_text(encoding="utf-8") for file in (ROOT / "tests").rglob("*.py") if file.name != own
    )
    names = {str(code): f"{type(code).__name__}.{code.name}" for code in (*ReasonCode, *Timer)}
    for rule in legal.read().rules.values():
        with cases.case(rule.id):
            is_told = rule.does in ("refuse", "warn", "hold") and rule.state == "works"
            assert rule.codes or not is_told
            for code in rule.codes:
                is_quoted = re.search(rf'"{code}(?![\w-])', tests) is not None
                assert is_quoted or (names[code] if code in names else code + '"') in tests, code


def test_every_timer_has_its_rule_and_its_basis(cases: Cases) -> None:
    for timer in Timer:
        with cases.case(timer):
            assert legal.basis_of_timer(timer)


def test_a_basis_reads_as_people_cite_it(cases: Cases) -> None:
    texts = {
        "R26": ("Điều 26 NĐ 30/2020/NĐ-CP", "Article 26, Decree 30/2020/NĐ-CP"),
        "R34": ("khoản 3 Điều 15 NĐ 30/2020/NĐ-CP", "Article 15.3, Decree 30/2020/NĐ-CP"),
        "R139": (
            "điểm a khoản 1 Điều 19 QĐ 28/2018/QĐ-TTg",
            "Article 19.1a, Decision 28/2018/QĐ-TTg",
        ),
        "R120": (
            "mục III.1o Phần I Phụ lục VI NĐ 30/2020/NĐ-CP",
            "Annex VI, part I, III.1o, Decree 30/2020/NĐ-CP",
        ),
        "R75": ("QĐ 20/2020/QĐ-TTg", "Decision 20/2020/QĐ-TTg"),
    }
    for id, (vi, en) in texts.items():
        with cases.case(id):
            rule = legal.read().rules[id]
            assert (rule.basis_text("vi"), rule.basis_text("en")) == (vi, en)


def test_an_entry_that_breaks_the_form_is_named(cases: Cases) -> None:
    act = """[acts.A]
number = "1/2001/NĐ-CP"
kind = "decree"
issuer = "Chính phủ"
title = "Một"
issued = 2001-01-01
from = 2001-01-01
source = "Công báo"
"""
    rule = '\n[rules.R1]\nvi = "."\nen = "."\nevidence = []\n'
    for text, fault in (
        (act + "\n[rules]", "act A has either"),
        (act + 'dates_from = "x"\nchecked = 2026-01-01\n[rules]', "act A has either"),
        (act + 'dates_from = "x"\nreplaced_by = ["B"]\n[rules]', "act A names B"),
        (act + 'dates_from = "x"\n' + rule + 'does = "warn"\nbases = ["B 1"]', "R1 rests on B"),
        (act + 'dates_from = "x"\n' + rule + 'does = "warn"\nbases = ["A 1.2.3"]', "R1: 1.2.3 is no place"),
        (act + 'dates_from = "x"\n' + rule + 'does = "warn"\nbases = []', "R1 has no basis"),
        (act + 'dates_from = "x"\n' + rule + 'does = "mend"\nbases = ["A"]', "R1 does mend"),
        (
            act + 'dates_from = "x"\n' + rule + 'does = "warn"\nstate = "soon"\nbases = ["A"]',
            "R1 has the state",
        ),
        (
            act + 'dates_from = "x"\n' + rule + 'does = "warn"\nstate = "absent"\nbases = ["A"]',
            "R1 says what it",
        ),
        (
            act + 'dates_from = "x"\n' + rule + 'does = "warn"\nlacks_vi = "."\nbases = ["A"]',
            "R1 says what it",
        ),
    ):
        with cases.case(fault), pytest.raises(ValueError, match=re.escape(fault)):
            legal.parse(text)
