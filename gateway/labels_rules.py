"""One sentence for each broken rule or warning of the policies, with what to do, Vietnamese and English.
In: nothing. Out: `RULES`, key to (vi, en); `rule.X` for each `policy.verdict.ReasonCode`, `why.X` for parts of them."""

from __future__ import annotations

RULES: dict[str, tuple[str, str]] = {
    "rule.missing": ("Thiếu {field}. Hãy nhập.", "{field} is missing. Fill it in."),
    "rule.too-long": (
        "{field} dài {length} ký tự, tối đa {limit}. Hãy rút gọn.",
        "{field} has {length} characters, at most {limit} are allowed. Shorten it.",
    ),
    "rule.too-many": (
        "{field}: {count} mục, tối đa {limit}. Hãy tách thành nhiều văn bản hoặc bớt đi.",
        "{field}: {count} entries, at most {limit} are allowed. Make several documents of it, or leave some out.",
    ),
    "rule.bad-characters": (
        "{field} có ký tự không dùng được (ký tự điều khiển, hoặc dấu phẩy trong số, ký hiệu). Hãy xóa và gõ lại.",
        "{field} has characters that cannot be used (control characters, or a comma in number or symbol). Type it again.",
    ),
    "rule.out-of-range": (
        "{field} là {value}, phải từ {least} đến {most}.",
        "{field} is {value}; it must be from {least} to {most}.",
    ),
    "rule.date-in-future": (
        "Ngày văn bản {given_on} sau hôm nay ({today_on}). Hãy sửa ngày, hoặc gửi vào ngày đó.",
        "The date {given_on} is after today ({today_on}). Correct it, or send on that day.",
    ),
    "rule.date-odd": (
        "{field}: ngày {given_on} không hợp lý, phải từ {least_on} đến {most_on}. Hãy sửa.",
        "{field}: {given_on} cannot be right; it must be from {least_on} to {most_on}. Correct it.",
    ),
    "rule.unsendable": (
        "Không thể đóng gói để gửi đi: {detail}. Hãy sửa rồi gửi lại.",
        "It cannot be packed to be sent: {detail}. Correct it and send again.",
    ),
    "rule.due-at-missing": (
        "Hỏa tốc hẹn giờ phải có giờ hẹn. Hãy nhập ngày giờ, hoặc chọn Hỏa tốc.",
        "Timed express needs its hour. Give date and time, or choose express.",
    ),
    "rule.timed-express-off": (
        "Cơ quan không dùng mức Hỏa tốc hẹn giờ. Hãy chọn Hỏa tốc.",
        "This agency does not use timed express. Choose express.",
    ),
    "rule.reply-due-without-reply": (
        "Có hạn trả lời nhưng lại chọn không phải phản hồi. Hãy chọn phải phản hồi, hoặc bỏ hạn trả lời.",
        "There is a reply date but no reply is required. Require a reply, or remove the date.",
    ),
    "rule.reply-due-missing": (
        "Yêu cầu phản hồi nhưng chưa có hạn trả lời. Nên nhập hạn trả lời.",
        "A reply is required but has no date. A date should be given.",
    ),
    "rule.due-passed": (
        "{field} {given_on} đã qua. Hãy kiểm tra lại.",
        "{field} {given_on} has passed. Check it.",
    ),
    "rule.secrecy-declared": (
        "Văn bản mật không được gửi qua hệ thống này. Nội dung chưa được lưu.",
        "Secret documents must not go through this system. Nothing was stored.",
    ),
    "rule.forbidden-category": (
        "Loại nội dung đã khai ({value}) không được gửi qua hệ thống này. Nội dung chưa được lưu.",
        "The declared kind of content ({value}) must not go through this system. Nothing was stored.",
    ),
    "rule.sensitive-word": (
        "Trích yếu có từ “{word}”. Đơn thư khiếu nại, tố cáo không gửi qua hệ thống; nếu không phải, cứ tiếp tục.",
        "The subject has the words “{word}”. Complaints and denunciations do not go here; if it is none, go on.",
    ),
    "rule.legacy-font": (
        "{field} có vẻ gõ bằng phông cũ (TCVN3, VNI). Hãy chuyển sang Unicode.",
        "{field} looks like an old font (TCVN3, VNI). Convert it to Unicode.",
    ),
    "rule.hidden-marks": (
        "{field} có ký tự ẩn ({marks}), có thể làm chữ hiện ra khác với nội dung thật. Hãy xóa và gõ lại.",
        "{field} has marks that nobody sees ({marks}); what is shown may differ from what it says. Type it again.",
    ),
    "rule.type-unknown": (
        "“{name}” không có trong danh mục tên loại văn bản. Hãy kiểm tra lại.",
        "“{name}” is none of the known types of document. Check it.",
    ),
    "rule.no-diacritics": (
        "Trích yếu không có dấu tiếng Việt. Hãy kiểm tra lại.",
        "The subject has no Vietnamese diacritics. Check it.",
    ),
    "rule.recipient-self": (
        "{recipient} là mã của chính cơ quan mình. Hãy bỏ khỏi nơi nhận.",
        "{recipient} is your own agency. Remove it from the recipients.",
    ),
    "rule.recipient-twice": (
        "{recipient} có hai lần trong nơi nhận. Hãy bỏ một.",
        "{recipient} stands twice among the recipients. Remove one.",
    ),
    "rule.recipient-unknown": (
        "Không có cơ quan nào mang mã {recipient}. Hãy kiểm tra mã trong danh mục.",
        "No agency has code {recipient}. Look it up in the registry.",
    ),
    "rule.recipient-closed": (
        "{recipient} {name} không còn hoạt động. Hãy gửi tới cơ quan kế nhiệm.",
        "{recipient} {name} is closed. Send to its successor.",
    ),
    "rule.recipient-uncertain": (
        "Chưa rõ {recipient} là cơ quan nào. Hãy chọn đúng mã trong danh mục.",
        "It is not certain which agency {recipient} is. Choose the exact code in the registry.",
    ),
    "rule.lead-count": (
        "Văn bản phải có đúng một tệp chính, đang có {found}. Hãy chọn lại.",
        "A document has exactly one lead file, {found} given. Choose one.",
    ),
    "rule.lead-type": (
        "Tệp chính {name} là {type}, phải là {allowed}. Hãy xuất ra PDF đã ký rồi gửi; tệp này để làm tệp gốc.",
        "The lead file {name} is {type}, it must be {allowed}. Send the signed PDF; keep this one as the source file.",
    ),
    "rule.file-name": (
        "Tên tệp “{name}” không đọc được. Hãy đổi tên.",
        "The file name “{name}” cannot be read. Rename it.",
    ),
    "rule.file-empty": ("Tệp {name} rỗng. Hãy chọn lại tệp.", "File {name} is empty. Choose it again."),
    "rule.file-too-large": (
        "Tệp {name} nặng {size_bytes}, giới hạn {limit_bytes}. Hãy nén, tách tệp, hoặc gửi đường dẫn.",
        "File {name} is {size_bytes}, the limit is {limit_bytes}. Compress or split it, or send a link.",
    ),
    "rule.file-too-large.stopped": (
        "Tệp {name} vượt giới hạn {limit_bytes}. Hãy nén, tách tệp, hoặc gửi đường dẫn.",
        "File {name} is larger than the limit of {limit_bytes}. Compress or split it, or send a link.",
    ),
    "rule.document-too-large.stopped": (
        "Các tệp cộng lại vượt giới hạn {limit_bytes} của một văn bản, tính đến tệp {name}. Hãy bớt hoặc nén tệp.",
        "The files together are larger than the limit of {limit_bytes} of a document, counted up to {name}. Leave some out "
        "or compress them.",
    ),
    "rule.document-too-large": (
        "Các tệp nặng {size_bytes}, giới hạn một văn bản là {limit_bytes}; tệp lớn nhất hoặc vừa thêm là {name}. "
        "Hãy bớt hoặc nén tệp.",
        "The files are {size_bytes} together, the limit of a document is {limit_bytes}; largest or last: {name}. "
        "Leave some out or compress them.",
    ),
    "rule.type-not-allowed": (
        "Tệp {name} thuộc loại {type}, không được phép. Hãy đổi sang PDF, DOCX, XLSX hoặc loại được phép khác.",
        "File {name} is of type {type}, which is not allowed. Convert it to PDF, DOCX, XLSX or another allowed type.",
    ),
    "rule.type-unlike-name": (
        "Tên tệp {name} không khớp nội dung (thực ra là {type}). Hãy sửa đuôi tệp.",
        "The name of {name} does not match its content (it is {type}). Correct the ending.",
    ),
    "rule.encrypted": (
        "Tệp {name} có mật khẩu. Hãy bỏ mật khẩu rồi gửi lại.",
        "File {name} has a password. Remove the password and send again.",
    ),
    "rule.broken": (
        "Tệp {name} lỗi: {why}. Hãy mở thử, lưu lại rồi gửi.",
        "File {name} is broken: {why}. Open it, save it again and send.",
    ),
    "rule.archive-bomb": (
        "Tệp nén {name} không được phép: {why}. Tối đa {depth} lớp, {members} tệp, tỷ lệ nén {ratio}:1. "
        "Hãy gửi các tệp không nén.",
        "Archive {name} is not allowed: {why}. At most {depth} levels, {members} members, ratio {ratio}:1. "
        "Send the files unpacked.",
    ),
    "rule.active-content": (
        "Tệp {name} có nội dung tự chạy ({kind}). Hãy lưu lại bản không có nội dung này.",
        "File {name} has active content ({kind}). Save a copy without it.",
    ),
    "rule.pages-differ": (
        "Khai {stated} trang, tệp {name} có {found} trang. Hãy kiểm tra thiếu, thừa trang.",
        "{stated} pages are stated, {name} has {found}. Check for missing pages.",
    ),
    "rule.no-source": (
        "Chỉ có PDF, chưa kèm tệp gốc (Word, Excel). Nên đính kèm tệp gốc.",
        "There is only the PDF. The source file (Word, Excel) should go with it.",
    ),
    "rule.parent-not-sent": (
        "Văn bản chưa gửi đi nên chưa thu hồi, cập nhật hay thay thế được. Hãy hủy gửi.",
        "The document has not left, so it cannot be recalled, updated or replaced. Cancel it instead.",
    ),
    "rule.parent-is-change": (
        "Đây là gói cập nhật hoặc thu hồi. Hãy làm từ văn bản gốc.",
        "This is an update or recall packet. Act on the original document.",
    ),
    "rule.target-differs": (
        "Văn bản bị tác động ({given}) không phải văn bản này ({expected}).",
        "The document acted on ({given}) is not this one ({expected}).",
    ),
    "rule.replaces-itself": (
        "Văn bản thay thế trùng số, ký hiệu và ngày với {document}. Hãy lấy số mới.",
        "The replacement has the number and date of {document}. Give it a new number.",
    ),
    "rule.nothing-changed": (
        "Cập nhật không nêu thay đổi nào. Hãy chọn thông tin hoặc nơi nhận thay đổi.",
        "The update changes nothing. Choose changed information or receivers.",
    ),
    "rule.parent-on-paper": (
        "Văn bản {document} gửi bản giấy, không đi qua trục. Hãy thu hồi, cập nhật hoặc thay thế bằng văn bản giấy.",
        "{document} went on paper, not over the axis. Recall, correct or replace it on paper.",
    ),
    "rule.change-on-paper": (
        "Cập nhật, thay thế văn bản đã gửi qua trục thì phải gửi qua trục, không chỉ bằng giấy.",
        "What changes a document that went over the axis goes over the axis too, not on paper alone.",
    ),
    "rule.before-its-date": (
        "Ngày gửi bản giấy {given_on} trước ngày văn bản {least_on}.",
        "It was handed over on {given_on}, before the date of the document, {least_on}.",
    ),
    "rule.number-taken": (
        "Số {text} đã cấp cho văn bản ngày {held_on} gửi {to} ({earlier}). Số tiếp theo chưa dùng: {next_free}.",
        "Number {text} is that of the document of {held_on} to {to} ({earlier}). The next free one: {next_free}.",
    ),
    "rule.copy-here": (
        "Văn bản {text} cùng ngày đã đến qua trục (số đến: {arrival}). Bản giấy không cần số đến thứ hai; nếu vẫn "
        "vào sổ, hãy xác nhận.",
        "{text} of that day came over the axis (arrival number: {arrival}). Its paper copy needs no second number; to "
        "enter it all the same, confirm.",
    ),
    "rule.number-again": (
        "Số {text} đã dùng trong năm cho văn bản ngày {held_on}. Hãy kiểm tra số và ngày, hoặc lấy số mới.",
        "Number {text} was used this year for a document of {held_on}. Check number and date, or take a new number.",
    ),
    "rule.lead-again": (
        "Tệp {name} đã gửi làm văn bản chính của văn bản {text}. Hãy kiểm tra có chọn nhầm tệp không.",
        "File {name} was sent before, as the lead document of {text}. Check that it is the right file.",
    ),
    "rule.recipient-starter": (
        "{name} ({recipient}) chỉ có trong danh sách mẫu kèm phần mềm, chưa có danh mục chính thức xác nhận sau sắp xếp "
        "năm 2025. Hãy kiểm tra cơ quan và mã trước khi gửi.",
        "{name} ({recipient}) is in the list that ships with the program alone; no official list has confirmed it since "
        "the reorganisation of 2025. Check the agency and its code before sending.",
    ),
    "rule.recipient-unbound": (
        "{name} ({recipient}) chưa có chứng thư số được xác nhận, nên phản hồi của cơ quan này chưa nhận được.",
        "{name} ({recipient}) has no confirmed certificate, so nothing that it answers can be taken in.",
    ),
    "rule.recipient-unhosted": (
        "Chưa có hệ thống nào nhận văn bản cho {name} ({recipient}) trên trục liên thông. Gửi bây giờ sẽ không tới nơi; "
        "hãy gửi bản giấy, hoặc chờ cơ quan này kết nối.",
        "No node receives for {name} ({recipient}) on the axis. Sent now, it will not arrive; send it on paper, or wait "
        "until that agency is connected.",
    ),
    "rule.idempotency-other": (
        "Khóa chống gửi trùng {key} đã dùng cho nội dung khác. Hãy dùng khóa mới.",
        "Idempotency key {key} was used for other content. Use a new key.",
    ),
    "rule.status-unknown": (
        "Không có mã trạng thái {status}. Dùng 02 đến 06, 15 hoặc 16.",
        "There is no status {status}. Use 02 to 06, 15 or 16.",
    ),
    "rule.status-time": (
        "Thời điểm {given} phải từ lúc văn bản đến ({earliest}) đến hiện tại ({latest}). Hãy kiểm tra đồng hồ, hoặc bỏ "
        "trống.",
        "The time {given} must lie between the arrival of the document ({earliest}) and now ({latest}). Check the clock, "
        "or leave it out.",
    ),
    "rule.number-without-03": (
        "Số đến chỉ được báo kèm trạng thái 03 (đã tiếp nhận), không kèm trạng thái {status}.",
        "An arrival number is told with status 03 alone, not with {status}.",
    ),
    "rule.status-not-now": (
        "Trạng thái hiện tại không cho phép đặt mã này. Tải lại để xem.",
        "The present state does not allow this code. Reload to see it.",
    ),
    "rule.schema": (
        "Gói tin có điểm bất thường: {finding} {detail}. Văn thư xem xét rồi tiếp nhận hoặc trả lại.",
        "The packet is unusual: {finding} {detail}. A clerk looks at it and takes it in or returns it.",
    ),
    # beside any of them
    "rule.suggest": ("Có phải: {suggest}?", "Did you mean: {suggest}?"),
    # why a file is broken, or an archive not accepted
    "why.empty": ("tệp rỗng", "it is empty"),
    "why.truncated": ("tệp bị cắt cụt", "it is cut short"),
    "why.unreadable": ("không đọc được cấu trúc tệp", "its structure cannot be read"),
    "why.no-pages": ("không có trang nào", "it has no pages"),
    "why.junk-before": ("có dữ liệu lạ ở đầu tệp", "there is foreign data before it"),
    "why.junk-after": ("có dữ liệu lạ ở cuối tệp", "there is foreign data after it"),
    "why.member-name": (
        "tên tệp bên trong trỏ ra ngoài thư mục",
        "a member's name points outside the archive",
    ),
    "why.member-link": ("bên trong có liên kết, không phải tệp", "a member is a link"),
    "why.member-twice": ("bên trong có hai tệp trùng tên", "two members have the same name"),
    "why.member-header": ("mục lục không khớp nội dung", "its directory does not match its content"),
    "why.member-method": ("kiểu nén lạ", "it uses an unusual compression"),
    "why.member-overlap": ("các tệp bên trong chồng lên nhau", "its members overlap"),
    "why.ratio": ("bung ra quá lớn", "it unpacks to far too much"),
    "why.too-deep": ("nén lồng quá nhiều lớp", "archives are nested too deep"),
    "why.too-many-members": ("quá nhiều tệp bên trong", "it has too many members"),
    "why.too-long-to-read": ("đọc quá lâu", "it takes too long to read"),
    # kinds of active content
    "active.javascript": ("JavaScript", "JavaScript"),
    "active.launch": ("lệnh chạy chương trình", "a launch action"),
    "active.macro": ("macro", "a macro"),
    "active.script": ("mã lệnh", "a script"),
    "active.embedded-file": ("tệp nhúng", "an embedded file"),
}
