"""The dossier says what the node has, and nothing else: instances are leaves of the sealed log, secrets and documents do
not appear, what the node does not know is empty, and the DOCX has all of its words."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.domain.dossier import DossierSection
from gateway.domain.loss_audit import Difference
from gateway.domain.state_audit import StateDifference
from gateway.ops import checks
from gateway.ops.dossier import (
    INSTANCES,
    SECTIONS,
    DossierSource,
    LogExamination,
    make_dossier,
    read_section,
)
from gateway.ops.dossier_docx import DOTS, write_docx
from gateway.ops.subject import Subject
from gateway.settings import load
from gateway.settings.options import names, option
from gateway.store import state_audit
from gateway.store.log_reading import seal_numbered
from gateway.store.loss_audit import LossCount, record_counts
from gateway.store.state_audit import StateCount
from gateway.trust.page_drawing.docx import read_docx
from gateway.words import legal
from tests.support.cases import Cases
from tests.support.clock import ManualClock
from tests.support.node import Town, opened
from tests.support.sealed import tamper

MARK = "BI-MAT-7f3a"


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    async with opened(tmp_path / "node", ManualClock()) as town:
        yield town


async def source_of(town: Town, **more: object) -> DossierSource:
    subject = Subject.within(town.node)
    return DossierSource(subject=subject, lang="vi", findings=await checks.examine(subject), **more)  # type: ignore[arg-type]


async def seal(town: Town) -> None:
    await town.number()
    town.clock.advance(timedelta(minutes=2))
    while await town.node.sealer.step():
        pass


def rows_by(section: DossierSection, column: str) -> dict[str, dict[str, str]]:
    place = [*section.columns].index(column)
    return {row[place]: dict(zip(section.columns, row, strict=True)) for row in section.rows}


def cells(section: DossierSection, column: str) -> list[str]:
    return [row[[*section.columns].index(column)] for row in section.rows]


async def test_instances_are_the_last_ten_leaves_below_a_seal_and_other_rules_have_none(town: Town) -> None:
    for n in range(INSTANCES + 2):
        await town.send(str(20 + n))
    await seal(town)
    sealed = (await seal_numbered(town.node.store)).signed.seal.tree_size
    # A leaf that no seal covers yet is no instance.
    await town.send("90")
    await seal(town)
    await tamper(
        town.node.settings.database.address, "DELETE FROM log_seal WHERE tree_size > :size", size=sealed
    )

    source = await source_of(town)
    section, rules = await read_section(source, "instances"), await read_section(source, "rules")

    of_r5 = [row for row in section.rows if row[0] == "R5"]
    leaves = [int(row[3]) for row in of_r5]
    assert len(of_r5) == INSTANCES
    assert leaves == sorted(leaves, reverse=True)
    assert max(leaves) < sealed
    accepted = [
        e for e in await town.node.store.events_after(None, 0, 10_000) if e.kind == "message.accepted"
    ]
    assert [row[4] for row in of_r5] == [e.id for e in reversed(accepted[:-1])][:INSTANCES]
    last = rows_by(rules, "rule")
    for rule in legal.read().rules.values():
        instances = [row for row in section.rows if row[0] == rule.id]
        assert bool(last[rule.id]["last"]) == bool(instances)
        assert not instances or rule.events
    assert "(#" in last["R5"]["last"]
    assert (last["R124"]["does"], last["R16"]["does"], bool(last["R5"]["does"])) == ("", "", True)


async def test_a_log_without_a_seal_and_a_node_without_notes_leave_their_fields_empty(town: Town) -> None:
    dossier = await make_dossier(await source_of(town))
    sections = {section.key: section for section in dossier.sections}

    assert [*sections] == [*SECTIONS]
    assert not any(section.fault for section in dossier.sections)
    assert sections["instances"].rows == ()
    assert {*cells(sections["backups"], "result"), *cells(sections["backups"], "at")} == {""}
    values = rows_by(sections["log"], "name")
    for name in ("examined", "examined_at", "seal", "anchored_at", "witnesses", "compared", "differences"):
        assert values[(await source_of(town)).say(f"log.{name}")]["value"] == "", name
    exam = LogExamination(at=town.clock.now(), lines=7, holds=False)
    broken = rows_by(await read_section(await source_of(town, examination=exam), "log"), "name")
    assert broken["Kết quả kiểm tra"]["value"] == "có sai lệch"


async def test_no_secret_and_no_token_of_an_address_appears(town: Town, cases: Cases) -> None:
    secrets = [key for key in names() if option(key).is_secret and key != "database.url"]
    environ = {f"GATEWAY_{key.replace('.', '_').upper()}": f"{MARK}-{key}" for key in secrets}
    environ |= {
        "GATEWAY_DATABASE_URL": f"postgresql://user:{MARK}@host/name",
        "GATEWAY_ALARMS_URL": f"https://user:{MARK}@hooks.example.vn/{MARK}?token={MARK}",
        "GATEWAY_LOG_TSA_URL": f"https://{MARK}@tsa.example.vn",
        "GATEWAY_AMQP_SERVERS": f"amqps://broker.example.vn:5671?password={MARK}",
    }
    settings = load(None, {k: v for k, v in environ.items() if "CREDENTIALS" not in k})
    source = replace(
        await source_of(town), subject=Subject(settings=settings, clock=town.clock, pool=town.node.pool)
    )
    section = await read_section(source, "settings")
    values = dict(zip(cells(section, "name"), cells(section, "value"), strict=True))

    assert len(secrets) > 5
    assert MARK not in json.dumps(section.rows)
    for key in secrets:
        with cases.case(key):
            assert values[key] in ("********", "")
    assert values["alarms.url"] == "https://hooks.example.vn"
    assert values["database.url"].endswith("@host/name")


async def test_nothing_of_a_document_appears(town: Town) -> None:
    document = await town.send("4711", subject=f"V/v {MARK}")
    await seal(town)
    found_at = town.clock.now()
    difference = Difference(key="0123456789ab", is_here=True, name=f"4711/{MARK}", found_at=found_at, times=2)
    count = LossCount(
        node="south",
        day=found_at.date(),
        sender="z91.07",
        recipient="z91",
        is_sender=True,
        own_count=3,
        other_count=2,
        compared_at=found_at,
        differences=(difference,),
    )
    await record_counts(town.node.store, town.clock, [count])
    differing = StateDifference(
        key="0123456789ab",
        name=f"4711/{MARK}",
        own="done",
        other="rejected",
        first_at=found_at,
        counted_at=found_at,
        times=2,
    )
    repaired = replace(differing, key="ba9876543210", closed_at=found_at, settled_as="done")
    state_count = StateCount(
        node="south",
        day=found_at.date(),
        sender="z91.07",
        recipient="z91",
        is_sender=True,
        compared_at=found_at,
        differences=(differing, repaired),
    )
    await state_audit.record_counts(town.node.store, town.clock, [state_count])

    dossier = await make_dossier(await source_of(town))

    losses, states = (
        next(section for section in dossier.sections if section.key == key) for key in ("losses", "states")
    )
    assert [row[1:] for row in losses.rows] == [("south", "Z91.07", "Z91", "3", "2", "1")]
    assert [row[1:] for row in states.rows] == [("south", "Z91.07", "Z91", "1", "1")]
    # The doctor names what was lost for its operator; the section that repeats it is left out of the comparison.
    text = json.dumps([s for s in dossier.to_json()["sections"] if s["key"] not in ("checks", "rules")])
    for word in (MARK, document.id, "4711"):
        assert word not in text


async def test_controls_have_evidence_of_this_node_or_an_empty_field(town: Town, tmp_path: Path) -> None:
    file = tmp_path / "controls.csv"
    file.write_text(
        "\ufeffnumber;heading;requirement;measure;who;evidence\n"
        "1;Mã độc;Quét tệp;Máy quét;Phòng CNTT;scanner backups\n"
        "2;Ra vào;Khóa cửa;;;\n"
        "3;Khác;Không rõ;;;no-such-check\n",
        "utf-8",
    )

    def section_keys(controls: Path | None) -> DossierSource:
        settings = town.node.settings
        subject = Subject.within(town.node)
        subject.settings = replace(settings, node=replace(settings.node, controls=controls))
        return replace(source, subject=subject, sections=[])

    source = await source_of(town)
    imported = (await make_dossier(section_keys(file), ["backups", "controls"])).sections[-1]
    assert cells(imported, "requirement") == ["Quét tệp", "Khóa cửa", "Không rõ"]
    with_evidence, *without = cells(imported, "on_node")
    assert with_evidence.startswith("scanner – cần xem: Chưa đặt máy quét")
    assert with_evidence.endswith("Mục 1: Sao lưu và diễn tập khôi phục")
    assert without == ["", ""]

    shipped = (await make_dossier(section_keys(None), ["controls"])).sections[-1]
    assert cells(shipped, "heading") == [
        "Kiểm soát truy cập",
        "Ghi nhật ký",
        "Phòng, chống mã độc",
        "Sao lưu",
        "Giám sát",
        "Xử lý sự cố",
    ]
    for column in ("requirement", "measure", "who"):
        assert {*cells(shipped, column)} == {""}

    for text in ("number,heading\n1,Mã độc\n", ""):
        file.write_text(text, "utf-8")
        unread = (await make_dossier(section_keys(file), ["controls"])).sections[-1]
        assert (unread.rows, unread.fault) == ((), "GW-C-000"), text


async def test_the_docx_has_every_cell_and_dots_where_people_write(town: Town, tmp_path: Path) -> None:
    await town.send("15")
    await seal(town)
    dossier = await make_dossier(await source_of(town))
    first, second = io.BytesIO(), io.BytesIO()
    for out in (first, second):
        write_docx(dossier, out)
    file = tmp_path / "dossier.docx"
    file.write_bytes(first.getvalue())

    assert first.getvalue() == second.getvalue()
    text = " ".join("".join(read_docx(file)).split())
    for section in dossier.sections:
        titles = section.columns.values() if section.rows else ()
        for cell in (section.title, section.note, *titles, *(c for row in section.rows for c in row)):
            assert " ".join(cell.split()) in text
    assert text.count(DOTS) == sum(
        not cell
        for section in dossier.sections
        if section.is_filled_by_hand
        for row in section.rows
        for cell in row
    )
