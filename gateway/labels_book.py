"""What the register books say: titles, columns of the decree, notes in their last column, the sentence about gaps, and
what is said of entries made by hand. In: nothing. Out: `BOOK`, key to (vi, en)."""

from __future__ import annotations

_TITLES: dict[str, tuple[str, str]] = {
    "book.incoming": ("Sổ đăng ký văn bản đến", "Register of incoming documents"),
    "book.outgoing": ("Sổ đăng ký văn bản đi", "Register of outgoing documents"),
    "book.follow_up": (
        "Sổ theo dõi giải quyết văn bản đến",
        "Book on the handling of incoming documents",
    ),
    "book.cover.incoming": ("SỔ ĐĂNG KÝ VĂN BẢN ĐẾN", "REGISTER OF INCOMING DOCUMENTS"),
    "book.cover.outgoing": ("SỔ ĐĂNG KÝ VĂN BẢN ĐI", "REGISTER OF OUTGOING DOCUMENTS"),
    "book.cover.follow_up": (
        "SỔ THEO DÕI GIẢI QUYẾT VĂN BẢN ĐẾN",
        "BOOK ON THE HANDLING OF INCOMING DOCUMENTS",
    ),
    "book.cover.year": ("Năm: {year}", "Year: {year}"),
    "book.cover.numbers": ("Từ số {first} đến số {last}", "From number {first} to number {last}"),
    "book.cover.days": ("Từ ngày {since} đến ngày {until}", "From {since} to {until}"),
    "book.cover.volume": ("Quyển số: {volume}", "Volume: {volume}"),
    "book.month": ("Tháng {month}", "Month {month}"),
    "book.page": ("Trang", "Page"),
    "book.empty": (
        "Chưa có văn bản nào trong khoảng này.",
        "There is no document in this part of the book.",
    ),
    "book.stamp": ("ĐẾN", "RECEIVED"),
    "book.stamp.number": ("Số", "Number"),
    "book.stamp.date": ("Ngày", "Date"),
    "book.stamp.forwarded_to": ("Chuyển", "To"),
    "book.stamp.file_code": ("Số và ký hiệu HS", "File number and notation"),
}

_INCOMING: dict[str, tuple[str, str]] = {
    "arrived_on": ("Ngày đến", "Date received"),
    "arrival_number": ("Số đến", "Arrival number"),
    "author": ("Tác giả", "Author"),
    "code": ("Số, ký hiệu văn bản", "Number and notation"),
    "issued_on": ("Ngày tháng văn bản", "Date of the document"),
    "subject": ("Tên loại và trích yếu nội dung văn bản", "Type and abstract"),
    "to_places": ("Đơn vị hoặc người nhận", "Unit or recipient"),
    "handed_over_on": ("Ngày chuyển", "Date handed over"),
    "signed_for": ("Ký nhận", "Signed for"),
    "note": ("Ghi chú", "Note"),
    "signer": ("Người ký", "Signer"),
    "recipients": ("Nơi nhận văn bản", "Recipients"),
    "copy_holder": ("Đơn vị, người nhận bản lưu", "Who keeps the file copy"),
    "copies": ("Số lượng bản", "Number of copies"),
    "dispatched_on": ("Ngày chuyển", "Date handed over"),
    "what": (
        "Tên loại, số, ký hiệu, ngày, tháng và tên cơ quan, tổ chức ban hành văn bản",
        "Type, number, notation, date and issuing agency",
    ),
    "due_on": ("Thời hạn giải quyết", "Time limit"),
    "progress": ("Tiến độ giải quyết", "Progress"),
    "reply": ("Số, ký hiệu văn bản trả lời", "Number and notation of the reply"),
}

_NOTES: dict[str, tuple[str, str]] = {
    "book.note.source.email": ("Nhận qua thư điện tử", "Received by e-mail"),
    "book.note.source.paper": ("Văn bản giấy", "On paper"),
    "book.note.source.other-system": ("Nhận qua hệ thống khác", "Received over another system"),
    "book.note.catch_up": (
        "Vào sổ bù ngày {day}, người nhập: {by}. Lý do: {reason}",
        "Entered afterwards on {day} by {by}. Reason: {reason}",
    ),
    "book.note.due_at": ("Giờ hẹn {at}", "Stated hour {at}"),
    "book.note.reply": ("Có hồi báo", "Reply wanted"),
    "book.note.both": ("Có bản giấy gửi kèm", "Paper follows"),
    "book.note.struck": ("Gạch bỏ ngày {day}: {reason}", "Struck through on {day}: {reason}"),
    "book.note.recalled": ("Đã thu hồi ngày {day}: {reason}", "Recalled on {day}: {reason}"),
    "book.note.recalled_bare": ("Đã thu hồi", "Recalled"),
    "book.note.recall_notice": (
        "Thu hồi theo thông báo số {notice}, ngày {day}: {reason}",
        "Recalled by notice {notice} of {day}: {reason}",
    ),
    "book.note.cancelled": ("Đã hủy trước khi gửi", "Cancelled before sending"),
    "book.note.rejected": ("Đã trả lại nơi gửi", "Returned to the sender"),
    "book.note.replaced": ("Được thay thế bằng {by}", "Replaced by {by}"),
    "book.note.sealed": ("Niêm phong", "Sealed"),
    "book.sealed": ("(niêm phong)", "(sealed)"),
    "book.reason.recall": ("nơi gửi thu hồi", "the sender recalled it"),
    "book.more": ("và {count} nơi khác", "and {count} more"),
    "book.signed_for": ("{code}, {at}{by}", "{code}, {at}{by}"),
    "book.signed_for.of": ("{done}/{all} nơi đã tiếp nhận; {first}", "{done}/{all} took it in; {first}"),
    "book.signed_for.acked": ("QLVB nhận {at}", "taken over by the document system {at}"),
}

