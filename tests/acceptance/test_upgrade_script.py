"""The upgrade stops for a fault that it caused, and for no fault that was there before. The program on both sides is a
stand-in that prints what a doctor would: the tests try the script."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools" / "bundle"
RED_KEYS = {"check": "keys", "level": "red", "says": "no key"}
RED_DISK = {"check": "disk", "level": "red", "says": "disk full"}
FINE = {"check": "axis", "level": "green", "says": "fine"}


def version(prefix: Path, name: str, checks: list[dict[str, str]] | str, pending: Sequence[str] = ()) -> None:
    """Write an installed version whose doctor prints these checks, and whose schema waits for steps of these phases."""
    programs = prefix / name / "bin"
    programs.mkdir(parents=True)
    report = checks if isinstance(checks, str) else json.dumps({"level": "-", "checks": checks})
    (programs / "said").write_text(report)
    (programs / "pending").write_text(json.dumps({"pending": [{"phase": phase} for phase in pending]}))
    (programs / "gateway-node").write_text(
        '#!/bin/sh\ncd "$(dirname "$0")"\ncase "$1 $2" in doctor*) cat said; exit 1 ;; *status) cat pending ;; esac\n'
    )
    (programs / "gateway-node").chmod(0o755)
    (programs / "python").symlink_to(sys.executable)
    (prefix / name / ".installed").touch()


@pytest.mark.parametrize(
    ("checks_before", "checks_after", "goes_on"),
    [
        ([FINE], [FINE], True),
        ([RED_KEYS, FINE], [RED_KEYS, FINE], True),
        ([RED_KEYS], [FINE], True),
        ([FINE], [RED_DISK], False),
        ([RED_KEYS], [RED_KEYS, RED_DISK], False),
        ([RED_KEYS], [RED_KEYS, RED_KEYS], False),
        ("the old program does not start", [RED_KEYS], False),
        ("the old program does not start", [FINE], True),
        ([FINE], "the new program does not start", False),
    ],
)
def test_an_upgrade_stops_only_for_what_is_newly_red(
    tmp_path: Path,
    checks_before: list[dict[str, str]] | str,
    checks_after: list[dict[str, str]] | str,
    goes_on: bool,
) -> None:
    prefix = tmp_path / "prefix"
    version(prefix, "1.0", checks_before)
    version(prefix, "2.0", checks_after)

    process = upgraded(tmp_path)

    assert (process.returncode == 0) == goes_on, process.stderr
    assert os.readlink(prefix / "current") == ("2.0" if goes_on else "1.0")
    if not goes_on:
        assert "1.0 stays in use" in process.stderr


@pytest.mark.parametrize(
    ("pending", "words"),
    [
        (("expand",), ""),
        (("expand", "expand"), "1.0 does not start again"),
        (("contract",), ""),
        (("expand", "contract", "expand"), "migrate up --contract"),
    ],
)
def test_an_upgrade_over_several_releases_says_what_cannot_be_undone_and_what_must_stop_first(
    tmp_path: Path, pending: tuple[str, ...], words: str
) -> None:
    version(tmp_path / "prefix", "1.0", [FINE])
    version(tmp_path / "prefix", "2.0", [FINE], pending)

    process = upgraded(tmp_path)

    goes_on = pending[1:] != ("contract", "expand")
    assert (process.returncode == 0) == goes_on, process.stderr
    assert os.readlink(tmp_path / "prefix" / "current") == ("2.0" if goes_on else "1.0")
    assert words in process.stderr
    assert bool(words) == bool(process.stderr)


def upgraded(folder: Path) -> subprocess.CompletedProcess[str]:
    """Upgrade from 1.0, which is in use, to 2.0."""
    bundle = folder / "bundle"
    bundle.mkdir()
    shutil.copy(TOOLS / "upgrade.sh", bundle)
    (bundle / "VERSION").write_text("2.0")
    (bundle / "check.sh").write_text("#!/bin/sh\n")
    (bundle / "check.sh").chmod(0o755)
    (folder / "prefix" / "current").symlink_to("1.0")
    return subprocess.run(
        ["/bin/sh", bundle / "upgrade.sh", "release.pub", folder / "prefix"],
        capture_output=True,
        text=True,
        check=False,
    )
