"""Receipts, labels and error screens drawn with their text known, clean or as if photographed.

Everything is drawn with the fonts that matplotlib brings; Chinese needs one of the machine's, such
as Debian's ``fonts-wqy-microhei``, or a file named by ``SIGHTDESK_TEST_CJK_FONT``.

    >>> for page in pages(50): page.name, page.text, page.picture, photographed(page)
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Literal, NamedTuple

import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

SEED = 20
_DEJAVU = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
_CJK_PLACES = (
    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc",
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/System/Library/Fonts/PingFang.ttc",
    "C:/Windows/Fonts/msyh.ttc",
)
Kind = Literal["receipt", "label", "screen"]
Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Page:
    """A drawn page; `text` is what it says, line by line in reading order."""

    name: str
    kind: Kind
    language: Literal["en", "zh"]
    text: str
    picture: Image.Image = field(repr=False)


class Look(NamedTuple):
    """How a page is drawn."""

    paper: Colour
    ink: Colour
    regular: str
    bold: str
    size: int


def chinese_font() -> str | None:
    """The file of a font that has Chinese, None where there is none."""
    given = os.environ.get("SIGHTDESK_TEST_CJK_FONT")
    places = [given, *_CJK_PLACES] if given else list(_CJK_PLACES)
    return next((place for place in places if Path(place).is_file()), None)


def pages(count: int = 50, *, seed: int = SEED) -> Iterator[Page]:
    """`count` clean pages, the three kinds in turn; every fifth is Chinese where a font has it."""
    cjk = chinese_font()
    kinds: tuple[Kind, ...] = ("receipt", "label", "screen")
    for number in range(count):
        chance = random.Random(seed * 1_000 + number)
        kind = kinds[number % 3]
        chinese = cjk is not None and number % 5 == 4
        draw = _DRAWN[kind, "zh" if chinese else "en"]
        sheet = _Sheet(_look(kind, chance, cjk if chinese else None), chance)
        draw(sheet)
        yield Page(
            f"{kind}-{number}", kind, "zh" if chinese else "en", sheet.text, sheet.finished()
        )


def photographed(page: Page, *, seed: int = SEED) -> Image.Image:
    """The page as a phone sees it: askew, on a table, unevenly lit, blurred, noisy, JPEG."""
    chance = np.random.default_rng([seed, int(page.name.partition("-")[2])])
    paper = np.asarray(page.picture, np.float32)
    height, width = paper.shape[:2]
    scale = chance.uniform(0.8, 1.35)
    wide, high = int(width * scale * 1.4), int(height * scale * 1.3)
    table = _table(chance, high, wide)
    middle = np.array([wide / 2, high / 2])
    half = np.array([width, height]) * scale / 2
    turn = np.deg2rad(chance.uniform(-8, 8))
    spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
    corners = corners @ spin.T + middle + chance.uniform(-0.05, 0.05, (4, 2)) * [width, height]
    start = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    warp = cv2.getPerspectiveTransform(start, corners.astype(np.float32))
    seen = cv2.warpPerspective(paper, warp, (wide, high), flags=cv2.INTER_LINEAR)
    mask = cv2.warpPerspective(np.ones((height, width), np.float32), warp, (wide, high))[..., None]
    photo = seen * mask + table * (1 - mask)
    photo = cv2.GaussianBlur(photo, (0, 0), chance.uniform(0.7, 1.6)) * _light(chance, high, wide)
    photo = photo * chance.uniform(0.92, 1.04, 3).astype(np.float32)
    photo = photo + chance.normal(0, chance.uniform(5, 14), photo.shape)
    file = BytesIO()
    shot = Image.fromarray(photo.clip(0, 255).astype(np.uint8))
    shot.save(file, "JPEG", quality=int(chance.integers(35, 75)))
    return Image.open(file).convert("RGB")


def _table(chance: np.random.Generator, high: int, wide: int) -> np.ndarray:
    coarse = chance.uniform(0.75, 1.0, (max(high // 90, 2), max(wide // 12, 2)))
    grain = cv2.resize(coarse.astype(np.float32), (wide, high), interpolation=cv2.INTER_CUBIC)
    return grain[..., None] * chance.uniform(50, 150, 3).astype(np.float32)


def _light(chance: np.random.Generator, high: int, wide: int) -> np.ndarray:
    """A lamp to one side, and the soft edge of a shadow across: ``[high, wide, 1]``."""
    y, x = np.mgrid[0 : 1 : high * 1j, 0 : 1 : wide * 1j].astype(np.float32)
    angle = chance.uniform(0, 2 * np.pi)
    along = (x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle)
    lamp = 0.95 + chance.uniform(0.1, 0.35) * along
    across = (x - 0.5) * np.cos(angle + 1) + (y - 0.5) * np.sin(angle + 1)
    edge = 1 / (1 + np.exp(-(across - chance.uniform(-0.3, 0.3)) * 30))
    return (lamp * (1 - chance.uniform(0.1, 0.5) * edge))[..., None]


@cache
def _font(file: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(file, size)


def _look(kind: Kind, chance: random.Random, cjk: str | None) -> Look:
    def own(name: str) -> str:
        return cjk or str(_DEJAVU / f"{name}.ttf")

    if kind == "receipt":
        grey = chance.randint(20, 90)
        family = chance.choice(["DejaVuSansMono", "DejaVuSansMono", "DejaVuSans"])
        paper = chance.choice([(255, 255, 255), (250, 248, 240), (244, 244, 246)])
        return Look(paper, (grey,) * 3, own(family), own(f"{family}-Bold"), chance.randint(17, 24))
    family = chance.choice(["DejaVuSans", "DejaVuSerif"] if kind == "label" else ["DejaVuSans"])
    if kind == "label":
        paper, ink = chance.choice(
            [((255, 255, 255), (25, 25, 25)), ((236, 244, 220), (30, 70, 30)),
             ((20, 60, 110), (250, 250, 250)), ((250, 225, 150), (80, 30, 10)),
             ((140, 25, 35), (255, 245, 230))]
        )  # fmt: skip
        return Look(paper, ink, own(family), own(f"{family}-Bold"), chance.randint(18, 26))
    paper, ink = chance.choice(
        [((250, 250, 250), (30, 30, 30)), ((30, 30, 34), (225, 225, 225)),
         ((0, 96, 170), (255, 255, 255)), ((240, 240, 240), (50, 50, 60))]
    )  # fmt: skip
    if chance.random() < 0.3:
        family = "DejaVuSansMono"
    return Look(paper, ink, own(family), own(f"{family}-Bold"), chance.randint(15, 22))


class _Sheet:
    """A page that grows downwards while it is written on."""

    def __init__(self, look: Look, chance: random.Random, width: int | None = None) -> None:
        self.look, self.chance = look, chance
        self.width = width or int(look.size * chance.uniform(24, 32))
        self.margin = look.size
        self._image = Image.new("RGB", (self.width, 4_000), look.paper)
        self._draw = ImageDraw.Draw(self._image)
        self.y = self.margin
        self._lines: list[str] = []

    @property
    def text(self) -> str:
        return "\n".join(self._lines)

    def finished(self) -> Image.Image:
        return self._image.crop((0, 0, self.width, self.y + self.margin))

    def font(self, *, bold: bool = False, scale: float = 1.0) -> ImageFont.FreeTypeFont:
        return _font(self.look.bold if bold else self.look.regular, int(self.look.size * scale))

    def gap(self, share: float = 0.6) -> None:
        self.y += int(self.look.size * share)

    def rule(self) -> None:
        self.gap(0.3)
        end = self.width - self.margin
        self._draw.line((self.margin, self.y, end, self.y), fill=self.look.ink, width=2)
        self.gap(0.5)

    def line(
        self, text: str, *, bold: bool = False, scale: float = 1.0, centred: bool = False
    ) -> None:
        """One line, made smaller where it would not fit."""
        font = self.font(bold=bold, scale=scale)
        room = self.width - 2 * self.margin
        while font.getlength(text) > room:
            scale *= 0.95
            font = self.font(bold=bold, scale=scale)
        x = (self.width - font.getlength(text)) / 2 if centred else self.margin
        self._draw.text((x, self.y), text, font=font, fill=self.look.ink)
        self._lines.append(text)
        self.y += int(font.size * 1.4)

    def row(self, *cells: str, bold: bool = False, stops: Sequence[float] = ()) -> None:
        """Cells in one line: the first at the left, others end at the right or at their stops."""
        font = self.font(bold=bold)
        room = self.width - 2 * self.margin
        ends = [*stops, 1.0][-len(cells) + 1 :] if len(cells) > 1 else []
        self._draw.text((self.margin, self.y), cells[0], font=font, fill=self.look.ink)
        for cell, end in zip(cells[1:], ends, strict=True):
            x = self.margin + room * end - font.getlength(cell)
            self._draw.text((x, self.y), cell, font=font, fill=self.look.ink)
        self._lines.append(" ".join(cells))
        self.y += int(font.size * 1.4)

    def paragraph(self, text: str, *, scale: float = 1.0) -> None:
        """Lines that are broken where they must be; Chinese anywhere."""
        font = self.font(scale=scale)
        room = self.width - 2 * self.margin
        parts = text.split(" ") if " " in text else list(text)
        glue = " " if " " in text else ""
        now = ""
        for part in parts:
            longer = f"{now}{glue}{part}" if now else part
            if now and font.getlength(longer) > room:
                self.line(now, scale=scale)
                now = part
            else:
                now = longer
        if now:
            self.line(now, scale=scale)

    def bar(self, text: str, colour: Colour) -> None:
        """A window's title bar."""
        high = int(self.look.size * 2)
        self._draw.rectangle((0, 0, self.width, high), fill=colour)
        font = self.font(bold=True)
        self._draw.text((self.margin, high * 0.2), text, font=font, fill=(255, 255, 255))
        self._lines.append(text)
        self.y = high + self.margin

    def buttons(self, *names: str) -> None:
        """Buttons in one row."""
        font = self.font()
        self.gap()
        x, high = float(self.margin), self.look.size * 2
        for name in names:
            end = x + font.getlength(name) + 2 * self.look.size
            box = (x, self.y, end, self.y + high)
            self._draw.rounded_rectangle(box, 6, outline=self.look.ink, width=2)
            at = (x + self.look.size, self.y + high * 0.18)
            self._draw.text(at, name, font=font, fill=self.look.ink)
            x = end + self.look.size * 1.5
        self._lines.append(" ".join(names))
        self.y += int(high)

    def bars(self, digits: str) -> None:
        """A bar code with its digits."""
        x = float(self.margin)
        for digit in digits * 2:
            wide = 1 + int(digit) % 4
            self._draw.rectangle((x, self.y, x + wide, self.y + 50), fill=self.look.ink)
            x += wide + 2 + int(digit) % 3
        self.y += 56
        self.line(digits)


