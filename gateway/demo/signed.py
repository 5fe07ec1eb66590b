"""The demonstration's lead files as agencies send them: signed by a person, sealed by the agency. In: settings of a staged
folder. Out: the signed files in it, made once so that a story told again sends the same bytes, and the anchors that say
whose seals to trust. The keys lie in no file."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from gateway.demo.signers import DemoSigners, area_in_mm
from gateway.demo.stage import Cast
from gateway.settings import Settings
from gateway.trust.authority import Authority

# Where the person signs: page, and millimetres from its top, between the title and the name.
_PLACES = {
    "cong-van.pdf": (1, 181),
    "giay-moi.pdf": (1, 185),
    "quyet-dinh.pdf": (1, 189),
    "bao-cao.pdf": (2, 131),
}
_YEARS = timedelta(days=3650)


def prepare(settings: Settings, cast: Cast, at: datetime) -> Cast:
    """The same cast with its lead files signed. Blocks: inside an event loop, call it in a thread."""
    place = settings.node.data_dir / "signed"
    if not place.is_dir():
        with tempfile.TemporaryDirectory(dir=settings.node.data_dir, prefix="signing-") as folder:
            made = Path(folder) / "signed"
            _make(made, cast, at)
            made.rename(place)
    shutil.copytree(place / "trust", settings.trust.folder / "pdf", dirs_exist_ok=True)
    return replace(cast, signed=place)


def _make(place: Path, cast: Cast, at: datetime) -> None:
    (place / "trust" / "crl").mkdir(parents=True)
    authority = Authority.create("Demo authority of signatures", at)
    (place / "trust" / "ca.pem").write_bytes(authority.certificate.public_bytes(Encoding.PEM))
    (place / "trust" / "crl" / "demo.pem").write_bytes(authority.revocation_list([], at, _YEARS))
    for actor, person, files in _leads(cast):
        told = cast.data[actor]
        signers = DemoSigners.create(authority, told["code"], told["name"], person, at)
        for file in files:
            page, top = _PLACES[file]
            area = area_in_mm(130, top, 45, 22)
            signed = signers.signed_by_both(cast.sample(file), area, at, page)
            (place / f"{actor}-{file}").write_bytes(signed)


def _leads(cast: Cast) -> Iterator[tuple[str, str, set[str]]]:
    """Per sender: who signs for it, and its lead files."""
    for actor in ("department", "commune", "province"):
        documents = [cast.document(key) for key in cast.data["documents"] if cast.sender(key) == actor]
        yield actor, documents[0]["signer"][0], {each["files"][0] for each in documents}
