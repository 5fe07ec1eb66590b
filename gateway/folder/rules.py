"""What the operator set of the hot folder. In: nothing. Out: `FolderRules`, and whether an agency has one. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gateway.domain.account import HostedAgency
from gateway.policy.folder_names import is_folder_of

# In the data folder: which root this node worked in.
NOTE = "folder.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderRules:
    """As it was set. `agencies` are those that have a folder; None: each that this node hosts."""

    root: Path
    node: str
    note: Path
    """Where this node keeps which root it worked in."""
    agencies: frozenset[str] | None = None
    look_s: float = 5.0
    settle_s: float = 5.0
    wait_s: float = 600.0
    batch: int = 50
    most_in: int = 1000
    sent_days: int = 0
    error_days: int = 0
    """For how long what was accepted or refused is kept; nought: for ever."""

    def has_folder(self, agency: HostedAgency) -> bool:
        named = self.agencies is None or agency.code.casefold() in self.agencies
        return named and agency.left_at is None and is_folder_of(agency.code)
