"""Writes the axis as a definitions file that RabbitMQ imports (`rabbitmqctl import_definitions`, or its management API),
and keeps the passwords of the nodes' users: one file per node in a folder that only its owner reads. In: a layout, the
folder. Out: JSON, piece by piece; passwords, and their salted hashes for the broker. Passwords are read and made by sync
calls: in the pool; the rest is pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from gateway import random_source
from gateway.atomic_files import write_file
from gateway.errors import Misconfigured
from gateway.transport.broker import plan
from gateway.transport.broker.plan import (
    BrokerEntity,
    BrokerLayout,
    Exchange,
    Queue,
    QueueBinding,
    QueuePolicy,
    Rights,
    User,
    Vhost,
)

HASH_ALGORITHM = "rabbit_password_hashing_sha256"
_SALT_BYTES = 4  # fixed by the algorithm
_OTHERS_MODE = 0o077
SECTIONS: Mapping[type, str] = {
    Vhost: "vhosts",
    User: "users",
    Rights: "permissions",
    QueuePolicy: "policies",
    Queue: "queues",
    Exchange: "exchanges",
    QueueBinding: "bindings",
}


def read_passwords(folder: Path, nodes: Iterable[str], *, make: bool, keep: bool = True) -> dict[str, str]:
    """Return the password of each node. `make` generates missing ones, and saves them unless `keep` is false (a dry
    run). A file that others may read is refused."""
    if make:
        _need_writable(folder, keep=keep)
    return {node: _password_of(folder / node, make=make, keep=keep) for node in nodes}


def _need_writable(folder: Path, *, keep: bool) -> None:
    """Make the folder. Misconfigured where passwords cannot be saved in it, before any is sent to a broker."""
    try:
        if keep:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        fault = (
            "" if nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK) else f"{nearest} takes no file"
        )
    except OSError as why:
        fault = str(why)
    if fault:
        raise Misconfigured(
            f"new passwords cannot be kept in {folder}: {fault}",
            hint="name a folder with --passwords that this user may write, or one that can be made",
        )


def _password_of(file: Path, *, make: bool, keep: bool) -> str:
    if make and not file.exists():
        new_password = random_source.token_urlsafe(32)
        if not keep:
            return new_password
        # Written in one step, because a node must never read half a password.
        write_file(file, f"{new_password}\n".encode(), 0o600)
    try:
        is_open = file.stat().st_mode & _OTHERS_MODE
        password = file.read_text(encoding="utf-8").split("\n", 1)[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as why:
        raise Misconfigured(
            f"the password of the node {file.name} cannot be read from {file}",
            hint="make the missing ones with --make-passwords",
        ) from why
    if is_open:
        raise Misconfigured(f"others on this machine can read {file}", hint=f"chmod 600 {file}")
    if not password:
        raise Misconfigured(f"{file} is empty; its first line must be the password")
    return password


def password_hashes(passwords: Mapping[str, str], hashes: Mapping[str, str]) -> dict[str, str]:
    """Return a hash for each password: the broker's present one where it matches, else one with a new salt."""
    return {
        node: hashes[node]
        if node in hashes and matches_hash(password, hashes[node])
        else hashed_password(password, random_source.token_bytes(_SALT_BYTES))
        for node, password in passwords.items()
    }


def hashed_password(password: str, salt: bytes) -> str:
    """Return the hash in the broker's form: base64 of salt, then SHA-256 of salt and password."""
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def matches_hash(password: str, known_hash: str) -> bool:
    """Tell whether the hash was made from this password."""
    try:
        salt = base64.b64decode(known_hash, validate=True)[:_SALT_BYTES]
    except ValueError:
        return False
    return hmac.compare_digest(hashed_password(password, salt), known_hash)


def pieces(axis: BrokerLayout, hashes: Mapping[str, str]) -> Iterator[str]:
    """Yield the definitions file, one object per line, so that two files compare line by line and none is in memory
    whole."""
    parts: dict[type, Iterable[BrokerEntity]] = {
        Vhost: [Vhost(name=axis.vhost)],
        User: (User(name=node, password_hash=hashes.get(node, "")) for node in axis.nodes),
        Rights: (plan.rights_of(node) for node in axis.nodes),
        QueuePolicy: plan.policies(axis.nodes),
        Queue: plan.queues(axis.nodes),
        Exchange: plan.exchanges(),
        QueueBinding: plan.bindings(axis),
    }
    yield "{"
    for number, (kind, entities) in enumerate(parts.items()):
        yield f'{"," if number else ""}\n"{SECTIONS[kind]}": ['
        for place, entity in enumerate(entities):
            line = json.dumps(to_json(entity, axis.vhost), separators=(",", ":"))
            yield f"{',' if place else ''}\n{line}"
        yield "\n]"
    yield "\n}\n"


def document(entities: Iterable[BrokerEntity], vhost: str) -> dict[str, list[dict[str, Any]]]:
    """Return the entities as a definitions file, to be imported beside what exists."""
    sections: dict[str, list[dict[str, Any]]] = {}
    for entity in entities:
        sections.setdefault(SECTIONS[type(entity)], []).append(to_json(entity, vhost))
    return sections


def to_json(entity: BrokerEntity, vhost: str) -> dict[str, Any]:  # Any: JSON
    """Return an entity in the JSON form of its section."""
    match entity:
        case Vhost(name=name):
            return {"name": name}
        case User():
            return {
                "name": entity.name,
                "password_hash": entity.password_hash,
                "hashing_algorithm": HASH_ALGORITHM,
                "tags": ",".join(sorted(entity.tags)),
            }
        case Rights():
            rights = {"configure": entity.configure, "write": entity.write, "read": entity.read}
            return {"user": entity.user, "vhost": vhost, **rights}
        case QueuePolicy():
            return {
                "vhost": vhost,
                "name": entity.name,
                "pattern": entity.pattern,
                "apply-to": entity.applies_to,
                "definition": dict(entity.definition),
                "priority": entity.priority,
            }
        case Queue():
            common = {"name": entity.name, "vhost": vhost, "durable": entity.durable, "auto_delete": False}
            return {**common, "arguments": {"x-queue-type": entity.kind}}
        case Exchange():
            common = {"name": entity.name, "vhost": vhost, "durable": entity.durable, "auto_delete": False}
            return {**common, "type": entity.kind, "internal": False, "arguments": {}}
        case QueueBinding():
            return {
                "source": entity.source,
                "vhost": vhost,
                "destination": entity.destination,
                "destination_type": entity.to,
                "routing_key": entity.key,
                "arguments": {},
            }
