"""What programs and people write into a document or a status, as strategies: a good one in which some fields are blank,
odd, at their limit, over it, or anything at all. In JSON's own types, so that every door can be given the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from gateway.domain.document import Rule
from gateway.domain.fields import CHANGE, DRAFT, STATUS

_BLANK = st.sampled_from(
    ["", " ", "\t", "\n", "\r\n", "\u00a0", "\u3000", "\u200b", "\ufeff", "\x1f", "\x85"]
)
_ODD = st.sampled_from(
    [
        *(
            "null",
            " null ",
            "a\x0bb",
            "a\ufffeb",
            "a\ud800b",
            "a\u202eb",
            "a\u0301",
            "e\u0301\u0323" * 40,
            "\u0958",
        ),
        *(
            "a\rb",
            "a\r\nb",
            "<a&\"'>]]>",
            "a\x85b",
            "a\x7fb",
            "\U0010ffff",
            "\U0001fffe",
            "\ufdd0",
            "a,b",
            "\u2028x",
        ),
        *("=\u0338", "\u1161\u11a8", " viền ", "\u0301đầu dòng", "Đ" * 3000),
    ]
)
_ANY = st.text(max_size=60)


def text(rule: Rule) -> st.SearchStrategy[str]:
    """Draw texts for a field under that rule."""
    good = st.text(
        st.sampled_from("aăâđêôơưáảạ NAM 2026-/.&<>\"'"), min_size=1, max_size=min(rule.longest, 60)
    )
    edge = st.sampled_from([rule.longest - 1, rule.longest, rule.longest + 1]).map(lambda n: "Đ" * n)
    return st.one_of(good, good, _BLANK, _ODD, edge, _ANY)


def messages(number: int) -> st.SearchStrategy[dict[str, Any]]:
    """The JSON of a message with that number, with up to six fields that are not plain."""
    return st.lists(_field(DRAFT, _LISTED), max_size=6).map(lambda fields: _message(number, fields))


def changes() -> st.SearchStrategy[dict[str, Any]]:
    """Draw the fields of an update or a recall beside the document."""
    plain = {"reason": "Sửa trích yếu", "approved_by": "Giám đốc Mẫu", "notice_no": "7/TB"}
    rules = {name: rule for name, rule in CHANGE.items() if name in plain}
    return st.lists(_field(rules, ()), max_size=2).map(lambda fields: _apply(plain, fields))


def statuses() -> st.SearchStrategy[dict[str, Any]]:
    """The JSON of a status that a receiver says."""
    codes = st.sampled_from(
        [("02", "FORBIDDEN_CONTENT"), ("02", "OTHER"), ("03", None), ("05", None), ("06", None)]
    )
    rules = {
        name: rule for name, rule in STATUS.items() if not name.startswith(("assignment", "register_no"))
    }
    return st.builds(
        lambda code, fields: _apply(
            {"code": code[0], "note": "Ghi chú", "staff": {"name": "Trần Thử"}, "reason": code[1]}, fields
        ),
        codes,
        st.lists(_field(rules, ()), max_size=4),
    )


_LISTED = ("recipients/*/code", "recipients/*/name", "recipients/*/parent")
Change = tuple[str, Any]


def _field(rules: Mapping[str, Rule], left_out: tuple[str, ...]) -> st.SearchStrategy[Change]:
    paths = sorted(path for path in rules if path not in left_out)
    return st.sampled_from(paths).flatmap(lambda path: text(rules[path]).map(lambda value: (path, value)))


def _message(number: int, fields: list[Change]) -> dict[str, Any]:
    return _apply(
        {
            "number": str(number),
            "symbol": "STD-VP",
            "date": "2026-11-20",
            "type": "cong_van",
            "subject": "V/v báo cáo tình hình thử nghiệm",
            "signer": {"name": "Lê Thử"},
            "reply_required": False,
            "recipients": [{"code": "Z91.01", "role": "to_act"}],
        },
        fields,
    )


def _apply(plain: dict[str, Any], fields: list[Change]) -> dict[str, Any]:
    """The plain values with these put over them, by their paths."""
    message = {name: dict(value) if isinstance(value, dict) else value for name, value in plain.items()}
    for path, value in fields:
        first, *subpath = path.split("/")
        if not subpath:
            message[first] = value
        elif subpath == ["*"]:
            message[first] = [*message.get(first, []), value]
        elif subpath[0] == "*":
            message[first] = [{**_FIRST[first], subpath[1]: value}]
        else:
            message[first] = {**_FIRST.get(first, {}), **(message.get(first) or {}), subpath[0]: value}
    return {name: value for name, value in message.items() if value is not None}


_FIRST: dict[str, dict[str, Any]] = {
    "replies_to": {"agency": "Z91.01", "number": "7/UBND-VP", "date": "2026-11-02"},
    "file_code": {"organ": "Z91.07", "year": 2026, "notation": "01"},
}
