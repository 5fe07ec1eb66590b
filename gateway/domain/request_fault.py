"""Refusal of a request that cannot be understood, before any use case, whether a program called or a folder brought it. In:
the faults, each with its place. Out: an error that names them; `api.problems` writes it for the caller. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFault:
    """One fault of a request, its place, and a suggestion. `code` is a key of the labels below `fault.`; `params` fill that
    sentence."""

    code: str
    pointer: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    suggest: str | None = None


class BadCall(Exception):
    """The call cannot be understood, or lacks what every such call needs."""

    def __init__(
        self,
        slug: str,
        *faults: RequestFault,
        params: Mapping[str, str] = _NONE,
        headers: Mapping[str, str] = _NONE,
        more: Mapping[str, object] = _NONE,
    ) -> None:
        super().__init__(slug)
        self.slug = slug
        self.faults: Sequence[RequestFault] = faults
        self.params = params
        self.headers = headers
        self.more = more


def bad_value(place: str, expected: str, field: str = "", suggest: str | None = None) -> BadCall:
    """Make the refusal of one value: its place, what is expected; `field` if its name is not the last step."""
    params = {"field": field or place.rpartition("/")[2].lstrip("?"), "expected": expected}
    fault = RequestFault(code="bad-value", pointer=place, params=params, suggest=suggest)
    return BadCall("bad-request", fault)


def pointer(*steps: object) -> str:
    """Return the JSON pointer (RFC 6901) of these steps."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)
