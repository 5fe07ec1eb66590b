"""Names that others chose: of files, and agency codes. A clean name stays clean and can be a file's name anywhere; a code
that is read is printed as it was read."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from gateway.cli.inbox import safe_name
from gateway.domain.registry import AgencyCode, BadCode, fold_code, propose_new
from gateway.edxml import names as xml_text
from gateway.policy import admission
from tests.fuzz.target import Target

_FORBIDDEN = frozenset('/\\<>:"|?*')
_HIDDEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))


def names(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    _file_names(text.split("\n"))
    _code(text)


def _file_names(names: list[str]) -> None:
    stored = admission.stored_names(names)
    assert len({n.casefold() for n in stored}) == len(names)
    for name in stored:
        assert 0 < len(name.encode()) <= 255
        assert not _FORBIDDEN & set(name)
        assert not _HIDDEN & set(map(unicodedata.category, name)), ascii(name)
        assert admission.clean_name(name) == name, "a clean name was cleaned again"
        assert name not in (".", "..")
        assert xml_text.text_fault(name) is None
    for n, name in enumerate(names):
        admission.check_name(name, "/files")
        list(admission.odd_name(name, "/files"))
        inside = safe_name(n, name)
        assert "/" not in inside
        assert len(inside.encode()) <= 255


def _code(text: str) -> None:
    assert fold_code(text) == fold_code(f" {text} ")
    try:
        code = AgencyCode.parse(text)
    except BadCode:
        return
    assert AgencyCode.parse(str(code)) == code
    assert code.level == 1 or AgencyCode.parse(code.short) == code
    assert 1 <= code.level <= len(code.groups)
    new = propose_new(code)
    assert new is None or new.level == code.level


def _seeds() -> Iterator[bytes]:
    yield from (b"Z91.07.12", b"000.12.07.Z91", b"07.Z91", b"Z91", b"000.00.00.Z91")
    yield from (b"15.pdf\n15.pdf\n15.PDF", b"../../etc/passwd", b"con.txt", b"a\\b.docx", b"a:b?.pdf", b"...")
    yield "công văn số 15\u202efdp.exe".encode()
    yield ("ế" * 200 + ".pdf").encode()


TARGETS = (Target(name="names", run=names, seeds=_seeds, longest=2_048),)
