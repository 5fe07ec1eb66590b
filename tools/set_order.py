"""Refuses that the order of a set decides something: it differs from process to process. A plugin of mypy, which knows the
types. In: `gateway`, `office` and `foreign` as mypy checks them. Out: an error `set-order` at each place that reads a set
in its order: a loop, a list, a join, a `pop`. Not seen are an assignment to several names, and a set that a function takes
as an iterable. `sorted`, `any`, `sum` and other sets may read it. Elsewhere sort it, or collect with `dict.fromkeys`; where
the order is indifferent, `# type: ignore[set-order]` with the reason allows one place."""

from __future__ import annotations

import ast
from collections.abc import Callable
from functools import cache
from pathlib import Path

from mypy.errorcodes import ErrorCode
from mypy.nodes import ArgKind, Context, ListExpr, TupleExpr
from mypy.plugin import FunctionContext, MethodContext, Plugin
from mypy.types import Instance, Type, UnionType, get_proper_type

SET_ORDER = ErrorCode("set-order", "The order of a set decides something", "General")
PACKAGES = ("gateway/", "office/", "foreign/")
SETS = {"builtins.set", "builtins.frozenset", "typing.AbstractSet", "_weakrefset.WeakSet"}
VIEWS = {"typing.KeysView", "typing.ItemsView"}  # they keep the order of their dictionary
INDIFFERENT = {"sorted", "set", "frozenset", "any", "all", "sum", "len", "min", "max"}
INDIFFERENT_METHODS = {
    "update",
    "union",
    "difference",
    "intersection",
    "issubset",
    "issuperset",
    "isdisjoint",
}
READERS = [
    "list",
    "tuple",
    "dict",
    "iter",
    "next",
    "enumerate",
    "zip",
    "map",
    "filter",
    "min",
    "max",
    "print",
]
READING_CALLS = {
    "<list>",
    "<tuple>",
    "itertools.chain",
    "asyncio.tasks.gather",
    *(f"builtins.{name}" for name in READERS),
}
READING_METHODS = {"builtins.str.join", "builtins.list.extend", "builtins.list.__iadd__", "fromkeys of dict"}


def is_set(kind: Type) -> bool:
    proper = get_proper_type(kind)
    if isinstance(proper, UnionType):
        return any(map(is_set, proper.items))
    bases = {base.fullname for base in proper.type.mro} if isinstance(proper, Instance) else set()
    return bool(bases & SETS) and not bases & VIEWS


@cache
def indifferent_places(path: str) -> set[tuple[int, int, int | None, int | None]]:
    """Return the places of the expressions in a file whose order is lost in what they stand in."""
    tree = ast.parse(Path(path).read_text(encoding="utf-8"))
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}

    def is_indifferent(node: ast.AST) -> bool:
        parent = parents.get(node)
        match parent:
            case ast.Starred() | ast.GeneratorExp() | ast.ListComp() | ast.List() | ast.Tuple():
                return is_indifferent(parent)
            case ast.comprehension(iter=iterable):
                return iterable is node and is_indifferent(parent)
            case ast.Call(func=ast.Name(id="map" | "filter" | "zip")):
                return is_indifferent(parent)
            case ast.Call(func=ast.Name(id="min" | "max"), keywords=keywords):
                return not any(keyword.arg == "key" for keyword in keywords)
            case ast.Call(func=ast.Name(id=name)):
                return name in INDIFFERENT
            case ast.Call(func=ast.Attribute(attr=name)):
                return name in INDIFFERENT_METHODS
        return isinstance(parent, ast.Set | ast.SetComp)

    expressions = (node for node in ast.walk(tree) if isinstance(node, ast.expr) and is_indifferent(node))
    return {(node.lineno, node.col_offset, node.end_lineno, node.end_col_offset) for node in expressions}


def refuse(context: FunctionContext | MethodContext, place: Context) -> None:
    path, span = context.api.path, (place.line, place.column, place.end_line, place.end_column)
    if path.startswith(PACKAGES) and span not in indifferent_places(path):
        context.api.fail("the order of a set decides here: sort it", place, code=SET_ORDER)


def judge_method(context: MethodContext) -> Type:
    """Refuse a loop over a set, or its `pop`."""
    if is_set(context.type):
        refuse(context, context.context)
    return context.default_return_type


def judge_call(context: FunctionContext | MethodContext) -> Type:
    """Refuse a set that is given to what reads it in its order."""
    is_display = isinstance(context.context, ListExpr | TupleExpr)
    for types, kinds, expressions in zip(context.arg_types, context.arg_kinds, context.args, strict=True):
        for type_, kind, expression in zip(types, kinds, expressions, strict=True):
            if is_set(type_) and (kind is ArgKind.ARG_STAR or not is_display):
                refuse(context, expression)
    return context.default_return_type


class SetOrder(Plugin):
    """Hooks for loops over sets and for the calls named above; mypy asks other plugins about all else."""

    def get_method_hook(self, fullname: str) -> Callable[[MethodContext], Type] | None:
        if fullname.endswith(".__iter__") or fullname == "builtins.set.pop":
            return judge_method
        return judge_call if fullname in READING_METHODS else None

    def get_function_hook(self, fullname: str) -> Callable[[FunctionContext], Type] | None:
        return judge_call if fullname in READING_CALLS else None


def plugin(version: str) -> type[Plugin]:
    return SetOrder
