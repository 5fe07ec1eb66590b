"""Profile of an agency: settings that its administrator chooses, each with its versions. In: the table of settings, stored
versions, the time. Out: the version in force, and the stored form of a typed text. Pure. A new setting is one row of the
table, with its words under `profile.{key}`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

UNDO_SECONDS: Final = "undo_seconds"
NUMBERING: Final = "numbering"
WRONG_SEAL: Final = "wrong_seal"
MARK: Final = "mark"
HOLD: Final = "hold"
"""What happens to mail whose seal is not its sender's: it is marked, or held for a person."""
HOSTED: Final = "hosted"
"""Default of a value that the agency got when it was hosted, with `gateway host`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileSetting:
    """One setting: a whole number within its bounds, or one of its choices. `default` names what holds where the agency
    chose nothing: one of the choices, a setting of the node, or the value with which the agency was hosted."""

    key: str
    default: str
    least: int = 0
    most: int = 0
    choices: tuple[str, ...] = ()

    def read(self, text: str) -> str | None:
        """Return the stored form of a typed text; None for one that the setting does not take. An empty text is the default
        again."""
        word = text.strip()
        if not word:
            return ""
        if self.choices:
            return word if word in self.choices else None
        if not (word.isascii() and word.isdigit() and len(word) < 10):
            return None
        number = int(word)
        return str(number) if self.least <= number <= self.most else None


SETTINGS: Final[Mapping[str, ProfileSetting]] = {
    setting.key: setting
    for setting in (
        ProfileSetting(key=UNDO_SECONDS, default="pages.undo_act_s", least=0, most=60),
        ProfileSetting(key=NUMBERING, default=HOSTED, choices=("A", "B", "C")),
        ProfileSetting(key=WRONG_SEAL, default=MARK, choices=(MARK, HOLD)),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileVersion:
    """Value of one setting, from a time on; the empty value is the default again."""

    id: str
    key: str
    value: str
    set_by: str
    set_at: datetime
    from_when: datetime


def find_in_force(versions: Iterable[ProfileVersion], key: str, at: datetime) -> ProfileVersion | None:
    """Return the newest version of the setting whose time has come; None where the node's default holds. A later
    version replaces an earlier plan."""
    begun = [version for version in versions if version.key == key and version.from_when <= at]
    return max(begun, key=lambda version: (version.set_at, version.id), default=None)
