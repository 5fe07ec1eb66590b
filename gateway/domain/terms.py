"""What a sender says of its packet and the dialect has no field for (`verification.md` W6a): it stands in the Signature,
beside the packet id. Absent means not said."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway.domain.document import DeliveryMode, RecipientRole


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The first four stand in a document, update or replacement: whether a reply is wanted, the stated hour of a timed
    express letter, whether paper follows, and the role of each recipient, by the code it was addressed by. The last two
    stand in a 03: the arrival number that its receiver gave the document, and the year of its book."""

    reply_required: bool | None = None
    due_at: datetime | None = None
    delivery_mode: DeliveryMode | None = None
    roles: tuple[tuple[str, RecipientRole], ...] = ()
    register_no: str | None = None
    register_year: int | None = None

    def __bool__(self) -> bool:
        """Whether anything is said at all."""
        return self != _NOTHING

    def role_of(self, code: str) -> RecipientRole | None:
        return next((role for known, role in self.roles if known == code), None)


_NOTHING = Terms()
