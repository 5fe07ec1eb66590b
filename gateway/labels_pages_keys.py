"""Words of the integrators' corner: API keys and the first calls."""

from __future__ import annotations

KEYS_PAGES: dict[str, tuple[str, str]] = {
    "keys.title": ("Khóa API", "API keys"),
    "keys.lead": (
        "Phần mềm quản lý văn bản gọi nút bằng khóa API của cơ quan. Nội dung khóa chỉ hiện một lần khi tạo.",
        "A document system calls the node with an API key of the agency. The key itself is shown once, when it is made.",
    ),
    "keys.caption": ("Khóa API của {name}", "API keys of {name}"),
    "keys.empty": ("Chưa có khóa API nào.", "There are no API keys."),
    "keys.name": ("Tên phần mềm", "Program"),
    "keys.name.hint": ("Ví dụ: qlvb", "For example: qlvb"),
    "keys.prefix": ("Bắt đầu bằng", "Begins with"),
    "keys.scopes": ("Phạm vi", "Scopes"),
    "keys.networks": ("Dải địa chỉ IP", "IP range"),
    "keys.networks.hint": (
        "Mỗi dòng một địa chỉ hoặc một dải địa chỉ của máy chạy phần mềm, nhiều nhất {most} dòng. "
        "Ví dụ: 203.0.113.10 hoặc 203.0.113.0/24. Để trống: dùng được từ mọi địa chỉ.",
        "One address or one network of the program's machines on each line, at most {most}. "
        "For example: 203.0.113.10 or 203.0.113.0/24. Empty: good from every address.",
    ),
    "keys.networks.every": ("Mọi địa chỉ", "Every address"),
    "keys.networks.more": ("và {count} dải khác", "and {count} more"),
    "keys.networks.wrong": (
        "Dải địa chỉ IP, dòng {line}: “{text}” không phải là địa chỉ hoặc dải địa chỉ IP. "
        "Dải địa chỉ bắt đầu bằng địa chỉ đầu tiên của dải, ví dụ 203.0.113.0/24.",
        "IP range, line {line}: “{text}” is neither an address nor a network. "
        "A network begins with its first address, for example 203.0.113.0/24.",
    ),
    "keys.created": ("Tạo lúc", "Made"),
    "keys.used": ("Dùng lần cuối", "Last used"),
    "keys.expires": ("Hết hạn", "Expires"),
    "keys.forever": ("Không hết hạn", "Never"),
    "keys.life": ("Thời hạn", "Good for"),
    "keys.days": ("{days} ngày", "{days} days"),
    "keys.secret": ("Khóa", "Key"),
    "keys.try": ("Gọi thử", "Try it"),
    "keys.state.active": ("Đang dùng được", "Good"),
    "keys.state.expired": ("Đã hết hạn", "Expired"),
    "keys.state.revoked": ("Đã thu hồi", "Revoked"),
    "keys.new": ("Tạo khóa API", "Make an API key"),
    "keys.new.means": (
        "Khóa cho phép phần mềm làm thay {name} trong phạm vi được chọn.",
        "The key lets a program act for {name} within the scopes chosen.",
    ),
    "keys.made": ("Đã tạo khóa API", "The API key is made"),
    "keys.once": (
        "Khóa chỉ hiện một lần này. Hãy chép vào phần mềm ngay; không ai đọc lại được.",
        "The key is shown this once. Put it into the program now; nobody can read it again.",
    ),
    "keys.kept": ("Đã chép khóa", "I have kept the key"),
    "keys.rotate": ("Thay khóa", "Change the key"),
    "keys.rotate.title": ("Thay khóa API", "Change the API key"),
    "keys.rotate.means": (
        "Tạo thêm một khóa cho {name} với cùng phạm vi và dải địa chỉ IP. Khóa {prefix}… vẫn dùng được cho đến khi "
        "thu hồi: chuyển phần mềm sang khóa mới, rồi thu hồi khóa cũ.",
        "Another key for {name} with the same scopes and IP range. The key {prefix}… goes on until you revoke it: "
        "move the program to the new one, then revoke the old one.",
    ),
    "keys.revoke": ("Thu hồi khóa API", "Revoke the key"),
    "keys.revoke.title": ("Thu hồi khóa API", "Revoke the API key"),
    "keys.revoke.means": (
        "Khóa {prefix}… của {name} không dùng được nữa, ngay từ bây giờ. Phần mềm còn dùng khóa này sẽ ngừng gửi và nhận.",
        "The key {prefix}… of {name} opens nothing from now on. A program that still uses it stops sending and receiving.",
    ),
    "told.keys.revoked": ("Đã thu hồi khóa API.", "The API key is revoked."),
    "scope.messages:send": ("gửi văn bản", "send documents"),
    "scope.messages:read": ("đọc văn bản đi", "read outgoing documents"),
    "scope.inbox:read": ("đọc văn bản đến", "read incoming documents"),
    "scope.inbox:act": ("chuyển trạng thái văn bản đến", "act on incoming documents"),
    "scope.agencies:read": ("đọc danh mục cơ quan", "read the registry"),
    "scope.agencies:write": ("cập nhật danh mục cơ quan", "change the registry"),
    "scope.evidence:read": ("lấy hồ sơ chứng cứ", "read evidence"),
    "clash.GW-KEY-NAME": (
        "Tên phần mềm cần từ 1 đến 100 ký tự.",
        "A program's name has 1 to 100 characters.",
    ),
    "clash.GW-KEY-SCOPES": ("Hãy chọn ít nhất một phạm vi.", "Choose at least one scope."),
    "clash.GW-KEY-LIFE": ("Thời hạn của khóa không hợp lệ.", "A key cannot live that long."),
    "clash.GW-KEY-NETWORKS": (
        "Một khóa có nhiều nhất 20 địa chỉ hoặc dải địa chỉ IP.",
        "A key has at most 20 addresses or networks.",
    ),
    "clash.GW-403-ADDRESS": (
        "Khóa này không được dùng từ địa chỉ IP đang gọi. Hãy hỏi người quản trị của cơ quan.",
        "This key may not be used from the address of this call. Ask an administrator of your agency.",
    ),
    "clash.GW-KEY-OVER": ("Khóa này không còn dùng được.", "This key opens nothing any more."),
    # the first calls
    "start.title": ("Bắt đầu trong 5 phút", "Start in 5 minutes"),
    "start.key": (
        "Tạo khóa và thay vào chỗ gwk_… bên dưới.",
        "Make a key and put it in place of gwk_… below.",
    ),
    "start.files": (
        "Đặt một tệp PDF đã ký số tên 518.pdf và tệp meta.json sau vào cùng thư mục:",
        "Put a signed PDF called 518.pdf and this meta.json into one folder:",
    ),
    "start.run": (
        "Chạy một trong các ví dụ, đã có sẵn mã cơ quan {code}:",
        "Run one of these; the code {code} of the agency is in them:",
    ),
    "start.more": ("Toàn bộ API:", "The whole API:"),
    "start.docs": ("tài liệu API", "API documentation"),
}
