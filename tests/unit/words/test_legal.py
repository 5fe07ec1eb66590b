"""The table of legal bases that the product ships: its entries name what exists, and a basis reads as people cite it."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import get_args

import pytest

from gateway.cli.rules import program_texts
from gateway.domain.timer_table import Timer
from gateway.incoming.act import RefusalReason
from gateway.policy.legal_state import judge
from gateway.policy.verdict import ReasonCode
from gateway.words import legal
from tests.support.cases import Cases

ROOT = Path(__file__).parents[3]


def repository_texts() -> dict[str, str]:
    """Read what the product says: the installed program, and the pages and settings beside it."""
    beside = [
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "labs").rglob("*.py"),
        *(ROOT / "labs").rglob("*.po"),
        *(ROOT / "config").rglob("*.toml"),
        ROOT / "README.md",
        ROOT / "CHANGELOG.md",
        ROOT / "CONTRIBUTING.md",
    ]
    texts = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in beside}
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
    known = {*map(str, ReasonCode), *get_args(RefusalReason)}
    seen: dict[str, str] = {}
    for rule in legal.read().rules.values():
        with cases.case(rule.id):
            assert rule.evidence
            assert [path for path in rule.evidence if not (ROOT / path).exists()] == []
            assert [code for code in rule.codes if code not in known] == []
            assert [code for code in rule.codes if seen.setdefault(code, rule.id) != rule.id] == []


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
    ):
        with cases.case(fault), pytest.raises(ValueError, match=re.escape(fault)):
            legal.parse(text)
