"""Chains that several threads judge at once, in a process that has judged none before: each answer is the one that a
thread alone would get. The library beneath makes its classes and its certificates ready when they are first used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from tests.unit.trust.test_pki_matrix import AT, matrix

THREADS, PROCESSES = 8, 6

PROGRAM = """
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import Barrier

from cryptography import x509

from gateway.trust.chain import path_breach

folder, at, threads = sys.argv[1], datetime.fromisoformat(sys.argv[2]), int(sys.argv[3])
path = tuple(x509.load_pem_x509_certificates(open(folder, "rb").read()))
together = Barrier(threads)
sys.setswitchinterval(1e-6)

def judged(_: int) -> str | None:
    together.wait()
    return path_breach(path, at)

with ThreadPoolExecutor(threads) as pool:
    print({each for each in pool.map(judged, range(threads))})
"""


LATE = """
import sys
from datetime import datetime

from asn1crypto import core
from cryptography import x509

from gateway.trust.chain import path_breach

def late(self):
    raise RuntimeError(f"{type(self).__name__} was not ready")

for kind in (core.Sequence, core.Set, core.Choice):
    kind._setup = late

def late_names(self):
    if type(self)._map and type(self)._reverse_map is None:
        late(self)

core.ValueMap._setup = core.BitString._setup = late_names
path = tuple(x509.load_pem_x509_certificates(open(sys.argv[1], "rb").read()))
print(path_breach(path, datetime.fromisoformat(sys.argv[2])))
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "path.pem"
    chain = (matrix().certificates["good"], matrix().agencies_ca, matrix().root)
    file.write_bytes(b"".join(authority.certificate.public_bytes(Encoding.PEM) for authority in chain))
    return file


def _started(program: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", program, *arguments], stdout=subprocess.PIPE, text=True)


def test_the_first_chains_of_a_process_are_judged_rightly_by_several_threads_at_once_with_every_class_ready(
    path: Path,
) -> None:
    running = [_started(PROGRAM, str(path), AT.isoformat(), str(THREADS)) for _ in range(PROCESSES)]

    assert [process.communicate()[0] for process in running] == ["{None}\n"] * PROCESSES

    assert _started(LATE, str(path), AT.isoformat()).communicate()[0] == "None\n"
