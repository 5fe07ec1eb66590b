"""Makes the sample documents of the tests: real PDFs of invented agencies, printed by a headless browser from the
templates beside this file. In: `tools/samples/*.html`. Out: `tests/samples/*.pdf`. Run it again after a change:
`python tools/make_samples.py [browser]`."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

TOOLS = Path(__file__).resolve().parent
TARGET = TOOLS.parent / "tests" / "samples"
BROWSER = "/usr/bin/chromium"

_PROVINCE = {"parent": "", "agency": "ỦY BAN NHÂN DÂN<br>TỈNH SAO MAI", "place": "Sao Mai"}
_DEPARTMENT = {"parent": "UBND TỈNH SAO MAI", "agency": "SỞ THỬ NGHIỆM", "place": "Sao Mai"}
_COMMUNE = {"parent": "", "agency": "ỦY BAN NHÂN DÂN<br>XÃ BÌNH MẪU", "place": "Bình Mẫu"}
_NONE = {"number": "", "signer": "", "about": "", "urgent": ""}

SAMPLES: dict[str, dict[str, Any]] = {
    "cong-van": {
        **_PROVINCE,
        "title": "Công văn số 118/UBND-VP",
        "number": "118/UBND-VP",
        "about": "phối hợp kiểm thử liên thông văn bản điện tử",
        "recipients": ["Như trên", "Chủ tịch UBND tỉnh (để b/c)", "Chánh Văn phòng UBND tỉnh", "Lưu: VT, VP"],
        "capacity": ["KT. CHỦ TỊCH", "PHÓ CHỦ TỊCH"],
        "signer": "Người Ký Mẫu",
    },
    "phu-luc": {"title": "Phụ lục kèm theo Công văn số 118/UBND-VP"},
    "giay-moi": {
        **_PROVINCE,
        "title": "Giấy mời số 12/GM-UBND",
        "number": "12/GM-UBND",
        "urgent": "HỎA TỐC",
        "recipients": ["Như thành phần", "Chủ tịch UBND tỉnh (để b/c)", "Lưu: VT, TH"],
        "capacity": ["KT. CHỦ TỊCH", "PHÓ CHỦ TỊCH"],
        "signer": "Người Ký Mẫu",
    },
    "bao-cao": {
        **_DEPARTMENT,
        "title": "Báo cáo số 45/BC-STN",
        "number": "45/BC-STN",
        "day": "26",
        "recipients": ["UBND tỉnh", "UBND xã Bình Mẫu", "Giám đốc, các PGĐ Sở", "Lưu: VT, VP"],
        "capacity": ["GIÁM ĐỐC"],
        "signer": "Người Ký Thử",
    },
    "quyet-dinh": {
        **_PROVINCE,
        "title": "Quyết định số 121/QĐ-UBND",
        "number": "121/QĐ-UBND",
        "recipients": ["Như Điều 3", "Chủ tịch, các PCT UBND tỉnh", "Sở Thử nghiệm", "Lưu: VT, TH"],
        "capacity": ["TM. ỦY BAN NHÂN DÂN", "CHỦ TỊCH"],
        "signer": "Người Ký Mẫu",
    },
    "thong-bao-thu-hoi": {
        **_COMMUNE,
        "title": "Thông báo số 9/TB-UBND",
        "number": "09/TB-UBND",
        "recipients": ["UBND tỉnh", "Sở Thử nghiệm", "Chủ tịch UBND xã (để b/c)", "Lưu: VT"],
        "capacity": ["TM. ỦY BAN NHÂN DÂN", "CHỦ TỊCH"],
        "signer": "Người Ký Ví Dụ",
    },
}


def main(browser: str = BROWSER) -> None:
    """Print every sample; stop at the first that the browser does not make."""
    templates = Environment(
        loader=FileSystemLoader(TOOLS / "samples"), undefined=StrictUndefined, autoescape=select_autoescape()
    )
    TARGET.mkdir(parents=True, exist_ok=True)
    for name, values in SAMPLES.items():
        page = templates.get_template(f"{name}.html").render(
            {**_NONE, "day": "20", "month": "11", "year": "2026", **values}
        )
        target = TARGET / f"{name}.pdf"
        _print(browser, page, target)
        sys.stdout.write(f"{target.name} {target.stat().st_size} bytes\n")


def _print(browser: str, page: str, target: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "page.html"
        source.write_text(page, encoding="utf-8")
        command = [
            browser,
            *(
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--no-pdf-header-footer",
                "--disable-pdf-tagging",
            ),
            f"--user-data-dir={folder}/profile",
            f"--print-to-pdf={target}",
            source.as_uri(),
        ]
        subprocess.run(command, check=True, capture_output=True, timeout=120)


if __name__ == "__main__":
    main(*sys.argv[1:2])
