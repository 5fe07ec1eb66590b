"""The last backup as it wrote itself down in the data folder. In: the folder. Out: when, where, and when one was last
restored on trial; None when there is none, or its note cannot be read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """The last backup, and when one was last restored on trial."""

    at: datetime
    path: str
    verified_at: datetime | None


def last_backup(data_dir: Path) -> Backup | None:
    try:
        told = json.loads((data_dir / "backup.json").read_text(encoding="utf-8"))
        verified = told.get("verified_at")
        return Backup(
            at=datetime.fromisoformat(told["at"]),
            path=str(told["path"]),
            verified_at=datetime.fromisoformat(verified) if verified else None,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
