"""What is said about fields read from a PDF and about recipients read from a list, and the words by which they are found.
In: nothing. Out: `READING`, key to (vi, en), and the words themselves, which are compared without accents and case unless
said otherwise."""

from __future__ import annotations

from gateway.labels_words import WORDS

# Every letter that Vietnamese is written with, beside the plain Latin ones: others are damage.
LETTERS = frozenset(
    "àáảãạăằắẳẵặâầấẩẫậèéẻẽẹêềếểễệìíỉĩịòóỏõọôồốổỗộơờớởỡợùúủũụưừứửữựỳýỷỹỵđ"
    "ÀÁẢÃẠĂẰẮẲẴẶÂẦẤẨẪẬÈÉẺẼẸÊỀẾỂỄỆÌÍỈĨỊÒÓỎÕỌÔỒỐỔỖỘƠỜỚỞỠỢÙÚỦŨỤƯỪỨỬỮỰỲÝỶỸỴĐ"
)
# The heading of a document of the State, and of one of the Party.
MOTTOES = ("cộng hòa xã hội chủ nghĩa việt nam", "đảng cộng sản việt nam")
NUMBER_LABEL = "số"
DATE_WORDS = ("ngày", "tháng", "năm")
ABOUT = ("v/v", "về việc")
ADDRESSED = ("kính gửi",)
ENACTING = ("kính gửi", "căn cứ", "theo đề nghị", "xét đề nghị")
RECIPIENTS = "nơi nhận"
FILED = "lưu"
# rules.md 12.4. Letter case is as printed; đ and d are two letters.
ABBREVIATIONS: dict[str, str] = {
    "NQ": "nghi_quyet",
    "QĐ": "quyet_dinh",
    "CT": "chi_thi",
    "QC": "quy_che",
    "QyĐ": "quy_dinh",
    "TC": "thong_cao",
    "TB": "thong_bao",
    "HD": "huong_dan",
    "CTr": "chuong_trinh",
    "KH": "ke_hoach",
    "PA": "phuong_an",
    "ĐA": "de_an",
    "DA": "du_an",
    "BC": "bao_cao",
    "BB": "bien_ban",
    "TTr": "to_trinh",
    "HĐ": "hop_dong",
    "CĐ": "cong_dien",
    "BGN": "ban_ghi_nho",
    "BTT": "ban_thoa_thuan",
    "GUQ": "giay_uy_quyen",
    "GM": "giay_moi",
    "GGT": "giay_gioi_thieu",
    "GNP": "giay_nghi_phep",
    "PG": "phieu_gui",
    "PC": "phieu_chuyen",
    "PB": "phieu_bao",
    "NĐ": "nghi_dinh",
    "TT": "thong_tu",
    "TTLT": "thong_tu_lien_tich",
    "GN": "ban_ghi_nho",
    "TTh": "ban_thoa_thuan",
    "UQ": "giay_uy_quyen",
    "NP": "giay_nghi_phep",
    "CV": "cong_van",
}
DOCUMENT_TYPES: dict[str, str] = {
    key.removeprefix("type."): words[0] for key, words in WORDS.items() if key.startswith("type.")
}
# Before a title: on whose behalf or in whose place it is signed.
BEHALF = ("tm.", "kt.", "tl.", "tuq.", "t/m", "k/t")
# How titles begin.
TITLES = (
    *(
        "chủ tịch",
        "phó chủ tịch",
        "bí thư",
        "phó bí thư",
        "bộ trưởng",
        "thứ trưởng",
        "thủ tướng",
        "phó thủ tướng",
    ),
    *("giám đốc", "phó giám đốc", "tổng giám đốc", "phó tổng giám đốc", "cục trưởng", "phó cục trưởng"),
    *(
        "chi cục trưởng",
        "phó chi cục trưởng",
        "tổng cục trưởng",
        "phó tổng cục trưởng",
        "vụ trưởng",
        "phó vụ trưởng",
    ),
    *(
        "chánh văn phòng",
        "phó chánh văn phòng",
        "chánh thanh tra",
        "phó chánh thanh tra",
        "chánh án",
        "phó chánh án",
    ),
    *("trưởng", "phó trưởng", "viện trưởng", "phó viện trưởng", "hiệu trưởng", "phó hiệu trưởng", "ủy viên"),
    *("tổng thanh tra", "phó tổng thanh tra", "thống đốc", "phó thống đốc", "chủ nhiệm", "phó chủ nhiệm"),
    *(
        "quyền",
        "q.",
        "kế toán trưởng",
        "chỉ huy trưởng",
        "phó chỉ huy trưởng",
        "tổng biên tập",
        "phó tổng biên tập",
    ),
    *("đội trưởng", "trạm trưởng", "thư ký", "chủ trì", "thủ trưởng", "chính ủy", "tư lệnh", "chi cục phó"),
)
# What stands before a name and is no part of it.
RANKS = (
    *(
        "đại tướng",
        "thượng tướng",
        "trung tướng",
        "thiếu tướng",
        "đại tá",
        "thượng tá",
        "trung tá",
        "thiếu tá",
    ),
    *("đại úy", "thượng úy", "trung úy", "thiếu úy", "gs", "pgs", "ts", "ths", "bs", "ks", "cn", "luật sư"),
)

