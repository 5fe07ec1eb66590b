"""Writes the axis as a definitions file that RabbitMQ imports (`rabbitmqctl import_definitions`, or its management API).
In: a layout and the hashes of the nodes' passwords; or some things alone. Out: JSON, piece by piece. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from gateway.transport.broker import layout
from gateway.transport.broker.layout import Layout
from gateway.transport.broker.passwords import ALGORITHM
from gateway.transport.broker.things import (
    Binding,
    Exchange,
    Policy,
    Queue,
    Rights,
    Thing,
    User,
    Vhost,
)

SECTIONS: Mapping[type, str] = {
    Vhost: "vhosts",
    User: "users",
    Rights: "permissions",
    Policy: "policies",
    Queue: "queues",
    Exchange: "exchanges",
    Binding: "bindings",
}


def pieces(axis: Layout, hashes: Mapping[str, str]) -> Iterator[str]:
    """The whole file, a thing a line, so that two files compare line by line and none is ever held whole."""
    parts: dict[type, Iterable[Thing]] = {
        Vhost: [Vhost(name=axis.vhost)],
        User: (User(name=node, password_hash=hashes.get(node, "")) for node in axis.nodes),
        Rights: (layout.rights(node) for node in axis.nodes),
        Policy: layout.policies(axis.nodes),
        Queue: layout.queues(axis.nodes),
        Exchange: layout.exchanges(),
        Binding: layout.bindings(axis),
    }
    yield "{"
    for number, (kind, things) in enumerate(parts.items()):
        yield f'{"," if number else ""}\n"{SECTIONS[kind]}": ['
        lines = (json.dumps(shown(thing, axis.vhost), separators=(",", ":")) for thing in things)
        yield from chain.from_iterable(("\n" if first else ",\n", line) for first, line in _marked(lines))
        yield "\n]"
    yield "\n}\n"


def _marked(lines: Iterator[str]) -> Iterator[tuple[bool, str]]:
    return ((number == 0, line) for number, line in enumerate(lines))


def document(things: Iterable[Thing], vhost: str) -> dict[str, list[dict[str, Any]]]:
    """Some things as a definitions file of their own, to be imported beside what is there."""
    found: dict[str, list[dict[str, Any]]] = {}
    for thing in things:
        found.setdefault(SECTIONS[type(thing)], []).append(shown(thing, vhost))
    return found


def shown(thing: Thing, vhost: str) -> dict[str, Any]:  # Any: JSON
    """One thing as its section has it."""
    match thing:
        case Vhost(name=name):
            return {"name": name}
        case User():
            return {
                "name": thing.name,
                "password_hash": thing.password_hash,
                "hashing_algorithm": ALGORITHM,
                "tags": ",".join(sorted(thing.tags)),
            }
        case Rights():
            rights = {"configure": thing.configure, "write": thing.write, "read": thing.read}
            return {"user": thing.user, "vhost": vhost, **rights}
        case _:
            return _inside(thing, vhost)


def _inside(thing: Exchange | Queue | Policy | Binding, vhost: str) -> dict[str, Any]:
    """What lies in a vhost."""
    match thing:
        case Policy():
            return {
                "vhost": vhost,
                "name": thing.name,
                "pattern": thing.pattern,
                "apply-to": thing.applies_to,
                "definition": dict(thing.definition),
                "priority": thing.priority,
            }
        case Queue():
            kept = {"name": thing.name, "vhost": vhost, "durable": thing.durable, "auto_delete": False}
            return {**kept, "arguments": {"x-queue-type": thing.kind}}
        case Exchange():
            kept = {"name": thing.name, "vhost": vhost, "durable": thing.durable, "auto_delete": False}
            return {**kept, "type": thing.kind, "internal": False, "arguments": {}}
        case Binding():
            return {
                "source": thing.source,
                "vhost": vhost,
                "destination": thing.destination,
                "destination_type": thing.to,
                "routing_key": thing.key,
                "arguments": {},
            }
