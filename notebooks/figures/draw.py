"""A small pencil for drawings of models: boxes, arrows with shapes, numbered steps, in two
languages. What it draws is SVG text, the same bytes every time.

    TEXT = {"title": ("Attention", "注意力"), "alt": (..., ...), "asks": ("what it asks", "要找什么")}

    def draw(d: Drawing) -> None:
        down = d.column(x=320, y=70, width=260)
        down.box("`items`", kind="data", gives="[B, L]")
        down.box(d("asks"), code="tutorial_lib.models.attention.attention_weights", step=1)

In a text, `x` is code, x_{i} and x^{i} stand lower and higher. The colour and the little clock of
kind="time" mean the same in every drawing: here time enters. `faults` finds what a reader would
stumble over.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from html import escape
from pathlib import Path

import matplotlib
from PIL import ImageFont

from tutorial_lib.plots import BLUE, GREEN, VERMILION

LANGUAGES = ("en", "zh")
WIDTH = 640
NAME, NOTE, TITLE = 14, 13, 17  # sizes of text in pixels
SMALL = 0.8  # of the text around: what stands lower or higher
INK, LINE, CARD = "#1F1F1F", "#555555", "#FFFFFF"
KINDS = {  # fill and outline of a box, what the legend says of it
    "data": ("#F1F1F1", "#555555", ("input and output", "输入与输出")),
    "learned": ("#E3F0F8", BLUE, ("learned weights", "可学习的参数")),
    "plain": ("#FFFFFF", "#555555", ("no weights", "没有参数")),
    "state": ("#DFF3EC", GREEN, ("kept state", "保存的状态")),
    "time": ("#FCE8DC", VERMILION, ("time enters", "时间由此进入")),
}
COMMON = {  # what many drawings say
    "ids": ("ids of the events", "事件的物品编号"),
    "times": ("`times` (`query_times`)", "`times`（`query_times`）"),
    "seconds": ("unix seconds", "unix 秒"),
    "norm": ("LayerNorm", "层归一化"),
    "alone": ("each event alone", "每个事件各自计算"),
    "blocks": ("× `blocks`", "× `blocks` 个"),
    "post_norm": ("× `blocks`, post-norm", "× `blocks` 个，后置归一化"),
    "scores": ("states · item table^{T}", "状态 · 物品表^{T}"),
}
FONT = 'system-ui, "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", sans-serif'
CODE = f'ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace, {FONT}'
MARKUP = re.compile(r"`([^`]+)`|_\{([^}]+)\}|\^\{([^}]+)\}")
Point = tuple[float, float]


@dataclass(frozen=True)
class Box:
    x: float
    y: float
    w: float
    h: float

    def top(self, at: float = 0.5) -> Point:
        return self.x + at * self.w, self.y

    def bottom(self, at: float = 0.5) -> Point:
        return self.x + at * self.w, self.y + self.h

    def left(self, at: float = 0.5) -> Point:
        return self.x, self.y + at * self.h

    def right(self, at: float = 0.5) -> Point:
        return self.x + self.w, self.y + at * self.h


@dataclass(frozen=True)
class Text:
    """A line of text and the box that it has to stay in (None: the whole card)."""

    text: str
    x: float
    y: float  # of the base line
    size: int
    anchor: str
    bold: bool
    home: Box | None
    turn: bool = False  # written upwards, its middle at x, y

    def area(self) -> Box:
        width = text_width(self.text, self.size, self.bold)
        if self.turn:
            return Box(self.x - 0.78 * self.size, self.y - width / 2, self.size, width)
        left = self.x - width * {"start": 0.0, "middle": 0.5, "end": 1.0}[self.anchor]
        return Box(left, self.y - 0.78 * self.size, width, self.size)


def pieces(text: str) -> Iterator[tuple[str, str]]:
    """("plain" | "code" | "low" | "high", words) of a text with marks."""
    end = 0
    for match in MARKUP.finditer(text):
        if match.start() > end:
            yield "plain", text[end : match.start()]
        yield ("code", "low", "high")[match.lastindex - 1], match[match.lastindex]
        end = match.end()
    if end < len(text):
        yield "plain", text[end:]


@cache
def _font(name: str) -> ImageFont.FreeTypeFont:
    path = Path(matplotlib.get_data_path(), "fonts", "ttf", f"{name}.ttf")
    return ImageFont.truetype(str(path), 100, layout_engine=ImageFont.Layout.BASIC)


def text_width(text: str, size: float, bold: bool = False) -> float:
    """Pixels in DejaVu, which is wider than what most readers have; a Chinese character counts as a
    square.
    """
    total = 0.0
    for kind, words in pieces(text):
        wide = sum(ord(letter) >= 0x2E80 for letter in words)
        latin = "".join(letter for letter in words if ord(letter) < 0x2E80)
        font = "DejaVuSansMono" if kind == "code" else "DejaVuSans" + "-Bold" * bold
        length = wide + _font(font).getlength(latin) / 100
        total += length * size * (SMALL if kind in ("low", "high") else 1)
    return total


@dataclass
class Drawing:
    """One drawing in one language. Coordinates are pixels of a card that is WIDTH wide."""

    name: str
    language: str
    words: dict[str, tuple[str, str]]
    boxes: list[Box] = field(default_factory=list)
    frames: list[Box] = field(default_factory=list)
    dots: list[Box] = field(default_factory=list)  # steps, clocks and signs, by the square around
    lines: list[tuple[Point, ...]] = field(default_factory=list)
    texts: list[Text] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    coded_steps: list[tuple[int, str]] = field(default_factory=list)  # with names in the library
    steps: list[int] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    back: list[str] = field(default_factory=list)  # SVG of groups, below all
    front: list[str] = field(default_factory=list)
    low: float = 0.0  # the lowest pixel that is drawn on

    def __call__(self, key: str) -> str:
        """The text of that name, in the language of the drawing."""
        self.used.add(key)
        return (COMMON | self.words)[key][LANGUAGES.index(self.language)]

    def box(
        self,
        x: float,
        y: float,
        width: float,
        *notes: str,
        code: str = "",
        codes: tuple[str, ...] = (),
        kind: str = "plain",
        step: int | None = None,
        height: float = 0,
    ) -> Box:
        """A box with lines of text. `code`: the full name of what it stands for in the library; its
        last word is then the first line. `codes`: more of them, that the lines name.
        """
        self.codes += codes
        if code:
            self.codes.append(code)
            notes = (f"`{code.rpartition('.')[2]}`", *notes)
        height = height or 16 + 18 * len(notes)
        box = Box(x, y, width, height)
        if step is not None:
            self.coded_steps += [(step, name) for name in (*codes, *[code] * bool(code))]
        fill, outline, _ = KINDS[kind]
        self.kinds.append(kind)
        self.boxes.append(box)
        self.front.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" '
            f'rx="{18 if kind == "data" else 7}" fill="{fill}" stroke="{outline}" stroke-width="1.6"/>'
        )
        first = y + height / 2 - 9 * (len(notes) - 1) + 5
        for row, note in enumerate(notes):
            size, bold = (NAME, True) if row == 0 else (NOTE, False)
            self.text(x + width / 2, first + 18 * row, note, size=size, bold=bold, home=box)
        if step is not None:
            self.step(x, y, step)
        if kind == "time":
            self._clock(x + width, y)
        self.low = max(self.low, y + height)
        return box

    def step(self, x: float, y: float, number: int) -> None:
        """The number of a step in the order of the forward pass."""
        self.steps.append(number)
        self.dots.append(Box(x - 10, y - 10, 20, 20))
        self.front.append(
            f'<circle cx="{x:g}" cy="{y:g}" r="10" fill="{INK}"/><text x="{x:g}" y="{y + 4.5:g}" '
            f'font-size="13" font-weight="700" fill="#FFFFFF" text-anchor="middle">{number}</text>'
        )

    def _clock(self, x: float, y: float) -> None:
        self.dots.append(Box(x - 8, y - 8, 16, 16))
        self.front.append(
            f'<circle cx="{x:g}" cy="{y:g}" r="8" fill="{CARD}" stroke="{VERMILION}" '
            f'stroke-width="1.8"/><path d="M{x:g} {y - 5:g}V{y:g}H{x + 4:g}" fill="none" '
            f'stroke="{VERMILION}" stroke-width="1.8"/>'
        )

    def sign(self, x: float, y: float, sign: str, step: int | None = None) -> Box:
        """A small circle with a sign: + adds, × multiplies what comes in. A square to hold on to."""
        square = Box(x - 12, y - 12, 24, 24)
        self.boxes.append(square)
        self.front.append(
            f'<circle cx="{x:g}" cy="{y:g}" r="12" fill="{CARD}" stroke="{INK}" '
            f'stroke-width="1.6"/><text x="{x:g}" y="{y + 6:g}" font-size="18" '
            f'text-anchor="middle">{sign}</text>'
        )
        if step is not None:
            self.step(x - 26, y - 16, step)
        self.low = max(self.low, y + 12)
        return square

    def group(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        label: str = "",
        code: str = "",
        low: bool = False,
        beside: bool = False,
    ) -> None:
        """A dashed frame around what belongs together; its label, or the last word of its `code`, at
        the upper right, with `low` at the lower right, with `beside` right of the frame.
        """
        if code:
            self.codes.append(code)
            label = f"`{code.rpartition('.')[2]}` {label}".strip()
        self.back.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="12" '
            f'fill="#FAFAFA" stroke="#999999" stroke-width="1.3" stroke-dasharray="5 4"/>'
        )
        if label:
            down = y + height - 9 if low or beside else y + 17
            right = x + width + (8 if beside else -10)
            self.text(right, down, label, anchor="start" if beside else "end")
        self.frames.append(Box(x, y, width, height))
        self.low = max(self.low, y + height)

    def arrow(
        self,
        *points: Point,
        label: str = "",
        time: bool = False,
        side: int = 1,
        part: int = 0,
        at: float = 0.5,
        head: bool = True,
        dashed: bool = False,
    ) -> None:
        """A line from the first point to the last, with round corners. Its label stands beside the
        segment `part`, the share `at` of the way: right of it or above it, with side=-1 left or
        below.
        """
        colour = VERMILION if time else LINE
        path = f"M{points[0][0]:g} {points[0][1]:g}"
        for before, corner, after in zip(points, points[1:], points[2:], strict=False):
            (ax, ay), (bx, by) = _towards(corner, before), _towards(corner, after)
            path += f"L{ax:g} {ay:g}Q{corner[0]:g} {corner[1]:g} {bx:g} {by:g}"
        path += f"L{points[-1][0]:g} {points[-1][1]:g}"
        end = f' marker-end="url(#{"time" if time else "line"})"' if head else ""
        end += ' stroke-dasharray="4 4"' if dashed else ""
        self.front.append(
            f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.8"{end}/>'
        )
        self.lines.append(points)
        self.kinds += ["time"] * time
        self.low = max([self.low, *(y for _, y in points)])
        if label:
            (ax, ay), (bx, by) = points[part], points[part + 1]
            x, y = ax + at * (bx - ax), ay + at * (by - ay)
            if abs(ax - bx) < abs(ay - by):
                anchor = "start" if side > 0 else "end"
                self.text(x + 8 * side, y + 3, label, anchor=anchor)
            else:
                self.text(x, y - 7 if side > 0 else y + 17, label)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: int = NOTE,
        anchor: str = "middle",
        bold: bool = False,
        colour: str = INK,
        home: Box | None = None,
        turn: bool = False,
    ) -> None:
        """One line of text on the base line y; with `turn` upwards, its middle at x, y."""
        self.texts.append(Text(text, x, y, size, anchor, bold, home, turn))
        spans, shift = "", 0.0
        for kind, words in pieces(text):
            want = {"low": 0.25, "high": -0.35}.get(kind, 0.0) * size
            style = f' dy="{want - shift:g}"' if want != shift else ""
            shift = want
            if kind == "code":
                style += f" font-family='{CODE}'"
            if kind in ("low", "high"):
                style += f' font-size="{SMALL * size:g}"'
            spans += f"<tspan{style}>{escape(words)}</tspan>" if style else escape(words)
        weight = ' font-weight="600"' if bold else ""
        weight += f' transform="rotate(-90 {x:g} {y:g})"' if turn else ""
        self.front.append(
            f'<text x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}"{weight} '
            f'fill="{colour}" xml:space="preserve">{spans}</text>'
        )
        self.low = max(self.low, y + 4)

    def bypass(self, start: Point, sign: Box, x: float) -> None:
        """A residual: it leaves below `start`, runs down at x and enters the sign from the side."""
        down, middle = start[1] + 9, sign.y + sign.h / 2
        end = sign.left() if x < start[0] else sign.right()
        self.arrow((start[0], down), (x, down), (x, middle), end)

    def grid(self, x: float, y: float, cell: float, rows: tuple[tuple[float, ...], ...]) -> None:
        """A small matrix with entries from 0 to 1, darker where they are larger."""
        for i, row in enumerate(rows):
            for j, value in enumerate(row):
                self.front.append(
                    f'<rect x="{x + j * cell:g}" y="{y + i * cell:g}" width="{cell:g}" '
                    f'height="{cell:g}" fill="{BLUE}" fill-opacity="{0.85 * value:.2f}" '
                    f'stroke="#999999"/>'
                )
        self.low = max(self.low, y + len(rows) * cell)

    def curve(self, points: list[Point], colour: str = GREEN) -> None:
        """A line through many points, without an arrow head: what a number does over time."""
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        self.front.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2.2"/>')
        self.low = max([self.low, *(y for _, y in points)])

    def column(
        self, x: float, y: float, width: float, gap: float = 32, time: bool = False
    ) -> "Column":
        return Column(self, x, y, width, gap, time)

    def guide(self, x: float, top: float, bottom: float) -> None:
        """A moment of time as an upright dotted line below everything."""
        self.back.append(
            f'<path d="M{x:g} {top:g}V{bottom:g}" stroke="{VERMILION}" stroke-width="1.3" '
            f'stroke-dasharray="3 5"/>'
        )
        self.low = max(self.low, bottom)

    def note(self, text: str) -> None:
        """A line below everything that is drawn so far."""
        self.text(24, self.low + 26, text, anchor="start")

    def legend(self) -> None:
        """What the colours mean, of the kinds that occur; last of all."""
        kinds = [kind for kind in KINDS if kind in self.kinds]
        x, y = 24.0, self.low + 30
        for kind in kinds:
            fill, outline, meanings = KINDS[kind]
            meaning = meanings[LANGUAGES.index(self.language)]
            self.front.append(
                f'<rect x="{x:g}" y="{y - 11:g}" width="18" height="14" rx="4" fill="{fill}" '
                f'stroke="{outline}" stroke-width="1.6"/>'
            )
            self.text(x + 24, y, meaning, anchor="start", size=12)
            # by the letter, not by a font: the same bytes wherever it is drawn
            x += 46 + sum(12 if ord(letter) >= 0x2E80 else 6.5 for letter in meaning)
        self.low = y

    def svg(self) -> str:
        """The whole file."""
        height, title = round(self.low + 20), self("title")
        heads = "".join(
            f'<marker id="{name}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" '
            f'markerHeight="7" markerUnits="userSpaceOnUse" orient="auto">'
            f'<path d="M0 0L10 5L0 10z" fill="{colour}"/></marker>'
            for name, colour in (("line", LINE), ("time", VERMILION))
        ).replace('markerWidth="7" markerHeight="7"', 'markerWidth="10" markerHeight="10"')
        heading = (
            f'<text x="24" y="34" font-size="{TITLE}" font-weight="700" fill="{INK}">'
            f"{escape(title)}</text>"
        )
        tongue = {"en": "en", "zh": "zh-CN"}[self.language]
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
                f'viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="title words" '
                f"xml:lang=\"{tongue}\" font-family='{FONT}'>",
                f'<title id="title">{escape(title)}</title>',
                f'<desc id="words">{escape(self("alt"))}</desc>',
                f"<defs>{heads}</defs>",
                f'<rect x="1" y="1" width="{WIDTH - 2}" height="{height - 2}" rx="14" '
                f'fill="{CARD}" stroke="#CCCCCC" stroke-width="1.5"/>',
                heading,
                *self.back,
                *self.front,
                "</svg>\n",
            ]
        )


@dataclass
class Column:
    """Boxes one below the other, an arrow from each to the next."""

    drawing: Drawing
    x: float  # the middle
    y: float  # where the next box begins
    width: float
    gap: float
    time: bool = False
    last: Box | None = None
    gives: str = ""

    def box(self, *notes: str, gives: str = "", width: float = 0, **options) -> Box:
        """The next box. `gives`: the shape on the arrow that leaves it."""
        width = width or self.width
        box = self.drawing.box(self.x - width / 2, self.y, width, *notes, **options)
        return self._after(box, gives)

    def sign(self, sign: str, gives: str = "", step: int | None = None) -> Box:
        return self._after(self.drawing.sign(self.x, self.y + 12, sign, step), gives)

    def _after(self, box: Box, gives: str) -> Box:
        if self.last is not None:
            start, end = self.last.bottom(), box.top()
            at = 16 / (end[1] - start[1])
            self.drawing.arrow(start, end, label=self.gives, at=at, time=self.time)
        self.last, self.gives, self.y = box, gives, box.y + box.h + self.gap
        return box


def _towards(corner: Point, other: Point, radius: float = 8) -> Point:
    length = max(abs(other[0] - corner[0]), abs(other[1] - corner[1]), 1e-9)
    share = min(radius / length, 0.5)
    return corner[0] + share * (other[0] - corner[0]), corner[1] + share * (other[1] - corner[1])
