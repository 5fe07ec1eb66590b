"""The page of known issues is true: an entry about what is missing names a test that fails to do it. The test is expected
to fail, strictly: once the program can do it, the lane turns red until the entry goes."""

from __future__ import annotations

import re
from typing import get_type_hints

import pytest

from gateway.api.resources import ROUTES
from gateway.domain.document import Kind
from gateway.domain.fields import FIELDS
from gateway.office.web.pages import ROUTES as PAGES
from gateway.settings.options import AxisSettings
from tests.support.cases import Cases
from tests.unit.docs.test_docs import ROOT, commands

PAGE = ROOT / "docs/known-issues.md"
NOT_THERE = "## Not there yet"
# Entries about what is missing that no test tries yet. The number only falls.
UNTRIED = 39

missing = pytest.mark.xfail(strict=True, raises=AssertionError, reason="a known issue")


def entries() -> dict[str, str]:
    """Return the entries about what is missing: the test that each names, by its text; empty where it names none."""
    part = PAGE.read_text(encoding="utf-8").partition(NOT_THERE)[2].partition("\n## ")[0]
    bullets = re.split(r"(?m)^- ", part)[1:]
    return {bullet: "".join(re.findall(r"<!-- fails: (\w+) -->", bullet)) for bullet in bullets}


def test_an_entry_names_a_test_that_is_expected_to_fail(cases: Cases) -> None:
    found = entries()
    own = {name: test for name, test in globals().items() if name.startswith("test_not_there_")}

    assert sum(not name for name in found.values()) == UNTRIED
    assert sorted(filter(None, found.values())) == sorted(own)
    for name, test in own.items():
        with cases.case(name):
            assert any(mark.name == "xfail" and mark.kwargs["strict"] for mark in test.pytestmark)


def api_paths() -> list[str]:
    return [route.path for route in ROUTES]


def leaves(*words: str) -> list[str]:
    return [name for name in commands() if any(word in name for word in words)]


@missing
def test_not_there_groups_of_recipients_for_programs() -> None:
    assert [path for path in api_paths() if "group" in path] or leaves("group")


@missing
def test_not_there_networks_of_a_person() -> None:
    options = commands()["gateway people add"].params
    assert [option for option in options if "network" in str(option.name)]


@missing
def test_not_there_secrecy_on_the_wire() -> None:
    assert next(field.rule.wire for field in FIELDS if field.name == "secrecy")


@missing
def test_not_there_a_third_foreign_axis() -> None:
    kinds = get_type_hints(AxisSettings, include_extras=True)["kind"].__metadata__[0].words
    assert {*kinds} - {"embedded", "amqp", "vxp", "lgsp"}


@missing
def test_not_there_another_key_of_the_log() -> None:
    assert leaves("audit rotate", "audit rekey", "log rotate")


@missing
def test_not_there_deletion_for_age() -> None:
    assert leaves("retention", "destroy") or [path for path in api_paths() if "retention" in path]


@missing
def test_not_there_a_reminder_on_the_wire() -> None:
    assert {kind.value for kind in Kind} & {"remind", "urge", "reminder"}


@missing
def test_not_there_lists_as_pdf() -> None:
    assert [
        route.path
        for route in PAGES
        if "pdf" in route.path and route.path.startswith(("/van-ban", "/co-quan"))
    ]
