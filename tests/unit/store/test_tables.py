"""Tenancy, walked over every table: no row without its agency, no pointer into another one (design 6)."""

from __future__ import annotations

import pytest
from sqlalchemy import ForeignKeyConstraint, Table
from sqlmodel import SQLModel

from gateway.store.tables import KEYED_BY_POSITION, NODE_TABLES

TABLES = sorted(SQLModel.metadata.tables.values(), key=lambda table: table.name)
TENANT_TABLES = [table for table in TABLES if table.name not in NODE_TABLES]


def test_the_tables_of_the_node_are_named_and_few() -> None:
    names = {table.name for table in TABLES}

    assert names >= NODE_TABLES
    assert len(TENANT_TABLES) >= 14


@pytest.mark.parametrize("table", TENANT_TABLES, ids=lambda table: table.name)
def test_every_tenant_table_starts_its_key_with_the_agency(table: Table) -> None:
    column = table.columns["agency_id"]

    assert not column.nullable
    if table.name in KEYED_BY_POSITION:
        uniques = [tuple(c.name for c in one.columns) for one in table.constraints if hasattr(one, "columns")]
        assert ("agency_id", "id") in uniques
    else:
        assert next(iter(table.primary_key)).name == "agency_id"


@pytest.mark.parametrize("table", TENANT_TABLES, ids=lambda table: table.name)
def test_every_foreign_key_between_tenant_tables_carries_the_agency(table: Table) -> None:
    keys = [one for one in table.constraints if isinstance(one, ForeignKeyConstraint)]

    for key in keys:
        first = key.elements[0]
        if key.referred_table.name not in NODE_TABLES:
            assert (key.column_keys[0], first.column.name) == ("agency_id", "agency_id")
        else:
            assert key.referred_table.name in {"hosted_agency", "blob", "api_key"}


@pytest.mark.parametrize("table", TENANT_TABLES, ids=lambda table: table.name)
def test_every_agency_of_a_tenant_table_is_a_hosted_one(table: Table) -> None:
    targets = {key.target_fullname for key in table.columns["agency_id"].foreign_keys}

    # The node's own events have an empty agency; everything else hangs on hosted_agency, at most over its parent.
    assert table.name == "event" or targets


def test_every_constraint_has_a_name_that_a_migration_can_use() -> None:
    names = [key.name for table in TABLES for key in table.foreign_key_constraints]
    names += [index.name for table in TABLES for index in table.indexes]

    assert None not in names
    assert len(names) == len(set(names))
