"""Imports of codes in the hands of two people, on a real database: nothing before the second one agrees, nothing else than
what was shown, undone whole or not at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from gateway.deciding import DecisionServices, approvals, registry_changes
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
from tests.support import people
from tests.support.clock import ManualClock
from tests.support.people import Someone
from tests.support.stores import NORTH, committing, digest
from tests.unit.deciding.conftest import agency_rows, event_data, refused

Both = tuple[Someone, Someone]
NUMBER = "45/QĐ-UBND"
AGENCIES = """code,alias,name,parent,phone
Z91,000.00.00.Z91,UBND tỉnh Sao Mai,,
Z91.01,000.00.01.Z91,Sở Tài chính,Z91,0123
Z91.02,,Sở Nội vụ,Z91,
"""
MAILS, ALIASES = "code,name,parent,email\n", "code,name,alias\n"
RENAMED = "code,name,phone,alias\nZ91.01,Sở Tài chính,0999,\nZ91.07,Sở Y tế,,000.00.01.Z91\n"


@pytest.fixture
async def both(services: DecisionServices, changes: SqlDirectoryChanges, clock: ManualClock) -> Both:
    await changes.apply(await changes.plan_import(AGENCIES.encode()), "operator")
    pair = await people.two(services)
    clock.advance(25 * 3600)
    return pair


async def proposed(both: Both, changes: SqlDirectoryChanges, text: str) -> Proposal:
    plan = await changes.plan_import(text.encode())
    return await registry_changes.propose_import(
        both[0].services, await both[0].signed_in(), plan, text.encode(), "codes.csv", NUMBER, "The new list"
    )


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


async def test_an_import_of_two_people_counts_once_the_second_typed_the_number(
    both: Both,
    directory: SqlDirectory,
    changes: SqlDirectoryChanges,
    store: SqlStore,
    services: DecisionServices,
) -> None:
    rows = await agency_rows(store)
    proposal = await proposed(both, changes, RENAMED)
    assert await agency_rows(store) == rows, "a proposal writes nothing"
    assert proposal.content.imports[0].file == RENAMED.encode()

    for by, number, code in ((both[1], "46/QĐ-UBND", "GW-TWO-DIGITS"), (both[0], NUMBER, "GW-TWO-PEOPLE")):
        await refused(
            approvals.approve(services, await by.signed_in(), proposal.id, [number], proposal.digest), code
        )
    assert await agency_rows(store) == rows
    await people.approved(both[1], proposal)

    changed, added = await directory.entry("Z91.01"), await directory.entry("Z91.07")
    assert changed is not None
    assert added is not None
    assert (changed.phone, changed.alias, added.alias) == ("0999", None, "000.00.01.Z91")
    (event,) = await event_data(services, proposal.id, EventKind.CODES_IMPORTED)
    assert (event["number"], event["changed"], event["proposed_by"]) == (NUMBER, 1, proposal.proposed_by)


async def test_a_proposal_holds_only_while_it_would_make_the_listed_changes(
    both: Both, directory: SqlDirectory, changes: SqlDirectoryChanges, store: SqlStore
) -> None:
    elsewhere, second = [await proposed(both, changes, RENAMED) for _ in range(2)]
    await changes.apply(await changes.plan_import(b"code,name\nZ95,Other\n"), "operator")
    await people.approved(both[1], elsewhere)
    rows = await agency_rows(store)

    await refused(people.approved(both[1], second), "REG-MOVED", Clash)
    assert await agency_rows(store) == rows


async def test_an_import_is_undone_as_a_whole_and_what_was_believed_stays(
    both: Both,
    directory: SqlDirectory,
    changes: SqlDirectoryChanges,
    store: SqlStore,
    services: DecisionServices,
    clock: ManualClock,
) -> None:
    rows = await agency_rows(store)
    proposal = await proposed(both, changes, RENAMED)
    await people.approved(both[1], proposal)
    then = clock.now()
    clock.advance(3600)
    kept_import = await registry_changes.kept_import(services, proposal.id)
    assert (list(kept_import.begun), list(kept_import.against_undo)) == (["Z91.07"], [])
    assert {code: (old.get("phone"), new.get("phone")) for code, (old, new) in kept_import.lines.items()} == {
        "Z91.01": ("0123", "0999")
    }

    await registry_changes.undo_import(
        services, await both[1].signed_in(), proposal.id, "The list was of another year"
    )

    assert await agency_rows(store) == rows
    belief = await directory.belief("Z91.01", date(2026, 12, 1), then)
    assert belief is not None
    assert belief.phone == "0999"
    undone = await registry_changes.kept_import(services, proposal.id)
    assert [obstacle.key for obstacle in undone.against_undo] == ["undone_already"]
    with pytest.raises(Clash):
        await registry_changes.undo_import(services, await both[1].signed_in(), proposal.id, "Once more")
    (event,) = await event_data(services, proposal.id, EventKind.CODES_UNDONE)
    assert event["reason"] == "The list was of another year"
    assert [change.summary.get("undid") for change in await changes.list_applied()][-1] == proposal.id


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
    both: Both,
    directory: SqlDirectory,
    changes: SqlDirectoryChanges,
    store: SqlStore,
    clock: ManualClock,
    proposal: str,
    later_import: str,
    key: str | None,
) -> None:
    services = both[0].services
    change = await proposed(both, changes, proposal)
    await people.approved(both[1], change)
    clock.advance(60)
    await changes.apply(await changes.plan_import(f"{later_import}\n".encode()), "operator")
    rows = await agency_rows(store)

    if key is not None:
        kept_import = await registry_changes.kept_import(services, change.id)
        assert [obstacle.key for obstacle in kept_import.against_undo] == [key]
    by = await both[1].signed_in()
    await refused(registry_changes.undo_import(services, by, change.id, "Wrong list"), "REG-BUILT-ON", Clash)

    assert await agency_rows(store) == rows


async def test_an_import_whose_code_sent_a_document_is_not_undone(
    both: Both,
    changes: SqlDirectoryChanges,
    store: SqlStore,
    services: DecisionServices,
    clock: ManualClock,
) -> None:
    proposal = await proposed(both, changes, RENAMED)
    await people.approved(both[1], proposal)
    await store.accounts.add_hosted(HostedAgency(id=NORTH.agency_id, code="Z91.01", name="North"))
    received = Identity(
        sender="Z91.07",
        body_digest=digest("body"),
        kind=Kind.STATUS,
        packet_id="p-1",
        document_id="d-1",
        inbox_id="box-1",
        incoming_id=None,
        at=clock.now(),
    )
    async with committing(store) as work:
        await work.identities.claim(received)
    assert (await registry_changes.kept_import(services, proposal.id)).against_undo == ()

    document = replace(
        received, body_digest=digest("other"), packet_id="p-2", kind=Kind.DOCUMENT, incoming_id="inc-1"
    )
    async with committing(store) as work:
        await work.identities.claim(document)

    kept_import = await registry_changes.kept_import(services, proposal.id)
    assert [(o.key, o.params["code"]) for o in kept_import.against_undo] == [("built_document", "Z91.07")]


async def test_seven_days_and_a_later_reform_end_the_undoing(
    both: Both, changes: SqlDirectoryChanges, services: DecisionServices, clock: ManualClock
) -> None:
    proposal = await proposed(both, changes, RENAMED)
    await people.approved(both[1], proposal)
    clock.advance(60)
    renamed = Reform(
        kind=ReformKind.RENAME,
        decision=DecidingDocument(number="1/QĐ", issued_on=date(2026, 11, 1), issuer="UBND"),
        effective_on=date(2027, 7, 1),
        sources=("Z91.07",),
        name="Sở Y tế và Dân số",
    )
    planned = await reforming.plan_reform(services, renamed)
    await people.approved(
        both[1], await reforming.propose_reform(services, await both[0].signed_in(), planned)
    )
    against = {o.key for o in (await registry_changes.kept_import(services, proposal.id)).against_undo}
    assert against == {"built_reform", "built_change"}

    clock.advance(int(timedelta(days=8).total_seconds()))

    assert "undo_late" in {
        obstacle.key for obstacle in (await registry_changes.kept_import(services, proposal.id)).against_undo
    }


async def test_files_with_problems_or_without_a_number_are_not_proposed(
    both: Both, changes: SqlDirectoryChanges, services: DecisionServices
) -> None:
    bad, same = b"code,name\nz91,Bad\n", "code,name\nZ91.02,Sở Nội vụ\n".encode()
    for file, number in ((bad, NUMBER), (same, NUMBER), (RENAMED.encode(), "  ")):
        plan = await changes.plan_import(file)
        with pytest.raises(Clash):
            await registry_changes.propose_import(
                services, await both[0].signed_in(), plan, file, "a.csv", number
            )
