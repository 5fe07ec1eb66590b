"""What is said about certificates, their authorities and revocation. In: nothing. Out: `TRUST`, key to (vi, en)."""

from __future__ import annotations

TRUST: dict[str, tuple[str, str]] = {
    "mark.revocation_unknown": (
        "Chưa xác minh được chứng thư số của nơi gửi có bị thu hồi hay không",
        "Not known yet whether the sender's certificate is revoked",
    ),
    "mark.revoked_before_arrival": (
        "Chứng thư số của nơi gửi đã bị thu hồi trước khi văn bản đến",
        "The sender's certificate had been revoked before the document arrived",
    ),
    "trust.anchor": ("Chứng thư gốc {subject}, đến {until}", "Anchor {subject}, until {until}"),
    "trust.intermediate": (
        "Chứng thư trung gian {subject}, đến {until}",
        "Intermediate {subject}, until {until}",
    ),
    "trust.asked.good": (
        "{issuer}: đã trả lời; {certificates} chứng thư số, câu trả lời cũ nhất từ {age} trước",
        "{issuer}: answers; {certificates} certificates, the oldest answer is {age} old",
    ),
    "trust.asked.failing": (
        "{issuer}: lần hỏi gần nhất không được ({why}); câu trả lời cũ nhất từ {age} trước vẫn còn hạn",
        "{issuer}: the last try failed ({why}); the oldest answer is {age} old and still runs",
    ),
    "trust.asked.late": (
        "{issuer}: không có câu trả lời còn hạn cho {unanswered} trong {certificates} chứng thư số ({why}); quá thời gian "
        "chờ thì gói tin bị tạm giữ",
        "{issuer}: no answer that runs for {unanswered} of {certificates} certificates ({why}); packets are held once the "
        "grace is over",
    ),
    "trust.list": (
        "  Danh sách thu hồi của {issuer} ({origin}): lập {age} trước, hạn {until}",
        "  Revocation list of {issuer} ({origin}): made {age} ago, until {until}",
    ),
    "trust.list.none": (
        "  Danh sách thu hồi của {issuer} ({origin}): chưa có ({why})",
        "  Revocation list of {issuer} ({origin}): never had ({why})",
    ),
    "trust.nobody": (
        "Không hỏi ai về thu hồi chứng thư số và không có danh sách nào: khóa bị lộ sẽ không bị phát hiện",
        "Nobody is asked about revocation and there is no list: a stolen key would not be noticed",
    ),
    "doctor.revocation.asked.good": (
        "{issuer} trả lời về thu hồi; câu trả lời cũ nhất lập lúc {oldest}",
        "{issuer} answers about revocation; the oldest answer was made at {oldest}",
    ),
    "doctor.revocation.asked.failing": (
        "Không hỏi được {issuer} về thu hồi ({why}); câu trả lời lập lúc {oldest} vẫn còn hạn",
        "{issuer} cannot be asked about revocation ({why}); the answer made at {oldest} still runs",
    ),
    "doctor.revocation.asked.late": (
        "Không có câu trả lời còn hạn của {issuer} về thu hồi ({why}); quá thời gian chờ thì gói tin bị tạm giữ",
        "No answer of {issuer} about revocation runs any more ({why}); packets are held once the grace is over",
    ),
    "verify.signed_by": (
        "Người ký: {subject}, số sê-ri {serial}; thuật toán {algorithm}; thời điểm ký khai báo {signed}",
        "Signed by: {subject}, serial {serial}; algorithm {algorithm}; claimed time of signing {signed}",
    ),
    "verify.chain": ("Chuỗi chứng thư: {chain}", "Chain: {chain}"),
    "verify.weak": (
        "Chữ ký yếu: không ràng buộc thời gian và biên nhận",
        "Weak signature: no time and no receipt",
    ),
    "verify.revocation.good": (
        "Thu hồi: chưa bị thu hồi, theo {source} lập lúc {as_of}",
        "Revocation: not revoked, by {source} of {as_of}",
    ),
    "verify.revocation.revoked": (
        "Thu hồi: đã bị thu hồi lúc {revoked_at}, lý do {reason}",
        "Revocation: revoked at {revoked_at}, reason {reason}",
    ),
    "verify.revocation.unknown": ("Thu hồi: chưa xác minh được", "Revocation: not known"),
    "verify.origin": (
        "Cam kết: xác nhận nguồn gốc của gói {id}",
        "Commitment: proof of origin of packet {id}",
    ),
    "verify.receipt": (
        "Cam kết: biên nhận {code} cho gói {of}, nội dung SHA-256 {body}",
        "Commitment: receipt {code} for packet {of}, content SHA-256 {body}",
    ),
    "verify.then": ("Tại thời điểm {at}: {text}", "At {at}: {text}"),
    "verify.now.valid": ("Hiện nay: vẫn hợp lệ", "Now: still valid"),
    "verify.now.invalid": ("Hiện nay: không còn hợp lệ ({reason})", "Now: not valid any more ({reason})"),
    "verify.now.unknown": ("Hiện nay: chưa kết luận được ({reason})", "Now: cannot tell ({reason})"),
}
