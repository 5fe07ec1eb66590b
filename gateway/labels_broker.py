"""What the commands about a broker say: steps of a check with cause and cure, steps of a plan, what no step mends, and
who is hosted here. In: nothing. Out: `BROKER`, key to (vi, en)."""

from __future__ import annotations

_CHECK: dict[str, tuple[str, str]] = {
    "axis.check.before": ("chưa kiểm tra vì bước trước lỗi", "not examined, because a step before it failed"),
    "axis.check.broken": ("đường truyền bị ngắt: {detail}", "the line broke: {detail}"),
    "axis.check.dns.fine": ("{host} là {addresses}", "{host} is {addresses}"),
    "axis.check.dns.unknown": (
        "không có địa chỉ cho tên {host}: {detail}",
        "{host} has no address: {detail}",
    ),
    "axis.check.tcp.fine": ("cổng {port} mở", "port {port} is open"),
    "axis.check.tcp.refused": (
        "không nối được cổng {port}: {detail}",
        "port {port} cannot be reached: {detail}",
    ),
    "axis.check.tls.none": (
        "địa chỉ amqp:// không mã hóa đường truyền",
        "an amqp:// address does not encrypt the line",
    ),
    "axis.check.tls.fine": (
        "chứng thư của máy chủ hợp lệ, đến {until} (còn {days} ngày)",
        "the server's certificate holds, until {until} ({days} {days:day|days})",
    ),
    "axis.check.tls.untrusted": (
        "chứng thư của máy chủ không được chấp nhận: {detail}",
        "the server's certificate is not accepted: {detail}",
    ),
    "axis.check.tls.refused": ("không lập được kênh TLS: {detail}", "TLS could not be set up: {detail}"),
    "axis.check.tls.expiring": (
        "chứng thư của máy chủ hết hạn ngày {until}, còn {days} ngày",
        "the server's certificate ends on {until}, in {days} {days:day|days}",
    ),
    "axis.check.login.fine": (
        "{user} đăng nhập được vào {vhost}",
        "{user} logs in to {vhost}",
    ),
    "axis.check.login.refused": (
        "máy chủ không nhận tài khoản {user} hoặc mật khẩu",
        "the broker refuses the user {user} or its password",
    ),
    "axis.check.login.broken": (
        "không nói được AMQP với máy chủ: {detail}",
        "no AMQP conversation with the server: {detail}",
    ),
    "axis.check.vhost.closed": (
        "không có vhost {vhost}, hoặc {user} không được vào",
        "there is no vhost {vhost}, or {user} may not enter it",
    ),
    "axis.check.queues.fine": (
        "đủ hàng đợi của nút, đang có {messages} gói",
        "the node's queues are there, with {messages} messages",
    ),
    "axis.check.queues.missing": ("thiếu hàng đợi {queue}", "the queue {queue} is missing"),
    "axis.check.read.fine": ("đọc được hàng đợi của nút", "the node's queues can be read"),
    "axis.check.read.refused": ("không được đọc hàng đợi {queue}", "the queue {queue} may not be read"),
    "axis.check.rights.fine": ("quyền vừa đủ, không thừa", "no more rights than are needed"),
    "axis.check.rights.declare": (
        "{user} thừa quyền: tự tạo được hàng đợi",
        "{user} has too many rights: it can make queues",
    ),
    "axis.check.rights.read": (
        "{user} thừa quyền: đọc được hàng đợi của nút khác",
        "{user} has too many rights: it can read queues of other nodes",
    ),
    "axis.check.rights.dead": (
        "{user} thừa quyền: ghi được vào hàng lỗi của nút khác",
        "{user} has too many rights: it can write to the dead queues of others",
    ),
    "axis.check.rights.default": (
        "{user} thừa quyền: ghi thẳng được vào mọi hàng đợi",
        "{user} has too many rights: it can write to any queue directly",
    ),
    "axis.check.impersonate.fine": (
        "không gửi được với tên nút khác",
        "sending in another node's name is refused",
    ),
    "axis.check.impersonate.allowed": (
        "{user} gửi được với tên nút khác",
        "{user} can send in another node's name",
    ),
    "axis.check.confirm.fine": (
        "máy chủ xác nhận gói có nơi nhận, trả lại gói không có",
        "what leads somewhere is confirmed, what leads nowhere comes back",
    ),
    "axis.check.confirm.unknown": (
        "trục không biết nút {node}",
        "the axis does not know the node {node}",
    ),
    "axis.check.confirm.refused": (
        "{user} không được hỏi trục về nơi nhận",
        "{user} may not ask who hosts a code",
    ),
    "axis.check.confirm.missing": ("thiếu điểm trao đổi {exchange}", "the exchange {exchange} is missing"),
    "axis.check.confirm.silent": (
        "{exchange} không trả lại gói không có nơi nhận",
        "{exchange} does not return what leads nowhere",
    ),
    "axis.check.hosted.fine": (
        "{count} mã do nút phục vụ đều có đường đến",
        "the {count} codes of this node all lead to it",
    ),
    "axis.check.hosted.missing": (
        "{count} mã do nút phục vụ không có đường đến: {codes}",
        "{count} codes of this node lead nowhere: {codes}",
    ),
    "axis.cure.dns": ("kiểm tra amqp.servers và DNS", "check amqp.servers and the name service"),
    "axis.cure.tcp": (
        "kiểm tra amqp.servers, tường lửa, và máy chủ có chạy không",
        "check amqp.servers, the firewall, and that the broker runs",
    ),
    "axis.cure.tls": (
        "kiểm tra amqp.ca và tên máy chủ trong amqp.servers",
        "check amqp.ca and the host's name in amqp.servers",
    ),
    "axis.cure.tls_port": (
        "cổng TLS thường là 5671; kiểm tra amqp.servers, amqp.certificate và amqp.key",
        "the TLS port is usually 5671; check amqp.servers, amqp.certificate and amqp.key",
    ),
    "axis.cure.tls_renew": (
        "người quản trị trục cần thay chứng thư của máy chủ",
        "the axis's administrator must renew the server's certificate",
    ),
    "axis.cure.login": (
        "kiểm tra amqp.user và GATEWAY_AMQP_PASSWORD_FILE; người quản trị đặt lại bằng gateway axis apply --passwords",
        "check amqp.user and GATEWAY_AMQP_PASSWORD_FILE; the administrator sets it with gateway axis apply --passwords",
    ),
    "axis.cure.amqp_port": (
        "cổng AMQP thường là 5672, có TLS là 5671; kiểm tra amqp.servers",
        "the AMQP port is usually 5672, with TLS 5671; check amqp.servers",
    ),
    "axis.cure.apply": (
        "người quản trị trục chạy gateway axis apply",
        "the axis's administrator runs gateway axis apply",
    ),
    "axis.cure.impersonate": (
        "người quản trị trục chạy gateway axis apply: bỏ thẻ impersonator của tài khoản",
        "the axis's administrator runs gateway axis apply: it takes the tag impersonator away",
    ),
    "axis.cure.again": ("chạy lại; xem nhật ký của máy chủ", "run it again; see the broker's log"),
}

