"""The words on every document on paper, as Decree 30 has them. In: nothing. Out: constants, in one language."""

from __future__ import annotations

MOTTO = ("CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", "Độc lập - Tự do - Hạnh phúc")
DATED = "ngày {day:%d} tháng {day:%m} năm {day:%Y}"
NUMBER = "Số: {code}"
ADDRESSED = "Kính gửi:"
RECIPIENTS = "Nơi nhận:"
AS_ABOVE = "Như trên"
FILED = "Lưu: {units}"
EXPRESS = "HỎA TỐC"
TITLE = "{kind} số {code}"
APPENDIX = "PHỤ LỤC"
APPENDIX_OF = "(Kèm theo {kind} số {code} {dated} của {issuer})"
SUBJECT_PREFIX = "V/v "
LETTER = "Công văn"
# Documents that name their addressees over the text.
WITH_ADDRESSEE = frozenset({LETTER, "Giấy mời", "Báo cáo", "Tờ trình"})
DIRECTOR = "GIÁM ĐỐC"
