"""The process that reads PDFs is attacked by files: the node gets a verdict in time, and the next good file is read.
Changed bytes never leave a signature valid that covers them."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.domain.signatures import FileVerdict, SignatureWord
from gateway.errors import StoreFailure
from gateway.policy import pdf_verdict
from gateway.pool import ThreadPool
from gateway.trust.pdf_signatures import child
from gateway.trust.pdf_signatures.child import PdfFolder, PdfTrust
from gateway.trust.pdf_signatures.sandbox import PdfLimits, PdfSandbox, SignatureReader
from tests.support import pdf_pki, pdfs
from tests.support.pdf_pki import SEEN_AT
from tests.support.waiting import LIMIT_S, block_until

SECONDS = 4.0


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PdfSandbox]:
    folder = pdf_pki.folder(tmp_path_factory.mktemp("pdf"))
    reader = PdfSandbox(folder, PdfLimits(seconds=SECONDS))
    yield reader
    reader.close()


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> PdfTrust:
    return PdfFolder(pdf_pki.folder(tmp_path_factory.mktemp("trust"))).read()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "Công văn số 1.pdf"


def judged(sandbox: PdfSandbox, place: Path, pdf: bytes) -> FileVerdict:
    place.write_bytes(pdf)
    return pdf_verdict.judge("a.pdf", 1, sandbox.read(place, SEEN_AT, SEEN_AT))


def child_of(sandbox: PdfSandbox) -> int:
    assert sandbox._process is not None
    return sandbox._process._process.pid


# --- files that want the machine ------------------------------------------------------------------------------


def with_bomb(pdf: bytes) -> bytes:
    """Append an update whose objects lie in a stream that swells a thousandfold."""
    octets = zlib.compress(bytes(1024 * 1024 * 1024), 9)
    place = len(pdf)
    table = zlib.compress(b"\x02\x00\x00\x00\x61\x00")
    stream = b"97 0 obj\n<< /Type /ObjStm /N 1 /First 5 /Filter /FlateDecode /Length %d >>\nstream\n" % len(
        octets
    )
    stream += octets + b"\nendstream\nendobj\n"
    entry = b"98 0 obj\n<< /Type /XRef /Size 99 /Root 1 0 R /W [1 4 1] /Index [1 1] /Prev %d"
    entry = entry % int(pdf.rsplit(b"startxref\n", 1)[1].split()[0])
    entry += b" /Filter /FlateDecode /Length %d >>\nstream\n" % len(table)
    end = b"\nendstream\nendobj\nstartxref\n%d\n%%%%EOF\n" % (place + len(stream))
    return pdf + stream + entry + table + end


@pytest.mark.parametrize("make", [pdfs.with_endless_table, pdfs.with_endless_paths, with_bomb])
def test_a_file_that_wants_the_machine_is_a_verdict_in_time_and_the_next_one_is_read(
    sandbox: PdfSandbox, place: Path, make: object
) -> None:
    pdf = make(pdfs.by_agency())  # type: ignore[operator]  # one of the three above
    judged(sandbox, place, pdfs.by_agency())
    verdict = judged(sandbox, place, pdf)
    assert verdict.verdict is SignatureWord.UNKNOWN
    assert verdict.why in ("PDF-LIMIT", "PDF-UNREADABLE")
    assert judged(sandbox, place, pdfs.by_agency()).verdict is SignatureWord.VALID


def test_a_process_that_was_killed_is_started_anew_and_ends_with_the_node(
    sandbox: PdfSandbox, place: Path
) -> None:
    judged(sandbox, place, pdfs.by_agency())
    first = child_of(sandbox)
    os.kill(first, 9)
    os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)

    assert judged(sandbox, place, pdfs.by_agency()).verdict is SignatureWord.VALID
    assert child_of(sandbox) != first

    running = child_of(sandbox)

    sandbox.close()

    with pytest.raises(ProcessLookupError):
        os.kill(running, 0)


def test_a_process_that_dies_while_it_reads_is_the_nodes_fault_and_leaves_the_question_open(
    sandbox: PdfSandbox, place: Path
) -> None:
    judged(sandbox, place, pdfs.by_agency())
    dying, endless = child_of(sandbox), pdfs.with_endless_paths(pdfs.by_agency())
    killer = threading.Timer(1.0, os.kill, (dying, signal.SIGKILL))
    killer.start()

    verdict = judged(sandbox, place, endless)

    killer.join()
    assert verdict.why == "PDF-READER"
    assert pdf_verdict.legal_value(verdict) is None
    assert pdf_verdict.is_open([verdict])
    assert judged(sandbox, place, pdfs.by_agency()).verdict is SignatureWord.VALID


def test_closing_does_not_wait_for_the_file_that_is_read(tmp_path: Path, place: Path) -> None:
    reader = PdfSandbox(pdf_pki.folder(tmp_path / "pdf"), PdfLimits(seconds=10 * LIMIT_S))
    judged(reader, place, pdfs.by_agency())
    place.write_bytes(pdfs.with_endless_paths(pdfs.by_agency()))
    with ThreadPoolExecutor() as threads:
        reading = threads.submit(reader.read, place, SEEN_AT, SEEN_AT)
        block_until(reader._turn.locked, "the turn of the file that is read")
        reader.close()
        assert reading.result(timeout=LIMIT_S).fault == "PDF-READER"


def test_a_process_that_does_not_start_is_the_nodes_fault(tmp_path: Path, place: Path) -> None:
    reader = PdfSandbox(tmp_path, PdfLimits(start_seconds=0.0))

    assert judged(reader, place, pdfs.by_agency()).why == "PDF-READER"
    assert reader._process is None


def test_a_fresh_process_gives_no_file_more_time(tmp_path: Path, place: Path) -> None:
    reader = PdfSandbox(pdf_pki.folder(tmp_path / "pdf"), PdfLimits(seconds=1.0))
    verdict = judged(reader, place, pdfs.with_endless_paths(pdfs.by_agency()))
    assert (verdict.why, reader._process) == ("PDF-LIMIT", None)


def test_left_alone_over_a_file_without_end_the_process_ends_by_itself(tmp_path: Path, place: Path) -> None:
    """The node was killed while it waited: no process reads the answer or ends the reader."""
    place.write_bytes(pdfs.with_endless_paths(pdfs.by_agency()))
    folder = str(pdf_pki.folder(tmp_path / "pdf"))
    words = [sys.executable, "-m", "gateway.trust.pdf_signatures.child", str(1024**3), "1.0", folder]
    request = json.dumps({"path": str(place), "seen_at": SEEN_AT.isoformat(), "now": SEEN_AT.isoformat()})

    run = subprocess.run(words, check=False, timeout=60, input=request.encode() + b"\n", capture_output=True)

    assert run.returncode == -signal.SIGALRM


def test_a_file_without_end_holds_up_no_other_one_and_one_process_serves_who_comes_alone(
    tmp_path: Path,
) -> None:
    folder = pdf_pki.folder(tmp_path / "pdf")
    boxes = [PdfSandbox(folder, PdfLimits(seconds=60.0)) for _ in range(2)]
    good, endless = tmp_path / "good.pdf", tmp_path / "endless.pdf"
    good.write_bytes(pdfs.by_agency())
    endless.write_bytes(pdfs.with_endless_paths(pdfs.by_agency()))
    pool = ThreadPool(3)

    async def come() -> None:
        reader = SignatureReader(boxes, pool)
        for _ in range(3):
            assert (await reader.read(good, SEEN_AT, SEEN_AT)).fault is None
        assert [box._process is not None for box in boxes] == [True, False]

        blocked = asyncio.create_task(reader.read(endless, SEEN_AT, SEEN_AT))
        await asyncio.sleep(0)
        assert (await reader.read(good, SEEN_AT, SEEN_AT)).fault is None
        assert not blocked.done()
        for box in boxes:
            await pool.run(box.close)
        assert (await blocked).fault == "PDF-READER"

    try:
        asyncio.run(come())
    finally:
        for box in boxes:
            box.close()
        pool.close()


# --- what the process may do ----------------------------------------------------------------------------------


def test_the_process_knows_none_of_the_nodes_secrets(
    sandbox: PdfSandbox, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_KEYS_PASSWORD_FILE", "mat-khau-rat-mat")
    sandbox.close()

    judged(sandbox, place, pdfs.by_agency())

    environment = Path(f"/proc/{child_of(sandbox)}/environ").read_bytes()
    assert b"mat-khau" not in environment
    assert b"GATEWAY" not in environment


FORBIDDEN = (
    "import socket; socket.create_connection(('127.0.0.1', 9))",
    "import socket; socket.getaddrinfo('example.invalid', 80)",
    "import subprocess; subprocess.run(['true'])",
    "import os; os.system('true')",
    "import os; os.fork()",
    "open('/dev/null', 'w')",
    "import os; os.open('/dev/null', os.O_WRONLY)",
)
FENCED = """
import sys
from gateway.trust.apart import FenceError, fence
sys.addaudithook(fence)
for act in sys.argv[1:]:
    try:
        exec(act)
    except FenceError:
        continue
    print(act)
