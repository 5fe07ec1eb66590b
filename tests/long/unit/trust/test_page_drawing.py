"""A page that is made to be drawn without end."""

from __future__ import annotations

from gateway.domain.pdf import PageWish
from gateway.trust.page_drawing.drawer import PageBox
from tests.unit.trust.test_page_drawing import box as box
from tests.unit.trust.test_page_drawing import pdf, put_in_box


def endless() -> bytes:
    """Forms that each draw the next one twenty times, twelve deep."""
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
