"""A story runs once, is cut off at some of its points, and runs again in the folder that each crash leaves."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.faults import killer
from tests.faults.killer import Point

# After a crash the node starts this much later, when every lease of the dead process has run out.
LATER_S = 120.0


class Crashes:
    """The folders that crashes left, and the process that forks storytellers."""

    def __init__(self, root: Path, points: Sequence[Point]) -> None:
        self._root = root
        self._teller = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.killer"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self._ask({"lay_out": str(root / "whole")})
        self.whole = self._ask({"folder": str(root / "whole"), "points": points, "into": str(root)})
        """What the story found that no crash cut off."""

    def torn(self, point: Point) -> list[str]:
        """Return the faults found in the folder of that crash."""
        folder = killer.left_by(self._root, *point)
        report = self._ask({"folder": str(folder), "offset_s": LATER_S})
        shutil.rmtree(folder)
        return killer.torn(report)

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        assert self._teller.stdin is not None
        assert self._teller.stdout is not None
        self._teller.stdin.write(json.dumps(question) + "\n")
        self._teller.stdin.flush()
        answer: dict[str, Any] = json.loads(self._teller.stdout.readline())
        return answer

    def close(self) -> None:
        self._teller.communicate()


@contextmanager
def crashed_at(points: Sequence[Point], root: Path) -> Iterator[Crashes]:
    crashes = Crashes(root, points)
    try:
        yield crashes
    finally:
        crashes.close()
