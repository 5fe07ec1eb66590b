"""No test of the exchange needs the office: no file of tests outside the folders that may imports it, whether itself or by
way of another file of tests or measurements, or of a module of the laboratory that loads it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.support.without_office import NEEDS_OFFICE, PACKAGE

ROOT = Path(__file__).parents[3]
Imports = Mapping[str, frozenset[str]]


def test_no_test_of_the_exchange_imports_the_office() -> None:
    files = {
        **{
            _module(file, ROOT): file
            for folder in ("tests", "bench")
            for file in (ROOT / folder).rglob("*.py")
        },
        **{_module(file, ROOT / "labs"): file for file in (ROOT / "labs/gateway_labs").rglob("*.py")},
    }
    assert len(files) > 500
    imports = {
        module: frozenset(_imported(file.read_text("utf-8"), module)) for module, file in files.items()
    }
    allowed = tuple(f"tests.{folder}." for folder in NEEDS_OFFICE)
    exchange_tests = [m for m in files if m.startswith("tests.") and not m.startswith(allowed)]

    assert [path for module in exchange_tests if (path := _way_to_office(module, imports))] == []


def test_a_way_to_the_office_is_found_through_helpers_and_packages() -> None:
    sources = {
        "tests.unit.test_a": "from tests.support import b",
        "tests.support.b": "def f():\n    try:\n        a()\n    except E:\n        from tests.support.c.d import g",
        "tests.support.c": f"import {PACKAGE}.words",
        "tests.support.c.d": "",
        "gateway_labs.late": f"def f():\n    import {PACKAGE}",
        "tests.unit.test_e": "from gateway_labs.late import f",
    }
    imports = {module: frozenset(_imported(source, module)) for module, source in sources.items()}

    assert (
        _way_to_office("tests.unit.test_a", imports)
        == "tests.unit.test_a > tests.support.b > tests.support.c"
    )
    assert _way_to_office("tests.unit.test_e", imports) == ""


def _module(file: Path, root: Path) -> str:
    return ".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


def _imported(source: str, module: str) -> Iterator[str]:
    """Yield the names that a file imports; of one that is no test only those that it imports when it is loaded."""
    tree = ast.parse(source)
    for node in _statements(tree.body) if module.startswith("tests") else tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _statements(body: Sequence[ast.AST]) -> Iterator[ast.AST]:
    """Yield all statements, those within others too: no expression imports, and most of a file is expressions."""
    for node in body:
        yield node
        for inner in ("body", "orelse", "finalbody", "handlers", "cases"):
            if isinstance(statements := getattr(node, inner, None), list):
                yield from _statements(statements)


def _way_to_office(module: str, imports: Imports) -> str:
    """Return how this module comes to load the office, in names of modules; an empty string where it does not."""
    ways = {module: module}
    waiting = [module]
    while waiting:
        current = waiting.pop()
        for name in sorted(imports[current]):
            parts = name.split(".")
            if parts[0] == PACKAGE:
                return ways[current]
            # Loading a module loads the packages that it lies in.
            for prefix in (".".join(parts[: n + 1]) for n in range(len(parts))):
                if prefix in imports and prefix not in ways:
                    ways[prefix] = f"{ways[current]} > {prefix}"
                    waiting.append(prefix)
    return ""
