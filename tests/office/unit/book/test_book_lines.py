"""The sentence below a book names the numbers that are missing."""

from __future__ import annotations

from gateway.policy import book as rules
from gateway_office.book.book_lines import gaps_sentence


def test_the_sentence_says_what_is_missing() -> None:
    odd = rules.run_of(map(str, range(1, 200, 2)))
    for run, sentence in (
        (rules.run_of(map(str, range(1, 1246))), "Liên tục 1–1245, không thiếu số"),
        (rules.run_of(["1", "2", "5", "7"]), "Từ 1 đến 7 thiếu 3 số: 3–4, 6"),
        (rules.run_of(["3", "3"], start=1), "Từ 1 đến 3 thiếu 2 số: 1–2. Trùng số: 3"),
        (rules.run_of([]), "Chưa có số nào"),
        (rules.run_of(["4"], series="Công văn"), "Công văn: Liên tục 4–4, không thiếu số"),
        (odd, "Từ 1 đến 199 thiếu 99 số: " + ", ".join(map(str, range(2, 102, 2))) + ", …"),
    ):
        assert gaps_sentence(run, "vi") == sentence
