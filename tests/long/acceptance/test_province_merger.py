"""A decision about 1,200 units of a province, written as a table of old and new codes, takes effect while 200 documents are
in flight: each is at the right successor once, replies find their documents, and the rows are written together."""

from __future__ import annotations

from datetime import date

import pytest

from gateway.deciding import registry_changes as reforming
from gateway.domain.document import InState, OutgoingDocument, ReplyLink
from gateway.domain.registry import CodeStanding
from gateway.domain.registry_reform import DecidingDocument, QueuedMail, Reform, ReformKind
from gateway.policy import recode_file
from tests.acceptance.test_flows_reform import DAY, at_home, today, waiting
from tests.acceptance.test_roll_over import two_deciders
from tests.support import people
from tests.support.fixtures import cheap_passwords as cheap_passwords
from tests.support.measuring import measured
from tests.support.node import COMMUNE, DEPARTMENT, PROVINCE, Town
from tests.support.statements import noted_statements

UNITS, LETTERS = 1_200, 50
NEW_DEPARTMENT, NEW_COMMUNE = f"{PROVINCE}.71", f"{PROVINCE}.72"
MOST_STATEMENTS = 80


def old_code(n: int) -> str:
    """Return the code of a unit: every fortieth is a department, the others are below it."""
    department = f"Z92.{n // 40 + 1:02}"
    return f"{department}.{n % 40:02}" if n % 40 else department


def new_code(n: int) -> str:
    return old_code(n).replace("Z92.", "Z93.")


def agencies() -> bytes:
    lines = ["code,name,parent", "Z92,UBND tỉnh Sao Hôm,", "Z93,UBND tỉnh Sao Khuê,"]
    lines += [
        f"{old_code(n)},Đơn vị số {n},{'Z92' if n % 40 == 0 else old_code(n - n % 40)}" for n in range(UNITS)
    ]
    return "\n".join(lines).encode()


def decided_codes() -> bytes:
    lines = ["Mã cũ;Mã mới;Mã cấp trên;Tên mới"]
    lines += [
        f"{old_code(n)};{new_code(n)};{'Z93' if n % 40 == 0 else new_code(n - n % 40)};" for n in range(UNITS)
    ]
    lines.append("Z92;Z93;;")
    for old, new in ((DEPARTMENT, NEW_DEPARTMENT), (COMMUNE, NEW_COMMUNE)):
        lines.append(f"{old};{new};{PROVINCE};Đơn vị mới {new}")
    return "\n".join(lines).encode()


def reform_of(effective_on: date) -> Reform:
    decision = DecidingDocument(number="12/QĐ-UBND", issued_on=effective_on - 5 * DAY, issuer="UBND tỉnh")
    return Reform(
        kind=ReformKind.RECODE, decision=decision, effective_on=effective_on, queued=QueuedMail.REDIRECT
    )


async def questions(town: Town) -> list[OutgoingDocument]:
    """Send documents of the department that will be answered after the change."""
    sent = [
        await town.send(f"1{n:02}", PROVINCE, sender=DEPARTMENT, issued_on=today(town))
        for n in range(LETTERS)
    ]
    await town.carry()
    return sent


async def answer(town: Town, question: OutgoingDocument, n: int) -> None:
    issued_on = question.draft.issued_on
    assert issued_on is not None
    code = question.draft.number
    link = ReplyLink(
        agency=DEPARTMENT, number=f"{code}/STD-VP", date=issued_on, document_id=question.document_id
    )
    await town.send(f"4{n:02}", NEW_DEPARTMENT, sender=PROVINCE, issued_on=today(town), replies_to=(link,))


async def test_a_province_of_1200_units_is_merged_with_documents_in_flight(
    town: Town, capsys: pytest.CaptureFixture[str]
) -> None:
    both = await two_deciders(town)
    services, directory = town.node.deciding, town.node.directory
    changes = town.node.directory_changes
    await changes.apply(await changes.plan_import(agencies()), "operator")
    sent_questions = await questions(town)
    effective_on = today(town) + 5 * DAY

    pairs = recode_file.read_pairs(decided_codes())
    with measured() as planning:
        change = await reforming.reform_with_codes(services, reform_of(effective_on), pairs)
        planned = await reforming.plan_reform(services, change)
    assert planned.conflicts == ()
    proposal = await reforming.propose_reform(services, await both[0].signed_in(), planned)
    with noted_statements() as statements, measured() as approving:
        await people.approved(both[1], proposal)
    with capsys.disabled():
        print(f"\n{UNITS} units: planned {planning}, approved {approving}", end="")
    assert len(statements) < MOST_STATEMENTS, "the rows of a decision are written together"

    town.clock.advance(4 * DAY)
    on_the_axis = [await waiting(town, f"2{n:02}", DEPARTMENT) for n in range(LETTERS)]
    await town.dispatch()
    in_the_outbox = [await waiting(town, f"3{n:02}", DEPARTMENT, COMMUNE) for n in range(LETTERS)]
    town.clock.advance(DAY)
    for code in (NEW_DEPARTMENT, NEW_COMMUNE):
        await at_home(town, both, code)
    await town.carry()
    for n, question in enumerate(sent_questions):
        await answer(town, question, n)
    await town.carry()

    at_department = {document.number: document for document in await town.incoming(NEW_DEPARTMENT)}
    expected = {document.draft.number for document in (*on_the_axis, *in_the_outbox)}
    assert set(at_department) == expected | {f"4{n:02}" for n in range(LETTERS)}
    assert len(await town.incoming(NEW_DEPARTMENT)) == len(at_department), "nothing is there twice"
    assert {document.state for document in at_department.values()} == {InState.NEW}
    assert [at_department[f"4{n:02}"].answers for n in range(LETTERS)] == [
        (question.id,) for question in sent_questions
    ]
    at_commune = [document.number for document in await town.incoming(NEW_COMMUNE)]
    assert sorted(map(str, at_commune)) == [f"3{n:02}" for n in range(LETTERS)]
    assert await town.incoming(DEPARTMENT) == ()
    assert await town.incoming(COMMUNE) == ()

    resolution = await directory.resolve(old_code(777), effective_on)
    assert (resolution.standing, resolution.successor) == (CodeStanding.CLOSED, new_code(777))
    assert resolution.ending is not None
    assert resolution.ending.decision == change.decision
    unit = await directory.find(new_code(41), effective_on)
    assert unit is not None
    assert (unit.name, unit.parent) == ("Đơn vị số 41", new_code(40))
    assert len(await directory.legacy()) == UNITS + 3
