"""Words of the node's memory of itself: the chart of its queues, periodic jobs over thirty days, traffic. In: nothing. Out:
`NODE_PAGES`, key to (vi, en)."""

from __future__ import annotations

_JOBS: dict[str, tuple[str, str]] = {
    "operating.loop.backup": ("Sao lưu", "Backup"),
    "operating.loop.feed": ("Đồng bộ danh mục mã định danh", "Registry of codes"),
    "operating.loop.timestamp": ("Dấu thời gian cho nhật ký", "Timestamps of the log"),
    "operating.beats.caption": (
        "30 ngày gần nhất, mỗi ô một ngày",
        "The last 30 days, one cell a day",
    ),
    "operating.beats.last": ("Lần tốt gần nhất", "Last success"),
    "operating.beats.failed": ("Lỗi gần nhất", "Last failure"),
    "operating.beats.now": ("Hiện nay", "Now"),
    "operating.beats.none": (
        "Chưa có số liệu. Số liệu được ghi 5 phút một lần khi nút hoạt động.",
        "No figures yet. They are kept every 5 minutes while the node works.",
    ),
    "operating.beats.never": ("chưa lần nào", "never"),
    "operating.beats.hint": (
        "Bước chạy liên tục bị coi là trễ sau {minutes} phút không báo, sao lưu sau {hours} giờ.",
        "What runs all the time is late after {minutes} minutes without a report, a backup after {hours} hours.",
    ),
    "operating.beats.late": (
        "Trễ, chưa báo lại: {jobs}",
        "Late, have not reported: {jobs}",
    ),
    "operating.beats.day": ("{day}: {word}", "{day}: {word}"),
    "operating.beats.day.failed": (
        "{day}: {word}, {count} lỗi {code}",
        "{day}: {word}, {count} failures {code}",
    ),
    "operating.beat.good": ("Đúng hạn", "On time"),
    "operating.beat.faulty": ("Có lỗi", "With failures"),
    "operating.beat.late": ("Trễ", "Late"),
    "operating.beat.missing": ("Không chạy", "Did not run"),
    "operating.beat.unknown": ("Chưa có số liệu", "No figures"),
    "operating.beat.letter.good": ("Đ", "O"),
    "operating.beat.letter.faulty": ("L", "F"),
    "operating.beat.letter.late": ("T", "L"),
    "operating.beat.letter.missing": ("K", "N"),
    "operating.beat.letter.unknown": ("·", "·"),
}
_CHART: dict[str, tuple[str, str]] = {
    "chart.queues": ("Hàng đợi của nút, 24 giờ", "Queues of the node, 24 hours"),
    "chart.depth": ("Số gói đang chờ", "Packets that wait"),
    "chart.oldest": ("Chờ lâu nhất", "Longest wait"),
    "chart.hour": ("Giờ", "Hour"),
    "chart.none_sampled": (
        "Chưa có số liệu. Số liệu được ghi 5 phút một lần khi nút hoạt động.",
        "No figures yet. They are kept every 5 minutes while the node works.",
    ),
    "operating.state.disk_days": ("đủ khoảng {days} ngày", "lasts about {days} {days:day|days}"),
    "queue.dead": ("Gói tin lỗi", "Dead letters"),
    "operating.queues.day": ("24 giờ", "24 hours"),
    "operating.queues.most": ("Nhiều nhất trong 24 giờ: {count}", "At most in 24 hours: {count}"),
}
_TRAFFIC: dict[str, tuple[str, str]] = {
    "operating.tab.traffic": ("Lưu lượng", "Traffic"),
    "traffic.first": ("Từ ngày", "From"),
    "traffic.last": ("Đến ngày", "To"),
    "traffic.partner": ("Mã đối tác", "Code of the partner"),
    "traffic.ours": ("Cơ quan của nút", "Agency of this node"),
    "traffic.all": ("Tất cả", "All"),
    "traffic.side": ("Chiều", "Direction"),
    "traffic.side.out": ("Gửi đi", "Sent"),
    "traffic.side.in": ("Nhận đến", "Received"),
    "traffic.result": ("Kết quả", "Result"),
    "traffic.result.waiting": ("Đang chờ", "Waiting"),
    "traffic.result.sent": ("Đã gửi, chờ tiếp nhận", "Sent, not taken in yet"),
    "traffic.result.taken": ("Đã tiếp nhận", "Taken in"),
    "traffic.result.refused": ("Từ chối tiếp nhận", "Refused"),
    "traffic.result.failed": ("Gửi lỗi", "Failed"),
    "traffic.result.other": ("Khác", "Other"),
    "traffic.show": ("Xem", "Show"),
    "traffic.by_day": ("Theo ngày", "By day"),
    "traffic.by_partner": ("Theo đối tác", "By partner"),
    "traffic.day": ("Ngày", "Day"),
    "traffic.total": ("Cộng", "Total"),
    "traffic.chart": ("Gửi và nhận mỗi ngày", "Sent and received each day"),
    "traffic.none": ("Không có văn bản nào trong thời gian này.", "No documents in this time."),
    "traffic.most": (
        "Chỉ hiện {count} đối tác nhiều văn bản nhất.",
        "Only the {count} partners with the most documents are shown.",
    ),
    "traffic.hint": (
        "Văn bản gửi đi được đếm theo từng nơi nhận, tính theo ngày đưa vào hệ thống, kể cả thông báo thu hồi và cập nhật; "
        "dài nhất {days} ngày.",
        "What was sent counts once for each recipient, by the day it was handed in, with notices of recall and updates; "
        "{days} {days:day|days} at most.",
    ),
    "traffic.wrong_day": ("Ngày không hợp lệ, ví dụ đúng: 20/11/2026", "Not a day; for example 20/11/2026"),
    "traffic.wrong_order": ("Ngày cuối trước ngày đầu", "The last day is before the first"),
    "traffic.too_long": ("Chọn tối đa {days} ngày", "Choose {days} {days:day|days} at most"),
}
_DEAD: dict[str, tuple[str, str]] = {
    "operating.dead.choose": ("Chọn", "Choose"),
    "operating.dead.choose_one": ("Chọn gói {id}", "Choose {id}"),
    "operating.dead.chosen": ("Gửi lại các gói đã chọn…", "Send the chosen ones again…"),
    "operating.sort.chon": ("đã chọn", "chosen"),
}
NODE_PAGES: dict[str, tuple[str, str]] = {**_JOBS, **_CHART, **_TRAFFIC, **_DEAD}
