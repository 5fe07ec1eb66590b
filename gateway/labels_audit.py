"""What is said about the sealed log of events. In: nothing. Out: `AUDIT`, key to (vi, en)."""

from __future__ import annotations

_FINDINGS: dict[str, tuple[str, str]] = {
    "audit.leaf_missing": (
        "thiếu lá nhật ký, đến lá {upto}",
        "leaves of the log are missing, up to {upto}",
    ),
    "audit.leaf_changed": (
        "nội dung lá đã bị sửa (sự kiện {event})",
        "the bytes of the leaf were changed (event {event})",
    ),
    "audit.leaf_unreadable": (
        "không đọc được lá (sự kiện {event})",
        "the leaf cannot be read (event {event})",
    ),
    "audit.event_removed": (
        "sự kiện đã bị xóa khỏi bảng (lá {leaf})",
        "the event was removed from its table (leaf {leaf})",
    ),
    "audit.event_changed": (
        "sự kiện đã bị sửa: {fields} (lá {leaf})",
        "the event was changed: {fields} (leaf {leaf})",
    ),
    "audit.event_moved": (
        "thứ tự của sự kiện đã bị đổi (lá {leaf})",
        "the event was put in another place (leaf {leaf})",
    ),
    "audit.event_added": (
        "sự kiện mang số {number} nhưng không có trong nhật ký: được thêm vào sau",
        "the event has number {number} and is not in the log: it was added afterwards",
    ),
    "audit.text_changed": (
        "phần chữ {fields} không khớp giá trị băm có muối (lá {leaf})",
        "the texts {fields} do not match their salted digests (leaf {leaf})",
    ),
    "audit.text_erased": (
        "phần chữ {fields} bị xóa mà không có quyết định được ghi lại (lá {leaf})",
        "the texts {fields} were deleted and no event tells of it (leaf {leaf})",
    ),
    "audit.seal_missing": ("thiếu dấu niêm, đến số {upto}", "seals are missing, up to number {upto}"),
    "audit.seal_signature": ("chữ ký không đúng: {detail}", "its signature does not hold: {detail}"),
    "audit.seal_other": (
        "dấu niêm của nhật ký khác, hoặc sai số hay kích thước so với dòng dữ liệu",
        "it is of another log, or has another number or size than its row",
    ),
    "audit.seal_order": (
        "kích thước hoặc thời gian lùi so với dấu niêm trước",
        "size or time go back behind the seal before",
    ),
    "audit.seal_previous": ("không nối với dấu niêm trước", "it does not follow the seal before"),
    "audit.seal_root": (
        "gốc cây khác: một lá từ {after} đến {upto} đã bị sửa, xóa hoặc thêm",
        "another root: a leaf from {after} to {upto} was changed, removed or added",
    ),
    "audit.seal_beyond": (
        "niêm {size} lá nhưng chỉ còn {leaves}: nhật ký đã bị cắt đuôi",
        "it covers {size} leaves and there are {leaves}: the log was cut off",
    ),
    "audit.seal_key": ("ký bằng khóa khác ({fingerprint})", "it was signed with another key ({fingerprint})"),
    "audit.stamp_wrong": (
        "dấu thời gian không đúng: {detail}",
        "its timestamp does not hold: {detail}",
    ),
    "audit.stamp_missing": (
        "đã công bố kèm dấu thời gian, ở đây không còn",
        "it was published with a timestamp, which is not here any more",
    ),
    "audit.stamp_before": (
        "dấu thời gian ({at}) có trước thời điểm ghi trên dấu niêm ({said})",
        "its timestamp ({at}) is older than the time that the seal says ({said})",
    ),
    "audit.published_signature": (
        "chữ ký của dấu niêm đã công bố không đúng: {detail}",
        "the published seal's signature does not hold: {detail}",
    ),
    "audit.published_log": (
        "dấu niêm đã công bố thuộc nhật ký khác ({log})",
        "the published seal is of another log ({log})",
    ),
    "audit.published_differs": (
        "hai lịch sử: nhật ký này không chứa {size} lá mà dấu niêm đã công bố chứng nhận",
        "two histories: this log does not begin with the {size} leaves that were published",
    ),
    "audit.published_beyond": (
        "đã công bố {size} lá, ở đây chỉ có {leaves}: bị cắt đuôi, hoặc là bản sao cũ",
        "{size} leaves were published and here are {leaves}: cut off, or an older copy",
    ),
    "audit.published_unreached": (
        "không so được với dấu niêm đã công bố, vì trước {size} đã thiếu lá",
        "it could not be compared, because leaves before {size} are missing",
    ),
    "audit.node_changed": (
        "giá trị trung gian sai: bằng chứng lập từ đó không dùng được",
        "a hash kept for proofs is wrong: proofs made with it would not hold",
    ),
    "audit.log_size": (
        "ghi là {said} lá, thực có {leaves}",
        "it is said to have {said} leaves and has {leaves}",
    ),
    "audit.log_peaks": (
        "trạng thái của cây không khớp các lá",
        "the state of the tree does not fit the leaves",
    ),
    "audit.log_place": (
        "ghi là đã nhận đến sự kiện số {said}, lá cuối mang số {number}: sự kiện mới có thể không vào nhật ký",
        "it is said to have gone up to event {said}, its last leaf is number {number}: new events may never enter it",
    ),
    "audit.binding_differs": (
        "chứng thư số đang gắn không khớp nhật ký: {detail}",
        "the bound certificate is not as the events tell: {detail}",
    ),
    "audit.more": ("… và {count} điểm khác", "… and {count} more"),
}
_NOTES: dict[str, tuple[str, str]] = {
    "audit.note.unanchored": (
        "Chưa so với dấu niêm nào đã công bố. Ai làm lại toàn bộ lịch sử, hoặc cắt phần cuối, thì lần kiểm tra này "
        "không phát hiện được. Hãy thêm --seal FILE.",
        "Nothing was held against a published seal. Whoever made the whole history anew, or cut off its end, is not "
        "found this way. Add --seal FILE.",
    ),
    "audit.note.earlier": (
        "{leaves} lá đầu không kiểm tra lại",
        "the first {leaves} leaves were not examined again",
    ),
    "audit.note.unsealed": (
        "{count} sự kiện chưa được niêm: chưa có gì bảo vệ",
        "{count} events are not sealed yet: nothing protects them",
    ),
    "audit.note.stamps_unchecked": (
        "{count} dấu thời gian chưa kiểm tra: không có chứng thư gốc; thêm --tsa-ca FILE",
        "{count} timestamps were not checked: no root certificates; add --tsa-ca FILE",
    ),
    "audit.note.unstamped": (
        "dấu niêm {first} đến {last} chưa có dấu thời gian tin cậy: thời gian chỉ do nút này tự ghi",
        "seals {first} to {last} have no trusted timestamp: their time is this node's own word",
    ),
    "audit.note.stamps_late": (
        "{count} dấu thời gian đến muộn hơn 2 giờ: chỉ chứng minh từ thời điểm của chính nó",
        "{count} timestamps came more than two hours late: each proves its own time alone",
    ),
    "audit.note.erased": (
        "{count} phần chữ đã xóa theo quyết định được ghi lại",
        "{count} texts were deleted by recorded decisions",
    ),
    "audit.note.restored": (
        "nút đã được khôi phục từ bản sao lúc {copied_at} (lá {leaf}): phần nhật ký sau bản sao đó đã mất, dấu niêm "
        "công bố sau đó không khớp nữa",
        "the node was restored from a copy of {copied_at} (leaf {leaf}): what the log held after that copy is lost, and "
        "seals published after it do not fit any more",
    ),
}
_TALK: dict[str, tuple[str, str]] = {
    "audit.holds": (
        "✓ Nhật ký toàn vẹn: {leaves} sự kiện, {seals} dấu niêm, {stamps} dấu thời gian.",
        "✓ The log holds: {leaves} events, {seals} seals, {stamps} timestamps.",
    ),
    "audit.broken": (
        "✗ Nhật ký không toàn vẹn ({leaves} sự kiện, {seals} dấu niêm, {stamps} dấu thời gian).",
        "✗ The log does not hold ({leaves} events, {seals} seals, {stamps} timestamps).",
    ),
    "audit.key": ("  Khóa niêm: {fingerprint}", "  Key of the seals: {fingerprint}"),
    "audit.progress": ("  {done} / {of} sự kiện", "  {done} of {of} events"),
    "audit.published": (
        "Dấu niêm {number} đã rời nút. Hãy giữ ở nơi nút này không sửa được.",
        "Seal {number} has left the node. Keep it where this node cannot change it.",
    ),
    "audit.ask.erase": (
        "Xóa vĩnh viễn phần chữ của sự kiện {event}?",
        "Delete the texts of event {event} for ever?",
    ),
    "audit.paper.log": ("Nhật ký", "Log"),
    "audit.paper.number": ("Dấu niêm số", "Seal number"),
    "audit.paper.size": ("Số sự kiện", "Events"),
    "audit.paper.at": ("Lúc (UTC)", "At (UTC)"),
    "audit.paper.root": ("Gốc", "Root"),
    "audit.paper.seal": ("Mã băm", "Digest"),
    "audit.paper.key": ("Khóa", "Key"),
    "cli.column.leaf": ("Lá", "Leaf"),
    "cli.column.about": ("Đối tượng", "About"),
    "cli.column.principal": ("Người thực hiện", "Who"),
    "doctor.log.fine": (
        "Nhật ký đã niêm đến {at}",
        "The log is sealed up to {at}",
    ),
    "doctor.log.none": (
        "Nhật ký chưa có sự kiện nào",
        "The log has no events yet",
    ),
    "doctor.log.unsealed": (
        "Có sự kiện từ {since} chưa được niêm: bộ phận niêm không chạy",
        "An event of {since} is not sealed yet: nothing seals the log",
    ),
    "doctor.log.unstamped": (
        "Chưa có dấu thời gian tin cậy cho nhật ký từ {since}",
        "The log has had no trusted timestamp since {since}",
    ),
    "doctor.log.unpublished": (
        "Chưa có dấu niêm nào rời nút từ {since}: lịch sử vẫn có thể bị làm lại mà không ai biết",
        "No seal has left the node since {since}: history could be made anew and nobody would know",
    ),
}
AUDIT: dict[str, tuple[str, str]] = _FINDINGS | _NOTES | _TALK
