"""What a node loads that has nothing but a file for its database and a folder for its axis: no client of a broker, of a
server or of a door that is shut, and no library that only some commands need. It would lie in memory to the end."""

from __future__ import annotations

import subprocess
import sys

SERVED = """
import sys
import gateway.house, gateway.cli.serve, gateway.cli.doors, gateway.office.bootstrap.office, gateway.ops.checks
of_others = ("aio_pika", "aiormq", "asyncpg", "alembic", "pyrage", "rich", "pypdf", "PIL", "signxml", "xmlschema")
shut = ("gateway.api.vxp.door", "gateway.transport.rest.axis", "gateway.folder.worker", "gateway.trust.pkcs11_keys")
print([name for name in (*of_others, *shut) if name in sys.modules])
"""


def test_what_only_other_nodes_need_is_not_loaded() -> None:
    ended = subprocess.run([sys.executable, "-c", SERVED], capture_output=True, text=True, check=True)

    assert ended.stdout == "[]\n"
