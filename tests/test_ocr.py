"""Reading text: order of rows and columns, pages askew and on their side, bad input, no network."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from assistant.errors import ImageError, WeightsError
from assistant.images import LoadedImage, open_image
from assistant.ocr import Line, Reading, read, reader
from assistant.ocr.order import rows
from tests.benchmarks.reading import distance, spaced
from tests.rendered import Page, chinese_font, pages, photographed

FONT = ImageFont.truetype("DejaVuSans.ttf", 26)
SAID = ("Corner Market", "Red apples 3.20", "Total due 12.50")


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_given: object, **_more: object) -> None:
        raise AssertionError("reading text went to the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def fake_reader(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """RapidOCR replaced by one that fails as the test says."""

    class Fake:
        error: Exception = ValueError("bad")

        def detect_and_crop(self, *_given: object) -> None:
            raise self.error

    fake = Fake()
    monkeypatch.setattr(reader, "_reader", lambda: fake)
    yield fake


def note(*lines: str, size: tuple[int, int] = (420, 190)) -> Image.Image:
    picture = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(picture)
    for number, line in enumerate(lines):
        draw.text((24, 20 + 50 * number), line, font=FONT, fill="black")
    return picture


def said(picture: Image.Image | LoadedImage) -> str:
    return read(picture if isinstance(picture, LoadedImage) else open_image(picture)).text


def box(x: float, y: float, wide: float, high: float = 20) -> list[list[float]]:
    return [[x, y], [x + wide, y], [x + wide, y + high], [x, y + high]]


def in_rows(*boxes: list[list[float]]) -> list[list[int]]:
    return rows(np.array(boxes, float))


def leaning(boxes: list[list[list[float]]], degrees: float, spread: float = 0.0) -> np.ndarray:
    """Boxes turned, and lines that run apart down the page."""
    points = np.array(boxes, float)
    points[..., 1] += spread * (points[..., 1] - 200) * (points[..., 0] - 250) / 500
    turn = np.deg2rad(degrees)
    spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return points @ spin.T


# --- what is read


def test_text_is_read_line_by_line_with_its_spaces() -> None:
    assert said(note(*SAID)) == "\n".join(SAID)


def test_boxes_are_where_the_text_is() -> None:
    reading = read(open_image(note(*SAID)))
    assert [line.row for line in reading.lines] == [0, 1, 2]
    for number, line in enumerate(reading.lines):
        (left, top), (right, _), (_, bottom), _ = line.box
        assert 10 <= left <= 30 and 10 <= top - 50 * number <= 30
        assert right - left == pytest.approx(FONT.getlength(SAID[number]), rel=0.12)
        assert 20 < bottom - top < 50
        assert line.confidence > 0.8
    assert reading.to_dict()["lines"][0]["text"] == SAID[0]


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_page_on_its_side_or_head_is_read_in_order(degrees: int) -> None:
    upright = note(*SAID)
    picture = upright.rotate(degrees, expand=True)
    reading = read(open_image(picture))
    assert reading.text == "\n".join(SAID)
    (x, y), *_ = reading.lines[0].box
    # Where the first line's upper left is after the turn.
    at = {90: (25, picture.height - 25), 180: (picture.width - 25, picture.height - 25),
          270: (picture.width - 25, 25)}[degrees]  # fmt: skip
    assert abs(x - at[0]) < 20 and abs(y - at[1]) < 20


def test_a_drawn_receipt_is_read_clean_and_photographed() -> None:
    page = next(page for page in pages(1) if page.kind == "receipt")
    for picture, most in ((page.picture, 0.03), (photographed(page), 0.10)):
        errors = distance(spaced(said(picture)), spaced(page.text))
        assert errors <= most * len(page.text)


def test_chinese_is_read() -> None:
    if chinese_font() is None:
        pytest.skip("no font here has Chinese, such as Debian's fonts-wqy-microhei")
    page = next(page for page in pages(5) if page.language == "zh")
    assert distance(spaced(said(page.picture)), spaced(page.text)) <= 0.03 * len(page.text)


def test_pages_are_the_same_every_time() -> None:
    def made() -> list[tuple[str, bytes, bytes]]:
        some = list(pages(3))
        return [(p.text, p.picture.tobytes(), photographed(p).tobytes()) for p in some]

    assert made() == made()
    assert {page.kind for page in pages(3)} == {"receipt", "label", "screen"}


def test_a_long_receipt_is_read_in_parts() -> None:
    lines = [f"Item {number} costs {number}.50" for number in range(1, 41)]
    reading = read(open_image(note(*lines, size=(400, 2_060))))
    assert reading.text.splitlines() == lines  # none twice, none left out at a seam


def test_one_thin_line_on_a_large_page_is_found() -> None:
    picture = Image.new("RGB", (4_200, 2_800), "white")
    font = ImageFont.truetype("DejaVuSans.ttf", 42)
    ImageDraw.Draw(picture).text((300, 1_400), "Best before 12/08/2027", font=font, fill="black")
    reading = read(open_image(picture))
    assert reading.text == "Best before 12/08/2027"
    assert 260 < reading.lines[0].box[0][0] < 310


# --- bad input


@pytest.mark.parametrize(
    "picture",
    [
        Image.new("RGB", (400, 300), "white"),
        Image.new("RGB", (1, 1)),
        Image.new("RGB", (3, 2_000), "red"),
        Image.new("RGB", (2_000, 9), "blue"),
        Image.fromarray(np.full((60, 80, 3), 127, np.uint8)),
    ],
    ids=["white", "one pixel", "a thread", "a ribbon", "grey"],
)
def test_a_picture_without_text_has_none(picture: Image.Image) -> None:
    assert read(open_image(picture)) == Reading()


@pytest.mark.parametrize("error", [ValueError("shape"), MemoryError()])
def test_what_cannot_be_read_is_said(fake_reader: Any, error: Exception) -> None:
    fake_reader.error = error
    with pytest.raises(ImageError, match="cannot be read; send"):
        said(note("text"))


def test_a_bug_is_not_hidden(fake_reader: Any) -> None:
    fake_reader.error = TypeError("a bug")
    with pytest.raises(TypeError):
        said(note("text"))


def test_a_package_without_models_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import rapidocr

    monkeypatch.setattr(rapidocr, "__file__", str(tmp_path / "__init__.py"))
    with pytest.raises(WeightsError, match="has no PP-OCR"):
        reader._reader.__wrapped__()


def test_threads_read_one_at_a_time_with_one_instance() -> None:
    picture = open_image(note("Order 4711"))
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(said(picture))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["Order 4711"] * 3
    assert reader._reader.cache_info().currsize == 1


def test_ten_thousand_lines_are_bounded_and_quick() -> None:
    many = [
        Line(f"line {n}", tuple(map(tuple, box(20, 30 * n, 200))), 1.0)  # type: ignore[arg-type]
        for n in range(10_000)
    ]
    began = time.perf_counter()
    reading = reader.in_order(many)
    assert len(reading.lines) == reader.MOST_LINES
    assert reading.text.startswith("line 0\nline 1\n")
    assert time.perf_counter() - began < 5


# --- the order


def test_nothing_has_no_rows() -> None:
    assert rows(np.zeros((0, 4, 2))) == []


def test_an_item_and_its_price_are_one_row() -> None:
    assert in_rows(box(400, 12, 60), box(20, 50, 180), box(20, 10, 200), box(400, 48, 60)) == [
        [2, 0], [1, 3],
    ]  # fmt: skip


@pytest.mark.parametrize("degrees", [-20, -8, 0, 8, 20, 180])
@pytest.mark.parametrize("spread", [-0.1, 0.0, 0.1])
def test_a_leaning_page_keeps_its_rows(degrees: float, spread: float) -> None:
    page = []
    for number in range(12):
        page += [box(20, 40 * number, 220), box(420, 40 * number, 60)]
    assert rows(leaning(page, degrees, spread)) == [[n, n + 1] for n in range(0, 24, 2)]


def test_paragraphs_side_by_side_are_read_apart() -> None:
    left = [box(20, 30 * n, 260) for n in range(5)]
    right = [box(340, 30 * n + 7, 260) for n in range(5)]
    heading, footer = box(20, -60, 500), box(20, 260, 580)
    found = in_rows(heading, *left, *right, footer)
    assert found == [[n] for n in range(12)]


def test_cells_of_a_table_stay_in_their_rows() -> None:
    names = [box(20, 30 * n, 160) for n in range(5)]
    first = [box(300, 30 * n, 70) for n in range(5)]
    second = [box(450, 30 * n, 70) for n in range(5)]
    assert in_rows(*names, *first, *second) == [[n, n + 5, n + 10] for n in range(5)]


def test_neighbours_that_overlap_a_little_are_one_row() -> None:
    assert in_rows(box(18, 284, 214, 25), box(220, 286, 33, 21), box(439, 282, 56, 27)) == [
        [0, 1, 2]
    ]


def test_boxes_without_size_do_no_harm() -> None:
    assert sorted(n for row in in_rows(box(5, 5, 0, 0), box(5, 5, 0, 0)) for n in row) == [0, 1]


def test_a_page_knows_its_kind() -> None:
    page = next(pages(1))
    assert isinstance(page, Page) and page.name == "receipt-0" and page.text in f"{page.text}\n"
