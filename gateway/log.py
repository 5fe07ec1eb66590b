"""Writes structured log lines: one JSON object each, with an `action` and ids; never content, keys or tokens. The ids of
a request or a packet are bound once, and every line about its processing contains them. No error fills the disk: each
fault writes at most 20 lines in ten minutes, and each cause one a minute, in the whole process, with the number of lines
left out; only unforeseen errors have a stack trace."""

import errno
import json
import logging
import socket
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from gateway import time_source

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName", "traced"}
# Longest id to log, because ids from outside can be of any length.
_LONGEST = 200
_BOUND: ContextVar[Mapping[str, str]] = ContextVar("bound")
_LONGEST_WHY, _LONGEST_TRACE = 1000, 8000
# Errors of a disk that is missing, full or read-only, or of a lost connection: a stack trace would add nothing.
_OF_DISKS_AND_LINES = frozenset(
    {
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EIO,
        errno.EROFS,
        errno.ESTALE,
        errno.ENODEV,
        errno.ENOTCONN,
        errno.EHOSTUNREACH,
        errno.ENETUNREACH,
    }
)
# Errors that drivers of databases and brokers raise when the server is down.
_OF_DRIVERS = frozenset({"OperationalError", "InterfaceError", "PostgresConnectionError", "AMQPError"})
# Codes of errors for a storage, axis, scanner or key that is down: one cause, whichever loop, call or row meets it.
OUTAGES = frozenset(
    {
        "GW-S-000",
        "GW-S-411",
        "GW-S-507",
        "GW-S-508",
        "GW-S-509",
        "GW-S-510",
        "GW-S-511",
        "GW-S-512",
        "GW-T-000",
        "GW-T-001",
        "GW-V-001",
        "GW-K-001",
    }
)
WINDOW_S = 60.0
TRACE_S = 3600.0
# A fault writes at most so many lines in that time, whatever each of them is about.
BURST, FAULT_S = 20, 600.0
_MOST_WINDOWS = 1000
_Cause = tuple[object, ...]
_Limit = tuple[_Cause, int, float]  # a cause has that many lines in so many seconds


class _Bound(AbstractContextManager[None]):
    __slots__ = ("_ids", "_token")

    def __init__(self, ids: dict[str, str]) -> None:
        self._ids = ids

    def __enter__(self) -> None:
        ids = dict(_BOUND.get({}))
        for name, text in self._ids.items():
            ids[name] = text[:_LONGEST]
        self._token = _BOUND.set(ids)

    def __exit__(self, *_: object) -> None:
        _BOUND.reset(self._token)


def bound(**ids: str) -> AbstractContextManager[None]:
    """Add these ids to every line that is logged inside the block, also from threads of the pool."""
    return _Bound(ids)


def ids_bound() -> Mapping[str, str]:
    """Return the ids bound at this point."""
    return _BOUND.get({})


