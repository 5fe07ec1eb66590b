"""Parts that come in any order, repeated, interleaved and in several processes become each whole once; a set that never
becomes whole is reported, and no kept part is lost."""

from __future__ import annotations

import random
import resource
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from gateway.domain.identity import Digest
from gateway.errors import StoreFailure
from gateway.transport.amqp.parts_spool import JoinedParts, Landed, Spool
from tests.support.clock import ManualClock
from tests.support.parts import LIMITS, TO, bytes_of, cut, files_in, label_of, land, opened, parcel

PACKET = b"the bytes of one large packet, cut into parts"
BROKEN_OFF = b"never finished, this one"
MB = 1024 * 1024
ROOT = Path(__file__).parents[3]


@pytest.fixture
def spool(tmp_path: Path, clock: ManualClock) -> Spool:
    return opened(tmp_path / "parts", clock)


def landed(spool: Spool, *numbers: int, content: bytes = PACKET, to: Sequence[str] = TO) -> list[Landed]:
    """Land these parts, counted from 1; all of them when none is named."""
    parts = cut(content)
    chosen = numbers or range(1, len(parts) + 1)
    return [land(spool, parts[n - 1], to=to).landed for n in chosen]


def only(joined_sets: Sequence[JoinedParts]) -> JoinedParts:
    (joined,) = joined_sets
    return joined


# --- becoming whole -------------------------------------------------------------------------------------------


def test_a_set_is_handed_out_once_it_is_complete(spool: Spool) -> None:
    """Its bytes can be read more than once and in pieces; a set of one part is a set."""
    assert landed(spool, 1, 2, 3, 4) == [Landed.STORED] * 4
    assert spool.complete(10) == []
    assert landed(spool, 5) == [Landed.STORED]

    joined = only(spool.complete(10))

    assert bytes_of(joined) == bytes_of(joined) == PACKET
    with joined.open() as source:
        assert b"".join(iter(lambda: source.read(7), b"")) == PACKET
    assert (joined.digest, joined.size) == (parcel(PACKET).digest, len(PACKET))
    assert (joined.label.packet_id, joined.label.sender, joined.label.user) == ("p1", "Z91.07", "n1")
    assert joined.recipients == ("z92.01", "z92.02")
    assert joined.flaw == ""
    landed(spool, content=b"x")
    assert bytes_of(only(spool.complete(1))) == b"x"


@given(st.randoms(use_true_random=False), st.integers(1, 4))
@settings(max_examples=30)
def test_any_order_with_repeats_of_interleaved_sets_gives_each_whole_once(
    chance: random.Random, sets: int
) -> None:
    contents = [bytes([65 + n]) * (11 + 13 * n) for n in range(sets)]
    flood = [part for content in contents for part in cut(content) for _ in range(chance.randint(1, 3))]
    chance.shuffle(flood)
    with TemporaryDirectory() as folder:
        spool = opened(Path(folder))
        for part in flood:
            assert land(spool, part).landed is not Landed.REFUSED
        joined = spool.complete(10)

        assert sorted(bytes_of(joined_set) for joined_set in joined) == sorted(contents)
        for joined_set in joined:
            spool.end_set(joined_set.token)
        assert {land(spool, part).landed for part in flood} == {Landed.REPEAT}
        assert spool.complete(10) == []


def test_the_oldest_complete_sets_come_first_up_to_the_limit(spool: Spool, clock: ManualClock) -> None:
    for name in (b"first" * 5, b"second" * 5, b"third" * 5):
        landed(spool, content=name)
        clock.advance(1)

    assert [bytes_of(joined_set)[:5] for joined_set in spool.complete(2)] == [b"first", b"secon"]


# --- handing out ----------------------------------------------------------------------------------------------


def test_a_set_that_is_handed_out_is_not_given_to_another_and_a_token_that_is_over_changes_nothing(
    tmp_path: Path, spool: Spool
) -> None:
    landed(spool)
    first = only(spool.complete(1))
    assert spool.complete(1) == []
    assert opened(tmp_path / "parts").complete(1) == []

    spool.release(first.token)

    other = opened(tmp_path / "parts")
    second = only(other.complete(1))
    spool.end_set(first.token)
    spool.release(first.token)
    assert bytes_of(second) == PACKET
    assert spool.complete(1) == []
    other.close()
    assert len(spool.complete(1)) == 1


