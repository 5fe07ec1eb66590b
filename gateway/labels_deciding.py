"""What is said about persons, their proposals, and keys that begin and end: questions, columns, why not. In: nothing. Out:
`DECIDING`, key to (vi, en)."""

from __future__ import annotations

DECIDING: dict[str, tuple[str, str]] = {
    # people
    "cli.column.roles": ("Vai trò", "Roles"),
    "cli.column.since": ("Từ lúc", "Since"),
    "cli.column.proposed_by": ("Người đề xuất", "Proposed by"),
    "cli.column.until": ("Hạn", "Until"),
    "cli.column.where": ("Nơi lưu", "Where"),
    "cli.column.way": ("Chiều", "Way"),
    "cli.person.passphrase": ("Cụm mật khẩu của {name}", "Passphrase of {name}"),
    "cli.person.code": ("Mã xác thực của {name} (6 số)", "Second factor of {name} (6 digits)"),
    "cli.person.one_time": ("Mã ghi danh dùng một lần", "One-time code"),
    "cli.person.new_passphrase": (
        "Cụm mật khẩu mới, từ 12 ký tự trở lên",
        "New passphrase, 12 characters or more",
    ),
    "cli.person.again": ("Nhập lại cụm mật khẩu", "The same passphrase again"),
    "cli.person.first": (
        "Thêm mã bí mật vào ứng dụng xác thực, rồi nhập 6 số đang hiện",
        "Add the secret to your authenticator, then type the 6 digits that it shows",
    ),
    "cli.person.digits": (
        "16 ký tự cuối của chứng thư số thứ {n} ({of}), lấy từ chính bên có chứng thư số",
        "Last 16 digits of certificate {n} ({of}), as its owner told them to you",
    ),
    "cli.person.no_answer": ("Chưa có câu trả lời cho: {what}", "There is no answer to: {what}"),
    "cli.person.waiting": ("chờ ghi danh", "must enrol"),
    "cli.person.active": ("hoạt động", "active"),
    "cli.person.blocked": ("bị khóa", "blocked"),
    "cli.person.next": (
        "Trao mã cho chính {name}, hiệu lực 3 ngày: gateway people enrol '{name}'",
        "Give the code to {name} alone, good for three days: gateway people enrol '{name}'",
    ),
    "cli.person.enrolled": (
        "{name} đã ghi danh. Sau 24 giờ mới được phê duyệt đề xuất của người khác.",
        "{name} is enrolled, and may approve what others propose after 24 hours.",
    ),
    "cli.person.enrolled_in_set_up": (
        "{name} đã ghi danh. Nút đang thiết lập ban đầu đến {until}: được phê duyệt ngay đề xuất của người khác.",
        "{name} is enrolled. The node is in set-up until {until}: what others propose may be approved at once.",
    ),
    "cli.ask.end_set_up": (
        "Kết thúc thiết lập ban đầu ngay bây giờ? Sau đó, tài khoản và vai trò phải có từ 24 giờ trước mới được phê duyệt.",
        "End the set-up now? From then on an account and its roles must be 24 hours old to approve anything.",
    ),
    "cli.set_up.ended": ("Thiết lập ban đầu đã kết thúc.", "The set-up is over."),
    "cli.ask.person": ("Ghi nhận {name} với vai trò: {roles}?", "Record {name} with the roles: {roles}?"),
    "cli.ask.person_reset": ("Cho {name} ghi danh lại từ đầu?", "Let {name} enrol anew?"),
    "cli.ask.person_block": ("Khóa mọi quyền của {name}?", "Take everything from {name}?"),
    # proposals
    "cli.proposal.open": ("chờ phê duyệt", "waits"),
    "cli.proposal.approved": ("đã phê duyệt", "approved"),
    "cli.proposal.rejected": ("bị bác", "rejected"),
    "cli.proposal.expired": ("hết hạn", "expired"),
    "cli.proposal.next": (
        "Người thứ hai phê duyệt trong 72 giờ: gateway keys approve {id} --as TÊN",
        "A second person approves within 72 hours: gateway keys approve {id} --as NAME",
    ),
    "cli.proposal.in_force": ("Đề xuất {id} đã có hiệu lực.", "The proposal {id} is in force."),
    "cli.proposal.restart": (
        "Khởi động lại nút để dùng chứng thư số gốc mới.",
        "Restart the node, so that it uses the new root.",
    ),
    "cli.ask.propose": ("Đề xuất thay đổi cho {what}?", "Propose a change for {what}?"),
    "cli.ask.approve": ("Phê duyệt đề xuất {id}?", "Approve the proposal {id}?"),
    "cli.ask.reject_proposal": ("Bác đề xuất {id}?", "Reject the proposal {id}?"),
    "cli.ask.withdraw": (
        "Thu hồi chứng thư số {fingerprint} của {code} ngay bây giờ?",
        "Withdraw the certificate {fingerprint} of {code} now?",
    ),
    # keys
    "cli.key.in_file": ("tệp", "file"),
    "cli.key.in_token": ("thiết bị", "token"),
    "cli.key.waiting": ("chờ chứng thư số", "waits for its certificate"),
    "cli.key.signs": ("đang ký", "signs"),
    "cli.key.ready": ("sẵn sàng", "ready"),
    "cli.key.unbound": ("chưa gắn với mã", "not bound"),
    "cli.key.ended": ("đã thôi dùng", "ended"),
    "cli.key.announce": (
        "Báo chứng thư số mới cho mọi nút nhận gói tin của {code}; mỗi nút tự gắn: gateway keys propose {code} {file}",
        "Tell the nodes that receive from {code} of the new certificate; each binds it: gateway keys propose {code} {file}",
    ),
    "cli.ask.retire": (
        "Thôi dùng khóa {id} của {code} từ {at}?",
        "Retire the key {id} of {code} as of {at}?",
    ),
    "cli.ask.stolen": (
        "Báo khóa của {code} bị lộ từ {since}? Khóa thôi ký ngay, mọi gói tin từ lúc đó được đánh dấu.",
        "Report the key of {code} stolen as of {since}? It signs nothing more, and what crossed since then is marked.",
    ),
    "cli.suspect.in": ("đến", "in"),
    "cli.suspect.out": ("đi", "out"),
    "cli.suspect.next": (
        "{count} văn bản đã được đánh dấu. Hỏi lại {code} qua kênh khác trước khi dùng.",
        "{count} {count:document is|documents are} marked. Ask {code} by another way before anybody relies on them.",
    ),
    "mark.key_stolen": ("Khóa ký bị báo lộ: không còn tin được", "Signed with a key reported stolen"),
    # why not
    "clash.GW-TWO-INACTIVE": (
        "Một trong hai người chưa ghi danh hoặc đã bị khóa.",
        "One of the two has not enrolled, or is blocked.",
    ),
    "clash.GW-TWO-ROLE": (
        "Người này không có vai trò cần thiết.",
        "This person lacks the role that is needed.",
    ),
    "clash.GW-TWO-YOUNG": (
        "Nút không còn trong thời gian thiết lập ban đầu: tài khoản, vai trò và cách đăng nhập phải có từ 24 giờ trước"
        " mới được phê duyệt.",
        "The set-up of this node is over: an account, its roles and its means of signing in must be 24 hours old to"
        " approve anything.",
    ),
    "clash.GW-TWO-CHANGED": (
        "Một người đã cấp quyền cho người kia, hoặc cùng một người đã cấp quyền cho cả hai, trong 24 giờ qua. Điều này áp"
        " dụng cả khi thiết lập ban đầu.",
        "One of the two gave the other account or role within 24 hours, or one person gave both. That counts in set-up"
        " too.",
    ),
    "clash.GW-TWO-CLOSED": ("Đề xuất đã được quyết định.", "The proposal was decided before."),
    "clash.GW-TWO-EXPIRED": (
        "Đề xuất đã quá 72 giờ. Hãy lập đề xuất mới.",
        "The proposal is older than 72 hours. Make a new one.",
    ),
    "clash.GW-TWO-EDITED": (
        "Đề xuất không còn đúng như khi được lập. Báo ngay người quản trị.",
        "The proposal is not the one that was made. Tell the operator at once.",
    ),
    "clash.GW-TWO-DIGITS": (
        "Các ký tự đã nhập không khớp với chứng thư số. Hỏi lại bên có chứng thư số.",
        "The digits do not fit the certificate. Ask its owner again.",
    ),
    "clash.GW-LOCKED": (
        "Thử sai quá nhiều lần. Chờ 15 phút rồi thử lại.",
        "Too many wrong tries. Wait a quarter of an hour.",
    ),
    # doctor
    "doctor.bindings.fine": (
        "{count} chứng thư số đang gắn với mã, đúng như nhật ký ghi",
        "{count} certificates are bound, as the events tell",
    ),
    "doctor.bindings.untold": (
        "{count} chứng thư số không đúng với nhật ký nên không được dùng, ví dụ {code}: {detail}",
        "{count} certificates are not as the events tell and are not used, such as {code}: {detail}",
    ),
    "doctor.partners.expiring": (
        "Chứng thư số của {codes} hết hạn trong {days} ngày",
        "The certificates of {codes} end within {days} {days:day|days}",
    ),
    "doctor.partners.fine": (
        "Chứng thư số của các bên còn dài hạn",
        "The partners' certificates have time left",
    ),
    "doctor.anchors.unconfirmed": (
        "{count} chứng thư số gốc trong {path} chưa được hai người phê duyệt",
        "{count} root certificates in {path} were not approved by two people",
    ),
    "doctor.people.few": (
        "{count} người có thể quyết định về tin cậy, cần ít nhất hai",
        "{count} persons can decide about trust, two are needed",
    ),
    "doctor.people.fine": (
        "{count} người có thể quyết định về tin cậy",
        "{count} persons can decide about trust",
    ),
    "doctor.people.set_up": (
        "Đang thiết lập ban đầu đến {until}: người mới được phê duyệt ngay, mỗi lần đều ghi rõ trong nhật ký",
        "In set-up until {until}: new persons may approve at once, and the log marks each approval",
    ),
    "cli.status.partner": (
        "Chứng thư số của {code} còn {days} ngày",
        "The certificate of {code} has {days} {days:day|days} left",
    ),
    "cli.column.added": ("Thêm", "Added"),
    "cli.column.changed": ("Sửa", "Changed"),
    "cli.column.closed": ("Đóng", "Closed"),
    "cli.column.undone": ("Đã hoàn tác", "Undone"),
    "cli.ask.import_undo": ("Hoàn tác toàn bộ lần nhập {id}?", "Undo the import {id} as a whole?"),
    "cli.import.two": (
        "Mới xem trước, chưa thay đổi gì. Có cơ quan đã biết bị sửa hoặc đóng, cần người thứ hai phê duyệt:"
        " thêm --propose --number SỐ --as TÊN",
        "Preview only, nothing was changed. Known agencies change or close, so a second person approves it:"
        " add --propose --number NO --as NAME",
    ),
    "cli.import.totals": (
        "Thêm {added}, sửa {changed}, đóng {closed}, không đổi {unchanged}; lỗi {problems}, cần xem lại {doubts}",
        "{added} added, {changed} changed, {closed} closed, {unchanged} unchanged; {problems} problems, {doubts} doubts",
    ),
    "cli.import.next": (
        "Người thứ hai phê duyệt trong 72 giờ: gateway proposals approve {id} --as TÊN",
        "A second person approves within 72 hours: gateway proposals approve {id} --as NAME",
    ),
    "cli.import.tcvn3": (
        "Tệp gõ bằng TCVN3 (ABC), đã chuyển sang Unicode:",
        "The file is in TCVN3 (ABC) and was turned into Unicode:",
    ),
    "cli.import.vni": (
        "Tệp gõ bằng VNI, đã chuyển sang Unicode:",
        "The file is in VNI and was turned into Unicode:",
    ),
    "cli.import.sample": ("  {before} → {after}", "  {before}  →  {after}"),
    "cli.import.formulas": (
        "{count} ô công thức: đã lấy giá trị lưu sẵn trong tệp.",
        "{count} formulas: the values kept in the file were taken.",
    ),
}
