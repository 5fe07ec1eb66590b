"""A letter that left on paper, which is a line of the same book as the documents of the exchange. In: what was entered.
Out: a frozen value. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from gateway.domain.document import OutgoingDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperLetter:
    """Outgoing mail that went on paper: everything that the book says of it."""

    id: str
    number: str
    symbol: str
    issued_on: date
    type_name: str
    subject: str
    signer: str
    recipients: str
    entered_at: datetime
    entered_by: str
    copy_holder: str = ""
    copies: int | None = None
    dispatched_on: date | None = None
    note: str = ""
    catch_up: str | None = None
    struck_at: datetime | None = None
    struck_by: str | None = None
    struck_reason: str | None = None

    @property
    def code(self) -> str:
        return f"{self.number}/{self.symbol}"


OutgoingLine = OutgoingDocument | PaperLetter
