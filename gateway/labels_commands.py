"""What the command line says beside its data: questions, columns, progress, and the findings of `gateway doctor`.
In: nothing. Out: `COMMANDS`, key to (vi, en)."""

from __future__ import annotations

_TALK: dict[str, tuple[str, str]] = {
    "cli.usage": ("Câu lệnh không đúng", "The command cannot be understood"),
    "cli.demo.used": (
        "thư mục {folder} đã có dữ liệu; hãy chọn thư mục mới",
        "the folder {folder} holds something already; name a new one",
    ),
    "cli.internal": (
        "Lỗi không lường trước ({name}). Chạy lại với -v để ghi chi tiết vào nhật ký.",
        "Something unforeseen ({name}). Run it again with -v to have the details in the log.",
    ),
    "cli.would": ("Chạy thử, chưa làm gì: {what}", "Dry run, nothing was done: {what}"),
    "cli.needs_yes": (
        "Không có màn hình để hỏi “{what}”; thêm --yes nếu chắc chắn.",
        "There is no terminal to ask “{what}” at; add --yes if you are sure.",
    ),
    "cli.line": ("  · {text}", "  · {text}"),
    "cli.done": ("Đã xong.", "Done."),
    "cli.more": ("Còn nữa: thêm {command}", "There is more: add {command}"),
    "cli.settings_fine": ("Cấu hình dùng được: {file}", "The settings can be used: {file}"),
    "cli.would_send": (
        "Chạy thử: văn bản đủ điều kiện, sẽ gửi tới {count} nơi: {to}",
        "Dry run: the document may be sent, to {count} {count:recipient|recipients}: {to}",
    ),
    "cli.waiting": ("{there} nơi nhận: {state}", "{there} recipients: {state}"),
    "cli.not_yet": ("Chưa xong trong thời gian chờ", "Not there yet when the time was up"),
    "cli.stuck": ("Chưa đóng gói được: {reason}", "It could not be packed yet: {reason}"),
    "cli.silent": ("chưa có trạng thái, quá {minutes} phút", "no status for {minutes} minutes"),
    "cli.correct_and_send": (
        "sửa văn bản theo lý do trên rồi gateway send",
        "correct the document as the reason says, then gateway send",
    ),
    "cli.said": ("Đã báo nơi gửi: {state}", "The sender will be told: {state}"),
    "cli.said_before": ("Đã báo từ trước: {state}", "It was said before: {state}"),
    "cli.inbox.about": ("Về văn bản: {id}", "About: {id}"),
    "cli.register_no": ("Số đến: {number}", "Arrival number: {number}"),
    "cli.pulled": ("{id} → {where}", "{id} → {where}"),
    "cli.preview_only": (
        "Mới xem trước, chưa thay đổi gì. Thêm --apply để áp dụng.",
        "Preview only, nothing was changed. Add --apply to put it in force.",
    ),
    "cli.no_certificate": ("chưa có chứng thư số", "no certificate yet"),
    "cli.secret_once": (
        "Khóa API trên chỉ hiện một lần này. Hãy cất giữ ngay.",
        "The API key above is shown this once. Keep it now.",
    ),
    "cli.as-root": (
        "Cảnh báo: nút đang chạy bằng quyền root. Hãy tạo một người dùng riêng cho nút, xem docs/install.md.",
        "Warning: the node runs as root. Give it a user of its own, see docs/install.md.",
    ),
    "cli.serving": (
        "Nút {name} đang chạy tại {url}. Nhấn Ctrl+C để dừng.",
        "Node {name} is at {url}. Ctrl+C stops it.",
    ),
    "cli.working": ("Nút {name} đang chạy. Nhấn Ctrl+C để dừng.", "Node {name} is at work. Ctrl+C stops it."),
    "cli.served": ("Đã dừng, không mất việc nào.", "Stopped; no work was lost."),
    "cli.which_agency": (
        "Nút này phục vụ nhiều cơ quan. Hãy thêm --agency MÃ.",
        "This node speaks for several agencies. Add --agency CODE.",
    ),
    "cli.which_document": (
        "Có nhiều văn bản cùng số, ký hiệu. Hãy dùng mã của văn bản.",
        "Several documents have this number and symbol. Give the id of one.",
    ),
    "cli.quarantine_waits": (
        "Có gói tin bị giữ lại, cần người xem: gateway inbox list --quarantine",
        "Packets are held back and need a person: gateway inbox list --quarantine",
    ),
    "cli.packet.decide": (
        "kiểm tra lại: gateway inbox release {id} · trả lại nơi gửi: gateway inbox return {id} · loại bỏ: gateway inbox "
        "discard {id}",
        "verify again: gateway inbox release {id} · give back: gateway inbox return {id} · set aside: gateway inbox "
        "discard {id}",
    ),
    "cli.axis.state": (
        "{waiting} gói chờ (khẩn: {urgent}), {leased} gói đang giao, {dead} gói ở hàng lỗi",
        "{waiting} {waiting:packet waits|packets wait} (urgent: {urgent}), {leased} {leased:is|are} being handed "
        "over, {dead} on the dead list",
    ),
    "cli.backup.copied": ("  {what}: {count}", "  {what}: {count}"),
    "cli.backup.lacks": (
        "Bản sao lưu đã ghi, nhưng thiếu hoặc hỏng {count} tệp nội dung. Kiểm tra ổ đĩa và bản sao lưu trước đó.",
        "The backup is written, but {count} {count:file|files} of the content {count:is|are} missing or damaged. "
        "Check the disk, and the backup "
        "before this one.",
    ),
    "cli.restore.equal": (
        "Đã khôi phục {rows} dòng, {files} tệp, khớp hoàn toàn.",
        "Restored {rows} {rows:row|rows}, {files} {files:file|files}, equal.",
    ),
    "cli.restore.kept_trust": (
        "Thư mục tin cậy đã có tệp nên được giữ nguyên.",
        "The trust folder had files already and was left as it is.",
    ),
    "cli.restore.next": (
        "Nút chưa hoạt động cho tới khi được xác nhận. Xem những điều cần kiểm tra: gateway restored",
        "The node does not work until it is confirmed. See what to check: gateway restored",
    ),
    "cli.restored.none": (
        "Không có lần khôi phục nào chờ xác nhận.",
        "No restore waits to be confirmed.",
    ),
    "cli.restored.number": (
        "số đến của {code}: bản sao lưu biết tới số {last}",
        "arrival numbers of {code}: the copy knows them up to {last}",
    ),
    "cli.restored.certificate": (
        "chứng thư số của {code}: {fingerprint}, gắn ngày {day}",
        "certificate of {code}: {fingerprint}, bound {day}",
    ),
    "cli.restored.check": (
        "Đối chiếu số đến với sổ giấy; chứng thư số nào đã thu hồi sau thời điểm sao lưu thì thu hồi lại. Rồi xác nhận "
        "bằng gateway restored --number MÃ=SỐ --withdraw MÃ=DẤU_VÂN_TAY --confirmed-by … --approved-by …",
        "Compare the numbers with the book on paper; withdraw each certificate that was withdrawn after the backup. Then "
        "confirm with gateway restored --number CODE=N --withdraw CODE=FINGERPRINT --confirmed-by … --approved-by …",
    ),
    "cli.token.active": ("đang dùng", "active"),
    "cli.token.revoked": ("đã thu hồi khóa", "revoked"),
    "cli.token.expired": ("hết hạn", "expired"),
    "cli.token.everywhere": ("mọi địa chỉ", "everywhere"),
}

