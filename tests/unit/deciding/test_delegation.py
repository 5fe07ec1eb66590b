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
from gateway.registry.directory import SqlDirectory
from gateway.registry.tables import AGENCY as AGENCY_ROW
from gateway.registry_authoring.feed import FeedOutcome, SqlFeed
from gateway.registry_authoring.feed_file import AgencyLine, TrustLine
from gateway.registry_authoring.feed_judge import FeedRoom
from gateway.registry_authoring.lists import ReceivedList
from gateway.store.store import SqlStore
from tests.support import feeds, people, pki
from tests.support.clock import ManualClock
from tests.support.people import Someone
from tests.unit.deciding.conftest import Edit, event_data, refused

Both = tuple[Someone, Someone]
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
    room = FeedRoom(
        writer=store.writer,
        reader=store.reader,
        clock=clock,
        pool=pool,
        issuers=tmp_path / "feed",
        scratch=tmp_path,
    )
    feeds.permit(room, feeds.ISSUER)
    feed = SqlFeed(room)

    async def take_list(raw: bytes) -> FeedOutcome:
        path = tmp_path / "given.feed"
        path.write_bytes(raw)
        outcome = await feed.accept(path, "operator")
        await delegation.judge_undecided(services)
        return outcome

    return take_list


@pytest.fixture
async def both(services: DecisionServices, clock: ManualClock) -> Both:
    pair = await people.two(services)
    clock.advance(25 * HOUR)
    return pair


async def delegated(both: Both, **more: object) -> Proposal:
    """Set the policy by two people."""
    proposal = await delegation.propose_policy(both[0].services, await both[0].signed_in(), policy(**more))
    return await people.approved(both[1], proposal)


async def bound_codes(directory: SqlDirectory, clock: ManualClock) -> list[str]:
    return [binding.code for binding in await directory.in_force(clock.now())]


async def the_list(services: DecisionServices, sequence: int = 1) -> ReceivedList:
    async with services.decisions.read() as view:
        return await view.lists.get(ISSUER, sequence)


async def outcomes(services: DecisionServices, sequence: int = 1) -> dict[str, RowReason | None]:
    """Return the reason of each row of a list that is in conflict, judged now."""
    async with services.decisions.read() as view:
        judged = await delegation.judge_list(services, view, await view.lists.get(ISSUER, sequence))
    return {r.row.code: r.reason for r in judged.rows if r.standing is RowStanding.CONFLICT}


async def test_a_signed_list_binds_where_two_people_delegated_it(
    both: Both, give: Give, directory: SqlDirectory, services: DecisionServices, clock: ManualClock
) -> None:
    await delegated(both)
    await give(listed())

    assert await bound_codes(directory, clock) == CODES[:3]
    received = await the_list(services)
    assert (received.state, received.counts["bound"]) == (ListState.DONE, 3)
    assert await directory.differences() == []
    (binding,) = await directory.bindings(CODES[0])
    assert binding.certificate_der == certificate(CODES[0])
    async with services.decisions.read() as view:
        (source,) = await view.listed.sources()
    origin = source.origin
    assert (source.count, origin.issuer, origin.sequence, origin.policy) == (3, ISSUER, 1, 1)
    assert (origin.kind, origin.trust) == ("policy", received.trust)
    assert origin.officers == tuple(sorted(map(pki_digest, OFFICERS)))
    assert [o.code for o in await directory.origins()] == CODES[:3]
    (of_one,) = await directory.origins(CODES[:1])
    assert (of_one.batch, of_one.fingerprint) == (origin.batch, pki_digest_of(certificate(CODES[0])))


