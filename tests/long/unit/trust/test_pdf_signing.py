"""The agency's signatures on real PDFs hold in this program's library and in another's, stand where they should on any
page, keep earlier signatures valid, and are refused with words where they cannot be made."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import tracemalloc
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from asn1crypto import tsp
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pyhanko.keys.pemder import load_certs_from_pemder_data
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import MDPPerm
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

from gateway.domain.identity import Digest
from gateway.domain.pdf import Area, Placement, Purpose, Wish
from gateway.errors import Clash, InvalidProof
from gateway.ops.pdf import verify_pdf
from gateway.policy import pdf_signing
from gateway.ports.services import AgencyKey
from gateway.trust.chain import key_is_strong
from gateway.trust.pdf_layout import PageFrame
from gateway.trust.pdf_signatures.sandbox import PdfLimits, PdfSandbox
from gateway.trust.pdf_signing.agency_key import HeldKey, facts_of
from gateway.trust.pdf_signing.appearance import set_text, width_of
from gateway.trust.pdf_signing.long_term import ProofGatherer
from gateway.trust.pdf_signing.signer import PadesSigner
from gateway.trust.seals import TimestampAuthority
from gateway_labs.authority import Authority
from gateway_labs.demo.pictures import seal_png
from gateway_labs.demo.signers import DemoSigners
from tests.support import pdfs, pki
from tests.support.areas import area_in_mm
from tests.support.cases import Cases
from tests.support.pdf_pages import A4, paper
from tests.support.pdf_pki import SIGNED, Holder, agency, folder, person, root, tsa
from tests.support.printed import FOLDER
from tests.support.responder import Answer, Reply, responding
from tests.support.services import missing

AGENCY_NAME = "Ủy ban nhân dân tỉnh Sao Mai"
SAMPLE = FOLDER / "cong-van.pdf"
SIGNER = PadesSigner()
COPY = Wish(purpose=Purpose.COPY, agency_name=AGENCY_NAME)
SEAL = Wish(purpose=Purpose.SEAL, agency_name=AGENCY_NAME)
MARK = ("SAO Y", AGENCY_NAME, "2026-11-18T10:00:00+07:00")
HAND = area_in_mm(115, 182, 60, 20)


def key(holder: Holder | None = None) -> HeldKey:
    chosen = holder or agency()
    return HeldKey(chosen.private_key, chosen.certificate, [root().certificate], SIGNED)


def test_a_key_on_a_curve_that_no_receiver_accepts_does_not_sign() -> None:
    curves: tuple[ec.EllipticCurve, ...] = (
        ec.SECP256R1(),
        ec.SECP384R1(),
        ec.SECP256K1(),
        ec.BrainpoolP384R1(),
    )
    certificates = [pki.root().issue("Z91", ec.generate_private_key(curve)) for curve in curves]

    assert [facts_of(x).signs for x in certificates] == [True, True, False, False]
    assert [key_is_strong(x) for x in certificates] == [True, True, False, False]


def marked(
    path: Path, signer: PadesSigner = SIGNER, holder: Holder | None = None, opened: AgencyKey | None = None
) -> tuple[Path, Placement]:
    """Sign a PDF with the mark of a copy on page 1."""
    out = path.with_name(f"{path.stem}-signed.pdf")
    layouts = [signer.set_text(MARK, 10, 227), signer.set_text(["; ".join(MARK)], 10, 500)]
    placement = replace(pdf_signing.place_mark(COPY, signer.view(path, 1), layouts), reason=MARK[0])
    signer.sign(path, out, placement, None, opened or key(holder), SIGNED)
    return out, placement


def sealed(path: Path) -> tuple[Path, Placement]:
    out = path.with_name(f"{path.stem}-sealed.pdf")
    standing, image = SIGNER.examine(path), seal_png(AGENCY_NAME)
    view = SIGNER.view(path, pdf_signing.page_for(standing, SEAL))
    text = SIGNER.set_text(MARK[1:], 8, 170)
    placement = pdf_signing.place_seal(standing, SEAL, view, SIGNER.image_size(image), text)
    SIGNER.sign(path, out, placement, image, key(), SIGNED)
    return out, placement


def hand_signed(path: Path, area: Area = HAND, holder: Holder | None = None) -> Path:
    """Sign a PDF as the competent person does."""
    out = path.with_name(f"{path.stem}-hand.pdf")
    empty = SIGNER.set_text((), 8, 100)
    placement = Placement(page=1, area=area, image=area, text=area, layout=empty)
    blue = Image.new("RGBA", (300, 100), (20, 60, 180, 255))
    SIGNER.sign_picture(path, out, placement, blue, key(holder or person()), SIGNED)
    return out


def on_disk(folder: Path, content: bytes, name: str = "a.pdf") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def valid(path: Path) -> list[bool]:
    """Return the verdict of the library's own validator on each signature, with our root."""
    with path.open("rb") as stream:
        return [
            validate_pdf_signature(s, context(root().certificate), context(root().certificate)).bottom_line
            for s in PdfFileReader(stream).embedded_regular_signatures
        ]


