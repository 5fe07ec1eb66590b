"""What is said about accounts: posts, standings, rights, passwords, sessions, why not. In: nothing. Out: `ACCOUNTS`, key to
(vi, en)."""

from __future__ import annotations

ACCOUNTS: dict[str, tuple[str, str]] = {
    # posts: the columns of the table of roles
    "post.clerk": ("Văn thư", "Clerk"),
    "post.head": ("Thủ trưởng cơ quan", "Agency head"),
    "post.unit-head": ("Trưởng phòng", "Unit head"),
    "post.officer": ("Chuyên viên", "Officer"),
    "post.agency-admin": ("Quản trị đơn vị", "Agency admin"),
    "post.operator": ("Đơn vị vận hành", "Operator"),
    "post.auditor": ("Kiểm tra, giám sát", "Auditor"),
    "post.system": ("Tài khoản hệ thống", "System account"),
    "post.viewer": ("Lãnh đạo (chỉ xem)", "Leader (view only)"),
    "post.codes": ("Quản trị mã định danh", "Code administrator"),
    # rights: its rows
    "right.draft": ("Soạn thông tin, chọn nơi nhận", "Draft metadata, choose recipients"),
    "right.sign-person": ("Ký số với thẩm quyền cá nhân", "Sign as competent person"),
    "right.sign-agency": ("Ký số của cơ quan", "Sign as agency"),
    "right.sign-envelope": ("Ký gói tin và biên nhận", "Sign envelopes and receipts"),
    "right.certificate": (
        "Đề nghị, kích hoạt chứng thư số trao đổi",
        "Request and activate an exchange certificate",
    ),
    "right.issue": ("Lấy số, vào sổ, phát hành, gửi", "Take a number, register, issue, send"),
    "right.recall": ("Thu hồi, thay thế, cập nhật", "Recall, replace, correct"),
    "right.answer": ("Trả lời yêu cầu thu hồi, lấy lại, cập nhật", "Answer a recall, take-back or update"),
    "right.urge": ("Đôn đốc cơ quan khác", "Remind another agency"),
    "right.take-in": ("Tiếp nhận, từ chối, tạm giữ", "Take in, refuse, hold"),
    "right.instruct": ("Cho ý kiến chỉ đạo, phân công, đặt hạn", "Write instruction, assign, set deadline"),
    "right.progress": ("Cập nhật tiến độ, kết thúc", "Update progress, close"),
    "right.reply": ("Trả lời văn bản", "Reply with link"),
    "right.certify-copy": ("Ký số bản sao", "Certify copies"),
    "right.see-content": ("Xem nội dung văn bản", "See document content"),
    "right.delegate": ("Ủy quyền", "Delegate own authority"),
    "right.approve-delegation": ("Phê duyệt ủy quyền", "Approve a delegation"),
    "right.accounts": ("Quản lý tài khoản, quyền, đặt lại mật khẩu", "Accounts, rights, password reset"),
    "right.own-entry": ("Thông tin của đơn vị trong danh mục", "Own entry in the directory"),
    "right.codes": ("Mã định danh, nút liên thông, chứng thư số gốc", "Codes and peers, trust anchors"),
    "right.notices": ("Thông báo bảo trì, sự cố", "Maintenance and incident notices"),
    "right.reports": ("Báo cáo, thống kê", "Reports, statistics"),
    "right.book": ("In và khóa sổ", "Print and close registers"),
    "right.audit": ("Nhật ký", "Audit log"),
    "right.freeze": ("Niêm phong văn bản nghi mật", "Freeze suspected secret"),
    "right.sealed-hold": ("Mở niêm phong; quyết định gỡ hoặc hủy", "Open a sealed hold; lift or purge it"),
    "right.destroy": ("Hủy khi hết thời hạn lưu", "Destroy after retention"),
    # standings, factors, why a session ended
    "standing.active": ("Hoạt động", "Active"),
    "standing.locked": ("Khóa", "Locked"),
    "standing.suspended": ("Tạm dừng", "Suspended"),
    "standing.withdrawn": ("Đã thu hồi tài khoản", "Withdrawn"),
    "standing.idle": ("Lâu không đăng nhập", "Not used for long"),
    "factor.none": ("Chỉ mật khẩu", "Password alone"),
    "factor.totp": ("Có mã xác thực", "With second factor"),
    "factor.recovery": ("Bằng mã khôi phục", "With recovery code"),
    "ended.signed-out": ("Đã đăng xuất", "Signed out"),
    "ended.replaced": ("Đăng nhập lại trên cùng trình duyệt", "Signed in again in the same browser"),
    "ended.everywhere": ("Đăng xuất mọi nơi", "Signed out everywhere"),
    "ended.rights": ("Quyền đã thay đổi", "Rights were changed"),
    "ended.standing": ("Tài khoản đã bị khóa hoặc tạm dừng", "The account was locked or suspended"),
    "ended.password": ("Mật khẩu hoặc mã xác thực đã thay đổi", "Password or second factor was changed"),
    "ended.idle": ("Lâu không thao tác", "Not used"),
    "ended.over": ("Hết thời gian của phiên", "The session's time is up"),
    "session.ending": (
        "Phiên làm việc sẽ hết sau 2 phút. Bản nháp đã được lưu.",
        "Your session ends in 2 minutes. The draft is saved.",
    ),
    "session.others": (
        "Tài khoản đang đăng nhập ở {count} nơi khác.",
        "This account is signed in at {count} other places.",
    ),
    "duty.change-password": (
        "Hãy đổi mật khẩu trước khi tiếp tục.",
        "Change your password before you go on.",
    ),
    "duty.set-up-factor": (
        "Hãy cài đặt mã xác thực trước khi tiếp tục.",
        "Set up your second factor before you go on.",
    ),
    "password.days": ("Mật khẩu còn hạn {days} ngày.", "Your password has {days} {days:day|days} left."),
    "behalf": ("{person} thay mặt {other}", "{person} on behalf of {other}"),
    # why a password is not taken
    "password.short": (
        "Mật khẩu quá ngắn, cần ít nhất {least} ký tự.",
        "The password is too short; it needs {least} characters.",
    ),
    "password.long": ("Mật khẩu quá dài.", "The password is too long."),
    "password.lower": ("Cần ít nhất một chữ thường.", "It needs a small letter."),
    "password.upper": ("Cần ít nhất một chữ hoa.", "It needs a capital letter."),
    "password.digit": ("Cần ít nhất một chữ số.", "It needs a digit."),
    "password.sign": (
        "Cần ít nhất một ký tự đặc biệt hoặc dấu cách.",
        "It needs a special character or a space.",
    ),
    "password.few": ("Quá ít ký tự khác nhau.", "It has too few different characters."),
    "password.run": (
        "Có dãy ký tự liền nhau như 12345 hoặc qwert.",
        "It has a row of characters such as 12345 or qwert.",
    ),
    "password.known": (
        "Mật khẩu này nhiều người dùng, rất dễ đoán.",
        "Many people use this password; it is easy to guess.",
    ),
    "password.name": ("Không dùng tên của mình trong mật khẩu.", "Your own name must not stand in it."),
    "password.past": ("Mật khẩu này đã dùng trước đây.", "You had this password before."),
    # why not
    "clash.GW-SESSION": ("Phiên làm việc đã hết. Hãy đăng nhập lại.", "Your session is over. Sign in again."),
    "clash.GW-SIGN-IN": (
        "Tên đăng nhập, mật khẩu hoặc mã xác thực không đúng.",
        "Name, password or second factor do not fit.",
    ),
    "clash.GW-SLOW-DOWN": (
        "Có quá nhiều lần đăng nhập sai từ địa chỉ này. Hãy chờ rồi thử lại.",
        "Too many wrong tries came from this address. Wait, then try again.",
    ),
    "clash.GW-ACCOUNT": (
        "Tài khoản đang bị khóa, tạm dừng hoặc đã thu hồi. Liên hệ quản trị đơn vị.",
        "The account is locked, suspended or withdrawn. Ask your administrator.",
    ),
    "clash.GW-DUTY": (
        "Hãy đổi mật khẩu hoặc cài đặt mã xác thực trước.",
        "Change the password or set up the second factor first.",
    ),
    "clash.GW-RIGHT": ("Vai trò của tài khoản không cho phép việc này.", "Your posts do not allow this."),
    "clash.GW-ORDER": (
        "Chỉ được xem nội dung theo quyết định. Hãy nhập số quyết định.",
        "Content is seen by order alone. Give the number of the order.",
    ),
    "clash.GW-ONE-TIME": (
        "Đường dẫn đã được dùng hoặc đã quá hạn. Hãy xin đường dẫn mới.",
        "This link was used or is too old. Ask for a new one.",
    ),
    "clash.GW-PASSWORD": ("Mật khẩu mới chưa đạt yêu cầu.", "The new password is not taken."),
    "clash.GW-FACTOR": (
        "Mã xác thực không khớp. Nhập 6 số đang hiện trên thiết bị.",
        "The second factor does not fit. Type the 6 digits that the device shows now.",
    ),
    "clash.GW-OWN-RIGHTS": (
        "Không ai tự thay đổi quyền hoặc tài khoản của mình. Nhờ quản trị khác.",
        "Nobody changes the own rights or account. Ask another administrator.",
    ),
    "clash.GW-LAST-ADMIN": (
        "Đây là người vận hành cuối cùng. Hãy giao vai trò cho người khác trước.",
        "This is the last operator. Give the post to somebody else first.",
    ),
    "clash.GW-LOGIN": (
        "Tên đăng nhập không hợp lệ hoặc đã có.",
        "The name to sign in with is not valid, or taken.",
    ),
    "clash.GW-POST": ("Không giao được vai trò này ở đây.", "This post cannot be given here."),
    "clash.GW-MAILBOX": (
        "Tên hộp thư không hợp lệ hoặc đã có.",
        "The name of the mailbox is not valid, or taken.",
    ),
    "clash.GW-REASON": (
        "Cần nêu lý do, từ 10 ký tự trở lên.",
        "A reason of ten characters or more is needed.",
    ),
    "clash.GW-ACCOUNT-STATE": (
        "Tài khoản đang ở trạng thái này, hoặc đã thu hồi.",
        "The account is in that state already, or is withdrawn.",
    ),
    "clash.GW-DELEGATE-RIGHT": (
        "Không có quyền với ủy quyền này.",
        "You have no right over this delegation.",
    ),
    "clash.GW-DELEGATE-SELF": (
        "Người được ủy quyền phải là người khác, đang hoạt động trong cùng cơ quan; người ủy quyền không tự phê duyệt.",
        "It must be somebody else, active in the same agency; nobody approves the own delegation.",
    ),
    "clash.GW-DELEGATE-PERIOD": (
        "Thời gian ủy quyền không hợp lệ (tối đa một năm).",
        "The period is not valid (a year at most).",
    ),
    "clash.GW-DELEGATE-SCOPE": (
        "Chỉ ủy quyền được việc mình đang có quyền làm.",
        "Only what you may do yourself can be delegated.",
    ),
    "clash.GW-DELEGATE-ACT": (
        "Thủ trưởng ghi số văn bản ủy quyền; người khác cần thủ trưởng phê duyệt.",
        "A head gives the number of the written act; others need a head's approval.",
    ),
    "clash.GW-DELEGATE-CLOSED": (
        "Ủy quyền đã được phê duyệt, đã hết hoặc đã kết thúc.",
        "The delegation was approved before, or is over.",
    ),
    # commands
    "cli.column.login": ("Tên đăng nhập", "Signs in as"),
    "cli.column.title": ("Chức vụ", "Title"),
    "cli.column.factor": ("2FA", "2FA"),
    "cli.column.last_login": ("Đăng nhập lần cuối", "Last signed in"),
    "cli.column.seen": ("Dùng lần cuối", "Last used"),
    "cli.column.address": ("Địa chỉ", "Address"),
    "cli.account.next": (
        "Trao đường dẫn hoặc mã cho chính {name}, dùng một lần trong {hours} giờ.",
        "Give the link or code to {name} alone; it is good once, for {hours} hours.",
    ),
    "cli.ask.account": (
        "Tạo tài khoản {login} cho {name} với vai trò {role}?",
        "Make the account {login} for {name} with the post {role}?",
    ),
    "cli.ask.post": ("Giao vai trò {role} cho {login}?", "Give {login} the post {role}?"),
    "cli.ask.post_taken": ("Thôi giao vai trò {role} của {login}?", "Take the post {role} from {login}?"),
    "cli.ask.link": (
        "Cấp đường dẫn một lần cho {login}? Mật khẩu cũ mất hiệu lực ngay.",
        "Make a one-time link for {login}? The old password is worth nothing from now on.",
    ),
    "cli.ask.standing": (
        "Chuyển tài khoản {login} sang: {standing}?",
        "Set the account {login} to: {standing}?",
    ),
    "cli.ask.unlock": ("Cho {login} thử đăng nhập lại?", "Let {login} try again?"),
    "cli.ask.sign_out": ("Đăng xuất {login} ở mọi nơi?", "Sign {login} out everywhere?"),
}
