"""Writes the agencies that a foreign axis knows as a list for the registry. In: the call of an axis that lists them. Out:
CSV in UTF-8, one line an agency, and the number of entries that are no agency's, such as those of centres and test
systems."""

from __future__ import annotations

import codecs
import csv
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO, cast

from gateway.domain.registry import AgencyCode, BadCode
from gateway.domain.text import nfc
from gateway.ports.services import Pool
from gateway_foreign.rest.dialect import ListedAgency

_IN_MEMORY = 16 * 1024 * 1024
COLUMNS = ("code", "name", "alias")
ListAgencies = Callable[[Callable[[ListedAgency], None]], Awaitable[None]]
"""Passes each agency that an axis knows to a function."""


@dataclass(slots=True)
class ListCounts:
    """Numbers of lines written and of entries left out."""

    count: int = 0
    left_out: int = 0


async def read_agencies(list_agencies: ListAgencies, pool: Pool) -> tuple[bytes, int]:
    """Read the list as `write_agencies` writes it; return it with the number of entries left out."""
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as file:
        counts = await write_agencies(list_agencies, cast("BinaryIO", file))
        return await pool.run(partial(_read_all, cast("BinaryIO", file))), counts.left_out


def _read_all(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read()


async def write_agencies(list_agencies: ListAgencies, file: BinaryIO) -> ListCounts:
    """Write every agency that the axis knows to the file, as they come."""
    counts = ListCounts()
    writer = csv.writer(codecs.getwriter("utf-8")(file), lineterminator="\n")
    writer.writerow(COLUMNS)

    def write(agency: ListedAgency) -> None:
        name = " ".join(nfc(agency.name).split())
        if not _is_code(agency.code) or not name:
            counts.left_out += 1
            return
        counts.count += 1
        alias = agency.old if agency.old != agency.code and _is_code(agency.old) else ""
        writer.writerow((agency.code, name, alias))

    await list_agencies(write)
    return counts


def _is_code(code: str) -> bool:
    try:
        AgencyCode.parse(code)
    except BadCode:
        return False
    return True
