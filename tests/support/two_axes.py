"""Settings of a node of the demonstration on two axes in folders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from gateway.settings import AxisSettings, Settings
from gateway.settings.options import NamedAxis, RouteSettings
from tests.support.node import COMMUNE, PROVINCE


def on_two(folder: Path, *, unsure: str = "wait") -> Callable[[Settings], Settings]:
    """The province first for both agencies; one of them does not wait for it."""
    axes = tuple(
        NamedAxis(name=name, away_s=0, parts={"axis": AxisSettings(folder=folder / name)})
        for name in ("province", "national")
    )
    both = ("province", "national")
    routes = (
        RouteSettings(to=PROVINCE, axes=both, away="next", unsure=unsure),
        RouteSettings(to=COMMUNE, axes=both, away="wait"),
        RouteSettings(to="*", axes=("national",)),
    )
    return lambda settings: replace(settings, axes=axes, routes=routes)
