"""What checking an evidence pack found, line by line. In: lines as they are found. Out: the verdict, and plain data for
programs. A line holds, does not hold, or cannot be told (None); what only explains does not decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

VALID, INVALID, UNKNOWN = "valid", "invalid", "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that was checked. `step` and `note` are keys of words, `params` what the words need. `proved_at` is the
    time for which it holds, `trusted` whether a timestamp of a trusted authority proves that time."""

    step: str
    ok: bool | None
    note: str
    params: Mapping[str, str] = field(default_factory=dict)
    member: str = ""
    detail: str = ""
    proved_at: datetime | None = None
    trusted: bool = False
    decides: bool = True

    def told(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "ok": self.ok,
            "note": self.note,
            "member": self.member or None,
            "detail": self.detail or None,
            "proved_at": self.proved_at.isoformat() if self.proved_at else None,
            "trusted_time": self.trusted,
            "decides": self.decides,
            **({"params": dict(self.params)} if self.params else {}),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """Whom the user of the check believes: a root, a timestamp authority, a node's key, a published seal."""

    kind: str
    name: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The whole. `about` is what the manifest says of the pack; empty where it could not be read."""

    at: datetime
    lines: Sequence[Line]
    anchors: Sequence[Anchor] = ()
    about: Mapping[str, str] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        deciding = [each.ok for each in self.lines if each.decides or each.ok is False]
        if not deciding or False in deciding:
            return INVALID
        return UNKNOWN if None in deciding else VALID

    def told(self) -> dict[str, Any]:
        return {
            "verdict": self.verdict,
            "at": self.at.isoformat(),
            "pack": dict(self.about) or None,
            "anchored": bool(self.anchors),
            "anchors": [
                {"kind": each.kind, "name": each.name, "sha256": each.sha256} for each in self.anchors
            ],
            "steps": [each.told() for each in self.lines],
        }
