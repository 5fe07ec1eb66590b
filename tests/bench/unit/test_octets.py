"""How often the bytes of one large document are hashed, coded, read and written, there and back on one node."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.support.cases import Cases

# A little above the measured multiples; docs/performance.md says who needs them.
LIMITS = {"hashed": 8.7, "coded": 5.05, "read": 5.3, "written": 3.6}


def test_the_bytes_of_a_large_document_are_read_and_written_no_oftener_than_they_have_to_be(
    cases: Cases,
) -> None:
    ran = subprocess.run([sys.executable, "-m", "bench.octets"], capture_output=True, text=True, check=True)
    counted = json.loads(ran.stdout)["counted"]
    for name, limit in LIMITS.items():
        with cases.case(name):
            assert 0 < counted[name] <= limit
