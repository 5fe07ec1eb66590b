"""Check that each module's constants stand above its first function. In: folders. Out: each constant that stands below
without need, and exit code 1. A constant may stand below when Python forces it: its value names a function, a class or an
import from there, a constant that stands there for this reason, or an object that decorators or statements fill."""

from __future__ import annotations

import ast
import sys
from pathlib import Path


def late_constants(tree: ast.Module) -> list[ast.Assign | ast.AnnAssign]:
    """List the constants below the first function that could stand above it."""
    defs = ast.FunctionDef | ast.AsyncFunctionDef
    first = next((i for i, s in enumerate(tree.body) if isinstance(s, defs)), len(tree.body))
    forced: set[str] = set()
    for statement in tree.body:
        is_plain = isinstance(statement, ast.Assign | ast.AnnAssign | ast.Import | ast.ImportFrom)
        nodes = getattr(statement, "decorator_list", () if is_plain else (statement,))
        forced |= {n.id for node in nodes for n in ast.walk(node) if isinstance(n, ast.Name)}
    late: list[ast.Assign | ast.AnnAssign] = []
    for statement in tree.body[first:]:
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            names = {n.id for n in ast.walk(statement) if isinstance(n, ast.Name)}
            if names & forced:
                forced |= names_set(statement)
            else:
                late.append(statement)
        else:
            forced |= {getattr(statement, "name", "")} | {
                (a.asname or a.name).partition(".")[0] for a in getattr(statement, "names", ())
            }
    return late


def names_set(statement: ast.Assign | ast.AnnAssign) -> set[str]:
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    return {n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)}


def main(*folders: str) -> int:
    found = [
        f"{path}:{statement.lineno}: {ast.unparse(statement).splitlines()[0][:60]} stands below a function"
        for folder in folders
        for path in sorted(Path(folder).rglob("*.py"))
        if "versions" not in path.parts
        for statement in late_constants(ast.parse(path.read_text()))
    ]
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
