"""What a reader would stumble over in a drawing: text outside its box, texts on each other or on a
line, arrows through boxes and through each other, steps that are not 1, 2, 3, ...
"""

from collections.abc import Iterator
from itertools import combinations, pairwise

from notebooks.figures.draw import WIDTH, Box, Drawing, Point, Text

ROOM = 3  # pixels between a text and the outline of its box


def faults(drawing: Drawing) -> Iterator[str]:
    """One sentence for each fault of a finished drawing."""
    for text in drawing.texts:
        yield from _text_faults(drawing, text)
    for one, two in combinations(drawing.texts, 2):
        if _overlap(one.area(), two.area()):
            yield f"the texts {one.text!r} and {two.text!r} overlap"
    for one, two in combinations(drawing.dots, 2):
        if _overlap(one, two):
            yield f"two numbers or clocks lie on each other at {one.x}, {one.y}"
    for one, two in combinations(drawing.boxes, 2):
        if _overlap(one, two):
            yield f"the boxes {one} and {two} overlap"
    segments = [(a, b, line) for line in drawing.lines for a, b in pairwise(line)]
    for a, b, _ in segments:
        if a[0] != b[0] and a[1] != b[1]:
            yield f"the arrow from {a} to {b} is neither level nor upright"
        for box in drawing.boxes:
            if _crosses(a, b, _shrunk(box, 1)):
                yield f"the arrow from {a} to {b} runs through the box {box}"
    for (a, b, one), (c, d, two) in combinations(segments, 2):
        if one is not two and _cross(a, b, c, d):
            yield f"the arrows from {a} to {b} and from {c} to {d} cross"
    # a number may come again: several ways in one drawing count for themselves
    counts = [drawing.steps.count(number) for number in range(1, max(drawing.steps, default=0) + 1)]
    if not counts or 0 in counts:
        yield f"the steps are {sorted(drawing.steps)}; number them 1, 2, 3, ..."
    unused = set(drawing.words) - drawing.used
    if unused:
        yield f"the texts {', '.join(sorted(unused))} are not drawn"


def _text_faults(drawing: Drawing, text: Text) -> Iterator[str]:
    area = text.area()
    home = text.home or Box(0, 0, WIDTH, drawing.low + 20)
    if area.x < home.x + ROOM or area.x + area.w > home.x + home.w - ROOM:
        yield f"the text {text.text!r} is {area.w:.0f} px wide, which its box does not hold"
    if area.y < home.y or area.y + area.h > home.y + home.h:
        yield f"the text {text.text!r} stands above or below its box"
    if text.size < 12:
        yield f"the text {text.text!r} is smaller than 12 px"
    for dot in drawing.dots:
        if _overlap(area, dot):
            yield f"the text {text.text!r} lies under a number, a sign or a clock"
    if text.home is not None:
        return
    for box in drawing.boxes:
        if _overlap(area, box):
            yield f"the text {text.text!r} lies on a box"
    for frame in drawing.frames:
        if _overlap(area, frame) and not _holds(frame, area):
            yield f"the text {text.text!r} lies on the outline of a group"
    for line in drawing.lines:
        if any(_crosses(a, b, _shrunk(area, 1)) for a, b in pairwise(line)):
            yield f"the text {text.text!r} lies on an arrow"


def _shrunk(box: Box, by: float) -> Box:
    return Box(box.x + by, box.y + by, box.w - 2 * by, box.h - 2 * by)


def _overlap(one: Box, two: Box) -> bool:
    return (
        one.x < two.x + two.w
        and two.x < one.x + one.w
        and one.y < two.y + two.h
        and two.y < one.y + one.h
    )


def _holds(outer: Box, inner: Box) -> bool:
    return (
        outer.x <= inner.x
        and outer.y <= inner.y
        and inner.x + inner.w <= outer.x + outer.w
        and inner.y + inner.h <= outer.y + outer.h
    )


def _crosses(a: Point, b: Point, box: Box) -> bool:
    """Whether the segment meets the inside of a box."""
    steps = 64
    return any(
        box.x < a[0] + (b[0] - a[0]) * k / steps < box.x + box.w
        and box.y < a[1] + (b[1] - a[1]) * k / steps < box.y + box.h
        for k in range(steps + 1)
    )


def _turn(a: Point, b: Point, c: Point) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _cross(a: Point, b: Point, c: Point, d: Point) -> bool:
    """Whether two segments cross inside both; touching at an end is a branch."""
    return _turn(a, b, c) * _turn(a, b, d) < 0 and _turn(c, d, a) * _turn(c, d, b) < 0
