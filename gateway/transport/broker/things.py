"""What a broker can hold for the axis, as plain values: what is there and what should be are both a `State`. In: what
was read or worked out. Out: the same, comparable. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias


class Binding(NamedTuple):
    """A tuple, because an axis has hundreds of thousands of them. `to` is `queue` or `exchange`; `props` is the broker's
    own name of this binding among those with the same ends, needed to remove it."""

    source: str
    destination: str
    key: str
    to: str = "queue"
    props: str = ""

    @property
    def ends(self) -> Binding:
        """What makes it the same binding, wherever it was read."""
        return self._replace(props="") if self.props else self


@dataclass(frozen=True, slots=True, kw_only=True)
class Vhost:
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    name: str
    kind: str = "direct"
    durable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """`messages` and `consumers` are what was seen; they do not make it another queue."""

    name: str
    kind: str = "quorum"
    durable: bool = True
    messages: int = field(default=0, compare=False)
    consumers: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    name: str
    pattern: str
    definition: Mapping[str, str | int]
    applies_to: str = "queues"
    priority: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Without a hash nobody can log in as this user by password."""

    name: str
    tags: frozenset[str] = frozenset()
    password_hash: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What a user may do in the vhost: three patterns of names."""

    user: str
    configure: str
    write: str
    read: str


Thing: TypeAlias = Vhost | Exchange | Queue | Policy | User | Rights | Binding


@dataclass(frozen=True, kw_only=True)
class State:
    """Everything of one vhost, and the users of the broker; each by its name. `elsewhere`: users with rights in others."""

    vhost: str
    exists: bool = True
    exchanges: Mapping[str, Exchange] = field(default_factory=dict)
    queues: Mapping[str, Queue] = field(default_factory=dict)
    policies: Mapping[str, Policy] = field(default_factory=dict)
    users: Mapping[str, User] = field(default_factory=dict)
    rights: Mapping[str, Rights] = field(default_factory=dict)
    bindings: frozenset[Binding] = frozenset()
    elsewhere: frozenset[str] = frozenset()
