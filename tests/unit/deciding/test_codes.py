"""Imports of codes in the hands of two people, on a real database: nothing before the second one agrees, nothing else than
what was shown, undone whole or not at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from gateway.deciding import approvals, registry_changes
from gateway.deciding import registry_changes as reforming
from gateway.domain.account import HostedAgency
from gateway.domain.document import Kind
from gateway.domain.event import EventKind
from gateway.domain.person import Proposal
from gateway.domain.proof import Identity
from gateway.domain.registry_reform import DecidingDocument, Reform, ReformKind
from gateway.errors import Clash
from gateway.registry.directory import SqlDirectory
from gateway.registry_authoring.changes import SqlDirectoryChanges
from gateway.store.store import SqlStore
from tests.support.clock import ManualClock
from tests.support.stores import NORTH, committing, digest
from tests.unit.deciding.conftest import Pair, agency_rows, event_data, refused

NUMBER = "45/QĐ-UBND"
AGENCIES = """code,alias,name,parent,phone
Z91,000.00.00.Z91,UBND tỉnh Sao Mai,,
Z91.01,000.00.01.Z91,Sở Tài chính,Z91,0123
Z91.02,,Sở Nội vụ,Z91,
"""
MAILS, ALIASES = "code,name,parent,email\n", "code,name,alias\n"
RENAMED = "code,name,phone,alias\nZ91.01,Sở Tài chính,0999,\nZ91.07,Sở Y tế,,000.00.01.Z91\n"


@pytest.fixture
async def pair(pair: Pair) -> Pair:
    await pair.import_codes(AGENCIES)
    pair.clock.advance(25 * 3600)  # an account decides when it is a day old
    return pair


async def proposed(pair: Pair, text: str, number: str = NUMBER) -> Proposal:
    plan = await pair.changes.plan_import(text.encode())
    return await registry_changes.propose_import(
        pair.services, await pair.an.signed_in(), plan, text.encode(), "codes.csv", number, "The new list"
    )


async def imported(pair: Pair, text: str = RENAMED) -> str:
    """Import by both persons; return the id of the proposal."""
    return (await pair.approve(await proposed(pair, text))).id


async def undo(pair: Pair, id: str, reason: str) -> None:
    await registry_changes.undo_import(pair.services, await pair.binh.signed_in(), id, reason)


async def obstacles(pair: Pair, id: str) -> list[str]:
    return [o.key for o in (await registry_changes.kept_import(pair.services, id)).against_undo]


async def test_one_person_adds_and_does_not_change(store: SqlStore, clock: ManualClock) -> None:
    strict = SqlDirectoryChanges(store.writer, store.reader, clock, two_people=True)
    await strict.load_starter()
    plan = await strict.plan_import("code,name\nH49,Tên đã nhập\nZ91,UBND tỉnh\n".encode())
    assert not strict.needs_two(plan), "a starter row counts as empty"
    await strict.apply(plan, "operator")

    moved = await strict.plan_import(b"code,name,host\nZ91,UBND t\xe1\xbb\x89nh,north\n")
    await strict.apply(moved, "operator")
    for line in ("Z91,UBND thành phố,", "Z91,UBND tỉnh,2026-01-01"):
        changed = await strict.plan_import(f"code,name,valid_to\n{line}\n".encode())
        await refused(strict.apply(changed, "operator"), "REG-TWO-PEOPLE", Clash)
    entry = await SqlDirectory(store.reader, store.memory, clock).entry("Z91")
    assert entry is not None
    assert (entry.name, entry.host, entry.valid_to) == ("UBND tỉnh", "north", None)


async def test_an_import_of_two_people_counts_once_the_second_typed_the_number(pair: Pair) -> None:
    rows = await agency_rows(pair.store)
    proposal = await proposed(pair, RENAMED)
    assert await agency_rows(pair.store) == rows, "a proposal writes nothing"
    assert proposal.content.imports[0].file == RENAMED.encode()

    for by, number, code in ((pair.binh, "46/QĐ-UBND", "GW-TWO-DIGITS"), (pair.an, NUMBER, "GW-TWO-PEOPLE")):
        person = await by.signed_in()
        await refused(approvals.approve(pair.services, person, proposal.id, [number], proposal.digest), code)
    assert await agency_rows(pair.store) == rows
    await pair.approve(proposal)

    changed, added = await pair.directory.entry("Z91.01"), await pair.directory.entry("Z91.07")
    assert changed is not None
    assert added is not None
    assert (changed.phone, changed.alias, added.alias) == ("0999", None, "000.00.01.Z91")
    (event,) = await event_data(pair.services, proposal.id, EventKind.CODES_IMPORTED)
    assert (event["number"], event["changed"], event["proposed_by"]) == (NUMBER, 1, proposal.proposed_by)


async def test_a_proposal_holds_only_while_it_would_make_the_listed_changes(pair: Pair) -> None:
    elsewhere, second = [await proposed(pair, RENAMED) for _ in range(2)]
    await pair.import_codes("code,name\nZ95,Other\n")
    await pair.approve(elsewhere)
    rows = await agency_rows(pair.store)

    await refused(pair.approve(second), "REG-MOVED", Clash)
    assert await agency_rows(pair.store) == rows


async def test_an_import_is_undone_as_a_whole_and_what_was_believed_stays(pair: Pair) -> None:
    rows = await agency_rows(pair.store)
    id = await imported(pair)
    then = pair.clock.now()
    pair.clock.advance(3600)
    kept_import = await registry_changes.kept_import(pair.services, id)
    assert (list(kept_import.begun), list(kept_import.against_undo)) == (["Z91.07"], [])
    assert {code: (old.get("phone"), new.get("phone")) for code, (old, new) in kept_import.lines.items()} == {
        "Z91.01": ("0123", "0999")
    }

    await undo(pair, id, "The list was of another year")

    assert await agency_rows(pair.store) == rows
    belief = await pair.directory.belief("Z91.01", date(2026, 12, 1), then)
    assert belief is not None
    assert belief.phone == "0999"
    assert await obstacles(pair, id) == ["undone_already"]
    with pytest.raises(Clash):
        await undo(pair, id, "Once more")
    (event,) = await event_data(pair.services, id, EventKind.CODES_UNDONE)
    assert event["reason"] == "The list was of another year"
    assert [change.summary.get("undid") for change in await pair.changes.list_applied()][-1] == id


@pytest.mark.parametrize(
    ("proposal", "later_import", "key"),
    [
        (RENAMED, f"{MAILS}Z91.01,Sở Tài chính,Z91,a@example.invalid", "built_change"),
        (RENAMED, f"{MAILS}Z91.07,Sở Y tế và Dân số,Z91,a@example.invalid", "built_change"),
        (RENAMED, f"{MAILS}Z91.07.01,Chi cục,Z91.07,a@example.invalid", "built_row"),
        # An old form that another agency got since is an obstacle too.
        (f"{ALIASES}Z91.01,Sở Tài chính,\n", f"{ALIASES}Z91.02,Sở Nội vụ,000.00.01.Z91", None),
    ],
)
async def test_what_a_later_import_stands_on_is_not_undone(
    pair: Pair, proposal: str, later_import: str, key: str | None
) -> None:
    id = await imported(pair, proposal)
    pair.clock.advance(60)
    await pair.import_codes(f"{later_import}\n")
    rows = await agency_rows(pair.store)

    if key is not None:
        assert await obstacles(pair, id) == [key]
    await refused(undo(pair, id, "Wrong list"), "REG-BUILT-ON", Clash)

    assert await agency_rows(pair.store) == rows


async def test_an_import_whose_code_sent_a_document_is_not_undone(pair: Pair) -> None:
    id = await imported(pair)
    await pair.store.accounts.add_hosted(HostedAgency(id=NORTH.agency_id, code="Z91.01", name="North"))
    received = Identity(
        sender="Z91.07",
        body_digest=digest("body"),
        kind=Kind.STATUS,
        packet_id="p-1",
        document_id="d-1",
        inbox_id="box-1",
        incoming_id=None,
        at=pair.clock.now(),
    )
    async with committing(pair.store) as work:
        await work.identities.claim(received)
    assert await obstacles(pair, id) == []

    document = replace(
        received, body_digest=digest("other"), packet_id="p-2", kind=Kind.DOCUMENT, incoming_id="inc-1"
    )
    async with committing(pair.store) as work:
        await work.identities.claim(document)

    kept_import = await registry_changes.kept_import(pair.services, id)
    assert [(o.key, o.params["code"]) for o in kept_import.against_undo] == [("built_document", "Z91.07")]


async def test_seven_days_and_a_later_reform_end_the_undoing(pair: Pair) -> None:
    id = await imported(pair)
    pair.clock.advance(60)
    renamed = Reform(
        kind=ReformKind.RENAME,
        decision=DecidingDocument(number="1/QĐ", issued_on=date(2026, 11, 1), issuer="UBND"),
        effective_on=date(2027, 7, 1),
        sources=("Z91.07",),
        name="Sở Y tế và Dân số",
    )
    planned = await reforming.plan_reform(pair.services, renamed)
    await pair.approve(await reforming.propose_reform(pair.services, await pair.an.signed_in(), planned))
    assert {*await obstacles(pair, id)} == {"built_reform", "built_change"}

    pair.clock.advance(timedelta(days=8))

    assert "undo_late" in await obstacles(pair, id)


async def test_files_with_problems_or_without_a_number_are_not_proposed(pair: Pair) -> None:
    bad, same = "code,name\nz91,Bad\n", "code,name\nZ91.02,Sở Nội vụ\n"
    for file, number in ((bad, NUMBER), (same, NUMBER), (RENAMED, "  ")):
        with pytest.raises(Clash):
            await proposed(pair, file, number)
