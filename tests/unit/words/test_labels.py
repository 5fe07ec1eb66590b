"""Every state, error, reason and code has its words in both languages; no word is left without diacritics."""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Iterator

import pytest

from gateway import errors
from gateway.domain.account import NumberingMode
from gateway.domain.document import (
    DeliveryMode,
    FileRole,
    InState,
    Kind,
    Lane,
    OutState,
    RecipientRole,
    Urgency,
)
from gateway.domain.status import CODES, STATES, RequestKind, RequestState
from gateway.policy.door import BOMBS
from gateway.policy.profile import Profile
from gateway.policy.verdict import ReasonCode
from gateway.words.labels import (
    LANGUAGES,
    CountedText,
    Text,
    mark_text,
    megabytes,
    read_catalogue,
    reason_text,
    say,
)
from tests.support.words import MACHINE_WORDS, entries, forms


def error_classes(
    base: type[errors.GatewayError] = errors.GatewayError,
) -> Iterator[type[errors.GatewayError]]:
    yield base
    for child in base.__subclasses__():
        yield from error_classes(child)


NEEDED = sorted(
    {
        *(f"state.{key}" for key in STATES),
        *(f"state.{state}" for state in OutState),
        *(f"state.in.{state}" for state in InState),
        *(f"state.in.{row.key}" for row in CODES.values()),
        *(f"urgency.{urgency.key}" for urgency in Urgency),
        *(f"role.{role}" for role in RecipientRole),
        *(f"file_role.{role}" for role in FileRole),
        *(f"delivery.{mode}" for mode in DeliveryMode),
        *(f"kind.{kind}" for kind in Kind),
        *(f"lane.{lane}" for lane in Lane),
        *(f"numbering.{mode}" for mode in NumberingMode),
        *(f"request.{kind}" for kind in RequestKind),
        *(f"request.{state}" for state in RequestState),
        *(f"rule.{code}" for code in ReasonCode),
        *(f"why.{why}" for why in BOMBS),
        *(f"active.{kind}" for kind in Profile().refused_active | Profile().warned_active),
        *(f"category.{category}" for category in Profile().refused_categories),
        *(kind.label_key for kind in error_classes()),
        *(f"handover.{state}" for state in ("available", "leased", "acked")),
        *(
            f"packet.{state}"
            for state in (
                *("landed", "done", "waiting", "held", "quarantined"),
                *("malformed", "sealed", "released", "returned", "discarded"),
            )
        ),
    }
)


VERIFICATION = (
    *("ENV-TOO-LARGE", "ENV-ENCODING", "ENV-NOT-XML", "ENV-LIMIT", "ENV-DIALECT", "ENV-FORBIDDEN"),
    *("SIG-ABSENT", "SIG-PLACEHOLDER", "SIG-MANY", "SIG-PLACE", "SIG-STRUCTURE", "SIG-ID", "SIG-ALGORITHM"),
    *("SIG-WEAK", "SIG-SENDER", "SIG-NO-BINDING", "SIG-PIN", "SIG-DIGEST", "SIG-PROPERTIES", "SIG-VALUE"),
    *("CERT-TIME", "CERT-CHAIN", "CERT-USAGE", "CERT-REVOKED", "CERT-REVOCATION-UNKNOWN", "SIG-TIME"),
    *("AXIS-SENDER", "AXIS-NODE", "MSG-ID", "MSG-NOT-OURS", "MSG-NOT-PARTY", "RCPT-DIGEST"),
    *("MSG-REPEAT", "MSG-CONFLICT", "MSG-STALE"),
)


def test_every_key_that_the_program_can_ask_for_has_words() -> None:
    assert len(NEEDED) > 200
    assert unsaid(NEEDED) == []


def test_every_code_of_verification_has_words() -> None:
    assert unsaid(f"code.{code}" for code in VERIFICATION) == []


def test_both_languages_have_every_entry_with_the_same_parameters() -> None:
    vi, en = (entries(lang) for lang in LANGUAGES)
    asked = {key: [parameters(each[key]) for each in (vi, en)] for key in vi.keys() & en.keys()}

    assert len(vi) > 4000
    assert sorted(vi.keys() ^ en.keys()) == []
    assert sorted(key for key, (one, other) in asked.items() if one != other) == []


# What a clerk reads all day; technical details lie behind a heading of their own.
_CLERKS = (
    *("account", "book", "books", "compose", "deadlines", "documents", "errors", "help", "incoming", "lists"),
    *("notices", "office", "outgoing", "recalls", "rules", "signing", "states", "tags", "tasks", "told"),
)
_TECHNICAL = re.compile(r"^(step\.|check\.)|\.(packet|digest|raw|technical)\b|\.file\.digest$")
_PLACE = re.compile(r"\{[^}]*\}")


def test_a_clerk_reads_no_machine_words() -> None:
    said = {
        key: text
        for subject in _CLERKS
        for key, text in read_catalogue("vi", subject).items()
        if not _TECHNICAL.search(key)
    }

    assert len(said) > 1000
    told = [f"{key}: {form}" for key, text in said.items() for form in forms(text)]
    assert [each for each in told if MACHINE_WORDS.search(_PLACE.sub("", each.partition(": ")[2]))] == []


