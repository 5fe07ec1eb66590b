"""Threat 147, for the columns of an agency's row: an issuer's list alone changes no right to speak for a code. One feed
key signs; no officer, no policy and no person of this node agreed. One town on the embedded axis, stepped by hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text

from gateway.deciding import delegation
from gateway.document_view.facts import heir_text
from gateway.document_view.recipients import recipient_view
from gateway.domain.delegated import AGENCY, ListState, RowStanding
from gateway.domain.document import OutgoingDocument
from gateway.domain.event import EventKind
from gateway.domain.registry_change import AgencyRecord
from gateway.domain.wall_clock import local
from gateway.ops.evidence.make import EvidenceMaker
from gateway.registry_authoring import feed_file
from gateway.registry_authoring.feed import FeedOutcome
from gateway.registry_authoring.feed_file import AgencyLine, BodyLine
from tests.acceptance.test_roll_over import two_deciders
from tests.support import feeds, people
from tests.support.cases import Cases
from tests.support.fixtures import cheap_passwords as cheap_passwords
from tests.support.node import COMMUNE, DEPARTMENT, PDF, PROVINCE, Town, document, receipt_for, status_about
from tests.support.packets import document_id

ISSUER = "Registry issuer"
FILES = (("van-ban.pdf", PDF),)


async def take_list(
    town: Town, folder: Path, lines: Sequence[BodyLine], sequence: int, **header: Any
) -> FeedOutcome:
    """Take a list that the issuer's key alone signed, and let the node judge it."""
    feeds.permit(town.node.feed._room, feeds.ISSUER)
    path = folder / f"{sequence}.feed"
    made_at = town.clock.now() - timedelta(minutes=1)
    ordered = sorted(lines, key=feed_file.place)
    path.write_bytes(feeds.feed(ordered, sequence, made_at=made_at, **header))
    outcome = await town.node.feed.accept(path, "axis")
    await delegation.judge_undecided(town.node.deciding)
    return outcome


async def line_of(town: Town, code: str, **changes: Any) -> AgencyLine:
    """Return the row of a code as a list has it, changed."""
    entry = await town.node.directory.entry(code)
    assert entry is not None
    names = AgencyRecord.__dataclass_fields__.keys() & AgencyLine.model_fields.keys()
    return feeds.agency(**{name: getattr(entry, name) for name in names} | changes)


async def claimed(town: Town, sent: OutgoingDocument, by: str, note: str, code: str = "02") -> str:
    """Let an agency state a status about a document that went to another one, and return the verdict."""
    status = status_about(code, sent.document_id, sender=by, at=town.clock.now(), note=note)
    packet = town.forge(status, receipt=receipt_for(sent, code), at=town.clock.now())
    row = await town.brought(packet, DEPARTMENT)
    return row.code or row.state


async def test_threat_147_an_heir_by_the_feed_key_alone_answers_for_nobody(
    town: Town, tmp_path: Path
) -> None:
    sent = await town.act_and_carry(town.send("15", COMMUNE))
    yesterday = local(town.clock.now()).date() - timedelta(days=1)
    closing = await line_of(town, COMMUNE, name="UBND xã Đổi Tên", valid_to=yesterday, successor=PROVINCE)

    outcome = await take_list(town, tmp_path, [await line_of(town, PROVINCE), closing], 1)

    assert (outcome.verdict, outcome.held) == ("applied", 1)
    assert await claimed(town, sent, PROVINCE, "không nhận") == "MSG-NOT-PARTY"
    assert not [f for f in await town.facts(sent) if f.code == "02"]
    entry = await town.node.directory.entry(COMMUNE)
    assert entry is not None
    assert (entry.valid_to, entry.successor) == (None, None)
    assert entry.name == "UBND xã Đổi Tên", "the rest of the row and of the list takes effect"
    async with town.node.store.reading() as tx:
        kinds = {kind for (kind,) in await tx.tuples(text("SELECT kind FROM event"))}
    assert str(EventKind.CODES_CHANGED) not in kinds, "the list's own signature vouches for the new name"


