"""The promises of signing PDFs with the agency's own key, in person (R23a): an opened key, and what works on the file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from gateway.domain.identity import Digest
from gateway.domain.pdf_signing import KeyFacts, Layout, PageView, Placement, Signed, Size, Standing


class AgencyKey(Protocol):
    """The agency's own key while a person has it open. It signs PDFs and nothing else; the exchange keys of `Keys` have
    another shape, so that neither can be handed to the other's place. Sync: call it in the pool."""

    @property
    def facts(self) -> KeyFacts: ...

    @property
    def chain_der(self) -> Sequence[bytes]:
        """Other certificates beside the key; they may help receivers to build the chain."""

    @property
    def opened_at(self) -> datetime: ...

    def sign(self, data: bytes) -> bytes:
        """The signature over SHA-256 of `data`: PKCS#1 v1.5, or ECDSA in DER. Clash when the key does not answer."""


class PdfSigner(Protocol):
    """Looks at a PDF, shows and writes the signature. Sync: call it in the pool."""

    def examine(self, path: Path) -> Standing:
        """Never raises for bad content: `fault` says it. NotFound when there is no such file."""

    def view(self, path: Path, page: int) -> PageView:
        """One page of a file that `examine` found sound."""

    def set_text(self, paragraphs: Sequence[str], type_size: float, width: float) -> Layout:
        """The paragraphs below each other, each broken into lines of that width where words allow it."""

    def image_size(self, image: bytes) -> Size:
        """The real size of a seal's image. Clash when it is not what a seal must be: PNG, transparent, red."""

    def preview(self, view: PageView, placement: Placement, image: bytes | None) -> bytes:
        """The page as a PNG: what stands on it as grey blocks, the seal or mark as it will look."""

    def sign(
        self,
        path: Path,
        out: Path,
        placement: Placement,
        image: bytes | None,
        key: AgencyKey,
        at: datetime,
        expected: Digest | None = None,
    ) -> Signed:
        """Writes `path` and one signature behind it to `out`, durable on return. `out` is complete, or is not there: the
        new signature and all earlier ones were checked in what was written, and that what was signed is `expected`.
        Clash otherwise."""