_ASK: dict[str, tuple[str, str]] = {
    "cli.ask.restore": (
        "Khôi phục nút này từ {file} vào {folder}?",
        "Restore this node from {file} into {folder}?",
    ),
    "cli.ask.restored": (
        "Xác nhận đã kiểm tra nút được khôi phục từ bản sao lưu {at}?",
        "Confirm that the node restored from the backup of {at} was checked?",
    ),
    "cli.ask.resend": ("Gửi lại {document} tới {to}?", "Send {document} again to {to}?"),
    "cli.ask.cancel": ("Hủy gửi {document}?", "Cancel the sending of {document}?"),
    "cli.ask.recall": (
        "Gửi yêu cầu thu hồi văn bản {document}, lý do: {reason}?",
        "Ask to recall {document}, because: {reason}?",
    ),
    "cli.ask.update": (
        "Gửi bản cập nhật của {document}, lý do: {reason}?",
        "Send an update of {document}, because: {reason}?",
    ),
    "cli.ask.replace": (
        "Gửi văn bản thay thế {document}, lý do: {reason}?",
        "Send a replacement of {document}, because: {reason}?",
    ),
    "cli.ask.accept": ("Tiếp nhận {document} và báo nơi gửi?", "Take in {document} and tell the sender?"),
    "cli.ask.reject": (
        "Từ chối tiếp nhận {document} và trả lại nơi gửi?",
        "Refuse {document} and return it to the sender?",
    ),
    "cli.ask.status": ("Báo nơi gửi mã {code} về {document}?", "Tell the sender {code} about {document}?"),
    "cli.ask.assign": ("Phân công {document} cho {unit}?", "Assign {document} to {unit}?"),
    "cli.ask.release": (
        "Kiểm tra lại gói tin {packet} từ đầu?",
        "Have the packet {packet} verified again from the start?",
    ),
    "cli.ask.return": (
        "Trả gói tin {packet} lại nơi gửi, lý do: {reason}?",
        "Return the packet {packet} to its sender, because: {reason}?",
    ),
    "cli.ask.send_draft": ("Gửi bản nháp {document} tới {to}?", "Send the draft {document} to {to}?"),
    "cli.ask.dead_retry": ("Giao lại gói {parcel}?", "Hand the parcel {parcel} out again?"),
    "cli.ask.dead_drop": (
        "Bỏ hẳn gói {parcel}? Nơi nhận sẽ không có gói này.",
        "Drop the parcel {parcel} for good? Its recipient will never have it.",
    ),
    "cli.ask.discard": ("Loại bỏ hẳn gói tin {packet}?", "Set the packet {packet} aside for good?"),
    "cli.ask.import": (
        "Áp dụng danh mục: thêm {added}, sửa {changed}, đóng {closed}?",
        "Apply the list: {added} added, {changed} changed, {closed} closed?",
    ),
    "cli.ask.new_key": ("Tạo khóa {kind} cho {code}?", "Make a {kind} key for {code}?"),
    "cli.ask.import_certificate": (
        "Nạp chứng thư số {file} cho {code}?",
        "Import the certificate {file} for {code}?",
    ),
    "cli.ask.pin": (
        "Xác nhận chứng thư số có vân tay {fingerprint} là của {code}?",
        "Confirm that the certificate with fingerprint {fingerprint} is that of {code}?",
    ),
    "cli.ask.new_token": (
        "Cấp khóa API {name} cho {code}, quyền: {scopes}?",
        "Make an API key {name} for {code} with {scopes}?",
    ),
    "cli.ask.revoke": ("Thu hồi khóa API {id} ngay?", "Revoke the API key {id} now?"),
    "cli.ask.contract": (
        "Áp dụng {count} bước, bỏ những gì phiên bản cũ còn cần?",
        "Apply {count} steps and remove what only older versions need?",
    ),
}

