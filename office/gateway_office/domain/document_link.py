"""Links between documents that a person records (R73), beside those that documents state themselves. Frozen values; labels
have the texts of their kinds: `books.link.corrects`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class LinkKind(StrEnum):
    """Relation of a document to its target."""

    CORRECTS = "corrects"
    """The target stays valid (R72, corrections of form)."""
    COPY = "copy-of"
    FORWARD = "forward-of"
    APPENDIX = "appendix-of"
    REMINDER = "reminder-of"


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentLink:
    document_id: str
    kind: LinkKind
    target_id: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenLink:
    """Link as the page of one of its documents shows it: `id` and `code` are of the other one, which `is_target`."""

    link: DocumentLink
    is_target: bool
    id: str
    code: str
