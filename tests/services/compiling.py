"""Compiles the product and its tests in a fresh clone, while the services start. The processes that run the tests import
the same modules at the same moment, so each would compile all of them. Test modules are compiled as pytest does it, with
asserts that explain themselves; those of the long lane are left to the processes that run it. In: nothing. Out: files of
bytecode where the interpreter and pytest look for them."""

from __future__ import annotations

import ast
import compileall
import os
import sysconfig
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from importlib.util import source_hash
from pathlib import Path

from _pytest.assertion import rewrite

ROOT = Path(__file__).parents[2]
_FOLDERS = ("gateway", "office", "foreign", "labs", "clients/python", "bench", "tests")
# Libraries that only tests load: they are installed without bytecode, like tools that are seldom started.
_LIBRARIES = ("_pytest", "playwright")
# Those of them that pytest treats as tests.
_PLUGINS = ("hypothesis", "xdist")
_SITE = Path(sysconfig.get_path("purelib"))
_LONG = tuple((ROOT / "tests" / folder / "long") for folder in ("", "office", "bench", "labs"))
_AT_ONCE = 20


def main() -> None:
    with ProcessPoolExecutor(os.cpu_count()) as processes:
        for _ in processes.map(_compile, _sources(), chunksize=_AT_ONCE):
            pass


def _sources() -> Iterator[Path]:
    for folder in (*(ROOT / name for name in _FOLDERS), *(_SITE / name for name in _LIBRARIES + _PLUGINS)):
        for path in folder.rglob("*.py"):
            if not any(map(path.is_relative_to, _LONG)):
                yield path


def _compile(path: Path) -> None:
    if not _is_rewritten(path):
        compileall.compile_file(path, quiet=2)
        return
    bytecode = rewrite.get_cache_dir(path) / (path.stem + rewrite.PYC_TAIL)
    if not bytecode.exists():  # pytest itself sees to one of an older source
        _write_rewritten(path, bytecode)


def _is_rewritten(path: Path) -> bool:
    return (
        path.name == "conftest.py"
        or path.name.startswith("test_")
        or any(path.is_relative_to(_SITE / name) for name in _PLUGINS)
    )


def _write_rewritten(path: Path, bytecode: Path) -> None:
    source = path.read_bytes()
    tree = ast.parse(source, filename=path)
    rewrite.rewrite_asserts(tree, source, str(path))
    code = compile(tree, path, "exec", dont_inherit=True)
    unfinished = bytecode.with_suffix(f".{os.getpid()}")
    bytecode.parent.mkdir(exist_ok=True)
    with unfinished.open("wb") as file:
        rewrite._write_pyc_fp(file, source_hash(source), code)
    unfinished.replace(bytecode)


if __name__ == "__main__":
    main()
