"""Choose small faults in the product and find them again in a later version of it. In: Python files. Out: faults with a
file, a function and a piece of source, but without line numbers, as lines move."""

from __future__ import annotations

import ast
import json
import random
import re
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from moved import paths_of

ROOTS = ("gateway", "office/gateway_office", "foreign/gateway_foreign", "clients/python/gateway_client")
# These show or try the product and are not used in service. A migration runs once.
LEFT_OUT = (
    "gateway/demo/",
    "gateway/sandbox/",
    "gateway/conformance/",
    "gateway/simulators/",
    "gateway/store/migrations/",
)
SEED = 300
# How many faults of each kind make up the list.
SHARES = {"comparison": 75, "statement left out": 75, "constant": 50, "boolean operator": 50, "negation": 50}

_OPERATORS = {
    ast.Lt: (">=", "<="),
    ast.LtE: (">", "<"),
    ast.Gt: ("<=", ">="),
    ast.GtE: ("<", ">"),
    ast.Eq: ("!=",),
    ast.NotEq: ("==",),
    ast.Is: ("is not",),
    ast.IsNot: ("is",),
    ast.In: ("not in",),
    ast.NotIn: ("in",),
}
_OPERATOR_TEXT = re.compile(rb"is\s+not\b|not\s+in\b|is\b|in\b|[<>=!]=|[<>]")
_LOGGING = re.compile(r"(self\.)?(_log|_LOG|logger|logging)\.\w+|log\.action")


@dataclass(frozen=True)
class Fault:
    """One fault of the list. `occurrence` counts equal pieces of source in the function, from 0."""

    number: int
    file: str
    function: str
    kind: str
    original: str
    replacement: str
    occurrence: int
    # What took the place when the code was written anew, as unlike the first as it has to be.
    later: Fault | None = None


@dataclass(frozen=True)
class Place:
    """Place in one version of a file where a fault may be set: bytes from `start` to `end`. One of `lines` is executed when
    the place is; the first is the more exact."""

    function: str
    kind: str
    original: str
    replacement: str
    start: int
    end: int
    lines: tuple[int, int]

    @property
    def key(self) -> tuple[str, str, str, str]:
        return self.function, self.kind, self.original, self.replacement

    def apply(self, source: bytes) -> bytes:
        return source[: self.start] + self.replacement.encode() + source[self.end :]


def choose(tree: Path) -> list[Fault]:
    """Choose faults of every kind, at most one in a function."""
    chance = random.Random(SEED)  # noqa: S311 - a fixed choice is wanted
    candidates: dict[str, list[tuple[str, Place]]] = defaultdict(list)
    for file in product_files(tree):
        for place in find_places((tree / file).read_bytes()):
            candidates[place.kind].append((file, place))
    chosen: list[tuple[str, Place]] = []
    functions: set[tuple[str, str]] = set()
    for kind, share in SHARES.items():
        pairs = candidates[kind]
        chance.shuffle(pairs)
        remaining = share
        for file, place in pairs:
            if remaining == 0:
                break
            if (file, place.function) in functions or not _compiles(place.apply((tree / file).read_bytes())):
                continue
            functions.add((file, place.function))
            chosen.append((file, place))
            remaining -= 1
    chosen.sort(key=lambda pair: (pair[0], pair[1].start))
    return [_make_fault(number, tree, file, place) for number, (file, place) in enumerate(chosen, 1)]


def find(tree: Path, fault: Fault) -> tuple[str, Place] | None:
    """Find the file of a fault in this checkout, and the place in it; of one written anew, its later form. None where it is
    gone."""
    for file in paths_of(fault.file):
        if (tree / file).exists() and (place := locate((tree / file).read_bytes(), fault)) is not None:
            return file, place
    return None if fault.later is None else find(tree, fault.later)


def locate(source: bytes, fault: Fault) -> Place | None:
    """Find the place of a fault in this version of its file; None where it is gone. Where its function has another name, it
    is the one place with the same source."""
    alike = [place for place in find_places(source) if place.key[1:] == _key(fault)[1:]]
    places = [place for place in alike if place.function == fault.function]
    if not places and len(alike) == 1:
        return alike[0]
    return places[fault.occurrence] if fault.occurrence < len(places) else None


def product_files(tree: Path) -> list[str]:
    files = (path.relative_to(tree).as_posix() for root in ROOTS for path in (tree / root).rglob("*.py"))
    return sorted(file for file in files if not file.startswith(LEFT_OUT))


def find_places(source: bytes) -> list[Place]:
    """Return every place of a file where a fault may be set, in the order of the source."""
    finder = _Finder(source)
    finder.visit(ast.parse(source))
    return sorted(finder.places, key=lambda place: (place.start, place.end, place.replacement))


def load(path: Path) -> list[Fault]:
    return [_read_fault(row) for row in json.loads(path.read_text(encoding="utf-8"))]


def _read_fault(row: dict[str, Any]) -> Fault:
    """Read a row of the list. Its later form says only what became different, and may have a later form itself."""
    form = {name: value for name, value in row.items() if name != "later"}
    return Fault(**form, later=_read_fault(form | row["later"]) if "later" in row else None)


def save(path: Path, faults: list[Fault]) -> None:
    """Write one fault a line, so that a change of the list can be read."""
    rows = ({name: value for name, value in asdict(fault).items() if value is not None} for fault in faults)
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    path.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def _make_fault(number: int, tree: Path, file: str, place: Place) -> Fault:
    equals = [other for other in find_places((tree / file).read_bytes()) if other.key == place.key]
    return Fault(
        number, file, place.function, place.kind, place.original, place.replacement, equals.index(place)
    )


