"""A feed that is in order comes into force whole; the same list again changes nothing; each rule of the number holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from gateway.domain.registry import CodeStanding, RowSource
from gateway.errors import NotFound, StoreFailure
from gateway.registry_authoring import feed as feed_apply
from gateway.registry_authoring import feed_judge
from gateway.registry_authoring.feed import FeedOutcome, SqlFeed
from gateway.registry_authoring.feed_file import FeedKind, ProposalLine
from gateway.registry_authoring.feed_judge import FeedRoom
from tests.support import feeds, pki
from tests.support.clock import ManualClock
from tests.support.fixtures import BOTH_KINDS, database_of
from tests.unit.registry.conftest import Registry

LIST = [
    feeds.agency("Z91", "UBND tỉnh Sao Mai"),
    feeds.agency("Z91.01", "Sở Một", parent="Z91", host="north"),
    feeds.agency("Z91.02", "Sở Hai", parent="Z91", alias="000.00.02.Z91"),
]

MOVE = date(2027, 1, 1)


@pytest.fixture(params=BOTH_KINDS)
def url(request: pytest.FixtureRequest) -> str:
    return database_of(request, request.param)


@dataclass(frozen=True, kw_only=True)
class Desk(Registry):
    """A registry that takes feeds; `path` has the one that was given last."""

    feed: SqlFeed
    path: Path

    async def give(self, raw: bytes) -> FeedOutcome:
        self.path.write_bytes(raw)
        return await self.feed.accept(self.path, "operator")


@pytest.fixture
def desk(registry: Registry, room: FeedRoom, tmp_path: Path) -> Desk:
    path = tmp_path / "given.feed"
    return Desk(directory=registry.directory, changes=registry.changes, feed=SqlFeed(room), path=path)


async def test_a_first_snapshot_comes_into_force_entirely(desk: Desk, tmp_path: Path) -> None:
    outcome = await desk.give(feeds.feed(LIST, 7))

    assert (outcome.verdict, outcome.sequence, outcome.added, outcome.closed) == ("applied", 7, 3, 0)
    rows = await desk.rows()
    assert list(rows) == ["Z91", "Z91.01", "Z91.02"]
    assert (rows["Z91.01"].source, rows["Z91.01"].host) == (RowSource.SYNCED, "north")
    in_force = await desk.feed.in_force()
    assert in_force is not None
    assert (in_force.issuer, in_force.sequence, in_force.kind) == ("Registry issuer", 7, "snapshot")
    (change,) = await desk.changes.list_applied()
    assert (change.by, change.summary["added"]) == ("operator", 3)
    assert change.summary["feed"] == {"issuer": "Registry issuer", "sequence": 7, "kind": "snapshot"}
    assert not list(tmp_path.glob(".feed*"))


async def test_a_list_says_from_which_day_another_node_hosts_a_code(desk: Desk) -> None:
    moved = feeds.agency(
        "Z91.01", "Sở Một", parent="Z91", host="north", next_host="south", next_host_from=MOVE
    )
    await desk.give(feeds.feed([LIST[0], moved], 7))

    days = (MOVE - timedelta(days=1), MOVE)
    assert [[h.node async for h in desk.directory.hosting(day)] for day in days] == [["north"], ["south"]]
    assert await desk.feed.hosts() == ["north", "south"]


async def test_the_same_list_again_is_a_repeat_and_a_snapshot_takes_back_what_it_no_longer_proposes(
    desk: Desk,
) -> None:
    own = feeds.proposal("Z91.01", pki.signer("Z91.01", "p256").certificate_der)
    raw = feeds.feed([*LIST, own], 7)
    await desk.give(raw)

    assert (await desk.give(raw)).verdict == "repeat"
    assert len(await desk.changes.list_applied()) == 1
    assert await desk.feed.refusals() == []
    await desk.give(feeds.feed(LIST, 8))
    assert await desk.feed.proposals() == []


async def test_a_list_keeps_the_contact_that_this_node_wrote(desk: Desk) -> None:
    await desk.give(feeds.feed(LIST, 7))
    await desk.take("code,name,parent,host,contact\nZ91.01,Sở Một,Z91,north,Người Đầu Mối\n")

    await desk.give(
        feeds.feed([LIST[0], feeds.agency("Z91.01", "Sở Một mới", parent="Z91", host="north"), LIST[2]], 8)
    )

    entry = (await desk.rows())["Z91.01"]
    assert (entry.name, entry.contact) == ("Sở Một mới", "Người Đầu Mối")


async def test_changes_lead_to_the_list_that_its_snapshot_names(desk: Desk) -> None:
    first = feeds.feed(LIST, 7)
    await desk.give(first)
    renamed = feeds.agency("Z91.01", "Sở Một mới", parent="Z91", host="south")
    newer = feeds.feed([LIST[0], renamed, LIST[2]], 8, base=feeds.header_of(first))
    changes = feeds.feed(
        [renamed], 8, base=feeds.header_of(first), kind=FeedKind.CHANGES, digest=feeds.header_of(newer).digest
    )

    outcome = await desk.give(changes)

    assert (outcome.verdict, outcome.added, outcome.changed) == ("applied", 0, 1)
    assert (await desk.rows())["Z91.01"].host == "south"
    assert (await desk.give(newer)).verdict == "repeat"


async def test_a_code_that_a_later_snapshot_lacks_is_closed_the_day_before(desk: Desk) -> None:
    await desk.give(feeds.feed(LIST, 7))
    heir = feeds.agency("Z91.03", "Sở Ba", parent="Z91", alias="000.00.02.Z91")

    outcome = await desk.give(feeds.feed([*LIST[:2], heir], 9))

    assert (outcome.added, outcome.changed, outcome.closed) == (1, 0, 1)
    closed_entry = (await desk.rows())["Z91.02"]
    assert (closed_entry.valid_to, closed_entry.alias) == (date(2026, 11, 19), None)
    assert (await desk.directory.resolve("Z91.02", date(2026, 11, 20))).standing is CodeStanding.CLOSED
    mapped = await desk.directory.resolve("000.00.02.Z91", date(2026, 11, 20))
    assert mapped.entry is not None
    assert mapped.entry.code == "Z91.03"


async def test_rows_that_were_imported_here_stay(desk: Desk) -> None:
    await desk.changes.load_starter()
    await desk.take("code,name\nZ95,Own\nZ91.01,Old name\n")
    await desk.give(feeds.feed(LIST, 1))
    await desk.give(feeds.feed(LIST[:1], 2))

    rows = await desk.rows()

    assert (rows["Z95"].source, rows["Z95"].valid_to) == (RowSource.IMPORTED, None)
    assert (rows["Z91.01"].source, rows["Z91.01"].name) == (RowSource.SYNCED, "Sở Một")
    assert rows["Z91.01"].valid_to == date(2026, 11, 19)
    assert any(row.source is RowSource.STARTER for row in rows.values())


async def test_threat_090_a_number_that_does_not_follow_is_refused(desk: Desk) -> None:
    """One that was rolled back, and two lists of one number."""
    await desk.give(feeds.feed(LIST, 7))
    entries_before = await desk.rows()

    for sequence, lines, code in ((6, LIST, "FEED-ROLLED-BACK"), (7, LIST[:2], "FEED-CONFLICT")):
        outcome = await desk.give(feeds.feed(lines, sequence))
        assert (outcome.verdict, outcome.code) == ("refused", code)
        assert await desk.rows() == entries_before
    assert {(refusal.code, refusal.sequence, refusal.by) for refusal in await desk.feed.refusals()} == {
        ("FEED-ROLLED-BACK", 6, "operator"),
        ("FEED-CONFLICT", 7, "operator"),
    }
    in_force = await desk.feed.in_force()
    assert in_force is not None
    assert in_force.sequence == 7


async def test_threat_090_changes_on_another_base_are_refused(desk: Desk) -> None:
    first, other = feeds.feed(LIST, 7), feeds.feed(LIST[:2], 7)
    newer = feeds.feed(LIST, 8, base=feeds.header_of(first))

    def changes(base: bytes, sequence: int = 8) -> bytes:
        return feeds.feed(LIST[:1], sequence, base=feeds.header_of(base), kind=FeedKind.CHANGES)

    assert (await desk.give(changes(first))).code == "FEED-GAP"
    await desk.give(first)
    assert (await desk.give(changes(newer, 9))).code == "FEED-GAP"
    assert (await desk.give(changes(other))).code == "FEED-CONFLICT"
    forked = feeds.feed(LIST, 8, base=feeds.header_of(other))
    assert (await desk.give(forked)).code == "FEED-CONFLICT"
    assert (await desk.give(feeds.feed(LIST, 8))).verdict == "applied"


async def test_threat_115_a_certificate_of_a_feed_waits_for_two_people(desk: Desk) -> None:
    """Threat 115: the binding in force stays unchanged."""
    pinned, fresh = pki.signer("Z91.01", "p256"), pki.signer("Z91.01", "rsa-2048")
    certificate = x509.load_der_x509_certificate(pinned.certificate_der)
    times = (certificate.not_valid_before_utc, certificate.not_valid_after_utc)
    await desk.changes.bind("Z91.01", pinned.certificate_der, *times, "one", "two")
    bindings_before = await desk.directory.bindings("Z91.01")

    outcome = await desk.give(feeds.feed([*LIST, feeds.proposal("Z91.01", fresh.certificate_der)], 1))

    assert (outcome.verdict, outcome.proposed) == ("applied", 1)
    assert await desk.directory.bindings("Z91.01") == bindings_before
    (waiting,) = await desk.feed.proposals()
    proposal = await desk.feed.proposal("z91.01", waiting.fingerprint.upper())
    await desk.changes.bind("Z91.01", proposal.certificate_der, *times, "one", "two")
    assert len(await desk.directory.bindings("Z91.01")) == 2
    assert await desk.feed.proposals() == []
    with pytest.raises(NotFound):
        await desk.feed.proposal("Z91.01", waiting.fingerprint)


async def test_threat_090_a_key_bound_to_one_code_cannot_be_proposed_for_another(desk: Desk) -> None:
    """Threat 90: a certificate moved between codes; the key counts, whatever certificate carries it."""
    key = pki.key("p256", "moved")
    certificate, other = (pki.der(pki.root().issue(code, key)) for code in ("Z91.01", "Z91.02"))
    span = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2036, 1, 1, tzinfo=UTC))
    await desk.changes.bind("Z91.01", certificate, *span, "one", "two")

    moved = await desk.give(feeds.feed([*LIST, feeds.proposal("Z91.02", other)], 1))

    assert (moved.verdict, moved.code) == ("refused", "FEED-BINDING")
    assert await desk.rows() == {}
    assert await desk.feed.proposals() == []


async def test_what_waits_for_confirmation_holds_its_key_too(desk: Desk) -> None:
    key = pki.key("p256", "twice")
    proposal, other = (feeds.proposal(c, pki.der(pki.root().issue(c, key))) for c in ("Z91.01", "Z91.02"))
    first = feeds.feed([*LIST, proposal], 1)
    await desk.give(first)

    both = feeds.feed([*LIST, proposal, other], 2)
    added = feeds.feed([other], 2, base=feeds.header_of(first), kind=FeedKind.CHANGES)

    assert (await desk.give(both)).code == "FEED-BINDING"
    assert (await desk.give(added)).code == "FEED-BINDING"


async def test_a_successor_certificate_of_the_same_name_is_the_same_issuer(
    desk: Desk, room: FeedRoom
) -> None:
    await desk.give(feeds.feed(LIST, 1))
    feeds.permit(room, feeds.STRANGER)

    assert (await desk.give(feeds.feed(LIST[:2], 2))).code == "FEED-ISSUER"
    assert (await desk.give(feeds.feed(LIST[:2], 2, signer=feeds.STRANGER))).verdict == "applied"


async def test_another_issuer_does_not_take_over(desk: Desk, room: FeedRoom) -> None:
    other = pki.signer("Z95", "p384")
    feeds.permit(room, feeds.ISSUER, other)
    await desk.give(feeds.feed(LIST, 1))

    outcome = await desk.give(feeds.feed(LIST[:1], 2, signer=other, issuer="Agency Z95"))

    assert (outcome.verdict, outcome.code) == ("refused", "FEED-ISSUER")


async def test_checking_writes_nothing(desk: Desk, tmp_path: Path) -> None:
    path = desk.path
    path.write_bytes(feeds.feed(LIST, 3))
    fine = await desk.feed.check(path)
    path.write_bytes(feeds.feed(LIST, 3, signer=feeds.STRANGER))
    bad = await desk.feed.check(path)

    assert (fine.verdict, bad.verdict, bad.code) == ("acceptable", "refused", "FEED-ISSUER")
    assert (await desk.rows(), await desk.feed.in_force(), await desk.feed.refusals()) == ({}, None, [])


async def test_an_import_between_judging_and_applying_is_not_overwritten(
    desk: Desk, room: FeedRoom, tmp_path: Path
) -> None:
    path = desk.path
    path.write_bytes(feeds.feed(LIST, 1))
    async with feed_judge.judge_feed(room, path) as judged:
        await desk.take("code,name\nZ95,Own\n")
        with pytest.raises(StoreFailure, match="take it again"):
            await feed_apply.apply_feed(room, judged, "operator")

    assert list(await desk.rows()) == ["Z95"]
    assert (await desk.feed.accept(path, "operator")).verdict == "applied"


async def test_the_oldest_refusals_are_dropped(
    desk: Desk, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_apply, "REFUSALS_KEPT", 3)
    for sequence in range(1, 6):
        clock.advance(timedelta(seconds=1))
        await desk.give(feeds.feed(LIST, sequence, signer=feeds.STRANGER))

    assert [refusal.sequence for refusal in await desk.feed.refusals()] == [5, 4, 3]


async def test_a_row_still_to_begin_never_was_in_force_when_it_goes(desk: Desk) -> None:
    to_come = feeds.agency("Z91.05", valid_from=date(2027, 1, 1))
    await desk.give(feeds.feed([LIST[0], to_come], 1))

    outcome = await desk.give(feeds.feed(LIST[:1], 2))
    repeated = await desk.give(feeds.feed(LIST[:1], 3))

    closed_entry = (await desk.rows())["Z91.05"]
    assert (closed_entry.valid_from, closed_entry.valid_to) == (date(2026, 11, 19), date(2026, 11, 19))
    assert (outcome.closed, repeated.closed) == (1, 0)


async def test_proposals_need_a_row_and_a_whole_certificate(desk: Desk) -> None:
    der = pki.signer("Z91.01", "p256").certificate_der
    wrong: list[ProposalLine] = [
        feeds.proposal("Z95", der),
        feeds.proposal("Z91.01", b"no certificate"),
        feeds.proposal("Z91.01", der).model_copy(update={"sha256": "0" * 64}),
    ]

    codes = [(await desk.give(feeds.feed([*LIST, line], 1))).code for line in wrong]

    assert codes == ["FEED-ROWS"] * 3
