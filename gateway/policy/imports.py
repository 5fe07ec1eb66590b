"""May an import of codes be undone as a whole? In: the import, what was built on it, a time. Out: every reason against, or
none. Pure; the days are those of a change of the organisation."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from gateway.domain.registry_change import ImportRecord
from gateway.domain.registry_reform import Remark
from gateway.policy.reform import UNDO_DAYS
from gateway.ports.imports import BuiltOnImport

MOST_SAID = 20


def undoing(
    record: ImportRecord, built: BuiltOnImport, exchanged: Sequence[str], now: datetime
) -> tuple[Remark, ...]:
    """`exchanged`: those of its new codes under which a document came or went."""
    if record.undone_at is not None:
        return (Remark(key="undone_already"),)
    found = []
    if now - record.at > timedelta(days=UNDO_DAYS):
        found.append(Remark(key="undo_late", params={"days": str(UNDO_DAYS)}))
    found += [Remark(key="built_reform", params={"reform": id}) for id in built.reforms[:MOST_SAID]]
    for key, codes in (
        ("built_row", built.rows),
        ("built_certificate", built.certificates),
        ("built_document", exchanged),
        ("built_change", built.changed),
    ):
        found += [Remark(key=key, params={"code": code}) for code in codes[:MOST_SAID]]
    return tuple(found)
