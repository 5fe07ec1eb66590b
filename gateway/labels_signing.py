"""What is said about signing PDFs with the agency's own key, and what the marks themselves say. In: nothing. Out:
`SIGNING`, key to (vi, en)."""

from __future__ import annotations

# Marks stand on official documents: their words are the regulation's, in both columns (R24, R25).
_MARKS: dict[str, tuple[str, str]] = {
    "sign.mark.sy": ("SAO Y", "SAO Y"),
    "sign.mark.trs": ("TRÍCH SAO", "TRÍCH SAO"),
    "sign.mark.sl": ("SAO LỤC", "SAO LỤC"),
    "sign.mark.appendix": ("Số: {number}", "Số: {number}"),
}

_RULES: dict[str, tuple[str, str]] = {
    "rule.sign-broken": (
        "Tệp {name} không phải PDF, hoặc bị hỏng. Hãy lưu lại thành PDF rồi ký.",
        "{name} is no PDF, or is damaged. Save it as PDF again, then sign.",
    ),
    "rule.sign-encrypted": (
        "Tệp {name} có mật khẩu hoặc bị khóa. Hãy bỏ mật khẩu rồi ký.",
        "{name} has a password or is locked. Remove the password, then sign.",
    ),
    "rule.sign-too-large": (
        "Tệp {name} nặng {size_bytes}, chỉ ký được tệp đến {limit_bytes}.",
        "{name} is {size_bytes}; only files up to {limit_bytes} can be signed.",
    ),
    "rule.sign-closed": (
        "Một chữ ký trong tệp {name} không cho thêm chữ ký hiển thị. Hãy xin lại tệp ký theo cách cho phép ký thêm.",
        "A signature in {name} lets no further one be shown. Ask its signer for one that leaves room.",
    ),
    "rule.sign-earlier-broken": (
        "Tệp {name} đã bị thay đổi sau khi {signer} ký. Không ký thêm; hãy lấy lại tệp đúng.",
        "{name} was changed after {signer} had signed it. Get the right file; this one is not signed.",
    ),
    "rule.sign-twice": (
        "Cơ quan đã ký tệp này rồi ({signer}). Không ký lần thứ hai.",
        "The agency has signed this file already ({signer}). It is not signed a second time.",
    ),
    "rule.sign-no-person": (
        "Tệp {name} chưa có chữ ký của người có thẩm quyền. Người ký trước, đóng dấu sau; bản sao thì dùng --copy.",
        "{name} is not signed by a competent person yet. A person signs first, then the seal; for a copy use --copy.",
    ),
    "rule.sign-where": (
        "Chữ ký của người có thẩm quyền không hiển thị trên trang. Hãy chỉ chỗ đóng dấu: --at trang,trái,trên (mm).",
        "The personal signature shows on no page. Say where the seal goes: --at page,left,top (mm).",
    ),
    "rule.sign-outside": (
        "Chỗ đã chọn nằm ngoài trang {page}. Hãy chọn chỗ khác.",
        "The place chosen does not lie on page {page}. Choose another.",
    ),
    "rule.sign-no-number": (
        "Phụ lục cần số và ký hiệu văn bản: --number.",
        "An appendix needs the number and notation of its document: --number.",
    ),
    "rule.sign-crowded": (
        "Không còn chỗ trống: phần hiển thị nằm đè lên nội dung ở trang {page}. Hãy chọn chỗ khác bằng --at.",
        "There is no free room: what is shown lies over content of page {page}. Choose another place with --at.",
    ),
    "rule.key-exchange": (
        "Khóa này (chứng thư {serial}) là khóa trao đổi gói tin, không được dùng để ký văn bản. Hãy dùng khóa của cơ quan.",
        "This key (certificate {serial}) signs packets and may never sign a document. Use the agency's own key.",
    ),
    "rule.key-time": (
        "Chứng thư số {serial} chỉ có giá trị từ {begins_on} đến {ends_on}. Hãy xin cấp lại.",
        "Certificate {serial} is valid from {begins_on} to {ends_on} only. Have it renewed.",
    ),
    "rule.key-usage": (
        "Chứng thư số {serial} không dùng để ký được. Hãy xin cấp chứng thư đúng loại.",
        "Certificate {serial} is not made for signing. Have the right kind issued.",
    ),
}

