"""The schema is asked about the envelope without its files' octets: what it is shown must be the same."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from io import BytesIO

from gateway.edxml import schema
from gateway.edxml.policy import EnvelopeLimits
from gateway.incoming.check import without_files
from gateway.incoming.translate import CheckedFile
from tests.support import envelopes
from tests.support.cases import Cases
from tests.support.fast import fast


def test_the_skeleton_is_the_same_without_the_files(cases: Cases) -> None:
    large = b"%PDF-1.4\n" + bytes(700_000)
    rows: dict[str, envelopes.Files] = {
        "no file": (),
        "two files": envelopes.TWO_FILES,
        "two large files": (("van-ban.pdf", large), ("phu-luc.pdf", large)),
        "an empty file": (("rong.pdf", b""), ("phu-luc.pdf", b"%PDF-1.4\n")),
    }
    for name, files in rows.items():
        with cases.case(name):
            raw = envelopes.native(envelopes.document(files), files)
            parsed = fast(raw)
            assert parsed is not None
            file_looks = [CheckedFile(part=part, facts=None) for part in parsed.files]
            cut = list(without_files(partial(BytesIO, raw), file_looks))
            assert schema.skeleton(cut, EnvelopeLimits()) == schema.skeleton([raw], EnvelopeLimits())
            assert sum(map(len, cut)) == len(raw) - sum(part.length for part in parsed.files)
            # A part without content cuts nothing.
            blank = [replace(look, part=replace(look.part, offset=0, length=0)) for look in file_looks]
            assert b"".join(without_files(partial(BytesIO, raw), blank)) == raw
