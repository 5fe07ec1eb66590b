"""The node's settings: what can be set, read once in a stated order, and how it may be shown."""

from gateway.settings.options import (
    SECTIONS,
    AmqpSettings,
    Api,
    AxisSettings,
    Database,
    KeySettings,
    LimitSettings,
    LogSettings,
    Node,
    Secret,
    Settings,
    TrustSettings,
    WorkerSettings,
    names,
)
from gateway.settings.reading import DEFAULT_FILE, expected, load, locate, shown, sources, sqlite_file

__all__ = [
    "DEFAULT_FILE",
    "SECTIONS",
    "AmqpSettings",
    "Api",
    "AxisSettings",
    "Database",
    "KeySettings",
    "LimitSettings",
    "LogSettings",
    "Node",
    "Secret",
    "Settings",
    "TrustSettings",
    "WorkerSettings",
    "expected",
    "load",
    "locate",
    "names",
    "shown",
    "sources",
    "sqlite_file",
]
