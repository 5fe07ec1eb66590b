"""Characters that a text of a document may not have, over all of Unicode."""

from __future__ import annotations

import sys
import unicodedata

from gateway.domain.document import Draft, Recipient, Signer
from gateway.domain.fields import DRAFT, entries, fitting, has_bad_characters, is_encodable, tidy
from gateway.domain.text import fold, nfc, nfd, nfkd

EVERY = [chr(point) for point in range(sys.maxunicode + 1)]


def _is_bad(letter: str) -> bool:
    """A control character, half a character, or none."""
    point = ord(letter)
    is_none = point & 0xFFFE == 0xFFFE or 0xFDD0 <= point <= 0xFDEF
    turning = "\u202a" <= letter <= "\u202e" or "\u2066" <= letter <= "\u2069"
    return turning or is_none or unicodedata.category(letter) in ("Cc", "Cs")


def test_controls_halves_and_noncharacters_are_bad_and_nothing_else_is() -> None:
    """In lines, line feeds and tabs are no fault. Halves alone cannot be encoded."""
    assert [letter for letter in EVERY if has_bad_characters(letter) != _is_bad(letter)] == []
    in_lines = [letter for letter in EVERY if has_bad_characters(letter, lines=True) != _is_bad(letter)]
    assert in_lines == ["\t", "\n"]
    assert [letter for letter in EVERY if is_encodable(letter) == ("\ud800" <= letter <= "\udfff")] == []
    assert [has_bad_characters(text) for text in ("Về việc\x00", "\ufffeVề", "Về việc")] == [
        True,
        True,
        False,
    ]


def test_a_name_of_ours_loses_what_cannot_be_written_and_ascii_is_the_same_in_every_form() -> None:
    assert fitting("Sở\x07 Y\ud800 tế\uffff", DRAFT["recipients/*/name"]) == "Sở Y tế"

    plain = "".join(map(chr, range(128)))

    assert nfc(plain) == nfd(plain) == nfkd(plain) == plain
    assert fold(plain + "ạ") == fold(plain) + "a"


def test_what_is_tidy_stays_the_same_thing_and_what_is_not_loses_what_is_blank() -> None:
    neat = Draft(number="12", signer=Signer(name="An"), recipients=(Recipient(code="A"),), to_places=("Huế",))
    untidy = Draft(
        number=" 12 ",
        signer=Signer(name=" An", title=" "),
        recipients=neat.recipients,
        to_places=("Huế", " "),
    )

    assert tidy(neat) is neat
    assert tidy(untidy) == neat
    assert tidy(Draft(signer=Signer(name=" "), place="\u200b")) == Draft()


def test_each_text_is_told_by_its_pointer_also_where_its_part_is_absent() -> None:
    draft = Draft(number="12", recipients=(Recipient(code="A"), Recipient(name="B")))

    texts = {pointer: text for pointer, _, text in entries(DRAFT, draft)}

    assert texts["/number"] == "12"
    assert texts["/signer/name"] == texts["/type"] == texts["/staff/email"] == ""
    assert (texts["/recipients/0/code"], texts["/recipients/1/name"]) == ("A", "B")
    assert not [pointer for pointer in texts if pointer.startswith(("/replies_to", "/labels"))]