async def test_without_a_policy_a_list_waits_and_two_people_approve_it_by_one_digest(
    both: Both, give: Give, directory: SqlDirectory, services: DecisionServices, clock: ManualClock
) -> None:
    await give(listed(officers=()))
    assert (await the_list(services)).state is ListState.OPEN
    proposal = await delegation.propose_list(services, await both[0].signed_in(), ISSUER, 1)
    assert proposal.content.lists[0].bound == 3
    wrong = ["0" * 16]
    for by, digits, code in ((both[1], wrong, "GW-TWO-DIGITS"), (both[0], None, "GW-TWO-PEOPLE")):
        typed_digits = digits or list(proposal.content.expected)
        act = approvals.approve(services, await by.signed_in(), proposal.id, typed_digits, proposal.digest)
        await refused(act, code)
    assert await bound_codes(directory, clock) == []

    await people.approved(both[1], proposal)
    assert await bound_codes(directory, clock) == CODES[:3]
    assert await directory.differences() == []


async def test_a_first_form_of_a_list_is_approved_by_its_digest_too(
    both: Both, give: Give, directory: SqlDirectory, services: DecisionServices, clock: ManualClock
) -> None:
    await delegated(both)
    await give(feeds.feed([*AGENCIES, feeds.proposal(CODES[0], certificate(CODES[0]))], 1))
    assert (await the_list(services)).state is ListState.UNSIGNED, "officers cannot sign that form"
    await people.approved(
        both[1], await delegation.propose_list(services, await both[0].signed_in(), ISSUER, 1)
    )
    assert await bound_codes(directory, clock) == CODES[:1]


async def test_a_proposed_list_is_void_when_it_would_do_something_else(
    both: Both, give: Give, directory: SqlDirectory, services: DecisionServices, clock: ManualClock
) -> None:
    await give(listed())
    proposal = await delegation.propose_list(services, await both[0].signed_in(), ISSUER, 1)
    own = Binding(
        code=CODES[0],
        certificate_der=_other(CODES[0], "own"),
        valid_from=pki.NOT_BEFORE,
        valid_to=pki.NOT_AFTER,
    )
    await people.approved(both[1], await people.proposed(both[0], own))
    await refused(people.approved(both[1], proposal), "REG-MOVED", Clash)
    assert await bound_codes(directory, clock) == CODES[:1]


async def test_a_list_waits_its_time_and_two_people_may_shorten_it(
    both: Both, give: Give, directory: SqlDirectory, services: DecisionServices, clock: ManualClock
) -> None:
    await delegated(both, wait_hours=24)
    await give(listed(1))
    await give(listed(2, codes=CODES[:4], made_at=clock.now()))
    for sequence in (1, 2):
        assert (await the_list(services, sequence)).state is ListState.WAITING
    clock.advance(12 * HOUR)
    await delegation.judge_undecided(services)
    assert await bound_codes(directory, clock) == []
    await people.approved(
        both[1], await delegation.propose_list(services, await both[0].signed_in(), ISSUER, 2)
    )
    assert await bound_codes(directory, clock) == CODES[:4]
    clock.advance(24 * HOUR)
    await delegation.judge_undecided(services)
    assert (await the_list(services, 1)).state is ListState.DONE
    assert await bound_codes(directory, clock) == CODES[:4]


async def test_the_waiting_time_ends_in_force_without_a_person(
    both: Both, give: Give, directory: SqlDirectory, services: DecisionServices, clock: ManualClock
) -> None:
    await delegated(both, wait_hours=24)
    await give(listed(1))
    # A row that a newer list no longer has does not come into force, although its own list waited long enough.
    await give(listed(2, codes=CODES[1:3], made_at=clock.now()))
    clock.advance(25 * HOUR)
    await delegation.judge_undecided(services)
    assert await bound_codes(directory, clock) == CODES[1:3]