_PLAN: dict[str, tuple[str, str]] = {
    "broker.part.vhost": ("vhost {name}", "vhost {name}"),
    "broker.part.exchange": ("điểm trao đổi {name}", "exchange {name}"),
    "broker.part.queue": ("hàng đợi {name}", "queue {name}"),
    "broker.part.policy": ("chính sách {name}", "policy {name}"),
    "broker.part.user": ("tài khoản {name}", "user {name}"),
    "broker.part.rights": ("quyền của {name}", "rights of {name}"),
    "broker.part.binding": ("{code} → {destination} ({source})", "{code} → {destination} ({source})"),
    "broker.told.queue_kept": (
        "{name} được giữ lại: còn {messages} gói, {consumers} nơi đang đọc; nút {node} không còn trong danh mục",
        "{name} is kept: it holds {messages} messages and has {consumers} readers; {node} is no longer in the registry",
    ),
    "broker.told.node_left": (
        "nút {node} không còn trong danh mục và không còn gói nào; thêm --remove-nodes để xóa",
        "{node} is no longer in the registry and holds nothing; add --remove-nodes to remove it",
    ),
    "broker.told.other_kind": (
        "{name} là loại {kind}, cần loại {wanted}: chuyển hết gói đi rồi xóa bằng tay",
        "{name} is of kind {kind} and must be {wanted}: empty it, then delete it by hand",
    ),
    "broker.told.admin_is_node": (
        "nút {node} trùng tên tài khoản quản trị: dùng tài khoản quản trị khác",
        "the node {node} has the name of the administrator: use another administrator",
    ),
    "broker.told.no_password": (
        "nút {node} chưa có mật khẩu nên chưa đăng nhập được: thêm --passwords",
        "the node {node} has no password and cannot log in: add --passwords",
    ),
    "broker.told.stranger": (
        "{user} có quyền trong vhost này mà không phải là nút nào",
        "{user} has rights in this vhost and is no node",
    ),
    "broker.told.foreign_queue": (
        "{name} không thuộc trục này (đang có {messages} gói)",
        "{name} does not belong to this axis ({messages} messages)",
    ),
    "broker.told.foreign_policy": (
        "chính sách {name} đè lên hàng đợi của trục: xóa bằng tay",
        "the policy {name} takes in queues of the axis: remove it by hand",
    ),
    "broker.more": (
        "… và {count} dòng nữa; xem hết với -o json",
        "… and {count} more; all of them with -o json",
    ),
    "broker.nothing": ("Trục đã khớp với danh mục.", "The axis is as the registry says."),
    "broker.preview": ("Mới xem trước, chưa thay đổi gì.", "Preview only, nothing was changed."),
    "broker.ask": (
        "Đưa trục {vhost} theo danh mục: thêm {added}, sửa {changed}, bỏ {removed}?",
        "Bring the axis {vhost} in line: {added} added, {changed} changed, {removed} removed?",
    ),
    "broker.done": ("Đã làm {count} bước.", "{count} steps done."),
    "broker.written": (
        "Đã ghi {file}: {nodes} nút, {codes} mã.",
        "{file} written: {nodes} nodes, {codes} codes.",
    ),
    "broker.in_clear": (
        "{api} không mã hóa: mật khẩu quản trị đi qua mạng không được che.",
        "{api} is not encrypted: the administrator's password crosses the network in clear.",
    ),
    "broker.no_passwords": (
        "Chưa có mật khẩu: tài khoản của các nút chưa đăng nhập được. Thêm --passwords.",
        "No passwords: the nodes' users cannot log in. Add --passwords.",
    ),
}

