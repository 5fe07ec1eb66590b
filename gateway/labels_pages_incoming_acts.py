"""Words of the acts on one incoming document: taking in, refusing, handing on, answering its sender, sealing it. In:
nothing. Out: `INCOMING_ACTS`, key to (vi, en)."""

from __future__ import annotations

_ACTS: dict[str, tuple[str, str]] = {
    "incoming.acts": ("Việc khác", "Other acts"),
    "incoming.take.A": ("Tiếp nhận", "Take in"),
    "incoming.take.B": ("Tiếp nhận và vào sổ", "Take in and register"),
    "incoming.take.C": ("Tiếp nhận và vào sổ", "Take in and register"),
    "incoming.take.noted": ("Tiếp nhận có ghi chú", "Take in with a note"),
    "incoming.take_in.title": ("Tiếp nhận văn bản {name}", "Take in {name}"),
    "incoming.take_in.will": (
        "Nơi gửi {sender} nhận được trạng thái “Đã tiếp nhận” (03), kèm tên của bạn và ghi chú nếu có.",
        "The sender, {sender}, is told “Accepted” (03), with your name and the note if there is one.",
    ),
    "incoming.take.will.A": (
        "Số đến do phần mềm QLVB cấp và báo về sau.",
        "The document system gives the arrival number and reports it afterwards.",
    ),
    "incoming.take.will.B": (
        "Văn bản vào sổ văn bản đến với số kế tiếp của năm.",
        "It is entered in the book with the next number of the year.",
    ),
    "incoming.take.will.C": (
        "Văn bản vào sổ văn bản đến với số bạn nhập.",
        "It is entered in the book with the number that you type.",
    ),
    "incoming.number.hint": ("Số trong sổ văn bản đến năm nay.", "The number in this year's book."),
    "incoming.note": ("Ghi chú", "Note"),
    "incoming.note.hint": ("Nơi gửi đọc được ghi chú này.", "The sender reads it."),
    "incoming.note.due": (
        "Có mục kiểm tra nghi vấn nên cần ghi chú. Nơi gửi đọc được ghi chú này.",
        "A check is doubtful, so a note is needed. The sender reads it.",
    ),
    "incoming.short": ("Mục “{field}” cần ít nhất 10 ký tự.", "“{field}” needs at least 10 characters."),
    "incoming.hold.do": ("Tạm giữ", "Put on hold"),
    "incoming.hold.title": ("Tạm giữ văn bản {name}", "Put {name} on hold"),
    "incoming.hold.will": (
        "Văn bản không giao cho phần mềm QLVB và không gửi thêm trạng thái nào cho {sender} tới khi văn thư tiếp "
        "nhận hoặc từ chối. Thời hạn xem xét là 1 ngày làm việc.",
        "It is not handed to the document system, and {sender} is told nothing more until it is taken in or refused. "
        "There is 1 working day to decide.",
    ),
    "incoming.reason": ("Lý do", "Reason"),
    "incoming.hold.reason.hint": (
        "Ghi vào nhật ký, nơi gửi không thấy.",
        "Recorded; the sender does not see it.",
    ),
    "incoming.refuse.do": ("Từ chối tiếp nhận (trả lại nơi gửi)", "Refuse (return to sender)"),
    "incoming.refuse.open": ("Từ chối tiếp nhận (trả lại nơi gửi)…", "Refuse (return to sender)…"),
    "incoming.refuse.title": (
        "Từ chối tiếp nhận (trả lại nơi gửi) văn bản {name}",
        "Refuse {name} (return to sender)",
    ),
    "incoming.refuse.will": (
        "{sender} nhận được trạng thái “Từ chối tiếp nhận (trả lại nơi gửi)” (02) với lý do dưới đây. Văn bản không "
        "lấy số đến. Bản sửa gửi lại sẽ đến như một lần gửi mới.",
        "{sender} is told “Refused (returned to sender)” (02) with the reason below. No arrival number is used. What is "
        "corrected comes as a new attempt.",
    ),
    "incoming.refuse.none": ("– Chọn lý do –", "– Choose a reason –"),
    "incoming.refuse.choose": ("Hãy chọn một lý do.", "Choose a reason."),
    "incoming.refuse.text": ("Nói rõ với nơi gửi", "Tell the sender"),
    "incoming.refuse.text.hint": (
        "Thiếu tệp nào, sai ở đâu, cần sửa thế nào. Ít nhất 10 ký tự.",
        "Which file is missing, what is wrong, how to put it right. At least 10 characters.",
    ),
    "incoming.paper.hint": (
        "Chưa có bản giấy không phải là lý do từ chối.",
        "That the paper has not come is no reason to refuse.",
    ),
    "incoming.reply.do": ("Soạn văn bản trả lời", "Write an answer"),
    "incoming.stamp": ("In dấu ĐẾN", "Print the arrival stamp"),
    "incoming.evidence": ("Tải hồ sơ chứng cứ điện tử", "Evidence bundle"),
    "incoming.audit": ("Nhật ký của văn bản này", "Log of this document"),
    "incoming.back": ("Về văn bản", "Back to the document"),
    "incoming.conflict.title": ("Văn bản vừa thay đổi", "The document has just changed"),
    "incoming.conflict": (
        "{person} vừa xử lý văn bản này lúc {time}. Tải lại để xem.",
        "{person} has just handled this at {time}. Reload to see.",
    ),
    "incoming.conflict.node": (
        "Hệ thống vừa cập nhật văn bản này. Tải lại để xem.",
        "The system has just updated this document. Reload to see.",
    ),
    "incoming.conflict.nothing": ("Việc bạn vừa làm chưa được ghi.", "What you did was not recorded."),
    "incoming.conflict.reload": ("Tải lại", "Reload"),
}
_HANDING: dict[str, tuple[str, str]] = {
    "incoming.assign": ("Chuyển xử lý", "Assign"),
    "incoming.assign.open": ("Chuyển xử lý…", "Assign…"),
    "incoming.assign.again": ("Chuyển lại…", "Assign anew…"),
    "incoming.assign.title": ("Chuyển xử lý văn bản {name}", "Assign {name}"),
    "incoming.assign.will": (
        "Đơn vị được chuyển thấy văn bản ngay. {sender} nhận được trạng thái “Đã phân công” (04), không thấy ý kiến "
        "chỉ đạo.",
        "The units see it at once. {sender} is told “Assigned” (04) and does not see the instruction.",
    ),
    "incoming.assign.will.by_hand": (
        "Đơn vị được chuyển thấy văn bản ngay. Văn bản không đến qua trục nên nơi gửi không nhận được trạng thái nào.",
        "The units see it at once. It did not come over the axis: its sender is told nothing.",
    ),
    "incoming.assign.will.again": (
        "Phân công cũ được giữ trong quá trình xử lý; thời hạn với nơi gửi không tính lại.",
        "The former assignment stays in the history; the sender's deadline does not begin anew.",
    ),
    "incoming.assigned.none": ("Chưa chuyển đơn vị nào.", "Not assigned yet."),
    "incoming.lead_unit": ("Đơn vị chủ trì", "Lead unit"),
    "incoming.helping": ("Đơn vị phối hợp", "Coordinating units"),
    "incoming.other_units": ("Đơn vị phối hợp khác", "Other coordinating units"),
    "incoming.other_units.hint": ("Mỗi dòng một đơn vị.", "One unit a line."),
    "incoming.deadline": ("Hạn xử lý", "Deadline"),
    "incoming.deadline.hint": ("Ví dụ 20/11/2026.", "Such as 20/11/2026."),
    "incoming.deadline.unreadable": (
        "Hạn xử lý cần viết dạng 20/11/2026.",
        "Write the deadline as 20/11/2026.",
    ),
    "incoming.deadline.past": ("Hạn xử lý đã qua.", "The deadline has passed."),
    "incoming.instruction": ("Ý kiến chỉ đạo", "Instruction"),
    "incoming.instruction.hint": (
        "Có hiệu lực như phiếu chuyển giấy; không sửa được sau khi chuyển.",
        "Binds like the paper slip; it cannot be changed afterwards.",
    ),
    "incoming.instruction.long": (
        "Ý kiến chỉ đạo dài tối đa {most} ký tự.",
        "An instruction may have {most} characters.",
    ),
    "incoming.why_again": ("Lý do chuyển lại", "Why it is assigned anew"),
    "incoming.given.lead": ("Chủ trì: {unit}", "Lead: {unit}"),
    "incoming.given.helping": ("Phối hợp: {units}", "With: {units}"),
    "incoming.given.deadline": ("Hạn: {day}", "Until: {day}"),
    "incoming.progress": ("Tiến độ của đơn vị", "Progress of the unit"),
    "incoming.progress.hint": (
        "Nơi gửi thấy trạng thái và ghi chú này.",
        "The sender sees the state and this note.",
    ),
    "incoming.progress.by_hand": (
        "Chỉ ghi trong cơ quan; văn bản không đến qua trục nên nơi gửi không thấy.",
        "Kept in the agency; it did not come over the axis, so its sender sees nothing.",
    ),
    "incoming.step.04": ("Đã phân công (04)", "Assigned (04)"),
    "incoming.step.05": ("Đang xử lý (05)", "In progress (05)"),
    "incoming.step.06": ("Đã hoàn thành (06)", "Completed (06)"),
}
_REQUESTS: dict[str, tuple[str, str]] = {
    "incoming.request.notice": ("Số thông báo thu hồi: {number}", "Number of the recall notice: {number}"),
    "incoming.request.approved": ("Người phê duyệt: {name}", "Approved by: {name}"),
    "incoming.request.reason": ("Lý do của nơi gửi", "The sender's reason"),
    "incoming.request.none": ("Nơi gửi không nêu lý do.", "The sender gives no reason."),
    "incoming.request.clerk": ("Văn thư trả lời yêu cầu này.", "The clerk answers this request."),
    "incoming.agree.do": ("Đồng ý lấy lại, cập nhật", "Agree"),
    "incoming.agree.open": ("Đồng ý lấy lại, cập nhật…", "Agree…"),
    "incoming.agree.title": ("Đồng ý yêu cầu về văn bản {name}", "Agree to the request about {name}"),
    "incoming.disagree.do": ("Từ chối lấy lại, cập nhật", "Refuse"),
    "incoming.disagree.open": ("Từ chối lấy lại, cập nhật…", "Refuse…"),
    "incoming.disagree.title": ("Từ chối yêu cầu về văn bản {name}", "Refuse the request about {name}"),
    "incoming.agree.will.cancel": (
        "{sender} nhận được trả lời đồng ý (15). Không ai đọc được tệp ngay từ lúc này; tệp bị xóa hẳn sau thời gian "
        "đã cài đặt (mặc định 30 ngày). Giá trị băm, thông tin và dòng trong sổ vẫn còn; dòng trong sổ bị gạch ngang "
        "kèm ngày, số đến không dùng lại.",
        "{sender} is told that we agree (15). Nobody reads the files from now on, and they are purged after the time "
        "that is set (30 days unless changed). Digests, description and the line in the book stay; the line is struck "
        "through with the date, its number is not used again.",
    ),
    "incoming.agree.will.update": (
        "{sender} nhận được trả lời đồng ý (15). Văn bản nhận các thay đổi dưới đây; số đến, trạng thái và quá trình "
        "giữ nguyên.",
        "{sender} is told that we agree (15). The document takes the changes below; number, state and history stay.",
    ),
    "incoming.agree.changes": ("Thay đổi", "Changes"),
    "incoming.agree.before": ("Đang có", "Now"),
    "incoming.agree.after": ("Sẽ là", "Will be"),
    "incoming.agree.same": ("Không có mục nào khác.", "Nothing differs."),
    "incoming.agree.files": ("Xem tệp mới", "See the new files"),
    "incoming.disagree.will": (
        "{sender} nhận được trả lời từ chối (16) kèm lý do. Văn bản giữ nguyên như đang có.",
        "{sender} is told that we refuse (16), with the reason. The document stays as it is.",
    ),
    "incoming.disagree.reason.hint": (
        "Nơi gửi đọc được lý do này. Ít nhất 10 ký tự.",
        "The sender reads it. At least 10 characters.",
    ),
}
_SEALING: dict[str, tuple[str, str]] = {
    "incoming.freeze.open": ("Đánh dấu nghi bí mật nhà nước…", "Mark as a suspected state secret…"),
    "incoming.freeze.do": ("Đánh dấu nghi bí mật nhà nước", "Mark as a suspected state secret"),
    "incoming.freeze.title": ("Nghi văn bản {name} có bí mật nhà nước", "{name} may hold a state secret"),
    "incoming.freeze.will": (
        "Ngay khi bấm, không ai đọc được văn bản này ở nút nữa, kể cả bạn. Nội dung được mã hóa riêng, chỉ thủ trưởng "
        "mở được, và không còn trong tìm kiếm, bản sao lưu, chứng cứ, kết xuất. Chưa thông báo gì cho nơi gửi.",
        "At once nobody reads this document at the node any more, you included. Its content is encrypted apart for the "
        "head alone, and left out of search, backups, evidence and exports. The sender is not told yet.",
    ),
    "incoming.freeze.reason.hint": (
        "Vì sao nghi là bí mật. Không chép nội dung văn bản vào đây. Ít nhất 10 ký tự.",
        "Why it may be secret. Copy nothing of the document here. At least 10 characters.",
    ),
    "incoming.sealed.title": ("Văn bản đang niêm phong", "The document is sealed"),
    "incoming.sealed.purged": ("Nội dung đã được tiêu hủy", "The content was purged"),
    "incoming.sealed.locked": (
        "Nghi có bí mật nhà nước. Không ai đọc được văn bản này ở nút.",
        "It may hold a state secret. Nobody reads it at this node.",
    ),
    "incoming.sealed.known": ("Đã ghi", "What is recorded"),
    "incoming.sealed.since": ("Niêm phong từ", "Sealed since"),
    "incoming.sealed.by": ("Người đánh dấu", "Marked by"),
    "incoming.sealed.hold": ("Mã niêm phong", "Id of the hold"),
    "incoming.sealed.state": ("Tình trạng", "State"),
    "incoming.sealed.decision": ("Quyết định", "Decision"),
    "incoming.sealed.steps": ("Việc phải làm", "What to do"),
    "incoming.sealed.step.head": (
        "Báo ngay thủ trưởng cơ quan. Không sao chép, không chuyển tiếp, không kể lại nội dung.",
        "Tell the head of the agency at once. Do not copy it, pass it on or tell what it says.",
    ),
    "incoming.sealed.step.operator": (
        "Báo đơn vị vận hành để gỡ nội dung ở nơi khác trong hệ thống.",
        "Tell the operator, who takes the content down elsewhere.",
    ),
    "incoming.sealed.step.sender": (
        "Báo cơ quan gửi để họ kiểm tra và gỡ bỏ ở các nơi đã gửi.",
        "Tell the sending agency, which looks into it and takes it down wherever it sent it.",
    ),
    "incoming.sealed.step.handed": (
        "Phần mềm QLVB đã lấy bản này: phải gỡ ở đó nữa.",
        "A document system has a copy: it must be taken down there too.",
    ),
    "incoming.sealed.step.others": (
        "Nút này còn {count} chỗ khác dùng cùng nội dung: niêm phong cả những chỗ đó.",
        "The same content is used {count} more times at this node: seal those too.",
    ),
    "incoming.sealed.step.decide": (
        "Thủ trưởng quyết định: tiêu hủy nội dung, hoặc bỏ niêm phong nếu không phải bí mật.",
        "The head decides: purge the content, or lift the hold if it is no secret.",
    ),
    "incoming.sealed.lift": (
        "Bỏ niêm phong cần khóa riêng của thủ trưởng, không để trên nút. Chạy tại máy vận hành:",
        "Lifting needs the head's private key, which is never left on the node. Run at the operator's machine:",
    ),
    "incoming.sealed.draft": ("Dự thảo thông báo", "Draft of the notice"),
    "incoming.sealed.draft.hint": (
        "Người có thẩm quyền đọc, ký và gửi bằng đường khác.",
        "A person in charge reads it, signs it and sends it by another way.",
    ),
    "incoming.purge.open": ("Quyết định tiêu hủy…", "Decide to purge…"),
    "incoming.purge.do": ("Tiêu hủy vĩnh viễn nội dung", "Purge the content for good"),
    "incoming.purge.title": ("Tiêu hủy nội dung văn bản {name}", "Purge the content of {name}"),
    "incoming.purge.will": (
        "Nội dung bị xóa hẳn ngay, không khôi phục được. Giá trị băm, thông tin gói tin, tên bạn và lý do được giữ.",
        "The content is gone at once and cannot be brought back. Digests, header, your name and the reason are kept.",
    ),
    "incoming.purge.reason": ("Quyết định và lý do", "Decision and reason"),
    "incoming.purge.reason.hint": (
        "Số, ngày quyết định. Ít nhất 10 ký tự.",
        "Number and date of the decision. At least 10 characters.",
    ),
    "incoming.purge.again": (
        "Đăng nhập lại để xác nhận chính bạn quyết định.",
        "Sign in once more, to prove that it is you who decides.",
    ),
    "incoming.purge.password": ("Mật khẩu", "Password"),
    "incoming.purge.code": ("Mã xác thực 6 số", "Six-digit code"),
    "incoming.purge.not_you": (
        "Chỉ thủ trưởng được giao quyền quyết định về niêm phong mới tiêu hủy được.",
        "Only the head who was given the decision on the sealed hold can purge it.",
    ),
}

INCOMING_ACTS: dict[str, tuple[str, str]] = {**_ACTS, **_HANDING, **_REQUESTS, **_SEALING}
