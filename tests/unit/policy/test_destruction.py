"""What may be destroyed: property tests over any facts and rules."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.destruction import DestructionRule, DisposalFacts, Obstacle
from gateway.domain.retention import Expiry, RetentionRow, RetentionStart, UnknownExpiry
from gateway.policy.destruction import find_obstacle, is_chosen

TODAY = date(2030, 1, 1)
DAYS = st.dates(TODAY - timedelta(days=3), TODAY + timedelta(days=3))
ROW = RetentionRow(
    name="10 năm", months=120, start=RetentionStart.YEAR_END, valid_from=date(2000, 1, 1), basis="QĐ 1"
)
EXPIRIES = st.one_of(
    st.none(),
    st.just(Expiry(is_permanent=True)),
    st.sampled_from(UnknownExpiry).map(lambda why: Expiry(unknown=why)),
    DAYS.map(lambda on: Expiry(on=on, row=ROW)),
)
FACTS = st.builds(
    DisposalFacts,
    expiry=EXPIRIES,
    is_destroyed=st.booleans(),
    is_preserved=st.booleans(),
    is_secret=st.booleans(),
    is_finished=st.booleans(),
    is_archived=st.booleans(),
)


@given(FACTS)
def test_only_a_finished_document_whose_retention_has_ended_and_that_nothing_holds_may_go(
    facts: DisposalFacts,
) -> None:
    obstacle = find_obstacle(facts, TODAY)

    is_blocked = facts.is_destroyed or facts.is_preserved or facts.is_secret or not facts.is_finished
    ended = facts.expiry is not None and facts.expiry.on is not None and facts.expiry.on < TODAY
    assert (obstacle is None) == ((ended or facts.is_archived) and not is_blocked)
    if facts.is_archived:
        return
    free = replace(facts, is_destroyed=False, is_preserved=False, is_secret=False, is_finished=True)
    expected = {
        None: facts.expiry is None,
        Obstacle.PERMANENT: facts.expiry is not None and facts.expiry.is_permanent,
    }
    if expected[None]:
        assert find_obstacle(free, TODAY) is Obstacle.NO_TABLE
    elif expected[Obstacle.PERMANENT]:
        assert find_obstacle(free, TODAY) is Obstacle.PERMANENT


def test_the_last_day_of_a_retention_is_kept_whole() -> None:
    for days, obstacle in ((0, Obstacle.NOT_ENDED), (1, None)):
        facts = DisposalFacts(expiry=Expiry(on=TODAY - timedelta(days=days), row=ROW))
        assert find_obstacle(facts, TODAY) is obstacle


@given(EXPIRIES, DAYS, st.sampled_from([(), ("10 NAM",), ("20 năm",)]), st.booleans())
def test_a_rule_chooses_named_documents_or_those_of_its_classes_that_ended_by_its_day(
    expiry: Expiry | None, last_day: date, classes: tuple[str, ...], names: bool
) -> None:
    rule = DestructionRule(until=last_day, classes=classes, documents=("inb_1",) if names else ())

    chosen = is_chosen(rule, "inb_1", expiry)

    if names:
        assert chosen
        assert not is_chosen(rule, "inb_2", expiry)
    else:
        ended = expiry is not None and expiry.on is not None and expiry.on <= last_day
        assert chosen == (ended and classes != ("20 năm",))
