"""One worker process of `workers`, started by it: python -m bench.worker SIGN_MS. Settings come from the environment. In:
`go` on stdin, then `spent`, then the end of the input. Out: one JSON object a line: ready; and CPU seconds, signatures and
packets so far. SIGN_MS above 0 imitates a remote signing service: one session that takes so long for each."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar, cast

from gateway.bootstrap.node import Wrap
from gateway.cli.serve import freeze_loaded
from gateway.domain.certificates import ANY_KEY, KeyUse
from gateway.ports.axis import Axis, Outcome, Parcel
from gateway.ports.services import EnvelopeSigner
from gateway.settings import load
from gateway.trust.keys import KeyDirectory
from gateway_office.bootstrap.office import open_office

P = TypeVar("P")


class Counted(Wrap):
    """Counts the work of this process, and plays the session with the signing service."""

    def __init__(self, sign_s: float) -> None:
        self.sign_s = sign_s
        self.session = threading.Lock()
        self.signed = 0
        self.published = 0

    def __call__(self, name: str, port: P) -> P:
        if name == "keys":
            return cast("P", _Keys(cast("KeyDirectory", port), self))
        if name == "axis":
            return cast("P", _Axis(cast("Axis", port), self))
        return port


class _Keys:
    def __init__(self, keys: KeyDirectory, counted: Counted) -> None:
        self._keys, self._counted = keys, counted

    def __getattr__(self, name: str) -> Any:  # Any: it answers for the keys
        return getattr(self._keys, name)

    def signer(self, agency_code: str, at: datetime, use: KeyUse = ANY_KEY) -> EnvelopeSigner:
        return cast("EnvelopeSigner", _Signer(self._keys.signer(agency_code, at, use), self._counted))

    def opened(self, agency_code: str, at: datetime, use: KeyUse = ANY_KEY) -> None:
        """Return none of them: signing waits for a service."""


class _Signer:
    at_hand = False  # workers sign, not the accepting step

    def __init__(self, signer: EnvelopeSigner, counted: Counted) -> None:
        self._signer, self._counted = signer, counted

    def __getattr__(self, name: str) -> Any:  # Any: it answers for the signer
        return getattr(self._signer, name)

    def sign(self, data: bytes) -> bytes:
        with self._counted.session:
            self._counted.signed += 1
            if self._counted.sign_s:
                time.sleep(self._counted.sign_s)
            return self._signer.sign(data)


class _Axis:
    def __init__(self, axis: Axis, counted: Counted) -> None:
        self._axis, self._counted = axis, counted

    def __getattr__(self, name: str) -> Any:  # Any: it answers for the axis
        return getattr(self._axis, name)

    async def publish(self, parcel: Parcel, routes: Sequence[str]) -> Mapping[str, Outcome]:
        self._counted.published += 1
        return await self._axis.publish(parcel, routes)


async def main(sign_ms: float) -> None:
    counted, stop = Counted(sign_ms / 1000), asyncio.Event()
    async with open_office(load(None, os.environ), wrap=counted) as node:
        freeze_loaded()
        _say({"ready": True})
        await asyncio.to_thread(sys.stdin.readline)
        begun = time.process_time()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(node.run_workers(stop))
            while await asyncio.to_thread(sys.stdin.readline):
                cpu = time.process_time() - begun
                _say({"cpu": cpu, "signed": counted.signed, "published": counted.published})
            stop.set()


def _say(answer: Mapping[str, object]) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1])))