async def test_contradictions_are_shown_and_not_resolved(
    both: Both, give: Give, directory: SqlDirectory, services: DecisionServices, clock: ManualClock
) -> None:
    await delegated(both)
    locally = Binding(
        code=CODES[1],
        certificate_der=_other(CODES[1], "local"),
        valid_from=pki.NOT_BEFORE,
        valid_to=pki.NOT_AFTER,
    )
    await people.approved(both[1], await people.proposed(both[0], locally))
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

    assert await outcomes(services) == {
        CODES[1]: RowReason.LOCAL,
        CODES[2]: RowReason.KEY,
        CODES[3]: RowReason.KEY,
        CODES[4]: RowReason.UNFIT,
        CODES[5]: RowReason.MANY,
        "Z91.99": RowReason.UNKNOWN,
    }
    assert await bound_codes(directory, clock) == [CODES[0], CODES[1], *[CODES[5]] * 4]
    assert (await the_list(services)).counts["conflict"] == 6


async def test_a_list_ends_what_a_list_brought_and_nothing_else(
    both: Both, give: Give, directory: SqlDirectory, services: DecisionServices, clock: ManualClock
) -> None:
    await delegated(both)
    own = Binding(
        code=CODES[4],
        certificate_der=certificate(CODES[4]),
        valid_from=pki.NOT_BEFORE,
        valid_to=pki.NOT_AFTER,
    )
    await people.approved(both[1], await people.proposed(both[0], own))
    await give(listed(1))
    at = clock.now()
    revoked = [feeds.trust(code, certificate(code), revoked_at=at) for code in (CODES[0], CODES[4])]
    earlier = feeds.trust(CODES[1], certificate(CODES[1]), valid_to=at + timedelta(days=1))
    await give(listed(2, codes=CODES[2:3], more=[*revoked, earlier], made_at=at))

    assert await bound_codes(directory, clock) == [CODES[1], CODES[2], CODES[4]]
    assert await outcomes(services, 2) == {CODES[4]: RowReason.LOCAL}
    assert (await directory.bindings(CODES[1]))[0].valid_to == at + timedelta(days=1)
    assert await directory.differences() == []


async def test_recalling_ends_what_waits_and_one_act_ends_what_is_in_force(
    both: Both, give: Give, directory: SqlDirectory, services: DecisionServices, clock: ManualClock
) -> None:
    await delegated(both)
    await give(listed(1))
    batches = await delegation.recall_policy(services, await both[1].signed_in(), ISSUER, "no trust")
    assert len(batches) == 1
    await give(listed(2, codes=CODES, made_at=clock.now()))
    assert (await the_list(services, 2)).state is ListState.OPEN
    assert await bound_codes(directory, clock) == CODES[:3], "what is in force stays until a person ends it"

    assert await delegation.end_bindings(services, await both[0].signed_in(), batches, "stolen") == 3
    assert await bound_codes(directory, clock) == []
    assert await directory.differences() == []
    # A binding that ended here never comes into force again by a list.
    await delegated(both)
    await delegation.judge_undecided(services)
    assert set((await outcomes(services, 2)).values()) == {RowReason.WITHDRAWN}
    assert await bound_codes(directory, clock) == CODES[3:]


async def test_an_unfit_policy_is_not_proposed(both: Both, services: DecisionServices) -> None:
    one_key = (delegation.officer_of(FIRST.certificate_der),) * 2
    for wrong in (
        {"officers": one_key},
        {"officers": one_key[:1]},
        {"most_per_day": 0},
        {"most_share": 101},
        {"wait_hours": -1},
    ):
        with pytest.raises(Clash):
            await delegation.propose_policy(services, await both[0].signed_in(), policy(**wrong))


