"""The demonstration's lead files as agencies send them: signed by a person, sealed by the agency. In: settings of a staged
folder. Out: the signed files in it, made once so that a story told again sends the same bytes, and the anchors that say
whose seals to trust. The keys lie in no file."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from gateway.demo import documents
from gateway.demo.papers import printed
from gateway.demo.signers import DemoSigners
from gateway.demo.stage import ACTORS, Cast
from gateway.domain.wall_clock import local
from gateway.settings import Settings
from gateway.trust.authority import Authority

_YEARS = timedelta(days=3650)
_BEGAN = "began.txt"


def prepare(settings: Settings, cast: Cast, at: datetime, *, desks: bool = True) -> Cast:
    """The same cast with its lead files signed; those of the desks only where they are laid. Blocks: inside an event loop,
    call it in a thread."""
    place = settings.node.data_dir / "signed"
    if not place.is_dir():
        with tempfile.TemporaryDirectory(dir=settings.node.data_dir, prefix="signing-") as folder:
            made = Path(folder) / "signed"
            _make(made, replace(cast, began=local(at).date()), at, desks=desks)
            made.rename(place)
    shutil.copytree(place / "trust", settings.trust.folder / "pdf", dirs_exist_ok=True)
    began = date.fromisoformat((place / _BEGAN).read_text("ascii"))
    return replace(cast, signed=place, began=began)


def _make(place: Path, cast: Cast, at: datetime, *, desks: bool) -> None:
    (place / "trust" / "crl").mkdir(parents=True)
    authority = Authority.create("Demo authority of signatures", at)
    (place / "trust" / "ca.pem").write_bytes(authority.certificate.public_bytes(Encoding.PEM))
    (place / "trust" / "crl" / "demo.pem").write_bytes(authority.revocation_list([], at, _YEARS))
    today = local(at).date()
    (place / _BEGAN).write_text(today.isoformat(), "ascii")
    for actor in ACTORS:
        keys = [key for key in cast.data["documents"] if cast.sender(key) == actor]
        told, person = cast.data[actor], cast.document(keys[0])["signer"][0]
        signers = DemoSigners.create(authority, told["code"], told["name"], person, at)
        for key in keys:
            if cast.is_of_desks(key) and not desks:
                continue
            day = cast.issued_on(key, today)
            paper = printed(documents.paper(cast.data, key, day))
            signed = signers.signed_by_both(paper.pdf, paper.area, at + (day - today), paper.page)
            (place / f"{key}.pdf").write_bytes(signed)
