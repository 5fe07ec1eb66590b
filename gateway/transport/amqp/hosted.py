"""The codes this node hosts, as the axis was told. In: codes. Out: which of a message's recipients are ours. Who is bound
to what on the broker is the administrator's; this decides only what is handed out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.transport.amqp.label import Unreadable
from gateway.transport.amqp.topology import routing_key


class Hosted:
    """Compared as codes are: letter case says nothing."""

    def __init__(self) -> None:
        self._codes: Mapping[str, str] = {}

    def __bool__(self) -> bool:
        return bool(self._codes)

    def set(self, codes: Sequence[str]) -> None:
        self._codes = {routing_key(code): code.strip() for code in codes}

    def of(self, recipients: Sequence[str]) -> list[str]:
        """Ours among them, as we spell them. Unreadable when there is none."""
        keys = dict.fromkeys(routing_key(each) for each in recipients)
        codes = [self._codes[key] for key in keys if key in self._codes]
        if not codes:
            raise Unreadable(f"nobody of {', '.join(list(keys)[:10])} is hosted here")
        return codes