# --- the block of recipients ---------------------------------------------------------------------------------------

# Points at what the document itself names: nobody can be addressed by it alone.
POINTERS = ("như trên", "như điều", "như thành phần", "như kính gửi", "các cơ quan nêu", "như nơi nhận")
# Those that point at what stands over the text.
ABOVE = ("như trên", "như kính gửi", "như nơi nhận")
# Many agencies under one name.
MANY = (
    "các",
    "các sở",
    "toàn thể",
    "tất cả",
    "những",
    "ubnd các",
    "ủy ban nhân dân các",
    "đảng ủy các",
    "hđnd các",
)
# Persons: the document goes to the agency behind them, and which one that is a clerk says.
PERSONS = (
    "chủ tịch",
    "phó chủ tịch",
    "các phó",
    "các pct",
    "ct,",
    "pct",
    "bí thư",
    "giám đốc",
    "phó giám đốc",
    "lãnh đạo",
    *(
        "chánh văn phòng",
        "phó chánh văn phòng",
        "bộ trưởng",
        "thứ trưởng",
        "cục trưởng",
        "đồng chí",
        "các đồng chí",
    ),
)
# Agencies named by their kind alone: one's own, or that above oneself.
OWN_LINE = (
    *("UBND tỉnh", "UBND thành phố", "UBND xã", "UBND phường", "UBND đặc khu", "HĐND tỉnh", "HĐND thành phố"),
    *("Tỉnh ủy", "Thành ủy", "Sở", "Bộ", "Cục", "Chi cục", "Ban", "Trung tâm", "UBND"),
)
# What stands in brackets, or behind a dash, about the purpose.
PURPOSES: dict[str, tuple[str, ...]] = {
    "to_report": ("để b/c", "để báo cáo", "b/c", "báo cáo"),
    "to_act": ("để th", "để t/h", "để thực hiện", "thực hiện", "để thi hành", "t/h"),
    "to_coordinate": ("để p/h", "để phối hợp", "phối hợp", "p/h"),
    "to_know": ("để biết", "để theo dõi", "để giám sát", "để t/d"),
}
# How the names of agencies begin.
AGENCIES = (
    *(
        "ubnd",
        "ủy ban",
        "hđnd",
        "hội đồng",
        "sở",
        "bộ",
        "cục",
        "chi cục",
        "tổng cục",
        "vụ",
        "ban",
        "văn phòng",
        "vp",
    ),
    *(
        "công an",
        "viện",
        "tòa án",
        "thanh tra",
        "kho bạc",
        "bhxh",
        "bảo hiểm xã hội",
        "đảng ủy",
        "tỉnh ủy",
        "thành ủy",
    ),
    *(
        "trường",
        "trung tâm",
        "bệnh viện",
        "phòng",
        "hội",
        "liên đoàn",
        "lđlđ",
        "mttq",
        "mặt trận",
        "ngân hàng",
    ),
)
SHORT_NAMES: dict[str, str] = {
    "UBND": "Ủy ban nhân dân",
    "HĐND": "Hội đồng nhân dân",
    "VP": "Văn phòng",
    "VPCP": "Văn phòng Chính phủ",
    "TW": "trung ương",
    "TTHC": "thủ tục hành chính",
    "KBNN": "Kho bạc Nhà nước",
    "MTTQ": "Mặt trận Tổ quốc",
    "BHXH": "Bảo hiểm xã hội",
    "TP": "thành phố",
    "LĐLĐ": "Liên đoàn Lao động",
    "GD&ĐT": "Giáo dục và Đào tạo",
    "NN&MT": "Nông nghiệp và Môi trường",
    "KH&CN": "Khoa học và Công nghệ",
}

