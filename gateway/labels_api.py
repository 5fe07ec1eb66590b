"""What the API says when a call has the wrong shape, and what its pages say: problems, faults of requests, the pages of
documentation and of the node's standing. In: nothing. Out: `API`, key to (vi, en); `problem.X` and `problem.X.text`
for each kind of problem the front door makes, `fault.X` for each single fault."""

from __future__ import annotations

API: dict[str, tuple[str, str]] = {
    # kinds of problem: title, and what to do
    "problem.bad-request": ("Yêu cầu không đúng mẫu", "The request has the wrong shape"),
    "problem.bad-request.text": (
        "Yêu cầu có chỗ không đúng mẫu, chưa làm gì cả. Xem từng lỗi trong danh sách, sửa rồi gọi lại.",
        "Parts of the request have the wrong shape; nothing was done. Correct what is listed and call again.",
    ),
    "problem.bad-json": ("Nội dung không phải JSON", "The body is not JSON"),
    "problem.bad-json.text": (
        "Nội dung phải là một đối tượng JSON, mã UTF-8, mỗi tên chỉ xuất hiện một lần.",
        "The body must be one JSON object in UTF-8, with every member once.",
    ),
    "problem.bad-body": ("Nội dung bị đứt giữa chừng", "The body was cut short"),
    "problem.bad-body.text": (
        "Chưa nhận đủ nội dung yêu cầu, chưa lưu gì. Hãy gọi lại.",
        "The request did not arrive whole; nothing was stored. Call again.",
    ),
    "problem.bad-multipart": ("Các phần của yêu cầu không đúng", "The parts of the request are wrong"),
    "problem.bad-multipart.text": (
        "Yêu cầu multipart gồm phần meta (JSON) đứng đầu, rồi tới các tệp. Chưa lưu gì.",
        "A multipart request is the part meta (JSON) first, then the files. Nothing was stored.",
    ),
    "problem.missing-field": ("Thiếu thông tin bắt buộc", "Required fields are missing"),
    "problem.missing-field.text": (
        "Thiếu thông tin bắt buộc, chưa lưu gì. Hãy bổ sung những mục trong danh sách.",
        "Required fields are missing; nothing was stored. Fill in what is listed.",
    ),
    "problem.bad-file": ("Tệp có dòng sai", "The file has bad lines"),
    "problem.bad-file.text": (
        "Tệp có dòng sai nên chưa nhập gì. Sửa các dòng trong danh sách rồi gửi lại cả tệp.",
        "The file has bad lines, so nothing was imported. Correct the lines listed and send the whole file again.",
    ),
    "problem.key-missing": ("Thiếu Idempotency-Key", "Idempotency-Key is missing"),
    "problem.key-missing.text": (
        "Lời gọi tạo mới cần tiêu đề Idempotency-Key (tối đa 255 ký tự) để gọi lại không bị gửi hai lần.",
        "A call that creates needs the header Idempotency-Key (at most 255 characters), so that a repeat is harmless.",
    ),
    "problem.agency-needed": ("Chưa nói là cơ quan nào", "Which agency was not said"),
    "problem.agency-needed.text": (
        "Khóa này dùng cho nhiều cơ quan. Hãy ghi mã cơ quan vào tiêu đề X-Agency.",
        "This key serves several agencies. Name one in the header X-Agency.",
    ),
    "problem.unauthorized": ("Chưa có khóa hợp lệ", "No valid key"),
    "problem.unauthorized.text": (
        "Cần tiêu đề Authorization: Bearer với khóa API còn hiệu lực.",
        "The header Authorization: Bearer with a valid API key is needed.",
    ),
    "problem.forbidden": ("Khóa không được làm việc này", "The key may not do this"),
    "problem.forbidden.text": (
        "Khóa thiếu quyền cho việc này, hoặc không dùng cho cơ quan đã ghi. Hãy hỏi quản trị.",
        "The key lacks the right for this, or does not serve the agency named. Ask the operator.",
    ),
    "problem.no-such-page": ("Không có địa chỉ này", "There is no such address"),
    "problem.no-such-page.text": (
        "Không có gì ở địa chỉ này. Danh sách các lời gọi ở /docs.",
        "Nothing lives at this address. The list of calls is at /docs.",
    ),
    "problem.method-not-allowed": ("Không dùng được cách gọi này", "The method is not allowed"),
    "problem.method-not-allowed.text": (
        "Địa chỉ này không nhận cách gọi đó; các cách được nhận ở tiêu đề Allow.",
        "This address does not take that method; the header Allow lists those it takes.",
    ),
    "problem.too-slow": ("Gửi quá chậm", "Too slow"),
    "problem.too-slow.text": (
        "Chưa nhận đủ yêu cầu trong thời gian cho phép, chưa lưu gì. Hãy gọi lại.",
        "The request did not arrive in time; nothing was stored. Call again.",
    ),
    "problem.too-many-calls": ("Gọi quá nhiều lần", "Too many calls"),
    "problem.too-many-calls.text": (
        "Khóa này hoặc địa chỉ này gọi quá nhiều lần. Hãy gọi lại sau số giây ghi ở tiêu đề Retry-After.",
        "This key or this address calls too often. Call again after the seconds that the header Retry-After says.",
    ),
    "problem.cursor-gone": ("Mốc đọc không còn", "That cursor is gone"),
    "problem.cursor-gone.text": (
        "Không còn sự kiện nào mang mốc này: nút đã được khôi phục từ một bản sao lưu cũ hơn. Đọc lại từ after=0, "
        "bỏ qua những gì đã xử lý",
        "No event bears this cursor: the node was restored from an older backup. Read again from after=0 and pass over "
        "what you have already done",
    ),
    "problem.still-running": ("Lần gọi đầu chưa xong", "The first call is still running"),
    "problem.still-running.text": (
        "Yêu cầu đầu tiên với Idempotency-Key này đang chạy. Hãy gọi lại sau vài giây.",
        "The first request with this Idempotency-Key is still at work. Call again in a few seconds.",
    ),
    "problem.too-large": ("Quá lớn", "Too large"),
    "problem.too-large.text": (
        "Yêu cầu hoặc tệp vượt giới hạn, chưa lưu gì. Giới hạn xem ở /api/v1/limits.",
        "The request or a file is over its limit; nothing was stored. Limits are at /api/v1/limits.",
    ),
    "problem.unsupported-media": ("Kiểu nội dung không nhận", "The media type is not supported"),
    "problem.unsupported-media.text": (
        "Kiểu nội dung này không được nhận ở đây, hoặc nội dung bị nén.",
        "This media type is not taken here, or the body is compressed.",
    ),
    "problem.no-such-part": ("Phần yêu cầu nằm ngoài tệp", "The part lies outside of the file"),
    "problem.no-such-part.text": (
        "Range chỉ vào phần nằm ngoài tệp. Hãy xem Content-Range.",
        "Range names a part that lies outside of the file; Content-Range says how long it is.",
    ),
    "clash.GW-401-REVOKED": (
        "Khóa này đã bị thu hồi. Hãy xin quản trị cơ quan cấp khóa khác.",
        "This key was revoked. Ask the agency's administrator for another one.",
    ),
    "clash.GW-401-EXPIRED": (
        "Khóa này đã hết hạn. Hãy xin quản trị cơ quan cấp khóa khác.",
        "This key has expired. Ask the agency's administrator for another one.",
    ),
    "problem.expectation-failed": ("Không đáp ứng được Expect", "The expectation cannot be met"),
    "problem.expectation-failed.text": (
        "Tiêu đề Expect chỉ được là 100-continue.",
        "The header Expect may only say 100-continue.",
    ),
    "problem.idempotency-other": (
        "Idempotency-Key đã dùng cho yêu cầu khác",
        "The Idempotency-Key was used for another request",
    ),
    "problem.idempotency-other.text": (
        "Khóa này đã gắn với một yêu cầu có nội dung khác. Yêu cầu mới cần khóa mới.",
        "This key stands for a request with other content. A new request needs a new key.",
    ),
    "problem.not-well": ("Nút chưa phục vụ được", "The node cannot serve now"),
    "problem.not-well.text": (
        "Nút tạm thời chưa phục vụ được. Hãy gọi lại sau ít giây; phần checks nói lý do.",
        "The node cannot serve for now. Call again in a few seconds; checks says why.",
    ),
    "problem.http": ("Yêu cầu không được nhận", "The request was not taken"),
    "problem.http.text": ("Máy chủ không nhận yêu cầu này.", "The server does not take this request."),
    "problem.many": ("Có {n} lỗi cần sửa.", "{n} problems to correct."),
    # single faults
    "fault.bad-json": (
        "Không đọc được JSON (dòng {line}, cột {column}).",
        "The JSON cannot be read (line {line}, column {column}).",
    ),
    "fault.odd-json": (
        "JSON có chỗ không dùng được: không phải UTF-8, NaN, số quá dài, nửa ký tự Unicode hoặc lồng quá sâu.",
        "The JSON holds what cannot be used: no UTF-8, NaN, an endless number, half a character, or too much nesting.",
    ),
    "fault.not-an-object": ("Phải là một đối tượng JSON.", "It must be a JSON object."),
    "fault.twice": ("Xuất hiện hai lần; chỉ được một.", "It stands twice; once is allowed."),
    "fault.unknown-field": ("Không có mục {field}.", "There is no field {field}."),
    "fault.missing": ("Thiếu {field}. Hãy nhập.", "{field} is missing. Fill it in."),
    "fault.wrong-type": (
        "{field} sai kiểu, phải là {expected}.",
        "{field} has the wrong type; it must be {expected}.",
    ),
    "fault.bad-value": (
        "Giá trị của {field} không dùng được. Được dùng: {expected}.",
        "The value of {field} cannot be used. Expected: {expected}.",
    ),
    "fault.bad-host": (
        "Nút không phục vụ tên máy chủ ghi ở tiêu đề Host.",
        "The node does not answer to the host named in the header Host.",
    ),
    "fault.not-plain-http": (
        "Yêu cầu phải là HTTP/1.0 hoặc 1.1, địa chỉ bắt đầu bằng /, không mã hóa truyền nào ngoài chunked.",
        "A request is HTTP/1.0 or 1.1, with an address that begins with / and no transfer coding but chunked.",
    ),
    "fault.too-long": ("{field} dài quá {expected} ký tự.", "{field} is longer than {expected} characters."),
    "fault.too-many": ("{field} có quá {expected} mục.", "{field} has more than {expected} items."),
    "fault.empty": ("{field} đang để trống.", "{field} is empty."),
    "fault.bad-characters": (
        "{field} có ký tự điều khiển hoặc ngắt dòng không được dùng ở đây.",
        "{field} has control characters or line breaks that are not allowed here.",
    ),
    "fault.cut-short": ("Kết nối đứt trước khi gửi xong.", "The connection ended before the body did."),
    "fault.encoding": (
        "Không nhận nội dung nén (Content-Encoding). Hãy gửi nguyên bản.",
        "A compressed body (Content-Encoding) is not taken. Send it as it is.",
    ),
    "fault.media": (
        "Kiểu {found} không được nhận; dùng {expected}.",
        "{found} is not taken; use {expected}.",
    ),
    "fault.too-large": ("Quá giới hạn {limit_bytes}.", "Over the limit of {limit_bytes}."),
    "fault.agency-needed": (
        "Hãy ghi X-Agency là một trong: {codes}.",
        "Set X-Agency to one of: {codes}.",
    ),
    "fault.key-missing": (
        "Hãy thêm tiêu đề Idempotency-Key, dài 1 đến 255 ký tự, mỗi yêu cầu mới một khóa mới.",
        "Add the header Idempotency-Key, 1 to 255 characters, a new one for each new request.",
    ),
    "fault.key-other": (
        "Idempotency-Key này đã dùng cho yêu cầu có nội dung khác. Hãy dùng khóa mới.",
        "This Idempotency-Key was used for a request with other content. Use a new key.",
    ),
    "fault.row": ("Dòng {line}: gặp {found}. {advice}", "Line {line}: found {found}. {advice}"),
    "fault.meta-first": (
        "Phần đầu tiên phải là meta (JSON); các tệp đứng sau.",
        "The first part must be meta (JSON); the files follow it.",
    ),
    "fault.not-multipart": (
        "Không đọc được multipart: sai dấu phân cách, sai tiêu đề, hoặc bị cắt giữa chừng.",
        "The multipart cannot be read: wrong boundary, wrong headers, or cut off.",
    ),
    "fault.nested-parts": (
        "Một phần lại chứa multipart; không được.",
        "A part is itself multipart; that is not taken.",
    ),
    "fault.encoded-part": (
        "Phần {field} được mã hóa hoặc nén; hãy gửi đúng các byte của tệp.",
        "The part {field} is encoded or compressed; send the bytes of the file.",
    ),
    "fault.too-many-parts": (
        "Quá {limit} phần trong một yêu cầu.",
        "More than {limit} parts in one request.",
    ),
    "fault.no-file-name": ("Phần {field} không có tên tệp.", "The part {field} has no file name."),
    "fault.bad-file-name": (
        "Không đọc được tên tệp {name} (phần {field}): có ký tự điều khiển hoặc mã hóa sai.",
        "The file name {name} (part {field}) cannot be read: it has control characters or is wrongly encoded.",
    ),
    "fault.no-role": (
        "Phần {field} ({name}): tên phần phải là lead, source, appendix hoặc reference, hoặc tệp có trong meta.files.",
        "Part {field} ({name}): name the part lead, source, appendix or reference, or list the file in meta.files.",
    ),
    "fault.file-not-listed": (
        "Tệp {name} (phần {field}) không có trong meta.files.",
        "The file {name} (part {field}) is not in meta.files.",
    ),
    "fault.file-absent": (
        "Tệp {name} có trong meta.files nhưng không được gửi.",
        "The file {name} is in meta.files but did not come.",
    ),
    "fault.file-twice": ("Tệp {name} được gửi hai lần.", "The file {name} came twice."),
    "fault.size-differs": (
        "Tệp {name} có {found} byte, meta.files ghi {expected}.",
        "The file {name} has {found} bytes, meta.files says {expected}.",
    ),
    "fault.digest-differs": (
        "Tệp {name} có SHA-256 {found}, meta.files ghi {expected}.",
        "The file {name} has SHA-256 {found}, meta.files says {expected}.",
    ),
    # remarks beside an answer
    "api.normalized": (
        "Một số chữ gửi lên ở dạng Unicode tổ hợp; đã đổi sang dạng dựng sẵn (NFC).",
        "Some text came in a decomposed Unicode form; it was brought into NFC.",
    ),
    # the invented document of the API's examples
    "sample.agency": ("Ủy ban nhân dân xã Bình Mẫu", "People's Committee of Binh Mau"),
    "sample.subject": (
        "V/v báo cáo tình hình thực hiện dự toán",
        "On the report about carrying out the budget",
    ),
    "sample.signer": ("Nguyễn Văn Mẫu", "Nguyen Van Mau"),
    "sample.title": ("Giám đốc", "Director"),
    "sample.clerk": ("Trần Thị Mẫu", "Tran Thi Mau"),
    "sample.office": ("Văn phòng", "Office"),
    "sample.label": ("dự toán", "budget"),
    "sample.update": ("Bổ sung phụ lục 2", "Appendix 2 added"),
    "sample.replace": ("Sai số liệu biểu 1", "Wrong figures in table 1"),
    "sample.recall": ("Ban hành nhầm", "Issued by mistake"),
    "sample.note": ("Đã vào sổ", "Entered in the book"),
    "sample.instruction": ("Tham mưu trả lời", "Prepare the reply"),
    # pages
    "page.node": ("Nút liên thông văn bản", "Document exchange node"),
    "page.lead": (
        "Máy này nhận và gửi văn bản điện tử giữa các cơ quan nhà nước.",
        "This machine sends and receives electronic documents between state agencies.",
    ),
    "page.skip": ("Tới nội dung chính", "Skip to content"),
    "page.other_language": ("English", "Tiếng Việt"),
    "page.standing": ("Tình trạng", "Standing"),
    "page.up": ("Đang hoạt động", "Working"),
    "page.down": ("Không đọc được cơ sở dữ liệu", "The database cannot be read"),
    "page.asked_at": ("Số liệu lúc {time}", "Figures at {time}"),
    "page.version": ("Phiên bản {version}", "Version {version}"),
    "page.needs_person": ("Cần người xem", "Needs a person"),
    "page.nothing_waits": ("Không có gì cần người xem.", "Nothing needs a person."),
    "page.empty": ("Chưa có văn bản nào.", "No documents yet."),
    "page.table.outgoing": ("Văn bản đi", "Outgoing documents"),
    "page.table.delivery": ("Nơi nhận", "Deliveries"),
    "page.table.incoming": ("Văn bản đến", "Incoming documents"),
    "page.table.handover": ("Giao cho phần mềm QLVB", "Hand-over to the document system"),
    "page.table.inbox": ("Gói tin đến", "Packets received"),
    "page.table.outbox": ("Gói tin đi", "Packets sent"),
    "page.table.job": ("Việc của nút", "Work of the node"),
    "page.state": ("Trạng thái", "State"),
    "page.count": ("Số lượng", "Count"),
    "page.programs": ("Dành cho phần mềm", "For programs"),
    "page.docs": ("Tài liệu API", "API documentation"),
    "page.docs.lead": (
        "Mọi lời gọi của API, lấy từ chính mô tả mà nút cung cấp cho máy đọc.",
        "Every call of the API, from the very description that the node serves to machines.",
    ),
    "page.openapi": ("Mô tả OpenAPI (JSON)", "OpenAPI description (JSON)"),
    "page.health": ("Kiểm tra sẵn sàng", "Readiness check"),
    "page.home": ("Trang đầu", "Home"),
    "page.calls": ("Các lời gọi", "Calls"),
    "page.models": ("Kiểu dữ liệu", "Data types"),
    "page.auth": ("Quyền", "Rights"),
    "page.no_key": ("không cần khóa", "no key needed"),
    "page.parameters": ("Tham số", "Parameters"),
    "page.body": ("Nội dung gửi", "Request body"),
    "page.answers": ("Trả lời", "Answers"),
    "page.example": ("Ví dụ", "Example"),
    "page.field": ("Mục", "Field"),
    "page.type": ("Kiểu", "Type"),
    "page.required": ("bắt buộc", "required"),
    "page.meaning": ("Ý nghĩa", "Meaning"),
    "page.problems": ("Các loại lỗi", "Kinds of problem"),
    "page.problem.status": ("Mã HTTP {status}", "HTTP status {status}"),
    "page.problem.retry": ("Có thể gọi lại nguyên yêu cầu.", "The same call may succeed later."),
    "page.problem.no_retry": (
        "Gọi lại y nguyên sẽ bị từ chối như cũ.",
        "The same call will be refused again.",
    ),
    "page.job.pack": ("Đóng gói, ký", "Pack and sign"),
    "page.job.answer": ("Gửi trạng thái", "Send a status"),
    "page.row.waiting": ("Đang chờ", "Waiting"),
    "page.row.leased": ("Đang làm", "At work"),
}