_RUNS: dict[str, tuple[str, str]] = {
    "book.run.whole": (
        "Liên tục {first}–{last}, không thiếu số",
        "Unbroken {first}–{last}, no number missing",
    ),
    "book.run.missing": (
        "Từ {first} đến {last} thiếu {count} số: {which}",
        "From {first} to {last}, {count} numbers are missing: {which}",
    ),
    "book.run.doubled": ("Trùng số: {which}", "Doubled: {which}"),
    "book.run.none": ("Chưa có số nào", "No number yet"),
    "book.run.series": ("{series}: {said}", "{series}: {said}"),
    "book.run.and_more": ("…", "…"),
    "book.closing": (
        "Tổng số {lines} văn bản, trong đó {struck} gạch bỏ hoặc thu hồi. Mã kiểm tra (SHA-256): {digest}",
        "{lines} {lines:document|documents} in all, {struck} of them struck through or recalled. Check code "
        "(SHA-256): {digest}",
    ),
}

_RULES: dict[str, tuple[str, str]] = {
    "rule.book-gives": (
        "Số đến do sổ của hệ thống cấp. Hãy để trống {field}.",
        "The book gives the number by itself. Leave {field} out.",
    ),
    "rule.book-day": (
        "Ngày đến {given_on} phải từ {least_on} đến {most_on}. Hãy sửa ngày, hoặc nhập bù sau sự cố.",
        "The day of receipt {given_on} must lie between {least_on} and {most_on}. Correct it, or make a catch-up entry "
        "for the stop.",
    ),
    "field.sender": ("nơi gửi", "sender"),
    "field.type_name": ("tên loại văn bản", "type"),
    "field.catch_up": ("lý do vào sổ bù", "reason of the catch-up entry"),
    "field.copy_holder": ("nơi nhận bản lưu", "who keeps the file copy"),
}

_TALK: dict[str, tuple[str, str]] = {
    "cli.ask.book_enter": (
        "Vào sổ văn bản của {sender}: {subject}?",
        "Enter in the book, from {sender}: {subject}?",
    ),
    "cli.ask.book_sent": (
        "Vào sổ văn bản đi {number}: {subject}?",
        "Enter the outgoing letter {number} in the book: {subject}?",
    ),
    "cli.ask.hand_over": (
        "Ghi đã gửi bản giấy văn bản {document} ngày {day}?",
        "Note that {document} was handed over on paper on {day}?",
    ),
    "cli.handed_over": (
        "Đã ghi gửi bản giấy văn bản {document}.",
        "Noted: {document} was handed over on paper.",
    ),
    "cli.column.recipient": ("Nơi nhận", "Recipient"),
    "cli.column.printed": ("Tệp in", "Printed files"),
    "cli.column.handed_over": ("Đã gửi", "Handed over"),
    "paper.means.post": ("Bưu điện", "Post"),
    "paper.means.hand": ("Giao trực tiếp", "By hand"),
    "paper.means.courier": ("Chuyển phát", "Courier"),
    "paper.means.other": ("Cách khác", "Another way"),
    "cli.ask.book_strike": ("Gạch bỏ dòng {document} trong sổ?", "Strike the line of {document} through?"),
    "cli.book.exported": (
        "Đã xuất {lines} dòng vào {file}",
        "{lines} {lines:line was|lines were} written to {file}",
    ),
    "cli.book.struck": ("Đã gạch bỏ, số vẫn giữ trong sổ.", "Struck through; its number stays in the book."),
}

BOOK: dict[str, tuple[str, str]] = {
    **{f"book.column.{key}": words for key, words in _INCOMING.items()},
    **_TITLES,
    **_NOTES,
    **_RUNS,
    **_RULES,
    **_TALK,
}