READING: dict[str, tuple[str, str]] = {
    "rule.unconfirmed": (
        "{field} đọc từ tệp chưa chắc chắn. Hãy đối chiếu với văn bản rồi đánh dấu đã kiểm tra.",
        "{field} was read from the file and is not sure. Compare it with the document, then tick that it was checked.",
    ),
    "sure.sure": ("Chắc chắn", "Sure"),
    "sure.doubtful": ("Cần kiểm tra", "Check it"),
    "sure.none": ("Không đọc được", "Not found"),
    "read.number": ("Số", "Number"),
    "read.symbol": ("Ký hiệu", "Symbol"),
    "read.date": ("Ngày văn bản", "Date"),
    "read.type": ("Loại văn bản", "Type"),
    "read.subject": ("Trích yếu", "Subject"),
    "read.signer_name": ("Người ký", "Signer"),
    "read.signer_title": ("Chức vụ", "Title"),
    "read.signer_competence": ("Quyền hạn ký", "Signs on behalf"),
    "read.pages": ("Số trang", "Pages"),
    "read.signed_at": ("Thời gian ký", "Time of signing"),
    "read.recipients_block": ("Nơi nhận", "Recipients"),
    "doubt.recognised": ("đọc từ bản quét", "read from a scan"),
    "doubt.added": ("được chèn thêm vào trang", "was added onto the page"),
    "doubt.letters": ("có chữ không chắc", "some letters are not certain"),
    "doubt.legacy-font": ("phông chữ cũ, không phải Unicode", "an old font, not Unicode"),
    "doubt.unread": ("trang có chữ không đọc được", "the page has text that cannot be read"),
    "doubt.many": ("có nhiều chỗ ghi khác nhau", "several places say different things"),
    "doubt.mismatch": ("tên loại và ký hiệu không khớp nhau", "type and symbol do not agree"),
    "doubt.place": ("không đứng ở chỗ quen thuộc", "it does not stand where it usually does"),
    "doubt.label": ("chữ “Số” không rõ", "the word for number is not clear"),
    "doubt.wrapped": ("bị ngắt dòng", "it is broken over lines"),
    "doubt.spaced": ("có khoảng trống xen giữa", "there are gaps in it"),
    "doubt.columns": ("hai cột sát nhau", "two columns stand too close"),
    "doubt.plain": ("không rõ chỗ kết thúc", "where it ends is not clear"),
    "doubt.rank": ("có cấp bậc hoặc học vị đứng trước", "a rank or degree stands before it"),
    "doubt.capitals": ("viết toàn chữ hoa", "it is in capitals throughout"),
    "doubt.certificate": ("khác tên trên chứng thư số", "the certificate names another person"),
    "doubt.from-certificate": ("lấy từ chứng thư số", "taken from the certificate"),
    "doubt.no-motto": ("không thấy Quốc hiệu", "the national title was not found"),
    "doubt.no-recipients": ("không thấy mục Nơi nhận", "the block of recipients was not found"),
    "doubt.cut": ("tệp dài, chưa đọc hết", "the file is long, not all was read"),
    "doubt.altered": ("chữ ký số trên tệp không hợp lệ", "a signature on the file is not valid"),
    "doubt.late": ("sau thời gian ký", "it is later than the signature"),
    "doubt.early": ("trước thời gian ký quá lâu", "it is long before the signature"),
    "doubt.unverified": ("chữ ký chưa được xác minh", "the signature is not verified"),
    "doubt.symbol-form": ("ký hiệu có dạng lạ", "the symbol has an unusual form"),
    "doubt.too-long": ("dài hơn quy định", "it is longer than allowed"),
    "doubt.no-addressee": ("không thấy “Kính gửi”", "no addressee was found"),
    "doubt.position": ("không nhận ra chức vụ", "no known position"),
    "doubt.pointer": (
        "có mục chỉ ghi theo nội dung văn bản (như “Như Điều 3”): thêm các cơ quan đó",
        "an entry points at the document itself (as “Như Điều 3” does): add those agencies",
    ),
    "doubt.blank": ("để trống", "it is left blank"),
    "doubt.fault": ("không đọc được tệp", "the file cannot be read"),
    "offer.named": ("Đúng một cơ quan", "Exactly one agency"),
    "offer.old": ("Mã hoặc tên cũ", "An old code or name"),
    "offer.closed": ("Cơ quan đã kết thúc hoạt động", "The agency was dissolved"),
    "offer.unclear": ("Cần chọn", "Choose one"),
    "offer.unknown": ("Không tìm thấy", "Not found"),
    "offer.many": ("Nhiều cơ quan", "Several agencies"),
    "offer.pointer": ("Theo nội dung văn bản", "As the document itself says"),
    "offer.person": ("Cá nhân, chọn cơ quan", "A person: choose the agency"),
    "offer.filed": ("Lưu", "Filing"),
    "offer.own": ("Trong cơ quan mình", "Within this agency"),
    "offer.group": ("Nhóm đã lưu", "A saved group"),
}
