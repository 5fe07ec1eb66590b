"""The catalogues: each subject has a file in each language, each entry stands in the file of its head, and a fault of a
file is reported with its line."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import pytest

import gateway
import gateway_office
from gateway.words.labels import (
    LANGUAGES,
    SUBJECT_OF,
    CatalogueError,
    CountedText,
    parsed_catalogue,
    read_catalogue,
)
from tests.support.cases import Cases
from tests.support.words import SUBJECTS

# By the packages above: reading a catalogue loads the folder as a module without naming it in its package.
FOLDERS = [Path(package.__file__ or "").parent / "words" for package in (gateway, gateway_office)]
FILES = sorted(path for folder in FOLDERS for path in folder.glob("*/*.po"))
HEADER = 'msgid ""\nmsgstr ""\n"Plural-Forms: nplurals=2; plural=(n != 1);\\n"\n\n'
GOOD = 'msgid "a.b"\nmsgstr "words"\n'


def test_there_is_one_file_for_each_subject_and_language() -> None:
    assert len(FILES) == len(LANGUAGES) * len(SUBJECTS)
    expected_files = {f"{lang}/{subject}.po" for lang in LANGUAGES for subject in SUBJECTS}

    assert {f"{path.parent.name}/{path.name}" for path in FILES} == expected_files


def test_every_entry_stands_in_the_file_that_its_head_names() -> None:
    heads = [head for head_text in SUBJECTS.values() for head in head_text.split()]
    read_from = {
        subject: {key.partition(".")[0] for key in read_catalogue("vi", subject)} for subject in SUBJECTS
    }

    assert len(heads) == len(set(heads))
    assert {subject: set(head_text.split()) for subject, head_text in SUBJECTS.items()} == read_from
    assert SUBJECT_OF["rule"] == "rules"


def test_both_languages_have_their_entries_in_the_same_order_and_count_the_same() -> None:
    """Two files can then be read side by side."""
    differing = [
        subject
        for subject in SUBJECTS
        if _shape(subject, "vi") != _shape(subject, "en") or _notes(subject, "vi") != _notes(subject, "en")
    ]

    assert differing == []


def _shape(subject: str, lang: str) -> list[tuple[str, str | None]]:
    return [
        (key, text.counts if isinstance(text, CountedText) else None)
        for key, text in read_catalogue(lang, subject).items()
    ]


def _notes(subject: str, lang: str) -> list[str]:
    return re.findall(r"^#.*$", _file(subject, lang).read_text(encoding="utf-8"), re.M)


def test_files_are_composed_unicode_and_say_what_they_are_about() -> None:
    """Each language has one rule of plurals."""
    rules: dict[str, set[str]] = {lang: set() for lang in LANGUAGES}
    for path in FILES:
        content = path.read_text(encoding="utf-8")
        assert content == unicodedata.normalize("NFC", content), path
        assert re.match(r"# [A-Z].*\.\nmsgid \"\"\n", content), path
        assert f'"Language: {path.parent.name}\\n"' in content, path
        rules[path.parent.name] |= set(re.findall(r"Plural-Forms: .*", content))

    assert {lang: len(plurals) for lang, plurals in rules.items()} == dict.fromkeys(LANGUAGES, 1)


def test_a_file_of_another_form_is_refused_with_its_line(cases: Cases) -> None:
    plural = HEADER + 'msgid "a.b"\nmsgid_plural '
    for text, fault in (
        ("", "0: the header"),
        (GOOD, "1: the header"),
        (HEADER + GOOD + "\n" + GOOD, "8: the key a.b stands twice"),
        (HEADER + 'msgid "a.b"\nmsgstr ""\n', "5: a.b has not exactly the forms msgstr"),
        (HEADER + 'msgid "a.b"\n', "5: a.b has not exactly"),
        (plural + '"{n}"\nmsgstr[0] "one"\n', "5: a.b has not exactly the forms"),
        (plural + '"n"\nmsgstr[0] "one"\nmsgstr[1] "two"\n', "5: msgid_plural names"),
        (HEADER + 'msgid "a.b"\nmsgstr "wo"rds"\n', "6: is no line"),
        (HEADER + 'msgid "a.b"\nmsgstr "wo\\x"\n', "6: is no line"),
        (HEADER + '"a.b"\n', "5: is no line"),
        (HEADER + 'msgstr "words"\n', "5: msgstr does not stand in its place"),
        (HEADER + GOOD + GOOD, "7: msgid does not stand in its place"),
        (HEADER + "#, fuzzy\n" + GOOD, "5: marked as fuzzy"),
        (HEADER + 'msgctxt "x"\n' + GOOD, "5: is no line"),
    ):
        expected = pytest.raises(CatalogueError, match=re.escape(f"some.po:{fault}"))
        with cases.case(fault), expected:
            parsed_catalogue(text, "some.po")


def test_lines_that_a_tool_wrapped_and_escapes_are_put_together() -> None:
    text = HEADER + '#. note\nmsgid "a.b"\nmsgstr ""\n"one \\"line\\"\\n"\n"a\\\\n and\\tmore"\n'

    assert parsed_catalogue(text, "some.po") == {"a.b": 'one "line"\na\\n and\tmore'}


def test_the_rule_of_the_catalogue_chooses_the_form() -> None:
    forms = 'msgid "a"\nmsgid_plural "{n}"\nmsgstr[0] "one"\nmsgstr[1] "many"\n'
    rules: dict[str, tuple[object, ...]] = {"n != 1": (1, "1"), "n > 1": (0, 1, "1", "many", None)}
    for rule, for_one in rules.items():
        text = parsed_catalogue(HEADER.replace("n != 1", rule) + forms, "a.po")["a"]
        assert isinstance(text, CountedText)
        for n in (0, 1, 2, "1", "1,204", "1.204", "many", None):
            assert text.form({"n": n}) == ("one" if n in for_one else "many"), (rule, n)


def _file(subject: str, lang: str) -> Path:
    return next(path for path in FILES if (path.parent.name, path.stem) == (lang, subject))
