"""Facts of the operating system: of the machine, once, and of a process's memory at any moment. Memory is read from /proc,
because a child's `ru_maxrss` begins at its parent's peak."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from time import process_time

MB = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Facts of the machine, without which a figure means nothing."""

    cores: int
    processor: str
    memory_gb: float
    system: str
    python: str
    load: float

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def facts() -> Machine:
    """Return the facts of this machine, now; `load` is the average of the last minute, so that a busy machine shows."""
    return Machine(
        cores=os.cpu_count() or 1,
        processor=_processor(),
        memory_gb=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        load=load(),
    )


def cpu(pid: int) -> float:
    """Return the seconds of a process, of its children and of those that have ended; 0 when it ended just now."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        children = _children(pid)
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    own: float = sum(map(int, stat.rpartition(")")[2].split()[11:15])) / os.sysconf("SC_CLK_TCK")
    return own + sum(map(cpu, children))


def own_cpu() -> float:
    """Return the seconds of this process, to the microsecond, and of its children."""
    ended = os.times()
    children = sum(map(cpu, _children(os.getpid())))
    return process_time() + ended.children_user + ended.children_system + children


def _children(pid: int) -> list[int]:
    """Return the children of all of its threads."""
    files = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(word) for file in files for word in file.read_text().split()]


def load() -> float:
    """Return the average load of the last minute."""
    return round(os.getloadavg()[0], 2)


def resident() -> int:
    """Return the bytes of this process that are in memory now."""
    return status("VmRSS")


def peak() -> int:
    """Return the largest resident memory since the start, or since `forget_peak`."""
    return status("VmHWM")


def forget_peak(pid: int | None = None) -> None:
    """Restart the peak of this process, or of another (proc(5), clear_refs)."""
    (_folder(pid) / "clear_refs").write_text("5")


def status(name: str, pid: int | None = None) -> int:
    """Return the bytes on that line of /proc's status of this process, or of another."""
    file = _folder(pid) / "status"
    for line in file.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"{file} has no line {name}; memory can only be measured on Linux")


def _folder(pid: int | None) -> Path:
    return Path("/proc") / ("self" if pid is None else str(pid))


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
