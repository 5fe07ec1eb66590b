"""What `gateway evidence` says of a pack, and the words of the page in it. In: nothing. Out: `EVIDENCE`, key to
(vi, en)."""

from __future__ import annotations

from gateway.labels_evidence_page import PAGE

_STEPS: dict[str, tuple[str, str]] = {
    "evidence.step.container": ("hồ sơ nguyên vẹn", "the pack is whole"),
    "evidence.step.manifest": ("chữ ký trên danh sách tệp", "signature over the list of files"),
    "evidence.step.seals": ("niêm phong nhật ký", "seals of the log"),
    "evidence.step.consistency": ("nhật ký chỉ nối dài", "the log only grew"),
    "evidence.step.stamps": ("dấu thời gian", "timestamp"),
    "evidence.step.leaves": ("dòng nhật ký", "lines of the log"),
    "evidence.step.published": ("niêm phong đã công bố", "published seal"),
    "evidence.step.packet": ("gói tin", "packet"),
    "evidence.step.receipt": ("biên nhận", "receipt"),
}

_NOTES: dict[str, tuple[str, str]] = {
    "evidence.note.spoiled": ("hồ sơ đã bị thay đổi hoặc hỏng", "the pack was changed or is damaged"),
    "evidence.note.whole": (
        "{count} tệp, mọi byte đúng như danh sách",
        "{count} {count:file|files}, every byte as the list says",
    ),
    "evidence.note.manifest_known": (
        "nút {node} lập lúc {time}; khóa {fingerprint} có trong thư mục tin cậy",
        "made by the node {node} at {time}; its key {fingerprint} is in the trust folder",
    ),
    "evidence.note.not_anchored": (
        "tự nhất quán, nhưng không có gốc tin cậy để đối chiếu",
        "consistent, not anchored: nobody was named whom to believe",
    ),
    "evidence.note.no_seals": ("hồ sơ không có niêm phong nhật ký", "the pack has no seal of a log"),
    "evidence.note.seals_known": (
        "số niêm phong: {count}, ký bằng khóa {fingerprint} có trong thư mục tin cậy",
        "seals: {count}, of the key {fingerprint}, which is in the trust folder",
    ),
    "evidence.note.grown": (
        "từ niêm phong này đến niêm phong sau không dòng nào bị sửa, xóa, đổi chỗ",
        "from seal to seal no line was changed, removed or moved",
    ),
    "evidence.note.no_stamps": (
        "không niêm phong nào có dấu thời gian: không có thời gian tin cậy",
        "no seal has a timestamp: no time is proved by an authority",
    ),
    "evidence.note.stamp_fails": (
        "dấu thời gian không do đơn vị được tin cậy cấp cho niêm phong này",
        "no trusted authority made this timestamp over this seal",
    ),
    "evidence.note.stamped": (
        "niêm phong số {seal} có trước thời điểm này, do {authority} xác nhận",
        "seal {seal} existed before this time, says {authority}",
    ),
    "evidence.note.included": (
        "{count} dòng nằm trong nhật ký đã niêm phong",
        "{count} {count:line stands|lines stand} in the sealed log",
    ),
    "evidence.note.no_published_seal": (
        "không đưa niêm phong đã công bố nào để so sánh (--seal)",
        "no published seal was given to compare with (--seal)",
    ),
    "evidence.note.published_equal": (
        "niêm phong số {seal} trùng với niêm phong đã công bố",
        "seal {seal} is the one that was published",
    ),
    "evidence.note.published_absent": (
        "hồ sơ không có niêm phong số {seal} đã công bố: không so sánh được",
        "the pack does not hold the published seal {seal}: it cannot be compared",
    ),
    "evidence.note.other_log": (
        "niêm phong số {seal} đã công bố là của nhật ký khác",
        "the published seal {seal} is of another log",
    ),
    "evidence.note.other_history": (
        "niêm phong số {seal} trong hồ sơ khác với niêm phong đã công bố: có hai lịch sử",
        "seal {seal} of the pack is not the one that was published: there are two histories",
    ),
    "evidence.note.valid_stamped": (
        "{packet}, {sender} ký; hợp lệ tại thời điểm tin cậy",
        "{packet}, signed by {sender}; valid at the trusted time",
    ),
    "evidence.note.valid_now": (
        "{packet}, {sender} ký; hợp lệ tại lúc kiểm tra, không có thời gian tin cậy sớm hơn",
        "{packet}, signed by {sender}; valid at the time of this check, no earlier time is proved",
    ),
    "evidence.note.invalid": (
        "{packet}, ghi tên {sender}: không hợp lệ ở bước {step}, mã {code}",
        "{packet}, in the name of {sender}: not valid at step {step}, code {code}",
    ),
    "evidence.note.no_time": (
        "{packet}, {sender} ký: nay chứng thư số đã hết hạn hoặc bị thu hồi ({code}), và không có "
        "thời gian tin cậy sớm hơn",
        "{packet}, signed by {sender}: its certificate has expired or was revoked ({code}), and no "
        "earlier time is proved",
    ),
    "evidence.note.unknown": (
        "{packet}, {sender} ký: chưa xác định được ({code})",
        "{packet}, signed by {sender}: cannot be told ({code})",
    ),
    "evidence.note.absent_recalled": (
        "{packet}: văn bản đã thu hồi, chỉ có giá trị băm",
        "{packet}: the document was recalled, only the digest is here",
    ),
    "evidence.note.absent_sealed": (
        "{packet}: nội dung đang niêm phong, chỉ có giá trị băm",
        "{packet}: the content is in the sealed hold, only the digest is here",
    ),
    "evidence.note.absent_purged": (
        "{packet}: nội dung đã xóa theo quy định, chỉ có giá trị băm",
        "{packet}: the content was removed, only the digest is here",
    ),
    "evidence.note.unproved": (
        "trạng thái {code} của {sender} không kèm biên nhận",
        "status {code} of {sender} carries no receipt",
    ),
    "evidence.note.receipt_by_digest": (
        "trạng thái {code} của {sender} nhận đúng giá trị băm của gói tin {packet}, gói tin này không "
        "có trong hồ sơ",
        "status {code} of {sender} names the digest of packet {packet}, which is not in the pack itself",
    ),
    "evidence.note.receipt_of_absent": (
        "trạng thái {code} của {sender} trả lời gói tin {packet} không có trong hồ sơ",
        "status {code} of {sender} answers packet {packet}, which is not in the pack",
    ),
    "evidence.note.receipt_fails": (
        "trạng thái {code} của {sender} không khớp gói tin {packet}",
        "status {code} of {sender} does not fit packet {packet}",
    ),
    "evidence.note.receipt_proved": (
        "trạng thái {code}: {sender} tuyên bố đã giữ đúng gói tin {packet}",
        "status {code}: {sender} stated that it held packet {packet}",
    ),
    "evidence.note.receipt_wrapper": (
        "trạng thái {code}: {sender} tuyên bố đã giữ đúng nội dung gói tin {packet}, vỏ tệp khác",
        "status {code}: {sender} stated that it held the content of packet {packet}, in another wrapper",
    ),
}

