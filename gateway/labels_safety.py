"""What is said about file names, malware, stamps of secrecy and the sealed hold. In: nothing. Out: `SAFETY`, key to
(vi, en)."""

from __future__ import annotations

SAFETY: dict[str, tuple[str, str]] = {
    "rule.name-odd": (
        "Tên tệp có ký tự lạ hoặc dễ nhầm, được ghi là {name}. Hãy nhìn kỹ trước khi mở.",
        "The file's name has unusual or misleading characters and is shown as {name}. Look twice before opening it.",
    ),
    "rule.name-cut": (
        "Tên tệp dài {length} byte, quá mức {most} byte, nên được ghi ngắn lại là {name}. Hãy đặt tên ngắn hơn.",
        "The file's name has {length} bytes, more than {most}, and is cut to {name}. Give it a shorter name.",
    ),
    "rule.malware": (
        "Tệp {name} có mã độc ({malware}). Không gửi; hãy quét lại máy tính này.",
        "File {name} carries malware ({malware}). It is not sent; have this computer scanned.",
    ),
    "rule.unscanned": (
        "Tệp {name} chưa được quét mã độc ({unscanned}).",
        "File {name} was not scanned for malware ({unscanned}).",
    ),
    "unscanned.down": ("máy quét không trả lời", "the scanner does not answer"),
    "unscanned.late": ("máy quét trả lời quá chậm", "the scanner takes too long"),
    "unscanned.too-large": ("tệp lớn hơn mức máy quét nhận", "it is larger than the scanner takes"),
    "rule.secrecy-stamp": (
        "Trang 1 của {name} có chữ “{word}”. Nếu là văn bản mật thì không được gửi; nếu không phải, hãy xác nhận để "
        "tiếp tục.",
        "Page 1 of {name} contains “{word}”. If it is a secret document it must not be sent; if not, confirm to go on.",
    ),
    "clash.GW-CONFIRM": (
        "Cần xác nhận trước khi gửi.",
        "It has to be confirmed before it is sent.",
    ),
    "error.scanner_down": (
        "Máy quét mã độc chưa trả lời nên chưa nhận tệp. Hãy thử lại sau ít phút.",
        "The scanner for malware does not answer, so no file is taken. Try again in a few minutes.",
    ),
    "active.remote-content": ("nội dung tải từ nơi khác", "content fetched from elsewhere"),
    "field.confirm": ("xác nhận", "confirmation"),
    "doctor.scanner.off": (
        "Chưa đặt máy quét mã độc (scanner.address); tệp không được quét",
        "No scanner for malware is set up (scanner.address); files are not scanned",
    ),
    "doctor.scanner.fine": ("Máy quét mã độc: {version}", "The scanner for malware: {version}"),
    "doctor.scanner.down": (
        "Máy quét mã độc không trả lời ({reason}); gói đến nằm chờ, gói đi chưa nhận",
        "The scanner for malware does not answer ({reason}); packets wait, nothing is accepted for sending",
    ),
    "doctor.hold.none": ("Không có văn bản nào bị niêm phong", "Nothing is in the sealed hold"),
    "doctor.hold.no_key": (
        "Chưa đặt khóa niêm phong của người đứng đầu (seal.recipient): văn bản nghi mật chỉ bị khóa, chưa mã hóa riêng",
        "The head's key is not set (seal.recipient): what is suspected to be secret is only locked, not sealed apart",
    ),
    "doctor.hold.unsealed": (
        "{count} văn bản đã khóa nhưng chưa mã hóa riêng được vì chưa đặt seal.recipient",
        "{count} {count:document is|documents are} locked and cannot be sealed, because seal.recipient is not set",
    ),
    "doctor.hold.frozen": (
        "{count} văn bản đã khóa, đang chờ mã hóa riêng",
        "{count} {count:document is|documents are} locked and {count:waits|wait} to be sealed",
    ),
    "doctor.hold.open": (
        "{count} văn bản đang bị niêm phong, chờ người có thẩm quyền quyết định",
        "{count} {count:document is|documents are} in the sealed hold and {count:waits|wait} for a decision",
    ),
    "cli.status.scanner": ("Máy quét mã độc: {state}", "Scanner for malware: {state}"),
    "scanner.ok": ("đang chạy", "answers"),
    "scanner.off": ("chưa đặt", "none is set up"),
    "scanner.down": ("không trả lời", "does not answer"),
    "scanner.late": ("trả lời quá chậm", "takes too long"),
    # the sealed hold
    "hold.frozen": ("Đã khóa, chưa mã hóa riêng", "Locked, not yet sealed"),
    "hold.sealed": ("Đang niêm phong", "Sealed"),
    "hold.lifted": ("Đã bỏ niêm phong", "Lifted"),
    "hold.purged": ("Đã tiêu hủy nội dung", "Content purged"),
    "clash.GW-SEALED": ("Văn bản đã được niêm phong trước đó.", "It is in the sealed hold already."),
    "cli.ask.seal": ("Niêm phong {document}?", "Put {document} into the sealed hold?"),
    "cli.ask.lift": ("Bỏ niêm phong {hold}?", "Lift the hold {hold}?"),
    "cli.ask.purge": (
        "Tiêu hủy vĩnh viễn nội dung của {hold}?",
        "Remove the content of {hold} for good?",
    ),
    "cli.hold.begun": (
        "Đã niêm phong. Báo người đứng đầu; xem dự thảo thông báo: gateway hold notice {hold} --to operator",
        "Sealed. Tell the head; for drafts of the notices: gateway hold notice {hold} --to operator",
    ),
    "cli.hold.unsealed": (
        "Đã khóa, không ai đọc được ở nút này; nội dung sẽ được mã hóa riêng ngay khi đặt seal.recipient.",
        "Locked: nobody reads it at this node. Its content is sealed as soon as seal.recipient is set.",
    ),
    "cli.hold.handed_over": (
        "Phần mềm quản lý văn bản đã lấy bản này: phải gỡ ở đó nữa.",
        "A document system has a copy: it must be taken down there too.",
    ),
    "cli.hold.others": (
        "Nút này còn {count} chỗ khác dùng cùng nội dung: niêm phong cả những chỗ đó.",
        "The same content is used {count} more times at this node: seal those too.",
    ),
    "cli.hold.passphrase": ("Mật khẩu của khóa riêng", "Passphrase of the private key"),
    "cli.hold.new_passphrase": ("Mật khẩu mới cho khóa riêng", "A new passphrase for the private key"),
    "cli.hold.again": ("Nhập lại mật khẩu", "The same passphrase again"),
    "cli.hold.bad_passphrase": (
        "Hai lần nhập phải giống nhau, ít nhất {least} ký tự.",
        "Both must be the same, of {least} characters at least.",
    ),
    "cli.hold.key_made": (
        "Đặt seal.recipient = {public} trên nút. Giao khóa riêng cho người đứng đầu, không để trên nút.",
        "Set seal.recipient = {public} on the node. Give the private half to the head; never leave it on the node.",
    ),
    "hold.notice.operator": (
        "Kính gửi: Đơn vị quản lý, vận hành hệ thống liên thông văn bản điện tử\n\n"
        "{day}, {agency} phát hiện văn bản {document} (nơi gửi: {sender}) có dấu hiệu chứa bí mật nhà nước và đã "
        "niêm phong tại nút {node}: không ai đọc được, nội dung được mã hóa riêng (mã niêm phong {hold}).\n\n"
        "Đề nghị gỡ bỏ nội dung này ở mọi nơi khác trong hệ thống và thông báo kết quả. Giá trị băm SHA-256 của nội "
        "dung:\n{digests}\n\nKhông chép nội dung văn bản vào thông báo này.",
        "To the operator of the exchange system\n\n"
        "{day}: {agency} found that document {document} (sender: {sender}) may hold a state secret, and put it under "
        "seal at node {node}: nobody can read it, its content is encrypted apart (hold {hold}).\n\n"
        "Please take this content down everywhere else in the system, and tell us what was done. SHA-256 of the "
        "content:\n{digests}\n\nDo not copy anything of the document into this notice.",
    ),
    "hold.notice.sender": (
        "Kính gửi: {sender}\n\n"
        "{day}, {agency} nhận được văn bản {document} của quý cơ quan, có dấu hiệu chứa bí mật nhà nước. Văn bản đã "
        "được niêm phong (mã niêm phong {hold}), chưa xử lý.\n\n"
        "Đề nghị quý cơ quan kiểm tra, gỡ bỏ nội dung ở các nơi đã gửi và gửi văn bản theo đúng quy định về bảo vệ bí "
        "mật nhà nước nếu đúng là văn bản mật.",
        "To {sender}\n\n"
        "{day}: {agency} received your document {document}, which may hold a state secret. It is under seal (hold "
        "{hold}) and was not processed.\n\n"
        "Please look into it, have the content taken down wherever you sent it, and if it is a secret, send it in the "
        "way that the law on state secrets demands.",
    ),
    "hold.notice.recipients": (
        "Kính gửi: Các cơ quan đã nhận văn bản {document}\n\n"
        "{day}, {agency} phát hiện văn bản nêu trên có dấu hiệu chứa bí mật nhà nước. Đề nghị quý cơ quan niêm phong "
        "ngay bản đã nhận, không sao chép, không chuyển tiếp, và thông báo kết quả. Mã niêm phong tại nơi gửi: {hold}.",
        "To the agencies that received document {document}\n\n"
        "{day}: {agency} found that this document may hold a state secret. Please seal the copy that you have at once, "
        "do not copy it or pass it on, and tell us what was done. Hold at the sender: {hold}.",
    ),
}