async def test_threat_147_a_stolen_issuer_key_brings_nothing_into_force(
    both: Both, give: Give, directory: SqlDirectory, services: DecisionServices, clock: ManualClock
) -> None:
    key = feeds.ISSUER.private_key
    issuer_as_officer = pki.der(pki.root().issue("", key, subject="An officer"))
    await delegated(both, officers=(*policy().officers, delegation.officer_of(issuer_as_officer)))
    renewed = replace(feeds.ISSUER, certificate_der=issuer_as_officer)  # the issuer's key under another name
    thieves = ((), (FIRST,), (FIRST, THIRD), (FIRST, renewed))
    for sequence, officers in enumerate(thieves, 1):
        await give(listed(sequence, officers=officers))
        assert (await the_list(services, sequence)).state is ListState.UNSIGNED
    assert await bound_codes(directory, clock) == []
    # Signatures of another list prove nothing of this one.
    other = listed(5, codes=CODES[3:])
    unsigned_list = listed(5, officers=())
    signatures = [line for line in other.split(b"\n") if line.startswith(b'{"officer"')]
    body, seal = unsigned_list.removesuffix(b"\n").rpartition(b"\n")[::2]
    await give(b"\n".join([body, *signatures, seal, b""]))
    assert (await the_list(services, 5)).state is ListState.UNSIGNED
    # The right signatures that come later are added to the same list.
    assert (await give(listed(5))).verdict == "repeat"
    assert await bound_codes(directory, clock) == CODES[:3]


async def test_threat_148_an_old_list_played_to_a_new_node_needs_two_people(
    both: Both, give: Give, directory: SqlDirectory, services: DecisionServices, clock: ManualClock
) -> None:
    await delegated(both)
    await give(listed(1, made_at=clock.now() - timedelta(days=31)))
    received = await the_list(services)
    assert (received.state, received.counts["limit"]) == (ListState.HELD, "old")
    assert await bound_codes(directory, clock) == []
    await give(listed(3, codes=CODES[:1], made_at=clock.now()))
    replayed = await give(listed(2, made_at=clock.now()))
    assert (replayed.verdict, replayed.code) == ("refused", "FEED-ROLLED-BACK")
    assert await bound_codes(directory, clock) == CODES[:1]


async def test_threat_149_two_lists_of_one_number_stop_the_issuer(
    both: Both, give: Give, directory: SqlDirectory, services: DecisionServices, clock: ManualClock
) -> None:
    await delegated(both, wait_hours=24)
    await give(listed(1))
    await give(listed(2, made_at=clock.now()))
    for sequence in (2, 1):  # also a number that is in force no longer
        split = await give(listed(sequence, codes=CODES[3:], made_at=clock.now()))
        assert (split.verdict, split.code) == ("refused", "FEED-CONFLICT")
    clock.advance(25 * HOUR)
    await delegation.judge_undecided(services)
    assert await bound_codes(directory, clock) == []
    assert (await the_list(services, 2)).counts["limit"] == "stopped"
    subject = issuer_subject(ISSUER)
    assert len(await event_data(services, subject, EventKind.LIST_SPLIT)) == 2
    # Two people who set the policy anew go on.
    await delegated(both)
    await delegation.judge_undecided(services)
    assert await bound_codes(directory, clock) == CODES[:3]


async def test_threat_150_an_officer_who_left_or_whose_certificate_is_over_does_not_count(
    both: Both, give: Give, directory: SqlDirectory, services: DecisionServices, clock: ManualClock
) -> None:
    brief = feeds.officer("brief", not_after=clock.now() + timedelta(hours=30))
    officers = tuple(delegation.officer_of(o.certificate_der) for o in (FIRST, SECOND, brief))
    await delegated(both, officers=officers, wait_hours=24)
    await give(listed(1))
    struck = pki_digest(SECOND)
    await delegation.strike_officer(services, await both[0].signed_in(), ISSUER, struck, "left")
    await give(listed(2, codes=CODES[:1], officers=(FIRST, brief), made_at=clock.now()))
    assert (await the_list(services, 2)).state is ListState.WAITING
    clock.advance(31 * HOUR)
    await delegation.judge_undecided(services)
    for sequence in (1, 2):
        assert (await the_list(services, sequence)).state is ListState.UNSIGNED
    assert await bound_codes(directory, clock) == []


