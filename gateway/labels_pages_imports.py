"""Words of the pages about files of codes: how they were read, their approval by a second person, their undoing."""

from __future__ import annotations

IMPORTS: dict[str, tuple[str, str]] = {
    "reforms.import.form.csv": ("tệp CSV", "CSV file"),
    "reforms.import.form.xlsx": ("bảng tính XLSX, trang đầu tiên", "XLSX workbook, first sheet"),
    "reforms.import.form.json": ("tệp JSON", "JSON file"),
    "reforms.import.formulas": (
        "Bảng tính có {count} ô công thức: đã lấy giá trị lưu sẵn trong tệp, không tính lại. Hãy kiểm tra các ô đó.",
        "The workbook has {count} formulas: the values kept in the file were taken, nothing was calculated. Look at them.",
    ),
    "reforms.import.letters": ("Chữ trước và sau khi chuyển", "Letters before and after"),
    "reforms.import.letters.tcvn3": (
        "Tệp gõ bằng TCVN3 (ABC) đã được chuyển sang Unicode. Hãy so lại vài dòng dưới đây.",
        "The file is in TCVN3 (ABC) and was turned into Unicode. Compare the lines below.",
    ),
    "reforms.import.letters.vni": (
        "Tệp gõ bằng VNI đã được chuyển sang Unicode. Hãy so lại vài dòng dưới đây.",
        "The file is in VNI and was turned into Unicode. Compare the lines below.",
    ),
    "reforms.import.doubts": ("Nên xem lại trước khi áp dụng", "Look at this first"),
    "reforms.import.doubt": ("Dòng {line}, {found}: {advice}", "Line {line}, {found}: {advice}"),
    "reforms.advice.same_name": (
        "{code} cùng cơ quan chủ quản đã có tên này; xem có đúng là hai cơ quan không.",
        "{code} under the same parent has the same name; look whether both are meant.",
    ),
    "reforms.advice.alike": (
        "tên của {code} cùng cơ quan chủ quản chỉ khác dấu; xem có đúng là hai cơ quan không.",
        "The name of {code} under the same parent differs by accents alone; look whether both are meant.",
    ),
    "reforms.advice.orphan": (
        "chưa có cơ quan {code} ở trên; thêm dòng cho mã đó, hoặc ghi cơ quan chủ quản.",
        "There is no agency {code} above it; add a line for it, or name the parent.",
    ),
    "reforms.advice.undecided": (
        "{count} cơ quan thành lập hoặc kết thúc mà không ghi văn bản quyết định; nên bổ sung số văn bản.",
        "{count} {count:agency begins or ends|agencies begin or end} without a decision; add its number.",
    ),
    "reforms.import.two": (
        "Tệp sửa hoặc đóng cơ quan đã có trong danh mục: phải có người thứ hai phê duyệt.",
        "The file changes or closes known agencies: a second person must approve it.",
    ),
    "reforms.import.two.will": (
        "Có cơ quan đã có trong danh mục bị sửa hoặc đóng nên người thứ hai phải phê duyệt; đề nghị có hiệu lực 3 ngày.",
        "Known agencies change or close, so a second person must approve it; the proposal is open for 3 days.",
    ),
    "reforms.import.number": ("Số, ký hiệu văn bản làm căn cứ", "Number of the deciding document"),
    "reforms.import.number.hint": (
        "Người phê duyệt nhập lại số này từ chính văn bản.",
        "The approver types it from the document itself.",
    ),
    "reforms.import.one": ("Lần nhập danh mục", "An import of codes"),
    "reforms.import.before_now": ("Trước khi nhập và hiện nay", "Before the import and now"),
    "reforms.import.begun": ("Cơ quan được thêm", "Agencies that were added"),
    "reforms.import.undo": ("Hoàn tác lần nhập danh mục", "Undo the import"),
    "reforms.import.undo.will": (
        "{changed} cơ quan trở lại như trước lần nhập này; {added} cơ quan được thêm không còn trong danh mục."
        " Tất cả trong một lần ghi; lịch sử vẫn giữ.",
        "{changed} agencies are as before the import; the {added} that were added are not there any more."
        " All at once; the history stays.",
    ),
    "reforms.what.imports": ("Nhập danh mục mã định danh", "Import of codes"),
    "told.reforms.import_undone": ("Đã hoàn tác lần nhập danh mục.", "The import is undone."),
    "clash.REG-TWO-PEOPLE": (
        "Nhập danh mục làm thay đổi cơ quan đã có: phải có người thứ hai phê duyệt.",
        "The import changes known agencies: a second person must approve it.",
    ),
    "clash.GW-WORKBOOK": (
        "Không đọc được bảng tính: tệp hỏng, quá lớn, hoặc không phải XLSX. Hãy lưu lại dạng XLSX rồi thử lại.",
        "The workbook cannot be read: damaged, too large, or no XLSX. Save it again as XLSX.",
    ),
    "clash.GW-CODE-FILE": (
        "Không đọc được tệp. Dùng CSV, XLSX, hoặc JSON là danh sách cơ quan; tối đa 150.000 dòng, 60 cột, 16 MB.",
        "The file cannot be read. Use CSV, XLSX, or JSON with a list of agencies; at most 150,000 rows, 60 columns, 16 MB.",
    ),
}
