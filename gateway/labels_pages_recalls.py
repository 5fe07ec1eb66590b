"""Words of a recall that the head of the agency has to agree to, on pages and tasks, Vietnamese first."""

from __future__ import annotations

RECALLS: dict[str, tuple[str, str]] = {
    "recalls.title": ("Đề nghị thu hồi văn bản", "Recall asked for"),
    "recalls.ask.do": ("Trình lãnh đạo phê duyệt", "Ask the head to approve"),
    "recalls.ask.text": (
        "Thông báo thu hồi chỉ gửi đi sau khi lãnh đạo phê duyệt trên hệ thống: {heads}.",
        "The recall leaves only once the head has approved it here: {heads}.",
    ),
    "recalls.waits": (
        "Đề nghị thu hồi văn bản đang chờ lãnh đạo phê duyệt. Chưa có gì gửi đi.",
        "A recall of this document waits for the head. Nothing has left.",
    ),
    "recalls.was_refused": (
        "Lãnh đạo không phê duyệt đề nghị thu hồi văn bản.",
        "The head did not approve the recall.",
    ),
    "recalls.open": ("Xem đề nghị thu hồi văn bản", "Look at the recall asked for"),
    "recalls.who": ("Người đề nghị", "Asked by"),
    "recalls.behalf": ("{person}, thay mặt {other}", "{person}, on behalf of {other}"),
    "recalls.when": ("Thời điểm đề nghị", "Asked at"),
    "recalls.form": ("Hình thức", "Form"),
    "recalls.to": ("Nơi nhận được yêu cầu", "Recipients to be asked"),
    "recalls.state": ("Trạng thái", "State"),
    "recalls.decided": ("Người quyết định", "Decided by"),
    "recalls.why": ("Lý do không phê duyệt", "Why it was not approved"),
    "recalls.why.hint": (
        "Ít nhất 10 ký tự; văn thư đọc được lý do này.",
        "At least 10 characters; the clerk reads it.",
    ),
    "recalls.approve": ("Phê duyệt", "Approve"),
    "recalls.approve.do": ("Phê duyệt và thu hồi văn bản", "Approve and recall the document"),
    "recalls.approve.text": (
        "Khi phê duyệt, thông báo thu hồi gửi ngay tới các nơi nhận nêu trên, ghi tên người phê duyệt: {name}.",
        "Once approved, the recall leaves for the recipients above, with this name as who approved: {name}.",
    ),
    "recalls.refuse": ("Không phê duyệt", "Do not approve"),
    "recalls.refuse.do": ("Không phê duyệt", "Do not approve"),
    "recalls.withdraw": ("Rút đề nghị", "Take the question back"),
    "recalls.withdraw.do": ("Rút đề nghị", "Take the question back"),
    "recalls.withdraw.text": (
        "Rút đề nghị khi chưa được phê duyệt: không gửi gì, có thể đề nghị lại.",
        "Before it is approved: nothing is sent, and one may ask again.",
    ),
    "recalls.own": (
        "Không ai tự phê duyệt đề nghị của mình, kể cả khi được ủy quyền. Nhờ lãnh đạo khác.",
        "Nobody approves what oneself asked for, not under a delegation either. Another head has to.",
    ),
    "recalls.for_heads": (
        "Chờ lãnh đạo phê duyệt: {heads}.",
        "Waits for the head: {heads}.",
    ),
    "recalls.none": (
        "Chưa có đề nghị thu hồi nào cho văn bản này.",
        "Nobody has asked for a recall of this document.",
    ),
    "recalls.history": ("Các lần đề nghị", "Every time that it was asked for"),
    "recall_ask.asked": ("Chờ lãnh đạo phê duyệt", "Waits for the head"),
    "recall_ask.approved": ("Đã phê duyệt", "Approved"),
    "recall_ask.refused": ("Không được phê duyệt", "Not approved"),
    "recall_ask.withdrawn": ("Đã rút đề nghị", "Taken back"),
    "told.recalls.asked": (
        "Đã trình lãnh đạo phê duyệt. Chưa có gì gửi đi.",
        "The head is asked. Nothing has left.",
    ),
    "told.recalls.refused": ("Đã ghi: không phê duyệt.", "Not approved."),
    "told.recalls.withdrawn": ("Đã rút đề nghị.", "Taken back."),
    "task.approve_recall": ("Đề nghị thu hồi văn bản chờ phê duyệt", "Recall to approve"),
    "tasks.do.approve": ("Xem và phê duyệt", "Look and decide"),
    "event.recall": ("Đề nghị thu hồi văn bản (tất cả)", "Recalls asked for (all)"),
    "event.recall.asked": ("Trình lãnh đạo đề nghị thu hồi văn bản", "Recall asked for"),
    "event.recall.approved": ("Phê duyệt thu hồi văn bản", "Recall approved"),
    "event.recall.refused": ("Không phê duyệt thu hồi văn bản", "Recall not approved"),
    "event.recall.withdrawn": ("Rút đề nghị thu hồi văn bản", "Recall taken back before approval"),
    "clash.GW-RECALL-ASKED": (
        "Văn bản này đang có một đề nghị thu hồi chờ phê duyệt.",
        "A recall of this document waits for approval already.",
    ),
    "clash.GW-RECALL-OVER": (
        "Đề nghị này không còn chờ phê duyệt.",
        "This does not wait for approval any more.",
    ),
    "clash.GW-RECALL-SELF": (
        "Không ai tự phê duyệt đề nghị của mình, kể cả khi được ủy quyền.",
        "Nobody approves what oneself asked for, not under a delegation either.",
    ),
}
