"""Number of a checkout: that of its bundle, 0.1.N+commit, with N the count of commits. In: the version that the source
states, and the checkout's folder. Out: the number. A start reads four small files of git's; git itself is asked once for
each commit, and its count kept in git's folder. Where it cannot be asked, the number names the commit alone."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_COUNTED = "gateway-build"
_ANSWER_S = 10.0


def of_checkout(version: str, root: Path) -> str:
    """Return the number of the commit that is checked out at `root`; the stated version where there is none."""
    try:
        folder = _git_folder(root)
        commit = _commit(folder)
    except (OSError, ValueError):
        return version
    if not commit:
        return version
    with suppress(OSError, ValueError):
        counted, number = (folder / _COUNTED).read_text("utf-8").split()
        if counted == commit:
            return number
    count = _count(root, commit)
    if not count:
        return f"{version}+{commit[:8]}"
    number = f"{version.rpartition('.')[0]}.{count}+{commit[:8]}"
    with suppress(OSError):
        growing = folder / f"{_COUNTED}.{os.getpid()}"
        growing.write_text(f"{commit} {number}\n", "utf-8")
        growing.replace(folder / _COUNTED)
    return number


def _git_folder(root: Path) -> Path:
    """Return git's folder of this checkout, which a worktree has elsewhere."""
    folder = root / ".git"
    return folder if folder.is_dir() else root / folder.read_text("utf-8").removeprefix("gitdir:").strip()


def _commit(folder: Path) -> str:
    """Return the commit that is checked out; empty before the first one."""
    name = (folder / "HEAD").read_text("utf-8").strip()
    if not name.startswith("ref:"):
        return name
    name, shared = name.removeprefix("ref:").strip(), folder
    with suppress(FileNotFoundError):
        shared = folder / (folder / "commondir").read_text("utf-8").strip()
    with suppress(FileNotFoundError):
        return (shared / name).read_text("utf-8").strip()
    with suppress(FileNotFoundError):
        for line in (shared / "packed-refs").read_text("utf-8").splitlines():
            if line.endswith(f" {name}"):
                return line.partition(" ")[0]
    return ""


def _count(root: Path, commit: str) -> str:
    """Count the commits up to this one; empty where git does not tell."""
    import subprocess  # git is asked once for each commit

    words = ("git", "-C", str(root), "rev-list", "--count", commit)
    try:
        return subprocess.run(  # noqa: S603 - git from the PATH of whoever works in this checkout
            words, check=True, capture_output=True, text=True, timeout=_ANSWER_S
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
