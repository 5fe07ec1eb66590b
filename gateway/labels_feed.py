"""What is said about the registry feed: questions, columns, and why a list was not taken. In: nothing. Out: `FEED`, key to
(vi, en)."""

from __future__ import annotations

FEED: dict[str, tuple[str, str]] = {
    "cli.feed.proposals_wait": (
        "{count} chứng thư số chờ hai người xác nhận: gateway registry feed proposals",
        "{count} certificates wait for two people: gateway registry feed proposals",
    ),
    "cli.feed.refused_lately": (
        "{count} danh mục gần đây bị từ chối, mới nhất vì {code}: gateway registry feed refusals",
        "{count} lists were refused lately, the last for {code}: gateway registry feed refusals",
    ),
    "cli.feed.fate.delivered": ("đã lên trục", "on the axis"),
    "cli.feed.fate.later": ("trục chưa nhận, hãy gửi lại sau", "not taken now, send it again later"),
    "cli.feed.fate.never": ("không có nút này trên trục", "no such node on the axis"),
    "cli.ask.sync": ("Áp dụng danh mục {file}?", "Put the list {file} in force?"),
    "cli.ask.publish_feed": (
        "Gửi danh mục {packet} tới các nút {nodes}?",
        "Send the list {packet} to the nodes {nodes}?",
    ),
    "cli.column.issuer": ("Bên phát hành", "Issuer"),
    "cli.column.sequence": ("Số thứ tự", "Sequence"),
    "cli.column.fingerprint": ("SHA-256 của chứng thư số", "SHA-256 of the certificate"),
    "error.feed": (
        "Danh mục mã định danh gửi đến không được nhận. Danh mục đang dùng giữ nguyên.",
        "The list of agencies was not taken. The one in force stays.",
    ),
    "clash.FEED-FORM": (
        "Tệp không phải danh mục đã ký, hoặc bị cắt, bị sửa.",
        "The file is not a signed list, or it was cut or changed.",
    ),
    "clash.FEED-LIMIT": (
        "Danh mục quá lớn. Danh mục đang dùng giữ nguyên.",
        "The list is too large. The one in force stays.",
    ),
    "clash.FEED-SIGNATURE": (
        "Chữ ký của danh mục không hợp lệ. Danh mục đang dùng giữ nguyên.",
        "The list's signature does not hold. The one in force stays.",
    ),
    "clash.FEED-ISSUER": (
        "Bên ký không được phép phát hành danh mục cho nút này.",
        "Whoever signed it may not issue lists for this node.",
    ),
    "clash.FEED-TIME": (
        "Danh mục ghi thời điểm ở tương lai. Hãy so lại đồng hồ.",
        "The list was made in the future. Compare the clocks.",
    ),
    "clash.FEED-ROLLED-BACK": (
        "Danh mục cũ hơn danh mục đang dùng.",
        "The list is older than the one in force.",
    ),
    "clash.FEED-CONFLICT": (
        "Hai danh mục khác nhau mang cùng số. Hãy hỏi bên phát hành qua kênh khác.",
        "Two different lists have the same number. Ask the issuer by another channel.",
    ),
    "clash.FEED-GAP": (
        "Thiếu bản thay đổi ở giữa. Hãy xin danh mục đầy đủ.",
        "Changes between are missing. Ask for a whole list.",
    ),
    "clash.FEED-ROWS": (
        "Các dòng của danh mục mâu thuẫn nhau. Danh mục đang dùng giữ nguyên.",
        "Rows of the list contradict each other. The one in force stays.",
    ),
    "clash.FEED-BINDING": (
        "Danh mục chuyển chứng thư số sang mã khác. Danh mục đang dùng giữ nguyên.",
        "The list moves a certificate to another code. The one in force stays.",
    ),
    "cli.feed.certificate": ("{code} (chứng thư số)", "{code} (certificate)"),
}
