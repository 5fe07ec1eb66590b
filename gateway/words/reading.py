"""Vietnamese words that mark fields in a PDF and recipients in a list, and those that the rules look for. In: nothing. Out:
constants, compared without accents and case unless said otherwise. They are not translated."""

from __future__ import annotations

# Every letter that Vietnamese is written with, beside the plain Latin ones: others are damage.
LETTERS = frozenset(
    "àáảãạăằắẳẵặâầấẩẫậèéẻẽẹêềếểễệìíỉĩịòóỏõọôồốổỗộơờớởỡợùúủũụưừứửữựỳýỷỹỵđ"
    "ÀÁẢÃẠĂẰẮẲẴẶÂẦẤẨẪẬÈÉẺẼẸÊỀẾỂỄỆÌÍỈĨỊÒÓỎÕỌÔỒỐỔỖỘƠỜỚỞỠỢÙÚỦŨỤƯỪỨỬỮỰỲÝỶỸỴĐ"
)
# The heading of a document of the State, and of one of the Party.
MOTTOES = ("cộng hòa xã hội chủ nghĩa việt nam", "đảng cộng sản việt nam")
NUMBER_LABEL = "số"
DATE_WORDS = ("ngày", "tháng", "năm")
TOPIC = ("v/v", "về việc")
# Before the document that is answered, which its number names.
ANSWERS = ("phúc đáp", "trả lời")
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
# Before a title: on whose behalf or in whose place it is signed.
BEHALF = ("tm.", "kt.", "tl.", "tuq.", "t/m", "k/t")
# How titles begin.
TITLES = (
    "chủ tịch",
    "phó chủ tịch",
    "bí thư",
    "phó bí thư",
    "bộ trưởng",
    "thứ trưởng",
    "thủ tướng",
    "phó thủ tướng",
    "giám đốc",
    "phó giám đốc",
    "tổng giám đốc",
    "phó tổng giám đốc",
    "cục trưởng",
    "phó cục trưởng",
    "chi cục trưởng",
    "phó chi cục trưởng",
    "tổng cục trưởng",
    "phó tổng cục trưởng",
    "vụ trưởng",
    "phó vụ trưởng",
    "chánh văn phòng",
    "phó chánh văn phòng",
    "chánh thanh tra",
    "phó chánh thanh tra",
    "chánh án",
    "phó chánh án",
    "trưởng",
    "phó trưởng",
    "viện trưởng",
    "phó viện trưởng",
    "hiệu trưởng",
    "phó hiệu trưởng",
    "ủy viên",
    "tổng thanh tra",
    "phó tổng thanh tra",
    "thống đốc",
    "phó thống đốc",
    "chủ nhiệm",
    "phó chủ nhiệm",
    "quyền",
    "q.",
    "kế toán trưởng",
    "chỉ huy trưởng",
    "phó chỉ huy trưởng",
    "tổng biên tập",
    "phó tổng biên tập",
    "đội trưởng",
    "trạm trưởng",
    "thư ký",
    "chủ trì",
    "thủ trưởng",
    "chính ủy",
    "tư lệnh",
    "chi cục phó",
)
# Ranks and degrees that precede a name and are no part of it.
RANKS = (
    "đại tướng",
    "thượng tướng",
    "trung tướng",
    "thiếu tướng",
    "đại tá",
    "thượng tá",
    "trung tá",
    "thiếu tá",
    "đại úy",
    "thượng úy",
    "trung úy",
    "thiếu úy",
    "gs",
    "pgs",
    "ts",
    "ths",
    "bs",
    "ks",
    "cn",
    "luật sư",
)

# --- the block of recipients ---------------------------------------------------------------------------------------

# Refers to something that the document itself names; no agency can be addressed by it alone.
POINTERS = ("như trên", "như điều", "như thành phần", "như kính gửi", "các cơ quan nêu", "như nơi nhận")
# References to the addressees above the text.
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
# Persons: the document goes to the agency behind them; a clerk chooses which one.
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
    "chánh văn phòng",
    "phó chánh văn phòng",
    "bộ trưởng",
    "thứ trưởng",
    "cục trưởng",
    "đồng chí",
    "các đồng chí",
)
# Forms of address that a name may follow.
COMRADES = ("đồng chí", "các đồng chí")
# Agencies named by their kind alone: one's own, or that above oneself.
OWN_LINE = (
    "UBND tỉnh",
    "UBND thành phố",
    "UBND xã",
    "UBND phường",
    "UBND đặc khu",
    "HĐND tỉnh",
    "HĐND thành phố",
    "Tỉnh ủy",
    "Thành ủy",
    "Sở",
    "Bộ",
    "Cục",
    "Chi cục",
    "Ban",
    "Trung tâm",
    "UBND",
)
# Phrases of purpose, in brackets or behind a dash.
PURPOSES: dict[str, tuple[str, ...]] = {
    "to_report": ("để b/c", "để báo cáo", "b/c", "báo cáo"),
    "to_act": ("để th", "để t/h", "để thực hiện", "thực hiện", "để thi hành", "t/h"),
    "to_coordinate": ("để p/h", "để phối hợp", "phối hợp", "p/h"),
    "to_know": ("để biết", "để theo dõi", "để giám sát", "để t/d"),
}
# How the names of agencies begin.
AGENCIES = (
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
)
NAME_JOINTS = frozenset({"Và", "Của", "Về", "Cho"})
"""Words that join parts of an agency's name, and so never have a capital inside of one."""

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

# --- what the rules look for -----------------------------------------------------------------------------------------

# R3: a subject with one of these only warns.
WATCHED_WORDS = ("khiếu nại", "tố cáo", "đơn thư", "tranh chấp")
# R2: the stamps of the state-secret law, as they are printed; the longer ones first.
SECRECY_STAMPS = ("TUYỆT MẬT", "TỐI MẬT", "MẬT")
# R25: the three forms of an electronic copy, as the mark on it begins.
COPY_FORMS: dict[str, tuple[str, ...]] = {
    "SY": ("SAO Y", "SAO Y BẢN CHÍNH", "SY"),
    "TrS": ("TRÍCH SAO", "TrS"),
    "SL": ("SAO LỤC", "SL"),
}