_INIT: dict[str, tuple[str, str]] = {
    "cli.init.data_dir": ("1/6 Thư mục dữ liệu", "1/6 Data folder"),
    "cli.init.code": ("2/6 Mã định danh cơ quan", "2/6 Code of your agency"),
    "cli.init.name": ("3/6 Tên cơ quan", "3/6 Name of your agency"),
    "cli.init.numbering": (
        "4/6 Số đến: A do QLVB cấp, B do nút cấp, C văn thư nhập",
        "4/6 Arrival numbers: A by your document system, B by this node, C typed by the clerk",
    ),
    "cli.init.port": ("5/6 Cổng API", "5/6 Port of the API"),
    "cli.init.ca": (
        "6/6 Tệp chứng thư gốc PEM (để trống: thêm sau)",
        "6/6 Root certificates, PEM file (empty: later)",
    ),
    "cli.init.database": ("Cơ sở dữ liệu đã sẵn sàng: {path}", "The database is ready: {path}"),
    "cli.init.no_password": (
        "Khóa trao đổi chưa đặt mật khẩu: chỉ nên dùng để thử. Đặt GATEWAY_KEYS_PASSWORD_FILE rồi tạo khóa mới.",
        "The exchange key has no password: fit for trying out only. Set GATEWAY_KEYS_PASSWORD_FILE and make a new key.",
    ),
    "cli.init.no_ca": (
        "Chưa có chứng thư gốc: chép vào {path} trước khi chạy.",
        "There are no root certificates yet: put them at {path} before you start the node.",
    ),
    "cli.init.next": (
        "Việc tiếp theo: xin cấp chứng thư số cho {request}, rồi gateway keys import, gateway doctor, gateway serve.",
        "Next: have {request} signed, then gateway keys import, gateway doctor, gateway serve.",
    ),
    "cli.init.set_up": (
        "Thiết lập ban đầu mở đến {until}: hai người đã ghi danh được đề xuất và phê duyệt ngay, vẫn phải đối chiếu 16 ký"
        " tự qua kênh khác. Xong việc thì kết thúc sớm: gateway people end-set-up --as TÊN",
        "The set-up is open until {until}: two enrolled persons may propose and approve at once, and still compare the 16"
        " digits by another channel. When done, end it early: gateway people end-set-up --as NAME",
    ),
}

