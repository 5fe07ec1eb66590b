"""A plugin of pytest that lets the engines of all tests of a process share what SQLAlchemy compiled. Each node that a test
opens has engines of its own, which would compile the same statements anew; a node in production compiles them once. What a
statement compiles to depends on the kind of the database alone: connections, settings and rows are not shared."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from sqlalchemy.engine import Engine
from sqlalchemy.util import LRUCache

# More than the product has; each test that builds its own adds some.
_MOST = 3_000
_shared: LRUCache[Hashable, Any] = LRUCache(_MOST)


class _ByKind:
    """Cache of every engine. SQLAlchemy's key begins with the engine's own dialect; here its class stands for it."""

    def get(self, key: tuple[Any, ...], default: object = None) -> Any:
        return _shared.get(_of_kind(key), default)

    def __setitem__(self, key: tuple[Any, ...], compiled: object) -> None:
        _shared[_of_kind(key)] = compiled

    def clear(self) -> None:
        """Forget what any engine compiled."""
        _shared.clear()


def _of_kind(key: tuple[Any, ...]) -> tuple[Any, ...]:
    dialect, *more = key
    return (type(dialect), dialect.server_version_info, *more)


def pytest_configure() -> None:
    cache = _ByKind()
    # The library sets it when an engine is made.
    Engine._compiled_cache = property(lambda engine: cache, lambda engine, own: None)  # type: ignore[assignment]
