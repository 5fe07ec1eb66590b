"""A plan keeps its promises from any state of the broker: it ends as the registry says, and no code that is hosted
before and after is ever out of reach on the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.registry import Hosting
from gateway.errors import Clash, Misconfigured
from gateway.transport.amqp import topology
from gateway.transport.broker.management import batches
from gateway.transport.broker.plan import (
    BrokerLayout,
    BrokerPlan,
    PlanStep,
    Queue,
    QueueBinding,
    QueuePolicy,
    Rights,
    Sign,
    State,
    User,
    Vhost,
    layout,
    plan,
    wanted_state,
)

ADMIN = "boss"
NODES = ("north", "south", "east")
CODES = ("Z91", "Z91.02", "Z92.01", "Z92.05", "000.00.07.Z91")
_PLACES = {
    "Exchange": "exchanges",
    "Queue": "queues",
    "QueuePolicy": "policies",
    "User": "users",
    "Rights": "rights",
}


def axis_of(nodes_by_code: Mapping[str, str]) -> BrokerLayout:
    return layout("v", [Hosting(node=node, code=code) for code, node in nodes_by_code.items()])


def as_live(axis: BrokerLayout, **counts: int) -> State:
    """Return the state of a broker that was brought to this layout; `counts` are messages by queue, dots as underscores."""
    state = wanted_state(axis, dict.fromkeys(axis.nodes, "hash"))
    queues = {
        name: replace(queue, messages=counts.get(name.replace(".", "_"), 0))
        for name, queue in state.queues.items()
    }
    bindings_live = frozenset(binding._replace(props=f"{binding.key}~") for binding in state.bindings)
    return replace(state, queues=queues, bindings=bindings_live, users={**state.users, ADMIN: boss()})


def boss() -> User:
    return User(name=ADMIN, tags=frozenset({"administrator"}), password_hash="hash")


def state_after(state: State, step: PlanStep) -> State:
    """Apply a step as an obedient broker does."""
    subject, removed = step.entity, step.sign is Sign.REMOVE
    if isinstance(subject, Vhost):
        return replace(state, exists=True)
    if isinstance(subject, QueueBinding):
        return replace(state, bindings=state.bindings - {subject} if removed else state.bindings | {subject})
    place = _PLACES[type(subject).__name__]
    name = subject.user if isinstance(subject, Rights) else subject.name
    remaining = {key: value for key, value in getattr(state, place).items() if key != name}
    changed: Any = {place: remaining if removed else {**remaining, name: subject}}
    state = replace(state, **changed)
    if removed and isinstance(subject, Queue):
        return replace(state, bindings=frozenset(x for x in state.bindings if x.destination != name))
    return state


def walked(state: State, changes: BrokerPlan) -> Iterator[State]:
    for step in changes.steps:
        state = state_after(state, step)
        yield state


def ends(state: State) -> set[QueueBinding]:
    return {binding.ends for binding in state.bindings}


hostings = st.dictionaries(st.sampled_from(CODES), st.sampled_from(NODES))
strays = st.frozensets(
    st.builds(
        QueueBinding,
        st.sampled_from(topology.EXCHANGES),
        st.sampled_from(["spy", "lienthong.west.normal", *map(topology.dead_queue, NODES)]),
        st.sampled_from(["z91", "z99", "@west"]),
        st.sampled_from(["queue", "exchange"]),
        st.just("some"),
    ),
    max_size=4,
)


@given(nodes_old=hostings, nodes_new=hostings, stray=strays, empty=st.booleans(), remove=st.booleans())
def test_any_state_becomes_that_of_the_registry_and_no_step_loses_a_code(
    nodes_old: dict[str, str],
    nodes_new: dict[str, str],
    stray: frozenset[QueueBinding],
    empty: bool,
    remove: bool,
) -> None:
    old = as_live(axis_of(nodes_old))
    live = State(vhost="v", exists=False, users={ADMIN: boss()}) if empty else old
    live = replace(live, bindings=live.bindings if empty else live.bindings | stray)
    goal = wanted_state(axis_of(nodes_new), dict.fromkeys(axis_of(nodes_new).nodes, "hash"))
    changes = plan(live, goal, admin=ADMIN, remove_nodes=remove)
    staying = {topology.routing_key(code) for code in ({} if empty else nodes_old)} & axis_of(
        nodes_new
    ).hosts.keys()

    end = live
    for state in walked(live, changes):
        end = state
        reached = ends(state)
        for exchange in (*map(topology.lane_exchange, topology.LANES), topology.HOSTED_EXCHANGE):
            at = {x.key for x in reached if x.source == exchange and x.destination in state.queues}
            assert staying <= at, f"{staying - at} out of reach of {exchange}"
        for binding in reached - ends(live):
            assert binding.destination in state.queues, "bound before there is a queue"

    leavers = {node for node in NODES if topology.dead_queue(node) in end.queues} - set(
        axis_of(nodes_new).nodes
    )
    dead = {QueueBinding(topology.DEAD_EXCHANGE, topology.dead_queue(node), node) for node in leavers}
    assert ends(end) - dead == goal.bindings
    assert not (remove and leavers)
    for place in ("exchanges", "queues", "policies", "rights"):
        assert getattr(goal, place).items() <= getattr(end, place).items()
    assert ADMIN not in end.rights
    assert end.users[ADMIN] == boss()
    assert plan(end, goal, admin=ADMIN, remove_nodes=remove).steps == ()


@given(nodes_old=hostings, nodes_new=hostings)
def test_what_shares_a_call_may_be_done_in_any_order(
    nodes_old: dict[str, str], nodes_new: dict[str, str]
) -> None:
    """A call adds things of one kind, bindings of one exchange; its order inside is the broker's."""
    changes = plan(
        as_live(axis_of(nodes_old)), wanted_state(axis_of(nodes_new), {}), admin=ADMIN, remove_nodes=True
    )

    for batch in batches(changes.steps):
        kinds = {(type(step.entity), step.sign is Sign.REMOVE) for step in batch}
        assert len(kinds) == 1
        assert len({step.entity.source for step in batch if isinstance(step.entity, QueueBinding)}) <= 1
    assert [step for batch in batches(changes.steps) for step in batch] == list(changes.steps)


