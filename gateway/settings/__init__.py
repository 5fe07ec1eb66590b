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
from gateway.settings.reading import DEFAULT_FILE, explain_key, load, locate, printable, sources, sqlite_file

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
    "explain_key",
    "load",
    "locate",
    "names",
    "printable",
    "sources",
    "sqlite_file",
]
