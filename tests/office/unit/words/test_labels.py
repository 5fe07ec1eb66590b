"""Every state, error, reason and code has its words in both languages; no word is left without diacritics."""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Iterator

import pytest

from gateway import errors
from gateway.domain import feed
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
from gateway.domain.states import CODES, STATES
from gateway.domain.status import RequestKind, RequestState
from gateway.policy.admission import BOMBS
from gateway.policy.profile import Profile
from gateway.policy.verdict import ReasonCode
from gateway.words.labels import (
    LANGUAGES,
    CountedText,
    Text,
    has,
    mark_text,
    megabytes,
    read_catalogue,
    reason_text,
    say,
)
from tests.office.support.words import MACHINE_WORDS, OPERATORS_WORDS, entries, forms


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
    assert unsayable_keys(NEEDED) == []
    assert unsayable_keys(f"code.{code}" for code in VERIFICATION) == []
    assert unsayable_keys(key for key in entries("vi") if "#" not in key) == []


def test_both_languages_have_every_entry_with_the_same_parameters() -> None:
    vi, en = (entries(lang) for lang in LANGUAGES)
    parameters_by_key = {key: [parameters(x[key]) for x in (vi, en)] for key in vi.keys() & en.keys()}

    assert len(vi) > 4000
    assert sorted(vi.keys() ^ en.keys()) == []
    assert sorted(key for key, (single, other) in parameters_by_key.items() if single != other) == []


# Texts that a clerk reads all day; technical details lie behind a heading of their own.
_CLERKS = (
    *("account", "book", "books", "compose", "deadlines", "documents", "errors", "help", "incoming", "lists"),
    *("notices", "office", "outgoing", "recalls", "rules", "signing", "states", "tags", "tasks", "told"),
)
_TECHNICAL = re.compile(r"^(step\.|check\.)|\.(packet|digest|raw|technical)\b|\.file\.digest$")
_OPERATORS = re.compile(r"^(code|packet|told\.operating)\.|^status\.reference$")
_PLACE = re.compile(r"\{[^}]*\}")


def test_a_clerk_reads_no_machine_words() -> None:
    texts = {
        key: text
        for subject in _CLERKS
        for key, text in read_catalogue("vi", subject).items()
        if not _TECHNICAL.search(key)
    }

    assert len(texts) > 1000
    lines = [(key, _PLACE.sub("", form)) for key, text in texts.items() for form in forms(text)]
    assert [line for line in lines if MACHINE_WORDS.search(line[1])] == []
    assert [x for x in lines if OPERATORS_WORDS.search(x[1]) and not _OPERATORS.search(x[0])] == []


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
    limit = 10 * 1024 * 1024
    params = {"name": "a.pdf", "size_bytes": str(13_002_343), "limit_bytes": str(limit)}
    assert reason_text("file-too-large", params).startswith("Tệp a.pdf nặng 12,5 MB, giới hạn 10 MB.")
    assert "12.5 MB, the limit is 10 MB" in reason_text("file-too-large", params, "en")
    # Over a limit it never reads like the limit.
    assert (megabytes(limit), megabytes(limit + 1)) == ("10 MB", "10,1 MB")

    # A file that was not read to its end has no known size.
    params = {"name": "a.pdf", "limit_bytes": str(limit)}
    for code in ("file-too-large", "document-too-large"):
        assert "vượt giới hạn 10 MB" in reason_text(code, params)
        english = reason_text(code, params, "en")
        assert "larger than the limit of 10 MB" in english
        assert "10.1" not in english


def test_a_reason_names_its_field_date_and_suggestion() -> None:
    for field, text in {
        "reply_required": "Chưa chọn phải hay không phải phản hồi.",
        "name": "Chưa nhập người ký.",
        "subject": "Chưa nhập trích yếu.",
    }.items():
        assert reason_text("missing", {"field": field}) == text
    assert "20/11/2026" in reason_text("date-in-future", {"given_on": "2026-11-20", "today_on": "2026-11-19"})
    assert reason_text("recipient-unknown", {"recipient": "Z9"}, suggest="Z91").endswith("Có phải: Z91?")
    # Findings with a text of their own are shown in words.
    for finding, words in {
        "MISSING": "thiếu một thành phần",
        "DAMAGED": "Tệp lỗi, không mở được",
        "NEW-ONE": "NEW-ONE",
    }.items():
        assert words in reason_text("schema", {"finding": finding, "detail": "To[1]"})
    # Text from outside is never a template.
    assert "{limit}" in reason_text("file-name", {"name": "{limit}"})


def test_english_has_a_word_for_one_and_one_for_many() -> None:
    """And a text that counts two things has the form of each."""
    counts: dict[object, str] = {1: "1 document waits", "1": "1 document waits"}
    counts |= {2: "2 documents wait", "1,204": "1,204 documents wait"}
    for count, text in counts.items():
        assert text in say("reforms.waiting", "en", n=count, code="Z9")
    for rows, files, text in (
        (1, 2, "Restored 1 row, 2 files, equal."),
        (2, 1, "Restored 2 rows, 1 file, equal."),
    ):
        assert say("cli.restore.equal", "en", rows=rows, files=files) == text
        vietnamese = say("cli.restore.equal", "vi", rows=rows, files=files)
        assert vietnamese.startswith(f"Đã khôi phục {rows} dòng, {files} tệp")


def test_a_mark_has_words() -> None:
    for mark, text in {
        "unknown:07": "Trạng thái chưa xác định",
        "request_refused:recall": "Nơi nhận không đồng ý: thu hồi văn bản",
        "stray:15": "Có trả lời nhưng không có yêu cầu nào đang chờ",
    }.items():
        assert mark_text(mark) == text


def unsayable_keys(keys: Iterable[str]) -> list[str]:
    """Return those of these keys that cannot be said in some language, for one or for many, or that leave a parameter
    unfilled."""
    return [f"{key} ({lang})" for key in keys for lang in LANGUAGES if not all(_spoken(key, lang))]


def _spoken(key: str, lang: str) -> Iterator[bool]:
    text = entries(lang).get(key)
    yield text is not None
    if text is not None:
        for value in ("x", 1, 2):
            line = say(key, lang, **dict.fromkeys(parameters(text), value))
            yield bool(line) and not fields(line)


def parameters(text: Text) -> set[str]:
    """Return the names of what is filled into a text, into its forms and into the parts that have entries of their own."""
    names_filled = {name for form in forms(text) for name in fields(form)}
    return {name.removeprefix("#") for name in names_filled} | (
        {text.counts} if isinstance(text, CountedText) else set()
    )


def fields(text: str) -> tuple[str, ...]:
    return tuple(name for _, name, _, _ in string.Formatter().parse(text) if name)


def test_the_first_word_of_each_type_that_programs_read_has_a_name() -> None:
    """The page of webhooks offers these words."""
    words = {kind.partition(".")[0] for kind in feed.readable(feed.EVENT_SCOPES)}

    assert [word for word in sorted(words) if not has(f"event.{word}")] == []
