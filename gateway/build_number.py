"""Number of a checkout: that of its bundle, 0.3.N+commit, with N the count of commits. In: the version that the source
states, and the checkout's folder. Out: the number. A start reads four small files of git's; git itself is asked once for
each commit, and its count kept in git's folder. Where it cannot be asked, the number names the commit alone."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def of_checkout(version: str, root: Path) -> str:
    """Return the number of the commit that is checked out at `root`; the stated version where there is none."""
    try:
        folder = root / ".git"
        if folder.is_file():  # of a worktree
            folder = root / folder.read_text("utf-8").removeprefix("gitdir:").strip()
        commit = _commit(folder)
    except (OSError, ValueError):
        return version
    count_file = folder / "gateway-build"
    with suppress(OSError, ValueError):
        counted, number = count_file.read_text("utf-8").split()
        if counted == commit and number.endswith(f"+{commit[:8]}"):
            return number
    count = _count(root, commit)
    if not count:
        return f"{version}+{commit[:8]}"
    number = f"{version.rpartition('.')[0]}.{count}+{commit[:8]}"
    with suppress(OSError):
        count_file.write_text(f"{commit} {number}", "utf-8")
    return number


def _commit(folder: Path) -> str:
    """Return the commit that is checked out. An error when there is none yet."""
    name = (folder / "HEAD").read_text("utf-8").strip()
    if not name.startswith("ref:"):
        return name
    name, shared = name.removeprefix("ref:").strip(), folder
    with suppress(FileNotFoundError):
        shared = folder / (folder / "commondir").read_text("utf-8").strip()
    with suppress(FileNotFoundError):
        return (shared / name).read_text("utf-8").strip()
    packed = (shared / "packed-refs").read_text("utf-8").splitlines()
    (commit,) = [line.partition(" ")[0] for line in packed if line.endswith(f" {name}")]
    return commit


def _count(root: Path, commit: str) -> str:
    """Count the commits up to this one; empty where git does not tell."""
    import subprocess  # git is asked once for each commit

    words = ("git", "-C", str(root), "rev-list", "--count", commit)
    with suppress(OSError, subprocess.SubprocessError):
        return subprocess.run(words, check=True, capture_output=True, text=True, timeout=10).stdout.strip()  # noqa: S603 - the git of a checkout's owner
    return ""