_COLUMNS: dict[str, tuple[str, str]] = {
    "cli.setting": ("Cấu hình", "Setting"),
    "cli.value": ("Giá trị", "Value"),
    "cli.source": ("Nguồn", "Source"),
    "cli.column.id": ("Mã", "Id"),
    "cli.column.kind": ("Nghiệp vụ", "Kind"),
    "cli.column.number": ("Số, ký hiệu", "Number, symbol"),
    "cli.column.date": ("Ngày văn bản", "Date"),
    "cli.column.subject": ("Trích yếu", "Subject"),
    "cli.column.to": ("Nơi nhận", "Recipients"),
    "cli.column.from": ("Nơi gửi", "Sender"),
    "cli.column.state": ("Trạng thái", "Status"),
    "cli.column.created": ("Tạo lúc", "Created"),
    "cli.column.arrived": ("Đến lúc", "Arrived"),
    "cli.column.register_no": ("Số đến", "Arrival no."),
    "cli.column.packet": ("Gói tin", "Packet"),
    "cli.column.tries": ("Lần giao", "Tries"),
    "cli.column.at": ("Thời điểm", "Time"),
    "cli.column.event": ("Việc", "Event"),
    "cli.column.detail": ("Chi tiết", "Detail"),
    "cli.column.code": ("Mã định danh", "Agency code"),
    "cli.column.finding": ("Mã lỗi", "Finding"),
    "cli.column.reason": ("Lý do", "Reason"),
    "cli.column.folder": ("Thư mục", "Folder"),
    "cli.column.name": ("Tên", "Name"),
    "cli.column.alias": ("Mã cũ", "Old code"),
    "cli.column.parent": ("Cấp trên", "Parent"),
    "cli.column.valid": ("Hiệu lực", "Valid"),
    "cli.column.source": ("Nguồn", "Source"),
    "cli.column.algorithm": ("Thuật toán", "Algorithm"),
    "cli.column.serial": ("Số sê-ri", "Serial"),
    "cli.column.scopes": ("Quyền", "Scopes"),
    "cli.column.networks": ("Dải địa chỉ IP", "IP range"),
    "cli.column.expires": ("Hết hạn", "Expires"),
}

