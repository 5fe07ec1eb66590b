"""Looks for words of states outside of `gateway.domain.states`, for `make check`. A word is a state where it is compared
with a state or code of a delivery, where several stand as one group, or where it has no other meaning. In: the
packages. Out: exit code 1 and a line for each place, and for each file that is allowed more of them than it has."""

import ast
import sys
from pathlib import Path

from gateway.domain.states import STATES

# Files that are the tables, or whose words have another meaning: on how many lines, and which.
ALLOWED = {
    "gateway/domain/states.py": (5, "the table"),
    "gateway/api/resources/webhooks.py": (1, "states of a notification"),
    "gateway/domain/figure_cells.py": (1, "names of measures"),
    "gateway/domain/figures.py": (4, "names of measures"),
    "gateway/incoming/rejudge.py": (1, "states of a packet"),
    "gateway/ops/checks_of_lines.py": (1, "states of an axis"),
    "gateway/outgoing/requests.py": (1, "states of an outbox row"),
    "gateway/store/figures.py": (1, "names of measures"),
    "gateway/store/outbox.py": (1, "states of an outbox row"),
    "foreign/gateway_foreign/compat/box.py": (1, "words of the foreign interface"),
    "office/gateway_office/store/lists.py": (2, "tiles of the home page"),
    "office/gateway_office/store/partners.py": (1, "results on the page of partners"),
    "office/gateway_office/web/pages/dashboard.py": (1, "tiles of the home page"),
    "office/gateway_office/web/pages/journal.py": (1, "outcomes in the journal"),
    "office/gateway_office/web/pages/operations/state.py": (6, "tabs of the lists"),
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
    allowed = {path: count for path, (count, _) in ALLOWED.items()}
    faults = [
        f"{path}:{line}: a word of a state; name it by State, or by a group of domain/states.py"
        for path, lines in lines_by_path.items()
        if len(lines) > allowed.get(path, 0)
        for line in lines
    ]
    faults += [
        f"{path}: {count} lines are allowed, and it has {len(lines_by_path.get(path, ()))}: allow no more"
        for path, count in allowed.items()
        if len(lines_by_path.get(path, ())) < count
    ]
    sys.exit("\n".join(faults) or 0)
