"""Two people change what a node trusts; one person, a program or a changed row does not (K6)."""

from __future__ import annotations

import asyncio
import base64
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.deciding import DecisionServices, approvals, proposals
from gateway.deciding import people as deciding
from gateway.domain.certificates import KeyEnd
from gateway.domain.event import EventKind
from gateway.domain.person import AnchorChange, ProposalContent, ProposalState, Role
from gateway.domain.proof import Binding
from gateway.errors import Clash, Denied, NotFound
from gateway.registry.binding import fingerprint
from tests.support import people, pki
from tests.support.clock import ManualClock
from tests.unit.deciding.conftest import Pair, event_data, kinds, refused
from tools.pki import parts

DAY = timedelta(days=1)


def certificate(code: str, owner: str) -> Binding:
    der = pki.der(pki.root().issue(code, pki.key("p256", owner)))
    return Binding(code=code, certificate_der=der, valid_from=pki.NOT_BEFORE, valid_to=pki.NOT_AFTER)


def as_pem(der: bytes) -> str:
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM).decode()


async def test_a_certificate_speaks_for_a_code_once_a_second_person_approved(pair: Pair) -> None:
    binding = certificate("Z91.07", "one")

    proposal = await pair.propose(binding)
    assert await pair.directory.bindings("Z91.07") == []
    approved = await pair.approve(proposal)

    (bound,) = await pair.directory.bindings("Z91.07")
    assert bound.certificate_der == binding.certificate_der
    assert (bound.valid_from, bound.valid_to) == (proposal.content.bindings[0].valid_from, binding.valid_to)
    assert approved.state is ProposalState.APPROVED
    assert await pair.kinds(proposal.id) == [EventKind.PROPOSAL_CREATED, EventKind.PROPOSAL_APPROVED]
    assert await pair.kinds("binding:Z91.07") == [EventKind.BINDING_APPROVED]
    assert await pair.directory.differences() == []


async def test_many_certificates_come_into_force_together_or_not_at_all(pair: Pair) -> None:
    """The first set-up of a node: all partners in one proposal, before any account is a day old."""
    good = [certificate(f"Z91.0{n}", f"key {n}") for n in range(1, 4)]

    with pytest.raises(Clash, match="one key speaks for one code"):
        await pair.decide(*good, certificate("Z91.09", "key 1"))
    assert [await pair.directory.bindings(binding.code) for binding in good] == [[], [], []]
    await pair.decide(*good)

    assert [len(await pair.directory.bindings(binding.code)) for binding in good] == [1, 1, 1]


async def test_threat_113_a_proposer_cannot_approve_and_the_try_is_recorded(pair: Pair) -> None:
    """Wrong digits bind nothing either, and a rejected proposal is never approved."""
    proposal = await pair.propose(certificate("Z91.07", "one"))

    await refused(people.approved(pair.an, proposal), "GW-TWO-PEOPLE")
    assert (await pair.kinds(proposal.id))[-1] is EventKind.PROPOSAL_REFUSED
    second = await pair.binh.signed_in()
    wrong = approvals.approve(pair.services, second, proposal.id, ("0" * 16,), proposal.digest)
    await refused(wrong, "GW-TWO-DIGITS")
    await approvals.reject(pair.services, await pair.binh.signed_in(), proposal.id, "not what they told us")
    await refused(pair.approve(proposal), "GW-TWO-CLOSED")
    assert await pair.directory.bindings("Z91.07") == []

    clerk = await people.enrolled(pair.services, "Clerk", [Role.HEAD], by=await pair.an.signed_in())
    await refused(people.proposed(clerk, certificate("Z91.07", "one")), "GW-TWO-ROLE")


async def test_threat_113_an_account_made_for_it_cannot_approve_for_a_day(pair: Pair) -> None:
    """One person acts as two: makes an account, enrols it, approves with it."""
    await approvals.end_set_up(pair.services, await pair.an.signed_in())
    own = await people.enrolled(pair.services, "Second self", by=await pair.an.signed_in())
    proposal = await pair.propose(certificate("Z91.07", "one"))

    await refused(people.approved(own, proposal), "GW-TWO-YOUNG")
    # Another one's roles, changed by the proposer, are as good as an account of the proposer's own.
    await deciding.give(pair.services, await pair.an.signed_in(), "operator", "Binh", [Role.TRUST])
    pair.clock.advance(timedelta(hours=23))
    await refused(pair.approve(proposal), "GW-TWO-YOUNG")
    assert await pair.directory.bindings("Z91.07") == []
    pair.clock.advance(timedelta(hours=2))
    await pair.approve(proposal)