"""


def test_threat_046_the_process_reaches_nobody_starts_nothing_and_writes_nothing() -> None:
    words = [sys.executable, "-c", FENCED, *FORBIDDEN]

    run = subprocess.run(words, check=True, timeout=60, capture_output=True, text=True)

    assert run.stdout == ""


# --- what is not handed over at all ---------------------------------------------------------------------------


def test_a_file_without_a_signature_or_over_the_limit_starts_nothing(tmp_path: Path, place: Path) -> None:
    sandbox = PdfSandbox(tmp_path / "pdf")

    assert judged(sandbox, place, pdfs.plain()).verdict is SignatureWord.UNSIGNED
    assert sandbox._process is None

    sandbox = PdfSandbox(tmp_path / "pdf", PdfLimits(max_bytes=1000))

    assert judged(sandbox, place, pdfs.by_agency()).why == "PDF-LIMIT"
    assert sandbox._process is None


def test_a_mark_across_two_pieces_is_recognised(sandbox: PdfSandbox, place: Path) -> None:
    from gateway.trust.pdf_signatures.sandbox import trace_of

    place.write_bytes(b"x" * (256 * 1024 - 5) + b"/ByteRange [0 1 2 3]")

    assert trace_of(place).is_present


def test_a_file_that_is_not_there_is_the_nodes_own_failure(sandbox: PdfSandbox, place: Path) -> None:
    with pytest.raises(StoreFailure):
        sandbox.read(place, SEEN_AT, SEEN_AT)


# --- changed bytes --------------------------------------------------------------------------------------------

GOOD = pdfs.by_both()
SPACE = b"\0\t\n\f\r "
RANGES = {"NguoiKy": pdfs.byte_range(GOOD, 0), "CoQuan": pdfs.byte_range(GOOD, 1)}


def covers(field: str, at: int) -> bool:
    """Tell whether that signature covers this byte of the good file; it does not cover its own gap, where the same
    number may stand in other letters."""
    _, gap_start, gap_end, length = RANGES[field]
    return at < gap_start or gap_end <= at < gap_end + length


@st.composite
def changes(draw: st.DrawFn) -> tuple[int, bytes]:
    """Draw a changed file, and the place where the change begins."""
    at = draw(st.integers(0, len(GOOD) - 1))
    kind = draw(st.sampled_from(("flip", "flip", "insert", "delete", "double", "cut")))
    if kind == "flip":
        return at, GOOD[:at] + bytes([GOOD[at] ^ draw(st.integers(1, 255))]) + GOOD[at + 1 :]
    if kind == "insert":
        return at, GOOD[:at] + draw(st.binary(min_size=1, max_size=40)) + GOOD[at:]
    if kind == "cut":
        return at, GOOD[:at]
    length = draw(st.integers(1, 200))
    moved = GOOD[at : at + length] if kind == "double" else b""
    return at, GOOD[:at] + moved + moved + GOOD[at + length :]


def test_behind_the_end_only_white_space_may_stand(trust: PdfTrust) -> None:
    def valid(n: int) -> bool:
        facts = child.collect(io.BytesIO(GOOD + bytes([n])), trust, SEEN_AT, SEEN_AT)
        return pdf_verdict.judge("a.pdf", 1, facts).verdict is SignatureWord.VALID

    assert {n for n in range(256) if valid(n)} == set(SPACE)


@settings(max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changed=changes())
def test_a_change_leaves_no_signature_valid_that_covers_it(
    sandbox: PdfSandbox, place: Path, changed: tuple[int, bytes]
) -> None:
    at, pdf = changed
    if pdf.startswith(GOOD) and not pdf[len(GOOD) :].strip(SPACE):
        return  # nothing but white space behind the last line

    verdict = judged(sandbox, place, pdf)

    for signer in verdict.signers:
        assert signer.verdict is not SignatureWord.VALID or not covers(signer.field, at)
