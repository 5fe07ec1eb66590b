"""Ports that misbehave while a file stands in a folder: the only way into a running process. `twice` hands each parcel to
the axis two times and takes arrivals in another order; `disk-full` lets the content store take nothing; `lost` breaks the
axis's promise, to see that a soak notices; `gap` kills the process once, after a parcel was published and before that is
recorded. In: a folder. Out: a `Wrap` for `open_node`."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

from gateway.bootstrap.node import Wrap
from gateway.domain.document import Kind
from gateway.domain.identity import Digest
from gateway.errors import StoreFailure
from gateway.ports.axis import Arrival, Axis, Fate, Outcome, Parcel
from gateway.store.blob_refs import KeptContent
from gateway.store.blobs import FileBlobs, FileScratch

P = TypeVar("P")
TWICE, DISK_FULL, LOST, GAP = "twice", "disk-full", "lost", "gap"


class Switched(Wrap):
    """Wraps the two ports that can misbehave."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, name: str, port: P) -> P:
        if name == "axis":
            return cast(P, _Axis(cast(Axis, port), self._folder))
        if name == "blobs":
            return cast(P, _Blobs(port, self._folder / DISK_FULL))
        return port


class _Passing:
    """Passes everything to the real port, except for the methods of its subclass."""

    def __init__(self, real: object, switch: Path) -> None:
        self._real, self._switch = real, switch

    def __getattr__(self, name: str) -> Any:  # Any: it answers for every port
        return getattr(self._real, name)


class _Axis(_Passing):
    _real: Axis

    def __init__(self, real: Axis, folder: Path) -> None:
        super().__init__(real, folder / TWICE)
        self._lost, self._gap = folder / LOST, folder / GAP

    async def publish(self, parcel: Parcel, routes: Sequence[str]) -> Mapping[str, Outcome]:
        if self._lost.exists():
            return dict.fromkeys(routes, Outcome(fate=Fate.DELIVERED))
        if self._switch.exists():
            await self._real.publish(parcel, routes)
        outcomes = await self._real.publish(parcel, routes)
        if self._gap.exists() and parcel.kind is not Kind.STATUS:
            self._gap.unlink(missing_ok=True)
            os.kill(os.getpid(), signal.SIGKILL)
        return outcomes

    async def take(self, limit: int, lease_s: float) -> Sequence[Arrival]:
        arrivals = list(await self._real.take(limit, lease_s))
        if self._switch.exists():
            random.shuffle(arrivals)
        return arrivals


class _Blobs(_Passing):
    _real: FileBlobs

    async def keep(self, scratch: FileScratch, digest: Digest, size: int) -> KeptContent:
        self._refuse()
        return await self._real.keep(scratch, digest, size)

    def keep_small(self, digest: Digest, body: bytes) -> KeptContent:
        self._refuse()
        return self._real.keep_small(digest, body)

    def _refuse(self) -> None:
        if self._switch.exists():
            raise StoreFailure("the content store does not take a file: no space left; free space")
