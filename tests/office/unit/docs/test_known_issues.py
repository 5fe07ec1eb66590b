"""The page of known issues is true: each entry about what is missing has a mark. `fails` names a test here that tries the
missing thing and is expected to fail, strictly: once the program can do it, the lane turns red until the entry goes.
`holds` names a test that asserts a surprise as a fact. `outside` gives the reason why no test can tell."""

from __future__ import annotations

import ast
import inspect
import io
import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import get_type_hints

import pytest
from sqlmodel import SQLModel

from gateway.api.resources import ROUTES
from gateway.domain.account import HostedAgency, NumberingMode
from gateway.domain.document import Draft, Kind
from gateway.domain.event import EventKind
from gateway.domain.fields import FIELDS
from gateway.domain.office_calendar import SHIPPED
from gateway.domain.pdf import READ_KINDS
from gateway.domain.registry_change import Plan
from gateway.domain.signatures import FileVerdict, SignatureWord
from gateway.domain.timer_table import Means
from gateway.edxml.envelope import Envelope, Organisation
from gateway.errors import GatewayError
from gateway.http_calls import parse_url
from gateway.outgoing import ready_envelope
from gateway.policy import pdf_verdict
from gateway.settings.options import AxisSettings, Settings
from gateway.store import dump
from gateway.store.store import SqlStore as SqlStore  # declares all tables
from gateway.trust import seals
from gateway.trust.pdf_authorities import read_pdf_sources
from gateway.trust.pdf_layout import read_text
from gateway_office.book.file_lists import RecordFile
from gateway_office.web.pages import ROUTES as PAGES
from tests.support.cases import Cases
from tests.support.command_tree import commands
from tests.support.pdf_pages import paper
from tests.unit.docs.test_docs import ROOT

PAGE = ROOT / "docs/known-issues.md"
MISSING_HEADING = "## Not there yet"
MARK = re.compile(r"<!-- (fails|holds|outside): (.+?) -->")
THIS_FILE = "tests/office/unit/docs/test_known_issues.py"

missing = pytest.mark.xfail(strict=True, raises=AssertionError, reason="a known issue")


def entries() -> dict[str, tuple[str, str]]:
    """Return the marks of the entries about what is missing, by their texts."""
    part = PAGE.read_text(encoding="utf-8").partition(MISSING_HEADING)[2].partition("\n## ")[0]
    bullets = re.split(r"(?m)^- ", part)[1:]
    marks = {bullet: MARK.findall(bullet) for bullet in bullets}
    assert [bullet for bullet, matches in marks.items() if len(matches) != 1] == []
    return {bullet: matches[0] for bullet, matches in marks.items()}


def test_an_entry_names_a_test_that_fails_one_that_holds_or_why_there_is_none(cases: Cases) -> None:
    marks = entries().values()
    own = {name: test for name, test in globals().items() if name.startswith("test_not_there_")}
    facts = [name for name in globals() if name.startswith("test_surprise_")]

    assert sorted(name for mark, name in marks if mark == "fails") == sorted(own)
    for name, test in own.items():
        with cases.case(name):
            assert any(mark.name == "xfail" and mark.kwargs["strict"] for mark in test.pytestmark)
    fact_tests = [name if "::" in name else f"{THIS_FILE}::{name}" for mark, name in marks if mark == "holds"]
    assert {f"{THIS_FILE}::{name}" for name in facts} <= {*fact_tests}
    for name in fact_tests:
        with cases.case(name):
            file, _, function = name.partition("::")
            tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
            kinds = ast.FunctionDef | ast.AsyncFunctionDef
            assert function in {node.name for node in ast.walk(tree) if isinstance(node, kinds)}


def allowed(act: Callable[[], object]) -> bool:
    try:
        act()
    except GatewayError:
        return False
    return True


def names(kind: type) -> list[str]:
    return [field.name for field in fields(kind)]


def options(*sections: str) -> list[str]:
    """Return the settings of these sections."""
    hints = get_type_hints(Settings)
    return [f"{section}.{name}" for section in sections for name in get_type_hints(hints[section])]


def with_any(texts: list[str], *words: str) -> list[str]:
    return [text for text in texts if any(word in text for word in words)]


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
    assert leaves("prune") or [path for path in api_paths() if "prune" in path]


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


@missing
def test_not_there_revocation_over_ldap() -> None:
    assert allowed(lambda: parse_url("ldap://ca.example/cn=CA?certificateRevocationList"))


