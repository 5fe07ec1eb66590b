"""Documents are dropped into a hot folder while the node is killed again and again: each good one is sent once, each bad
one lies in `error` with its reason. FOLDER_DOCUMENTS and FOLDER_KILLS make it as long as one likes."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from gateway.bootstrap.node import open_node
from tests.support import api
from tests.support.folder import sidecar
from tests.support.folder_child import with_folder
from tests.support.node import DEPARTMENT, PDF

DOCUMENTS = int(os.environ.get("FOLDER_DOCUMENTS", "40"))
KILLS = int(os.environ.get("FOLDER_KILLS", "2"))
BAD = max(8, DOCUMENTS // 10)
LOOK_S = 0.1
# Maker of each bad pair of files, and a word of the reason that is written.
FAULTS: tuple[tuple[Callable[[str], tuple[str, bytes]], str], ...] = (
    (lambda stem: ("{", PDF), "JSON"),
    (lambda stem: (sidecar(stem, f"{stem}.pdf", subject=None), PDF), "/subject"),
    (lambda stem: (sidecar(stem, f"{stem}.pdf", numbr="1"), PDF), "numbr"),
    (lambda stem: (sidecar(stem, f"{stem}.pdf"), b"no PDF at all"), ".pdf"),
    (lambda stem: (sidecar(stem, f"{stem}.pdf", secrecy="mat"), PDF), "/secrecy"),
)


@pytest.mark.timeout(3600)
async def test_each_document_is_sent_once_and_each_bad_one_told_while_the_node_is_killed(
    tmp_path: Path,
) -> None:
    folder, root, chance = tmp_path / "node", tmp_path / "hot", random.Random(1000)
    root.mkdir()
    await api.stage_in(folder)
    services = root / DEPARTMENT
    pending = [("good", n) for n in range(DOCUMENTS)] + [("bad", n) for n in range(BAD)]
    chance.shuffle(pending)

    for kill in range(KILLS + 1):
        batch_size = len(pending) // (KILLS + 1 - kill)
        dropping, pending = pending[:batch_size], pending[batch_size:]
        target = count_settled(services) + chance.randrange(batch_size) if kill < KILLS else DOCUMENTS + BAD
        await run_until(folder, root, dropping, target)

    assert out(services) == 0
    async with open_node(with_folder(folder, root)) as node, node.store.reading() as tx:
        rows = await tx.tuples(text("SELECT body FROM outgoing_document"))
    sent = Counter(json.loads(body)["draft"]["number"] for (body,) in rows)
    assert sent == {str(10_000 + n): 1 for n in range(DOCUMENTS)}
    for n in range(BAD):
        reason = (services / "error" / f"bad-{n}.error.txt").read_text(encoding="utf-8")
        assert FAULTS[n % len(FAULTS)][1] in reason, reason


def drop(desk: Path, kind: str, n: int) -> None:
    """Write the file first, then its sidecar under another name, and rename that: as the manual says."""
    stem = f"{kind}-{n}"
    good = (sidecar(str(10_000 + n), f"{stem}.pdf"), PDF)
    metadata, content = good if kind == "good" else FAULTS[n % len(FAULTS)][0](stem)
    place = desk / "out"
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{stem}.pdf").write_bytes(content)
    (place / f".{stem}.json").write_text(metadata, encoding="utf-8")
    (place / f".{stem}.json").rename(place / f"{stem}.json")


def count_settled(desk: Path) -> int:
    """Count documents put away, sent or not. A file with an unreadable sidecar is put away alone a minute later."""
    notes = [note for note in desk.glob("error/*.error.txt") if not note.name.endswith(".pdf.error.txt")]
    return len(notes) + len(list(desk.glob("sent/**/*.result.json")))


def out(desk: Path) -> int:
    return len(list((desk / "out").glob("*.json"))) if (desk / "out").is_dir() else 0


async def run_until(folder: Path, root: Path, dropping: list[tuple[str, int]], target: int) -> None:
    """Drop documents while a node's process runs, and kill it without warning once `target` of them were put away."""
    services = root / DEPARTMENT
    words = ("-m", "tests.support.folder_child", str(folder), str(root))
    child = await asyncio.create_subprocess_exec(sys.executable, *words)
    try:
        for kind, n in dropping:
            drop(services, kind, n)
        while count_settled(services) < target:
            assert child.returncode is None, "the process ended by itself"
            await asyncio.sleep(LOOK_S)
    finally:
        child.kill()
        await child.wait()
