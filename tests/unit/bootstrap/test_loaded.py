"""A node with a file for its database and a folder for its axis loads only what it needs: no client of a broker or of a
server, no module of a closed door, no library of single commands, and no API call or evidence pack before its first
use; a worker without a port for metrics no part of a server. Such modules would stay in memory to the end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.clock import SystemClock
from tests.support.town.builder import lay_out

# As `gateway serve` does it.
SERVED = """
import json, sys
from gateway.http_calls import load_library
load_library()
import gateway.program, gateway.cli.serve, gateway.cli.applications, gateway_office.bootstrap.office, gateway.ops.checks
"""
OTHER_PARTS = (
    *("aio_pika", "aiormq", "asyncpg", "sqlalchemy.dialects.postgresql"),
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
# A little above what is loaded: 1,139 modules, 396 of them ours, since a node keeps figures, numbers of outgoing documents
# and the table of timers, marks of its folders, readings by programs, budgets of agencies and partners, the number of a
# checkout, and what lists may not do; what delivers, what is known, letters on paper, groups and rows of keys are a module
# each, as are the identity of the database, alarms, the sender of mail, signs of life for the service manager and the
# table of algorithms, and the vault of the sealed hold, for which the content store has no room.
MOST_MODULES, MOST_OF_OURS = 1_145, 396
# A worker that has nothing to do: 1,014 modules, 368 of them ours.
MOST_OF_A_WORKER, MOST_OF_OURS_IN_A_WORKER = 1_015, 368
OF_SERVERS = (
    *("aiohttp", "yarl", "prometheus_client"),
    *("gateway.api", "gateway.ops.checks", "gateway.transport.amqp"),
)
# Ends when each of its loops has taken a step.
WORKER = """
import atexit, json, os, signal, sys
atexit.register(lambda: print(json.dumps([*sys.modules])))
from gateway.program import main
from gateway.workers.heartbeat import Pulse
count, names = Pulse.counted, set()
def counted(pulse, name, step):
    names.add(name)
    step = count(pulse, name, step)
    async def stepping():
        try:
            return await step()
        finally:
            if names == {name}:
                os.kill(os.getpid(), signal.SIGTERM)
            names.discard(name)
    return stepping
Pulse.counted = counted
main()
"""
# What is asked of a process that loaded a whole node, in this order, as a look at one may load more.
LOOKS = {
    "modules": "[*sys.modules]",
    "tables": """(
    len([mapper for each in __import__("sqlalchemy.orm").orm.mapperlib._all_registries() for mapper in each.mappers]),
    len([index for table in __import__("sqlmodel").SQLModel.metadata.tables.values() for index in table.indexes]),
    len(__import__("sqlmodel").SQLModel.metadata.tables) > 50,
    issubclass(__import__("gateway.store.row").store.row.Row, __import__("pydantic").BaseModel),
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


def is_ours(name: str) -> bool:
    return name.partition(".")[0] in ("gateway", "gateway_office")


def test_what_only_other_nodes_need_or_nobody_asked_for_is_not_loaded(served: dict[str, Any]) -> None:
    names = served["modules"]

    assert {*OTHER_PARTS, *SHUT, *NOT_CALLED, *NOT_USED} & {*names} == set()
    assert len(names) <= MOST_MODULES
    assert len(list(filter(is_ours, names))) <= MOST_OF_OURS


async def test_a_worker_without_work_loads_no_part_of_a_server(tmp_path: Path) -> None:
    await lay_out(tmp_path / "node", SystemClock())
    variables = {"GATEWAY_NODE_NAME": "worker", "GATEWAY_NODE_DATA_DIR": str(tmp_path / "node")}
    run = subprocess.run(  # noqa: ASYNC221 - nothing else is to go on
        [sys.executable, "-c", WORKER, "serve", "--role", "worker"],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    names = json.loads(run.stdout)

    assert {*OTHER_PARTS, *SHUT, *NOT_CALLED, *NOT_USED, *OF_SERVERS} & {*names} == set()
    assert len(names) <= MOST_OF_A_WORKER
    assert len(list(filter(is_ours, names))) <= MOST_OF_OURS_IN_A_WORKER


def test_no_table_has_a_mapper_an_index_or_a_model_in_memory(served: dict[str, Any]) -> None:
    assert served["tables"] == [0, 0, True, False]


def test_the_library_for_calls_reads_no_authorities_and_ours_are_as_they_were(served: dict[str, Any]) -> None:
    assert served["calls"] == [0, []]