async def test_threat_147_no_column_of_a_row_moves_a_verdict_by_the_feed_key(
    town: Town, tmp_path: Path, cases: Cases
) -> None:
    today = local(town.clock.now()).date()
    changes: dict[str, dict[str, Any]] = {
        "alias": {"alias": "000.00.12.Z91"},
        "name": {"name": "Một tên khác"},
        "parent": {"parent": None},
        "valid_from": {"valid_from": today + timedelta(days=1)},
        "valid_to": {"valid_to": today - timedelta(days=1)},
        "successor": {"valid_to": today - timedelta(days=1), "successor": PROVINCE},
        "host": {"host": "thief"},
        "email": {"email": "thief@example.invalid"},
        "address": {"address": "Nơi khác"},
        "phone": {"phone": "0900000000"},
        "decision": {"decision": "99/QĐ-UBND"},
        "next_host": {"next_host": "thief", "next_host_from": today},
        "next_host_from": {"next_host": "thief", "next_host_from": today - timedelta(days=1)},
        "the whole row": {},
    }
    assert {*changes} - {"the whole row"} == {*AgencyLine.model_fields} - {"code"}, "each column has a case"
    own = town.node.settings.node.name
    rows = [await line_of(town, code, host=own) for code in (PROVINCE, DEPARTMENT)]
    await take_list(town, tmp_path, rows, 1)
    for n, (column, change) in enumerate(changes.items(), 2):
        with cases.case(column):
            sent = await town.act_and_carry(town.send(str(100 + n), COMMUNE))
            row = [await line_of(town, COMMUNE, **change)] if column != "the whole row" else []
            outcome = await take_list(town, tmp_path, [*rows, *row], n)
            assert outcome.verdict == "applied"

            assert await claimed(town, sent, PROVINCE, f"sai {n}") == "MSG-NOT-PARTY"
            assert await claimed(town, sent, COMMUNE, f"đúng {n}", "04") == "done"
            true = town.forge(
                document(str(n), document_id=document_id(str(n), COMMUNE), sender=COMMUNE), FILES
            )
            packet = await town.brought(true)
            assert (packet.state, packet.code) == ("done", None)


async def test_threat_147_a_moved_host_makes_no_true_packet_a_thief_s(town: Town, tmp_path: Path) -> None:
    own = town.node.settings.node.name
    rows = [await line_of(town, code) for code in (PROVINCE, COMMUNE)]
    moved = await line_of(town, DEPARTMENT, host="thief")
    assert (await take_list(town, tmp_path, [*rows, moved], 1)).held == 1

    row = await town.brought(town.forge(document(), FILES))

    assert (row.state, row.code, row.transport_node) == ("done", None, own)


async def test_two_people_approve_what_a_list_changes_and_the_heir_is_named(
    town: Town, tmp_path: Path
) -> None:
    both = await two_deciders(town)
    services = town.node.deciding
    sent = await town.act_and_carry(town.send("15", COMMUNE))
    yesterday = local(town.clock.now()).date() - timedelta(days=1)
    heir = {"valid_to": yesterday, "successor": PROVINCE, "decision": "12/QĐ-UBND"}
    lines = [await line_of(town, PROVINCE), await line_of(town, COMMUNE, **heir)]
    await take_list(town, tmp_path, lines, 1)
    async with services.decisions.read() as view:
        judged = await delegation.judge_list(services, view, await view.lists.get(ISSUER, 1))
    (move,) = judged.of_kind(AGENCY)
    assert (move.row.code, move.standing, judged.received.state) == (
        COMMUNE,
        RowStanding.READY,
        ListState.OPEN,
    )
    assert move.changes == (
        ("decision", None, "12/QĐ-UBND"),
        ("successor", None, PROVINCE),
        ("valid_to", None, str(yesterday)),
    )

    proposal = await delegation.propose_list(services, await both[0].signed_in(), ISSUER, 1, kind=AGENCY)
    assert proposal.content.expected == (judged.received.digest[-16:],)
    assert await claimed(town, sent, PROVINCE, "chưa duyệt") == "MSG-NOT-PARTY"
    await people.approved(both[1], proposal)

    assert await claimed(town, sent, PROVINCE, "cơ quan kế thừa trả lại") == "done"
    (fact,) = [f for f in await town.facts(sent) if f.code == "02"]
    assert (fact.heir, fact.heir_by) == (PROVINCE, f"12/QĐ-UBND ({proposal.id})")
    heir_sentence = f"cơ quan kế thừa trả lời: {PROVINCE}, theo 12/QĐ-UBND ({proposal.id})"
    assert heir_text(fact.heir, fact.heir_by, "vi") == heir_sentence
    view_of = recipient_view(await town.delivery(sent), await town.facts(sent), "vi")
    assert view_of.last is not None
    assert heir_sentence in view_of.last.texts
    (rejection,) = [e for e in await town.events(DEPARTMENT, sent.id) if e.data.get("code") == "02"]
    assert (rejection.data["from"], rejection.data["heir_by"]) == (PROVINCE, fact.heir_by)
    packets = await EvidenceMaker(town.node).packets(await town.scope(DEPARTMENT), sent.id)
    assert [(p.sender, p.heir_by) for p in packets if p.status == "02"] == [(PROVINCE, fact.heir_by)]
    async with services.decisions.read() as view:
        events = await view.events.of_subject(proposal.id)
        (moved,) = [event for event in events if event.kind is EventKind.CODES_CHANGED]
        assert (await view.lists.get(ISSUER, 1)).state is ListState.DONE
    assert (moved.data["proposal"], moved.data["codes"]) == (proposal.id, [COMMUNE])
    # The same list again, or a later one with the same row, changes nothing more.
    assert (await take_list(town, tmp_path, lines, 2)).held == 0