_DOCTOR: dict[str, tuple[str, str]] = {
    "doctor.failed": ("Không kiểm tra được: {detail}", "It could not be checked: {detail}"),
    "doctor.folder.missing": ("Không có thư mục {path}", "The folder {path} does not exist"),
    "doctor.folder.read_only": ("Không ghi được vào {path}", "{path} cannot be written"),
    "doctor.folder.open": (
        "Người khác trên máy đọc được thư mục khóa {path}",
        "Others on this machine can read the key folder {path}",
    ),
    "doctor.folder.fine": ("{path} ghi được", "{path} can be written"),
    "doctor.disk.low": (
        "Ổ đĩa của {path} chỉ còn trống {free_bytes}; dọn bớt hoặc mở rộng",
        "The disk of {path} has only {free_bytes} free; clean up or enlarge it",
    ),
    "doctor.disk.fine": (
        "Ổ đĩa của {path} còn trống {free_bytes}",
        "The disk of {path} has {free_bytes} free",
    ),
    "doctor.clock.apart": (
        "Đồng hồ máy và đồng hồ máy chủ cơ sở dữ liệu lệch nhau {seconds} giây, quá {most} giây: hai máy sẽ cùng làm "
        "một việc",
        "The clocks of this machine and of the database server are {seconds} s apart, more than {most} s: two machines "
        "would do the same work",
    ),
    "doctor.clock.behind": (
        "Đồng hồ máy sai: đang là {now}, nhưng dữ liệu đã ghi lúc {written}",
        "The clock is wrong: it says {now}, and data was written at {written}",
    ),
    "doctor.clock.moved": (
        "Đồng hồ máy đã từng chạy trước và được chỉnh lại: {count} việc mang giờ ở quá xa ({tables}), nhật ký ghi đến "
        "{written}; nút tự làm tiếp các việc đó, không chờ đến ngày ấy",
        "The clock was ahead and was set back: {count} pieces of work carry times that are too far ahead ({tables}), the "
        "history was written up to {written}; the node goes on with them and waits for no such day",
    ),
    "doctor.clock.fine": ("Đồng hồ máy: {now}", "The clock says {now}"),
    "doctor.trust.missing": (
        "Không có chứng thư gốc {path}: không xác thực được nơi gửi nào",
        "There are no root certificates at {path}: no sender can be proved",
    ),
    "doctor.trust.expiring": (
        "Chứng thư gốc trong {path} hết hạn ngày {until}",
        "A root certificate in {path} ends on {until}",
    ),
    "doctor.trust.fine": ("Chứng thư gốc {path}, đến {until}", "Root certificates {path}, until {until}"),
    "doctor.revocation.none": (
        "Không có danh sách thu hồi chứng thư số trong {path}: không biết khi khóa bị lộ",
        "There are no revocation lists in {path}: a stolen key would not be noticed",
    ),
    "doctor.revocation.late": (
        "Danh sách thu hồi {path} đã hết hạn lúc {until}; tải bản mới",
        "The revocation list {path} ended at {until}; fetch a new one",
    ),
    "doctor.revocation.fine": (
        "Danh sách thu hồi {path}, đến {until}",
        "Revocation list {path}, until {until}",
    ),
    "doctor.database.missing": ("Chưa có cơ sở dữ liệu {path}", "The database {path} does not exist"),
    "doctor.database.old": (
        "Cơ sở dữ liệu ở bước {current}, phiên bản này cần {head}",
        "The database is at step {current}, and this version needs {head}",
    ),
    "doctor.database.damaged": (
        "Tệp cơ sở dữ liệu hỏng: {detail}. Dừng nút, phục hồi bản sao lưu",
        "The database file is damaged: {detail}. Stop the node and restore the backup",
    ),
    "doctor.database.fine": (
        "Cơ sở dữ liệu nguyên vẹn, bước {head}",
        "The database is whole, at step {head}",
    ),
    "doctor.restored.unconfirmed": (
        "Nút được khôi phục từ bản sao lưu lúc {at} và chưa ai xác nhận: nút chưa làm việc",
        "The node was restored from the backup of {at} and nobody has confirmed it: it does not work yet",
    ),
    "doctor.leases.stale": (
        "{count} việc không ai làm tiếp ({tables}): tiến trình xử lý không chạy",
        "{count} pieces of work lie idle ({tables}): no worker is running",
    ),
    "doctor.leases.fine": ("Không có việc bị bỏ quên", "No work was left lying"),
    "doctor.agencies.none": ("Nút chưa phục vụ cơ quan nào", "This node speaks for no agency"),
    "doctor.keys.none": (
        "{code} không có khóa trao đổi dùng được: {detail}",
        "{code} has no exchange key in force: {detail}",
    ),
    "doctor.keys.expiring": (
        "Chứng thư số trao đổi của {code} hết hạn ngày {until}, còn {days} ngày",
        "The exchange certificate of {code} ends on {until}, in {days} {days:day|days}",
    ),
    "doctor.keys.fine": ("Khóa trao đổi của {code}, đến {until}", "Exchange key of {code}, until {until}"),
    "doctor.keys.unprotected": (
        "Khóa không đặt mật khẩu: ai đọc được ổ đĩa hay bản sao lưu đều ký thay được. Đặt GATEWAY_KEYS_PASSWORD_FILE",
        "Keys have no password: whoever reads the disk or a backup can sign. Set GATEWAY_KEYS_PASSWORD_FILE",
    ),
    "doctor.queues.fine": (
        "Chờ gửi {waiting}, chờ kiểm tra {landed}, chờ văn bản gốc {parked}",
        "{waiting} to send, {landed} to verify, {parked} waiting for their document",
    ),
    "doctor.queues.failed": (
        "{failed} gói tin gửi lỗi, cần người xử lý",
        "{failed} {failed:packet|packets} failed and {failed:needs|need} a person",
    ),
    "doctor.queues.held": (
        "{held} gói tin tạm giữ, cách ly hoặc lỗi, cần người xem",
        "{held} {held:packet is|packets are} held, in quarantine or malformed and {held:needs|need} a person",
    ),
    "doctor.axis.fine": (
        "Trục liên thông trả lời: {waiting} gói chờ, {leased} gói đang giao",
        "The axis answers: {waiting} {waiting:packet waits|packets wait}, {leased} {leased:is|are} being handed over",
    ),
    "doctor.axis.none": ("Chưa có trục nào trong {path}", "There is no axis in {path} yet"),
    "doctor.axis.dead": (
        "{dead} gói tin giao nhiều lần không được, nằm ở hàng lỗi của trục",
        "{dead} {dead:packet|packets} could not be handed over and {dead:lies|lie} in the axis's dead list",
    ),
}