async def test_threat_151_a_list_over_a_limit_is_held_entirely(
    both: Both, give: Give, directory: SqlDirectory, services: DecisionServices, clock: ManualClock
) -> None:
    await delegated(both, most_per_day=4, codes=("Z91",))
    await give(listed(1))
    await give(listed(2, codes=CODES[:5], made_at=clock.now()))
    received = await the_list(services, 2)
    assert (received.state, received.counts["limit"], received.counts["held"]) == (ListState.HELD, "day", 2)
    clock.advance(25 * HOUR)
    await give(listed(3, codes=CODES[:5], made_at=clock.now()))
    assert await bound_codes(directory, clock) == CODES[:5]
    await delegated(both, most_share=10)
    await give(listed(4, codes=CODES, made_at=clock.now()))
    assert (await the_list(services, 4)).counts["limit"] == "share"
    await delegated(both, codes=("Z91.01", "Z92"))
    await delegation.judge_undecided(services)
    assert (await the_list(services, 4)).state is ListState.HELD, "its code is not below those of the policy"
    await people.approved(
        both[1], await delegation.propose_list(services, await both[0].signed_in(), ISSUER, 4)
    )
    assert await bound_codes(directory, clock) == CODES


async def test_threat_152_rows_put_in_past_the_application_are_not_proved_by_a_list(
    both: Both,
    give: Give,
    edit: Edit,
    directory: SqlDirectory,
    services: DecisionServices,
    clock: ManualClock,
) -> None:
    await delegated(both, wait_hours=1)
    await give(listed(1))
    # Neither a row beside the list, nor another time of receiving, brings anything into force early.
    await edit("UPDATE registry_list SET received_at = made_at, due_at = made_at")
    await delegation.judge_undecided(services)
    assert await bound_codes(directory, clock) == []
    clock.advance(2 * HOUR)
    await delegation.judge_undecided(services)
    assert await bound_codes(directory, clock) == CODES[:3]

    await edit("UPDATE agency_binding SET code = :moved WHERE code = :code", moved=CODES[5], code=CODES[0])
    assert {(d.kind, d.code) for d in await directory.differences()} == {
        ("untold", CODES[5]),
        ("missing", CODES[0]),
    }
    assert await bound_codes(directory, clock) == CODES[1:3]
    await edit("UPDATE agency_binding SET code = :code WHERE code = :moved", moved=CODES[5], code=CODES[0])
    assert await directory.differences() == []
    await give(listed(2, codes=CODES, made_at=clock.now()))
    assert (await the_list(services, 2)).state is ListState.WAITING
    await edit("UPDATE registry_list SET content = :other WHERE sequence = 2", other=zlib.compress(b"{}"))
    clock.advance(2 * HOUR)
    await delegation.judge_undecided(services)
    damaged = await the_list(services, 2)
    assert (damaged.state, damaged.counts["limit"]) == (ListState.HELD, "damaged")
    await edit("DELETE FROM agency_binding WHERE code = :code", code=CODES[0])
    (missing,) = await directory.differences()
    assert (missing.kind, missing.code) == ("missing", f"{ISSUER} 1")


def pki_digest(officer: pki.KeySigner) -> str:
    return pki_digest_of(officer.certificate_der)


def pki_digest_of(certificate_der: bytes) -> str:
    return hashlib.sha256(certificate_der).hexdigest()


async def test_only_persons_with_the_role_decide(
    both: Both, services: DecisionServices, clock: ManualClock
) -> None:
    await delegated(both)
    clerk = await people.enrolled(services, "Chi", (), await both[0].signed_in())
    for act in (
        delegation.recall_policy(services, await clerk.signed_in(), ISSUER, "x"),
        delegation.strike_officer(services, await clerk.signed_in(), ISSUER, pki_digest(FIRST), "x"),
        delegation.end_bindings(services, await clerk.signed_in(), ["bnd_1"], "x"),
    ):
        with pytest.raises(Denied):
            await act


