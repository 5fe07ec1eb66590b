"""The schema is asked about the envelope without its files' octets: what it is shown must be the same."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from io import BytesIO

import pytest

from gateway.edxml import schema
from gateway.edxml.policy import EnvelopeLimits
from gateway.incoming.check import without_files
from gateway.incoming.translate import Looked
from tests.support import envelopes
from tests.support.fast import fast

LARGE = b"%PDF-1.4\n" + bytes(700_000)


@pytest.mark.parametrize(
    "files",
    [
        pytest.param((), id="no file"),
        pytest.param(envelopes.TWO_FILES, id="two files"),
        pytest.param((("van-ban.pdf", LARGE), ("phu-luc.pdf", LARGE)), id="two large files"),
        pytest.param((("rong.pdf", b""), ("phu-luc.pdf", b"%PDF-1.4\n")), id="an empty file"),
    ],
)
def test_the_skeleton_is_the_same_without_the_files(files: envelopes.Files) -> None:
    raw = envelopes.native(envelopes.document(files), files)
    found = fast(raw)
    assert found is not None
    looked = [Looked(part=part, facts=None) for part in found.files]

    cut = list(without_files(partial(BytesIO, raw), looked))

    assert schema.skeleton(cut, EnvelopeLimits()) == schema.skeleton([raw], EnvelopeLimits())
    assert sum(map(len, cut)) == len(raw) - sum(part.length for part in found.files)


def test_a_part_without_content_cuts_nothing() -> None:
    raw = envelopes.native(envelopes.document(), envelopes.TWO_FILES)
    found = fast(raw)
    assert found is not None
    blank = Looked(part=replace(found.files[0], offset=0, length=0), facts=None)

    assert b"".join(without_files(partial(BytesIO, raw), [blank])) == raw
