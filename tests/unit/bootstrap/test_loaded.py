"""A node with a file for its database and a folder for its axis loads only what it needs: no client of a broker or of a
server, no module of a closed door, no library of single commands, and no API call or evidence pack before its first
use. Such modules would stay in memory to the end."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

# As `gateway serve` does it.
SERVED = """
import json, sys
from gateway.http_calls import load_library
load_library()
import gateway.program, gateway.cli.serve, gateway.cli.applications, gateway_office.bootstrap.office, gateway.ops.checks
"""
OTHER_PARTS = (
    *("aio_pika", "aiormq", "asyncpg", "prometheus_client", "sqlalchemy.dialects.postgresql"),
    *("alembic", "pyrage", "rich", "pypdf", "PIL", "signxml", "xmlschema", "jinja2", "lxml"),
)
SHUT = (
    "gateway_foreign.compat.application",
    "gateway_foreign.rest.axis",
    "gateway.folder.worker",
    "gateway.trust.pkcs11_keys",
)
NOT_CALLED = ("gateway.api.resources", "gateway.api.openapi", "gateway_office.calls", "gateway_office.web")
NOT_USED = ("gateway.ops.evidence.make", "gateway.outgoing.ready_envelope")
# A little above what is loaded: 1,135 modules, 391 of them ours.
MOST_MODULES, MOST_OF_OURS = 1_137, 391


# What is asked of such a process, in this order, as a look at one may load more.
LOOKS = {
    "modules": "[*sys.modules]",
    "tables": """(
    len([mapper for each in __import__("sqlalchemy.orm").orm.mapperlib._all_registries() for mapper in each.mappers]),
    len([index for table in __import__("sqlmodel").SQLModel.metadata.tables.values() for index in table.indexes]),
    len(__import__("sqlmodel").SQLModel.metadata.tables) > 50,
    )""",
    "calls": """(
    sys.modules["aiohttp.connector"]._SSL_CONTEXT_VERIFIED.cert_store_stats()["x509_ca"],
    [name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if __import__("os").environ.get(name) == "/dev/null"],
    )""",
}


@pytest.fixture(scope="module")
def served() -> dict[str, Any]:
    """Look at a process that loaded a whole node. Any: it is JSON."""
    looks = ", ".join(f"{name!r}: {expression}" for name, expression in LOOKS.items())
    code = f"{SERVED}\nprint(json.dumps({{{looks}}}))"
    looks_by_name: dict[str, Any] = json.loads(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    )
    return looks_by_name


def test_what_only_other_nodes_need_or_nobody_asked_for_is_not_loaded(served: dict[str, Any]) -> None:
    names = served["modules"]

    assert {*OTHER_PARTS, *SHUT, *NOT_CALLED, *NOT_USED} & {*names} == set()
    ours = [name for name in names if name.partition(".")[0] in ("gateway", "gateway_office")]
    assert (len(names) <= MOST_MODULES, len(ours) <= MOST_OF_OURS) == (True, True), (len(names), len(ours))


def test_no_table_has_a_mapper_or_an_index_in_memory(served: dict[str, Any]) -> None:
    assert served["tables"] == [0, 0, True]


def test_the_library_for_calls_reads_no_authorities_and_ours_are_as_they_were(served: dict[str, Any]) -> None:
    assert served["calls"] == [0, []]