async def bind_locally(both: Both, *codes: str) -> None:
    own = [
        Binding(
            code=code, certificate_der=certificate(code), valid_from=pki.NOT_BEFORE, valid_to=pki.NOT_AFTER
        )
        for code in codes
    ]
    await people.approved(both[1], await people.proposed(both[0], *own))


def changing(
    sequence: int, *changed: AgencyLine, officers: Sequence[pki.KeySigner] = OFFICERS, **header: Any
) -> bytes:
    """Build a list with these rows in place of the usual ones."""
    codes = {line.code for line in changed}
    rows = [line for line in AGENCIES if line.code not in codes]
    return feeds.trust_feed([*rows, *changed], sequence, officers=officers, **header)


async def changes_of(services: DecisionServices, sequence: int) -> dict[str, RowStanding]:
    async with services.decisions.read() as view:
        judged = await delegation.judge_list(services, view, await view.lists.get(ISSUER, sequence))
    return {row.row.code: row.standing for row in judged.of_kind(AGENCY)}


def heir(code: str, successor: str, yesterday: date) -> AgencyLine:
    return feeds.agency(code, parent="Z91", valid_to=yesterday, successor=successor)


async def test_a_policy_puts_in_force_what_officers_signed_and_covers_after_the_waiting_time(
    both: Both, give: Give, directory: SqlDirectory, services: DecisionServices, clock: ManualClock
) -> None:
    today = local(clock.now()).date()
    yesterday = today - timedelta(days=1)
    await give(listed(1, codes=()))
    await bind_locally(both, *CODES[:3])
    await delegated(both, wait_hours=24, codes=(CODES[0], CODES[1]))
    closed = [heir(code, CODES[5], yesterday) for code in CODES[:3]]

    unsigned = await give(changing(2, *closed, officers=OFFICERS[:1]))
    assert (unsigned.held, (await the_list(services, 2)).state) == (3, ListState.UNSIGNED)
    await give(changing(3, *closed, made_at=clock.now()))
    assert (await the_list(services, 3)).state is ListState.WAITING
    assert await directory.taken_over(CODES[5], today) == {}
    clock.advance(12 * HOUR)
    # The same changes in a newer list go on waiting with the earlier one.
    await give(changing(4, *closed, made_at=clock.now()))
    clock.advance(13 * HOUR)
    await delegation.judge_undecided(services)

    today = local(clock.now()).date()
    by = f"{ISSUER} 3"
    assert await directory.taken_over(CODES[5], today) == {CODES[0]: by, CODES[1]: by}
    assert (await the_list(services, 3)).state is ListState.HELD
    assert await changes_of(services, 3) == {CODES[2]: RowStanding.READY}
    entry = await directory.entry(CODES[2])
    assert entry is not None
    assert entry.valid_to is None
    proposal = await delegation.propose_list(services, await both[0].signed_in(), ISSUER, 3, kind=AGENCY)
    await people.approved(both[1], proposal)
    assert (await directory.taken_over(CODES[5], today))[CODES[2]] == proposal.id
    assert (await the_list(services, 3)).state is ListState.DONE


async def test_changes_of_codes_count_for_the_limit_of_a_day(
    both: Both, give: Give, directory: SqlDirectory, services: DecisionServices, clock: ManualClock
) -> None:
    yesterday = local(clock.now()).date() - timedelta(days=1)
    await give(listed(1, codes=()))
    await bind_locally(both, *CODES[:3])
    await delegated(both, most_per_day=2)
    closed = [heir(code, CODES[5], yesterday) for code in CODES[:3]]
    await give(changing(2, *closed[:2]))
    assert (await the_list(services, 2)).state is ListState.DONE
    await give(changing(3, *closed))
    received = await the_list(services, 3)
    assert (received.state, received.counts["limit"]) == (ListState.HELD, "day")
    assert len(await directory.taken_over(CODES[5], yesterday + timedelta(days=1))) == 2


