"""Tenancy, walked over every table: no row without its agency, no pointer into another one."""

from __future__ import annotations

from sqlmodel import SQLModel

import gateway.store.tables  # noqa: F401 - the whole schema
from gateway.store.row import with_indexes
from tests.support.cases import Cases

# Tables of the node itself. Every other one is a tenant table and must carry `agency_id` NOT NULL.
NODE_TABLES = frozenset(
    {
        *("hosted_agency", "principal", "api_key", "api_call", "blob"),
        *("event_counter", "account_request"),
        *("log", "log_leaf", "log_node", "log_seal", "notice", "queue_sample", "job_day", "page_keeping"),
        *("log_witness", "log_cosignature", "witnessed_log", "loss_count", "state_count"),
        *("person", "proposal", "key_end", "key_notice", "post"),
        *("session", "sign_in_try", "password_past", "recovery_code"),
        *("revocation_question", "revocation_answer", "pdf_answer", "memory_version"),
        *("calendar_day", "node_reminder", "content_state", "figure_state", "folder_mark"),
    }
)
# Tables whose key is a position instead of an id: events are appended by position and read by number.
KEYED_BY_POSITION = frozenset({"event", "list_row", "content_text"})
TABLES = sorted(with_indexes(SQLModel.metadata).tables.values(), key=lambda table: table.name)
TENANT_TABLES = [table for table in TABLES if table.name not in NODE_TABLES]


def test_the_tables_of_the_node_are_named_and_few() -> None:
    names = {table.name for table in TABLES}

    assert names >= NODE_TABLES
    assert len(TENANT_TABLES) >= 14


OTHER_KEYS = {"content_text": ("agency_id", "document_id", "n", "page")}
"""Keys of tables that are keyed by position and whose rows are parts of a thing."""


def test_every_tenant_table_starts_its_key_with_the_agency(cases: Cases) -> None:
    for table in TENANT_TABLES:
        with cases.case(table.name):
            column = table.columns["agency_id"]
            assert not column.nullable
            if table.name in KEYED_BY_POSITION:
                keys = [constraint for constraint in table.constraints if hasattr(constraint, "columns")]
                expected = OTHER_KEYS.get(table.name, ("agency_id", "id"))
                assert expected in [tuple(c.name for c in key.columns) for key in keys]
            else:
                assert next(iter(table.primary_key)).name == "agency_id"
            # The node's own events have an empty agency; everything else hangs on a hosted one, at most over its parent.
            assert table.name == "event" or column.foreign_keys


def test_every_foreign_key_between_tenant_tables_carries_the_agency(cases: Cases) -> None:
    for table in TENANT_TABLES:
        for key in table.foreign_key_constraints:
            with cases.case(key.name):
                first = key.elements[0]
                if key.referred_table.name not in NODE_TABLES:
                    assert (key.column_keys[0], first.column.name) == ("agency_id", "agency_id")
                else:
                    assert key.referred_table.name in {"hosted_agency", "blob", "api_key"}


def test_every_constraint_has_a_name_that_a_migration_can_use() -> None:
    names = [key.name for table in TABLES for key in table.foreign_key_constraints]
    names += [index.name for table in TABLES for index in table.indexes]

    assert None not in names
    assert len(names) == len(set(names))
