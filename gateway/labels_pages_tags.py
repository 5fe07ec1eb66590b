"""Words of an agency's own labels on its documents, and of the filters by source and register book."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

TAGS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "listing.column.nhan": ("Nhãn", "Labels"),
        "listing.filter.nguon": ("Nguồn", "Source"),
        "listing.filter.so": ("Sổ văn bản", "Register"),
        "listing.filter.nhan": ("Nhãn", "Label"),
        "listing.source.hand": ("Nhập tay", "By hand"),
        "listing.source.program": ("API", "API"),
        "listing.source.machine": ("Dòng lệnh", "Command line"),
        "listing.source.axis": ("Trục liên thông", "Axis"),
        "listing.source.email": ("Thư điện tử", "E-mail"),
        "listing.source.paper": ("Văn bản giấy", "Paper"),
        "listing.source.other-system": ("Hệ thống khác", "Another system"),
        "listing.book.none": ("Chưa vào sổ", "In no register"),
        "listing.book": ("Sổ năm {year}", "Register of {year}"),
        "listing.act.gan-nhan": ("Gắn nhãn", "Label"),
        "listing.act.bo-nhan": ("Bỏ nhãn", "Remove a label"),
        "listing.will.gan-nhan": ("{count} văn bản sẽ được gắn nhãn.", "{count} will be labelled."),
        "listing.will.bo-nhan": ("{count} văn bản sẽ được bỏ nhãn.", "{count} will lose a label."),
        "listing.means.gan-nhan": (
            "Nhãn chỉ dùng trong cơ quan này: không gửi đi cùng văn bản, cơ quan khác không nhìn thấy.",
            "Labels are this agency's own: they do not travel with the document, and no other agency sees them.",
        ),
        "listing.means.bo-nhan": (
            "Văn bản giữ nguyên, chỉ bỏ nhãn đã chọn.",
            "The documents stay as they are; only the chosen label goes.",
        ),
        "listing.skip.no_tag": ("chưa có nhãn nào", "it carries no label"),
        "listing.done.gan-nhan": ("Đã gắn nhãn “{name}”.", "Labelled “{name}”."),
        "listing.done.gan-nhan.had": ("Đã có nhãn “{name}” từ trước.", "It carried “{name}” before."),
        "listing.done.bo-nhan": ("Đã bỏ nhãn “{name}”.", "“{name}” was removed."),
        "listing.done.bo-nhan.had": ("Không có nhãn “{name}”.", "It did not carry “{name}”."),
        "tags.name": ("Tên nhãn", "Name of the label"),
        "tags.name.hint": (
            "Chọn nhãn đã có hoặc gõ tên mới, tối đa 40 ký tự.",
            "Choose one that is there, or type a new name of at most 40 letters.",
        ),
        "tags.which": ("Bỏ nhãn nào", "Which label"),
        "tags.choose": ("Chọn nhãn", "Choose the label"),
        "tags.title": ("Nhãn của cơ quan", "Labels of the agency"),
        "tags.manage": ("Quản lý nhãn", "Manage labels"),
        "tags.on": ("Nhãn:", "Labels:"),
        "tags.none": (
            "Chưa có nhãn nào. Hãy chọn văn bản trong danh sách rồi chọn “Gắn nhãn”.",
            "There is no label yet. Tick documents in a list, then choose “Label”.",
        ),
        "tags.count.out": ("Văn bản đi", "Outgoing"),
        "tags.count.in": ("Văn bản đến", "Incoming"),
        "tags.made": ("Tạo lúc", "Made at"),
        "tags.acts": ("Việc", "Acts"),
        "tags.remove": ("Xóa nhãn", "Delete the label"),
        "tags.remove.will": (
            "Nhãn “{name}” sẽ bị xóa và bỏ khỏi {count} văn bản. Các văn bản giữ nguyên.",
            "The label “{name}” will be deleted and taken off {count} {count:document|documents}. {count:The document "
            "stays as it is|The documents stay as they are}.",
        ),
        "told.tags.removed": ("Đã xóa nhãn.", "The label is deleted."),
        "clash.GW-TAG": (
            "Tên nhãn cần từ 1 đến 40 ký tự; mỗi cơ quan có tối đa 200 nhãn, mỗi văn bản tối đa 10 nhãn.",
            "A label needs a name of 1 to 40 letters; an agency has at most 200, a document at most 10.",
        ),
    }
)
