"""The words of states, marks and stored packets, Vietnamese and English (interfaces.md 1.2 to 1.4).
In: nothing. Out: `STATES`, key to (vi, en). `state.X` is what a sender reads, `state.in.X` a receiver."""

from __future__ import annotations

STATES: dict[str, tuple[str, str]] = {
    "state.draft": ("Nháp", "Draft"),
    "state.blocked": ("Bị chặn", "Blocked"),
    "state.queued": ("Chờ gửi", "Queued"),
    "state.sending": ("Đang gửi", "Sending"),
    "state.sent": ("Đã gửi", "Sent"),
    "state.failed": ("Gửi lỗi", "Failed"),
    "state.cancelled": ("Đã hủy gửi", "Cancelled"),
    "state.delivered": ("Đã đến", "Delivered"),
    "state.rejected": ("Từ chối tiếp nhận (trả lại nơi gửi)", "Refused (returned to sender)"),
    "state.accepted": ("Đã tiếp nhận", "Accepted"),
    "state.assigned": ("Đã phân công", "Assigned"),
    "state.processing": ("Đang xử lý", "In progress"),
    "state.done": ("Đã hoàn thành", "Completed"),
    "state.recall_asked": ("Thông báo thu hồi, chờ trả lời", "Recall notice, waiting"),
    "state.take_back_asked": ("Yêu cầu lấy lại, chờ trả lời", "Take-back requested"),
    "state.update_asked": ("Yêu cầu cập nhật, chờ trả lời", "Update requested"),
    "state.request_agreed": ("Đồng ý lấy lại, cập nhật", "Take-back or update agreed"),
    "state.request_refused": ("Từ chối lấy lại, cập nhật", "Take-back or update refused"),
    "state.unknown": ("Trạng thái chưa xác định (mã {code})", "Undetermined status (code {code})"),
    "state.packed": ("Đã đóng gói, chờ gửi", "Packed, waiting to be sent"),
    "state.waiting": ("Chờ văn bản gốc", "Waiting for its document"),
    # the same in a narrow column
    "state.short.rejected": ("Từ chối tiếp nhận", "Refused"),
    # what the receiver reads
    "state.in.delivered": ("Chờ tiếp nhận", "Waiting to be taken in"),
    "state.in.rejected": ("Đã từ chối tiếp nhận (trả lại nơi gửi)", "Refused, returned"),
    "state.in.accepted": ("Đã tiếp nhận, chờ phân công", "Taken in, to be assigned"),
    "state.in.assigned": ("Đã phân công", "Assigned"),
    "state.in.processing": ("Đang xử lý", "In progress"),
    "state.in.done": ("Đã hoàn thành", "Completed"),
    "state.in.recall_asked": ("Nơi gửi thông báo thu hồi", "Sender sent a recall notice"),
    "state.in.take_back_asked": ("Nơi gửi yêu cầu lấy lại", "Sender asks to take it back"),
    "state.in.update_asked": ("Nơi gửi yêu cầu cập nhật", "Sender asks to update"),
    "state.in.request_agreed": ("Đã đồng ý lấy lại, cập nhật", "Agreed"),
    "state.in.request_refused": ("Đã từ chối lấy lại, cập nhật", "Refused"),
    # incoming documents, 1.3
    "state.in.new": ("Chờ tiếp nhận", "Waiting to be taken in"),
    "state.in.held": ("Tạm giữ, chờ văn thư xem xét", "On hold for the clerk"),
    "state.in.recalled": ("Đã thu hồi văn bản", "Document recalled"),
    "state.in.replaced": ("Đã được thay thế", "Replaced"),
    "state.in.sealed": ("Niêm phong (nghi có bí mật nhà nước)", "Sealed"),
    # hand-over to the document system, 1.4
    "handover.available": ("Chưa giao cho QLVB", "Not handed over"),
    "handover.leased": ("Đang giao cho QLVB", "Being handed over"),
    "handover.acked": ("Đã giao cho QLVB", "Handed over"),
    # packets that did not become a document, 1.4
    "packet.landed": ("Đã nhận gói tin, chờ kiểm tra", "Landed, to be verified"),
    "packet.done": ("Đã xử lý gói tin", "Handled"),
    "packet.waiting": ("Chờ văn bản gốc", "Waiting for its document"),
    "packet.held": ("Tạm giữ", "Held"),
    "packet.quarantined": ("Cách ly", "Quarantined"),
    "packet.malformed": ("Gói tin lỗi", "Malformed packet"),
    "packet.sealed": ("Niêm phong", "Sealed"),
    "packet.released": ("Đã đưa vào văn bản đến", "Released"),
    "packet.returned": ("Đã trả lại nơi gửi", "Returned"),
    "packet.discarded": ("Đã loại bỏ (có lý do)", "Discarded"),
    # outbox rows
    "outbox.waiting": ("Chờ gửi", "Waiting"),
    "outbox.sent": ("Đã gửi", "Sent"),
    "outbox.failed": ("Gửi lỗi", "Failed"),
    "outbox.cancelled": ("Đã hủy gửi", "Cancelled"),
    # marks beside the word
    "mark.contradiction": (
        "Nơi nhận vừa từ chối vừa tiếp nhận; hãy gọi hỏi nơi nhận",
        "The recipient both refused and took in; ask them",
    ),
    "mark.request_refused": ("Nơi nhận không đồng ý: {request}", "The recipient refused: {request}"),
    "mark.request_agreed": ("Nơi nhận đã đồng ý: {request}", "The recipient agreed: {request}"),
    "mark.stray": (
        "Có trả lời (mã {code}) nhưng không có yêu cầu nào đang chờ",
        "An answer (code {code}) without an open request",
    ),
    "mark.unknown": ("Trạng thái chưa xác định (mã {code})", "Undetermined status (code {code})"),
    "mark.updated": ("Đã cập nhật theo yêu cầu của nơi gửi", "Updated as the sender asked"),
    "mark.purged": ("Tệp đã xóa sau khi thu hồi", "Files purged after the recall"),
    "mark.overdue": ("Quá hạn", "Overdue"),
    "mark.skewed": ("Lệch giờ", "Clock differs"),
    "mark.replaced_by": ("Được thay thế bằng {number}", "Replaced by {number}"),
    "mark.awaiting_number": ("Chờ số đến từ QLVB", "Arrival number to come from the document system"),
    "mark.weak": ("Chữ ký gói tin yếu, không có biên nhận", "Weak packet signature, no receipt"),
    # the three requests
    "request.recall": ("thu hồi văn bản", "recall of the document"),
    "request.take_back": ("lấy lại văn bản", "taking back the document"),
    "request.update": ("cập nhật văn bản", "update of the document"),
    "request.asked": ("Chờ trả lời", "Waiting for an answer"),
    "request.agreed": ("Đã đồng ý", "Agreed"),
    "request.refused": ("Không đồng ý", "Refused"),
    "request.withdrawn": ("Nơi gửi đã rút yêu cầu", "Withdrawn by the sender"),
    # why a status may not be set now
    "status.unknown_code": (
        "Không có mã trạng thái này. Dùng 02 đến 06, 15 hoặc 16.",
        "There is no such status code. Use 02 to 06, 15 or 16.",
    ),
    "status.not_by_hand": (
        "Mã này không do người nhận đặt. Dùng 02 đến 06, 15 hoặc 16.",
        "The receiver does not set this code. Use 02 to 06, 15 or 16.",
    ),
    "status.sealed": (
        "Văn bản đang niêm phong, không đổi được trạng thái. Liên hệ thủ trưởng cơ quan.",
        "The document is sealed and its state cannot change. Ask the head of the agency.",
    ),
    "status.recalled": (
        "Văn bản đã thu hồi, không đổi được trạng thái nữa.",
        "The document is recalled; its state cannot change any more.",
    ),
    "status.no_open_request": (
        "Không có yêu cầu thu hồi, lấy lại hay cập nhật nào đang chờ trả lời.",
        "There is no open recall, take-back or update request to answer.",
    ),
    # a document with several recipients
    "state.of_many": ("{count}/{total} đã tiếp nhận", "{count}/{total} taken in"),
}
