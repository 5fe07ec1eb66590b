"""What a file was found to be: facts from the `Inspector`, judged by `policy`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """Facts about one file's bytes. `found_type` is a short name of rules.md R10-R12 (`pdf`, `docx`, `zip`, …) or
    `unknown`; `pages` is counted for PDF only; `broken` says why it cannot be opened."""

    found_type: str
    size: int
    pages: int | None = None
    encrypted: bool = False
    broken: str | None = None
    members: tuple[str, ...] = ()
    member_types: tuple[str, ...] = ()
    nested_depth: int = 0
    inflated_size: int | None = None
    active: tuple[str, ...] = ()