class JsonLines(logging.Formatter):
    """Formatter of a record as one line of JSON; the values in `extra` become keys of it."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "say": record.getMessage(),
            "action": _library_action(record.name),
        }
        line |= ids_bound()
        line |= {key: value for key, value in record.__dict__.items() if key not in _STANDARD}
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            if is_foreseen(record.exc_info[1]) or not getattr(record, "traced", True):
                line["why"] = str(record.exc_info[1])[:_LONGEST_WHY]
            else:
                line["trace"] = self.formatException(record.exc_info)[-_LONGEST_TRACE:]
        return json.dumps(line, ensure_ascii=False, default=str)


def _library_action(logger: str) -> str:
    """Return an action for a line without one: such lines are written by libraries."""
    return f"library.{logger.partition('.')[0]}"


def is_foreseen(error: BaseException | None) -> bool:
    """Tell whether the error has a code of ours, or comes from a disk, a connection or a server that is down."""
    if isinstance(error, ConnectionError | TimeoutError | socket.gaierror):
        return True
    if isinstance(error, OSError):
        return error.errno in _OF_DISKS_AND_LINES
    is_coded = str(getattr(error, "code", "")).startswith("GW-")
    return is_coded or any(kind.__name__ in _OF_DRIVERS for kind in type(error).__mro__)


@dataclass(slots=True)
class _Window:
    """Present span of one cause: its start, how many lines it has, and since when how many were left out."""

    since: float
    span_s: float
    written_count: int = 0
    suppressed: int = 0
    suppressed_at: float = 0.0


class Throttle(logging.Filter):
    """Filter that limits the lines of each fault, and of each cause, in the whole process. The next line tells how many
    were left out (`suppressed`) and since when (`suppressed_since`)."""

    def __init__(self, now_s: Callable[[], float] = time_source.monotonic) -> None:
        super().__init__()
        self._now_s, self._lock = now_s, threading.Lock()
        self._windows: dict[_Cause, _Window] = {}
        self._traced: dict[_Cause, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        limits = _limits(record)
        if not limits:
            return True
        with self._lock:
            return self._count(record, limits)

    def _count(self, record: logging.LogRecord, limits: Sequence[_Limit]) -> bool:
        now = self._now_s()
        windows = [self._window(cause, span_s, now) for cause, _, span_s in limits]
        for window, (_, most, _) in zip(windows, limits, strict=True):
            if window.written_count >= most:
                window.suppressed_at = window.suppressed_at if window.suppressed else record.created
                window.suppressed += 1
                return False
        if suppressed := sum(window.suppressed for window in windows):
            began = datetime.fromtimestamp(min(w.suppressed_at for w in windows if w.suppressed), UTC)
            vars(record).update(suppressed=suppressed, suppressed_since=began.isoformat(timespec="seconds"))
        for window in windows:
            window.written_count, window.suppressed = window.written_count + 1, 0
        if record.exc_info:
            cause, *_ = limits[-1]
            last = self._traced.get(cause)
            is_new = last is None or now - last >= TRACE_S
            vars(record).update(traced=is_new)
            if is_new:
                self._traced[cause] = now
        return True

    def _window(self, cause: _Cause, span_s: float, now: float) -> _Window:
        """Return the present window of the cause; a new one takes over how many lines were left out in the last one."""
        window = self._windows.get(cause)
        if window is None:
            self._forget(now)
            window = self._windows[cause] = _Window(now, span_s)
        elif now - window.since >= window.span_s:
            window.since, window.written_count = now, 0
        return window

    def _forget(self, now: float) -> None:
        """Drop ended windows once there are many, because causes contain host names, whose number is unlimited."""
        if len(self._windows) >= _MOST_WINDOWS:
            self._windows = {
                cause: window for cause, window in self._windows.items() if now - window.since < window.span_s
            }
            self._traced = {cause: at for cause, at in self._traced.items() if now - at < TRACE_S}


def _limits(record: logging.LogRecord) -> Sequence[_Limit]:
    """Return the limits of the line: of its fault, and of the cause where that is one whichever fault it makes; none for a
    line that is no complaint. A line that says more than its action explains something that went wrong."""
    error = record.exc_info[1] if record.exc_info else None
    code = str(getattr(record, "code", "") or getattr(error, "code", ""))
    cause, action = _cause(record, error, code), getattr(record, "action", "")
    is_complaint = cause or code or record.levelno >= logging.WARNING or record.getMessage() != action
    if record.levelno <= logging.DEBUG or not is_complaint:
        return ()
    fault = ("fault", record.name, action, code), BURST, FAULT_S
    return (fault, (cause, 1, WINDOW_S)) if cause else (fault,)


def _cause(record: logging.LogRecord, error: BaseException | None, code: str) -> _Cause:
    """Return the cause of the line's complaint; empty where each line is about something different, such as a packet."""
    axis = getattr(record, "axis", "")
    if (ended := getattr(record, "ends", "")) != "":
        return ("ended", ended, axis or getattr(record, "server", ""))
    if code in OUTAGES:
        return (code, axis, _subject(record, error))
    if error is not None and not code.startswith("GW-"):
        kind = type(error).__name__
        is_known = is_foreseen(error)
        return (kind, getattr(error, "errno", 0)) if is_known else (kind, *_origin(error.__traceback__))
    if hasattr(record, "failures"):  # a loop that fails again and again has one cause
        return ("broke", code, _subject(record, error))
    return ()


def _subject(record: logging.LogRecord, error: BaseException | None) -> str:
    """Return the first two words of the text, which name the subject ("the database", a host); those with digits are
    "#"."""
    text = record.getMessage() if error is None else str(error)
    return " ".join("#" if any(letter.isdigit() for letter in word) else word for word in text.split()[:2])


def _origin(trace: TracebackType | None) -> tuple[str, int]:
    """Return file and line where the error was raised."""
    if trace is None:
        return "", 0
    while trace.tb_next is not None:
        trace = trace.tb_next
    return trace.tb_frame.f_code.co_filename, trace.tb_lineno


def configure(level: str = "info") -> None:
    """Send the program's log lines to stderr, at `level` and above."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    handler.setLevel(level.upper())
    handler.addFilter(Throttle())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    quieten()


def quieten() -> None:
    """Silence libraries that would log content, at every level, and libraries whose errors reach us as exceptions, which
    we log once with their cause."""
    # At DEBUG signxml logs the whole canonical text and aiosqlite every value of a row: content must never reach a log.
    for name in ("signxml", "aiohttp.access"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in ("aiosqlite", "aiormq", "aio_pika", "asyncpg", "sqlalchemy"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def log_unforeseen(logger: logging.Logger, name: str, error: Exception, **ids: object) -> None:
    """Log an unforeseen error with its stack trace; `name` is the action that failed."""
    logger.error("an error that nobody foresaw", exc_info=error, extra={"action": name, **ids})


def warn(logger: logging.Logger, name: str, say: str, **ids: object) -> None:
    """Log a warning that `name` happened: a person has to act unless it ends by itself."""
    logger.warning(say, extra={"action": name, **ids})


def action(logger: logging.Logger, name: str, say: str = "", **ids: object) -> None:
    """Log that the action `name` was done, with the ids of its objects."""
    logger.info(say or name, extra={"action": name, **ids})
