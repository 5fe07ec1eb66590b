"""A lead file that says which document it is, for drafts that say the same or something else."""

from __future__ import annotations

from datetime import date
from typing import Any

from tests.support import letters
from tests.support.packets import TODAY

SUBJECT = "Về việc báo cáo dự toán"
OTHER = ("V/v cử cán bộ tham gia", "đoàn kiểm tra liên ngành")


def printed(
    number: str = "15", *, day: date = TODAY, subject: tuple[str, ...] = (SUBJECT,), **more: Any
) -> bytes:
    """The letter of `packets.draft`, where nothing else is said."""
    letter = letters.Letter(number=number, symbol="STD-VP", issued_on=day, subject=subject, **more)
    return letters.paper([letters.page(letter)])