def test_what_a_process_held_when_it_was_lost_is_given_to_another(tmp_path: Path, spool: Spool) -> None:
    landed(spool)
    holder = "import sys; from pathlib import Path; from tests.support.parts import opened;"
    holder += "print(len(opened(Path(sys.argv[1])).complete(1)), flush=True); sys.stdin.read()"
    child = subprocess.Popen(
        [sys.executable, "-c", holder, str(tmp_path / "parts")],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "1\n"
        assert spool.complete(1) == []
        child.kill()

    assert bytes_of(only(spool.complete(1))) == PACKET


# --- afterwards -----------------------------------------------------------------------------------------------


def test_a_set_that_is_done_leaves_little_and_its_late_parts_make_no_new_one(
    tmp_path: Path, spool: Spool, clock: ManualClock
) -> None:
    landed(spool)
    spool.end_set(only(spool.complete(1)).token)

    assert landed(spool) == [Landed.REPEAT] * 5
    assert spool.complete(1) == []
    assert files_in(tmp_path / "parts") < 1000
    assert spool.counts() == {"sets": 0, "whole": 0, "refused": 0, "aside": 0, "parts": 0, "bytes": 0}

    clock.advance(LIMITS.age + timedelta(seconds=1))
    spool.overdue(clock.now())
    assert files_in(tmp_path / "parts") == 0
    assert landed(spool, 1) == [Landed.STORED]


def test_bytes_sent_again_to_another_recipient_are_not_taken_for_a_repeat(spool: Spool) -> None:
    """An end for one recipient is none for another. The files are readable for the node's own user alone."""
    landed(spool, to=["Z92.01"])
    spool.end_set(only(spool.complete(1)).token)
    assert landed(spool, to=["Z92.02"]) == [Landed.STORED] * 5
    assert only(spool.complete(1)).recipients == ("z92.02",)


def test_a_recipient_left_out_at_the_second_try_gets_nothing_of_it(spool: Spool) -> None:
    """Recipients are compared as routing compares them."""
    landed(spool, 1, 2, 3, to=["z92.02", "Z92.01"])
    assert landed(spool, 3, to=[" Z92.01", "Z92.02 "]) == [Landed.REPEAT]
    landed(spool, to=["Z92.01"])
    assert only(spool.complete(10)).recipients == ("z92.01",)


# --- never whole ----------------------------------------------------------------------------------------------


def test_a_set_never_finished_is_handed_out_with_its_flaw(spool: Spool, clock: ManualClock) -> None:
    landed(spool, 1, 3, 5)
    clock.advance(LIMITS.age - timedelta(seconds=1))
    assert spool.overdue(clock.now()) == []

    clock.advance(1)
    flawed = only(spool.overdue(clock.now()))

    assert flawed.flaw == "3 of 5 parts came since 2026-11-20 01:00 UTC; missing: 2, 4"
    assert bytes_of(flawed) == PACKET[:10] + PACKET[20:30] + PACKET[40:]
    assert (flawed.size, flawed.digest) == (25, parcel(bytes_of(flawed)).digest)
    assert flawed.recipients == ("z92.01", "z92.02")
    assert spool.overdue(clock.now()) == []
    spool.end_set(flawed.token)
    assert spool.overdue(clock.now()) == []
    assert spool.counts()["sets"] == 0


def test_what_was_never_finished_may_be_sent_again_and_parts_that_come_meanwhile_are_not_lost(
    spool: Spool, clock: ManualClock
) -> None:
    landed(spool, 1, 3, 5)
    clock.advance(LIMITS.age)
    flawed = only(spool.overdue(clock.now()))
    landed(spool, 2, 4)
    spool.end_set(flawed.token)
    joined = only(spool.complete(1))
    assert bytes_of(joined) == PACKET

    landed(spool, 1, content=BROKEN_OFF)
    clock.advance(LIMITS.age)
    spool.end_set(only(spool.overdue(clock.now())).token)
    assert set(landed(spool, content=BROKEN_OFF)) == {Landed.STORED}
    assert bytes_of(only(spool.complete(1))) == BROKEN_OFF


def test_a_try_that_broke_off_is_told_to_those_alone_who_got_nothing_later(
    spool: Spool, clock: ManualClock
) -> None:
    landed(spool, 1, 2, to=["Z92.01", "Z92.02"])
    clock.advance(60)
    landed(spool, to=["Z92.01"])
    spool.end_set(only(spool.complete(1)).token)
    clock.advance(60)
    landed(spool, to=["Z92.02"])
    spool.end_set(only(spool.complete(1)).token)
    clock.advance(LIMITS.age - timedelta(seconds=120))
    assert spool.overdue(clock.now()) == []
    assert spool.counts()["sets"] == 0

    landed(spool, 1, content=BROKEN_OFF, to=["Z92.01", "Z92.02"])
    landed(spool, content=BROKEN_OFF, to=["Z92.01"])
    spool.end_set(only(spool.complete(1)).token)
    clock.advance(LIMITS.age)
    assert only(spool.overdue(clock.now())).recipients == ("z92.02",)


# --- storage --------------------------------------------------------------------------------------------------


def test_a_folder_that_cannot_be_written_is_the_nodes_own_storage_failing(tmp_path: Path) -> None:
    (tmp_path / "parts").write_bytes(b"a file where a folder should be")

    with pytest.raises(StoreFailure, match=r"folder of parts .*free space or mend the disk"):
        landed(opened(tmp_path / "parts"), 1)


def test_a_set_whose_label_is_damaged_stops_no_other(tmp_path: Path) -> None:
    for n, damage in enumerate((b"", b"{", b'{"label": 1}', b"\xff")):
        spool = opened(tmp_path / str(n))
        landed(spool, 1)
        (label_file,) = (tmp_path / str(n)).rglob("label.json")
        label_file.write_bytes(damage)
        landed(spool, content=b"another packet, whole")
        assert bytes_of(only(spool.complete(10))) == b"another packet, whole"
        with pytest.raises(StoreFailure):
            landed(spool, 2)


def test_a_part_that_rots_on_the_disk_is_reported_never_joined_and_the_packet_comes_in_when_resent(
    tmp_path: Path, spool: Spool, clock: ManualClock
) -> None:
    """To its sender it is sent: what spoiled the first set must not swallow the second one."""
    landed(spool)
    (part,) = (tmp_path / "parts").rglob("000000003-*")
    part.write_bytes(b"0123456789")
    assert spool.complete(10) == []
    flawed = only(spool.overdue(clock.now()))
    assert "the set was refused: the parts together have SHA-256" in flawed.flaw
    spool.end_set(flawed.token)
    assert set(landed(spool, 2, 3)) == {Landed.REFUSED}  # late parts of the refused set begin no new one
    assert set(landed(spool)) == {Landed.STORED}
    assert bytes_of(only(spool.complete(10))) == PACKET


def test_what_lies_there_is_for_the_nodes_own_user_alone(tmp_path: Path, spool: Spool) -> None:
    landed(spool, 1)

    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "parts").rglob("*")} == {0}


