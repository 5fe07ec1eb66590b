"""Gives up, for this process and for good, what drawing a page does not need: by the kernel, so that code which broke into
a library has no more than the library had. In: the folders that may still be read. Out: which fences stand; a kernel
without one of them leaves the others. Linux alone: Landlock for files and connections, seccomp for calls."""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from collections.abc import Iterable
from pathlib import Path

_NO_NEW_RIGHTS, _SET_SECCOMP, _FILTER = 38, 22, 2
_CREATE_RULES, _ADD_RULE, _RESTRICT = 444, 445, 446
_READ_FILE, _BENEATH = 1 << 2, 1
# By the version of Landlock: how many rights over files there are to give up.
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_CONNECTIONS_SINCE, _CONNECTIONS = 4, 0b11
# The machine's word for itself, and the calls by their numbers there: to speak to anybody, to start a program, to look into
# or stop another process, to reach the kernel by other ways.
_CALLS = {
    "x86_64": (
        0xC000003E,
        (
            *(41, 42, 44, 46, 49, 53, 57, 58, 59, 62, 101, 165, 200, 234, 248, 249, 250, 272, 310, 311, 321),
            *(322, 323, 425, 426, 427, 434, 438),
        ),
    ),
    "aarch64": (
        0xC00000B7,
        (
            *(198, 199, 200, 203, 206, 211, 221, 129, 117, 40, 130, 131, 217, 218, 219, 97, 270, 271, 280),
            *(281, 282, 425, 426, 427, 434, 438),
        ),
    ),
}
_LOAD, _EQUAL, _AT_LEAST, _ANSWER = 0x20, 0x15, 0x35, 0x06
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050001, 0x80000000
_OTHER_TABLE = 0x40000000  # calls of a second kind on the same machine, under other numbers


def confine(readable: Iterable[Path]) -> frozenset[str]:
    """`files` and `calls`, as far as the kernel has them."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_NO_NEW_RIGHTS, 1, 0, 0, 0):
        return frozenset()
    stands = {"files": _keep_to_folders(libc, readable), "calls": _keep_to_calls(libc)}
    return frozenset(name for name, does in stands.items() if does)


def _keep_to_folders(libc: ctypes.CDLL, readable: Iterable[Path]) -> bool:
    version = libc.syscall(_CREATE_RULES, None, 0, 1)
    if version < 1:
        return False
    rights = (1 << _FILE_RIGHTS.get(version, 16)) - 1
    wanted = struct.pack("QQ", rights, _CONNECTIONS if version >= _CONNECTIONS_SINCE else 0)
    size = len(wanted) if version >= _CONNECTIONS_SINCE else 8
    rules = libc.syscall(_CREATE_RULES, wanted, size, 0)
    if rules < 0:
        return False
    try:
        for folder in readable:
            _allow_reading(libc, rules, folder)
        return not libc.syscall(_RESTRICT, rules, 0)
    finally:
        os.close(rules)


def _allow_reading(libc: ctypes.CDLL, rules: int, folder: Path) -> None:
    try:
        place = os.open(folder, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # a folder that is not there is none to read
    try:
        libc.syscall(_ADD_RULE, rules, _BENEATH, struct.pack("=Qi", _READ_FILE, place), 0)
    finally:
        os.close(place)


def _keep_to_calls(libc: ctypes.CDLL) -> bool:
    """A list of what is refused; a call of another machine's table ends the process."""
    known = _CALLS.get(platform.machine())
    if known is None:
        return False
    machine, refused = known
    lines = [
        (_LOAD, 0, 0, 4),
        (_EQUAL, 1, 0, machine),
        (_ANSWER, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),
        (_AT_LEAST, len(refused) + 1, 0, _OTHER_TABLE),
        # Each jumps over the calls behind it and the leave to go on.
        *((_EQUAL, len(refused) - n, 0, number) for n, number in enumerate(refused)),
        (_ANSWER, 0, 0, _ALLOW),
        (_ANSWER, 0, 0, _REFUSE),
    ]
    program = b"".join(struct.pack("HBBI", code, yes, no, value) for code, yes, no, value in lines)
    held = ctypes.create_string_buffer(program, len(program))
    told = struct.pack("HxxxxxxP", len(lines), ctypes.addressof(held))
    return not libc.prctl(_SET_SECCOMP, _FILTER, told, 0, 0)