_SHOPS = ("Corner Market", "Green Basket", "Harbour Foods", "Mill Lane Grocers", "Daily Fresh")
_STREETS = ("14 Station Road", "208 Mill Lane", "3 Church Street", "77 Harbour View")
_GOODS = (
    "Oat milk 1 L", "Sourdough bread", "Red apples", "Bananas", "Cherry tomatoes 250 g",
    "Greek yoghurt", "Orange juice 1.5 L", "Brown rice 1 kg", "Olive oil 0.5 L", "Free range eggs",
    "Ground coffee", "Cheddar mild", "Baby spinach", "Sparkling water", "Dark chocolate 70 %",
)  # fmt: skip
_INGREDIENTS = (
    "water", "sugar", "wheat flour", "sunflower oil", "salt", "skimmed milk powder", "cocoa butter",
    "glucose syrup", "citric acid", "natural flavouring", "soya lecithin", "yeast", "barley malt",
)  # fmt: skip
_PRODUCTS = (
    "Strawberry Jam", "Whole Grain Crackers", "Tomato Soup", "Vanilla Yoghurt", "Peanut Butter",
    "Lemon Iced Tea", "Oat Drink Barista", "Chicken Noodles",
)  # fmt: skip
_PROBLEMS = (
    ("Payment failed", "Your card was declined by the bank. Check the number and the expiry date, "
     "or pay with another card.", "ERR_PAYMENT_402"),
    ("Connection lost", "The server could not be reached. Check your internet connection and try "
     "again in a few minutes.", "NET::ERR_TIMED_OUT"),
    ("Update could not be installed", "There is not enough space on drive C: to unpack the files. "
     "Free at least 2.4 GB and start the update again.", "0x80070070"),
    ("Order not found", "We could not find an order with this number. It may belong to another "
     "account, or it was cancelled.", "Reference: 7F3A-91C2"),
    ("Sign-in blocked", "Too many attempts with a wrong password. For your safety this account is "
     "locked for 30 minutes.", "Error code 53003"),
    ("Printer offline", "The label printer does not answer. Make sure that it is switched on, has "
     "paper and is on the same network.", "E-02 / port 9100"),
    ("Unhandled exception", "The application has stopped working because a file is missing. "
     "Reinstall the program to repair it.", "Module: cart.dll at 0x00A4F3"),
)  # fmt: skip