# --- many at once ---------------------------------------------------------------------------------------------


class Consumers(RuleBasedStateMachine):
    """Two processes on one folder, one lost at any moment, and a broker that delivers again until a part is
    acknowledged. Each whole packet is landed with its next owner at least once, and none is reported as flawed."""

    handed = Bundle("handed")

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.clock = ManualClock()
        self.spools = [self.process() for _ in range(2)]
        self.contents = [bytes([65 + n]) * (15 + 10 * n) for n in range(3)]
        self.kept: dict[bytes, set[int]] = {content: set() for content in self.contents}
        self.owned: set[bytes] = set()

    def process(self) -> Spool:
        """Open the spool with more offers than any run hands out, so that nothing is put aside."""
        return opened(Path(self.folder.name), self.clock, replace(LIMITS, offers=1000))

    @rule(which=st.integers(0, 1), content=st.integers(0, 2), n=st.integers(0, 9))
    def a_part_comes(self, which: int, content: int, n: int) -> None:
        parts = cut(self.contents[content])
        part = parts[n % len(parts)]
        landing = land(self.spools[which], part).landed
        is_known = part.n in self.kept[self.contents[content]]
        assert landing is (Landed.REPEAT if is_known else Landed.STORED)
        self.kept[self.contents[content]].add(part.n)

    @rule(target=handed, which=st.integers(0, 1))
    def whole_ones_are_asked_for(self, which: int) -> tuple[int, str, bytes] | None:
        joined = self.spools[which].complete(1)
        return (which, joined[0].token, bytes_of(joined[0])) if joined else None

    @rule(owned_set=consumes(handed))
    def the_next_owner_has_it(self, owned_set: tuple[int, str, bytes] | None) -> None:
        if owned_set is not None:
            which, token, content = owned_set
            self.owned.add(content)
            self.spools[which].end_set(token)

    @rule(which=st.integers(0, 1))
    def a_process_is_lost(self, which: int) -> None:
        self.spools[which].close()
        self.spools[which] = self.process()

    @invariant()
    def spool_is_clean(self) -> None:
        counts = self.spools[0].counts()
        assert counts["refused"] == 0
        assert self.spools[0].overdue(self.clock.now()) == []

    def teardown(self) -> None:
        for spool in self.spools:
            spool.close()
        due = {c for c, numbers in self.kept.items() if len(numbers) == len(cut(c))}
        contents_left = {bytes_of(joined_set) for joined_set in self.spools[0].complete(10)}
        assert due - self.owned <= contents_left
        assert contents_left <= due
        self.spools[0].close()
        self.folder.cleanup()


