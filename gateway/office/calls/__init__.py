"""Calls of the API that need the office: the register books, reminders. Hung into the API by `office.hung`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gateway.api.routes import Route
from gateway.office.calls import registers, reminders

if TYPE_CHECKING:
    from gateway.office.bootstrap.office import Office


def routes(office: Office) -> Sequence[Route]:
    return (*registers.routes(lambda: office.book), *reminders.routes(lambda: office))
