"""The dossier of a node as values: sections of rows of texts in one language, shown alike by page, DOCX, PDF and JSON. In:
what `gateway.ops.dossier` reads. Out: the same for programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

_FILLED_BY_HAND = ("node", "controls")


@dataclass(frozen=True, slots=True, kw_only=True)
class DossierSection:
    """One section. `shares` are the widths of its columns beside each other; `fault` is the code of the error that kept it
    from being read."""

    key: str
    title: str
    note: str
    columns: Mapping[str, str]
    shares: tuple[float, ...]
    rows: tuple[tuple[str, ...], ...] = ()
    fault: str = ""

    @property
    def is_filled_by_hand(self) -> bool:
        """Tell whether paper has dots to write on in place of an empty field."""
        return self.key in _FILLED_BY_HAND


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """The whole dossier."""

    title: str
    node: str
    lang: str
    made_at: str
    sections: tuple[DossierSection, ...]

    def to_json(self) -> dict[str, Any]:
        content = asdict(self)
        for section in content["sections"]:
            del section["shares"]
            section["rows"] = [dict(zip(section["columns"], row, strict=True)) for row in section["rows"]]
        return content
