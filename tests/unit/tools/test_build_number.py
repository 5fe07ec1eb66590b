"""Each build of a bundle, and each commit of a checkout, has a number of its own, which comes from the count of commits."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import gateway
from tests.support.cases import Cases

TOOLS = Path(__file__).parents[3] / "tools" / "bundle"


def git(root: Path, *words: str) -> str:
    by = ("-c", "user.name=A. Builder", "-c", "user.email=builder@example.org")
    run = subprocess.run(["git", "-C", root, *by, *words], check=True, capture_output=True, text=True)
    return run.stdout.strip()


def test_two_builds_have_two_numbers_and_a_changed_tree_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(TOOLS))
    sys.modules.pop("build", None)
    version = importlib.import_module("build").version.__wrapped__
    file = tmp_path / "gateway" / "__init__.py"
    file.parent.mkdir()
    file.write_text('__version__ = "0.1.0"\n')
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    numbers = []
    for n in (1, 2):
        git(tmp_path, "commit", "-q", "--allow-empty", "-m", f"commit {n}")
        numbers.append(version(tmp_path))
        assert numbers[-1] == f"0.1.{n}+{git(tmp_path, 'rev-parse', '--short=8', 'HEAD')}"

    file.write_text('__version__ = "0.1.0"  # changed\n')
    assert version(tmp_path) == f"{numbers[-1]}.changed"


def started(root: Path, path: str = "") -> str:
    """Return the number that a program says that starts in this checkout, with the programs of this PATH."""
    words = [sys.executable, "-c", "import gateway; print(gateway.__version__)"]
    environment = os.environ | {"PATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    run = subprocess.run(words, cwd=root, env=environment, check=True, capture_output=True, text=True)
    return run.stdout.strip()


def test_a_checkout_says_its_commit_and_asks_git_once_for_each_commit(tmp_path: Path, cases: Cases) -> None:
    with_git, root = os.environ["PATH"], tmp_path / "checkout"
    (root / "gateway").mkdir(parents=True)
    for name in ("__init__.py", "build_number.py"):
        shutil.copy(Path(gateway.__file__).parent / name, root / "gateway" / name)
    bare = started(root, with_git)
    git(root, "init", "-q")
    git(root, "add", ".")

    def number(checkout: Path = root) -> str:
        commit = git(checkout, "rev-parse", "--short=8", "HEAD")
        return f"0.3.{git(checkout, 'rev-list', '--count', 'HEAD')}+{commit}"

    def check(label: str, checkout: Path = root) -> None:
        with cases.case(label):
            assert (
                started(checkout) == f"0.3.0+{number(checkout).partition('+')[2]}"
            )  # the count is not known
            assert started(checkout, with_git) == number(checkout)
            assert started(checkout) == number(checkout)

    with cases.case("no commit yet, and a tree without git"):
        assert started(root, with_git) == bare == "0.3.0"
    for n in (1, 2):
        git(root, "commit", "-q", "--allow-empty", "-m", f"commit {n}")
        check(f"commit {n}")
    git(root, "pack-refs", "--all")
    with cases.case("packed"):
        assert started(root) == number()
    git(root, "worktree", "add", "-q", "-b", "other", str(tmp_path / "other"))
    git(tmp_path / "other", "commit", "-q", "--allow-empty", "-m", "third")
    check("worktree", tmp_path / "other")
    git(root, "checkout", "-q", "--detach", "HEAD~1")
    check("detached")


def test_a_program_that_was_built_keeps_its_own_number(tmp_path: Path) -> None:
    (tmp_path / "gateway").mkdir()
    text = Path(gateway.__file__).read_text("utf-8")
    (tmp_path / "gateway" / "__init__.py").write_text(
        re.sub(r'"\d+\.\d+\.\d+"', '"0.1.7+01234567"', text, count=1)
    )
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "another one")

    assert started(tmp_path, os.environ["PATH"]) == "0.1.7+01234567"
