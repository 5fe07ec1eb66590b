"""Puts an agency's own signature on a PDF for a person who is present (R23a, R24, R25). In: a file, a place, an opened
key. Out: the file with a signature appended. `signer` is the entry point; `agency_key` opens keys. This module holds a
typed PIN or passphrase, which is never displayed and not kept after the call."""

from __future__ import annotations

from collections.abc import Callable

from gateway.domain.identity import Secret


class Pin(Secret):
    """PIN or passphrase. Only `reveal` returns it; it occurs in no repr, message or file."""

    __slots__ = ()

    def __reduce__(self) -> str:
        raise TypeError("a PIN is not written anywhere")


AskPin = Callable[[str], Pin]
"""Asks a person for the PIN of a named token or file; called once for each opening, never again by itself."""
