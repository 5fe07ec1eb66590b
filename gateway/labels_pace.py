"""Words of how fast a node serves: pages, `gateway status`, doctor. In: nothing. Out: `PACE`, key to (vi, en)."""

from __future__ import annotations

PACE: dict[str, tuple[str, str]] = {
    "pace.title": ("Tốc độ trong một giờ qua", "Speed in the last hour"),
    "pace.way": ("Công đoạn", "Way"),
    "pace.way.accept": ("Tiếp nhận văn bản gửi đi", "Accept a document to send"),
    "pace.way.accept_to_01": (
        "Từ khi tiếp nhận đến khi có trạng thái 01 (Đã đến)",
        "From accepted to its 01 (delivered)",
    ),
    "pace.way.arrival_to_admitted": (
        "Từ khi gói tin đến nút đến khi thành văn bản đến",
        "From arrival at this node to a document here",
    ),
    "pace.lane": ("Hàng", "Lane"),
    "pace.axis": ("Trục", "Axis"),
    "pace.axis.embedded": ("Trục nội bộ", "Embedded"),
    "pace.axis.amqp": ("Broker AMQP", "AMQP broker"),
    "pace.count": ("Số lượt", "Count"),
    "pace.late": ("Quá 5 giây", "Over 5 s"),
    "pace.at_most.ms": ("tối đa {n} ms", "at most {n} ms"),
    "pace.at_most.s": ("tối đa {n} giây", "at most {n} s"),
    "pace.at_most.min": ("tối đa {n} phút", "at most {n} min"),
    "pace.at_most.h": ("tối đa {n} giờ", "at most {n} h"),
    "pace.more.h": ("trên {n} giờ", "more than {n} h"),
    "pace.slow": ("chậm hơn quy định", "slower than the regulation"),
    "pace.none": (
        "Trong một giờ qua chưa đo được lượt nào.",
        "Nothing was measured in the last hour.",
    ),
    "pace.hint": (
        "Do các tiến trình đang chạy trên máy này đo, từ khi khởi động, nhiều nhất một giờ. Mỗi số là mốc trên: 50, 95 "
        "hoặc 99 % số lượt không lâu hơn mốc đó. Quy định: gửi, nhận mỗi việc không quá 5 giây; cảnh báo khi quá 5 % số "
        "lượt lâu hơn. Thời gian đến trạng thái 01 gồm cả phần của trục và bên nhận nên không cảnh báo.",
        "Measured by the processes that run on this machine, since they started and for an hour at most. Each figure is "
        "a bound: 50, 95 or 99 of a hundred took no longer. The regulation: sending and receiving take at most 5 s each; "
        "once more than 5 of a hundred take longer there is an alarm. The time to 01 raises none, for that of the axis "
        "and of the receiver is in it.",
    ),
    "cli.status.pace": (
        "{way} ({lane}, {axis}), một giờ qua: {count} lượt, quá 5 giây: {late}; 50 %: {p50}; 95 %: {p95}; 99 %: {p99}",
        "{way} ({lane}, {axis}), the last hour: {count}, over 5 s: {late}; 50 %: {p50}; 95 %: {p95}; 99 %: {p99}",
    ),
    "cli.status.no_pace": (
        "Tốc độ: trong một giờ qua chưa đo được lượt nào",
        "Speed: nothing was measured in the last hour",
    ),
    "doctor.pace.slow": (
        "{way} ({lane}): trong một giờ qua có {late} trên {count} lượt lâu hơn 5 giây mà quy định cho phép",
        "{way} ({lane}): in the last hour {late} of {count} took longer than the 5 s of the regulation",
    ),
    "doctor.pace.fine": (
        "Gửi và nhận trong 5 giây theo quy định: {count} lượt trong một giờ qua, {late} lượt lâu hơn",
        "Sending and receiving keep the 5 s of the regulation: {count} in the last hour, {late} took longer",
    ),
}
