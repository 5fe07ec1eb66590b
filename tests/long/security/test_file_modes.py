"""Nothing that a node at work writes can be read by another user of the machine, however it was started."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.support.waiting import LIMIT_S

ROOT = Path(__file__).parents[3]


@pytest.fixture
def folder(blank_node: Path, tmp_path: Path) -> Path:
    """A node that is set up, with nothing of it at work yet, and its settings."""
    data = tmp_path / "node"
    shutil.copytree(blank_node, data)
    # The database's own log takes after the database, which the installed units and `gateway init` keep to themselves.
    for path in data.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
    (tmp_path / "gateway.toml").write_text(
        f'[node]\nname = "files"\ndata_dir = "{data}"\n[api]\nport = 0\n', encoding="utf-8"
    )
    return tmp_path


def test_what_a_served_node_writes_is_for_its_own_user_alone(folder: Path) -> None:
    data = folder / "node"
    old_paths = set(data.rglob("*"))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    child = subprocess.Popen(
        [sys.executable, "-m", "gateway", "--lang", "en", "--config", str(folder / "gateway.toml"), "serve"],
        env=environment | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        umask=0o022,
    )
    ender = threading.Timer(LIMIT_S, child.kill)
    ender.start()
    try:
        assert child.stderr is not None
        with child.stderr as stream:
            lines: list[str] = []
            while "http://" not in (lines or [""])[-1]:
                line = stream.readline()
                assert line, "".join(lines)
                lines.append(line)
            new_paths = set(data.rglob("*")) - old_paths
            readable = [
                f"{path} {stat.filemode(mode)}" for path in new_paths if (mode := _mode(path)) & 0o077
            ]
    finally:
        child.terminate()
        child.wait(LIMIT_S)
        ender.cancel()

    assert new_paths
    assert readable == []
    assert ("runs as root" in "".join(lines)) is (os.geteuid() == 0)


def _mode(path: Path) -> int:
    """0 of what the node, which is at work, took away meanwhile."""
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return 0


def test_a_database_made_by_hand_is_for_its_own_user_alone(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    words = ("init", "--data-dir", "state", "--code", "Z91.02", "--name", "Office", "--yes")

    subprocess.run(
        [sys.executable, "-m", "gateway", *words],
        env=environment | {"PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        umask=0o022,
        cwd=tmp_path,
    )

    files = list((tmp_path / "state").glob("gateway.db*"))
    assert files
    assert [stat.filemode(path.stat().st_mode) for path in files] == ["-rw-------"] * len(files)
