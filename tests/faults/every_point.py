"""Crashes the story at every point, by `make crash`. It tells the story once in a process that stops itself before and
after each call of each port; while the process stands still, its folder is copied. A stopped process leaves on disk
exactly what a killed one leaves, so each copy is a crash at that point. Points that leave the same bytes are one case.
Then it tells the story again in each copy, as after a restart, and looks for what a crash could have torn."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from tests.faults import killer
from tests.faults.crashes import LATER_S

# SQLite rebuilds the shared-memory index at the first opening after a crash; what it held says nothing.
_REBUILT = "-shm"


def main(words: Sequence[str]) -> int:
    """Crash the story at every point, or at one of so many; return 0 when nothing was torn anywhere."""
    every = int(words[0]) if words else 1
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="gateway-crash-") as temporary:
        root = Path(temporary)
        asyncio.run(killer.set_up(root / "told"))
        points, cases = walk(root, every)
        print(
            f"{points} points leave {len(cases)} different folders; telling the story again in each",
            flush=True,
        )
        wrong = recover(cases)
    for case, faults in wrong:
        print(f"TORN at {case}: " + "; ".join(faults))
    print(f"{points} points, {len(cases)} folders, {len(wrong)} torn, {time.monotonic() - began:.0f} s")
    return 1 if wrong else 0


def walk(root: Path, every: int = 1) -> tuple[int, dict[str, Path]]:
    """Tell the story step by step; return how many points it has, and a copy of each different folder by its first
    point, of one point of so many."""
    folder, cases, digests, points = root / "told", {}, set(), 0
    child = os.fork()
    if child == 0:
        asyncio.run(killer.tell(folder, stop=killer.stand_still))
        os._exit(0)
    while True:
        _, status = os.waitpid(child, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            break
        points += 1
        if points % every == 0 and (digest := digest_of(folder)) not in digests:
            digests.add(digest)
            cases[f"point-{points}"] = root / f"point-{points}"
            killer.copied(folder, root / f"point-{points}")
        os.kill(child, signal.SIGCONT)
    if os.waitstatus_to_exitcode(status) != 0:
        raise SystemExit("the story did not end well even without a crash")
    return points, cases


def digest_of(folder: Path) -> bytes:
    sha256 = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.endswith(_REBUILT):
            sha256.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes() + b"\0")
    return sha256.digest()


def recover(cases: dict[str, Path]) -> list[tuple[str, list[str]]]:
    """Tell the story again in each copy, on as many cores as there are; return what was torn, by point."""
    waiting: SimpleQueue[tuple[str, Path]] = SimpleQueue()
    for case in cases.items():
        waiting.put(case)
    wrong: list[tuple[str, list[str]]] = []
    tellers = [
        threading.Thread(target=_teller, args=(waiting, len(cases), wrong))
        for _ in range(os.cpu_count() or 1)
    ]
    for teller in tellers:
        teller.start()
    for teller in tellers:
        teller.join()
    return sorted(wrong)


def _teller(waiting: SimpleQueue[tuple[str, Path]], cases: int, wrong: list[tuple[str, list[str]]]) -> None:
    command = [sys.executable, "-m", "tests.faults.killer"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as teller:
        for case, folder in _take_waiting(waiting):
            faults = killer.torn(_tell(teller, folder))
            if faults:
                wrong.append((case, faults))
            shutil.rmtree(folder)
            if (remaining := waiting.qsize()) % 50 == 0:
                print(f"{cases - remaining} of {cases}, {len(wrong)} torn", file=sys.stderr, flush=True)


def _take_waiting(waiting: SimpleQueue[tuple[str, Path]]) -> Iterator[tuple[str, Path]]:
    while True:
        try:
            yield waiting.get_nowait()
        except Empty:
            return


def _tell(teller: subprocess.Popen[str], folder: Path) -> dict[str, Any]:
    assert teller.stdin is not None
    assert teller.stdout is not None
    teller.stdin.write(json.dumps({"folder": str(folder), "offset_s": LATER_S}) + "\n")
    teller.stdin.flush()
    report: dict[str, Any] = json.loads(teller.stdout.readline())
    return report


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
