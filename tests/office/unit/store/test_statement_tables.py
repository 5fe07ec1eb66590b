"""A statement names all tables that its SQL reads or writes, and no other."""

from __future__ import annotations

import importlib
import pkgutil
import re
from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.selectable import SelectBase
from sqlmodel import SQLModel

import gateway.store
import gateway_office.store
from gateway.store import leases
from gateway.store.drivers import tables_of
from tests.support.cases import Cases

DIALECTS: tuple[Any, ...] = (sqlite.dialect(), postgresql.dialect())  # type: ignore[no-untyped-call]  # SQLAlchemy's own


def _statements_by_name() -> dict[str, ClauseElement]:
    """Return every statement that a module of the stores keeps."""
    statements: dict[str, ClauseElement] = {}
    for package in (gateway.store, gateway_office.store):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            for name, value in vars(importlib.import_module(module.name)).items():
                parts = vars(leases.SharedRows) if isinstance(value, leases.SharedRows) else ()
                for part in parts:
                    if isinstance(statement := getattr(value, part, None), SelectBase | UpdateBase):
                        statements[f"{module.name}.{name}.{part}"] = statement
                if isinstance(value, SelectBase | UpdateBase):
                    statements[f"{module.name}.{name}"] = value
    return statements


def test_a_statement_tells_every_table_that_its_sql_names(cases: Cases) -> None:
    statements, names = _statements_by_name(), set(SQLModel.metadata.tables)
    assert len(statements) > 100
    for name, statement in statements.items():
        for dialect in DIALECTS:
            text = str(statement.compile(dialect=dialect))
            with cases.case(f"{name} on {dialect.name}"):
                # A column may have the name of a table: what it names, it names before a point or as a place to look in.
                tables_named = set(re.findall(r"(?:FROM|JOIN|INTO|UPDATE|,)\s+(\w+)", text)) & names
                assert tables_named <= tables_of(statement) <= set(re.findall(r"\w+", text))
