"""Structured log lines: one JSON object each, with an `action` and ids; never content, keys or tokens. What is done
for one request or one packet is bound to it once, and every line below it names it."""

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
# What others wrote may be of any length.
_LONGEST = 200
_BOUND: ContextVar[Mapping[str, str]] = ContextVar("bound")


@contextmanager
def bound(**ids: str) -> Iterator[None]:
    """Every line that is logged inside names these ids, also from threads of the pool."""
    token = _BOUND.set({**ids_bound(), **{name: text[:_LONGEST] for name, text in ids.items()}})
    try:
        yield
    finally:
        _BOUND.reset(token)


def ids_bound() -> Mapping[str, str]:
    """What the work at hand is about."""
    return _BOUND.get({})


class JsonLines(logging.Formatter):
    """Writes each record as one line of JSON; what callers pass in `extra` becomes keys of it."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "say": record.getMessage(),
        }
        line |= ids_bound()
        line |= {key: value for key, value in record.__dict__.items() if key not in _STANDARD}
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def configure(level: str = "info") -> None:
    """Sends the program's log lines to stderr, at `level` and above."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    handler.setLevel(level.upper())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    quieten()


def quieten() -> None:
    """Libraries that would write more than ids stay silent, whatever the level."""
    # signxml writes the whole canonical text at DEBUG, aiosqlite every value of a row: content never goes to a log.
    for name in ("signxml", "aiosqlite", "aiormq", "aio_pika"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)


def unforeseen(logger: logging.Logger, name: str, error: Exception, **ids: object) -> None:
    """Log an error that nobody foresaw, with its trace; `name` is the action that it broke."""
    logger.error("an error that nobody foresaw", exc_info=error, extra={"action": name, **ids})


def action(logger: logging.Logger, name: str, say: str = "", **ids: object) -> None:
    """Logs that `name` was done, with the ids it was done to."""
    logger.info(say or name, extra={"action": name, **ids})