TestConsumers = Consumers.TestCase
TestConsumers.settings = settings(max_examples=25, stateful_step_count=25)


_JOIN = """
import sys
from pathlib import Path
from gateway.transport.amqp.parts_spool import PartLimits
from tests.support.parts import opened
(joined,) = opened(Path(sys.argv[1]), limits=PartLimits()).complete(1)
read = 0
with joined.open() as source:
    while piece := source.read(262144):
        read += len(piece)
peak = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(read, int(peak[0].split()[1]) // 1024)
"""


def test_a_hundred_megabytes_are_joined_in_the_memory_of_a_small_program(tmp_path: Path) -> None:
    """G8: the parts are streamed, so the size of a set does not matter."""
    limits = replace(LIMITS, part_bytes=4 * MB, set_bytes=100 * MB)
    part = b"\x5a" * (4 * MB)
    size, count = 100 * MB, 25
    spool = opened(tmp_path / "parts", limits=limits)
    first = cut(b"x")[0]
    whole_digest = parcel(part * count).digest
    for n in range(1, count + 1):
        label = replace(label_of(first), n=n, of=count, whole_size=size, whole_digest=Digest(whole_digest))
        assert spool.land(label, part, TO).landed is Landed.STORED

    child_report = subprocess.run(
        [sys.executable, "-c", _JOIN, str(tmp_path / "parts")],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()

    assert int(child_report[0]) == size
    assert int(child_report[1]) < 80  # the bare program with its imports has about 40


def _leads_below(handle: Path, folder: Path) -> bool:
    try:
        return handle.readlink().is_relative_to(folder)
    except FileNotFoundError:  # closed since the folder of handles was read, as is the one that read it
        return False


def test_nothing_stays_open(spool: Spool, clock: ManualClock, tmp_path: Path) -> None:
    """A node that runs for a year must not run out of handles."""

    def handles() -> int:
        """Count the handles of the own folder: other tests of this process close theirs at any time."""
        return sum(_leads_below(link, tmp_path) for link in Path("/proc/self/fd").iterdir())

    def round_trip() -> None:
        landed(spool)
        landed(spool, 1, content=b"never finished, this one")
        joined = only(spool.complete(1))
        bytes_of(joined)
        spool.end_set(joined.token)
        clock.advance(LIMITS.age)
        for flawed in spool.overdue(clock.now()):
            spool.end_set(flawed.token)
        clock.advance(LIMITS.age)
        spool.overdue(clock.now())

    round_trip()
    handles_before = handles()
    for _ in range(5):
        round_trip()

    assert handles() == handles_before < resource.getrlimit(resource.RLIMIT_NOFILE)[0]