def test_a_code_is_hosted_last_and_asked_about_no_more_first() -> None:
    """A sender that learns that a code is hosted must find its lane."""
    changes = plan(
        as_live(axis_of({"Z91": "north", "Z92": "south"})),
        wanted_state(axis_of({"Z91": "north", "Z93": "south"}), {}),
        admin=ADMIN,
    )
    moves = [
        (str(step.sign), step.entity.source)
        for step in changes.steps
        if isinstance(step.entity, QueueBinding)
    ]

    assert moves == [
        ("+", "lienthong.urgent"),
        ("+", "lienthong.normal"),
        ("+", "lienthong.hosted"),
        ("-", "lienthong.hosted"),
        ("-", "lienthong.normal"),
        ("-", "lienthong.urgent"),
    ]


def test_a_node_that_left_keeps_its_queues_and_not_its_rights_while_one_holds_a_message() -> None:
    goal = wanted_state(axis_of({"Z91": "north", "Z92": "north"}), {})
    for queue in ("urgent", "normal", "dead"):
        live = as_live(axis_of({"Z91": "north", "Z92": "south"}), **{f"lienthong_south_{queue}": 3})

        changes = plan(live, goal, admin=ADMIN, remove_nodes=True)

        (remark,) = changes.remarks
        assert remark.key == "queue_kept"
        assert (remark.params["name"], remark.params["messages"]) == (f"lienthong.south.{queue}", 3)
        removed = [step.entity for step in changes.steps if step.sign is Sign.REMOVE]
        assert all(x.key in ("z92", "@south") for x in removed if isinstance(x, QueueBinding))
        assert not [x for x in removed if isinstance(x, Queue | QueuePolicy)]
        *_, end = walked(live, changes)
        assert "south" not in {*end.users, *end.rights}
        assert set(end.queues) == set(live.queues)