async def test_threat_113_who_gave_the_proposer_its_role_today_cannot_approve(pair: Pair) -> None:
    await pair.decide(certificate("Z91.01", "first"))
    pair.clock.advance(2 * DAY)
    await deciding.give(pair.services, await pair.binh.signed_in(), "operator", "An", people.DECIDERS)

    proposal = await pair.propose(certificate("Z91.07", "one"))
    await refused(pair.approve(proposal), "GW-TWO-CHANGED")


async def test_threat_113_in_set_up_too_one_person_cannot_act_as_two(pair: Pair) -> None:
    """With an account of one's own making, and with two of them."""
    first, two = [
        await people.enrolled(pair.services, name, by=await pair.an.signed_in())
        for name in ("Self two", "Self three")
    ]

    for proposer in (pair.an, two):
        proposal = await people.proposed(proposer, certificate("Z91.07", "one"))
        await refused(people.approved(first, proposal), "GW-TWO-CHANGED")


async def test_threat_113_who_is_no_person_cannot_act_at_all(pair: Pair) -> None:
    """API keys, operators and the node are principals; people are something else, and only people sign in."""
    await pair.propose(certificate("Z91.07", "one"))

    for principal in ("operator", "prn_nobody"):
        async with pair.services.decisions.read() as view:
            with pytest.raises(NotFound):
                await view.people.get(principal)
        with pytest.raises(Denied):
            await deciding.add(pair.services, None, principal, "Somebody", [Role.TRUST])


async def test_threat_113_a_proposal_edited_after_the_first_look_is_refused(pair: Pair) -> None:
    """In the database, past the application: with the same certificate and another code."""
    proposal = await pair.propose(certificate("Z91.07", "one"))
    await pair.edit("UPDATE proposal SET content = replace(content, 'Z91.07', 'Z91.08')")
    edited = await approvals.get_proposal(pair.services, proposal.id)

    for digest in (proposal.digest, edited.digest):
        person = await pair.binh.signed_in()
        act = approvals.approve(pair.services, person, proposal.id, edited.content.expected, digest)
        await refused(act, "GW-TWO-EDITED")
    assert await pair.directory.bindings("Z91.08") == []


async def test_threat_113_a_stale_proposal_is_closed_and_never_approved(pair: Pair) -> None:
    proposal = await pair.propose(certificate("Z91.07", "one"))
    pair.clock.advance(timedelta(hours=72))

    for code in ("GW-TWO-EXPIRED", "GW-TWO-CLOSED"):
        await refused(pair.approve(proposal), code)
    assert (await approvals.get_proposal(pair.services, proposal.id)).state is ProposalState.EXPIRED


async def test_two_who_approve_at_once_bind_once(pair: Pair) -> None:
    chi = await people.enrolled(pair.services, "Chi", by=await pair.binh.signed_in())
    proposal = await pair.propose(certificate("Z91.07", "one"))
    both = [await pair.binh.signed_in(), await chi.signed_in()]

    outcomes = await asyncio.gather(
        *(
            approvals.approve(pair.services, person, proposal.id, proposal.content.expected, proposal.digest)
            for person in both
        ),
        return_exceptions=True,
    )

    refused = [outcome for outcome in outcomes if isinstance(outcome, Denied)]
    assert [r.code for r in refused] in (["GW-TWO-CLOSED"], ["GW-TWO-CHANGED"])
    assert len(await pair.directory.bindings("Z91.07")) == 1


async def test_threat_048_a_new_certificate_overlaps_the_old_one_for_the_time_proposed(pair: Pair) -> None:
    """K5"""
    old, new = certificate("Z91.07", "old"), certificate("Z91.07", "new")
    await pair.decide(old)
    pair.clock.advance(2 * DAY)
    start = pair.clock.now() + DAY
    change = proposals.binding_change(
        await pair.directory.bindings("Z91.07"), new, pair.clock.now(), timedelta(days=30), at=start
    )
    content = ProposalContent(bindings=(change,))

    await pair.decide(content=content)

    ending, renewed = await pair.directory.bindings("Z91.07")
    assert (ending.valid_to, renewed.valid_from) == (start + timedelta(days=30), start)
    assert await pair.kinds("binding:Z91.07") == [
        EventKind.BINDING_APPROVED,
        EventKind.BINDING_ENDING,
        EventKind.BINDING_APPROVED,
    ]
    assert await pair.directory.differences() == []


async def test_threat_102_one_key_under_two_codes_is_refused_when_it_is_approved(pair: Pair) -> None:
    await pair.decide(certificate("Z91.07", "one"))
    pair.clock.advance(2 * DAY)
    proposal = await pair.propose(certificate("Z91.08", "one"))

    with pytest.raises(Clash, match=r"bound to Z91\.07 already"):
        await pair.approve(proposal)

    assert await pair.directory.bindings("Z91.08") == []
    assert (await approvals.get_proposal(pair.services, proposal.id)).state is ProposalState.OPEN


