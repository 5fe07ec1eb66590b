"""Words of the log of what an API key called, Vietnamese first."""

from __future__ import annotations

CALLS: dict[str, tuple[str, str]] = {
    "calls.title": ("Nhật ký gọi của khóa API: {name}", "Calls of the API key {name}"),
    "calls.open": ("Nhật ký gọi", "Calls"),
    "calls.lead": (
        "Giữ {days} ngày, nhiều nhất {most} lần gọi gần nhất của mỗi khóa. Không ghi nội dung và khóa bí mật.",
        "Kept {days} {days:day|days}, at most the last {most} calls of each key. No content and no secrets are in it.",
    ),
    "calls.today": ("Hôm nay", "Today"),
    "calls.errors_hour": (
        "{count} lần gọi lỗi trong 1 giờ",
        "{count} {count:call|calls} failed within the last hour",
    ),
    "calls.counted": ("{calls} lần gọi, {errors} lỗi", "{calls} {calls:call|calls}, {errors} failed"),
    "calls.caption": ("Các lần gọi, mới nhất trước", "Calls, newest first"),
    "calls.at": ("Thời điểm", "At"),
    "calls.call": ("Lời gọi", "Call"),
    "calls.status": ("Kết quả", "Status"),
    "calls.problem": ("Loại lỗi", "Problem"),
    "calls.took": ("Thời gian", "Took"),
    "calls.ms": ("{ms} ms", "{ms} ms"),
    "calls.address": ("Địa chỉ", "Address"),
    "calls.request": ("Mã yêu cầu", "Request id"),
    "calls.result": ("Kết quả", "Outcome"),
    "calls.every": ("Tất cả", "All"),
    "calls.errors": ("Chỉ lần gọi lỗi", "Failed ones alone"),
    "calls.route": ("Địa chỉ gọi", "Route"),
    "calls.filter": ("Lọc", "Filter"),
    "calls.older": ("Cũ hơn", "Older"),
    "calls.newest": ("Mới nhất", "Newest"),
    "calls.curl": ("Sao chép thành curl", "Copy as curl"),
    "calls.empty": (
        "Không có lần gọi nào khớp bộ lọc.",
        "No call fits the filter.",
    ),
    "calls.none": ("Khóa này chưa gọi lần nào.", "This key has not called yet."),
    "calls.back": ("Về danh sách khóa API", "Back to the API keys"),
}