_EXPLAIN: dict[str, tuple[str, str]] = {
    "explain.pdf": (
        "Đây là tệp PDF, không phải gói tin. Dưới đây là nội dung đọc được; kiểm tra chữ ký: gateway verify",
        "This is a PDF and no envelope. Here is what is read from it; its signatures: gateway verify",
    ),
    "explain.dialect": ("Dạng gói tin", "Dialect"),
    "explain.kind": ("Loại gói tin", "Kind"),
    "explain.from": ("Nơi gửi", "From"),
    "explain.to": ("Nơi nhận", "To"),
    "explain.number": ("Số, ký hiệu", "Number, symbol"),
    "explain.document_id": ("Mã văn bản", "Document id"),
    "explain.issued_date": ("Ngày văn bản", "Date"),
    "explain.document_type": ("Loại văn bản", "Type"),
    "explain.subject": ("Trích yếu", "Subject"),
    "explain.signer": ("Người ký", "Signer"),
    "explain.due_date": ("Hạn trả lời", "Due"),
    "explain.urgency": ("Độ khẩn", "Urgency"),
    "explain.replies_to": ("Về văn bản", "About"),
    "explain.status": ("Trạng thái", "Status"),
    "explain.attachment": ("Tệp", "File"),
    "explain.signature": ("Chữ ký gói tin", "Signature"),
    "explain.signature.absent": ("không có", "absent"),
    "explain.signature.placeholder": (
        "có chỗ ký nhưng không có chữ ký thật",
        "a placeholder, no real signature",
    ),
    "explain.signature.present-not-verified": ("có, chưa kiểm tra", "present, not verified"),
    "explain.signature.weak": ("yếu", "weak"),
    "explain.certificate": ("Chứng thư số", "Certificate"),
    "explain.finding": ("Lưu ý", "Finding"),
}

COMMANDS: dict[str, tuple[str, str]] = {**_TALK, **_ASK, **_INIT, **_COLUMNS, **_DOCTOR, **_EXPLAIN}