def _price(chance: random.Random, most: float = 12.0) -> float:
    return round(chance.uniform(0.49, most), 2)


def _receipt(sheet: _Sheet) -> None:
    chance = sheet.chance
    sheet.line(chance.choice(_SHOPS), bold=True, scale=1.5, centred=True)
    sheet.line(chance.choice(_STREETS), centred=True)
    sheet.line(f"Tel. 0{chance.randint(100, 999)} {chance.randint(10**5, 10**6 - 1)}", centred=True)
    sheet.gap()
    day = f"{chance.randint(1, 28):02d}.{chance.randint(1, 12):02d}.2026"
    sheet.row(day, f"{chance.randint(7, 21):02d}:{chance.randint(0, 59):02d}")
    sheet.row(f"Receipt no. {chance.randint(1000, 99999)}", f"Till {chance.randint(1, 9)}")
    sheet.rule()
    total = 0.0
    for name in chance.sample(_GOODS, chance.randint(4, 9)):
        price = _price(chance)
        total += price
        sheet.row(name, f"{price:.2f}")
    sheet.rule()
    sheet.row("TOTAL EUR", f"{total:.2f}", bold=True)
    sheet.row(chance.choice(["Card", "Cash", "Voucher"]), f"{total:.2f}")
    sheet.row("VAT 7 %", f"{total * 0.07:.2f}")
    sheet.gap()
    sheet.line("Returns within 14 days with receipt", scale=0.85, centred=True)
    sheet.line("Thank you for your visit!", centred=True)


