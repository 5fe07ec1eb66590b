"""Words of signing in and of the own account: passwords, the second factor, sessions, delegations."""

from __future__ import annotations

ACCOUNT: dict[str, tuple[str, str]] = {
    "entry.title": ("Đăng nhập", "Sign in"),
    "entry.login": ("Tên đăng nhập", "Name to sign in with"),
    "entry.password": ("Mật khẩu", "Password"),
    "entry.code": ("Mã xác thực", "Second factor"),
    "entry.code.hint": (
        "6 số trên thiết bị, hoặc một mã khôi phục. Để trống nếu tài khoản chưa cài đặt mã xác thực.",
        "The 6 digits on your device, or a recovery code. Leave it empty where no second factor is set up.",
    ),
    "entry.lost": (
        "Quên mật khẩu hoặc mất thiết bị: xin quản trị đơn vị cấp đường dẫn một lần.",
        "Password forgotten, or device lost: ask your agency admin for a one-time link.",
    ),
    "entry.wait.GW-LOCKED": (
        "Tên này đã nhập sai quá nhiều lần. Hãy thử lại sau {minutes} phút.",
        "Too many wrong tries for this name. Try again in {minutes} min.",
    ),
    "entry.wait.GW-SLOW-DOWN": (
        "Có quá nhiều lần đăng nhập sai từ địa chỉ này. Hãy thử lại sau {minutes} phút.",
        "Too many wrong tries came from this address. Try again in {minutes} min.",
    ),
    "entry.link.title": ("Nhận tài khoản", "Take up your account"),
    "entry.link.greet": ("Xin chào {name}", "Welcome, {name}"),
    "entry.link.lead": (
        "Hãy đặt mật khẩu của riêng mình. Không ai khác biết, kể cả quản trị. Đường dẫn chỉ dùng được một lần.",
        "Choose a password of your own. Nobody else knows it, administrators neither. The link is good once.",
    ),
    "entry.link.do": ("Đặt mật khẩu và đăng nhập", "Set the password and sign in"),
    "page.cure.GW-ONE-TIME": (
        "Xin quản trị đơn vị cấp đường dẫn mới.",
        "Ask your agency admin for a new link.",
    ),
    "told.entry.left": ("Đã đăng xuất.", "You are signed out."),
    "told.entry.others": (
        "Tài khoản này còn đang đăng nhập ở nơi khác. Nếu không phải bạn, hãy vào Tài khoản của tôi để đăng xuất mọi nơi.",
        "This account is signed in elsewhere too. If that is not you, sign out everywhere under My account.",
    ),
    "told.account.password.14": (
        "Mật khẩu còn hạn không quá 14 ngày. Có thể đổi ngay trong Tài khoản của tôi.",
        "Your password has 14 days left at most. You can change it under My account.",
    ),
    "told.account.password.7": (
        "Mật khẩu còn hạn không quá 7 ngày. Hãy đổi trong Tài khoản của tôi.",
        "Your password has 7 days left at most. Change it under My account.",
    ),
    "told.account.password.1": (
        "Mật khẩu sắp hết hạn trong 1 ngày. Hãy đổi ngay trong Tài khoản của tôi.",
        "Your password ends within a day. Change it now under My account.",
    ),
    # a new password
    "new_password.rules": ("Yêu cầu đối với mật khẩu", "What a password must be"),
    "new_password.length": ("Từ {least} ký tự trở lên", "{least} characters or more"),
    "new_password.kinds": (
        "Có chữ thường, chữ hoa, chữ số và ký tự đặc biệt (dấu cách cũng được)",
        "With small and capital letters, a digit and a special character (a space will do)",
    ),
    "new_password.words": (
        "Không có tên của mình, không phải từ dễ đoán hay dãy phím liền nhau",
        "Not your name, no word that is easily guessed, no row of keys",
    ),
    "new_password.past": (
        "Khác {remembered} mật khẩu gần nhất",
        "None of your last {remembered} passwords",
    ),
    "new_password.age": ("Phải đổi sau mỗi {days} ngày", "To be changed every {days} days"),
    "new_password.new": ("Mật khẩu mới", "New password"),
    "new_password.again": ("Nhập lại mật khẩu mới", "New password again"),
    "new_password.differ": ("Hai lần nhập không giống nhau.", "The two are not the same."),
    "account.title": ("Chức vụ", "Title"),
}
