"""The table of routes: whatever is asked has one answer, the narrowest rule's, in whatever order the rules stand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.routes import (
    FRESH,
    Breadth,
    Choice,
    Chooser,
    OnTrouble,
    Pattern,
    RouteTable,
    Rule,
    Trail,
    Turn,
    faults,
)
from tests.support.cases import Cases

AXES = ("amqp", "province", "national")
_PARTS = st.sampled_from(["H41", "H42", "07", "1", "x"])
CODES = st.lists(_PARTS, min_size=1, max_size=4).map(".".join)
NODES = st.none() | st.sampled_from(["n1", "n2"])
PATTERNS = st.one_of(
    st.just("*"), st.just("@*"), st.sampled_from(["@n1", "@n2"]), CODES, CODES.map(lambda code: f"{code}.*")
)
SENDERS = st.one_of(st.just("*"), CODES, CODES.map(lambda code: f"{code}.*"))


@st.composite
def tables(draw: st.DrawFn) -> tuple[Rule, ...]:
    pairs = draw(st.lists(st.tuples(PATTERNS, SENDERS), max_size=8))
    keys = {(Pattern.read(to), Pattern.read(sender)) for to, sender in [*pairs, ("*", "*")]}
    rules = [
        Rule(to=to, sender=sender, axes=(draw(st.sampled_from(AXES)),))
        for to, sender in sorted(keys, key=lambda key: (str(key[0]), str(key[1])))
    ]
    return tuple(draw(st.permutations(rules)))


@given(tables(), CODES, CODES, NODES)
def test_every_question_has_one_answer_whatever_the_order(
    rules: tuple[Rule, ...], sender: str, code: str, node: str | None
) -> None:
    assert faults(rules, AXES) == []
    chosen_rule = RouteTable(rules).rule(sender, code, node)

    fitting = [rule for rule in rules if rule.to.fits(code, node) and rule.sender.fits(sender)]
    assert chosen_rule in fitting
    assert [f for f in fitting if f.rank >= chosen_rule.rank] == [chosen_rule]
    assert RouteTable(rules[::-1]).rule(sender, code, node) == chosen_rule
    assert RouteTable(rules).rule(sender.lower(), code.lower(), node) == chosen_rule


@given(PATTERNS)
def test_the_text_of_a_pattern_is_read_back_as_the_same_pattern(text: str) -> None:
    assert Pattern.read(str(Pattern.read(text))) == Pattern.read(text)


@given(st.text(max_size=12))
def test_a_text_is_a_pattern_or_is_refused_in_words(text: str) -> None:
    try:
        pattern = Pattern.read(text)
    except ValueError:
        with pytest.raises(ValueError, match="write a code"):
            Pattern.read(text)
    else:
        assert Pattern.read(str(pattern)) == pattern


def rule(to: str, *axes: str, sender: str = "*", away: str = "wait", unsure: str = "wait") -> Rule:
    return Rule(
        to=Pattern.read(to),
        sender=Pattern.read(sender),
        axes=axes,
        away=OnTrouble(away),
        unsure=OnTrouble(unsure),
    )


def test_the_narrowest_holds_and_what_a_node_hosts_is_narrower_than_a_subtree() -> None:
    """A code, a node, any node, the deeper subtree, everything; then the narrower sender."""
    table = RouteTable(
        (
            rule("*", "rest"),
            rule("H41.*", "tree"),
            rule("H41.*", "theirs", sender="Z9.*"),
            rule("H41.05.*", "deep"),
            rule("@*", "nodes"),
            rule("@n1", "node"),
            rule("H41.07", "code"),
        )
    )
    axes = {
        ("H41.07", None, "H41"): "code",
        ("h41.07", "n1", "H41"): "code",
        ("H41.08", "n1", "H41"): "node",
        ("H41.08", "n9", "H41"): "nodes",
        ("H41.05.02", None, "H41"): "deep",
        ("H41.05", None, "H41"): "deep",
        ("H41.055", None, "H41"): "tree",
        ("H41", None, "H41"): "tree",
        ("H410", None, "H41"): "rest",
        ("@n1", None, "H41"): "node",
        ("@n9", None, "H41"): "nodes",
        ("H41.06", None, "Z9.1"): "theirs",
    }
    for (code, node, sender), axis in axes.items():
        assert table.rule(sender, code, node).axes == (axis,), (code, node, sender)


def test_a_table_goes_by_codes_served_and_says_all_that_is_wrong() -> None:
    rules = (rule("H41.*", "nowhere"), rule("h41.*", "amqp"), rule("H4", "amqp", "amqp"), rule("H5"))

    problems = faults(rules, AXES)

    assert len(problems) == 5
    assert "no axis is named nowhere; there are amqp, province, national" in problems[0]
    assert "there is a route for just this already" in problems[1]
    assert 'add one with to = "*"' in problems[-1]

    assert "from is one of your agencies' codes" in faults([rule("*", "amqp", sender="@*")], AXES)[0]
    assert Pattern.read("@*").breadth is Breadth.ANY_NODE

    chooser = Chooser(
        axes=AXES, is_away=lambda name: False, serves={"province": (Pattern.read("H41.*"),), "national": ()}
    )

    assert chooser.order(rule("*", *TWO), "H41.07") == [A, B]
    assert chooser.order(rule("*", *TWO), "H42") == [B]
    assert chooser.choose(rule("*", A), "H42") == Choice(Turn.NEVER)


def chosen(rule: Rule, trail: Trail = FRESH, *away: str) -> Choice:
    return Chooser(axes=AXES, is_away=lambda name: name in away).choose(rule, "H41", trail)


TWO = ("province", "national")
A, B = TWO


def test_what_is_done_for_one_recipient(cases: Cases) -> None:
    rows: list[tuple[Rule, Trail, tuple[str, ...], Turn, str]] = [
        (rule("*", *TWO), FRESH, (), Turn.SEND, A),
        (rule("*", *TWO), FRESH, (A,), Turn.WAIT, A),
        (rule("*", *TWO, away="next"), FRESH, (A,), Turn.MOVE, B),
        (rule("*", *TWO, away="next"), FRESH, (A, B), Turn.WAIT, A),
        (rule("*", *TWO, away="next"), Trail(axis=B), (A,), Turn.SEND, B),
        (rule("*", *TWO, away="next"), Trail(axis=B), (), Turn.SEND, B),
        (rule("*", *TWO, away="next"), Trail(axis=B), (B,), Turn.MOVE, A),
        (rule("*", *TWO, away="next"), Trail(axis=A, unsure=True), (A,), Turn.WAIT, A),
        (rule("*", *TWO, away="next"), Trail(unsure=True), (A,), Turn.WAIT, A),
        (rule("*", *TWO, away="next", unsure="next"), Trail(axis=A, unsure=True), (A,), Turn.MOVE, B),
        (rule("*", *TWO, away="next"), Trail(axis=B, refused=(A,)), (B,), Turn.WAIT, B),
        (rule("*", *TWO), Trail(refused=TWO), (), Turn.NEVER, ""),
        (rule("*", *TWO), Trail(axis="amqp"), (), Turn.SEND, "amqp"),
        (rule("*", *TWO), Trail(axis="amqp"), ("amqp",), Turn.WAIT, "amqp"),
        (rule("*", *TWO), Trail(axis="gone"), (), Turn.SEND, A),
        (rule("*", *TWO), Trail(axis="gone", unsure=True), (), Turn.WAIT, "gone"),
        (rule("*", *TWO, unsure="next"), Trail(axis="gone", unsure=True), (), Turn.SEND, A),
    ]
    for route, trail, away, turn, axis in rows:
        with cases.case((route, trail, away)):
            step = chosen(route, trail, *away)
            assert (step.turn, step.axis) == (turn, axis)


@given(
    st.sampled_from(list(OnTrouble)),
    st.sets(st.sampled_from(AXES)),
    st.sampled_from(["", *AXES]),
    st.lists(st.sampled_from(AXES), unique=True).map(tuple),
)
def test_what_one_axis_may_have_never_moves_where_the_route_does_not_allow_it(
    away: OnTrouble, tried: set[str], at: str, refused: tuple[str, ...]
) -> None:
    route = rule("*", *AXES, away=away)
    trail = Trail(axis=at, unsure=True, refused=refused)

    step = chosen(route, trail, *tried)

    assert step.turn is not Turn.MOVE
    if at and at not in refused:
        assert step.axis == at


def test_who_is_refused_by_one_goes_to_the_next_also_where_it_waits_for_those_away() -> None:
    chooser = Chooser(axes=AXES, is_away=lambda name: name == B)
    route, next_one = rule("*", A, B, "amqp"), rule("*", A, B, "amqp", away="next")

    assert chooser.after_refusal(route, "H41", FRESH, A) == Choice(Turn.MOVE, B)
    assert chooser.after_refusal(next_one, "H41", FRESH, A) == Choice(Turn.MOVE, "amqp")
    assert chooser.after_refusal(route, "H41", Trail(refused=(A, B)), "amqp") == Choice(Turn.NEVER, "amqp")