_HOST: dict[str, tuple[str, str]] = {
    "host.ask.add": ("Nút này phục vụ {code} ({name})?", "Shall this node host {code} ({name})?"),
    "host.ask.remove": ("Nút này thôi phục vụ {code}?", "Shall this node host {code} no longer?"),
    "host.ask.move_many": (
        "Ghi nút phục vụ cho {changed} mã ({unchanged} mã đã đúng)?",
        "Name the node for {changed} codes ({unchanged} are so already)?",
    ),
    "host.ask.move": ("Chuyển {code} từ {old} sang {new}?", "Move {code} from {old} to {new}?"),
    "host.next.add": (
        "Việc tiếp theo: gateway keys new --agency {code}, xin cấp chứng thư số rồi gateway keys import --agency {code}.",
        "Next: gateway keys new --agency {code}, have its request signed, then gateway keys import --agency {code}.",
    ),
    "host.next.move": (
        "Danh mục đã ghi nhận. Trục chuyển theo khi người quản trị chạy gateway axis apply.",
        "The registry has it. The axis follows when its administrator runs gateway axis apply.",
    ),
    "host.next.remove": (
        "Nếu danh mục hoặc trục còn ghi nút này thì trục còn giao đến đây. Nếu chưa làm: gateway registry set-host {code} "
        "NÚT, rồi gateway axis apply.",
        "The axis delivers here for as long as registry or broker name this node. Unless that is done: gateway registry "
        "set-host {code} NODE, then gateway axis apply.",
    ),
    "host.elsewhere": (
        "Danh mục ghi {code} ở nút {host}, không phải {node}: gateway registry set-host {code} {node}.",
        "The registry has {code} at {host}, not at {node}: gateway registry set-host {code} {node}.",
    ),
    "clash.GW-HOST-OPEN": (
        "Cơ quan này còn việc chưa xong tại nút.",
        "Work of this agency is still open on this node.",
    ),
    "host.open.deliveries": ("{count} nơi nhận chưa xong", "{count} deliveries are open"),
    "host.open.packets": (
        "{count} gói tin đến chưa xử lý",
        "{count} incoming {count:packet is|packets are} undecided",
    ),
    "host.open.documents": (
        "{count} văn bản đến chưa tiếp nhận",
        "{count} incoming {count:document is|documents are} undecided",
    ),
    "host.open.answers": ("{count} gói tin chờ gửi", "{count} {count:packet waits|packets wait} to be sent"),
    "host.open.jobs": ("{count} việc đang chờ", "{count} jobs wait"),
    "host.open.holds": ("{count} niêm phong chưa giải quyết", "{count} sealed holds are undecided"),
    "cli.column.numbering": ("Cấp số đến", "Numbering"),
    "cli.column.host": ("Nút", "Node"),
}

BROKER: dict[str, tuple[str, str]] = {**_CHECK, **_PLAN, **_HOST}