def test_what_is_not_entered_is_named_as_a_clerk_names_it() -> None:
    assert reason_text("missing", {"field": "name"}) == "Chưa nhập người ký."
    assert reason_text("missing", {"field": "subject"}) == "Chưa nhập trích yếu."


def test_every_entry_can_be_said_in_both_languages() -> None:
    assert unsaid(key for key in entries("vi") if "#" not in key) == []


def test_a_missing_key_language_or_parameter_is_an_error() -> None:
    with pytest.raises(KeyError):
        say("state.nowhere")
    with pytest.raises(KeyError):
        say("outgoing.title")
    with pytest.raises(KeyError, match="fr"):
        say("state.sent", "fr")
    with pytest.raises(KeyError, match=r"nowhere\.at_all"):
        say("nowhere.at_all")
    with pytest.raises(KeyError, match="count"):
        say("listing.total", "en", total=1)


def test_a_size_is_told_with_file_and_limit_in_each_language() -> None:
    params = {"name": "a.pdf", "size_bytes": str(13_002_343), "limit_bytes": str(10 * 1024 * 1024)}

    assert reason_text("file-too-large", params).startswith("Tệp a.pdf nặng 12,5 MB, giới hạn 10 MB.")
    assert "12.5 MB, the limit is 10 MB" in reason_text("file-too-large", params, "en")


@pytest.mark.parametrize("code", ["file-too-large", "document-too-large"])
def test_no_size_is_told_of_a_file_that_was_not_read_to_its_end(code: str) -> None:
    params = {"name": "a.pdf", "limit_bytes": str(10 * 1024 * 1024)}

    assert "vượt giới hạn 10 MB" in reason_text(code, params)
    assert "larger than the limit of 10 MB" in reason_text(code, params, "en")
    assert "10.1" not in reason_text(code, params, "en")


@pytest.mark.parametrize(("count", "text"), [(10 * 1024 * 1024, "10 MB"), (10 * 1024 * 1024 + 1, "10,1 MB")])
def test_a_size_over_a_limit_never_reads_like_the_limit(count: int, text: str) -> None:
    assert megabytes(count) == text


def test_a_reason_names_its_field_date_and_suggestion() -> None:
    assert reason_text("missing", {"field": "reply_required"}) == "Chưa chọn phải hay không phải phản hồi."
    assert "20/11/2026" in reason_text("date-in-future", {"given_on": "2026-11-20", "today_on": "2026-11-19"})
    assert reason_text("recipient-unknown", {"recipient": "Z9"}, suggest="Z91").endswith("Có phải: Z91?")


@pytest.mark.parametrize(
    ("finding", "words"),
    [("MISSING", "thiếu một thành phần"), ("DAMAGED", "Tệp lỗi, không mở được"), ("NEW-ONE", "NEW-ONE")],
)
def test_a_finding_is_told_in_words_where_there_are_some(finding: str, words: str) -> None:
    assert words in reason_text("schema", {"finding": finding, "detail": "To[1]"})


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (1, "1 document waits"),
        ("1", "1 document waits"),
        (2, "2 documents wait"),
        ("1,204", "1,204 documents wait"),
    ],
)
def test_english_has_a_word_for_one_and_one_for_many(count: object, text: str) -> None:
    assert text in say("reforms.waiting", "en", n=count, code="Z9")


@pytest.mark.parametrize(
    ("rows", "files", "text"),
    [
        (1, 2, "Restored 1 row, 2 files, equal."),
        (2, 1, "Restored 2 rows, 1 file, equal."),
    ],
)
def test_a_text_that_counts_two_things_has_the_form_of_each(rows: int, files: int, text: str) -> None:
    assert say("cli.restore.equal", "en", rows=rows, files=files) == text
    assert say("cli.restore.equal", "vi", rows=rows, files=files).startswith(
        f"Đã khôi phục {rows} dòng, {files} tệp"
    )


def test_text_from_outside_is_never_a_template() -> None:
    assert "{limit}" in reason_text("file-name", {"name": "{limit}"})


@pytest.mark.parametrize(
    ("mark", "text"),
    [
        ("unknown:07", "Trạng thái chưa xác định"),
        ("request_refused:recall", "Nơi nhận không đồng ý: thu hồi văn bản"),
        ("stray:15", "Có trả lời nhưng không có yêu cầu nào đang chờ"),
    ],
)
def test_a_mark_has_words(mark: str, text: str) -> None:
    assert mark_text(mark) == text


def unsaid(keys: Iterable[str]) -> list[str]:
    """Those of these keys that cannot be said in some language, for one or for many, or that leave a parameter unfilled."""
    return [f"{key} ({lang})" for key in keys for lang in LANGUAGES if not all(_spoken(key, lang))]


def _spoken(key: str, lang: str) -> Iterator[bool]:
    text = entries(lang).get(key)
    yield text is not None
    if text is not None:
        for value in ("x", 1, 2):
            said = say(key, lang, **dict.fromkeys(parameters(text), value))
            yield bool(said) and not fields(said)


def parameters(text: Text) -> set[str]:
    """The names of what is filled into a text, into its forms and into the parts that have entries of their own."""
    named = {name for form in forms(text) for name in fields(form)}
    return {name.removeprefix("#") for name in named} | (
        {text.counts} if isinstance(text, CountedText) else set()
    )


def fields(text: str) -> tuple[str, ...]:
    return tuple(name for _, name, _, _ in string.Formatter().parse(text) if name)
