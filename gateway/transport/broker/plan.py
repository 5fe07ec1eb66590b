"""Works out how a broker becomes what the registry says. In: the state it is in, the state wanted. Out: ordered steps,
and what a person must be told. Pure.

The order keeps every code reachable: rooms, limits and rights first, then new bindings (lanes before the question
who hosts), and only then the old ones (the question before the lanes). A code that moves is bound at both nodes for a
moment, so a packet may come twice and never not at all. A queue that holds messages is never removed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from gateway.transport.amqp import topology
from gateway.transport.broker.departed import Departed, departed
from gateway.transport.broker.things import Binding, Queue, Rights, State, Thing, User, Vhost

_BINDING_ORDER = (
    topology.DEAD_EXCHANGE,
    *map(topology.lane_exchange, topology.LANES),
    topology.HOSTED_EXCHANGE,
)


class Sign(StrEnum):
    """What a step does to its thing."""

    ADD = "+"
    CHANGE = "~"
    REMOVE = "-"


@dataclass(frozen=True, slots=True)
class Step:
    sign: Sign
    thing: Thing


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """What no step mends. `key` is a label below `broker.told.`; `serious`: the axis is not right while it stands."""

    key: str
    params: Mapping[str, object] = field(default_factory=dict)
    serious: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    steps: tuple[Step, ...]
    remarks: tuple[Remark, ...]


def plan(live: State, wanted: State, *, admin: str, remove_nodes: bool = False) -> Plan:
    """From `live` to `wanted`. `admin` is the user who will do it: it is never taken for a node, and where it may not
    work in the vhost it gets the right to, only while something is removed."""
    gone = departed(live, wanted, admin)
    additions = [*_rooms(live, wanted, admin), *_people(live, wanted, admin), *_new_bindings(live, wanted)]
    removals = _old_bindings(live, wanted, gone)
    remarks = [*_conflicts(live, wanted, admin), *_strangers(live, wanted, gone, admin)]
    for each in gone:
        remarks += [Remark(key="queue_kept", params=told) for told in each.keeps]
        if remove_nodes:
            # Whatever lies in its queues: a node that left sends nothing more.
            things = each.people if each.keeps else (*each.people, *each.things)
            removals += [Step(Sign.REMOVE, thing) for thing in things]
        elif not each.keeps:
            remarks.append(Remark(key="node_left", params={"node": each.node}))
    return Plan(steps=(*additions, *_with_right(live, removals, admin)), remarks=tuple(remarks))


def _rooms(live: State, wanted: State, admin: str) -> Iterator[Step]:
    """Vhost, exchanges, queues, and the limits before anything can arrive."""
    if not live.exists:
        yield Step(Sign.ADD, Vhost(name=wanted.vhost))
        # Whoever makes a vhost is given everything in it.
        yield Step(Sign.REMOVE, _everything(admin))
    for things, there in ((wanted.exchanges, live.exchanges), (wanted.queues, live.queues)):
        yield from (Step(Sign.ADD, thing) for name, thing in things.items() if name not in there)
    yield from _differences(live.policies, wanted.policies)


def _people(live: State, wanted: State, admin: str) -> Iterator[Step]:
    for name, user in wanted.users.items():
        there = live.users.get(name)
        if name == admin:
            continue
        if there is None:
            yield Step(Sign.ADD, user)
        elif there.tags or (user.password_hash and user.password_hash != there.password_hash):
            # Without a password of ours the one in force stays.
            yield Step(Sign.CHANGE, replace(user, password_hash=user.password_hash or there.password_hash))
    yield from (
        step for step in _differences(live.rights, wanted.rights) if getattr(step.thing, "user", "") != admin
    )


def _differences(live: Mapping[str, Thing], wanted: Mapping[str, Thing]) -> Iterator[Step]:
    for name, thing in wanted.items():
        if name not in live:
            yield Step(Sign.ADD, thing)
        elif live[name] != thing:
            yield Step(Sign.CHANGE, thing)


def _new_bindings(live: State, wanted: State) -> list[Step]:
    there = {each.ends for each in live.bindings}
    missing = sorted(wanted.bindings - there, key=lambda each: (_BINDING_ORDER.index(each.source), each))
    return [Step(Sign.ADD, each) for each in missing]


def _old_bindings(live: State, wanted: State, gone: Sequence[Departed]) -> list[Step]:
    """Whatever leads out of our exchanges and should not, also to queues that nobody knows. Dead letters of a node
    that left keep their way for as long as its queues stay."""
    kept = {(topology.DEAD_EXCHANGE, topology.dead_queue(each.node), each.node) for each in gone}
    old = [
        each
        for each in live.bindings
        if each.source in _BINDING_ORDER and each.ends not in wanted.bindings and each[:3] not in kept
    ]
    old.sort(key=lambda each: (-_BINDING_ORDER.index(each.source), each))
    return [Step(Sign.REMOVE, each) for each in old]


def _with_right(live: State, removals: list[Step], admin: str) -> list[Step]:
    """Bindings and queues are removed with the administrator's own rights in the vhost."""
    all_of_it = _everything(admin)
    before = live.rights.get(admin)
    if before == all_of_it or not any(isinstance(step.thing, Binding | Queue) for step in removals):
        return removals
    if before is None:
        return [Step(Sign.ADD, all_of_it), *removals, Step(Sign.REMOVE, all_of_it)]
    return [Step(Sign.CHANGE, all_of_it), *removals, Step(Sign.CHANGE, before)]


def _everything(user: str) -> Rights:
    return Rights(user=user, configure=".*", write=".*", read=".*")


def _conflicts(live: State, wanted: State, admin: str) -> Iterator[Remark]:
    """What has our name and cannot be changed by anybody: it must be taken away by hand first."""
    for things, there in ((wanted.exchanges, live.exchanges), (wanted.queues, live.queues)):
        for name, thing in things.items():
            if name in there and there[name] != thing:
                params = {"name": name, "kind": there[name].kind, "wanted": thing.kind}
                yield Remark(key="other_kind", params=params, serious=True)
    if admin in wanted.users:
        yield Remark(key="admin_is_node", params={"node": admin}, serious=True)
    for name, user in wanted.users.items():
        there_user: User | None = live.users.get(name)
        if not user.password_hash and not (there_user and there_user.password_hash):
            yield Remark(key="no_password", params={"node": name}, serious=True)


def _strangers(live: State, wanted: State, gone: Sequence[Departed], admin: str) -> Iterator[Remark]:
    """What stands in the vhost and is not ours: only told, because somebody put it there."""
    known = {each.node for each in gone}
    for name in sorted(live.rights.keys() - wanted.rights.keys() - known - {admin}):
        yield Remark(key="stranger", params={"user": name})
    for name in sorted(live.queues.keys() - wanted.queues.keys()):
        if not any(name in each.queues for each in gone):
            yield Remark(key="foreign_queue", params={"name": name, "messages": live.queues[name].messages})
    for name in sorted(live.policies.keys() - wanted.policies.keys()):
        # A policy of a higher priority would take the place of ours.
        if name.removeprefix("lienthong.") not in known and any(
            _touches(live.policies[name].pattern, queue) for queue in wanted.queues
        ):
            yield Remark(key="foreign_policy", params={"name": name}, serious=True)


def _touches(pattern: str, queue: str) -> bool:
    try:
        return re.search(pattern, queue) is not None
    except re.error:  # the broker's patterns are of another dialect; better to tell than to miss it
        return True