def _key(fault: Fault) -> tuple[str, str, str, str]:
    return fault.function, fault.kind, fault.original, fault.replacement


def _compiles(source: bytes) -> bool:
    try:
        compile(source, "fault", "exec")
    except SyntaxError:
        return False
    return True


class _Finder(ast.NodeVisitor):
    """Collects the places of one file while it walks through its functions."""

    def __init__(self, source: bytes) -> None:
        self.places: list[Place] = []
        self._source = source
        self._line_starts = [0]
        for line in source.splitlines(keepends=True):
            self._line_starts.append(self._line_starts[-1] + len(line))
        self._names: list[str] = []
        self._in_function = False
        self._statement: ast.stmt | None = None

    def visit(self, node: ast.AST) -> None:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            self._visit_definition(node)
        elif isinstance(node, ast.JoinedStr):
            pass  # Python 3.11 gives wrong positions inside of these.
        elif not self._in_function:
            if not _is_for_types(node):
                self.generic_visit(node)
        elif isinstance(node, ast.stmt):
            self._visit_statement(node)
        else:
            self._visit_expression(node)

    def _visit_definition(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        """Visit the body alone: defaults, decorators and annotations are no lines of a function."""
        if node.name == "__repr__":
            return
        outside = self._in_function, self._statement
        self._in_function, self._statement = not isinstance(node, ast.ClassDef), None
        self._names.append(node.name)
        for statement in node.body:
            self.visit(statement)
        self._names.pop()
        self._in_function, self._statement = outside

    def _visit_statement(self, node: ast.stmt) -> None:
        if _is_for_types(node) or _is_logging(node):
            return
        is_nested = self._statement is not None
        outside, self._statement = self._statement, node
        if _may_be_left_out(node, is_nested):
            self._add("statement left out", node, "pass")
        if isinstance(node, ast.If | ast.While):
            self._negate(node.test)
        for name, value in ast.iter_fields(node):
            if name == "annotation":
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    self.visit(child)
        self._statement = outside

    def _visit_expression(self, node: ast.AST) -> None:
        match node:
            case ast.Compare(left=left, ops=[operator], comparators=[right]):
                self._turn(node, left, operator, right)
            case ast.BoolOp():
                self._swap(node)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                self._add("negation", node, f"({self._text(operand)})")
            case ast.IfExp(test=test):
                self._negate(test)
            case ast.comprehension(ifs=tests):
                for test in tests:
                    self._negate(test)
            case ast.Constant(value=bool(value)):
                self._add("constant", node, str(not value))
            case ast.Constant(value=int(number) | float(number)):
                self._add("constant", node, str(number + 1))
        if not (isinstance(node, ast.keyword) and node.arg == "strict"):  # zip's: a guard of its own
            self.generic_visit(node)

    def _negate(self, test: ast.expr) -> None:
        is_negation = isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)
        # A turned comparison is the same fault.
        if not is_negation and not isinstance(test, ast.Compare | ast.Constant):
            self._add("negation", test, f"not ({self._text(test)})")

    def _turn(self, node: ast.Compare, first: ast.expr, operator: ast.cmpop, right: ast.expr) -> None:
        between = self._source[self._end(first) : self._start(right)]
        if b"#" in between:
            return
        for opposite in _OPERATORS[type(operator)]:
            text = _OPERATOR_TEXT.sub(opposite.encode(), between, count=1).decode()
            # From edge to edge of the comparison, as brackets around its sides belong to it alone.
            left_text = self._slice(self._start(node), self._end(first))
            right_text = self._slice(self._start(right), self._end(node))
            self._add("comparison", node, left_text + text + right_text)

    def _swap(self, node: ast.BoolOp) -> None:
        word, opposite = (b"and", b"or") if isinstance(node.op, ast.And) else (b"or", b"and")
        pieces, end = [], self._start(node)
        for operand in node.values:
            between = self._source[end : self._start(operand)]
            if b"#" in between:
                return
            pieces.append(re.sub(rb"\b%s\b" % word, opposite, between, count=1).decode())
            pieces.append(self._text(operand))
            end = self._end(operand)
        pieces.append(self._slice(end, self._end(node)))
        self._add("boolean operator", node, f"({''.join(pieces)})")

    def _add(self, kind: str, node: ast.expr | ast.stmt, replacement: str) -> None:
        statement = self._statement or node
        start, end = self._start(node), self._end(node)
        self.places.append(
            Place(
                function=".".join(self._names),
                kind=kind,
                original=self._slice(start, end),
                replacement=replacement,
                start=start,
                end=end,
                lines=(node.lineno, statement.lineno),
            )
        )

    def _text(self, node: ast.expr) -> str:
        return self._slice(self._start(node), self._end(node))

    def _slice(self, start: int, end: int) -> str:
        return self._source[start:end].decode()

    def _start(self, node: ast.expr | ast.stmt) -> int:
        return self._line_starts[node.lineno - 1] + node.col_offset

    def _end(self, node: ast.expr | ast.stmt) -> int:
        # Parsed nodes have both; the types say otherwise because of nodes that are made.
        return self._line_starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)


def _may_be_left_out(node: ast.stmt, is_nested: bool) -> bool:
    """Tell whether the function can go on without this statement, if wrongly."""
    match node:
        case ast.Expr(value=ast.Call() | ast.Await()) | ast.Raise() | ast.AugAssign() | ast.Delete():
            return True
        case ast.Continue() | ast.Break():
            return True
        case ast.Return():
            return is_nested
        case ast.Assign(targets=targets):
            return all(isinstance(target, ast.Attribute | ast.Subscript) for target in targets)
    return False


def _is_logging(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and _LOGGING.fullmatch(ast.unparse(node.value.func)) is not None
    )


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
