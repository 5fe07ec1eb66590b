"""Words of the page of the office calendar."""

from __future__ import annotations

OFFICE: dict[str, tuple[str, str]] = {
    "admin.part.calendar": ("Lịch làm việc", "Office calendar"),
    "office.title": ("Lịch làm việc", "Office calendar"),
    "office.lead": (
        "Mọi thời hạn theo giờ hành chính tính theo lịch này. Ngày ghi “dự kiến” cần đối chiếu với thông báo nghỉ lễ chính "
        "thức. Giờ bắt đầu buổi làm việc: {hours}.",
        "Every clock of office hours runs by it. Compare days marked “expected” with the official announcement. Office "
        "hours begin at {hours}.",
    ),
    "office.kind": ("Loại ngày", "Kind of day"),
    "office.name": ("Tên ngày, căn cứ", "Name, or the decision"),
    "office.name.hint": ("Ví dụ: Nghỉ bù theo Thông báo số …", "For example: day off by announcement no. …"),
    "office.name.long": ("Tên ngày dài tối đa 200 ký tự.", "The name has at most 200 letters."),
    "office.source": ("Nguồn", "Source"),
    "office.none": ("Năm này chưa có ngày nghỉ, ngày làm bù nào.", "This year has no days yet."),
    "office.add": ("Thêm hoặc sửa một ngày", "Add or change a day"),
    "office.add.do": ("Lưu ngày", "Save the day"),
    "office.remove": ("Bỏ", "Take back"),
    "office.import": ("Nhập từ tệp", "Import a file"),
    "office.import.do": ("Nhập tệp", "Import"),
    "office.file": ("Tệp CSV", "CSV file"),
    "office.file.hint": (
        "UTF-8, ba cột day, kind, name; kind là holiday, workday hoặc ordinary. Sai một dòng thì không nhập dòng nào.",
        "UTF-8 with the columns day, kind, name; kind is holiday, workday or ordinary. One bad line, and none is taken.",
    ),
    "told.office.added": ("Đã lưu ngày vào lịch.", "The day is in the calendar."),
    "told.office.removed": ("Đã bỏ ngày do nút này đặt.", "What this node said of the day was taken back."),
    "told.office.imported": ("Đã nhập lịch từ tệp.", "The calendar was imported."),
}