async def test_one_person_withdraws_at_once(pair: Pair) -> None:
    binding = certificate("Z91.07", "one")
    await pair.decide(binding)

    await proposals.withdraw_binding(
        pair.services, "operator", "Z91.07", fingerprint(binding.certificate_der), "told by telephone"
    )

    (bound,) = await pair.directory.bindings("Z91.07")
    assert bound.valid_to == pair.services.clock.now()
    assert await pair.directory.in_force(pair.services.clock.now()) == []
    assert (await pair.kinds("binding:Z91.07"))[-1] is EventKind.BINDING_WITHDRAWN
    assert await pair.directory.differences() == []


TAMPERED = {
    "a row put in": "INSERT INTO agency_binding (id, code, fingerprint, certificate_pem, state, proposed_by, approved_by,"
    " created_at) SELECT 'x', 'Z91.08', fingerprint, certificate_pem, 'active', proposed_by, approved_by, created_at"
    " FROM agency_binding",
    "a longer time": "UPDATE agency_binding SET valid_to = NULL",
    "another certificate": "UPDATE agency_binding SET certificate_pem = :pem",
    "another code": "UPDATE agency_binding SET code = 'Z91.08'",
    "no binding": "DELETE FROM agency_binding",
}


@pytest.mark.parametrize("how", TAMPERED)
async def test_threat_114_a_row_changed_past_the_application_is_named_and_not_used(
    pair: Pair, how: str
) -> None:
    binding, other = certificate("Z91.07", "one"), certificate("Z91.07", "two")
    await pair.decide(binding)
    values = {"pem": as_pem(other.certificate_der)} if ":pem" in TAMPERED[how] else {}
    await pair.edit(TAMPERED[how], **values)

    differences = await pair.changes.report_differences()
    used = [*await pair.directory.bindings("Z91.07"), *await pair.directory.bindings("Z91.08")]

    assert differences, how
    assert all(b.certificate_der == binding.certificate_der and b.valid_to for b in used)
    assert len(used) == (1 if how == "a row put in" else 0)
    assert await pair.directory.in_force(pair.services.clock.now()) == used
    alerts = [*await pair.kinds("binding:Z91.07"), *await pair.kinds("binding:Z91.08")]
    assert alerts.count(EventKind.BINDING_ORPHAN) == len(differences)
    await pair.changes.report_differences()
    alerts_after = [*await pair.kinds("binding:Z91.07"), *await pair.kinds("binding:Z91.08")]
    assert alerts_after == alerts, "each is told once"


async def test_day_one_is_finished_in_set_up_and_each_approval_of_it_is_marked(pair: Pair) -> None:
    """The first bound certificate ends nothing: the second, and a root, follow on the same day."""
    proposals = []
    for code in ("Z91.07", "Z91.08"):
        proposals.append(await pair.propose(certificate(code, code)))
        await pair.approve(proposals[-1])
    proposals.append(await pair.propose(content=anchored(pki.der(pki.root().certificate))))
    await pair.approve(proposals[-1])

    marks = [
        await event_data(pair.services, proposal.id, EventKind.PROPOSAL_APPROVED) for proposal in proposals
    ]
    assert [mark["set_up"] for (mark,) in marks] == [True, True, True]
    assert len(await pair.directory.in_force(pair.clock.now())) == 2


async def test_set_up_ends_by_a_person_and_what_follows_needs_a_day_and_has_no_mark(pair: Pair) -> None:
    """Only a person who decides about trust ends it."""
    chi = await people.enrolled(pair.services, "Chi", (Role.HEAD,), by=await pair.an.signed_in())
    with pytest.raises(Denied):
        await approvals.end_set_up(pair.services, await chi.signed_in())
    assert await pair.kinds(approvals.SET_UP) == [EventKind.SET_UP_BEGUN]
    await approvals.end_set_up(pair.services, await pair.an.signed_in())

    proposal = await pair.propose(certificate("Z91.07", "one"))
    await refused(pair.approve(proposal), "GW-TWO-YOUNG")
    pair.clock.advance(DAY)
    await pair.approve(proposal)

    (approved,) = await event_data(pair.services, proposal.id, EventKind.PROPOSAL_APPROVED)
    assert "set_up" not in approved
    assert await pair.kinds(approvals.SET_UP) == [EventKind.SET_UP_BEGUN, EventKind.SET_UP_ENDED]
    with pytest.raises(Clash, match="not in set-up"):
        await approvals.end_set_up(pair.services, await pair.an.signed_in())