@missing
def test_not_there_remote_signing_of_envelopes() -> None:
    assert with_any(options("keys"), "url", "address", "service", "remote")


@missing
def test_not_there_remote_signing_of_pdfs() -> None:
    assert with_any(options("sign"), "url", "address", "service", "remote")


@missing
def test_not_there_words_of_other_files() -> None:
    assert {"xlsx", "odt", "jpeg", "png"} & {str(kind).lower() for kind in READ_KINDS}


@missing
def test_not_there_a_proxy_to_authorities(tmp_path: Path) -> None:
    (tmp_path / "revocation.toml").write_text('hosts = ["ca.example"]\nproxy = "http://proxy.example:3128"\n')
    assert allowed(lambda: read_pdf_sources(tmp_path))


@missing
def test_not_there_a_scheduled_report_of_nobody() -> None:
    """A wish about the whole node has no agency of its own: the table demands one for each schedule."""
    assert SQLModel.metadata.tables["report_schedule"].c["agency_id"].nullable


@missing
def test_not_there_a_draft_on_a_leaders_desk() -> None:
    assert with_any([*names(Draft), *map(str, EventKind)], "desk", "to_sign", "draft.submitted")


@missing
def test_not_there_titles_of_files_of_records() -> None:
    assert {"title", "kept", "sheets", "retention"} & {*names(RecordFile)}


@missing
def test_not_there_signed_updates_from_elsewhere() -> None:
    agency = HostedAgency(id="agy_1", code="Z91.07", name="Sở Thử nghiệm", numbering=NumberingMode.A)
    update = Envelope(kind=Kind.UPDATE, sender=Organisation(organ_id="Z91.07"))
    assert allowed(lambda: ready_envelope._refuse_other(update, agency, is_signed=True))


@missing
def test_not_there_a_person_of_a_hot_folder() -> None:
    assert with_any(options("folder"), "person", "people", "account")


@missing
def test_not_there_a_calendar_from_2028() -> None:
    assert [day for day in SHIPPED if day.day.year >= 2028]


@missing
def test_not_there_reminders_by_text_message() -> None:
    assert {str(means) for means in Means} & {"sms", "text", "phone", "push"}


@missing
def test_not_there_seals_by_mail_or_to_nodes() -> None:
    assert with_any(options("log"), "publish_mail", "publish_url", "publish_nodes", "publish_to")


@missing
def test_not_there_revocation_of_a_timestamp_authority() -> None:
    parameters = [*inspect.signature(seals.check_stamp).parameters, *names(seals.TimestampAuthority)]
    assert with_any(parameters, "revocation", "answers", "crl", "ocsp")


@missing
def test_not_there_an_index_of_the_log() -> None:
    indexes = SQLModel.metadata.tables["event"].indexes
    assert {column.name for index in indexes for column in index.columns} & {"kind", "principal_id", "at"}


@missing
def test_not_there_sessions_end_with_a_restore() -> None:
    """A backup copies every table but those that `reflect_tables` leaves out."""
    assert "session" in inspect.getsource(dump.reflect_tables).replace("sessions", "session")


@missing
def test_not_there_agencies_that_a_file_leaves_out() -> None:
    assert with_any(names(Plan), "missing", "left_out", "absent", "suspend")


@missing
def test_not_there_a_common_count_of_live_connections() -> None:
    assert with_any([*SQLModel.metadata.tables], "stream", "connection")


@missing
def test_not_there_bodies_of_calls() -> None:
    columns = [column.name for column in SQLModel.metadata.tables["api_call"].columns]
    assert with_any(columns, "body", "answer", "response")


@missing
def test_not_there_approval_of_updates_and_replacements() -> None:
    assert with_any([*map(str, EventKind), *options("rules")], "update.ask", "replac", "update_approval")


def test_surprise_a_document_without_anchors_waits_for_nothing() -> None:
    verdict = FileVerdict(n=1, file="a.pdf", verdict=SignatureWord.UNKNOWN, why=pdf_verdict.NO_ANCHORS)
    assert not pdf_verdict.is_open([verdict])


def test_surprise_white_text_is_read() -> None:
    page = paper(lines=((90, 700, "118/UBND-VP) Tj 1 g (999/UBND-VP"),))
    assert "999/UBND-VP" in "".join(run.text for run in read_text(io.BytesIO(page)).runs)
