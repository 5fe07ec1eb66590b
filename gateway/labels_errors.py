"""What a clerk reads when something is refused, held or failed: error classes, refusal reasons (interfaces.md 1.8) and
the codes of verification. In: nothing. Out: `ERRORS`, key to (vi, en)."""

from __future__ import annotations

ERRORS: dict[str, tuple[str, str]] = {
    # gateway.errors
    "error.internal": (
        "Hệ thống gặp lỗi. Hãy thử lại; nếu còn lỗi, báo quản trị kèm mã yêu cầu.",
        "Something went wrong inside. Try again; if it stays, tell the operator the request id.",
    ),
    "error.refused": (
        "Chưa đủ điều kiện. Hãy sửa các lỗi nêu dưới đây.",
        "A rule forbids it. Correct what is listed.",
    ),
    "error.envelope": (
        "Không xác thực được nơi gửi. Gói tin đã cách ly, không trả lời.",
        "The sender is not proved. The packet is in quarantine and was not answered.",
    ),
    "error.malformed": (
        "Gói tin lỗi, không đọc được. Đã cách ly.",
        "The packet cannot be read. It is in quarantine.",
    ),
    "error.signature": (
        "Chữ ký số của gói tin không hợp lệ. Đã cách ly, báo quản trị.",
        "The packet's signature is not valid. It is in quarantine; tell the operator.",
    ),
    "error.certificate": (
        "Chứng thư số của nơi gửi không còn giá trị hoặc không tin cậy. Đã cách ly.",
        "The sender's certificate is not valid or not trusted. The packet is in quarantine.",
    ),
    "error.binding": (
        "Chứng thư số không phải của cơ quan đã xưng tên. Đã cách ly, báo quản trị.",
        "The certificate is not that of the agency named. The packet is in quarantine; tell the operator.",
    ),
    "error.sender": (
        "Không có nơi gửi này trong danh mục, hoặc mã đã đóng. Đã cách ly.",
        "The sender is not in the registry, or its code is closed. The packet is in quarantine.",
    ),
    "error.cannot_tell": (
        "Chưa kiểm tra được tình trạng chứng thư số của nơi gửi. Gói tin được tạm giữ, chưa trả lại.",
        "The sender's certificate could not be checked. The packet is held, not refused.",
    ),
    "error.unactionable": (
        "Không xử lý được gói tin này; đã trả lại nơi gửi.",
        "Nobody can act on this packet; it was returned to the sender.",
    ),
    "error.breaks_rule": (
        "Gói tin vi phạm quy tắc. Văn thư xem xét rồi tiếp nhận hoặc trả lại.",
        "The packet breaks a rule. A clerk takes it in or returns it.",
    ),
    "error.duplicate": (
        "Đã nhận gói tin này trước đó; trả lời lại như lần đầu.",
        "This packet was received before; the first answer was given again.",
    ),
    "error.conflict": (
        "Trùng mã gói tin nhưng khác nội dung. Giữ bản đầu, bản này cách ly.",
        "The same packet id with other content. The first stays, this one is in quarantine.",
    ),
    "error.other_content": (
        "Cùng mã văn bản nhưng khác nội dung, và bản trước chưa bị từ chối. Văn thư quyết định.",
        "The same document id with other content, and the first was not refused. A clerk decides.",
    ),
    "error.transport": (
        "Trục liên thông chưa nhận. Hệ thống sẽ tự gửi lại.",
        "The axis did not take it. It will be sent again by itself.",
    ),
    "error.unreachable": (
        "Không kết nối được trục liên thông. Gói tin đang chờ sẽ được tự gửi lại.",
        "The axis cannot be reached. Packets that wait are sent again by themselves.",
    ),
    "error.not_connected": (
        "Nơi nhận chưa kết nối trục liên thông, hoặc trục từ chối gói tin. Hãy gọi cho nơi nhận.",
        "The recipient is not connected, or the axis refuses the packet. Call the recipient.",
    ),
    "error.signer": (
        "Khóa ký gói tin chưa trả lời. Văn bản đang chờ sẽ được ký khi khóa hoạt động lại.",
        "The key that signs packets does not answer. What waits is signed when it is back.",
    ),
    "error.store": (
        "Chưa lưu được thay đổi. Hãy thử lại sau ít phút.",
        "The change could not be stored. Try again in a few minutes.",
    ),
    "error.stale": (
        "Người khác vừa sửa mục này. Tải lại để xem rồi làm tiếp.",
        "Somebody has just changed this. Reload, then go on.",
    ),
    "error.stale_lease": (
        "Việc này đã chuyển cho tiến trình khác.",
        "Another worker has taken over this work.",
    ),
    "error.altered": (
        "Tệp đang lưu không còn đúng như khi nhận nên không được mở. Hãy báo quản trị viên.",
        "The stored file is not the one that came. It is not given out; tell the administrator.",
    ),
    "error.not_found": ("Không tìm thấy hoặc không có quyền xem.", "Not found, or not yours to see."),
    "error.clash": (
        "Trạng thái hiện tại không cho phép việc này. Hãy xem lại.",
        "The present state does not allow this. Look at it again.",
    ),
    # what exactly forbids it, where the error says
    "clash.GW-HANDED-OVER": (
        "Văn bản đã gửi bản giấy, không hủy gửi được nữa.",
        "The document was handed over on paper and cannot be cancelled any more.",
    ),
    "clash.GW-NO-PAPER": (
        "Không còn bản giấy nào của văn bản này chờ gửi.",
        "Nothing of this document waits to be handed over on paper.",
    ),
    "clash.GW-NO-DRAFT": (
        "Văn bản này không còn là bản nháp nên không sửa được nữa.",
        "This is no draft any more, so it cannot be changed.",
    ),
    "clash.GW-NUMBER-TAKEN": (
        "Số đến {number} năm {year} đã cấp cho văn bản {of} của {sender}. Số tiếp theo chưa dùng: {next_free}.",
        "Arrival number {number} of {year} is that of {of} from {sender}. The next free one: {next_free}.",
    ),
    "clash.GW-LETTER-TAKEN": (
        "Số {number} năm {year} đã cấp cho văn bản ngày {date} gửi {to}. Số tiếp theo chưa dùng: {next_free}.",
        "Number {number} of {year} is that of the document of {date} to {to}. The next free one: {next_free}.",
    ),
    "clash.GW-FILES": ("Một văn bản có tối đa 100 tệp.", "A document has at most 100 files."),
    "clash.GW-ALREADY-SENT": (
        "Văn bản đã giao cho trục liên thông, không hủy gửi được nữa. Hãy gửi thông báo thu hồi văn bản.",
        "The document has been handed to the axis and cannot be cancelled any more. Send a recall notice instead.",
    ),
    "clash.GW-EXTERNAL-ID": (
        "Mã của phần mềm gửi (external_id) này đã dùng cho một văn bản khác nội dung. Văn bản mới cần mã mới.",
        "This external id names an earlier document with other content. A new document needs an id of its own.",
    ),
    "clash.GW-REQUEST-OPEN": (
        "Nơi nhận chưa trả lời yêu cầu thu hồi, lấy lại hoặc cập nhật gửi trước. Hãy chờ trả lời rồi gửi tiếp.",
        "The recipient has not yet answered the recall, take-back or update asked before. Wait for the answer.",
    ),
    "clash.GW-REGISTERED": (
        "Văn bản đã có số đến {register_no} năm {register_year}; số đã cấp không đổi được.",
        "The document has the arrival number {register_no} of {register_year}; a number once given stays.",
    ),
    "clash.GW-BOOK-GIVES": (
        "Số đến do sổ của hệ thống cấp, không nhận số từ bên ngoài; văn bản này chưa có số.",
        "The node's own book gives the arrival numbers and takes none; this document has no number yet.",
    ),
    "clash.GW-STATUS": (
        "Văn bản đang ở trạng thái không báo được mã này. Hãy xem lại văn bản; 15 và 16 chỉ trả lời yêu cầu đang mở.",
        "This status cannot be set on the document as it stands. Look at it; 15 and 16 answer an open request only.",
    ),
    "clash.GW-UNREADABLE": (
        "Không mở được tệp: văn bản đã thu hồi hoặc đang niêm phong.",
        "The files cannot be read: the document was recalled or is sealed.",
    ),
    "clash.GW-TWO-PEOPLE": (
        "Việc này cần hai người khác nhau: người đề nghị và người phê duyệt.",
        "This needs two different people: one who proposes and one who approves.",
    ),
    "error.denied": (
        "Chưa đăng nhập hoặc không có quyền làm việc này.",
        "You are not signed in, or may not do this.",
    ),
    "error.proof": (
        "Dấu niêm, dấu thời gian hoặc chứng cứ không đúng.",
        "The seal, the timestamp or the proof does not hold.",
    ),
    "error.misconfigured": (
        "Cấu hình chưa đúng nên hệ thống không khởi động. Xem dòng lỗi và sửa.",
        "The settings cannot work, so the node stopped. Read the message and correct them.",
    ),
    "error.damaged_backup": (
        "Bản sao lưu bị hỏng hoặc sai mật khẩu. Hãy dùng bản sao khác của tệp.",
        "The backup is damaged, or the passphrase is another one. Use another copy of the file.",
    ),
    # reasons for a 02
    "reason.WRONG_ADDRESSEE": ("Sai nơi nhận", "Wrong addressee"),
    "reason.OUT_OF_AUTHORITY": ("Không thuộc thẩm quyền giải quyết", "Outside our authority"),
    "reason.NOT_AUTHENTIC": (
        "Chữ ký số không hợp lệ, không xác thực được",
        "Signature not valid, not authentic",
    ),
    "reason.DAMAGED": ("Tệp lỗi, không mở được", "Damaged or unreadable file"),
    "reason.MISSING_FILE": ("Thiếu tệp, thiếu trang", "Missing file or page"),
    "reason.BAD_FORM": ("Sai thể thức, thiếu thông tin", "Wrong form, missing information"),
    "reason.DUPLICATE": ("Trùng văn bản đã nhận", "Duplicate of a received document"),
    "reason.SECRET": ("Văn bản mật", "Secret document"),
    "reason.FORBIDDEN_CONTENT": ("Nội dung không được gửi qua hệ thống", "Content not allowed here"),
    "reason.MALWARE": ("Có mã độc", "Malware found"),
    "reason.OTHER": ("Khác (ghi rõ)", "Other (text needed)"),
    # verification.md section 9
    "code.ENV-INVALID": ("Gói tin không hợp lệ", "The packet is not valid"),
    "code.ENV-TOO-LARGE": ("Gói tin quá lớn", "The packet is too large"),
    "code.ENV-ENCODING": ("Gói tin sai bảng mã chữ", "The packet's character encoding is wrong"),
    "code.ENV-NOT-XML": ("Gói tin không phải XML đúng", "The packet is not well-formed XML"),
    "code.ENV-LIMIT": ("Gói tin vượt giới hạn cấu trúc", "The packet passes a limit of structure"),
    "code.ENV-DIALECT": ("Gói tin không theo mẫu edXML đã biết", "The packet is in no known edXML form"),
    "code.ENV-FORBIDDEN": (
        "Gói tin có thành phần bị cấm (có thể là tấn công)",
        "The packet has a forbidden part (perhaps an attack)",
    ),
    "code.SIG-ABSENT": ("Gói tin không có chữ ký số", "The packet is not signed"),
    "code.SIG-PLACEHOLDER": (
        "Gói tin chỉ có chữ ký mẫu, không phải chữ ký thật",
        "The signature is only a placeholder",
    ),
    "code.SIG-MANY": ("Gói tin có nhiều hơn một chữ ký", "There is more than one signature"),
    "code.SIG-PLACE": ("Chữ ký nằm sai chỗ", "The signature is not at its place"),
    "code.SIG-STRUCTURE": ("Cấu trúc chữ ký không đúng", "The signature's structure is wrong"),
    "code.SIG-ID": ("Mã định danh trong chữ ký bị trùng", "An id inside the signature is doubled"),
    "code.SIG-ALGORITHM": ("Chữ ký dùng thuật toán không được phép", "The algorithm is not allowed"),
    "code.SIG-WEAK": ("Khóa ký quá yếu", "The signing key is too weak"),
    "code.SIG-SENDER": ("Không có mã nơi gửi này, hoặc mã đã đóng", "The sender's code is unknown or closed"),
    "code.SIG-NO-BINDING": (
        "Chưa xác nhận chứng thư số nào cho nơi gửi",
        "No certificate is confirmed for the sender",
    ),
    "code.SIG-PIN": (
        "Nơi gửi ký bằng chứng thư số khác với chứng thư số đã xác nhận",
        "Signed with another certificate than the confirmed one",
    ),
    "code.SIG-DIGEST": ("Nội dung đã bị thay đổi sau khi ký", "The content was changed after signing"),
    "code.SIG-PROPERTIES": ("Thông tin ký đã bị thay đổi", "The signed properties were changed"),
    "code.SIG-VALUE": ("Giá trị chữ ký không đúng", "The signature value is wrong"),
    "code.SIG-TIME": (
        "Giờ ký lệch quá nhiều so với giờ nhận",
        "The signing time is too far from the arrival",
    ),
    "code.CERT-TIME": (
        "Chứng thư số chưa hoặc không còn hiệu lực",
        "The certificate is not valid at that time",
    ),
    "code.CERT-CHAIN": (
        "Chứng thư số không do đơn vị tin cậy cấp",
        "The certificate is not from a trusted issuer",
    ),
    "code.CERT-USAGE": ("Chứng thư số không dùng để ký được", "The certificate is not for signing"),
    "code.CERT-REVOKED": ("Chứng thư số đã bị thu hồi", "The certificate is revoked"),
    "code.CERT-REVOCATION-UNKNOWN": (
        "Chưa kiểm tra được chứng thư số có bị thu hồi hay không",
        "Revocation could not be checked",
    ),
    "code.AXIS-NODE": (
        "Gói tin đến từ nút không phụ trách cơ quan gửi",
        "The packet came from a node that does not host the sender",
    ),
    "code.AXIS-PARTS": (
        "Trục liên thông không giao đủ gói tin",
        "The axis did not hand over the whole packet",
    ),
    "code.MSG-ID": ("Mã gói tin không khớp", "The packet id does not agree"),
    "code.MSG-NOT-OURS": ("Gói tin không gửi cho cơ quan mình", "The packet is not addressed to us"),
    "code.MSG-NOT-PARTY": (
        "Nơi gửi không liên quan đến văn bản này",
        "The sender is no party to this document",
    ),
    "code.RCPT-DIGEST": (
        "Biên nhận nói về nội dung khác với nội dung đã gửi",
        "The receipt is about other content than was sent",
    ),
    "code.TERMS-DIFFER": (
        "Gói tin lặp lại, nhưng phần ghi kèm trong chữ ký khác lần đầu; giữ theo lần đầu",
        "A repeat whose words beside the body differ from the first; the first ones stand",
    ),
    "code.MSG-REPEAT": ("Gói tin đã nhận trước đó", "The packet was received before"),
    "code.MSG-CONFLICT": ("Trùng mã gói tin, khác nội dung", "Same packet id, other content"),
    "code.MSG-STALE": ("Bản cập nhật cũ hơn bản đã áp dụng", "The update is older than one applied"),
    "code.WAITING": ("Văn bản gốc chưa đến", "Its document has not come yet"),
    "code.GW-POISON": ("Xử lý nhiều lần không xong", "Tried many times, never came to an end"),
    "code.OTHER-CONTENT": ("Cùng mã văn bản, khác nội dung", "Same document id, other content"),
    "code.SECRET": ("Có khai độ mật; đã niêm phong", "Secrecy was declared; it is sealed"),
    # what the reader noticed and read all the same
    "finding.ALIAS": ("tên thành phần viết khác chuẩn", "a part has another name than the standard's"),
    "finding.ATTACHMENT-DAMAGED": ("tệp đính kèm bị lỗi mã hóa", "an attachment's encoding is damaged"),
    "finding.ATTACHMENT-SLICE": (
        "tệp đính kèm viết theo cách lạ",
        "an attachment is written in an unusual way",
    ),
    "finding.ATTRIBUTE": ("có thuộc tính lạ, không đọc", "an unknown attribute was not read"),
    "finding.BUSINESS-TYPE": ("loại nghiệp vụ không khớp", "the business type does not agree"),
    "finding.COMMENT": ("có chú thích trong gói tin, không đọc", "comments were not read"),
    "finding.DATE-FORM": ("ngày viết khác chuẩn", "a date is written in another form"),
    "finding.DATE-UNREADABLE": ("ngày không đọc được", "a date cannot be read"),
    "finding.HOST-UNKNOWN": (
        "danh mục chưa ghi nút của nơi gửi",
        "the registry does not say which node hosts the sender",
    ),
    "finding.ID-SPACE": ("mã có khoảng trắng thừa", "an identity has white space around it"),
    "finding.JSON-WRAPPED": ("gói tin bọc trong chuỗi JSON", "the packet was wrapped in a JSON string"),
    "finding.MISSING": ("thiếu một thành phần", "a part is missing"),
    "finding.MORE": ("còn điểm khác nữa", "there are more findings"),
    "finding.NODE-UNKNOWN": (
        "trục liên thông không xác nhận nút đã gửi",
        "the axis vouches for no node as the publisher",
    ),
    "finding.NULL-TEXT": ("chữ null thay cho giá trị trống", "the text null stands for no value"),
    "finding.NUMBER": ("số không đọc được", "a number cannot be read"),
    "finding.RECEIVED-LATE": ("giờ nhận ghi sau giờ ký", "the receipt's time is after its signing time"),
    "finding.SCHEMA": ("không đúng lược đồ edXML", "it does not follow the edXML schema"),
    "finding.STATUS-FORM": ("mã trạng thái viết thiếu số 0", "a status code lacks its zero"),
    "finding.TEXT-BETWEEN": ("có chữ nằm ngoài chỗ, không đọc", "text out of place was not read"),
    "finding.TRACE-ABSENT": ("thiếu vết xử lý", "the trace list is missing"),
    "finding.TYPE-DIFFERS": ("loại tệp khai hai nơi khác nhau", "two places state different file types"),
    "finding.UNSIGNED-PROPERTIES": ("có phần không ký, đã bỏ qua", "unsigned properties were ignored"),
    "finding.VALUE": ("giá trị ngoài khoảng cho phép", "a value is out of range"),
    # verdicts of verification
    "verdict.valid": ("Hợp lệ", "Valid"),
    "verdict.valid_with_notes": ("Hợp lệ, có lưu ý", "Valid, with notes"),
    "verdict.axis": ("Do trục liên thông bảo đảm", "Vouched for by the axis"),
    "verdict.cannot_tell": ("Chưa kết luận được", "Cannot tell"),
    "verdict.invalid": ("Không hợp lệ", "Not valid"),
}
