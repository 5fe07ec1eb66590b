"""A command that the running node carries out for a caller at its socket. In: the caller's request and the node. Out: what
the command's functions ask in place of the process: who types, who answers a question, where output goes."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway.bootstrap.node import OpenNode


class Elsewhere(BaseException):
    """The command belongs in the caller's own process: it reads files there, asks for secrets, or takes long."""


class Question(BaseException):
    """A person must agree first; the command begins anew with the answer. Nothing has been changed yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """One command at the socket. Any: a piece of output becomes JSON."""

    node: OpenNode
    user: str
    has_terminal: bool
    send: Callable[[Mapping[str, Any]], None]
    answers: dict[str, bool] = field(default_factory=dict)
    """What the person said to each question."""
    _printed: list[Mapping[str, Any]] = field(default_factory=list)
    _expected: list[Mapping[str, Any]] = field(default_factory=list)

    def print(self, piece: Mapping[str, Any]) -> None:
        """Send a piece of output. What the caller saw before a question is not sent again."""
        self._printed.append(piece)
        if self._expected and self._expected.pop(0) == piece:
            return
        self._expected.clear()
        self.send(piece)

    def restart(self) -> None:
        self._expected[:] = self._printed
        self._printed.clear()


SERVED: ContextVar[Served | None] = ContextVar("served", default=None)


def emit(text: str, *, to_stderr: bool = False) -> None:
    """Print a line of the command: in this process, or where it is carried out for a caller, at the caller's."""
    if (served := SERVED.get()) is not None:
        served.print({"to": "stderr" if to_stderr else "stdout", "text": f"{text}\n"})
    else:
        print(text, file=sys.stderr if to_stderr else sys.stdout)


def user() -> str:
    """Return the system's name of the person who typed."""
    served = SERVED.get()
    return getpass.getuser() if served is None else served.user


def in_own_process() -> None:
    """Say that the rest of the command needs the caller's own process; call it before anything is changed."""
    if SERVED.get() is not None:
        raise Elsewhere
