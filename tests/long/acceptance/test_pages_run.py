"""What the pages tell people to type does what they say: the README's commands, and the operator's way to empty the dead
list. Each runs as a process of its own in a temporary folder, as a reader would run it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from gateway.clock import SystemClock
from gateway.pool import ThreadPool
from gateway.transport.embedded import EmbeddedAxis
from tests.support.parcels import parcel

ROOT = Path(__file__).parents[3]


def environment(**more: str) -> Mapping[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    return clean | {"PYTHONPATH": str(ROOT)} | more


def run(words: list[str], folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_the_commands_of_the_readme_do_what_it_says(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    lines = re.findall(r"^\.venv/bin/(gateway .+)$|^export (\w+)=(\S+)$", readme, flags=re.MULTILINE)
    exported: dict[str, str] = {}
    outputs = []

    for command, name, value in lines:
        if name:
            exported[name] = value
            continue
        child = run(["-m", *shlex.split(command)], tmp_path, **exported)
        # Doctor ends with 1 when it finds something to mend: the demonstration's keys have no password, for one.
        assert child.returncode in ((0, 1) if "doctor" in command else (0,)), f"{command}: {child.stderr}"
        outputs.append(child.stdout)

    demo, verified, outgoing, incoming, examined = outputs
    assert "lost: 0" in demo
    assert ": signed by Z91, unchanged" in verified
    assert "INVALID" not in verified
    assert "118/UBND-VP" in outgoing
    assert "118/UBND-VP" in incoming
    assert "database" in examined


def test_make_has_the_targets_that_the_readme_names() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"`?make ([a-z]+)`?", readme))

    assert "run" in targets
    assert targets <= set(re.findall(r"^([a-z]+):", makefile, flags=re.MULTILINE))


async def test_the_operators_commands_release_dead_parcels(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    listing, retrying = re.findall(r"^gateway (queue dead .+)$", page, flags=re.MULTILINE)
    pool = ThreadPool(1)
    folder = tmp_path / "data" / "axis"
    folder.mkdir(parents=True)
    async with EmbeddedAxis(folder, "node", SystemClock(), pool, poison_limit=1) as axis:
        await put_on_the_dead_list(axis)

        listed = run(["-m", "gateway", *listing.split()], tmp_path)
        retry = run(["-m", "gateway", *retrying.split(), "--yes"], tmp_path)

        assert "pkt_1" in listed.stdout, listed.stderr
        assert retry.returncode == 0, retry.stderr
        assert await axis.dead_list() == []
        assert [arrival.packet_id for arrival in await axis.take(1, 60)] == ["pkt_1"]
    pool.close()


async def put_on_the_dead_list(axis: EmbeddedAxis) -> None:
    """Put one parcel on the dead list: it is handed out once and never landed, and once is this axis's limit."""
    await axis.host(["Z92"])
    await axis.publish(parcel("pkt_1"), ["Z92"])
    (arrival,) = await axis.take(1, 60)
    await axis.settle(arrival, is_done=False)
    assert list(await axis.take(1, 60)) == []
