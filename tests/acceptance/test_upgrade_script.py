"""The upgrade stops for what it broke, and for nothing that was broken before. The program on both sides is a stand-in that
prints what a doctor would: the script is what is tried."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools" / "bundle"
RED_KEYS = {"check": "keys", "level": "red", "says": "no key"}
RED_DISK = {"check": "disk", "level": "red", "says": "disk full"}
FINE = {"check": "axis", "level": "green", "says": "fine"}


def version(prefix: Path, name: str, checks: list[dict[str, str]] | str) -> None:
    """An installed version whose doctor says this."""
    programs = prefix / name / "bin"
    programs.mkdir(parents=True)
    report = checks if isinstance(checks, str) else json.dumps({"level": "-", "checks": checks})
    (programs / "said").write_text(report)
    (programs / "gateway-node").write_text(
        '#!/bin/sh\n[ "$1" = doctor ] || exit 0\ncat "$(dirname "$0")/said"\nexit 1\n'
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
    bundle, prefix = tmp_path / "bundle", tmp_path / "prefix"
    bundle.mkdir()
    shutil.copy(TOOLS / "upgrade.sh", bundle)
    (bundle / "VERSION").write_text("2.0")
    (bundle / "check.sh").write_text("#!/bin/sh\n")
    (bundle / "check.sh").chmod(0o755)
    version(prefix, "1.0", checks_before)
    version(prefix, "2.0", checks_after)
    (prefix / "current").symlink_to("1.0")

    process = subprocess.run(
        ["/bin/sh", bundle / "upgrade.sh", "release.pub", prefix], capture_output=True, text=True, check=False
    )

    assert (process.returncode == 0) == goes_on, process.stderr
    assert os.readlink(prefix / "current") == ("2.0" if goes_on else "1.0")
    if not goes_on:
        assert "1.0 stays in use" in process.stderr
