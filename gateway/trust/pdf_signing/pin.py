"""A PIN or passphrase as a person typed it. It is shown by nothing, and forgotten with the call that used it."""

from __future__ import annotations

from collections.abc import Callable


class Pin:
    """Only `reveal` shows it; it stands in no repr, message or file."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "********"

    def __reduce__(self) -> str:
        raise TypeError("a PIN is not written anywhere")


AskPin = Callable[[str], Pin]
"""Asks a person for the PIN of the thing named; called once for each opening, never again by itself."""
