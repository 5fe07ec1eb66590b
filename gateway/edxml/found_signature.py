"""Notes what a Signature element looks like while it passes, for a person; the verdict is `verify`'s alone.
In: the events between its start and end tag, whatever its namespace. Out: `FoundSignature`. Nothing of it reaches
the envelope's model (verification.md 11)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.edxml import names

if TYPE_CHECKING:
    from collections.abc import Sequence

_KEPT_TEXTS = frozenset({"SignatureValue", "X509Certificate"})


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundSignature:
    """The shape of one signature, as written. `element` tells the .NET flavour's empty `DigitalSignature`."""

    namespace: str
    element: str
    method: str | None = None
    digest_methods: tuple[str, ...] = ()
    transforms: tuple[str, ...] = ()
    value: str | None = None
    certificate: str | None = None

    @property
    def in_xmldsig(self) -> bool:
        """Whether a standard verifier would find it at all; the vendor's stands in the envelope's namespace."""
        return self.namespace == names.DS and self.element == "Signature"


class SignatureWatcher:
    """Follows one Signature from its start tag on; `open` is False once its end tag has passed."""

    def __init__(self, namespace: str, element: str) -> None:
        self._namespace, self._element = namespace, element
        self._path: list[str] = [element]
        self._algorithms: dict[str, list[str]] = {}
        self._texts: dict[str, list[str]] = {}
        self.size = 0

    @property
    def open(self) -> bool:
        return bool(self._path)

    def start(self, local: str, attributes: Sequence[tuple[str, str, str]]) -> None:
        self._path.append(local)
        if local in _KEPT_TEXTS:
            self._texts.setdefault(local, []).append("")
        self.size += len(local) + sum(len(name) + len(value) for _, name, value in attributes)
        for _, name, value in attributes:
            if name == "Algorithm":
                self._algorithms.setdefault(local, []).append(value)

    def data(self, text: str) -> None:
        self.size += len(text)
        if self._path[-1] in _KEPT_TEXTS:
            self._texts[self._path[-1]][-1] += text

    def end(self) -> None:
        self._path.pop()

    def found(self) -> FoundSignature:
        methods = self._algorithms.get("SignatureMethod", [])
        return FoundSignature(
            namespace=self._namespace,
            element=self._element,
            method=methods[0] if methods else None,
            digest_methods=tuple(self._algorithms.get("DigestMethod", ())),
            transforms=tuple(self._algorithms.get("Transform", ())),
            value=self._first_text("SignatureValue"),
            certificate=self._first_text("X509Certificate"),
        )

    def _first_text(self, local: str) -> str | None:
        texts = self._texts.get(local)
        return (texts[0].strip() or None) if texts else None
