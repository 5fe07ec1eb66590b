"""Words about the signatures inside PDFs: what a document is worth by them, verdicts, who signed, why not. In: nothing.
Out: `SIGNATURES`, key to (vi, en)."""

from __future__ import annotations

_VALUES: dict[str, tuple[str, str]] = {
    "legal.official": (
        "Bản gốc điện tử, đủ chữ ký của cơ quan và người có thẩm quyền",
        "Official: signed by agency and person",
    ),
    "legal.copy": ("Bản sao điện tử có chữ ký của cơ quan", "Copy certified by the agency"),
    "legal.information": ("Chỉ để biết, tham khảo", "For information only"),
    "legal.unknown": (
        "Chưa xác định, đang chờ kiểm tra chữ ký",
        "Not known until the signatures are checked",
    ),
    "signature.valid": ("Hợp lệ", "Valid"),
    "signature.invalid": ("Không hợp lệ", "Not valid"),
    "signature.unknown": ("Chưa kiểm tra được", "Cannot be told"),
    "signature.unsigned": ("Không có chữ ký", "Not signed"),
    "signer.agency": ("chữ ký của cơ quan", "agency"),
    "signer.person": ("chữ ký cá nhân", "person"),
}

_WHY: dict[str, tuple[str, str]] = {
    "code.PDF-COVERAGE": (
        "Chữ ký không bao trùm toàn bộ tệp lúc ký",
        "The signature does not cover the whole file",
    ),
    "code.PDF-CHANGED": ("Tệp bị sửa sau khi ký", "The file was changed after signing"),
    "code.PDF-NO-ANCHORS": (
        "Nút chưa cài chứng thư số gốc cho chữ ký trên PDF",
        "No root certificates for signatures on PDFs are set up",
    ),
    "code.PDF-TIME-UNPROVED": (
        "Chứng thư số đã hết hạn và không có dấu thời gian chứng minh lúc ký",
        "The certificate has run out, and no timestamp proves when it signed",
    ),
    "code.PDF-UNREADABLE": (
        "Không đọc được chữ ký trong tệp PDF",
        "The signatures of the PDF cannot be read",
    ),
    "code.PDF-LIMIT": (
        "Tệp PDF quá lớn hoặc quá phức tạp để kiểm tra",
        "The PDF is too large or too complex to check",
    ),
    "code.PDF-TRUST": ("Thư mục tin cậy cho PDF có tệp hỏng", "The trust folder for PDFs has a broken file"),
    "code.PDF-READER": (
        "Chưa kiểm tra được: tiến trình đọc PDF đã dừng, sẽ kiểm tra lại",
        "Not checked yet: the process that reads PDFs ended; it is asked again",
    ),
}

_RULES: dict[str, tuple[str, str]] = {
    "rule.unsigned-lead": (
        "Văn bản chính {name} chưa có chữ ký số hợp lệ của cơ quan, chỉ gửi được để biết, tham khảo. Hãy ký số trước.",
        "The lead file {name} has no valid signature of the agency; it may only be sent to be known. Have it signed.",
    ),
    "rule.signature-invalid": (
        "Chữ ký số {who} trên {name} không hợp lệ: {finding}. Hãy ký lại tệp này.",
        "The signature {who} on {name} is not valid: {finding}. Have the file signed again.",
    ),
    "rule.signature-unchecked": (
        "Chưa kiểm tra được chữ ký số trên {name}: {finding}.",
        "The signatures on {name} could not be checked: {finding}.",
    ),
    "rule.no-person-signature": (
        "Văn bản chính {name} chỉ có chữ ký số của cơ quan, thiếu chữ ký số của người có thẩm quyền.",
        "The lead file {name} has the agency's signature only, and none of the person in charge.",
    ),
}

_LINES: dict[str, tuple[str, str]] = {
    "cli.signatures.value": ("Giá trị pháp lý", "Legal value"),
    "cli.signatures.file": ("Chữ ký trên {file}: {word}", "Signatures on {file}: {word}"),
    "cli.signatures.trusted": ("dấu thời gian {at}", "timestamp {at}"),
    "cli.signatures.claimed": ("ký lúc {at}", "signed at {at}"),
    "cli.signatures.now": ("hiện nay: {word}", "today: {word}"),
}

SIGNATURES: dict[str, tuple[str, str]] = {**_VALUES, **_WHY, **_RULES, **_LINES}
