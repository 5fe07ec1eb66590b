"""Words about lists and their search. In: keys. Out: Vietnamese and English; `labels` puts all such tables together."""

from collections.abc import Mapping

LISTS: Mapping[str, tuple[str, str]] = {
    "doctor.search.slow": (
        "Tìm kiếm sẽ chậm khi có nhiều văn bản: máy chủ thiếu phần mở rộng pg_trgm. Nhờ người quản trị cơ sở dữ liệu chạy: "
        "CREATE EXTENSION pg_trgm; CREATE INDEX CONCURRENTLY ix_list_search ON list_row USING gin (folded gin_trgm_ops)",
        "Searching many documents will be slow: the server lacks the extension pg_trgm. Have its administrator run: "
        "CREATE EXTENSION pg_trgm; CREATE INDEX CONCURRENTLY ix_list_search ON list_row USING gin (folded gin_trgm_ops)",
    ),
    "tab.all": ("Tất cả", "All"),
    "tab.attention": ("Cần chú ý", "Needs attention"),
    "tab.out.queued": ("Chờ gửi", "Queued"),
    "tab.out.sent": ("Đã gửi", "Sent"),
    "tab.out.rejected": ("Bị từ chối tiếp nhận", "Refused"),
    "tab.out.failed": ("Gửi lỗi", "Failed"),
    "tab.out.recall": ("Thu hồi văn bản", "Recalls"),
    "tab.out.draft": ("Nháp", "Drafts"),
    "tab.in.new": ("Chờ tiếp nhận", "Waiting to be taken in"),
    "tab.in.held": ("Tạm giữ", "On hold"),
    "tab.in.accepted": ("Đã tiếp nhận", "Taken in"),
    "tab.in.processing": ("Đang xử lý", "In progress"),
    "tab.in.rejected": ("Đã từ chối tiếp nhận", "Refused"),
    "tab.in.recall": ("Thu hồi, lấy lại văn bản", "Recalls and take-backs"),
    "tab.in.not_handed": ("Chưa giao cho QLVB", "Not handed over"),
    "tile.late": ("Quá hạn tiếp nhận", "Overdue to take in"),
    "tile.urgent": ("Khẩn, hỏa tốc chưa tiếp nhận", "Urgent not yet taken in"),
    "tile.today": ("Đến hôm nay", "Arrived today"),
    "tile.unsent": ("Đã ký, chưa phát hành", "Signed, not issued"),
    "tile.silent": ("Chưa có trạng thái từ nơi nhận", "No status from recipient yet"),
    "tile.rejected": ("Bị từ chối tiếp nhận", "Refused"),
    "tile.failed": ("Gửi lỗi", "Failed"),
    "tile.expiring": ("Chứng thư số sắp hết hạn", "Certificates expiring"),
}
