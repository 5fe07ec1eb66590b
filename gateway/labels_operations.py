"""What `gateway status`, `gateway queue` and `gateway axis` say about the node's own work. In: nothing. Out: `OPERATIONS`,
key to (vi, en)."""

from __future__ import annotations

OPERATIONS: dict[str, tuple[str, str]] = {
    "cli.status.node": (
        "Nút {node}, phiên bản {version}, phục vụ: {agencies}",
        "Node {node}, version {version}, speaks for: {agencies}",
    ),
    "cli.status.axis.up": ("Trục liên thông: kết nối từ {since}", "Axis: connected since {since}"),
    "cli.status.axis.idle": ("Trục liên thông: chưa cần kết nối", "Axis: no connection was needed yet"),
    "cli.status.axis.down": (
        "Trục liên thông: mất kết nối từ {since} ({reason})",
        "Axis: down since {since} ({reason})",
    ),
    "cli.status.axis.blocked": (
        "Trục liên thông: tạm không nhận gói từ {since} ({reason})",
        "Axis: takes nothing since {since} ({reason})",
    ),
    "cli.status.pile": ("{what}: {count}", "{what}: {count}"),
    "cli.status.pile_old": ("{what}: {count}, lâu nhất {age}", "{what}: {count}, the oldest for {age}"),
    "cli.status.late": ("Nơi nhận chưa phản hồi quá 30 phút", "Recipients silent for more than 30 minutes"),
    "cli.status.deliveries": ("Lượt gửi chưa xong: {states}", "Deliveries under way: {states}"),
    "cli.status.failed": ("Gói gửi hết lần thử", "Packets whose tries are used up"),
    "cli.status.certificate": (
        "Chứng thư số của {code}: còn {days} ngày",
        "Certificate of {code}: {days} {days:day|days} left",
    ),
    "cli.status.no_certificate": (
        "Chứng thư số của {code}: chưa có chứng thư số đang hiệu lực",
        "Certificate of {code}: none in force",
    ),
    "cli.status.backup": (
        "Sao lưu lần cuối: {at}, thử khôi phục: {verified}",
        "Last backup: {at}, restored on trial: {verified}",
    ),
    "cli.status.no_backup": ("Chưa có bản sao lưu nào", "There is no backup yet"),
    "cli.status.never": ("chưa lần nào", "never"),
    "cli.status.worker": ("Tiến trình {process}: hoạt động {age} trước", "Process {process}: seen {age} ago"),
    "cli.status.stuck": (
        "Tiến trình {process}: vòng lặp {loops} không chạy tiếp, hãy khởi động lại",
        "Process {process}: the loops {loops} do not turn, restart it",
    ),
    "cli.status.no_worker": (
        "Không có tiến trình xử lý nào đang chạy: gateway serve",
        "No worker runs: gateway serve",
    ),
    "cli.status.disk": ("Đĩa còn trống {free}", "Free on the disk: {free}"),
    "doctor.jobs.late": ("Trễ, chưa báo lại: {jobs}", "Late, have not reported: {jobs}"),
    "doctor.jobs.faulty": ("Lần chạy gần nhất bị lỗi: {jobs}", "The last run failed: {jobs}"),
    "doctor.jobs.fine": ("Các tác vụ định kỳ báo đúng hạn", "Periodic jobs report in time"),
    "doctor.server.fine": (
        "Chứng thư số của {server} có giá trị đến {until}",
        "The certificate of {server} is valid until {until}",
    ),
    "doctor.server.expiring": (
        "Chứng thư số của {server} hết hạn ngày {until}, còn {days} ngày: gia hạn tại chính máy chủ đó",
        "The certificate of {server} ends on {until}, in {days} {days:day|days}: renew it at that server",
    ),
    "doctor.server.expired": (
        "Chứng thư số của {server} đã hết hạn ngày {until}: gia hạn tại chính máy chủ đó, không sửa thiết lập của nút",
        "The certificate of {server} expired on {until}: renew it at that server; no setting of this node is wrong",
    ),
    "doctor.database.open": (
        "Người khác trên máy đọc được tệp cơ sở dữ liệu {path}",
        "Other users of this machine can read the database {path}",
    ),
    "doctor.database.anybody": (
        "Kết nối đến {host} có thể được mã hóa nhưng không kiểm tra được đó có đúng là máy chủ cơ sở dữ liệu không:"
        " đặt database.ca",
        "The line to {host} may be encrypted, and nobody checks that it is the database's server: set database.ca",
    ),
    "doctor.axis.down": (
        "Trục liên thông không trả lời ({reason})",
        "The axis does not answer ({reason})",
    ),
    "doctor.axis.blocked": (
        "Trục liên thông tạm không nhận gói ({reason})",
        "The axis takes nothing for now ({reason})",
    ),
    "cli.age.seconds": ("{n} giây", "{n} s"),
    "cli.age.minutes": ("{n} phút", "{n} min"),
    "cli.age.hours": ("{n} giờ", "{n} h"),
    "cli.age.days": ("{n} ngày", "{n} {n:day|days}"),
    "queue.axis": ("Trục liên thông", "Axis"),
    "queue.outbox": ("Chờ gửi lên trục", "Wait for the axis"),
    "queue.inbox": ("Gói đến", "Packets that came"),
    "queue.job": ("Chờ đóng gói, ký", "Wait to be packed and signed"),
    "queue.event": ("Sự kiện chưa đánh số", "Events not numbered"),
    "queue.job.pack": ("văn bản", "documents"),
    "queue.job.answer": ("trạng thái trả lời", "answers"),
    "queue.axis.waiting": ("chờ giao", "waiting"),
    "queue.axis.urgent": ("trong đó khẩn", "of which urgent"),
    "queue.axis.leased": ("đang giao", "being handed over"),
    "queue.axis.fetched": ("trong đó đã lấy về nút", "of which fetched by this node"),
    "queue.axis.dead": ("hàng lỗi", "dead list"),
    "queue.axis.parts": ("gói lớn đang ghép trên đĩa", "large packets being put together on disk"),
    "queue.held": ("trong đó đang xử lý", "of which being worked on"),
    "cli.column.queue": ("Hàng đợi", "Queue"),
    "cli.column.sort": ("Loại", "Sort"),
    "cli.column.count": ("Số lượng", "Count"),
    "cli.column.oldest": ("Lâu nhất", "Oldest"),
    "cli.queue.left": ("Còn {count} việc đang chờ …", "{count} things wait …"),
    "cli.queue.empty": ("Đã xong hết, không còn việc chờ.", "Everything is done, nothing waits."),
    "cli.queue.unread": ("Không đọc được nội dung gói: {reason}", "What it holds cannot be read: {reason}"),
}
