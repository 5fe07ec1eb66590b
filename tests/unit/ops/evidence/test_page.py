"""The page that a judge reads: in Vietnamese, printable, nothing that runs or is loaded, nothing that others wrote as
markup; and it says what is not proved."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest

from gateway.domain.evidence import Absent, Story
from gateway.ops.evidence import contents
from gateway.ops.evidence.page import page
from tests.support.evidence import Scene, unpacked


class Reader(HTMLParser):
    """Tags, attributes, and the text that a person sees."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data


@pytest.fixture
def story(scene: Scene, tmp_path: Path) -> Story:
    return contents.read_story(unpacked(scene.sent, tmp_path)["story.json"])


def visible_text(html: str) -> str:
    return " ".join(Reader(html).text.split())


def test_the_page_is_well_formed_and_loads_and_runs_nothing(scene: Scene, tmp_path: Path) -> None:
    html = unpacked(scene.sent, tmp_path)["index.html"].decode("utf-8")

    reader = Reader(html)

    assert reader.open == []
    assert not {"script", "img", "link", "iframe", "object", "form", "a", "base"} & set(reader.tags)
    assert not {"href", "src", "action"} & {name for name, _ in reader.attributes}
    assert not any(name.startswith("on") for name, _ in reader.attributes)
    assert "default-src 'none'" in html
    assert "@media print" in html
    assert "url(" not in html
    assert "@import" not in html


def test_the_page_says_who_sent_what_to_whom_and_when_in_vietnamese(scene: Scene, tmp_path: Path) -> None:
    """And what each proof does not prove: R1 and R4 in words."""
    text = visible_text(unpacked(scene.sent, tmp_path)["index.html"].decode("utf-8"))

    for words in (
        "Hồ sơ chứng cứ điện tử",
        "Sở Thử nghiệm tỉnh Sao Mai (Z91.07)",
        "Ủy ban nhân dân tỉnh Sao Mai (Z91)",
        "15/STD-VP",
        "Về việc báo cáo dự toán",
        "Trạng thái 03 Đã tiếp nhận",
        "20/11/2026 08:00:00 (+07:00)",
        "gateway evidence verify",
        "Bản thân trang này không chứng minh điều gì",
        "Không chứng minh có người đã đọc.",
        "theo chuẩn ETSI chỉ nói về chính bản trạng thái",
        "phần gw:Receipt trong các thuộc tính đã ký",
        "Biên nhận chỉ sống lâu hơn khóa đã ký nó khi có thời gian tin cậy",
        "gốc tin cậy của chính nó thì không chứng minh được gì",
    ):
        assert words in text
    assert unicodedata.is_normalized("NFC", text)
    assert not re.search(r"\d\d:\d\d:\d\d (?!\(\+07:00\))", text), "a time without its offset"


def test_the_page_says_for_what_time_a_thing_is_proved(scene: Scene, tmp_path: Path, story: Story) -> None:
    for pack, words in ((scene.sent, "20/11/2026 08:06:00 (+07:00)"), (scene.unstamped, "chưa có dấu")):
        html = unpacked(pack, tmp_path)["index.html"].decode("utf-8")
        row = r"<tr>\n<td>(?:(?!</tr>).)*packets/0000\d(?:(?!</tr>).)*</tr>"
        rows = re.findall(row, html, flags=re.DOTALL)
        assert len(rows) == 3
        assert all(words in x for x in rows)

    bare = replace(story, seals=(), events=(), made_at=datetime(2026, 11, 20, tzinfo=UTC))

    text = visible_text(page(bare, [], "x.zip"))

    assert "không chứng minh được thời điểm nào bằng nhật ký" in text
    assert "không có trong nhật ký đã niêm phong" in text


def test_the_page_says_why_content_is_absent(story: Story) -> None:
    words = {
        Absent.RECALLED: "Văn bản này đã được thu hồi",
        Absent.SEALED: "đang bị niêm phong và không bao giờ đi vào hồ sơ",
        Absent.PURGED: "Nút đã xóa nội dung gói tin",
    }
    for absent in Absent:
        first = replace(story.packets[0], member="", absent=absent)
        text = visible_text(page(replace(story, absent=absent, packets=(first,)), [], "x.zip"))
        assert words[absent] in text
        assert story.packets[0].sha256 in text


def test_what_others_wrote_is_text_and_never_markup(story: Story) -> None:
    odd = "<script>alert(1)</script>\u202e\"'&\x00<img src=x>"
    hostile = replace(
        story,
        subject=odd,
        code=odd,
        node=odd,
        document_id=odd,
        packets=(replace(story.packets[0], packet_id=odd, answers=odd, status=odd),),
    )

    reader = Reader(page(hostile, [], "x.zip"))

    assert not {"script", "img"} & set(reader.tags)
    assert "\u202e" not in reader.text
    assert "\x00" not in reader.text