async def test_set_up_is_over_after_72_hours_and_no_second_init_reopens_it(
    services: DecisionServices, clock: ManualClock
) -> None:
    ends_at = await approvals.begin_set_up(services, "operator")
    clock.advance(3 * DAY - timedelta(seconds=1))
    assert await approvals.begin_set_up(services, "operator") == ends_at
    clock.advance(timedelta(seconds=1))
    assert await approvals.begin_set_up(services, "operator") is None

    an, binh = await people.two(services)
    proposal = await people.proposed(an, certificate("Z91.07", "one"))
    await refused(people.approved(binh, proposal), "GW-TWO-YOUNG")
    assert await kinds(services, approvals.SET_UP) == [EventKind.SET_UP_BEGUN]


async def test_a_clock_that_went_back_does_not_lengthen_the_set_up(
    services: DecisionServices, clock: ManualClock
) -> None:
    clock.advance(30 * DAY)
    assert await approvals.begin_set_up(services, "operator") is not None
    clock.advance(-30 * DAY)

    assert await approvals.begin_set_up(services, "operator") is None


async def test_threat_114_an_emptied_table_does_not_bring_back_the_first_set_up(pair: Pair) -> None:
    """Set-up asks for no account of a day's age, so an emptied table must not begin it again."""
    await pair.decide(certificate("Z91.07", "one"))
    await approvals.end_set_up(pair.services, await pair.an.signed_in())
    await pair.edit("DELETE FROM agency_binding")
    assert await approvals.begin_set_up(pair.services, "operator") is None

    proposal = await pair.propose(certificate("Z91.08", "two"))
    await refused(pair.approve(proposal), "GW-TWO-YOUNG")
    assert await pair.directory.bindings("Z91.08") == []


async def test_threat_114_an_end_that_one_person_sets_makes_no_changed_binding_good(pair: Pair) -> None:
    """Withdrawn; then the row is changed past the application, and the key retired by a date years ahead."""
    binding = certificate("Z91.07", "one")
    mine = fingerprint(binding.certificate_der)
    await pair.decide(binding)
    await proposals.withdraw_binding(pair.services, "operator", "Z91.07", mine, "told by telephone")
    pair.clock.advance(DAY)
    await pair.edit("UPDATE agency_binding SET valid_to = NULL")

    ends_at = pair.clock.now() + 1000 * DAY
    await proposals.retire_key(
        pair.services, KeyEnd(agency_code="Z91.07", fingerprint=mine, key_id="one", at=ends_at, by="operator")
    )

    assert await pair.directory.in_force(pair.clock.now()) == []
    assert [difference.kind for difference in await pair.directory.differences()] == ["changed"]


async def test_a_row_that_holds_no_certificate_stops_nobody_from_being_bound(pair: Pair) -> None:
    """And two people put a changed binding right (threat 114)."""
    binding = certificate("Z91.07", "one")
    await pair.decide(binding)
    pair.clock.advance(2 * DAY)
    await pair.edit("UPDATE agency_binding SET valid_to = NULL")
    assert await pair.directory.bindings("Z91.07") == []
    await pair.decide(binding)
    assert len(await pair.directory.bindings("Z91.07")) == 1
    assert await pair.directory.differences() == []

    await pair.edit("UPDATE agency_binding SET certificate_pem = 'no certificate'")
    await pair.decide(certificate("Z91.08", "two"))
    assert len(await pair.directory.bindings("Z91.08")) == 1


def anchored(der: bytes) -> ProposalContent:
    return ProposalContent(anchors=(AnchorChange(certificate=base64.b64encode(der).decode()),))


async def test_threat_115_a_root_certificate_needs_two_people_too(pair: Pair) -> None:
    proposal = await pair.propose(content=anchored(pki.der(pki.root().certificate)))
    assert pair.services.anchors.certificates() == []

    await pair.approve(proposal)

    (root,) = pair.services.anchors.certificates()
    assert isinstance(root, x509.Certificate)
    assert await pair.kinds("anchors") == [EventKind.ANCHOR_APPROVED]


async def test_an_anchor_that_a_node_would_not_start_with_is_refused_when_it_is_approved(pair: Pair) -> None:
    """It signs no certificates, it has names of an unknown kind, it is no authority."""
    span = (pki.NOT_BEFORE, pki.NOT_AFTER)
    root = parts.root("Root", span)
    odd = x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, b"\x30\x02\xa3\x00")
    unfit = [
        root.issue("Unfit", valid=span, authority=True, use=parts.usage("crl_sign")),
        root.issue("Unfit", (odd, False), valid=span, authority=True),
    ]

    ders = [*(pki.der(party.certificate) for party in unfit), certificate("Z91.07", "one").certificate_der]
    for der in ders:
        with pytest.raises(Clash, match="no authority"):
            await pair.decide(content=anchored(der))
        assert pair.services.anchors.certificates() == []
