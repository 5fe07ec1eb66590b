"""Changes of the organisation in the hands of two people, on a real database: resolved at any date, by what was believed at
any moment, undone whole."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import cast

import pytest

from gateway.deciding import approvals
from gateway.deciding import registry_changes as reforming
from gateway.domain.event import EventKind
from gateway.domain.person import AnchorChange, Proposal, ProposalContent
from gateway.domain.registry import AgencyEntry, CodeStanding
from gateway.domain.registry_reform import (
    DecidingDocument,
    Reform,
    ReformKind,
    ReformRecord,
    ReformState,
    Target,
)
from gateway.errors import Clash
from tests.support.people import Someone
from tests.support.statements import noted_statements
from tests.unit.deciding.conftest import Pair, agency_rows, event_data, kinds, refused

DAY = timedelta(days=1)
JULY = date(2027, 7, 1)
DECISION = DecidingDocument(number="12/QĐ-UBND", issued_on=date(2026, 11, 1), issuer="UBND tỉnh Z91")
AGENCIES = """code,alias,name,parent,host
Z91,000.00.00.Z91,UBND tỉnh Sao Mai,,north
Z91.01,000.00.01.Z91,Sở Tài chính,Z91,north
Z91.02,000.00.02.Z91,Sở Kế hoạch và Đầu tư,Z91,north
Z91.03,,Sở Nội vụ,Z91,north
Z91.03.01,,Ban Thi đua,Z91.03,north
"""


@pytest.fixture
async def pair(pair: Pair) -> Pair:
    await pair.import_codes(AGENCIES)
    pair.clock.advance(25 * 3600)  # an account decides when it is a day old
    return pair


def reform(kind: ReformKind, *sources: str, to: tuple[Target, ...] = (), **more: object) -> Reform:
    fields = {"decision": DECISION, "effective_on": JULY} | more
    return Reform(kind=kind, sources=sources, targets=to, **fields)  # type: ignore[arg-type]


MERGED = reform(
    ReformKind.CONSOLIDATE,
    "Z91.01",
    "Z91.02",
    to=(Target(code="Z91.31", name="Sở Tài chính và Kế hoạch", parent="Z91", host="north"),),
)


async def proposed(pair: Pair, change: Reform = MERGED) -> Proposal:
    planned = await reforming.plan_reform(pair.services, change)
    return await reforming.propose_reform(pair.services, await pair.an.signed_in(), planned)


async def in_force(pair: Pair, change: Reform) -> str:
    """Propose the change as one person and approve it as the other; return its id."""
    return (await pair.approve(await proposed(pair, change))).id


async def undo(pair: Pair, id: str, reason: str) -> ReformRecord:
    return await reforming.undo_reform(pair.services, await pair.an.signed_in(), id, reason)


async def standing(pair: Pair, code: str) -> CodeStanding:
    return (await pair.directory.resolve(code, JULY)).standing


async def test_two_become_one_on_a_future_day_and_each_day_has_its_answer(pair: Pair) -> None:
    id = await in_force(pair, MERGED)

    earlier = await pair.directory.resolve("Z91.01", JULY - DAY)
    merged = await pair.directory.resolve("000.00.01.Z91", JULY)
    early = await pair.directory.resolve("Z91.31", JULY - DAY)
    assert (earlier.standing, earlier.successor) == (CodeStanding.ACTIVE, None)
    assert (merged.standing, merged.successor, merged.may_refuse) == (CodeStanding.CLOSED, "Z91.31", True)
    assert merged.ending is not None
    assert (merged.ending.decision, merged.ending.heirs, merged.ending.since) == (DECISION, ("Z91.31",), JULY)
    assert early.standing is CodeStanding.UNCERTAIN
    assert await standing(pair, "Z91.31") is CodeStanding.ACTIVE
    assert await pair.directory.former(["Z91.31"], JULY - DAY) == {}
    assert await pair.directory.former(["Z91.31"], JULY) == {
        "Z91.01": "Z91.31",
        "000.00.01.Z91": "Z91.31",
        "Z91.02": "Z91.31",
        "000.00.02.Z91": "Z91.31",
    }
    table = await pair.directory.legacy()
    assert [(t.code, t.heir, t.since, t.reform_id) for t in table] == [
        ("Z91.01", "Z91.31", JULY, id),
        ("Z91.02", "Z91.31", JULY, id),
    ]


async def test_a_merger_with_its_units_is_one_decision_undone_in_one_step(pair: Pair) -> None:
    merger = reform(ReformKind.MERGE, "Z91.03", to=(Target(code="Z91.01"),))
    alone = await reforming.plan_reform(pair.services, merger)
    assert [warning.key for warning in alone.warnings] == ["units_below"]

    with_units = await reforming.reform_with_units(pair.services, merger)
    id = await in_force(pair, with_units)

    unit = await pair.directory.find("Z91.03.01", JULY)
    assert unit is not None
    assert unit.parent == "Z91.01"
    ended = await pair.directory.resolve("Z91.03", JULY)
    assert (ended.standing, ended.successor) == (CodeStanding.CLOSED, "Z91.01")
    assert ended.ending is not None
    assert (ended.ending.kind, ended.ending.heirs) == (ReformKind.MERGE, ("Z91.01",))
    (line,) = await pair.directory.legacy("Z91.03")
    assert (line.heir, line.kind, line.is_successor) == ("Z91.01", ReformKind.MERGE, True)
    totals, *_ = (await reforming.kept_reform(pair.services, id)).sentences
    assert (totals.key, totals.params["changed"]) == ("totals", "1")
    (event,) = await event_data(pair.services, id, EventKind.REFORM_APPROVED)
    assert [step["kind"] for step in cast("list[dict[str, str]]", event["steps"])] == ["merge", "move"]

    await undo(pair, id, "typed wrong")

    unit_before = await pair.directory.find("Z91.03.01", JULY)
    assert unit_before is not None
    assert unit_before.parent == "Z91.03"
    assert await standing(pair, "Z91.03") is CodeStanding.ACTIVE


async def test_names_of_siblings_are_found_for_all_new_codes_with_one_query(pair: Pair) -> None:
    names = {"Z91.41": "Sở tài chính", "Z91.42": "so ke hoach va dau tu", "Z91.43": "Ban Thi đua"}
    heirs = tuple(Target(code=code, name=name, parent="Z91", host="north") for code, name in names.items())

    split = reform(ReformKind.SPLIT, "Z91.03", to=heirs, triage=True)
    with noted_statements() as statements:
        plan = await reforming.plan_reform(pair.services, split)

    shared = {x.params["code"]: x.params["other"] for x in plan.warnings if x.key == "name_shared"}
    assert shared == {"Z91.41": "Z91.01", "Z91.42": "Z91.02"}, (
        "the third name is that of another parent's agency"
    )
    assert sum("WHERE agency.folded" in text for text in statements) == 1


async def test_a_rename_is_found_by_both_names_and_shown_with_that_of_the_day(pair: Pair) -> None:
    await in_force(pair, reform(ReformKind.RENAME, "Z91.03", name="Sở Nội vụ và Lao động"))
    await in_force(pair, reform(ReformKind.MOVE, "Z91.03.01", parent="Z91"))

    old = await pair.directory.resolve("SỞ nội vụ", JULY - DAY, "Z91")
    renamed = await pair.directory.resolve("SỞ nội vụ", JULY + DAY, "Z91")
    assert name_of(old.entry) == "Sở Nội vụ"
    assert name_of(renamed.entry) == "Sở Nội vụ và Lao động"
    assert name_of(await pair.directory.find("Z91.03", JULY - DAY)) == "Sở Nội vụ"
    assert name_of(await pair.directory.find("Z91.03", JULY)) == "Sở Nội vụ và Lao động"
    assert name_of(await pair.directory.entry("Z91.03")) == "Sở Nội vụ"  # today is before July
    assert "Z91.03.01" in {child.code for child in await pair.directory.children("Z91.03")}
    assert "Z91.03.01" not in {child.code for child in await pair.directory.children("Z91")}


async def test_the_former_state_of_each_moment_stays_readable(pair: Pair) -> None:
    start = pair.clock.now()
    pair.clock.advance(60)
    id = await in_force(pair, reform(ReformKind.RENAME, "Z91.03", name="Sở Nội vụ và Lao động"))
    renamed = pair.clock.now()
    pair.clock.advance(60)
    await undo(pair, id, "typed wrong")
    undone = pair.clock.now()
    pair.clock.advance(60)
    await pair.import_codes("code,name\nZ91.03,Sở Nội vụ tỉnh\n")

    async def name(on: date, at: object) -> str | None:
        return name_of(await pair.directory.belief("Z91.03", on, at))  # type: ignore[arg-type]

    assert await name(JULY, start) == "Sở Nội vụ"
    assert await name(JULY, renamed) == "Sở Nội vụ và Lao động"
    assert await name(JULY - DAY, renamed) == "Sở Nội vụ"
    assert await name(JULY, undone) == "Sở Nội vụ"
    assert await name(JULY, pair.clock.now()) == "Sở Nội vụ tỉnh"
    assert await name(JULY, start - timedelta(days=365)) is None


def name_of(entry: AgencyEntry | None) -> str | None:
    return None if entry is None else entry.name


async def test_undoing_restores_every_row_and_leaves_the_history(pair: Pair) -> None:
    rows = await agency_rows(pair.store)
    id = await in_force(pair, MERGED)
    changed = await agency_rows(pair.store)

    record = await undo(pair, id, "the day was wrong")

    assert changed != rows
    assert await agency_rows(pair.store) == rows
    assert record.state is ReformState.UNDONE
    assert await standing(pair, "Z91.01") is CodeStanding.ACTIVE
    assert await pair.directory.legacy() == []
    assert [reform.id for reform in await reforming.list_reforms(pair.services, 10)] == [id]
    with pytest.raises(Clash, match="already undone"):
        await undo(pair, id, "again")
    second = await in_force(pair, MERGED)
    assert second != id


async def test_two_people_give_a_body_its_code_on_its_first_day_and_an_undo_takes_it_back_r79(
    pair: Pair,
) -> None:
    prepared = "code,name,scheme,parent,valid_from,decision\nCHO-01,Sở Sắp có,PENDING,Z91,2027-07-01,2/QĐ\n"
    await pair.import_codes(prepared)
    rows = await agency_rows(pair.store)

    id = await in_force(pair, reform(ReformKind.RECODE, "CHO-01", to=(Target(code="Z91.15"),)))

    waiting = await pair.directory.resolve("CHO-01", JULY - DAY * 2)
    coded = await pair.directory.resolve("Sở Sắp có", JULY, "Z91")
    sign = await pair.directory.resolve("CHO-01", JULY)
    assert waiting.standing is CodeStanding.UNCERTAIN
    assert coded.entry is not None
    assert (coded.entry.code, coded.entry.scheme, coded.entry.valid_from) == ("Z91.15", "VN-GOV", JULY)
    assert (sign.standing, sign.successor) == (CodeStanding.CLOSED, "Z91.15")
    assert sign.entry is not None
    assert sign.entry.has_no_code
    assert [line.code for line in await pair.directory.legacy()] == ["CHO-01"]
    await undo(pair, id, "the day was wrong")
    assert await agency_rows(pair.store) == rows


@pytest.mark.parametrize("built", ["reform", "row", "import", "days"])
async def test_what_something_was_built_on_is_not_undone(pair: Pair, built: str) -> None:
    id = await in_force(pair, MERGED)
    if built == "reform":
        await in_force(
            pair, reform(ReformKind.MERGE, "Z91.03", to=(Target(code="Z91.31"),), effective_on=JULY + DAY)
        )
    if built in ("row", "import"):
        line = "Z91.31.01,Phòng Ngân sách,Z91.31" if built == "row" else "Z91.02,Sở Kế hoạch,Z91"
        await pair.import_codes(f"code,name,parent\n{line}\n")
    if built == "days":
        pair.clock.advance(7 * 86400 + 1)

    await refused(undo(pair, id, "wrong"), "REG-BUILT-ON", Clash)
    assert (await pair.directory.resolve("Z91.01", JULY)).successor == "Z91.31"


async def test_an_import_does_not_cross_a_reform_to_come_until_it_is_undone(pair: Pair) -> None:
    merged = await in_force(pair, MERGED)
    renamed = await in_force(pair, reform(ReformKind.RENAME, "Z91.03", name="Sở Nội vụ và Lao động"))
    file = "\n".join(
        (
            "code,name,parent,valid_to,successor,email",
            "Z91.02,Sở Kế hoạch,Z91,2028-01-01,Z91.03,a@z91.example",
            "Z91.03,Sở Nội vụ,Z91,,,",
            "Z91.03.01,Ban Thi đua,Z91.03,,,b@z91.example",
        )
    ).encode()

    plan = await pair.changes.plan_import(file)

    assert [(problem.line, problem.column) for problem in plan.problems] == [
        (2, "valid_to"),
        (2, "successor"),
        (3, "name"),
    ]
    assert merged in plan.problems[0].advice
    assert renamed in plan.problems[2].advice
    assert plan.rows == ()
    address = b"code,name,email\nZ91.02,S\xe1\xbb\x9f K,a@z91.example\n"
    assert not (await pair.changes.plan_import(address)).problems
    await undo(pair, renamed, "wrong")
    assert {problem.line for problem in (await pair.changes.plan_import(file)).problems} == {2}
    pair.clock.advance(datetime(2027, 7, 1, tzinfo=UTC) - pair.clock.now())
    assert not (await pair.changes.plan_import(file)).problems


async def test_one_person_alone_changes_nothing_and_a_wrong_number_of_the_decision_neither(
    pair: Pair,
) -> None:
    merger = await proposed(pair)

    async def approve(by: Someone, *numbers: str) -> object:
        return await approvals.approve(pair.services, await by.signed_in(), merger.id, numbers, merger.digest)

    await refused(approve(pair.an, *merger.content.expected), "GW-TWO-PEOPLE")
    await refused(approve(pair.binh, "13/QĐ-UBND"), "GW-TWO-DIGITS")
    assert await standing(pair, "Z91.01") is CodeStanding.ACTIVE
    await approve(pair.binh, "12 / qđ-ubnd")
    assert await standing(pair, "Z91.01") is CodeStanding.CLOSED


async def test_threat_115_a_registry_that_changed_after_the_proposal_is_not_reformed(pair: Pair) -> None:
    """Nor by a proposal that was edited in the database."""
    proposal = await proposed(pair)
    await pair.import_codes("code,name,host\nZ91.02,Sở Kế hoạch và Đầu tư,south\n")

    await refused(pair.approve(proposal), "REG-MOVED", Clash)
    assert await standing(pair, "Z91.01") is CodeStanding.ACTIVE

    proposal = await proposed(pair)
    await pair.edit("UPDATE proposal SET content = replace(content, 'Z91.31', 'Z91.39')")
    await refused(pair.approve(proposal), "GW-TWO-EDITED")


async def test_each_step_is_an_event_and_the_duty_ends_with_its_report(pair: Pair) -> None:
    id = await in_force(pair, MERGED)
    assert await reforming.duties(pair.services) == []
    pair.clock.advance((JULY - pair.clock.now().date()).days * 86400 + 86400)
    (duty,) = await reforming.duties(pair.services)
    assert duty.due_on == JULY + 15 * DAY

    await reforming.report_reform(pair.services, "operator", id, "Công văn 7/SNV")

    assert await reforming.duties(pair.services) == []
    assert await kinds(pair.services, id) == [
        EventKind.PROPOSAL_CREATED,
        EventKind.REFORM_APPROVED,
        EventKind.PROPOSAL_APPROVED,
        EventKind.REFORM_REPORTED,
    ]


def test_the_digest_of_a_proposal_is_what_it_was_before_there_were_reforms_and_steps() -> None:
    now = datetime(2026, 11, 20, tzinfo=UTC)
    anchors = ProposalContent(anchors=(AnchorChange(certificate="AAAA"),))
    renamed = ProposalContent(reforms=(reform(ReformKind.RENAME, "Z91.03", name="Sở Nội vụ"),))
    for content, digest in (
        (anchors, "8cd33550eac6d06522845572267eca4f8e57138106b4faf4d1b24501811a521b"),
        (renamed, "6e23b31b8ea531b1883f79550208b9036994a9650b013206add22e37778e600a"),
    ):
        proposal = Proposal(id="prp_1", content=content, proposed_by="a", proposed_at=now, expires_at=now)
        assert proposal.digest == digest


@pytest.mark.parametrize(
    "change", [MERGED, reform(ReformKind.MERGE, "Z91.01", to=(Target(code="Z91.03"),))], ids=["new", "known"]
)
async def test_what_a_change_did_is_told_afterwards_as_it_was_planned(pair: Pair, change: Reform) -> None:
    planned = await reforming.plan_reform(pair.services, change)

    id = await in_force(pair, change)

    kept_reform = await reforming.kept_reform(pair.services, id)
    assert kept_reform.sentences == planned.sentences
    assert dict(kept_reform.lives_before) == dict(planned.lives_before)
    assert dict(kept_reform.lives_after) == dict(planned.lives_after)
    assert kept_reform.against_undo == ()
    pair.clock.advance(8 * DAY)
    assert [o.key for o in (await reforming.kept_reform(pair.services, id)).against_undo] == ["undo_late"]
