"""One process of a node: the product's own `gateway serve`, with a clock that is off by so many seconds, and ports that
misbehave while a switch is on. In: settings in the environment. Out: the line `ready` once the node is open, then work
until SIGTERM, or until its starter is gone."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from unittest.mock import patch

from bench.soak.switches import Switched
from gateway import program
from gateway.bootstrap import extensions
from gateway.clock import SystemClock
from gateway.settings import Settings
from gateway_office.bootstrap.office import Office, open_office


class OffClock(SystemClock):
    """A clock that is off from the machine's by so many seconds."""

    def __init__(self, offset_s: float) -> None:
        self._offset = timedelta(seconds=offset_s)

    def now(self) -> datetime:
        return super().now() + self._offset


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--offset", type=float, default=0.0)
    parser.add_argument("--switches", type=Path, required=True)
    parser.add_argument(
        "--server-too", action="store_true", help="the database server's clock is off as well"
    )
    parser.add_argument("--role", default="all")
    options = parser.parse_args()

    @asynccontextmanager
    async def opened(settings: Settings) -> AsyncIterator[Office]:
        async with open_office(settings, OffClock(options.offset), Switched(options.switches)) as node:
            if options.server_too:
                node.guard.measure = None
            asyncio.get_running_loop().add_reader(sys.stdin, lambda: os._exit(0))
            print("ready", flush=True)
            yield node

    sys.argv = ["gateway", "serve", "--role", options.role]
    with patch.object(extensions, "open_with_storeys", opened):
        program.main()


if __name__ == "__main__":
    main()
