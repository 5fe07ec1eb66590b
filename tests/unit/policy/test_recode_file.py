"""A table of old and new codes becomes the steps of one decision."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.domain.registry_reform import QueuedMail, Reform, ReformKind, Target
from gateway.errors import BadForm
from gateway.policy.recode_file import CodePair, make_steps, read_pairs
from gateway.policy.reform import split_recodes
from tests.support.cases import Cases
from tests.unit.policy.test_reform import reform

DECISION = replace(reform(ReformKind.RECODE), queued=QueuedMail.REDIRECT)


def steps_of(table: str, *existing: str) -> list[tuple[ReformKind, tuple[str, ...], Target]]:
    steps = make_steps(read_pairs(table.encode()), existing, DECISION)
    assert {step.queued for step in steps} <= {QueuedMail.REDIRECT}
    return [(step.kind, step.sources, step.targets[0]) for step in steps]


def test_codes_are_recoded_consolidated_or_merged_and_parents_come_before_their_units() -> None:
    table = """Mã cũ;Mã mới;Mã cấp trên;Tên mới
Z91.01.02;Z92.11.02;Z92.11;
Z91.01;Z92.11;Z92;Sở Mới
Z91.03;Z92.12;Z92;Sở Hợp nhất
Z91.04;Z92.12;;
Z91.05;Z91.06;;
Z91.06;Z91.06;;
Z91;Z92;;

Z91.07;Z91.07;;
"""

    assert steps_of(table, "Z92", "Z91.07") == [
        (ReformKind.MERGE, ("Z91",), Target(code="Z92")),
        (ReformKind.RECODE, ("Z91.01",), Target(code="Z92.11", name="Sở Mới", parent="Z92")),
        (
            ReformKind.CONSOLIDATE,
            ("Z91.03", "Z91.04"),
            Target(code="Z92.12", name="Sở Hợp nhất", parent="Z92"),
        ),
        (ReformKind.MERGE, ("Z91.05",), Target(code="Z91.06")),
        (ReformKind.RECODE, ("Z91.01.02",), Target(code="Z92.11.02", parent="Z92.11")),
    ]
    (pair,) = read_pairs(b"\xef\xbb\xbfold,new\r\nZ91.01,Z91.11\r\n")
    assert pair == CodePair(old="Z91.01", new="Z91.11")


def test_a_table_that_cannot_be_read_is_refused_with_each_line(cases: Cases) -> None:
    for case, table, message in (
        ("headings", b"old,other\nZ91,Z92\n", "new is missing"),
        ("empty", b"old,new\n,\n", "no line"),
        ("nothing", b"", "new, old is missing"),
        ("code", b"old,new\nZ91.1.,Z92\nZ91.02,z92\n", "line 2, column old"),
        ("second code", b"old,new\nZ91.1.,Z92\nZ91.02,z92\n", "line 3, column new"),
        ("parent", b"old,new,parent\nZ91.01,Z92.01,x\n", "line 2, column parent"),
        ("twice", b"old,new\nZ91.01,Z92.01\nZ91.01,Z92.02\n", "line 3: Z91.01 stands above already"),
        ("letters", "mã cũ,mã mới".encode("utf-16"), "not UTF-8"),
        ("quotes", b'old,new\n"Z91.01,Z92.01\n', "cannot be read"),
        ("many", b"old,new\n" + b"".join(b"Z91.%d,Z92\n" % n for n in range(10_001)), "at most 10000 lines"),
    ):
        with cases.case(case), pytest.raises(BadForm, match=message):
            read_pairs(table)


def test_a_recode_of_several_codes_is_one_step_for_each_pair() -> None:
    several = reform(ReformKind.RECODE, "Z91.01", "Z91.02", to=(Target(code="Z91.11"), Target(code="Z91.12")))

    decision = split_recodes(several)

    assert [(step.sources, step.targets[0].code) for step in decision.steps] == [
        (("Z91.01",), "Z91.11"),
        (("Z91.02",), "Z91.12"),
    ]
    uneven = replace(several, targets=several.targets[:1])
    assert split_recodes(uneven) == uneven, "planning tells what is wrong with it"


def test_a_step_without_pairs_keeps_its_decision() -> None:
    merger: Reform = reform(ReformKind.MERGE, "Z91.01", to=(Target(code="Z91.02"),))

    assert split_recodes(merger) is merger
