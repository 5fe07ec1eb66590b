"""Every failure is problem+json, in the reader's language, with all its reasons, and never a stack trace."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

import pytest

from gateway import errors
from gateway.api import problems
from gateway.api.words import Lang, say
from gateway.domain.request_fault import BadCall, RequestFault
from gateway.policy.verdict import ReasonCode, Verdict, reason
from gateway.words import labels
from tests.support.api import Door, form, meta
from tests.support.cases import Cases

PAGES = re.compile(
    "trang|[Tt]ải lại|đường dẫn|[Bb]iểu mẫu|đăng nhập|cách ly|page|[Rr]eload|quarantine|signed in"
)


def test_no_title_speaks_of_pages(cases: Cases) -> None:
    """A program has none to load again, and nothing that it brought was put aside."""
    for kind, sort in problems.SORTS.items():
        if kind is errors.Denied:
            continue  # answered as unauthorized or forbidden
        for lang in ("vi", "en"):
            with cases.case(f"{sort.slug} {lang}"):
                assert not PAGES.search(labels.say(sort.label, lang))


def tree(kind: type[errors.GatewayError] = errors.GatewayError) -> Iterator[type[errors.GatewayError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from tree(below)


def make_error(kind: type[errors.GatewayError]) -> errors.GatewayError:
    """Make an error of that class; two of the classes take more than a text."""
    if issubclass(kind, errors.Refused):
        return kind(Verdict(reasons=(reason(ReasonCode.MISSING, "/number", field="number"),)))
    if issubclass(kind, errors.InvalidEnvelope):
        return kind("SIG-DIGEST", "the digest differs")
    return kind("what happened")


def test_every_class_makes_a_problem() -> None:
    """And has its own line in the table; the causes of our own troubles are not told."""
    assert {kind for kind in tree() if kind.__module__ == "gateway.errors"} == set(problems.SORTS)
    languages: tuple[Lang, ...] = ("vi", "en")
    for kind, sort in problems.SORTS.items():
        for lang in languages:
            problem = problems.of_error(make_error(kind), lang)

            assert 400 <= problem.status < 600, kind
            assert problem.sort.retryable is not kind.permanent, kind
            assert problem.detail, kind
            assert say(problem.sort.label, lang), kind
            assert ("cause" in problem.more) is (sort.is_public and kind is not errors.Refused), kind
    slugs = [sort.slug for sort in (*problems.SORTS.values(), *problems.OWN_SORTS.values())]
    assert len(slugs) == len(set(slugs))
    for slug in problems.OWN_SORTS:
        assert labels.has(f"problem.{slug}"), slug
        assert labels.has(f"problem.{slug}.text"), slug


def test_a_refusal_lists_every_reason_with_its_sentence() -> None:
    verdict = Verdict(
        reasons=(
            reason(ReasonCode.MISSING, "/number", field="number"),
            reason(
                ReasonCode.RECIPIENT_CLOSED,
                "/recipients/0/code",
                suggest="Z91.05",
                recipient="Z91.04",
                name="A",
            ),
        )
    )

    problem = problems.of_error(errors.Refused(verdict), "vi")

    assert [error["pointer"] for error in problem.errors] == ["/number", "/recipients/0/code"]
    assert problem.errors[1]["suggest"] == "Z91.05"
    assert "số văn bản" in str(problem.errors[0]["detail"])
    assert "khoản 2 Điều 8 NĐ 30/2020/NĐ-CP" in str(problem.errors[0]["basis"])


def test_sizes_alone_are_413_and_beside_other_reasons_422() -> None:
    size = reason(ReasonCode.FILE_TOO_LARGE, "/files/0", name="a.pdf", size_bytes=11, limit_bytes=10)
    other = reason(ReasonCode.MISSING, "/number", field="number")

    assert problems.of_error(errors.Refused(Verdict(reasons=(size,))), "vi").status == 413
    assert problems.of_error(errors.Refused(Verdict(reasons=(size, other))), "vi").status == 422


def test_a_denial_is_401_without_a_key_and_403_with_one() -> None:
    unknown = problems.of_error(errors.Denied("no key"), "vi")
    lacking = problems.of_error(errors.Denied("no scope", code="GW-403-SCOPE"), "vi")

    assert unknown.status == 401
    assert "Authorization: Bearer" in unknown.detail
    assert unknown.headers["WWW-Authenticate"].startswith("Bearer")
    assert lacking.status == 403


def test_a_clash_says_in_vietnamese_what_forbids_it() -> None:
    bare = problems.of_error(errors.Clash("the detail"), "vi")
    for code in ("ALREADY-SENT", "EXTERNAL-ID", "REQUEST-OPEN", "STATUS", "UNREADABLE"):
        problem = problems.of_error(errors.Clash("the detail", code=f"GW-{code}"), "vi")
        assert (problem.status, problem.detail != bare.detail) == (409, True), code
    running = problems.of_error(errors.Clash("at work", code="GW-IDEM-RUNNING"), "vi")
    assert running.status == 409
    assert running.headers["Retry-After"]
    assert running.sort.retryable


def test_the_same_name_in_another_place_has_another_word() -> None:
    fault = RequestFault(code="missing", pointer="/code", params={"field": "code"})
    other = RequestFault(code="missing", pointer="/recipients/0/code", params={"field": "code"})

    first, second = problems.of_bad_call(BadCall("missing-field", fault, other), "vi").errors
    problem = problems.of_bad_call(BadCall("bad-request", RequestFault(code="twice", pointer="?limit")), "en")

    assert "mã trạng thái" in str(first["detail"])
    assert "mã cơ quan nhận" in str(second["detail"])
    assert (problem.status, problem.detail) == (400, problem.errors[0]["detail"])  # of one fault alone


async def test_what_the_server_itself_refuses_is_a_problem_in_the_language_asked_for(door: Door) -> None:
    english = {"Accept-Language": "en-GB, vi;q=0.5", "X-Request-Id": "a b<script>"}
    absent, in_english = await door.ask("GET", "/nothing"), await door.ask("GET", "/nothing", headers=english)
    assert absent.status == 404
    assert absent.headers["Content-Type"].startswith(problems.MEDIA)
    assert absent.json["type"] == "/problems/no-such-page"
    assert absent.json["instance"] == "/api/v1/nothing"
    assert [answer.headers["Content-Language"] for answer in (absent, in_english)] == ["vi", "en"]
    assert absent.json["title"] != in_english.json["title"]
    # An id that could break a header or a log is replaced.
    assert in_english.headers["X-Request-Id"].startswith("req_")

    method = await door.ask("DELETE", "/messages")
    large = await door.ask("POST", "/inbox/x/status", data=io.BytesIO(b" " * (1024 * 1024 + 1)))
    expecting = await door.ask("POST", "/inbox/x/status", headers={"Expect": "miracles"}, data=b"{}")
    assert (method.status, method.headers["Allow"]) == (405, "GET,HEAD,POST")
    word = await door.ask("GET", "/uploads/file")  # a word of the path, and no upload's id
    assert (word.status, word.headers["Allow"]) == (405, "PUT")
    assert (large.status, large.json["type"]) == (413, "/problems/too-large")
    assert (expecting.status, expecting.json["type"]) == (417, "/problems/expectation-failed")


async def test_what_nobody_foresaw_is_a_500_with_the_request_id_and_nothing_else(
    door: Door, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("the secret inside")

    monkeypatch.setattr(type(door.node.store), "read", broken)

    answer = await door.ask("GET", "/inbox", headers={"X-Request-Id": "help-desk-7"})

    assert answer.status == 500
    assert answer.json["request_id"] == answer.headers["X-Request-Id"] == "help-desk-7"
    assert "secret" not in answer.raw.decode()
    assert "Traceback" not in answer.raw.decode()
    assert any(getattr(record, "request_id", "") == "help-desk-7" for record in caplog.records)


async def test_every_fault_of_a_request_is_listed_at_once_and_nothing_is_stored(door: Door) -> None:
    draft = meta(pages="three", urgency="soon", colour="blue", subjekt="x")

    answer = await door.ask("POST", "/messages", once="one", data=form(draft))

    assert answer.status == 400
    assert {error["pointer"]: error["code"] for error in answer.json["errors"]} == {
        "/pages": "wrong-type",
        "/urgency": "bad-value",
        "/colour": "unknown-field",
        "/subjekt": "unknown-field",
    }
    assert next(e for e in answer.json["errors"] if e["pointer"] == "/subjekt")["suggest"] == "subject"
    assert (await door.ask("GET", "/messages")).json["data"] == []
