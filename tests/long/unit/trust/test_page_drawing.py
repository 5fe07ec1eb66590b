"""A page that is made to be drawn without end; and signed papers as another program draws them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageChops

from gateway.domain.pdf import PageWish
from gateway.trust.page_drawing.child import draw_page
from gateway.trust.page_drawing.drawer import PageBox
from gateway_labs.authority import Authority
from gateway_labs.demo.signers import DemoSigners
from tests.long.unit.trust.test_pdf_signing import pixels
from tests.support.areas import area_in_mm
from tests.support.cases import Cases
from tests.support.pdf_pages import paper
from tests.support.pdf_pki import SIGNED
from tests.unit.trust.test_page_drawing import SAMPLES, pdf, picture, put_in_box, red_dots
from tests.unit.trust.test_page_drawing import box as box


def endless() -> bytes:
    """Build a page of forms that each draw the next one twenty times, twelve deep."""
    names = b"".join(b"/F%d %d 0 R" % (n, 10 + n) for n in range(12))
    head = b"<</Type/XObject/Subtype/Form/BBox[0 0 600 900]/Resources<</XObject<<" + names + b">>>>"
    bodies = [*((b"/F%d Do " % (n + 1)) * 20 for n in range(11)), b"0 0 600 900 re f"]
    form = b"%d 0 obj\n%s/Length %d>>\nstream\n%s\nendstream\nendobj\n"
    drawn = [form % (10 + n, head, len(body), body) for n, body in enumerate(bodies)]
    return pdf(b"/F0 Do", page=b"/Resources<</XObject<<" + names + b">>>>", more=b"".join(drawn))


def test_threat_132_a_page_without_end_is_cut_short_and_the_next_one_is_drawn(box: PageBox) -> None:
    wish = PageWish(kind="pdf", page=1)

    look = box.draw(put_in_box(box, endless()), wish)

    assert look.fault in ("PAGE-LIMIT", "PAGE-READER")
    assert box.draw(put_in_box(box, pdf()), wish).fault is None


def papers() -> Iterator[tuple[str, bytes]]:
    """Yield papers as agencies send them: signed by hand and sealed, by the hand alone, on turned and small pages."""
    signers = DemoSigners.create(
        Authority.create("Root", SIGNED), "Z91.12", "Ủy ban nhân dân xã Bình Minh", "Nguyễn Văn Ký", SIGNED
    )
    area = area_in_mm(115, 182, 60, 20)
    for name in ("cong-van", "quyet-dinh", "giay-moi", "thong-bao-thu-hoi"):
        octets = (SAMPLES / f"{name}.pdf").read_bytes()
        yield name, signers.signed_by_both(octets, area, SIGNED)
    yield "hand", signers.signed_by_person((SAMPLES / "bao-cao.pdf").read_bytes(), area, SIGNED)
    for turned in (90, 180, 270):
        yield (
            f"turned {turned}",
            signers.signed_by_both(paper(turned=turned), area_in_mm(60, 60, 60, 20), SIGNED),
        )
    yield "A5", signers.signed_by_both(paper((420, 595)), area_in_mm(60, 120, 60, 20), SIGNED)


def redness(drawn: Image.Image) -> float:
    """Return how much red ink lies on the page, in dots; thin lines count the same however they are smoothed."""
    red, green, _ = (sum(n * dots for n, dots in enumerate(band.histogram())) for band in drawn.split())
    return (red - green) / 255


def test_a_paper_is_drawn_as_another_reader_draws_it(tmp_path: Path, cases: Cases) -> None:
    """Compare at a quarter of the dots, so that only what is missing or misplaced counts, not the shapes of letters."""
    for name, octets in papers():
        with cases.case(name):
            path = tmp_path / f"{name.replace(' ', '-')}.pdf"
            path.write_bytes(octets)

            drawn = picture(draw_page(path, PageWish(kind="pdf", page=1))).convert("RGB")
            other = pixels(path, 100).resize(drawn.size)

            assert red_dots(other) > 300 or name == "hand"
            assert abs(redness(drawn) - redness(other)) <= 0.12 * abs(redness(other)) + 50
            small = (drawn.width // 8, drawn.height // 8)
            difference = ImageChops.difference(
                drawn.resize(small, Image.Resampling.BOX), other.resize(small, Image.Resampling.BOX)
            )
            strongest = [
                max(n for n, dots in enumerate(band.histogram()) if dots) for band in difference.split()
            ]
            assert max(strongest) < 110