_CLASHES: dict[str, tuple[str, str]] = {
    "clash.TOKEN-ABSENT": (
        "Không thấy USB Token. Hãy cắm USB Token.",
        "The token is not there. Put it in.",
    ),
    "clash.TOKEN-WHICH": (
        "Có nhiều USB Token hoặc nhiều khóa; cần nói rõ dùng cái nào.",
        "There are several tokens or keys; say which.",
    ),
    "clash.TOKEN-PIN": ("Sai mã PIN. Chưa ký.", "The PIN is wrong. Nothing was signed."),
    "clash.TOKEN-LOCKED": (
        "USB Token đã bị khóa vì nhập sai mã PIN. Hãy đề nghị nơi cấp mở khóa.",
        "The token is locked by wrong PINs. Its issuer unlocks it.",
    ),
    "clash.TOKEN-NO-KEY": ("Không có khóa ký phù hợp.", "There is no such key to sign with."),
    "clash.TOKEN-NO-CERTIFICATE": (
        "Khóa ký không có chứng thư số đi kèm.",
        "The key has no certificate beside it.",
    ),
    "clash.TOKEN-FAILED": (
        "USB Token không trả lời. Hãy rút ra, cắm lại rồi ký lại.",
        "The token does not answer. Put it in again, then sign again.",
    ),
    "clash.TOKEN-TIMED-OUT": (
        "Phiên ký đã quá lâu. Hãy nhập lại mã PIN.",
        "The sitting has lasted too long. Type the PIN again.",
    ),
    "clash.TOKEN-SHARED": (
        "USB Token của cơ quan không được trùng nơi giữ khóa trao đổi.",
        "The agency's token cannot be where the exchange keys are.",
    ),
    "clash.SEAL-IMAGE": ("Hình ảnh con dấu chưa dùng được.", "The image of the seal cannot be used."),
    "clash.KEY-SIGNS-PDF": (
        "Khóa này đã ký PDF của cơ quan nên không dùng để ký gói tin.",
        "This key signed PDFs of the agency, so it signs no packets.",
    ),
    "clash.KEY-NOT-BOUND": (
        "Chứng thư mới chưa được gắn với mã cơ quan. Hãy gắn trước rồi nhập.",
        "The new certificate is not bound to the agency's code yet. Bind it, then import it.",
    ),
    "clash.SIGN-OUT": ("Không ghi được tệp kết quả.", "The signed file cannot be written."),
    "clash.SIGN-CHANGED": (
        "Tệp đã thay đổi sau khi xem. Hãy xem lại rồi ký.",
        "The file changed after it was shown. Look again, then sign.",
    ),
    "clash.SIGN-BREAKS": (
        "Ký thêm sẽ làm hỏng chữ ký đã có. Chưa ký.",
        "One more signature would break an earlier one. Nothing was signed.",
    ),
    "clash.SIGN-FAILED": ("Không ký được tệp này.", "This file could not be signed."),
    "clash.SIGN-TERMINAL": (
        "Mã PIN chỉ nhập trực tiếp tại màn hình dòng lệnh.",
        "A PIN is typed at a terminal, by a person.",
    ),
}

_TALK: dict[str, tuple[str, str]] = {
    "cli.sign.where": (
        "Trang {page}: cách trái {left} mm, cách trên {top} mm, rộng {width} mm, cao {height} mm.",
        "Page {page}: {left} mm from the left, {top} mm from the top, {width} mm wide, {height} mm high.",
    ),
    "cli.sign.pin": ("Mã PIN của {name}: ", "PIN of {name}: "),
    "cli.sign.trial": (
        "Khóa trong tệp PKCS#12 chỉ để dùng thử.",
        "A key in a PKCS#12 file is for trying out only.",
    ),
    "cli.sign.key": (
        "Ký bằng khóa của cơ quan: {signer}, chứng thư {serial}.",
        "Signed with the agency's own key: {signer}, certificate {serial}.",
    ),
    "cli.sign.preview": ("Đã vẽ trang xem trước: {file}", "The page was drawn: {file}"),
    "cli.ask.sign": ("ký {file}, ghi ra {out}", "sign {file}, writing {out}"),
}

SIGNING: dict[str, tuple[str, str]] = {**_MARKS, **_RULES, **_CLASHES, **_TALK}
