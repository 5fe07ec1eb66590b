"""The signing helper behind the pages: lends the agency's own key to one signature on one draft's file. In: the file's
bytes, a wish, the PIN of a person who is at the pages. Out: the signed bytes. Both files lie in the content store's
scratch folder and go at the end. What signs is loaded when somebody signs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from shutil import copyfileobj
from typing import BinaryIO

from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.pdf_signing import Placement, Purpose, Wish
from gateway.errors import Denied
from gateway.office.bootstrap.office import Office
from gateway.outgoing import sign_pdf
from gateway.outgoing.sign_pdf import SigningDesk
from gateway.ports import Scratch
from gateway.trust.pdf_signing.pin import Pin

_PIECE = 256 * 1024
_MOST_IMAGE = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class TokenSigning:
    """Keeps the promise of `office.web.ports_compose.Signing`."""

    node: Office

    @property
    def is_ready(self) -> bool:
        return self.node.settings.sign.module is not None

    async def plan(
        self, agency: HostedAgency, source: Callable[[], BinaryIO], wish: Wish
    ) -> tuple[Placement, bytes]:
        desk = self._desk()
        with self.node.blobs.scratch() as scratch:
            path = scratch.path
            await self.node.pool.run(partial(_copy, source, scratch))
            plan = await sign_pdf.plan(desk, path, _named(wish, agency), await self._image(agency, wish))
            return plan.placement, await sign_pdf.preview(desk, plan)

    def signed(
        self, scope: AgencyScope, agency: HostedAgency, source: Callable[[], BinaryIO], wish: Wish, pin: str
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        return self._signed(scope, agency, source, wish, Pin(pin))

    @asynccontextmanager
    async def _signed(
        self, scope: AgencyScope, agency: HostedAgency, source: Callable[[], BinaryIO], wish: Wish, pin: Pin
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        from gateway.bootstrap import signing as wiring

        if not pin.reveal():
            raise Denied("the PIN is missing", code="SIGN-TERMINAL")
        desk = self._desk()
        with self.node.blobs.scratch() as scratch:
            path = scratch.path
            await self.node.pool.run(partial(_copy, source, scratch))
            plan = await sign_pdf.plan(desk, path, _named(wish, agency), await self._image(agency, wish))
            out = path.with_name(f"{path.name}.signed")
            try:
                opening = wiring.token(
                    self.node.settings, None, None, lambda _name: pin, self.node.clock.now()
                )
                key = await self.node.pool.run(opening.__enter__)
                try:
                    await sign_pdf.sign(desk, scope, agency, plan, key, out)
                finally:
                    await self.node.pool.run(lambda: opening.__exit__(None, None, None))
                yield self._pieces(out)
            finally:
                out.unlink(missing_ok=True)

    def _desk(self) -> SigningDesk:
        from gateway.bootstrap import signing as wiring

        return wiring.desk(self.node.settings, self.node)

    async def _image(self, agency: HostedAgency, wish: Wish) -> bytes | None:
        from gateway.bootstrap import signing as wiring

        path = wiring.seal_file(self.node.settings, agency.code)
        if wish.purpose is not Purpose.SEAL:
            return None
        return await self.node.pool.run(partial(_read_image, path))

    async def _pieces(self, path: Path) -> AsyncIterator[bytes]:
        file = await self.node.pool.run(partial(_opened, path))
        with file:
            while piece := await self.node.pool.run(partial(file.read, _PIECE)):
                yield piece


def _named(wish: Wish, agency: HostedAgency) -> Wish:
    return replace(wish, agency_name=agency.name)


def _copy(source: Callable[[], BinaryIO], scratch: Scratch) -> None:
    with source() as found:
        copyfileobj(found, scratch.file, _PIECE)
    scratch.file.flush()


def _opened(path: Path) -> BinaryIO:
    return path.open("rb")


def _read_image(path: Path) -> bytes | None:
    if not path.is_file():
        return None
    with path.open("rb") as source:
        return source.read(_MOST_IMAGE)