def test_a_node_that_left_is_removed_only_when_asked_with_user_rights_and_limits() -> None:
    """Its user stays where it has rights in another vhost."""
    live = as_live(axis_of({"Z91": "north", "Z92": "south"}))
    goal = wanted_state(axis_of({"Z91": "north"}), {})
    final_plan = plan(live, goal, admin=ADMIN, remove_nodes=True)
    assert [remark.key for remark in plan(live, goal, admin=ADMIN).remarks] == ["node_left"]
    assert final_plan.remarks == ()
    *_, end = walked(live, final_plan)
    assert set(end.queues) == set(goal.queues)
    assert set(end.users) == {"north", ADMIN}
    assert set(end.policies) == set(goal.policies)
    elsewhere = replace(live, elsewhere=frozenset({"south"}))
    changes = plan(elsewhere, goal, admin=ADMIN, remove_nodes=True)
    assert [step.entity for step in changes.steps if isinstance(step.entity, User)] == []


def test_too_many_rights_and_tags_are_taken_back() -> None:
    axis = axis_of({"Z91": "north"})
    live = as_live(axis)
    wide = Rights(user="north", configure=".*", write=".*", read=".*")
    forger = User(name="north", tags=frozenset({"impersonator"}), password_hash="kept")
    live = replace(live, rights={"north": wide}, users={**live.users, "north": forger})

    changes = plan(live, wanted_state(axis, {}), admin=ADMIN)

    assert [step.entity for step in changes.steps] == [
        User(name="north", password_hash="kept"),
        wanted_state(axis, {}).rights["north"],
    ]


def test_strangers_other_kinds_and_policies_over_ours_are_reported() -> None:
    axis = axis_of({"Z91": "north"})
    live = as_live(axis)
    everything = QueuePolicy(name="all", pattern=".*", definition={"max-length": 1}, priority=9)
    live = replace(
        live,
        rights={**live.rights, "spy": Rights(user="spy", configure="", write="", read=".*")},
        queues={
            **live.queues,
            "lienthong.north.normal": Queue(name="lienthong.north.normal", kind="classic"),
        },
        policies={**live.policies, "all": everything},
    )

    changes = plan(live, wanted_state(axis, {}), admin=ADMIN)

    assert changes.steps == ()
    assert {(remark.key, remark.serious) for remark in changes.remarks} == {
        ("stranger", False),
        ("other_kind", True),
        ("foreign_policy", True),
    }


def test_the_administrator_is_never_made_a_node() -> None:
    axis = axis_of({"Z91": ADMIN})
    live = State(vhost="v", users={ADMIN: boss()})

    changes = plan(live, wanted_state(axis, {ADMIN: "other"}), admin=ADMIN)

    assert [remark.key for remark in changes.remarks] == ["admin_is_node"]
    assert [step for step in changes.steps if isinstance(step.entity, User | Rights)] == []


def test_an_alias_leads_to_its_code_and_what_no_broker_could_hold_apart_is_refused() -> None:
    axis = layout("v", [Hosting(node="north", code="Z91", alias="000.00.00.Z91")])
    assert axis.hosts == {"z91": "north", "000.00.00.z91": "north"}
    rows: list[tuple[list[tuple[str, str, str | None]], type[Exception], str]] = [
        ([("north", "Z91", None), ("south", "Z92", "z91")], Clash, "z91 would lead to two nodes"),
        ([("north", "Z91", None), ("North", "Z92", None)], Misconfigured, "letter case tells none apart"),
        ([("sink", "Z91", None)], Misconfigured, "no node may be called sink"),
        ([("../x", "Z91", None)], Misconfigured, "a node's name has letters"),
    ]
    for hosted, error, words in rows:
        with pytest.raises(error, match=words):
            layout("v", [Hosting(node=node, code=code, alias=alias) for node, code, alias in hosted])
