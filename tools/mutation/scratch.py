"""A copy of the checkout in which faults are set, with an environment of its own. In: the root of a checkout with a
`.venv`. Out: a folder whose `.venv/bin/python` imports the copy's packages, also in the processes that tests start."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PLUGINS = Path(__file__).parent / "plugins"
_SECOND_NS = 10**9


class Scratch:
    """One copy. `tmp` is where its tests write; both lie in `folder`, whose path is short, as sockets need it."""

    def __init__(self, tree: Path, folder: Path) -> None:
        self.root, self.tmp = folder / "copy", folder / "tmp"
        self.python = self.root / ".venv" / "bin" / "python"
        self.tmp.mkdir(parents=True)
        for name in _git(tree, "ls-files", "-z").split("\0"):
            if name:
                (self.root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(tree / name, self.root / name, follow_symlinks=False)
        self._make_environment(tree / ".venv")

    def environment(self, **more: str) -> dict[str, str]:
        """Return the environment of a process that is to use this copy and nothing else."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        path = f"{self.python.parent}{os.pathsep}{os.environ['PATH']}"
        return inherited | {"TMPDIR": str(self.tmp), "PATH": path} | more

    @contextmanager
    def fault(self, file: str, source: bytes, number: int) -> Iterator[None]:
        """Give one file other content for a while."""
        path = self.root / file
        original, times = path.read_bytes(), path.stat()
        path.write_bytes(source)
        # Compiled files are matched by size and by second; no two versions of a file may have the same second.
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns + number * _SECOND_NS))
        try:
            yield
        finally:
            path.write_bytes(original)
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    def clean(self) -> None:
        """End the processes that tests left behind and delete the files that they wrote."""
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if str(self.root).encode() in (process / "environ").read_bytes():
                    os.kill(int(process.name), signal.SIGKILL)
        # Examples that one fault made fail must not be tried first with the next.
        shutil.rmtree(self.root / ".hypothesis", ignore_errors=True)
        shutil.rmtree(self.tmp, ignore_errors=True)
        self.tmp.mkdir(exist_ok=True)

    def _make_environment(self, original: Path) -> None:
        """Link what is installed, but for the editable install, which leads to the checkout."""
        packages = next(original.glob("lib/python3*/site-packages"))
        copy = self.root / ".venv" / packages.relative_to(original)
        copy.mkdir(parents=True)
        for path in packages.iterdir():
            if path.suffix != ".pth" and path.name != "__pycache__":
                (copy / path.name).symlink_to(path)
        for plugin in PLUGINS.glob("*.py"):
            (copy / plugin.name).symlink_to(plugin)
        coverage = (
            "import os; os.getenv('COVERAGE_PROCESS_START') and __import__('coverage').process_startup()"
        )
        parts = ("clients/python", "labs", "office", "foreign")
        roots = (self.root, *(self.root / part for part in parts))
        (copy / "scratch.pth").write_text("\n".join([*map(str, roots), coverage, ""]))
        shutil.copy2(original / "pyvenv.cfg", self.root / ".venv")
        self.python.parent.mkdir()
        for path in (original / "bin").iterdir():
            target = self.python.parent / path.name
            if path.name.startswith("python"):
                shutil.copy2(path, target, follow_symlinks=False)
            elif path.is_file() and (content := path.read_bytes()).startswith(b"#!"):
                target.write_bytes(content.replace(os.fsencode(original), os.fsencode(target.parents[1])))
                target.chmod(0o755)


def _git(tree: Path, *words: str) -> str:
    return subprocess.run(["git", "-C", tree, *words], check=True, capture_output=True, text=True).stdout


def commit_of(tree: Path) -> str:
    return _git(tree, "rev-parse", "HEAD").strip()