_TALK: dict[str, tuple[str, str]] = {
    "evidence.verdict.valid": (
        "HỢP LỆ: mọi chứng cứ trong hồ sơ đều đạt.",
        "VALID: everything that the pack proves holds.",
    ),
    "evidence.verdict.invalid": ("KHÔNG HỢP LỆ: hỏng tại {member}.", "NOT VALID: it fails at {member}."),
    "evidence.verdict.unknown": (
        "CHƯA XÁC ĐỊNH ĐƯỢC: không có gì sai, nhưng có điều chưa chứng minh được.",
        "CANNOT TELL: nothing is wrong, but something is not proved.",
    ),
    "evidence.anchor.ca": ("Gốc chứng thực", "Root certificate"),
    "evidence.anchor.tsa": ("Gốc dấu thời gian", "Timestamp root"),
    "evidence.anchor.node": ("Khóa của nút", "Key of a node"),
    "evidence.anchor.seal": ("Niêm phong đã công bố", "Published seal"),
    "evidence.no_anchors": (
        "Không đưa gốc tin cậy nào (--trust): nhiều nhất chỉ nói được là tự nhất quán.",
        "No anchors were given (--trust): nothing can be more than consistent.",
    ),
    "evidence.proved_at": ("có trước {time}", "existed before {time}"),
    "evidence.proved_now": ("xét tại {time}", "as of {time}"),
    "evidence.made": (
        "Hồ sơ {pack}: {file}, {size_bytes} byte, {members} tệp.",
        "Pack {pack}: {file}, {size_bytes} bytes, {members} files.",
    ),
    "evidence.unverified": (
        "Nội dung dưới đây mới được đọc, chưa được kiểm tra chữ ký: gateway evidence verify {file} "
        "--trust DIR",
        "What follows was read, and no signature was checked: gateway evidence verify {file} --trust DIR",
    ),
    "cli.column.pack": ("Hồ sơ", "Pack"),
    "cli.column.document": ("Văn bản", "Document"),
    "cli.column.made": ("Lập lúc", "Made"),
    "cli.column.size": ("Dung lượng", "Size"),
    "cli.column.sha256": ("SHA-256", "SHA-256"),
}

EVIDENCE: dict[str, tuple[str, str]] = {
    **PAGE,
    **_STEPS,
    **_NOTES,
    **_TALK,
    "evidence.spoiled": ("Hồ sơ chứng cứ không còn nguyên vẹn.", "The evidence pack is not whole."),
}