def context(*anchors: Certificate) -> ValidationContext:
    roots = load_certs_from_pemder_data(b"".join(pem(anchor) for anchor in anchors))
    return ValidationContext(trust_roots=list(roots), moment=SIGNED, allow_fetching=False)


def pem(certificate: Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


def poppler(program: str, *words: str | Path) -> str:
    """Return the output of another program about a file."""
    path = shutil.which(program) or missing(f"{program} is not installed (package poppler-utils)")
    run = subprocess.run([path, *map(str, words)], capture_output=True, check=True, timeout=60)
    return run.stdout.decode("utf-8")


def words_of(path: Path, page: int = 1) -> list[tuple[Area, str]]:
    """Return each word with its place on the visible page."""
    page_xml = poppler("pdftotext", "-bbox", "-f", str(page), "-l", str(page), path, "-")
    pattern = r'<word xMin="([\d.-]+)" yMin="([\d.-]+)" xMax="([\d.-]+)" yMax="([\d.-]+)">(.*?)</word>'
    return [
        (Area(left=float(a), top=float(b), width=float(c) - float(a), height=float(d) - float(b)), word)
        for a, b, c, d, word in re.findall(pattern, page_xml)
    ]


def pixels(path: Path, dots: int = 72) -> Image.Image:
    target = path.with_suffix("")
    poppler("pdftoppm", "-png", "-singlefile", "-r", str(dots), path, target)
    with Image.open(target.with_suffix(".png")) as picture:
        return picture.convert("RGB")


def test_the_signature_holds_here_and_in_another_program(tmp_path: Path) -> None:
    """The words of the mark can be read and copied, and its time is that of the signature."""
    out, placement = marked(on_disk(tmp_path, paper()))

    report = poppler("pdfsig", "-nocert", out)
    assert valid(out) == [True]
    assert "Signature Type: ETSI.CAdES.detached" in report
    assert "Total document signed" in report
    assert "Signature Validation: Signature is Valid." in report
    read = [word for area, word in words_of(out) if area.meets(placement.area)]
    assert " ".join(read) == " ".join(MARK)
    assert "LiberationSerif" in poppler("pdffonts", out)
    with out.open("rb") as stream:
        (signature,) = PdfFileReader(stream).embedded_regular_signatures
        assert signature.self_reported_timestamp == SIGNED == datetime.fromisoformat(MARK[-1])

    second, _ = marked(out, holder=root().issue("Another Agency"))
    assert valid(second) == [True, True], "a second signer gets a field of his own"


def test_the_seal_keeps_the_personal_signature_valid_and_every_byte_of_the_old_file(tmp_path: Path) -> None:
    hand = hand_signed(on_disk(tmp_path, SAMPLE.read_bytes()))

    out, _ = sealed(hand)

    assert valid(out) == [True, True]
    assert out.read_bytes().startswith(hand.read_bytes())
    assert poppler("pdfsig", "-nocert", out).count("Signature Validation: Signature is Valid.") == 2


def test_the_seal_is_red_and_in_real_size_over_a_third_of_the_hand(tmp_path: Path) -> None:
    out, placement = sealed(hand_signed(on_disk(tmp_path, paper())))

    picture, image = pixels(out), placement.image
    assert image is not None
    reds = [n % picture.width for n, dot in enumerate(picture.get_flattened_data()) if is_red(dot)]
    first, right = min(reds), max(reds)
    assert abs(first - image.left) < 3
    assert abs(right - image.right) < 3
    assert abs((right - first) / 72 * 25.4 - 36) < 1.5
    assert image.right == pytest.approx(HAND.left + HAND.width / 3, abs=0.1)
    assert is_red(
        picture.getpixel((round(image.left + image.width / 2), round(image.top + image.height / 2)))
    )


def is_red(dot: object) -> bool:
    assert isinstance(dot, tuple)
    return bool(dot[0] > 150 and dot[1] < 80 and dot[2] < 80)


def test_a_mark_stands_upright_at_the_top_right_of_any_page(tmp_path: Path, cases: Cases) -> None:
    for size in (A4, (1191, 842)):
        for turned in (0, 90, 180, 270):
            with cases.case((size, turned)):
                raw = paper(size, turned, origin=(13, -27))
                out, placement = marked(on_disk(tmp_path, raw, f"{size[0]}-{turned}.pdf"))
                words = words_of(out)
                wide = size[1] if turned in (90, 270) else size[0]
                assert " ".join(word for _, word in words) == " ".join(MARK)
                assert all(inside(area, placement.area) for area, _ in words)
                assert words[0][0].top < words[-1][0].top < 60
                assert wide - max(area.right for area, _ in words) < 80
                assert valid(out) == [True]


def inside(small: Area, large: Area) -> bool:
    return (
        small.left > large.left - 2
        and small.right < large.right + 2
        and small.top > large.top - 2
        and small.bottom < large.bottom + 2
    )


def test_a_mark_does_not_cover_words_while_there_is_room(tmp_path: Path) -> None:
    """Also where words stand in the top margin."""
    high = paper(lines=((330, 842 - 62, "words that stand high"),))
    for name, raw in (("sample.pdf", SAMPLE.read_bytes()), ("high.pdf", high)):
        path = on_disk(tmp_path, raw, name)
        _, placement = marked(path)
        assert not placement.crowded
        assert not any(area.meets(placement.area) for area, _ in words_of(path))


def test_earlier_signatures_are_found_with_their_places(tmp_path: Path) -> None:
    standing = SIGNER.examine(
        hand_signed(on_disk(tmp_path, paper(turned=90)), Area(left=300, top=200, width=90, height=40))
    )

    (earlier,) = standing.earlier
    assert earlier.intact
    assert earlier.page == 1
    assert earlier.area is not None
    assert earlier.area.left == pytest.approx(300, abs=1)
    assert earlier.area.top == pytest.approx(200, abs=1)


def test_a_file_changed_after_it_was_signed_is_seen_as_such(tmp_path: Path) -> None:
    signed = pdfs.sign(pdfs.plain(), person(), "NguoiKy")
    for changed in (pdfs.rewritten(signed), pdfs.overlaid(signed)):
        standing = SIGNER.examine(on_disk(tmp_path, changed))
        assert [signature.intact for signature in standing.earlier] == [False]


def test_a_certified_file_has_no_room_for_a_seal(tmp_path: Path) -> None:
    for level in (MDPPerm.NO_CHANGES, MDPPerm.FILL_FORMS):
        certified = pdfs.sign(pdfs.plain(), person(), "NguoiKy", certify=level)
        assert SIGNER.examine(on_disk(tmp_path, certified)).closed


def test_a_signature_that_would_break_an_earlier_one_is_thrown_away(tmp_path: Path) -> None:
    path = on_disk(tmp_path, pdfs.sign(pdfs.plain(), person(), "NguoiKy", certify=MDPPerm.FILL_FORMS))

    with pytest.raises(Clash) as refused:
        marked(path)

    assert refused.value.code == "SIGN-BREAKS"
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_no_pdf_or_has_a_password_is_said_also_by_the_reader(tmp_path: Path, cases: Cases) -> None:
    rows = {
        "empty": (b"", "not-pdf"),
        "zip": (b"PK\x03\x04 a zip", "not-pdf"),
        "no PDF": (b"no PDF", "not-pdf"),
        "unreadable": (b"%PDF-1.7\nand nothing behind it", "unreadable"),
        "unsigned": (pdfs.plain(), None),
        "signed": (pdfs.by_agency(), None),
        "encrypted": (pdfs.locked(pdfs.plain()), "encrypted"),
    }
    for name, (content, fault) in rows.items():
        with cases.case(name):
            file = on_disk(tmp_path, content)
            standing = PadesSigner(reader=PdfSandbox(tmp_path / "none")).examine(file)
            assert standing == SIGNER.examine(file)
            assert (standing.fault, standing.encrypted) == (fault, name == "encrypted")


@settings(max_examples=60)
@given(at=st.integers(0, 10_000), damage=st.binary(min_size=1, max_size=8))
def test_a_damaged_file_is_a_finding_and_never_an_error(
    tmp_path_factory: pytest.TempPathFactory, at: int, damage: bytes
) -> None:
    content = bytearray(pdfs.by_both())
    at %= len(content)
    content[at : at + len(damage)] = damage
    path = on_disk(tmp_path_factory.getbasetemp(), bytes(content), "damaged.pdf")

    standing = SIGNER.examine(path)

    assert standing.size == len(content)
    assert standing.fault is not None or standing.pages >= 0


def test_a_very_large_file_is_signed_in_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "large.pdf"
    with path.open("wb") as file:
        file.write(b"%PDF-1.7\n%" + b"\xe2" * 4 + b"\n1 0 obj\n<</Length 83886080>>\nstream\n")
        for _ in range(80):
            file.write(bytes(1024 * 1024))
        file.write(b"\nendstream\nendobj\n")
        pages = b"<</Type/Pages/Kids[3 0 R]/Count 1>>"
        page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>"
        offsets = [15]
        for number, body in ((2, pages), (3, page), (4, b"<</Type/Catalog/Pages 2 0 R>>")):
            offsets.append(file.tell())
            file.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
        tail = file.tell()
        rows = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
        file.write(b"xref\n0 5\n0000000000 65535 f \n" + rows)
        file.write(b"trailer\n<</Size 5/Root 4 0 R>>\nstartxref\n%d\n%%%%EOF\n" % tail)
    tracemalloc.start()

    out, _ = marked(path)

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert valid(out) == [True]
    assert peak < 24 * 1024 * 1024


def test_lists_that_cover_the_chain_are_kept_in_the_file_and_others_are_left_out(tmp_path: Path) -> None:
    stale = root().crl(next_update=SIGNED - timedelta(days=30))
    for name, lists, count in (("good", None, 1), ("stale", [stale], 0)):
        signer = PadesSigner(proofs=ProofGatherer(folder=folder(tmp_path / name, lists=lists)))
        out, _ = marked(on_disk(tmp_path, paper(), f"{name}.pdf"), signer)
        with out.open("rb") as stream:
            trailer = PdfFileReader(stream).root
            assert (len(trailer["/DSS"]["/CRLs"]) if "/DSS" in trailer else 0) == count
        assert valid(out) == [True]


def test_a_revoked_certificate_does_not_sign(tmp_path: Path) -> None:
    lists = [root().crl((agency(), SIGNED - timedelta(days=1)))]
    signer = PadesSigner(proofs=ProofGatherer(folder=folder(tmp_path / "trust", lists=lists)))

    with pytest.raises(Clash) as refused:
        marked(on_disk(tmp_path, paper()), signer)

    assert refused.value.code == "CERT-REVOKED"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.pdf", "trust"]


def test_what_is_no_picture_is_no_seal_and_a_seal_says_its_own_size() -> None:
    for image in (b"no picture at all", b"\x89PNG\r\n\x1a\n and then nothing"):
        with pytest.raises(Clash) as refused:
            SIGNER.image_size(image)
        assert refused.value.code == "SEAL-IMAGE"

    size = SIGNER.image_size(seal_png(AGENCY_NAME))
    assert size.width / 72 * 25.4 == pytest.approx(36, abs=0.1)


def test_an_image_that_would_not_look_like_a_seal_is_refused(cases: Cases) -> None:
    red, clear = (200, 10, 10, 255), (0, 0, 0, 0)
    rows = [
        (red, red, 300, "not transparent"),
        (clear, clear, 300, "empty"),
        (clear, (10, 10, 200, 255), 300, "not red"),
        (clear, red, 20, "mm wide"),
    ]
    for ground, colour, dpi, why in rows:
        picture = Image.new("RGBA", (400, 400), ground)
        picture.paste(colour, (100, 100, 300, 300))
        image = io.BytesIO()
        picture.save(image, "PNG", dpi=(dpi, dpi))
        with cases.case(why), pytest.raises(Clash, match=why):
            SIGNER.image_size(image.getvalue())


def test_a_preview_is_the_page_with_the_seal_on_it(tmp_path: Path) -> None:
    path = hand_signed(on_disk(tmp_path, paper(lines=((100, 700, "words"),))))
    _, placement = sealed(path)

    drawn = SIGNER.preview(SIGNER.view(path, 1), placement, seal_png(AGENCY_NAME))

    with Image.open(io.BytesIO(drawn)) as picture:
        assert picture.format == "PNG"
        assert picture.width == pytest.approx(595 / 72 * 100, abs=1)
        image = placement.image
        assert image is not None
        middle = image.left + image.width / 2, image.top + image.height / 2
        assert is_red(picture.getpixel((round(middle[0] * 100 / 72), round(middle[1] * 100 / 72))))


@given(st.text(max_size=300), st.floats(min_value=30, max_value=400))
def test_lines_are_no_wider_than_asked_unless_a_word_is(text: str, width: float) -> None:
    layout = set_text([text], 10, width)

    for line in layout.lines:
        assert " " not in line or width_of(line, 10) <= width + 0.01
        assert not any(sign in line for sign in "\n\r\t\u202e\u200b")


@given(
    st.sampled_from([0, 90, 180, 270]),
    st.floats(min_value=0.5, max_value=10),
    st.floats(min_value=0, max_value=500),
    st.floats(min_value=0, max_value=500),
)
def test_a_place_seen_is_the_same_place_in_user_space(turned: int, unit: float, x: float, top: float) -> None:
    frame = PageFrame(box=(-20, 30, 575, 872), turned=turned, unit=unit)
    area = Area(left=x, top=top, width=50, height=20)

    back = frame.area(frame.rect(area))

    assert back.left == pytest.approx(x, abs=1e-6)
    assert back.top == pytest.approx(top, abs=1e-6)
    assert back.width == pytest.approx(50)
    assert back.height == pytest.approx(20)
    assert frame.size.width == pytest.approx((842 if turned in (90, 270) else 595) * unit)
    assert frame.size.height == pytest.approx((595 if turned in (90, 270) else 842) * unit)


def stamping(holder: Holder, at: datetime = SIGNED) -> Answer:
    """Return the answers of a timestamp authority."""

    def answer(body: bytes) -> Reply:
        request = tsp.TimeStampReq.load(body)
        stamp = pdfs.stamper(holder, at).request_tsa_response(request)
        return Reply(body=stamp.dump(), kind="application/timestamp-reply")

    return answer


def timed(url: str, *roots: Certificate) -> PadesSigner:
    return PadesSigner(time=TimestampAuthority(url=url, roots=roots or (root().certificate,)))


@pytest.mark.parametrize(("with_lists", "level"), [(False, "B-T"), (True, "B-LT")])
def test_with_a_timestamp_authority_the_signature_carries_trusted_time(
    tmp_path: Path, with_lists: bool, level: str
) -> None:
    path, out = on_disk(tmp_path, paper()), tmp_path / "out.pdf"
    trust = ProofGatherer(folder=folder(tmp_path / "trust")) if with_lists else None
    placement = pdf_signing.place_mark(COPY, SIGNER.view(path, 1), [SIGNER.set_text(MARK, 10, 227)])

    with responding(stamping(tsa())) as authority:
        signer = replace(timed(authority.url), proofs=trust)
        signed = signer.sign(path, out, placement, None, key(), SIGNED)

    assert signed.level == level
    with out.open("rb") as stream:
        (signature,) = PdfFileReader(stream).embedded_regular_signatures
        status = validate_pdf_signature(signature, context(root().certificate), context(root().certificate))
    assert status.bottom_line
    assert status.timestamp_validity is not None
    assert status.timestamp_validity.valid
    assert status.timestamp_validity.timestamp == SIGNED


def test_a_timestamp_of_a_foreign_authority_is_refused(tmp_path: Path) -> None:
    path = on_disk(tmp_path, paper())
    other = root("Another Root")

    with responding(stamping(tsa())) as authority, pytest.raises(InvalidProof):
        marked(path, timed(authority.url, other.certificate))

    assert list(tmp_path.iterdir()) == [path]


def test_without_an_answer_of_the_timestamp_authority_the_file_is_signed_without_time_and_says_so(
    tmp_path: Path, cases: Cases
) -> None:
    kind = "application/timestamp-reply"
    too_long = Reply(body=b"x" * 200_000, kind=kind)
    for n, reply in enumerate(
        (Reply(status=503, kind=kind), too_long, Reply(body=b"<html>", kind="text/html"))
    ):
        path, out = on_disk(tmp_path, paper(), f"{n}.pdf"), tmp_path / f"{n}-out.pdf"
        placement = pdf_signing.place_mark(COPY, SIGNER.view(path, 1), [SIGNER.set_text(MARK, 10, 227)])
        with cases.case(n), responding(lambda body, reply=reply: reply) as authority:  # type: ignore[misc]  # a default
            signer = replace(timed(authority.url), proofs=ProofGatherer(folder=folder(tmp_path / "trust")))
            signed = signer.sign(path, out, placement, None, key(), SIGNED)
            assert (signed.level, signed.missing) == ("B-B", ("timestamp-unreachable",))
            assert valid(out) == [True]


def test_what_is_signed_here_and_by_the_demonstration_is_judged_so_by_our_own_verdict(tmp_path: Path) -> None:
    trust = folder(tmp_path / "trust")
    official, _ = sealed(hand_signed(on_disk(tmp_path, SAMPLE.read_bytes())))
    copy, _ = marked(on_disk(tmp_path, paper(), "copy.pdf"))

    verdicts = [verify_pdf(verdict, trust, SIGNED, SIGNED) for verdict in (official, copy)]

    assert [verdict["verdict"] for verdict in verdicts] == ["valid", "valid"]
    assert [verdict["legal_value"] for verdict in verdicts] == ["official", "copy"]

    authority = Authority.create("Demo", SIGNED)
    signers = DemoSigners.create(authority, "Z91", AGENCY_NAME, "Người Ký Mẫu", SIGNED)
    demo = tmp_path / "demo"
    (demo / "crl").mkdir(parents=True)
    authority.write_trust(demo, {})
    (demo / "crl" / "none.pem").write_bytes(authority.revocation_list([], SIGNED))
    file = on_disk(tmp_path, signers.signed_by_both(SAMPLE.read_bytes(), HAND, SIGNED))

    by_both = verify_pdf(file, demo, SIGNED, SIGNED)

    assert by_both["legal_value"] == "official"
    assert [signer["role"] for signer in by_both["signers"]] == ["person", "agency"]


def test_a_file_that_is_not_the_one_expected_is_not_signed(tmp_path: Path) -> None:
    path, out = on_disk(tmp_path, paper()), tmp_path / "out.pdf"
    placement = pdf_signing.place_mark(COPY, SIGNER.view(path, 1), [SIGNER.set_text(MARK, 10, 227)])

    with pytest.raises(Clash) as refused:
        SIGNER.sign(path, out, placement, None, key(), SIGNED, Digest("0" * 64))

    assert refused.value.code == "SIGN-CHANGED"
    assert not out.exists()

    out.write_bytes(b"something else")
    with pytest.raises(Clash) as refusal:
        SIGNER.sign(path, out, placement, None, key(), SIGNED)
    assert refusal.value.code == "SIGN-OUT"
    assert out.read_bytes() == b"something else", "a file that is there is never written over"


# --- files that want the machine ------------------------------------------------------------------------------


def test_a_file_that_wants_the_machine_is_refused_in_time(tmp_path: Path, cases: Cases) -> None:
    reader = PdfSandbox(tmp_path / "none", PdfLimits(seconds=2.0, memory=512 * 1024 * 1024))
    for raw in (pdfs.with_endless_paths(pdfs.by_agency()), pdfs.with_endless_table(pdfs.plain())):
        with cases.case(len(raw)):
            standing = PadesSigner(reader=reader).examine(on_disk(tmp_path, raw))
            assert (standing.fault, standing.size) == ("unreadable", len(raw))
