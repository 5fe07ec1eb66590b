"""A node in a process of its own works on its hot folder, for tests that kill it. In: the node's folder and the root of the
hot folder. It works until it is killed."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

from gateway.bootstrap.node import open_node
from gateway.settings import Settings
from gateway_labs.demo import stage
from tests.support.node import DEPARTMENT


def with_folder(folder: Path, root: Path) -> Settings:
    settings = stage.settings_for(folder)
    hot = replace(settings.folder, root=root, agencies=DEPARTMENT, look_s=0.2, settle_s=0.4, wait_min=1.0)
    return replace(settings, folder=hot, workers=replace(settings.workers, lease_s=15))


async def main(folder: Path, root: Path) -> None:
    async with open_node(with_folder(folder, root)) as node:
        await node.run_workers(asyncio.Event())


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
