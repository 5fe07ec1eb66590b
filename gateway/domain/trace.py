"""Trace that a call belongs to, in the form of the W3C recommendation Trace Context. In: the headers of a call. Out: a
`Trace`, or None where they are not valid; its stored text; the headers of a call that follows from it. Pure: the caller
makes new ids.

A header of a later version is read as one of this version, as the recommendation demands; our own are of version 00.
`tracestate` belongs to the caller's systems: whole members of it are passed on, as many as fit."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

PARENT, STATE = "traceparent", "tracestate"
_NONE = re.compile(r"0+")
_PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)
_FORBIDDEN_VERSION = "ff"
_OURS = "00"
_SAMPLED = 0x01
LONGEST_STATE = 512
_LONG_MEMBER, _MOST_MEMBERS = 128, 32
# Printable ASCII, without the comma that separates members, and with the equals sign only once.
_KEY = r"(?:[a-z0-9][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})"
_MEMBER = re.compile(rf"({_KEY})=([\x20-\x2b\x2d-\x3c\x3e-\x7e]{{0,255}}[\x21-\x2b\x2d-\x3c\x3e-\x7e])")


@dataclass(frozen=True, slots=True)
class Trace:
    """Trace of a call. `id` names it, `is_sampled`: the caller records it, `state` belongs to the caller's systems."""

    id: str
    is_sampled: bool = False
    state: str = ""

    def to_line(self) -> str:
        """Return the trace as one line, which `from_line` parses."""
        return f"{self.id}-{self._flags()} {self.state}".rstrip()

    def headers(self, step: str) -> Mapping[str, str]:
        """Return the headers of a call that follows from this one; `step` is a new id of 16 hexadecimal digits."""
        headers = {PARENT: f"{_OURS}-{self.id}-{step}-{self._flags()}"}
        return headers | {STATE: self.state} if self.state else headers

    def _flags(self) -> str:
        return f"{_SAMPLED if self.is_sampled else 0:02x}"


def from_line(text: str) -> Trace:
    """Parse a line that `to_line` wrote."""
    first, _, state = text.partition(" ")
    id, _, flags = first.partition("-")
    return Trace(id, bool(int(flags, 16) & _SAMPLED), state)


def from_headers(parents: Sequence[str], states: Sequence[str] = ()) -> Trace | None:
    """Parse a trace from headers; None unless there is exactly one valid parent. Only then the state is read."""
    match = _PARENT.fullmatch(parents[0]) if len(parents) == 1 else None
    if match is None:
        return None
    version, id, step, flags, suffix = match.groups()
    if version == _FORBIDDEN_VERSION or _NONE.fullmatch(id) or _NONE.fullmatch(step):
        return None
    if version == _OURS and suffix is not None:
        return None
    return Trace(id, bool(int(flags, 16) & _SAMPLED), _join_state(",".join(states)))


def _join_state(header: str) -> str:
    """Return the members that fit, joined; empty where one is invalid or occurs twice, so that no unreadable state is
    passed on."""
    members = [m.strip(" \t") for m in header.split(",")]
    members = [m for m in members if m]
    matches = [_MEMBER.fullmatch(m) for m in members]
    keys = {m[1] for m in matches if m is not None}
    if len(keys) != len(members) or len(members) > _MOST_MEMBERS:
        return ""
    if len(",".join(members)) > LONGEST_STATE:
        members = [m for m in members if len(m) <= _LONG_MEMBER]
    while len(",".join(members)) > LONGEST_STATE:
        members.pop()  # the member that was changed longest ago
    return ",".join(members)
