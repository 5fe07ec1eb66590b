"""Delegated trust on a real database: an issuer's list binds certificates where two people allowed it, two officers signed
it, and no limit is exceeded; everything else waits for two people, and each contradiction is named."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from gateway.deciding import DecisionServices, approvals, delegation
from gateway.domain.account import HostedAgency, NumberingMode
from gateway.domain.delegated import AGENCY, ListState, RowReason, RowStanding, issuer_subject
from gateway.domain.event import EventKind
from gateway.domain.person import DelegationChange, Proposal
from gateway.domain.proof import Binding
from gateway.domain.wall_clock import local
from gateway.errors import Clash, Denied
from gateway.pool import ThreadPool
from gateway.registry.tables import AGENCY as AGENCY_ROW
from gateway.registry_authoring.feed import FeedOutcome, SqlFeed
from gateway.registry_authoring.feed_file import AgencyLine, TrustLine
from gateway.registry_authoring.lists import ReceivedList
from gateway.store.store import SqlStore
from tests.support import feeds, people, pki
from tests.support.clock import ManualClock
from tests.unit.deciding.conftest import Pair, event_data, refused
from tests.unit.registry.conftest import feed_room

Give = Callable[[bytes], Awaitable[FeedOutcome]]
ISSUER = "Registry issuer"
FIRST, SECOND, THIRD = (feeds.officer(name) for name in ("one", "two", "three"))
OFFICERS = (FIRST, SECOND)
CODES = [f"Z91.{n:02}" for n in range(1, 7)]
AGENCIES = [feeds.agency("Z91", "UBND tỉnh Sao Mai"), *(feeds.agency(c, parent="Z91") for c in CODES)]
HOUR = 3600


def certificate(code: str, name: str = "") -> bytes:
    return pki.signer(code, "p256").certificate_der if not name else _other(code, name)


def _other(code: str, name: str) -> bytes:
    return pki.der(pki.root().issue(code, pki.key("p256", f"{code} {name}")))


def policy(**more: object) -> DelegationChange:
    change = DelegationChange(
        issuer=ISSUER,
        officers=tuple(delegation.officer_of(o.certificate_der) for o in OFFICERS),
        codes=(),
        most_per_day=100,
        most_share=100,
        wait_hours=0,
    )
    return replace(change, **more)  # type: ignore[arg-type]  # the fields of the change


def listed(
    sequence: int = 1,
    *,
    codes: Sequence[str] = CODES[:3],
    more: Sequence[TrustLine] = (),
    officers: Sequence[pki.KeySigner] = OFFICERS,
    **header: Any,
) -> bytes:
    rows = [feeds.trust(code, certificate(code)) for code in codes]
    return feeds.trust_feed([*AGENCIES, *rows, *more], sequence, officers=officers, **header)


@pytest.fixture
def give(
    services: DecisionServices, store: SqlStore, clock: ManualClock, pool: ThreadPool, tmp_path: Path
) -> Give:
    """Take a list, and let the node judge it."""
    feed = SqlFeed(feed_room(tmp_path, store.writer, store.reader, clock, pool))

    async def take_list(raw: bytes) -> FeedOutcome:
        path = tmp_path / "given.feed"
        path.write_bytes(raw)
        outcome = await feed.accept(path, "operator")
        await delegation.judge_undecided(services)
        return outcome

    return take_list


@pytest.fixture
async def pair(pair: Pair) -> Pair:
    pair.clock.advance(25 * HOUR)
    return pair


async def delegated(pair: Pair, **more: object) -> Proposal:
    """Set the policy by two people."""
    proposal = await delegation.propose_policy(pair.services, await pair.an.signed_in(), policy(**more))
    return await pair.approve(proposal)


async def propose_list(pair: Pair, sequence: int, **kind: Any) -> Proposal:
    person = await pair.an.signed_in()
    return await delegation.propose_list(pair.services, person, ISSUER, sequence, **kind)


async def approve_list(pair: Pair, sequence: int, **kind: Any) -> None:
    await pair.approve(await propose_list(pair, sequence, **kind))


async def judged_after(pair: Pair, hours: int) -> None:
    pair.clock.advance(hours * HOUR)
    await delegation.judge_undecided(pair.services)


async def bound_codes(pair: Pair) -> list[str]:
    return [binding.code for binding in await pair.directory.in_force(pair.clock.now())]


async def the_list(pair: Pair, sequence: int = 1) -> ReceivedList:
    async with pair.services.decisions.read() as view:
        return await view.lists.get(ISSUER, sequence)


async def judged(pair: Pair, sequence: int) -> delegation.JudgedList:
    async with pair.services.decisions.read() as view:
        return await delegation.judge_list(pair.services, view, await view.lists.get(ISSUER, sequence))


async def outcomes(pair: Pair, sequence: int = 1) -> dict[str, RowReason | None]:
    """Return the reason of each row of a list that is in conflict, judged now."""
    rows = (await judged(pair, sequence)).rows
    return {r.row.code: r.reason for r in rows if r.standing is RowStanding.CONFLICT}


def binding(code: str, certificate_der: bytes) -> Binding:
    return Binding(
        code=code, certificate_der=certificate_der, valid_from=pki.NOT_BEFORE, valid_to=pki.NOT_AFTER
    )


async def test_a_signed_list_binds_where_two_people_delegated_it(pair: Pair, give: Give) -> None:
    await delegated(pair)
    await give(listed())

    assert await bound_codes(pair) == CODES[:3]
    received = await the_list(pair)
    assert (received.state, received.counts["bound"]) == (ListState.DONE, 3)
    assert await pair.directory.differences() == []
    (binding,) = await pair.directory.bindings(CODES[0])
    assert binding.certificate_der == certificate(CODES[0])
    async with pair.services.decisions.read() as view:
        (source,) = await view.listed.sources()
    origin = source.origin
    assert (source.count, origin.issuer, origin.sequence, origin.policy) == (3, ISSUER, 1, 1)
    assert (origin.kind, origin.trust) == ("policy", received.trust)
    assert origin.officers == tuple(sorted(map(pki_digest, OFFICERS)))
    assert [o.code for o in await pair.directory.origins()] == CODES[:3]
    (of_one,) = await pair.directory.origins(CODES[:1])
    assert (of_one.batch, of_one.fingerprint) == (origin.batch, pki_digest_of(certificate(CODES[0])))


async def test_without_a_policy_a_list_waits_and_two_people_approve_it_by_one_digest(
    pair: Pair, give: Give
) -> None:
    await give(listed(officers=()))
    assert (await the_list(pair)).state is ListState.OPEN
    proposal = await propose_list(pair, 1)
    assert proposal.content.lists[0].bound == 3
    wrong = ["0" * 16]
    for by, digits, code in ((pair.binh, wrong, "GW-TWO-DIGITS"), (pair.an, None, "GW-TWO-PEOPLE")):
        typed_digits = digits or list(proposal.content.expected)
        act = approvals.approve(
            pair.services, await by.signed_in(), proposal.id, typed_digits, proposal.digest
        )
        await refused(act, code)
    assert await bound_codes(pair) == []

    await pair.approve(proposal)
    assert await bound_codes(pair) == CODES[:3]
    assert await pair.directory.differences() == []


async def test_a_first_form_of_a_list_is_approved_by_its_digest_too(pair: Pair, give: Give) -> None:
    await delegated(pair)
    await give(feeds.feed([*AGENCIES, feeds.proposal(CODES[0], certificate(CODES[0]))], 1))
    assert (await the_list(pair)).state is ListState.UNSIGNED, "officers cannot sign that form"
    await approve_list(pair, 1)
    assert await bound_codes(pair) == CODES[:1]


async def test_a_proposed_list_is_void_when_it_would_do_something_else(pair: Pair, give: Give) -> None:
    await give(listed())
    proposal = await propose_list(pair, 1)
    await pair.decide(binding(CODES[0], _other(CODES[0], "own")))
    await refused(pair.approve(proposal), "REG-MOVED", Clash)
    assert await bound_codes(pair) == CODES[:1]


async def test_a_list_waits_its_time_and_two_people_may_shorten_it(pair: Pair, give: Give) -> None:
    await delegated(pair, wait_hours=24)
    await give(listed(1))
    await give(listed(2, codes=CODES[:4], made_at=pair.clock.now()))
    for sequence in (1, 2):
        assert (await the_list(pair, sequence)).state is ListState.WAITING
    await judged_after(pair, 12)
    assert await bound_codes(pair) == []
    await approve_list(pair, 2)
    assert await bound_codes(pair) == CODES[:4]
    await judged_after(pair, 24)
    assert (await the_list(pair, 1)).state is ListState.DONE
    assert await bound_codes(pair) == CODES[:4]


async def test_the_waiting_time_ends_in_force_without_a_person(pair: Pair, give: Give) -> None:
    await delegated(pair, wait_hours=24)
    await give(listed(1))
    # A row that a newer list no longer has does not come into force, although its own list waited long enough.
    await give(listed(2, codes=CODES[1:3], made_at=pair.clock.now()))
    await judged_after(pair, 25)
    assert await bound_codes(pair) == CODES[1:3]


async def test_contradictions_are_shown_and_not_resolved(pair: Pair, give: Give) -> None:
    await delegated(pair)
    await pair.decide(binding(CODES[1], _other(CODES[1], "local")))
    shared = pki.der(pki.root().issue(CODES[2], pki.key("p256", "shared")))
    shared_second = pki.der(pki.root().issue(CODES[3], pki.key("p256", "shared")))
    unfit = pki.der(
        pki.root().issue(
            CODES[4], pki.key("p256", "unfit"), digital_signature=False, content_commitment=False
        )
    )
    rows = [
        feeds.trust(CODES[1], certificate(CODES[1])),
        feeds.trust(CODES[2], shared),
        feeds.trust(CODES[3], shared_second),
        feeds.trust(CODES[4], unfit),
        *(feeds.trust(CODES[5], _other(CODES[5], str(n))) for n in range(5)),
        feeds.trust("Z91.99", certificate("Z91.99")),
    ]
    await give(listed(codes=CODES[:1], more=rows))

    assert await outcomes(pair) == {
        CODES[1]: RowReason.LOCAL,
        CODES[2]: RowReason.KEY,
        CODES[3]: RowReason.KEY,
        CODES[4]: RowReason.UNFIT,
        CODES[5]: RowReason.MANY,
        "Z91.99": RowReason.UNKNOWN,
    }
    assert await bound_codes(pair) == [CODES[0], CODES[1], *[CODES[5]] * 4]
    assert (await the_list(pair)).counts["conflict"] == 6


async def test_a_list_ends_what_a_list_brought_and_nothing_else(pair: Pair, give: Give) -> None:
    await delegated(pair)
    await bind_locally(pair, CODES[4])
    await give(listed(1))
    at = pair.clock.now()
    revoked = [feeds.trust(code, certificate(code), revoked_at=at) for code in (CODES[0], CODES[4])]
    earlier = feeds.trust(CODES[1], certificate(CODES[1]), valid_to=at + timedelta(days=1))
    await give(listed(2, codes=CODES[2:3], more=[*revoked, earlier], made_at=at))

    assert await bound_codes(pair) == [CODES[1], CODES[2], CODES[4]]
    assert await outcomes(pair, 2) == {CODES[4]: RowReason.LOCAL}
    assert (await pair.directory.bindings(CODES[1]))[0].valid_to == at + timedelta(days=1)
    assert await pair.directory.differences() == []


async def test_recalling_ends_what_waits_and_one_act_ends_what_is_in_force(pair: Pair, give: Give) -> None:
    await delegated(pair)
    await give(listed(1))
    batches = await delegation.recall_policy(pair.services, await pair.binh.signed_in(), ISSUER, "no trust")
    assert len(batches) == 1
    await give(listed(2, codes=CODES, made_at=pair.clock.now()))
    assert (await the_list(pair, 2)).state is ListState.OPEN
    assert await bound_codes(pair) == CODES[:3], "what is in force stays until a person ends it"

    assert await delegation.end_bindings(pair.services, await pair.an.signed_in(), batches, "stolen") == 3
    assert await bound_codes(pair) == []
    assert await pair.directory.differences() == []
    # A binding that ended here never comes into force again by a list.
    await delegated(pair)
    await judged_after(pair, 0)
    assert set((await outcomes(pair, 2)).values()) == {RowReason.WITHDRAWN}
    assert await bound_codes(pair) == CODES[3:]


async def test_an_unfit_policy_is_not_proposed(pair: Pair) -> None:
    one_key = (delegation.officer_of(FIRST.certificate_der),) * 2
    for wrong in (
        {"officers": one_key},
        {"officers": one_key[:1]},
        {"most_per_day": 0},
        {"most_share": 101},
        {"wait_hours": -1},
    ):
        with pytest.raises(Clash):
            await delegation.propose_policy(pair.services, await pair.an.signed_in(), policy(**wrong))


async def test_threat_147_a_stolen_issuer_key_brings_nothing_into_force(pair: Pair, give: Give) -> None:
    key = feeds.ISSUER.private_key
    issuer_as_officer = pki.der(pki.root().issue("", key, subject="An officer"))
    await delegated(pair, officers=(*policy().officers, delegation.officer_of(issuer_as_officer)))
    renewed = replace(feeds.ISSUER, certificate_der=issuer_as_officer)  # the issuer's key under another name
    thieves = ((), (FIRST,), (FIRST, THIRD), (FIRST, renewed))
    for sequence, officers in enumerate(thieves, 1):
        await give(listed(sequence, officers=officers))
        assert (await the_list(pair, sequence)).state is ListState.UNSIGNED
    assert await bound_codes(pair) == []
    # Signatures of another list prove nothing of this one.
    other = listed(5, codes=CODES[3:])
    unsigned_list = listed(5, officers=())
    signatures = [line for line in other.split(b"\n") if line.startswith(b'{"officer"')]
    body, seal = unsigned_list.removesuffix(b"\n").rpartition(b"\n")[::2]
    await give(b"\n".join([body, *signatures, seal, b""]))
    assert (await the_list(pair, 5)).state is ListState.UNSIGNED
    # The right signatures that come later are added to the same list.
    assert (await give(listed(5))).verdict == "repeat"
    assert await bound_codes(pair) == CODES[:3]


async def test_threat_148_an_old_list_played_to_a_new_node_needs_two_people(pair: Pair, give: Give) -> None:
    await delegated(pair)
    await give(listed(1, made_at=pair.clock.now() - timedelta(days=31)))
    received = await the_list(pair)
    assert (received.state, received.counts["limit"]) == (ListState.HELD, "old")
    assert await bound_codes(pair) == []
    await give(listed(3, codes=CODES[:1], made_at=pair.clock.now()))
    replayed = await give(listed(2, made_at=pair.clock.now()))
    assert (replayed.verdict, replayed.code) == ("refused", "FEED-ROLLED-BACK")
    assert await bound_codes(pair) == CODES[:1]


async def test_threat_149_two_lists_of_one_number_stop_the_issuer(pair: Pair, give: Give) -> None:
    await delegated(pair, wait_hours=24)
    await give(listed(1))
    await give(listed(2, made_at=pair.clock.now()))
    for sequence in (2, 1):  # also a number that is in force no longer
        split = await give(listed(sequence, codes=CODES[3:], made_at=pair.clock.now()))
        assert (split.verdict, split.code) == ("refused", "FEED-CONFLICT")
    await judged_after(pair, 25)
    assert await bound_codes(pair) == []
    assert (await the_list(pair, 2)).counts["limit"] == "stopped"
    subject = issuer_subject(ISSUER)
    assert len(await event_data(pair.services, subject, EventKind.LIST_SPLIT)) == 2
    # Two people who set the policy anew go on.
    await delegated(pair)
    await judged_after(pair, 0)
    assert await bound_codes(pair) == CODES[:3]


async def test_threat_150_an_officer_who_left_or_whose_certificate_is_over_does_not_count(
    pair: Pair, give: Give
) -> None:
    brief = feeds.officer("brief", not_after=pair.clock.now() + timedelta(hours=30))
    officers = tuple(delegation.officer_of(o.certificate_der) for o in (FIRST, SECOND, brief))
    await delegated(pair, officers=officers, wait_hours=24)
    await give(listed(1))
    struck = pki_digest(SECOND)
    await delegation.strike_officer(pair.services, await pair.an.signed_in(), ISSUER, struck, "left")
    await give(listed(2, codes=CODES[:1], officers=(FIRST, brief), made_at=pair.clock.now()))
    assert (await the_list(pair, 2)).state is ListState.WAITING
    await judged_after(pair, 31)
    for sequence in (1, 2):
        assert (await the_list(pair, sequence)).state is ListState.UNSIGNED
    assert await bound_codes(pair) == []


async def test_threat_151_a_list_over_a_limit_is_held_entirely(pair: Pair, give: Give) -> None:
    await delegated(pair, most_per_day=4, codes=("Z91",))
    await give(listed(1))
    await give(listed(2, codes=CODES[:5], made_at=pair.clock.now()))
    received = await the_list(pair, 2)
    assert (received.state, received.counts["limit"], received.counts["held"]) == (ListState.HELD, "day", 2)
    pair.clock.advance(25 * HOUR)
    await give(listed(3, codes=CODES[:5], made_at=pair.clock.now()))
    assert await bound_codes(pair) == CODES[:5]
    await delegated(pair, most_share=10)
    await give(listed(4, codes=CODES, made_at=pair.clock.now()))
    assert (await the_list(pair, 4)).counts["limit"] == "share"
    await delegated(pair, codes=("Z91.01", "Z92"))
    await judged_after(pair, 0)
    assert (await the_list(pair, 4)).state is ListState.HELD, "its code is not below those of the policy"
    await approve_list(pair, 4)
    assert await bound_codes(pair) == CODES


async def test_threat_152_rows_put_in_past_the_application_are_not_proved_by_a_list(
    pair: Pair, give: Give
) -> None:
    await delegated(pair, wait_hours=1)
    await give(listed(1))
    # Neither a row beside the list, nor another time of receiving, brings anything into force early.
    await pair.edit("UPDATE registry_list SET received_at = made_at, due_at = made_at")
    await judged_after(pair, 0)
    assert await bound_codes(pair) == []
    await judged_after(pair, 2)
    assert await bound_codes(pair) == CODES[:3]

    await pair.edit(
        "UPDATE agency_binding SET code = :moved WHERE code = :code", moved=CODES[5], code=CODES[0]
    )
    assert {(d.kind, d.code) for d in await pair.directory.differences()} == {
        ("untold", CODES[5]),
        ("missing", CODES[0]),
    }
    assert await bound_codes(pair) == CODES[1:3]
    await pair.edit(
        "UPDATE agency_binding SET code = :code WHERE code = :moved", moved=CODES[5], code=CODES[0]
    )
    assert await pair.directory.differences() == []
    await give(listed(2, codes=CODES, made_at=pair.clock.now()))
    assert (await the_list(pair, 2)).state is ListState.WAITING
    await pair.edit(
        "UPDATE registry_list SET content = :other WHERE sequence = 2", other=zlib.compress(b"{}")
    )
    await judged_after(pair, 2)
    damaged = await the_list(pair, 2)
    assert (damaged.state, damaged.counts["limit"]) == (ListState.HELD, "damaged")
    await pair.edit("DELETE FROM agency_binding WHERE code = :code", code=CODES[0])
    (missing,) = await pair.directory.differences()
    assert (missing.kind, missing.code) == ("missing", f"{ISSUER} 1")


def pki_digest(officer: pki.KeySigner) -> str:
    return pki_digest_of(officer.certificate_der)


def pki_digest_of(certificate_der: bytes) -> str:
    return hashlib.sha256(certificate_der).hexdigest()


async def test_only_persons_with_the_role_decide(pair: Pair) -> None:
    await delegated(pair)
    clerk = await people.enrolled(pair.services, "Chi", (), await pair.an.signed_in())
    for act in (
        delegation.recall_policy(pair.services, await clerk.signed_in(), ISSUER, "x"),
        delegation.strike_officer(pair.services, await clerk.signed_in(), ISSUER, pki_digest(FIRST), "x"),
        delegation.end_bindings(pair.services, await clerk.signed_in(), ["bnd_1"], "x"),
    ):
        with pytest.raises(Denied):
            await act


async def bind_locally(pair: Pair, *codes: str) -> None:
    await pair.decide(*(binding(code, certificate(code)) for code in codes))


def changing(
    sequence: int, *changed: AgencyLine, officers: Sequence[pki.KeySigner] = OFFICERS, **header: Any
) -> bytes:
    """Build a list with these rows in place of the usual ones."""
    codes = {line.code for line in changed}
    rows = [line for line in AGENCIES if line.code not in codes]
    return feeds.trust_feed([*rows, *changed], sequence, officers=officers, **header)


async def changes_of(pair: Pair, sequence: int) -> dict[str, RowStanding]:
    return {row.row.code: row.standing for row in (await judged(pair, sequence)).of_kind(AGENCY)}


def today(pair: Pair) -> date:
    return local(pair.clock.now()).date()


def heir(code: str, successor: str, yesterday: date) -> AgencyLine:
    return feeds.agency(code, parent="Z91", valid_to=yesterday, successor=successor)


async def test_a_policy_puts_in_force_what_officers_signed_and_covers_after_the_waiting_time(
    pair: Pair, give: Give
) -> None:
    day = today(pair)
    yesterday = day - timedelta(days=1)
    await give(listed(1, codes=()))
    await bind_locally(pair, *CODES[:3])
    await delegated(pair, wait_hours=24, codes=(CODES[0], CODES[1]))
    closed = [heir(code, CODES[5], yesterday) for code in CODES[:3]]

    unsigned = await give(changing(2, *closed, officers=OFFICERS[:1]))
    assert (unsigned.held, (await the_list(pair, 2)).state) == (3, ListState.UNSIGNED)
    await give(changing(3, *closed, made_at=pair.clock.now()))
    assert (await the_list(pair, 3)).state is ListState.WAITING
    assert await pair.directory.taken_over(CODES[5], day) == {}
    pair.clock.advance(12 * HOUR)
    # The same changes in a newer list go on waiting with the earlier one.
    await give(changing(4, *closed, made_at=pair.clock.now()))
    await judged_after(pair, 13)

    day = today(pair)
    by = f"{ISSUER} 3"
    assert await pair.directory.taken_over(CODES[5], day) == {CODES[0]: by, CODES[1]: by}
    assert (await the_list(pair, 3)).state is ListState.HELD
    assert await changes_of(pair, 3) == {CODES[2]: RowStanding.READY}
    entry = await pair.directory.entry(CODES[2])
    assert entry is not None
    assert entry.valid_to is None
    proposal = await propose_list(pair, 3, kind=AGENCY)
    await pair.approve(proposal)
    assert (await pair.directory.taken_over(CODES[5], day))[CODES[2]] == proposal.id
    assert (await the_list(pair, 3)).state is ListState.DONE


async def test_changes_of_codes_count_for_the_limit_of_a_day(pair: Pair, give: Give) -> None:
    yesterday = today(pair) - timedelta(days=1)
    await give(listed(1, codes=()))
    await bind_locally(pair, *CODES[:3])
    await delegated(pair, most_per_day=2)
    closed = [heir(code, CODES[5], yesterday) for code in CODES[:3]]
    await give(changing(2, *closed[:2]))
    assert (await the_list(pair, 2)).state is ListState.DONE
    await give(changing(3, *closed))
    received = await the_list(pair, 3)
    assert (received.state, received.counts["limit"]) == (ListState.HELD, "day")
    assert len(await pair.directory.taken_over(CODES[5], yesterday + timedelta(days=1))) == 2


async def test_what_a_later_list_no_longer_changes_is_gone_and_a_missing_code_stays(
    pair: Pair, give: Give
) -> None:
    yesterday = today(pair) - timedelta(days=1)
    await give(listed(1, codes=()))
    await bind_locally(pair, CODES[0], CODES[1])
    await give(changing(2, heir(CODES[0], CODES[5], yesterday)))
    assert await changes_of(pair, 2) == {CODES[0]: RowStanding.READY}
    await give(feeds.trust_feed([line for line in AGENCIES if line.code != CODES[1]], 3))
    assert await changes_of(pair, 2) == {}
    assert await changes_of(pair, 3) == {CODES[1]: RowStanding.READY}
    assert await pair.directory.find(CODES[1], today(pair)) is not None
    # An old form in use stays with its code, although the list gives it to another one.
    await give(changing(4, feeds.agency(CODES[0], parent="Z91", alias="000.00.01.Z91")))
    await approve_list(pair, 4, kind=AGENCY)
    await give(changing(5, feeds.agency("Z91.00", parent="Z91", alias="000.00.01.Z91")))
    assert {*await changes_of(pair, 5)} == {CODES[0], "Z91.00"}
    resolved = await pair.directory.resolve("000.00.01.Z91", today(pair))
    assert resolved.entry is not None
    assert resolved.entry.code == CODES[0]
    await approve_list(pair, 5, kind=AGENCY)
    resolved = await pair.directory.resolve("000.00.01.Z91", today(pair))
    assert resolved.entry is not None
    assert resolved.entry.code == "Z91.00"


async def test_a_take_over_that_a_list_alone_brought_counts_once_two_people_approve_it(
    pair: Pair, give: Give
) -> None:
    day = today(pair)
    yesterday = day - timedelta(days=1)
    await give(changing(1, heir(CODES[1], CODES[5], yesterday), officers=()))
    assert await pair.directory.former([CODES[5]], day) == {CODES[1]: CODES[5]}, "mail finds its way by data"
    assert await pair.directory.taken_over(CODES[5], day) == {}
    await bind_locally(pair, CODES[0])
    async with pair.store.writer.begin() as connection:  # as a former program did it
        closed = update(AGENCY_ROW).where(AGENCY_ROW.c.code == CODES[0])
        await connection.execute(closed.values(valid_to=yesterday, successor=CODES[5]))
    closed_codes = [heir(code, CODES[5], yesterday) for code in CODES[:2]]
    await give(changing(2, *closed_codes, officers=(), made_at=pair.clock.now()))
    assert await changes_of(pair, 2) == {CODES[0]: RowStanding.READY}
    proposal = await propose_list(pair, 2, kind=AGENCY)
    await pair.approve(proposal)
    assert await pair.directory.taken_over(CODES[5], day) == {CODES[0]: proposal.id}


async def test_a_list_alone_ends_no_agency_of_this_node_and_may_name_its_host(pair: Pair, give: Give) -> None:
    own = HostedAgency(id="agy_own", code=CODES[0], name="Own", numbering=NumberingMode.B)
    await pair.store.accounts.add_hosted(own)
    yesterday = today(pair) - timedelta(days=1)
    ended = heir(CODES[0], CODES[5], yesterday).model_copy(update={"host": "here"})
    assert (await give(changing(1, ended))).held == 1
    entry = await pair.directory.entry(CODES[0])
    assert entry is not None
    assert (entry.host, entry.valid_to, entry.successor) == ("here", None, None)
    assert await changes_of(pair, 1) == {CODES[0]: RowStanding.READY}
