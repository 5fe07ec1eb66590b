"""A file of a thousand documents goes to the archive as one package, in bounded memory (R103, archive duties)."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from gateway.errors import Clash
from gateway.ops.archive_package import check
from gateway.ops.evidence import proof_text
from gateway.ops.evidence.pack_file import open_key
from gateway_office.node import hand_over
from tests.long.interop.test_archive_validator import is_clean
from tests.long.interop.test_archive_validator import judge as judge
from tests.office.support.records import closed_file, keep_classes
from tests.office.support.town import OfficeTown
from tests.support.evidence import sealed
from tests.support.measuring import measured
from tests.support.packets import DEPARTMENT, PDF

COUNT, BYTES = 1000, 100_000
MOST_MEGABYTES = 100


async def is_sealed(town: OfficeTown, id: str) -> bool:
    """Tell whether the log has a sealed line about the document; a step of the sealer takes some hundred lines."""
    with suppress(Clash):
        return bool(await proof_text.make(town.node, await town.scope(DEPARTMENT), id))
    return False


async def test_a_thousand_documents_make_one_package_in_bounded_memory(
    town: OfficeTown, tmp_path: Path, judge: Callable[[Path], dict[str, Any]]
) -> None:
    await keep_classes(town, DEPARTMENT)
    documents = []
    for n in range(1, COUNT + 1):
        files = ((f"{n}.pdf", PDF + b"%" + bytes(BYTES)), (f"{n} phụ lục.pdf", PDF + b"%%%d" % n))
        documents.append(await town.send(str(n), files=files))
    while await town.pack() + await town.dispatch():
        pass
    while not await is_sealed(town, documents[-1].id):
        await sealed(town, None)
    file = await closed_file(town, documents, code=DEPARTMENT)
    place = tmp_path / "archive"
    place.mkdir()

    with measured() as cost:
        package = await hand_over.pack(
            town.node, await town.scope(DEPARTMENT), file.code, str(place), is_decided=False
        )

    path, keys = place / f"{package.id}.tar", town.node.settings.keys
    print(f"packing: {cost}; {package.size} bytes, {package.files} files")
    with measured() as cost_of_check:
        report = check(path, [open_key(keys.folder, keys.passwords).public_key])
    print(f"check: {cost_of_check}")
    assert (report.verdict, report.documents, report.files) == ("valid", COUNT, 4 * COUNT)
    with tarfile.open(path) as archive:
        assert sum(name.endswith(".tlog-proof") for name in archive.getnames()) == COUNT
    assert package.size > 200 * 1024 * 1024
    assert cost.megabytes < MOST_MEGABYTES
    assert cost_of_check.megabytes < MOST_MEGABYTES
    verdict = judge(path)
    assert is_clean(verdict), verdict
