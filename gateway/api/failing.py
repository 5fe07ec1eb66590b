"""An answer of no from the front door itself: the call has the wrong shape, so no use case was asked. In: what is wrong,
as a slug and faults. Out: one exception that `problems` turns into problem+json. It never leaves this package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing wrong with a request, where it stands, and what was perhaps meant. `code` is a key of the labels
    below `fault.`; `params` fill that sentence."""

    code: str
    pointer: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    suggest: str | None = None


class BadCall(Exception):
    """The call cannot be understood, or lacks what every such call needs."""

    def __init__(
        self,
        slug: str,
        *faults: Fault,
        params: Mapping[str, str] = _NONE,
        headers: Mapping[str, str] = _NONE,
        more: Mapping[str, object] = _NONE,
    ) -> None:
        super().__init__(slug)
        self.slug = slug
        self.faults: Sequence[Fault] = faults
        self.params = params
        self.headers = headers
        self.more = more


def pointer(*steps: object) -> str:
    """A JSON pointer (RFC 6901) of these steps."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)
