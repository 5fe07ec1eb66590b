"""Words of the help pages: what a clerk and an administrator do every day, what each state "
"means, how long each step may
take."""

from __future__ import annotations

HELP: dict[str, tuple[str, str]] = {
    "help.lead": (
        "Chọn việc cần làm. Mỗi mục nói ngắn gọn cách làm và nơi bấm.",
        "Choose what you want to do. Each part says briefly how, and where to press.",
    ),
    "help.contents": ("Nội dung", "Contents"),
    "help.send": ("Phát hành một văn bản", "Issue a document"),
    "help.send.1": (
        "Bấm “Phát hành văn bản” (phím n). Thả tệp PDF đã ký vào trang.",
        "Press “Issue and send” (key n). Drop the signed PDF on the page.",
    ),
    "help.send.2": (
        "Số, ký hiệu, ngày, loại, trích yếu, người ký được điền sẵn từ tệp. Mục nào ghi “cần kiểm tra” "
        "thì đối chiếu với "
        "văn bản rồi sửa nếu sai.",
        "Number, symbol, date, type, subject and signer are filled from the file. Compare what is marked "
        "“check” with the "
        "document, and correct it.",
    ),
    "help.send.3": (
        "Dán cả phần “Nơi nhận” hoặc gõ tên cơ quan. Tên cũ, mã cũ được đổi sang mã đang dùng; chỗ chưa "
        "rõ hệ thống sẽ hỏi.",
        "Paste the whole block of recipients, or type names. Old names and codes become present ones; "
        "what is unclear is "
        "asked.",
    ),
    "help.send.4": (
        "Xem danh mục kiểm tra, bấm Gửi. Trong thời gian chờ có thể bấm “Hoàn tác”.",
        "Read the checks, press Send. While it waits you can press “Undo”.",
    ),
    "help.receive": ("Tiếp nhận văn bản đến", "Take in what arrives"),
    "help.receive.1": (
        "Mở Văn bản đến (phím g rồi i). Văn bản khẩn và sắp hết giờ đứng đầu.",
        "Open Incoming (keys g, i). What is urgent, or has little time left, stands first.",
    ),
    "help.receive.2": (
        "Mở dòng: kết quả kiểm tra chữ ký, tệp, nơi nhận đã có sẵn. Mọi mục đạt thì bấm nút Tiếp nhận.",
        "Open the row: signatures, files and recipient are checked already. When all is well, press Take in.",
    ),
    "help.receive.3": (
        "Không đúng, không đủ thì bấm “Từ chối tiếp nhận (trả lại nơi gửi)”, chọn lý do; nơi gửi đọc được lý do đó.",
        "When something is wrong, press “Refuse (return to sender)” and choose a reason; the sender reads it.",
    ),
    "help.receive.4": (
        "“Chưa kiểm tra được” tình trạng thu hồi chứng thư số trên tệp PDF không cản việc tiếp nhận.",
        "That revocation of a PDF's certificate “could not be checked” never stops taking it in.",
    ),
    "help.recall": ("Thu hồi, thay thế, đính chính", "Recall, replace, correct"),
    "help.recall.1": (
        "Sai nội dung: thay thế bằng văn bản cùng hình thức. Sai thể thức: đính chính bằng công văn. Hủy "
        "bỏ: thông báo thu "
        "hồi văn bản.",
        "Wrong in substance: replace it by a document of the same form. Wrong in form: a letter of "
        "correction. To cancel: a "
        "recall notice.",
    ),
    "help.recall.2": (
        "Thông báo thu hồi cần lý do, người phê duyệt và số thông báo. Nơi nhận trả lời đồng ý hoặc từ "
        "chối; trả lời hiện ở "
        "từng nơi nhận.",
        "A recall notice needs a reason, who approved it and its number. Each recipient agrees or "
        "refuses; the answer stands "
        "beside the recipient.",
    ),
    "help.book": ("Sổ văn bản", "Registers"),
    "help.book.1": (
        "Số đến cấp liền nhau, theo thứ tự nhận, chung cho văn bản điện tử và văn bản giấy nhập tay.",
        "Numbers run without gaps in order of receipt, for electronic and for paper mail together.",
    ),
    "help.book.2": (
        "In sổ, xuất XLSX hoặc CSV ở mục Sổ văn bản. Cuối sổ ghi số có liên tục hay không.",
        "Print, or save as XLSX or CSV, under Registers. The last line says whether a number is missing.",
    ),
    "help.states": ("Các trạng thái", "The states"),
    "help.state": ("Trạng thái", "State"),
    "help.meaning": ("Ý nghĩa", "Meaning"),
    "help.mean.paper": (
        "Không đi qua trục; văn thư gửi bản giấy và ghi ngày, cách gửi.",
        "It does not go over the axis; the clerk hands the paper over and notes the day and the means.",
    ),
    "help.mean.draft": ("Chưa gửi đi đâu.", "Nothing left the agency."),
    "help.mean.blocked": ("Sửa văn bản; lý do ghi ở trang chi tiết.", "Correct it; the reason is shown."),
    "help.mean.queued": ("Đang xếp hàng, sẽ tự gửi.", "In line; it goes by itself."),
    "help.mean.sending": ("Đã đưa lên trục, chờ trục xác nhận.", "Handed to the axis, not confirmed yet."),
    "help.mean.sent": ("Trục đã nhận; nơi nhận có thể chưa.", "The axis has it; the recipient may not."),
    "help.mean.failed": ("Đã hết lần thử. Bấm Gửi lại.", "Its tries are used up. Press Resend."),
    "help.mean.cancelled": ("Chưa từng gửi đi.", "It never left."),
    "help.mean.delivered": (
        "Hệ thống nơi nhận đã có, văn thư nơi nhận chưa xử lý.",
        "Their system has it; their clerk has not acted.",
    ),
    "help.mean.rejected": ("Đọc lý do, sửa rồi gửi lại.", "Read the reason, correct, send again."),
    "help.mean.accepted": ("Đã vào sổ của nơi nhận.", "It is in their register."),
    "help.mean.assigned": ("Đã giao cho đơn vị, người xử lý.", "A unit or person has it."),
    "help.mean.processing": ("Đang được xử lý.", "Work is under way."),
    "help.mean.done": ("Đã xử lý xong.", "Finished."),
    "help.mean.recall_asked": ("Chờ nơi nhận trả lời thông báo thu hồi.", "Waiting for their answer."),
    "help.mean.take_back_asked": ("Chờ nơi nhận trả lời yêu cầu lấy lại.", "Waiting for their answer."),
    "help.mean.update_asked": ("Chờ nơi nhận trả lời yêu cầu cập nhật.", "Waiting for their answer."),
    "help.mean.request_agreed": (
        "Thu hồi, lấy lại: nơi nhận đã hủy bản của họ. Cập nhật: nơi nhận đã lấy bản mới.",
        "Recall, take-back: they cancelled it. Update: they took it.",
    ),
    "help.mean.request_refused": (
        "Văn bản vẫn giữ nguyên; gửi văn bản đính chính nếu cần.",
        "It stays; send a correction instead.",
    ),
    "help.times": ("Thời hạn", "Time limits"),
    "help.time.take_in": (
        "Tiếp nhận: trong 2 giờ hành chính; khẩn 60 phút, thượng khẩn 30 phút, hỏa tốc 15 phút.",
        "Take in: within 2 office hours; urgent 60, very urgent 30, express 15 minutes.",
    ),
    "help.time.assign": ("Chuyển xử lý: trong ngày.", "Assign: the same day."),
    "help.time.issue": (
        "Phát hành: chậm nhất đầu giờ làm việc ngày tiếp theo kể từ khi ký; văn bản khẩn gửi ngay.",
        "Issue: by the next working morning after signing; urgent ones at once.",
    ),
    "help.time.recall": (
        "Trả lời yêu cầu thu hồi, lấy lại, cập nhật: trong ngày làm việc.",
        "Answer a recall, take-back or update: within the working day.",
    ),
    "help.admin": ("Cho quản trị", "For administrators"),
    "help.admin.1": (
        "Quản trị: thêm tài khoản rồi trao đường dẫn dùng một lần; không đặt mật khẩu thay cho người khác.",
        "Administration: add the account and hand over the one-time link; nobody sets a password for somebody else.",
    ),
    "help.admin.2": (
        "Cơ quan: nhập danh mục mã định danh có xem trước; thay đổi tổ chức cần quyết định, ngày hiệu lực "
        "và người thứ hai "
        "phê duyệt.",
        "Agencies: import codes with a preview; a change of organisation needs the decision, the date and "
        "a second person.",
    ),
    "help.admin.3": (
        "Vận hành: xem tình trạng, gói tin lỗi, cách ly, kiểm tra kết nối, sao lưu và diễn tập khôi phục.",
        "Operations: standing, dead letters, quarantine, connection test, backups and restore drill.",
    ),
    "help.keys": ("Phím tắt", "Keys"),
    "help.contact": ("Liên hệ khi cần trợ giúp: {contact}.", "For help ask {contact}."),
    "help.version": ("Phiên bản {version}", "Version {version}"),
}
