"""The promise of mail to our own people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One message to people of one hosted agency."""

    to: tuple[str, ...]
    subject: str
    text: str
    id: str


class Mailer(Protocol):
    @property
    def is_on(self) -> bool:
        """Whether there is a server to send by."""

    async def send(self, mail: Mail) -> None:
        """Returns when the server has taken it for every address. Unreachable: try later; BrokerRefused: never."""
