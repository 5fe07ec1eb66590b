"""Forms about accounts: headings and columns in the words of the regulation, figures of a year, the list of unused
accounts (R91, R109)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from io import BytesIO

import pytest

from gateway.domain.person import AccountStanding, Person
from gateway_office.accounts import form_pdf
from gateway_office.accounts.form_pdf import FormHeading, UnusedAccount
from gateway_office.domain.account_request import (
    AccountChange,
    AccountFigures,
    AccountRequest,
    RequestContact,
    RequestForm,
    RequestLine,
)
from gateway_office.policy import account_forms
from tests.office.support.printed_words import pictures, printed
from tests.office.support.rows import person_row
from tests.support import png

TODAY = date(2026, 12, 5)
HEADING = FormHeading(
    agency="Sở Thử nghiệm", parent="Ủy ban nhân dân tỉnh Sao Mai", receiver="Sở Mẫu", place="Sao Mai"
)
HEAD = (
    "ỦY BAN NHÂN DÂN TỈNH SAO MAI",
    "SỞ THỬ NGHIỆM",
    "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM",
    "Độc lập - Tự do - Hạnh phúc",
    "Sao Mai, ngày 05 tháng 12 năm 2026",
    "Kính gửi: Sở Mẫu",
)
CONTACT = ("Họ và tên", "Chức vụ", "Cơ quan, đơn vị công tác", "Điện thoại liên lạc")
# The columns of each form's two tables, as the regulation prints them.
COLUMNS = {
    "01": (
        ("Tên cơ quan, tổ chức", "Loại tài khoản: Tài khoản quản trị / Tài khoản văn thư", "Ghi chú"),
        ("Họ và tên", "Chức vụ", "Bộ phận công tác", "Địa chỉ thư điện tử công vụ (nếu có)", "Số ĐT"),
    ),
    "02": (
        (
            "Tên cơ quan đơn vị",
            "Tài khoản phần mềm quản lý văn bản",
            "Thông tin cần thay đổi",
            "Thông tin mới",
        ),
        ("Họ và tên", "Chức vụ", "Địa chỉ thư điện tử công vụ", "Thông tin mới", "Số ĐT"),
    ),
    "03": (
        ("Tên tài khoản phần mềm quản lý văn bản", "Loại tài khoản", "Lý do", "Ghi chú"),
        ("Địa chỉ thư điện tử công vụ", "Bộ phận công tác", "Chức vụ", "Lý do", "Ghi chú"),
    ),
}


def person(
    name: str, added: str, *, last: str = "", ended: str = "", changed: str = "", title: str = ""
) -> Person:
    def at(day: str) -> datetime:
        return datetime.fromisoformat(f"{day}T03:00:00").replace(tzinfo=UTC)

    return person_row(
        name,
        at(added),
        roles_at=at(changed or added),
        title=title,
        last_login_at=at(last) if last else None,
        standing=AccountStanding.WITHDRAWN if ended else AccountStanding.ACTIVE,
        standing_at=at(ended) if ended else None,
    )


PEOPLE = (
    person("An", "2024-02-01", last="2026-11-30"),
    person("Bình", "2025-03-01", last="2025-12-31", changed="2026-04-01"),
    person("Chi", "2026-05-01", title="Văn thư"),
    person("Dũng", "2024-01-01", last="2026-01-15", ended="2026-02-01"),
    person("Em", "2023-01-01", last="2024-01-15", ended="2025-02-01"),
)


REQUESTED = {
    "01": (
        RequestLine(
            name="Nguyễn Thị Mới", title="Văn thư viên", role="clerk", email="moi@x.vn", phone="0900"
        ),
        RequestLine(name="Trần Văn Thừa", role="officer", unit="Phòng Một"),
    ),
    "02": (
        RequestLine(login="moi", name="Nguyễn Thị Mới", change=AccountChange.POST, value="head"),
        RequestLine(login="moi", name="Nguyễn Thị Mới", change=AccountChange.TITLE, value="Phó phòng"),
    ),
    "03": (RequestLine(login="moi", name="Nguyễn Thị Mới", reason="Nghỉ hưu", decided_on=date(2026, 12, 1)),),
}
ROWS = {
    "01": ("1 Sở Thử nghiệm moi@x.vn Văn thư Nguyễn Thị Mới", "2 Trần Văn Thừa Phòng Một"),
    "02": ("Thêm vai trò Thủ trưởng cơ quan", "Chức vụ Phó phòng"),
    "03": ("Nghỉ hưu; quyết định ngày 01/12/2026",),
}


@pytest.mark.parametrize("form", account_forms.REQUESTS)
def test_a_request_has_head_parts_columns_and_its_lines(form: str) -> None:
    out = BytesIO()
    request = AccountRequest(
        id="arq_1",
        agency_id="agy",
        form=RequestForm(form),
        made_by="An",
        made_at=datetime(2026, 12, 5, 3, tzinfo=UTC),
        contact=RequestContact(name="Lê Thị Liên", phone="0900 000 002"),
        lines=REQUESTED[form],
    )

    form_pdf.request_form(request, HEADING, out)

    text = printed(out.getvalue())
    subject = {"01": "cấp mới", "02": "thay đổi thông tin", "03": "thu hồi"}[form]
    for words in (*HEAD, f"V/v đề nghị {subject} tài khoản", *CONTACT, "Nơi nhận:", "THỦ TRƯỞNG ĐƠN VỊ"):
        assert words in text
    assert "Họ và tên: Lê Thị Liên" in text
    assert text.index("I. Thông tin người tiếp nhận") < text.index("II. Nội dung yêu cầu")
    for words in (*(w for columns in COLUMNS[form] for w in columns), *ROWS[form]):
        assert words.replace(" ", "") in text.replace(" ", "")


@pytest.mark.parametrize(
    ("size", "printed_size"), [((200, 200), (15, 15)), ((360, 90), (45, 11)), ((64, 300), (3, 15))]
)
def test_an_emblem_stands_small_above_the_head_of_a_form(
    size: tuple[int, int], printed_size: tuple[int, int]
) -> None:
    prints = [BytesIO(), BytesIO()]
    for out in prints:
        form_pdf.unused_list(replace(HEADING, emblem=png.picture(*size)), (), TODAY, TODAY, out)

    pdf = prints[0].getvalue()
    assert pictures(pdf) == [printed_size]
    assert all(words in printed(pdf) for words in HEAD)
    assert pdf == prints[1].getvalue()


def test_figures_of_a_year() -> None:
    assert account_forms.count(PEOPLE, 2026) == AccountFigures(given=4, unused=2, added=1, changed=1, ended=1)
    assert account_forms.count(PEOPLE, 2025) == AccountFigures(given=4, unused=0, added=1, changed=0, ended=1)


def test_the_report_of_december_has_figures_and_the_typed_parts() -> None:
    out = BytesIO()
    heading = FormHeading(agency="Sở Thử nghiệm", difficulties="Đường truyền chậm.", contact="Nguyễn Văn Mẫu")

    form_pdf.report(heading, account_forms.count(PEOPLE, 2026), 2026, TODAY, out)

    text = printed(out.getvalue())
    for words in (
        "BÁO CÁO Hoạt động sử dụng phần mềm Quản lý văn bản và điều hành năm 2026",
        "Tổng số tài khoản phần mềm quản lý văn bản được cấp: 4",
        "Số tài khoản không đăng nhập trong năm: 2",
        "thêm mới 1, thay đổi thông tin 1, thu hồi 1",
        "2. Vướng mắc, kiến nghị Đường truyền chậm.",
        "3. Cung cấp thông tin cán bộ trực tiếp tham mưu báo cáo liên hệ khi cần Nguyễn Văn Mẫu",
    ):
        assert words in text


@pytest.mark.parametrize(
    ("today", "since"),
    [(date(2026, 6, 30), date(2025, 7, 1)), (date(2026, 7, 1), date(2026, 1, 1))],
    ids=["in June", "in July"],
)
def test_the_list_is_about_the_half_year_before(today: date, since: date) -> None:
    assert account_forms.half_year_start(today) == since


def test_the_list_has_who_did_not_sign_in() -> None:
    """T22 (half-yearly list): the last sign-in, and the last sending or receiving beside it.
    R109 (periodic reports)."""
    out, since = BytesIO(), date(2026, 1, 1)
    sent_at = datetime(2026, 3, 9, 8, tzinfo=UTC)
    unused = [
        UnusedAccount(person=p, units="Văn phòng", traffic_at=sent_at)
        for p in PEOPLE
        if account_forms.is_unused(p, since)
    ]

    form_pdf.unused_list(HEADING, unused, since, TODAY, out)

    text = printed(out.getvalue())
    assert (
        "STT Tên tài khoản Họ và tên Chức vụ Bộ phận Lần đăng nhập cuối Cơ quan gửi, nhận lần cuối Ghi chú"
        in text
    )
    assert "09/03/2026" in text
    assert "Bình" in text
    assert "31/12/2025" in text
    assert "Chi Chi Văn thư Văn phòng" in text
    assert "Dũng" not in text
