"""`gateway capacity`: what a node needs for so many documents. In: documents a day, their size, the database. Out: rows,
gigabytes and the time of a night's backup after a day, a year, and more years. Needs no node."""

from __future__ import annotations

from typing import Annotated

from gateway.cli import output
from gateway.cli.command import Invocation, Lang, option, verb
from gateway.domain.capacity import WORKING_DAYS, Load, need

_COLUMNS = output.columns("what:cli.capacity unit_of=unit a_day=day a_year=year at_end=years")
# Field of `Need`, unit, and digits behind the point.
_LINES = (
    ("rows", "", 0),
    ("database_gb", "GB", 2),
    ("content_gb", "GB", 2),
    ("log_gb", "GB", 2),
    ("disk_gb", "GB", 2),
    ("backups_gb", "GB", 2),
    ("window", "min", 1),
)


def _in_groups(call: Invocation, number: float, digits: int) -> str:
    text = f"{number:,.{digits}f}"
    return text.translate(str.maketrans(",.", ".,")) if call.lang is Lang.VI else text


@verb("--documents-a-day 8000 --mb 1 --server", "--documents-a-day 200 --mb 0.5 --years 10 -o json")
def capacity(
    call: Invocation,
    documents_a_day: Annotated[int, option("Documents that are sent or arrive on a working day.", min=1)],
    mb: Annotated[float, option("Megabytes of the files of one document.", min=0)],
    received: Annotated[float, option("Part of the documents that arrives.", min=0, max=1)] = 0.5,
    server: Annotated[bool, option("The database is PostgreSQL.")] = False,
    years: Annotated[int, option("Years of the last column.", min=1, max=50)] = 5,
) -> None:
    """Reckon what a node needs for so many documents: rows, disk, kept backups, and the time of a night's backup."""
    load = Load(documents=documents_a_day, mb=mb, received=received, on_server=server)
    needs = {
        "day": need(load, 1),
        "year": need(load, WORKING_DAYS),
        "years": need(load, WORKING_DAYS * years),
    }
    numbers = [
        {name: round(float(getattr(value, field)), digits or None) for name, value in needs.items()}
        for field, _, digits in _LINES
    ]
    heads = {"a_day": "day", "a_year": "year", "at_end": "years"}
    cells = [
        {head: _in_groups(call, row[name], digits) for head, name in heads.items()}
        for (_, _, digits), row in zip(_LINES, numbers, strict=True)
    ]
    records = [
        {"id": field, "what": field, "unit": unit, **row}
        for (field, unit, _), row in zip(_LINES, numbers, strict=True)
    ]
    output.rows(call, records, _COLUMNS, cells, extra={"years": years})
    call.say("cli.capacity.said", years=years)
