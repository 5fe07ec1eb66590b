"""Counts the code that the flows of a document stand on. In: `gateway.outgoing` and `gateway.incoming`. Out: modules, lines
and lines that are not blank, by package; exit code 1 above `--limit` lines, blank ones included.

The walk begins at every module of both packages and follows every import of `gateway`, at the top and inside functions. A
module brings the `__init__` of each package above it, and `from package import name` the module of that name. Not followed
are imports under `if TYPE_CHECKING:`, which no process executes, other distributions, and what the wiring hands over."""

from __future__ import annotations

import argparse
import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]


def imports_in(node: ast.AST) -> Iterator[str]:
    """Yield the dotted names imported below a node, without those for type checkers."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            yield from (f"{child.module}.{alias.name}" for alias in child.names)
        elif not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield from imports_in(child)


def reached_files(packages: tuple[str, ...] = ("outgoing", "incoming")) -> set[Path]:
    """Return the files that the packages reach, their own included."""
    unread = {file for package in packages for file in (ROOT / "gateway" / package).rglob("*.py")}
    reached: set[Path] = set()
    while unread:
        reached.add(file := unread.pop())
        own_name = ".".join(file.relative_to(ROOT).parts[:-1])
        for name in (own_name, *imports_in(ast.parse(file.read_bytes()))):
            steps = name.split(".") if name.startswith("gateway") else []
            places = [ROOT.joinpath(*steps[:length]) for length in range(1, len(steps) + 1)]
            files = (path for place in places for path in (place.with_suffix(".py"), place / "__init__.py"))
            unread |= {path for path in files if path.is_file()} - reached
    return reached


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int)
    limit = parser.parse_args().limit
    table: dict[str, Counter[str]] = {name: Counter() for name in ("modules", "lines", "not blank")}
    for path in reached_files():
        package, lines = path.relative_to(ROOT).parts[1], path.read_text("utf-8").splitlines()
        for column, count in zip(
            table.values(), (1, len(lines), sum(map(bool, map(str.strip, lines)))), strict=True
        ):
            column.update({package: count, "total": count})
    print(f"{'':20}" + "".join(f"{name:>10}" for name in table))
    for package in sorted(table["lines"], key=lambda name: (name == "total", name)):
        print(f"{package:20}" + "".join(f"{column[package]:10,}" for column in table.values()))
    if limit is not None and table["lines"]["total"] > limit:
        raise SystemExit(f"the flows reach more than {limit:,} lines; tools/reach.py says what is counted")
