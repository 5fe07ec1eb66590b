"""Compares the states of documents at their senders and recipients as the audit of states does, without its patience: at
rest no status travels. In: running nodes at rest; the packets whose answers were not heard. Out: states that differ."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta

from gateway.domain.loss_audit import Pair
from gateway.domain.state_audit import PacketState
from gateway.domain.wall_clock import local
from gateway.store.state_audit import received_states, sent_states
from tests.simulation.world import World

_DAYS = 3
"""So many days are compared; a world runs for some hours."""


async def check(world: World, unheard: Collection[str]) -> list[str]:
    """Name each packet whose state differs, except those whose ids are in `unheard`."""
    broken: list[str] = []
    for n in range(_DAYS):
        sent: dict[Pair, Sequence[PacketState]] = {}
        received: dict[Pair, Sequence[PacketState]] = {}
        for host in world.hosts.values():
            day = local(host.running.clock.now()).date() - timedelta(days=n)
            sent |= await host.call(lambda node, day=day: sent_states(node.store, day))  # type: ignore[misc]  # mypy cannot type a lambda with a default
            received |= await host.call(
                lambda node, day=day: received_states(node.store, node.pool, day)  # type: ignore[misc]  # the same
            )
        broken += _differing(sent, received, unheard)
    return broken


def _differing(
    sent: Mapping[Pair, Sequence[PacketState]],
    received: Mapping[Pair, Sequence[PacketState]],
    unheard: Collection[str],
) -> Iterator[str]:
    for pair in sorted(sent.keys() & received.keys()):
        words = {state.id: state.word for state in received[pair]}
        for state in sent[pair]:
            if state.id not in unheard and words.get(state.id, state.word) != state.word:
                yield f"{state.id} from {pair[0]} to {pair[1]}: {state.word} at its sender, {words[state.id]} there"
