"""The rows of the table of faults, read from `rows.toml`. The page of the operators shows the same rows."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.domain.diagnosis import Level
from tests.labs.fault_table import harms, server_harms
from tests.labs.fault_table.measure import FaultRow, Harm
from tests.labs.fault_table.pair import PairKey

MOUNTS = ("axis", "south", "south/content", "south/keys")


def _harm(text: str) -> Harm:
    name, *words = text.split()
    function: Any = getattr(harms, name, None) or getattr(server_harms, name)
    harm: Harm = function(*words) if words else function
    return harm


def _key(mounts: bool = False, settings: Mapping[str, str] | None = None, **kinds: bool) -> PairKey:
    own = tuple(sorted((settings or {}).items()))
    return PairKey(mounts=MOUNTS if mounts else (), settings=own, **kinds)


def _row(name: str, columns: dict[str, Any]) -> FaultRow:
    level, check, cause = columns.pop("finding").split()
    columns |= {"harm": _harm(columns["harm"]), "pair": _key(**columns.get("pair", {}))}
    columns |= {"also": frozenset(columns.get("also", ()))}
    return FaultRow(name=name, level=Level(level), check=check, cause=cause, **columns)


def _read(name: str) -> tuple[FaultRow, ...]:
    table = tomllib.loads(Path(__file__).with_name(name).read_text("utf-8"))
    return tuple(_row(name, columns) for name, columns in table.items())


ROWS = _read("rows.toml")