async def test_what_a_later_list_no_longer_changes_is_gone_and_a_missing_code_stays(
    both: Both, give: Give, directory: SqlDirectory, services: DecisionServices, clock: ManualClock
) -> None:
    yesterday = local(clock.now()).date() - timedelta(days=1)
    await give(listed(1, codes=()))
    await bind_locally(both, CODES[0], CODES[1])
    await give(changing(2, heir(CODES[0], CODES[5], yesterday)))
    assert await changes_of(services, 2) == {CODES[0]: RowStanding.READY}
    await give(feeds.trust_feed([line for line in AGENCIES if line.code != CODES[1]], 3))
    assert await changes_of(services, 2) == {}
    assert await changes_of(services, 3) == {CODES[1]: RowStanding.READY}
    assert await directory.find(CODES[1], local(clock.now()).date()) is not None
    # An old form in use stays with its code, although the list gives it to another one.
    await give(changing(4, feeds.agency(CODES[0], parent="Z91", alias="000.00.01.Z91")))
    await people.approved(
        both[1], await delegation.propose_list(services, await both[0].signed_in(), ISSUER, 4, kind=AGENCY)
    )
    await give(changing(5, feeds.agency("Z91.00", parent="Z91", alias="000.00.01.Z91")))
    assert {*await changes_of(services, 5)} == {CODES[0], "Z91.00"}
    resolved = await directory.resolve("000.00.01.Z91", local(clock.now()).date())
    assert resolved.entry is not None
    assert resolved.entry.code == CODES[0]
    await people.approved(
        both[1], await delegation.propose_list(services, await both[0].signed_in(), ISSUER, 5, kind=AGENCY)
    )
    resolved = await directory.resolve("000.00.01.Z91", local(clock.now()).date())
    assert resolved.entry is not None
    assert resolved.entry.code == "Z91.00"


async def test_a_take_over_that_a_list_alone_brought_counts_once_two_people_approve_it(
    both: Both,
    give: Give,
    directory: SqlDirectory,
    services: DecisionServices,
    store: SqlStore,
    clock: ManualClock,
) -> None:
    today = local(clock.now()).date()
    yesterday = today - timedelta(days=1)
    await give(changing(1, heir(CODES[1], CODES[5], yesterday), officers=()))
    assert await directory.former([CODES[5]], today) == {CODES[1]: CODES[5]}, "mail finds its way by data"
    assert await directory.taken_over(CODES[5], today) == {}
    await bind_locally(both, CODES[0])
    async with store.writer.begin() as connection:  # as a former program did it
        closed = update(AGENCY_ROW).where(AGENCY_ROW.c.code == CODES[0])
        await connection.execute(closed.values(valid_to=yesterday, successor=CODES[5]))
    closed_codes = [heir(code, CODES[5], yesterday) for code in CODES[:2]]
    await give(changing(2, *closed_codes, officers=(), made_at=clock.now()))
    assert await changes_of(services, 2) == {CODES[0]: RowStanding.READY}
    proposal = await delegation.propose_list(services, await both[0].signed_in(), ISSUER, 2, kind=AGENCY)
    await people.approved(both[1], proposal)
    assert await directory.taken_over(CODES[5], today) == {CODES[0]: proposal.id}


async def test_a_list_alone_ends_no_agency_of_this_node_and_may_name_its_host(
    give: Give, directory: SqlDirectory, services: DecisionServices, store: SqlStore, clock: ManualClock
) -> None:
    own = HostedAgency(id="agy_own", code=CODES[0], name="Own", numbering=NumberingMode.B)
    await store.accounts.add_hosted(own)
    yesterday = local(clock.now()).date() - timedelta(days=1)
    ended = heir(CODES[0], CODES[5], yesterday).model_copy(update={"host": "here"})
    assert (await give(changing(1, ended))).held == 1
    entry = await directory.entry(CODES[0])
    assert entry is not None
    assert (entry.host, entry.valid_to, entry.successor) == ("here", None, None)
    assert await changes_of(services, 1) == {CODES[0]: RowStanding.READY}
