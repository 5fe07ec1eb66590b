"""Short phrases for people at a terminal, and the messages that pages show word for word (interfaces.md 2.15).
In: nothing. Out: `MESSAGES`, key to (vi, en)."""

from __future__ import annotations

MESSAGES: dict[str, tuple[str, str]] = {
    "change.notice": (
        " (Thông báo thu hồi số {number}; người phê duyệt: {name})",
        " (Recall notice number {number}; approved by: {name})",
    ),
    "change.approved": (" (Người phê duyệt: {name})", " (Approved by: {name})"),
    "status.registered": (
        "Đã vào sổ văn bản đến: số {number}, năm {year}",
        "Entered in the book of incoming documents: number {number}, year {year}",
    ),
    "status.reference": ("Mã gói tin: {packet}", "Packet: {packet}"),
    "cli.accepted": ("Đã nhận để gửi: {id}", "Accepted for sending: {id}"),
    "cli.accepted_again": ("Đã nhận từ trước: {id}", "Accepted before: {id}"),
    "cli.recipients": ("{count} nơi nhận", "{count} {count:recipient|recipients}"),
    "cli.columns_left_out": (
        "Màn hình hẹp, không hiện các cột: {names}. Mở rộng cửa sổ, hoặc dùng -o json.",
        "The window is narrow; left out: {names}. Widen it, or use -o json.",
    ),
    "cli.nothing": ("Không có dòng nào khớp.", "Nothing matches."),
    "cli.refused": ("Không gửi được, có {count} lỗi:", "Not sent, {count} problems:"),
    "cli.warnings": ("Lưu ý:", "Warnings:"),
    "cli.not_found": ("Không tìm thấy {what}.", "{what} was not found."),
    "cli.confirm": ("Làm việc này? [c/K]", "Do this? [y/N]"),
    "cli.stopped": ("Đã dừng, chưa thay đổi gì.", "Stopped; nothing was changed."),
    "cli.todo": ("Việc nên làm: {command}", "What to do: {command}"),
    "cli.verify.valid": (
        "HỢP LỆ: đúng là {sender} đã ký, nội dung nguyên vẹn.",
        "VALID: signed by {sender}, unchanged.",
    ),
    "cli.verify.notes": (
        "HỢP LỆ, CÓ LƯU Ý: {sender} đã ký, nội dung nguyên vẹn.",
        "VALID, WITH NOTES: signed by {sender}, unchanged.",
    ),
    "cli.verify.cannot_tell": (
        "CHƯA KẾT LUẬN ĐƯỢC: {reason}",
        "CANNOT TELL: {reason}",
    ),
    "cli.verify.invalid": ("KHÔNG HỢP LỆ ở bước {step}: {reason}", "NOT VALID at step {step}: {reason}"),
    "cli.step.ok": ("đạt", "ok"),
    "cli.step.failed": ("không đạt", "failed"),
    "cli.step.not_reached": ("chưa tới", "not reached"),
    "cli.explain.dialect": (
        "Đây là gói tin dạng {dialect}, phần mềm chưa đọc được.",
        "This is a packet of dialect {dialect}, which cannot be read.",
    ),
    "explain.certificate": ("Chứng thư số", "Certificate"),
    "cli.axis.up": ("Trục liên thông: kết nối tốt", "Axis: connected"),
    "cli.demo.staging": (
        "Dựng ba cơ quan thử trong {folder} …",
        "Setting up three trial agencies in {folder} …",
    ),
    "cli.demo.signing": ("Ký số các văn bản mẫu …", "Signing the sample documents …"),
    "cli.demo.telling": (
        "Ba cơ quan trao đổi văn bản trong hai ngày …",
        "The three agencies exchange documents for two days …",
    ),
    "cli.demo.desks": (
        "Bày văn bản của sáng nay lên bàn làm việc …",
        "Laying this morning's mail on the desks …",
    ),
    "demo.request": (
        "  {code}: gửi tới hai cơ quan, cập nhật bằng {update}, được trả lời bằng {reply}",
        "  {code}: sent to two agencies, updated by {update}, answered by {reply}",
    ),
    "demo.replaced": (
        "  {code}: hỏa tốc, được thay thế bằng {replacement}",
        "  {code}: express, replaced by {replacement}",
    ),
    "demo.secret": (
        "  Văn bản có khai độ mật: bị chặn, chưa lưu nội dung nào",
        "  a document declared secret: refused before anything was stored",
    ),
    "demo.corrected": (
        "  {code}: xã từ chối tiếp nhận, sửa và gửi lại, đã tiếp nhận",
        "  {code}: refused by the commune, corrected, taken in",
    ),
    "demo.recalled": (
        "  {code}: thu hồi văn bản khi chưa tiếp nhận, nút nơi nhận tự đồng ý",
        "  {code}: recalled before it was taken in, agreed by itself",
    ),
    "demo.recall_refused": (
        "  {code}: từ chối thu hồi văn bản vì đang xử lý",
        "  {code}: recall refused, work had begun",
    ),
    "demo.taken_back": (
        "  {code}: lấy lại văn bản, nơi nhận đồng ý",
        "  {code}: taken back by agreement",
    ),
    "cli.demo.open": (
        "Mở trang làm việc: {url}/   ·   Tài liệu API: {url}/docs\n"
        "Đăng nhập lần đầu bằng đường dẫn dùng một lần, rồi tự đặt mật khẩu:",
        "Open the pages: {url}/   ·   API documentation: {url}/docs\n"
        "Sign in the first time with a one-time link, and set a password:",
    ),
    "cli.demo.person": ("  {link}   {name}, {role} ({login})", "  {link}   {name}, {role} ({login})"),
    "cli.demo.known": (
        "  {link}   {name}, {role}: đăng nhập bằng tên {login} và mật khẩu đã đặt",
        "  {link}   {name}, {role}: sign in as {login} with the password set before",
    ),
    "cli.demo.copy": (
        "Cụm mật khẩu của bản sao lưu dùng thử: {passphrase}",
        "Passphrase of the trial backup: {passphrase}",
    ),
    "cli.demo.key": ("Khóa API của {code} ({name}): {secret}", "API key of {code} ({name}): {secret}"),
    "cli.demo.try": ("Gõ thử ở cửa sổ lệnh khác:", "Try in another terminal:"),
    "cli.demo.command": ("  {command}", "  {command}"),
    "cli.demo.ready": (
        "Đã sẵn sàng. Nhấn Ctrl+C để dừng; không có --keep thì mọi thứ được xóa hết.",
        "Ready. Ctrl+C stops; without --keep everything is removed then.",
    ),
    "notice.axis_down": (
        "Trục liên thông không phản hồi từ {time}. {count} văn bản đang chờ, hệ thống sẽ tự gửi lại.",
        "The axis has not answered since {time}. {count} {count:document waits|documents wait} and will be sent by "
        "{count:itself|themselves}.",
    ),
    "notice.secret_text": (
        "Trang 1 của {name} có chữ “{text}”. Nếu là văn bản mật thì không được gửi; nếu không phải, hãy xác nhận để "
        "tiếp tục.",
        "Page 1 of {name} contains “{text}”. If it is a secret document it must not be sent; if not, confirm to go on.",
    ),
    "notice.bad_pdf_signature": (
        "Chữ ký số trên {name} không hợp lệ: {reason}. Chưa gửi.",
        "The signature on {name} is not valid: {reason}. Not sent.",
    ),
    "notice.envelope_revocation": (
        "Chưa kiểm tra được tình trạng thu hồi chứng thư số của nơi gửi quá {hours} giờ. Gói tin được tạm giữ, chưa "
        "trả lại.",
        "Revocation of the sender's certificate could not be checked for {hours} hours. The packet is held, not refused.",
    ),
    "notice.sent_before": (
        "Văn bản {number} ngày {date} đã gửi lúc {time}. Vẫn gửi lần nữa?",
        "{number} of {date} was already sent at {time}. Send again?",
    ),
    "notice.session_end": (
        "Phiên làm việc sẽ hết sau 2 phút. Bản nháp đã được lưu.",
        "Your session ends in 2 minutes. The draft is saved.",
    ),
    "notice.changed_by": (
        "{person} vừa xử lý văn bản này lúc {time}. Tải lại để xem.",
        "{person} has just handled this at {time}. Reload to see.",
    ),
    "notice.dissolved": (
        "{name} đã {what} từ {date} theo {decision}. Gửi tới {successor}?",
        "{name} was {what} on {date} by {decision}. Send to {successor}?",
    ),
}
