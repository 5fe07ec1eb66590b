"""Looks for unused code, for `make check`. In: packages; code named in their templates and catalogues is used, code named
only in tests is not. Out: exit code 1 and a line for each place, unless dead_code_allowed.py says why it stays."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path

from vulture import Vulture

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(Path(__file__).parent))
LIST = "tools/dead_code_allowed.py"
# The table of commands has them by their decorator.
COMMANDS = ["@verb", "@*.verb", "@*.alone"]
# What may call the package by name beside its modules: of templates what is between braces, of catalogues the keys.
CALLING = {
    "*.html": r"(?s)\{[{%].*?[%}]\}",
    "*.txt": r"(?s)\{[{%].*?[%}]\}",
    "*.po": r"(?m)^msgid .*$",
    "*.json": r"(?s).+",
    "*.js": r"(?s).+",
}


def dead(packages: Sequence[Path], allowed: Mapping[str, str]) -> list[str]:
    """List code that none of these packages uses and `allowed` does not name, a line each, and idle rows of `allowed`."""
    scan = Vulture(ignore_decorators=COMMANDS)
    scan.scavenge([package.resolve() for package in packages])
    for package, (files, calls) in product(packages, CALLING.items()):
        for path in package.rglob(files):
            if path.parent == package / "examples":  # recorded answers call nothing
                continue
            for call in re.findall(calls, path.read_text(encoding="utf-8")):
                scan.used_names.update(re.findall(r"\w+", call))
    wrong, idle = [], set(allowed)
    for item in scan.get_unused_code():
        home = next(p for p in packages if item.filename.is_relative_to(p.resolve()))
        module = item.filename.relative_to(home.resolve().parent).as_posix()
        name, kind = f"{module}:{item.name}", f"{module}:{item.typ} {item.name}"
        rows = {row for row in allowed if fnmatchcase(name, row) or fnmatchcase(kind, row)}
        idle -= rows
        if not rows:
            wrong.append(
                f"{name}, line {item.first_lineno}: {item.message}; delete it, or say in {LIST} why not"
            )
    return wrong + [f"{row}: allows nothing any more; delete it from {LIST}" for row in sorted(idle)]


if __name__ == "__main__":
    from dead_code_allowed import ALLOWED, ALLOWED_IN_CLIENT

    problems = dead(
        [
            ROOT / "gateway",
            ROOT / "office" / "gateway_office",
            ROOT / "foreign" / "gateway_foreign",
            ROOT / "labs" / "gateway_labs",
        ],
        ALLOWED,
    )
    problems += dead([ROOT / "clients" / "python" / "gateway_client"], ALLOWED_IN_CLIENT)
    print("\n".join(problems) or "no dead code")
    raise SystemExit(1 if problems else 0)