def _label(sheet: _Sheet) -> None:
    chance = sheet.chance
    sheet.line(chance.choice(_PRODUCTS), bold=True, scale=1.9)
    sheet.line(f"Net weight {chance.choice([125, 250, 400, 500, 750])} g", scale=0.9)
    sheet.gap()
    picked = chance.sample(_INGREDIENTS, chance.randint(5, 8))
    share = chance.randint(12, 60)
    sheet.paragraph(f"Ingredients: {picked[0]} ({share} %), {', '.join(picked[1:])}.")
    sheet.gap()
    if chance.random() < 0.7:
        sheet.row("Nutrition", "per 100 g", "per serving", bold=True, stops=(0.65,))
        for name, unit, most in (("Energy", "kcal", 500), ("Fat", "g", 30), ("Sugars", "g", 40),
                                 ("Protein", "g", 20), ("Salt", "g", 3)):  # fmt: skip
            amount = chance.uniform(0.1, most)
            cells = (f"{value:.0f} {unit}" if most > 100 else f"{value:.1f} {unit}"
                     for value in (amount, amount * 0.3))  # fmt: skip
            sheet.row(name, *cells, stops=(0.65,))
        sheet.gap()
    sheet.line(f"Best before {chance.randint(1, 28):02d}/{chance.randint(1, 12):02d}/2027")
    sheet.line(f"Lot L{chance.randint(10000, 99999)}-{chance.choice('ABCDEF')}")
    sheet.line("Keep refrigerated after opening.", scale=0.85)
    if chance.random() < 0.5:
        sheet.gap()
        sheet.bars(f"{chance.randint(10**12, 10**13 - 1)}")


