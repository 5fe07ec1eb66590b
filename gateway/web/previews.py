"""What a file of codes would change, kept between its preview and its application: what was shown is what is applied.
In the memory of this process, few, each for its session alone, for an hour."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway.domain.registry_change import Plan
from gateway.policy.code_file import CodeFile

KEPT = timedelta(hours=1)
_MOST = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """`headings` are the columns as the file names them, `columns` what each was taken for; empty is left out. `read` says
    what the file was; its content is the table that was read, `whole` the same under the registry's own columns."""

    name: str
    headings: tuple[str, ...]
    columns: tuple[str, ...]
    plan: Plan = field(repr=False)
    read: CodeFile = field(repr=False)
    whole: bytes = field(repr=False)
    at: datetime
    session_id: str


class Previews:
    def __init__(self) -> None:
        self._kept: OrderedDict[str, Preview] = OrderedDict()

    def keep(self, preview: Preview) -> str:
        key = secrets.token_urlsafe(12)
        self._kept[key] = preview
        while len(self._kept) > _MOST:
            self._kept.popitem(last=False)
        return key

    def find(self, key: str, session_id: str, now: datetime) -> Preview | None:
        found = self._kept.get(key)
        if found is None or found.session_id != session_id or now - found.at > KEPT:
            return None
        return found

    def forget(self, key: str) -> None:
        self._kept.pop(key, None)
