"""Letters of before Unicode: the two kinds are distinguished and come back whole, and Unicode is left alone."""

from __future__ import annotations

from gateway.policy import texts
from gateway.policy.texts import Letters

TCVN3 = {
    "Së N«ng nghiÖp vµ M«i tr­êng": "Sở Nông nghiệp và Môi trường",
    "ñy ban nh©n d©n x· §Æng X¸": "ủy ban nhân dân xã Đặng Xá",
    "Phßng Gi¸o dôc, ®­êng Lª Lîi": "Phòng Giáo dục, đường Lê Lợi",
}
VNI = {
    "Sôû Noâng nghieäp vaø Moâi tröôøng": "Sở Nông nghiệp và Môi trường",
    "UÛy ban nhaân daân xaõ Ñaëng Xaù": "Ủy ban nhân dân xã Đặng Xá",
    "Phoøng Giaùo duïc, ñöôøng Leâ Lôïi, tænh Kyõ": "Phòng Giáo dục, đường Lê Lợi, tỉnh Kỹ",
}


def test_each_kind_is_known_and_read_and_what_is_unicode_or_of_another_country_stays() -> None:
    for letters, table in ((Letters.TCVN3, TCVN3), (Letters.VNI, VNI)):
        assert texts.found_letters(table) is letters
        assert {old_text: texts.to_unicode(old_text, letters) for old_text in table} == table

    for text in (
        *("Sở Tài chính tỉnh Hà Tĩnh", "xã Tùng, Hà Nam; Trà Vinh", "Phòng Giáo", "Café Müller, Straße 5"),
        *("plain", "", "°±²³ §1"),
    ):
        assert texts.found_letters([text, "Z91.01"]) is None, text

    assert texts.to_unicode("Sở Y tế", Letters.VNI) == "Sở Y tế"
    assert texts.found_letters(["Sở Y tế", *VNI]) is Letters.VNI
