"""Forms in which an envelope may be handed to an axis, and the record of a file in another form than ours."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gateway.domain.identity import Digest


class Form(StrEnum):
    """Form of an envelope. `standard` is our own, signed. The others are unsigned, for an axis whose session vouches."""

    STANDARD = "standard"
    UNSIGNED = "unsigned"
    """The same file without its Signature."""
    DOTNET = "dotnet"
    """The form of .NET systems (A-net)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """File that an axis was given in place of the standard one."""

    form: Form
    digest: Digest
    size: int