def _screen(sheet: _Sheet) -> None:
    chance = sheet.chance
    title, message, code = chance.choice(_PROBLEMS)
    if chance.random() < 0.6:
        sheet.bar(chance.choice(["Checkout", "Setup", "Web shop", "System"]), (40, 90, 160))
    sheet.line(title, bold=True, scale=1.5)
    sheet.gap()
    sheet.paragraph(message)
    sheet.gap()
    sheet.line(code, scale=0.9)
    if chance.random() < 0.5:
        day = f"2026-{chance.randint(1, 12):02d}-{chance.randint(1, 28):02d}"
        time = f"{chance.randint(0, 23):02d}:{chance.randint(0, 59):02d}"
        sheet.line(f"Time: {day} {time} UTC", scale=0.9)
    if chance.random() < 0.4:
        sheet.line("support@example.com", scale=0.9)
    sheet.buttons(
        *chance.choice([("Retry", "Cancel"), ("OK",), ("Details", "Close"), ("Go back",)])
    )


def _receipt_zh(sheet: _Sheet) -> None:
    chance = sheet.chance
    sheet.line(chance.choice(["便民超市", "绿色生活馆", "海港食品店"]), scale=1.5, centred=True)
    sheet.line(f"地址：人民路{chance.randint(1, 300)}号", centred=True)
    sheet.gap()
    sheet.line(f"单号：{chance.randint(10**7, 10**8 - 1)}")
    sheet.line(f"日期：2026-{chance.randint(1, 12):02d}-{chance.randint(1, 28):02d}")
    sheet.rule()
    goods = ["苹果", "香蕉", "牛奶", "面包", "矿泉水", "橙汁", "鸡蛋", "大米", "番茄", "绿茶"]
    total = 0.0
    for name in chance.sample(goods, chance.randint(4, 7)):
        price = _price(chance, 40)
        total += price
        sheet.row(name, f"{price:.2f}")
    sheet.rule()
    sheet.row("合计", f"{total:.2f}")
    sheet.row("微信支付", f"{total:.2f}")
    sheet.gap()
    sheet.line("谢谢惠顾，欢迎再次光临", centred=True)


def _label_zh(sheet: _Sheet) -> None:
    chance = sheet.chance
    sheet.line(chance.choice(["草莓果酱", "全麦饼干", "番茄酱", "柠檬红茶"]), scale=1.9)
    sheet.line(f"净含量：{chance.choice([125, 250, 500])}克")
    sheet.gap()
    goods = ["水", "白砂糖", "小麦粉", "食用盐", "柠檬酸", "食用香精", "植物油", "全脂奶粉"]
    sheet.paragraph("配料：" + "、".join(chance.sample(goods, 6)))
    sheet.line(f"生产日期：2026年{chance.randint(1, 12)}月{chance.randint(1, 28)}日")
    sheet.line(f"保质期：{chance.choice([6, 9, 12, 18])}个月")
    sheet.line("贮存条件：请置于阴凉干燥处")
    sheet.line("产地：浙江省杭州市")


def _screen_zh(sheet: _Sheet) -> None:
    chance = sheet.chance
    title, message, code = chance.choice(
        [
            ("支付失败", "银行拒绝了您的付款请求，请检查卡号或更换支付方式。", "错误代码：402"),
            ("网络连接已断开", "无法连接到服务器，请检查网络设置后重试。", "错误代码：10060"),
            ("登录失败", "密码错误次数过多，您的账户已被锁定三十分钟。", "错误代码：53003"),
        ]
    )
    if chance.random() < 0.6:
        sheet.bar("系统提示", (40, 90, 160))
    sheet.line(title, scale=1.5)
    sheet.gap()
    sheet.paragraph(message)
    sheet.gap()
    sheet.line(code)
    sheet.buttons("重试", "取消")


_DRAWN: dict[tuple[str, str], Callable[[_Sheet], None]] = {
    ("receipt", "en"): _receipt,
    ("label", "en"): _label,
    ("screen", "en"): _screen,
    ("receipt", "zh"): _receipt_zh,
    ("label", "zh"): _label_zh,
    ("screen", "zh"): _screen_zh,
}
