"""One table holds the longest length of each text: a page's field takes it from there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import gateway_office.web
from gateway_office.web import answers
from tests.support.cases import Cases

TEMPLATES = Path(gateway_office.web.__file__).parent / "templates"
# Which texts the forms of a folder write.
TABLES = {"compose": ("draft", "change"), "outgoing": ("change",), "incoming": ("status",)}
# What is called otherwise in the form than in the table, and what has a name of the table and is no text of it.
CALLED = {
    ("incoming/_questions.html", "reason", 'longest("status", "note")'): "note",
}
OWN = {("outgoing/_questions.html", "reason", '"500"'), ("compose/edit.html", "group_name", "100")}
_FIELD = re.compile(r'\b(?:m\.field|c\.line)\("(?P<id>\w+)".*?"maxlength": (?P<most>longest\([^)]*\)|[^,}]+)')
_TABLE = re.compile(r'longest\("(?P<table>\w+)", "(?P<path>[^"]+)"\)')


def fields() -> Iterator[tuple[str, str, str]]:
    """Yield the template, the name and the stated length of every field."""
    for folder in TABLES:
        for path in sorted((TEMPLATES / folder).rglob("*.html")):
            name = path.relative_to(TEMPLATES).as_posix()
            for match in _FIELD.finditer(path.read_text(encoding="utf-8")):
                yield name, match["id"], match["most"]


def ruled(template: str, field: str) -> list[tuple[str, str]]:
    """Return the tables and paths that rule a text of that name: `reply_number` is the number of a reply."""
    tables = [(name, answers.TEXTS[name]) for name in TABLES[template.partition("/")[0]]]
    paths = [
        (table, path, path.removesuffix("/*").rpartition("/")[2]) for table, texts in tables for path in texts
    ]
    exact = [(table, path) for table, path, last in paths if last == field]
    return exact or [(table, path) for table, path, last in paths if field.endswith(f"_{last}")]


def test_a_text_of_the_table_takes_its_length_from_the_table(cases: Cases) -> None:
    def check(row: tuple[str, str, str]) -> None:
        template, field, most = row
        match = _TABLE.fullmatch(most)
        if row in OWN:
            assert match is None
        elif match:
            called = CALLED.get(row, field)
            assert (match["table"], match["path"]) in ruled(template, called)
        else:
            assert ruled(template, field) == [], f"{template} writes the length of {field} by hand"

    cases.check_rows([*fields()], check)


def test_the_fields_of_the_templates_are_read_and_their_texts_are_in_the_table() -> None:
    templates = {field[0] for field in fields() if "longest" in field[2]}

    assert templates >= {
        "compose/edit.html",
        "outgoing/_questions.html",
        "incoming/take_in.html",
        "incoming/_questions.html",
    }
    for template in TEMPLATES.rglob("*.html"):
        for table, path in _TABLE.findall(template.read_text(encoding="utf-8")):
            assert path in answers.TEXTS[table]
