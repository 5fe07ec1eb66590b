"""What a file was found to be: facts from the `Inspector` and the `Scanner`, judged by `policy`."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gateway.domain.signatures import PdfFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What a scanner said of one file. `malware` is the scanner's name for what it found; `unscanned` says why there is
    no verdict (a word of the labels' `unscanned.` table); `clean` that it looked at every byte and found none. Nothing of
    it where no scanner is set up."""

    malware: str | None = None
    unscanned: str | None = None
    clean: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """Facts about one file's bytes. `found_type` is a short name of rules.md R10-R12 (`pdf`, `docx`, `zip`, …) or
    `unknown`; `pages` is counted for PDF only; `broken` says why it cannot be opened; `first_page` is the text of a
    PDF's first page where it was asked for and has some; `signatures` are those of a PDF, where they were read."""

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
    first_page: str = ""
    signatures: PdfFacts | None = None
    malware: str | None = None
    unscanned: str | None = None
    scanned_clean: bool = False

    def scanned(self, scan: Scan) -> FileFacts:
        """With what a scanner said."""
        return replace(self, malware=scan.malware, unscanned=scan.unscanned, scanned_clean=scan.clean)
