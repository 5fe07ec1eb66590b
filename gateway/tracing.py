"""The trace of the current call. In: the headers of a call. Out: its trace, for rows that the call writes and for calls
that the node makes for it; its id is in every log line meanwhile. A call without a valid trace starts a new one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from gateway import log, random_source
from gateway.domain import trace
from gateway.domain.trace import Trace

_CURRENT: ContextVar[Trace] = ContextVar("trace")


@contextmanager
def trace_call(parents: Sequence[str], states: Sequence[str]) -> Iterator[Trace]:
    """Make the trace in these headers, or a new one, current while the body runs."""
    call_trace = trace.from_headers(parents, states) or Trace(_random_id(16))
    token = _CURRENT.set(call_trace)
    try:
        with log.bound(trace_id=call_trace.id):
            yield call_trace
    finally:
        _CURRENT.reset(token)


def current_trace() -> Trace | None:
    """Return the current trace; None for work that the node started itself."""
    return _CURRENT.get(None)


def headers(trace: Trace | None) -> Mapping[str, str]:
    """Return the headers for one outgoing call, as a new step of that trace; none without a trace."""
    return trace.headers(_random_id(8)) if trace is not None else {}


def _random_id(size: int) -> str:
    """Return a random hex id, but never all zeros, which would mean that there is none."""
    drawn = random_source.random_16()[:size]
    return drawn.hex() if any(drawn) else _random_id(size)
