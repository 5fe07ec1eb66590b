"""Writes one signature behind a PDF (PAdES). In: a path, a placement, an opened key, a time. Out: a new file that begins
with the old one byte for byte. What was written is read again before it counts: the new signature and every earlier one
hold."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, cast

from PIL import Image
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.general import SigningError
from pyhanko_certvalidator.errors import RevokedError

from gateway.domain.identity import Digest
from gateway.domain.pdf_signing import Layout, PageView, Placement, Signed, Size, Standing
from gateway.errors import Clash, NotFound
from gateway.ports.signing import AgencyKey
from gateway.trust.pdf_signatures.sandbox import PdfSandbox
from gateway.trust.pdf_signing import look, preview
from gateway.trust.pdf_signing.appearance import Look
from gateway.trust.pdf_signing.proof import LongTerm, TimeSource, TrustedTime
from gateway.trust.pdf_signing.seal_image import read_seal, size_of
from gateway.trust.pdf_signing.type_setting import set_text
from gateway.trust.pdf_signing.writing import Work, write


@dataclass(frozen=True, slots=True, kw_only=True)
class PadesSigner:
    """Keeps the promise of `ports.signing.PdfSigner`. Without a time source the level is B-B; with lists at hand, B-LT.
    With a reader, a file is opened here only after the reader came to the end of it within its limits."""

    time: TimeSource | None = None
    long_term: LongTerm | None = None
    reader: PdfSandbox | None = None

    def examine(self, path: Path) -> Standing:
        if self.reader is not None and not look.is_bearable(path, self.reader):
            digest, size = look.digest_at(path)
            return Standing(digest=digest, size=size, fault="unreadable")
        return look.examine(path)

    def view(self, path: Path, page: int) -> PageView:
        return look.view(path, page)

    def set_text(self, paragraphs: Sequence[str], type_size: float, width: float) -> Layout:
        return set_text(paragraphs, type_size, width)

    def image_size(self, image: bytes) -> Size:
        return size_of(read_seal(image))

    def preview(self, view: PageView, placement: Placement, image: bytes | None) -> bytes:
        return preview.draw(view, placement, read_seal(image) if image is not None else None)

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
        picture = read_seal(image) if image is not None else None
        return self.put(path, out, placement, picture, key, at, expected)

    def put(
        self,
        path: Path,
        out: Path,
        placement: Placement,
        picture: Image.Image | None,
        key: AgencyKey,
        at: datetime,
        expected: Digest | None = None,
    ) -> Signed:
        """As `sign`, with any picture: a demonstration also shows how a person signs."""
        frame = look.frame_of(path, placement.page)
        shown = Look(placement=placement, picture=picture, matrix=frame.matrix)
        work = Work(shown=shown, rect=frame.rect(placement.area), key=key, at=at, stamper=self._stamper())
        with _reading(path) as source, _making(out) as target:
            return self._written(source, target, work, expected or look.digest_of(source)[0])

    def _written(self, source: BinaryIO, target: BinaryIO, work: Work, before: Digest) -> Signed:
        level = self._best(source, target, work)
        target.flush()
        os.fsync(target.fileno())
        _must_hold(source, target, before)
        digest, size = look.digest_of(target)
        return Signed(digest=digest, size=size, level=level)

    def _best(self, source: BinaryIO, target: BinaryIO, work: Work) -> str:
        """The level that was reached. Lists that do not cover the whole chain are left out; a revoked key is refused."""
        roots = self.time.roots if self.time else ()
        context = self.long_term.context(roots, work.at) if self.long_term else None
        try:
            write(source, target, work, context)
        except SigningError as why:
            if context is None or _has_cause(why, RevokedError):
                raise
            context = None
            target.seek(0)
            target.truncate()
            write(source, target, work, None)
        return "B-LT" if context and self.time else "B-T" if self.time else "B-B"

    def _stamper(self) -> TrustedTime | None:
        return TrustedTime(self.time) if self.time is not None else None


@contextmanager
def _making(out: Path) -> Iterator[BinaryIO]:
    """A new file that stays only if the body ends well."""
    try:
        target = out.open("xb+")
    except OSError as why:
        raise Clash(
            f"{out} cannot be written: {why.strerror}", code="SIGN-OUT", hint="name another file with --out"
        ) from why
    try:
        with target:
            yield target
    except BaseException as why:
        out.unlink(missing_ok=True)
        if isinstance(why, OSError | PdfError | SigningError | ValueError):
            raise _failed(why) from why
        raise


def _reading(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as why:
        raise NotFound(f"the file {path} cannot be read: {why.strerror}") from why


def _must_hold(source: BinaryIO, target: BinaryIO, before: Digest) -> None:
    """Clash unless the file begins with the old one and every signature in it holds."""
    size = source.seek(0, os.SEEK_END)
    target.seek(0)
    if look.digest_of(cast(BinaryIO, _Beginning(target, size)))[0] != before:
        raise Clash(
            "the file changed while it was being signed", code="SIGN-CHANGED", hint="look at it again"
        )
    target.seek(0)
    signatures = PdfFileReader(target).embedded_regular_signatures
    broken = [each.field_name for each in signatures if not look.holds(each)]
    if broken or not signatures:
        raise Clash(
            f"with this signature the file would no longer hold: {', '.join(map(str, broken))}",
            code="SIGN-BREAKS",
            hint="the file was closed by an earlier signature; ask its signer for one that leaves room",
        )


class _Beginning:
    """The first bytes of a stream, as a stream of their own."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream, self._size, self._left = stream, size, size

    def seek(self, offset: int) -> int:
        self._left = self._size - offset
        return self._stream.seek(offset)

    def read(self, size: int) -> bytes:
        piece = self._stream.read(min(size, self._left))
        self._left -= len(piece)
        return piece


def _has_cause(why: BaseException, kind: type[BaseException]) -> bool:
    each: BaseException | None = why
    while each is not None:
        if isinstance(each, kind):
            return True
        each = each.__cause__ or each.__context__
    return False


def _failed(why: BaseException) -> Clash:
    if _has_cause(why, RevokedError):
        return Clash(
            "the certificate of the agency's key is revoked",
            code="CERT-REVOKED",
            hint="ask the issuer for a new one",
        )
    return Clash(
        f"the file could not be signed ({type(why).__name__}: {why})",
        code="SIGN-FAILED",
        hint="save the file as PDF once more, with another program if need be",
    )
