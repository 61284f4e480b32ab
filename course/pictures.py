"""Pictures in notebooks: how large they are, and how they are stored."""

from __future__ import annotations

import io
import re

from PIL import Image

SVG_SIZE = re.compile(rb'<svg\b[^>]*?\bwidth="([\d.]+)(?:px|pt)?"[^>]*?\bheight="([\d.]+)')
SHARP = 2  # pixels of a picture for each pixel that it takes on the page
COLOURS = 256


def size(data: bytes) -> tuple[int, int] | None:
    """Width and height in pixels that a PNG or an SVG states; None for other pictures."""
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return int.from_bytes(data[16:20]), int.from_bytes(data[20:24])
    stated = SVG_SIZE.search(data[:2000])
    return (round(float(stated[1])), round(float(stated[2]))) if stated else None


def packed(data: bytes) -> bytes:
    """The same PNG in at most 256 colours: a third of the bytes of a plot, and nothing that an eye
    would miss. The same bytes every time.
    """
    picture = Image.open(io.BytesIO(data))
    resolution = {"dpi": picture.info["dpi"]} if "dpi" in picture.info else {}
    if picture.mode == "RGBA" and picture.getextrema()[3] == (255, 255):
        picture = picture.convert("RGB")
    few = picture.quantize(COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    file = io.BytesIO()
    few.save(file, format="PNG", optimize=True, **resolution)
    return min(file.getvalue(), data, key=len)


def is_sharp(data: bytes, shown: dict) -> bool:
    """Whether a PNG has twice the pixels of the width that its metadata in the notebook states."""
    extent = size(data)
    return bool(extent and shown.get("width") and extent[0] >= SHARP * shown["width"])
