"""Types for identities, so that a code, an id or a digest is never a bare string; and for secrets, which stay unprinted."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, Self

_HEX = re.compile(r"[0-9a-f]{64}")
_BYTES = 32


class Secret:
    """Text that is never printed; only `reveal` returns it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "********"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


class _Text(str):
    """Base of these types, which are stored and sent as plain text."""

    __slots__ = ()

    _form: ClassVar[dict[str, Any]] = {"type": "str"}
    """Schema of the text for pydantic."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> dict[str, Any]:
        """Tell pydantic how to read the type from JSON, without importing pydantic here."""
        constructor = {"type": "no-info", "function": partial(str.__new__, cls)}
        return {"type": "function-after", "function": constructor, "schema": cls._form}


class Digest(_Text):
    """SHA-256, as 64 lower-case hexadecimal digits."""

    __slots__ = ()
    _form: ClassVar[dict[str, Any]] = {
        "type": "custom-error",
        "schema": {"type": "str", "pattern": rf"^{_HEX.pattern}$"},
        "custom_error_type": "digest",
        "custom_error_message": "not a SHA-256 in lower-case hex",
    }

    def __new__(cls, text: str) -> Self:
        if not _HEX.fullmatch(text):
            raise ValueError(f"not a SHA-256 in lower-case hex: {text[:80]!r}")
        return super().__new__(cls, text)

    @classmethod
    def of_bytes(cls, raw: bytes) -> Self:
        """Return the digest for 32 bytes that are already a hash; it does not hash them."""
        if len(raw) != _BYTES:
            raise ValueError(f"a SHA-256 has {_BYTES} bytes, not {len(raw)}")
        return str.__new__(cls, raw.hex())

    @property
    def raw(self) -> bytes:
        return bytes.fromhex(self)


known_digest: Callable[[str], Digest] = partial(str.__new__, Digest)
"""Makes a digest of a hash function's `hexdigest`, whose form needs no check."""


class DocumentId(_Text):
    """Identity of a document in the whole network; an opaque text on receipt."""

    __slots__ = ()


class PacketId(_Text):
    """Identity of one envelope, signed inside it as `gw:Id`."""

    __slots__ = ()
