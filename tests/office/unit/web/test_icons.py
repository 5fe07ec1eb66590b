"""Drawings instead of letters that look like some: one for each state, in one colour, not heard by who hears the page."""

from __future__ import annotations

import re
from pathlib import Path

from lxml import etree

from gateway.domain.document import InState
from gateway.domain.states import STATES
from gateway_office.web import icons
from gateway_office.web.answers import templates
from gateway_office.web.menu import MENU
from tests.office.support.words import entries, forms
from tests.support.cases import Cases

ROOT = Path(icons.__file__).parent
DOCS = ROOT.parents[2] / "docs"
SOURCES = sorted(
    path for path in ROOT.rglob("*") if path.suffix in (".html", ".css", ".js") and path.is_file()
)
# Arrows, signs of machines, blocks, shapes, dingbats, pictures of faces, and angles that stand for arrows.
GLYPH = re.compile("[←-⇿⌀-⏿■-➿⬀-⯿‖‣‹›⁂\U0001f000-\U0001faff]")
# Between two words it is no drawing: "from → to".
ARROW = re.compile(r"(?<=[^\s\"'>]) → (?=[^\s\"'<])|(?<=> )?(?:(?<=\}) →|(?<=>) →) ?(?=\{|<|$)")
# Letters that stand in the cells of a calendar, each with its word beside it.
LETTERS = re.compile(r'aria-hidden="true">\{\{ (?:cell\.day\.day|say\("operating\.beat\.letter)')
COLOURS = {"grey": "quiet", "blue": "blue", "teal": "teal", "green": "good", "red": "bad"} | {
    colour: colour for colour in ("amber", "purple")
}
WORDS = sorted({*STATES, *icons.INCOMING})


def test_no_letter_stands_for_a_drawing(cases: Cases) -> None:
    def check(path: Path) -> None:
        for n, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            glyph = GLYPH.search(ARROW.sub("", line))
            assert not glyph, f"line {n}: {glyph.group() if glyph else ''}"
            hidden = re.search(r'<(?:span|b|i)[^>]*aria-hidden="true">(?!\s*<)', line)
            assert not hidden or LETTERS.search(line), f"line {n}: a sign without its drawing"

    cases.check_rows(SOURCES, check)


def test_words_of_buttons_bring_no_drawing_of_their_own() -> None:
    keys = ("listing.previous", "listing.next", "page.change_agency", "page.other_language")
    assert [
        (lang, key)
        for lang in ("vi", "en")
        for key in keys
        if any(GLYPH.search(text) for text in forms(entries(lang)[key]))
    ] == []


def test_a_glyph_and_a_bare_sign_are_recognised() -> None:
    assert GLYPH.search("<b>✓</b>")
    assert GLYPH.search("‹")
    assert GLYPH.search(ARROW.sub("", '{"sending": "→"}'))
    assert not GLYPH.search(ARROW.sub("", "{{ old }} → {{ new }}"))


def test_a_drawing_is_svg_that_is_not_heard_and_asks_for_nothing(cases: Cases) -> None:
    def check(drawn: str) -> None:
        for drawing in etree.fromstring(f"<div>{drawn}</div>"):
            assert (drawing.tag, drawing.get("aria-hidden"), drawing.get("class")) == ("svg", "true", "icon")
            assert (drawing.get("width"), drawing.get("height")) == ("20", "20")
            assert not re.search(r"https?:|href|style=|<script", etree.tostring(drawing, encoding="unicode"))

    cases.check_rows({word: icons.state_icon(word) for word in WORDS}, check)
    cases.check_rows({word: icons.sign(word) for word in icons.SIGNS}, check)
    cases.check_rows({menu_entry.key: icons.menu_icon(menu_entry.key) for menu_entry in MENU}, check)


def test_every_state_has_a_drawing_and_a_word_that_is_none_has_the_question() -> None:
    assert {STATES[word].shape for word in STATES} | {shape for _, shape in icons.INCOMING.values()} == set(
        icons.SHAPES
    )
    assert {str(state) for state in InState} <= set(WORDS)
    assert icons.state_icon("no-such-state") == icons.state_icon("unknown")


def test_a_state_has_the_colour_of_the_table_in_lists_and_charts(cases: Cases) -> None:
    style = (ROOT / "static" / "gateway.css").read_text(encoding="utf-8")
    colours = dict(re.findall(r"\.tone-(\w+) \{ --of-state: var\(--(\w+)\); \}", style))

    def check(word: str) -> None:
        tone = icons.state_class(word).rpartition("tone-")[2]
        assert colours.get(tone, "quiet") == COLOURS[icons.shown_as(word)[0]]

    cases.check_rows(WORDS, check)


def test_the_page_of_states_names_the_icons_of_incoming_documents() -> None:
    page = (DOCS / "states.md").read_text(encoding="utf-8")
    for word, (colour, shape) in icons.INCOMING.items():
        assert f"`{word}` {colour}, {shape}" in page.replace("\n", " ")


def test_a_state_on_a_page_is_drawing_and_word() -> None:
    page = templates().from_string(
        '{% import "parts/macros.html" as m with context %}{{ m.state("update_asked", text) }}'
    )
    drawn = etree.fromstring(page.render(text="Chờ <trả> lời", say=str, v=None))

    assert drawn.get("class") == "state update-asked tone-amber"
    assert drawn.find(".//svg") is not None
    assert "".join(map(str, drawn.itertext())).strip() == "Chờ <trả> lời"
