"""The trace of the call at hand. In: the headers of a call. Out: its trace, to whoever keeps what the call makes or calls
somebody because of it; the id of it in every line that is logged meanwhile. A call that names no trace that holds begins
one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from gateway import chance, log
from gateway.domain import trace
from gateway.domain.trace import Trace

_AT_HAND: ContextVar[Trace] = ContextVar("trace")


@contextmanager
def of_call(parents: Sequence[str], states: Sequence[str]) -> Iterator[Trace]:
    """What is done inside belongs to that trace."""
    found = trace.of_headers(parents, states) or Trace(_id(16))
    token = _AT_HAND.set(found)
    try:
        with log.bound(trace_id=found.id):
            yield found
    finally:
        _AT_HAND.reset(token)


def at_hand() -> Trace | None:
    """None for what the node does by itself."""
    return _AT_HAND.get(None)


def headers(of: Trace | None) -> Mapping[str, str]:
    """Of one call that this node makes in that trace: a step of its own."""
    return of.headers(_id(8)) if of is not None else {}


def _id(size: int) -> str:
    """Random, and never all zeros, which would be none."""
    found = chance.sixteen()[:size]
    return found.hex() if any(found) else _id(size)
