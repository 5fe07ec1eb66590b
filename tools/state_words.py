"""Looks for words of states outside of `gateway.domain.states`, for `make check`. A word is a state where it is compared
with a state or code of a delivery, where several stand as one group, or where it has no other meaning. In: the
packages. Out: exit code 1 and a line for each place, and for each allowed place without such a word."""

import ast
import sys
from pathlib import Path

from gateway.domain.states import STATES

# Places that are the tables, or whose words have another meaning.
ALLOWED = {
    "gateway/domain/states.py": "the table",
    "gateway/api/resources/webhooks.py": "states of a notification",
    "gateway/domain/figure_cells.py": "names of measures",
    "gateway/domain/figures.py": "names of measures",
    "gateway/incoming/rejudge.py": "states of a packet",
    "gateway/ops/checks_of_lines.py": "states of an axis",
    "gateway/outgoing/requests.py": "states of an outbox row",
    "gateway/store/figures.py": "names of measures",
    "gateway/store/outbox.py": "states of an outbox row",
    "foreign/gateway_foreign/compat/box.py": "words of the foreign interface",
    "office/gateway_office/store/lists.py": "tiles of the home page",
    "office/gateway_office/store/partners.py": "results on the page of partners",
    "office/gateway_office/web/pages/dashboard.py": "tiles of the home page",
    "office/gateway_office/web/pages/journal.py": "outcomes in the journal",
    "office/gateway_office/web/pages/operations/state.py": "tabs of the lists",
}
NAMES = ("code", "state", "word")


def is_word(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in STATES


def find(tree: ast.AST) -> set[int]:
    """Return the lines with words of states."""
    lines: set[int] = set()
    for node in ast.walk(tree):
        parts = [*ast.iter_child_nodes(node)]
        words = [part for part in parts if is_word(part)]
        is_group = isinstance(node, ast.Tuple | ast.List | ast.Set | ast.Dict) and len(words) > 1
        is_compared = isinstance(node, ast.Compare) and any(
            isinstance(part, ast.Attribute) and part.attr in NAMES for part in parts
        )
        lines |= {
            word.lineno
            for word in words
            if is_group or is_compared or (isinstance(word, ast.Constant) and "_" in word.value)
        }
    return lines


if __name__ == "__main__":
    lines_by_path = {
        str(path): sorted(find(ast.parse(path.read_text(encoding="utf-8"))))
        for package in ("gateway", "office", "foreign")
        for path in sorted(Path(package).rglob("*.py"))
        if "migrations" not in path.parts and "words" not in path.parts
    }
    faults = [
        f"{path}:{line}: a word of a state; name it by State, or by a group of domain/states.py"
        for path, lines in lines_by_path.items()
        if path not in ALLOWED
        for line in lines
    ]
    faults += [f"{path}: allowed, and has no such word" for path in ALLOWED if not lines_by_path.get(path)]
    sys.exit("\n".join(faults) or 0)
