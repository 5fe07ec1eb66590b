"""Approval by two people (K6): every way in which one person could be two is refused, and nothing else is."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.person import BindingChange, Person, Proposal, ProposalContent, ProposalState, Role
from gateway.policy import two_people
from gateway.policy.two_people import AGE, OPEN_FOR, Objection
from tests.support.cases import Cases

NOW = datetime(2026, 11, 20, 1, 0, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=30)
CERTIFICATE = base64.b64encode(b"what stands for a certificate").decode()
CONTENT = ProposalContent(
    bindings=(
        BindingChange(
            code="Z91.07", certificate=CERTIFICATE, valid_from=NOW, valid_to=NOW + timedelta(days=365)
        ),
    )
)
PROPOSAL = Proposal(
    id="prp_1",
    content=CONTENT,
    proposed_by="one",
    proposed_at=NOW - timedelta(hours=1),
    expires_at=NOW - timedelta(hours=1) + OPEN_FOR,
)


def person(id: str, **more: object) -> Person:
    new_person = Person(
        id=id,
        name=id,
        roles=frozenset({Role.TRUST}),
        added_by="operator",
        added_at=LONG_AGO,
        roles_by="operator",
        roles_at=LONG_AGO,
        enrolled_at=LONG_AGO,
    )
    return replace(new_person, **more)  # type: ignore[arg-type]  # fields by name


def judged(
    proposal: Proposal = PROPOSAL,
    proposer: Person | None = None,
    approver: Person | None = None,
    words: tuple[str, ...] = CONTENT.expected,
    now: datetime = NOW,
    *,
    first_digest: str | None = PROPOSAL.digest,
    shown_digest: str = PROPOSAL.digest,
    in_set_up: bool = False,
    one_hand: bool = False,
) -> Objection | None:
    return two_people.check_approving(
        proposal,
        proposer or person("one"),
        approver or person("two"),
        words,
        now,
        recorded_digest=first_digest,
        shown_digest=shown_digest,
        in_set_up=in_set_up,
        one_hand=one_hand,
    )


def test_two_people_of_age_may_and_in_set_up_nothing_but_the_age_is_waived() -> None:
    """Digits may be written as people write them."""
    (digits,) = CONTENT.expected
    colons = ":".join(digits[n : n + 2] for n in range(0, 16, 2))
    for typed_text in (digits, f" {digits} ", digits.upper(), colons):
        assert judged(words=(typed_text,)) is None

    fresh = person("two", added_at=NOW, roles_at=NOW, enrolled_at=NOW)

    assert judged(approver=fresh, in_set_up=True) is None
    assert judged(approver=replace(fresh, roles_by="one"), in_set_up=True) is Objection.CHANGED
    assert judged(approver=fresh, in_set_up=True, one_hand=True) is Objection.CHANGED
    assert judged(approver=fresh, words=(), in_set_up=True) is Objection.DIGITS
    assert judged(one_hand=True) is None, "of age it does not matter who gave the roles"


YOUNG = NOW - AGE + timedelta(seconds=1)


def test_threat_113_each_way_to_act_as_two_is_refused(cases: Cases) -> None:
    far = replace(PROPOSAL, expires_at=NOW + timedelta(days=99))
    rows: list[tuple[dict[str, Any], Objection]] = [
        ({"approver": person("one")}, Objection.SAME),
        ({"proposer": person("three")}, Objection.SAME),
        ({"approver": person("two", roles=frozenset({Role.PEOPLE}))}, Objection.ROLE),
        ({"proposer": person("one", roles=frozenset())}, Objection.ROLE),
        ({"approver": person("two", blocked_at=NOW)}, Objection.INACTIVE),
        ({"proposer": person("one", blocked_at=NOW)}, Objection.INACTIVE),
        ({"approver": person("two", enrolled_at=None)}, Objection.INACTIVE),
        ({"approver": person("two", added_at=YOUNG)}, Objection.YOUNG),
        ({"approver": person("two", roles_at=YOUNG)}, Objection.YOUNG),
        ({"approver": person("two", enrolled_at=YOUNG)}, Objection.YOUNG),
        ({"proposer": person("one", roles_by="two", roles_at=YOUNG)}, Objection.CHANGED),
        ({"typed": ()}, Objection.DIGITS),
        ({"typed": ("0" * 16,)}, Objection.DIGITS),
        ({"typed": (CONTENT.expected[0][1:],)}, Objection.DIGITS),
        ({"typed": (*CONTENT.expected, *CONTENT.expected)}, Objection.DIGITS),
        ({"now": NOW + OPEN_FOR}, Objection.EXPIRED),
        ({"proposal": far, "now": NOW + OPEN_FOR}, Objection.EXPIRED),
        ({"proposal": replace(PROPOSAL, reason="another")}, Objection.EDITED),
        ({"seen": "0" * 64}, Objection.EDITED),
        ({"first_made": None}, Objection.EDITED),
        ({"proposal": replace(PROPOSAL, state=ProposalState.APPROVED)}, Objection.CLOSED),
    ]
    for changes, objection in rows:
        with cases.case(changes):
            assert judged(**changes) is objection


MOMENTS = st.datetimes(datetime(2026, 10, 1), datetime(2026, 12, 31), timezones=st.just(UTC))
PERSONS = st.builds(
    person,
    st.sampled_from(["one", "two", "three"]),
    roles=st.frozensets(st.sampled_from(Role)),
    added_at=MOMENTS,
    roles_by=st.sampled_from(["one", "two", "three", "operator"]),
    roles_at=MOMENTS,
    enrolled_at=st.none() | MOMENTS,
    blocked_at=st.none() | MOMENTS,
)


@given(PERSONS, PERSONS, MOMENTS, st.sampled_from([CONTENT.expected, (), ("0" * 16,)]), st.booleans())
def test_whatever_passes_is_two_different_people_with_the_role_and_the_digits(
    proposer: Person, approver: Person, now: datetime, words: tuple[str, ...], first: bool
) -> None:
    if judged(proposer=proposer, approver=approver, words=words, now=now, in_set_up=first) is not None:
        return
    assert proposer.id == "one" != approver.id
    assert all(person.is_active and Role.TRUST in person.roles for person in (proposer, approver))
    assert words == CONTENT.expected
    assert now < PROPOSAL.expires_at
    for subject, other in ((proposer, approver), (approver, proposer)):
        assert subject.roles_by != other.id or now - subject.roles_at >= AGE
    if not first:
        assert now - max(approver.added_at, approver.roles_at, approver.enrolled_at or now) >= AGE


def test_the_operator_gives_roles_only_while_no_person_can() -> None:
    head = person("one", roles=frozenset({Role.PEOPLE}))

    assert two_people.check_administering(None, []) is None
    assert two_people.check_administering(None, [replace(head, enrolled_at=None)]) is None
    assert two_people.check_administering(None, [replace(head, blocked_at=NOW)]) is None
    assert two_people.check_administering(None, [head]) is Objection.ROLE
    assert two_people.check_administering(head, [head]) is None
    assert two_people.check_administering(person("two"), [head]) is Objection.ROLE


def test_one_person_says_no_and_only_to_what_is_open() -> None:
    assert two_people.check_rejecting(PROPOSAL, person("one")) is None
    assert two_people.check_rejecting(PROPOSAL, person("two", roles=frozenset())) is Objection.ROLE
    assert (
        two_people.check_rejecting(replace(PROPOSAL, state=ProposalState.APPROVED), person("two"))
        is Objection.CLOSED
    )


@given(st.sampled_from(["id", "content", "proposed_by", "proposed_at", "expires_at", "reason"]))
def test_the_digest_is_of_the_whole_proposal_and_not_of_its_fate(field: str) -> None:
    other = {
        "id": "prp_2",
        "content": ProposalContent(
            bindings=(replace(CONTENT.bindings[0], valid_to=NOW + timedelta(days=366)),)
        ),
        "proposed_by": "two",
        "proposed_at": NOW,
        "expires_at": NOW,
        "reason": "another",
    }[field]

    assert replace(PROPOSAL, **{field: other}).digest != PROPOSAL.digest  # type: ignore[arg-type]  # by name
    assert replace(PROPOSAL, state=ProposalState.APPROVED, decided_by="two").digest == PROPOSAL.digest
