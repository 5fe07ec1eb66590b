"""The package stands alone: it needs nothing but Python's own library and nothing of the node, its types say what the
node says, and the programs on its pages can be run."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import typing
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import gateway_client
from gateway.api.openapi import document
from gateway.api.resources import ROUTES
from gateway_client import errors, shapes
from tests.support.cases import Cases

ROOT = Path(__file__).parents[3]
HOME = ROOT / "clients" / "python"
SOURCES = sorted((HOME / "gateway_client").glob("*.py"))
INTEGRATORS = ROOT / "docs" / "integrators.md"


def imported(source: Path) -> set[str]:
    """Return the first names of what a module imports."""
    modules: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            modules.add((node.module or "").partition(".")[0])
    return modules


def test_it_imports_python_s_own_library_and_works_where_nothing_else_is_installed() -> None:
    """And the node does not need it."""
    names = set().union(*map(imported, SOURCES))
    assert len(SOURCES) >= 10
    assert names - sys.stdlib_module_names == {"gateway_client"}

    sources = (
        path for package in ("gateway", "office", "foreign") for path in (ROOT / package).rglob("*.py")
    )
    users = {source for source in sources if "gateway_client" in source.read_text(encoding="utf-8")}
    assert users == set()

    code = f"import sys; sys.path.insert(0, {str(HOME)!r}); import gateway_client as c; print(len(c.__all__))"
    run = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)

    assert int(run.stdout) == len(gateway_client.__all__)
    assert (HOME / "gateway_client" / "py.typed").exists()


def typed_dicts(module: ModuleType) -> list[Any]:
    return [
        shape
        for name, shape in vars(module).items()
        if typing.is_typeddict(shape) and shape.__module__ == module.__name__ and not name.startswith("_")
    ]


def test_every_shape_is_that_of_the_description(cases: Cases) -> None:
    schemas = document(ROUTES, "0", date(2026, 11, 20))["components"]["schemas"]

    def check(shape: Any) -> None:
        schema = schemas[shape.__name__]
        hints = typing.get_type_hints(shape)
        assert set(schema["properties"]) == set(hints)
        assert set(schema.get("required", ())) == required(shape)
        nullable = {name for name, p in schema["properties"].items() if may_be_null(p)}
        assert nullable == {name for name, hint in hints.items() if type(None) in typing.get_args(hint)}

    cases.check_rows(typed_dicts(shapes), check)


def required(shape: Any) -> set[str]:
    usual = typing.Required if shape.__total__ else typing.NotRequired
    hints = typing.get_type_hints(shape, include_extras=True)
    marked = (typing.Required, typing.NotRequired)
    markers = {
        name: base if (base := typing.get_origin(hint)) in marked else usual for name, hint in hints.items()
    }
    return {name for name, word in markers.items() if word is typing.Required}


def may_be_null(schema: Any) -> bool:
    return {"type": "null"} in schema.get("anyOf", ())


def test_every_exception_and_program_of_the_pages_is_complete() -> None:
    tree = errors.__doc__ or ""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]

    assert len(kinds) >= 14
    for kind in kinds:
        assert kind.__name__ in tree
        assert kind is errors.GatewayClientError or issubclass(kind, errors.GatewayClientError)
        assert kind.__name__ in gateway_client.__all__

    shown_programs = [*programs(INTEGRATORS), *programs(HOME / "README.md")]

    assert len(shown_programs) == 5
    for program in shown_programs:
        assert len(program.splitlines()) < 40
        compile(program, "program", "exec")
        names = set(re.findall(r"^from gateway_client import (.+)$", program, re.MULTILINE)[0].split(", "))
        assert names <= set(gateway_client.__all__)


def test_every_status_has_its_exception() -> None:
    for name, statuses in {
        "BadCall": (400, 405, 408, 415, 416),
        "NotAllowed": (401, 403),
        "NotFound": (404,),
        "Conflict": (409,),
        "CursorGone": (410,),
        "StaleVersion": (412,),
        "Refused": (413, 422, 423),
        "TooManyCalls": (429,),
        "NodeTrouble": (500, 502, 503),
        "BadAnswer": (302, 304),
    }.items():
        for status in statuses:
            assert type(errors.of_answer(status, "text/html", b"", None)).__name__ == name, status


def programs(page: Path) -> list[str]:
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [block for block in blocks if "gateway_client" in block]
