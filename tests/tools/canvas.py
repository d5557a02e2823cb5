"""A sheet of paper for flat illustrations: a small palette, shapes in points of 1200 x 675, a repeatable grain."""

import math
import random
from collections.abc import Callable, Sequence
from typing import Final

from PIL import Image, ImageChops, ImageDraw, ImageFilter

WIDTH: Final = 1200
HEIGHT: Final = 675
# Drawn at twice the size and reduced, which is what makes the edges smooth.
SCALE: Final = 2

PAPER: Final = "#ece5d6"
SAND: Final = "#dbd0b9"
MIST: Final = "#bcc5c0"
HAZE: Final = "#94a5a6"
SLATE: Final = "#66808a"
DEEP: Final = "#3a5563"
INK: Final = "#1f313d"
ACCENT: Final = "#c2482f"

Point = tuple[float, float]


class Canvas:
    """One picture in the making; `seed` decides its hills, stars and grain."""

    def __init__(self, paper: str, seed: int) -> None:
        self.chance = random.Random(seed)
        self.image = Image.new("RGB", (WIDTH * SCALE, HEIGHT * SCALE), paper)
        self.pen = ImageDraw.Draw(self.image)

    def shape(self, points: Sequence[Point], colour: str) -> None:
        self.pen.polygon([(x * SCALE, y * SCALE) for x, y in points], fill=colour)

    def box(self, left: float, top: float, right: float, bottom: float, colour: str) -> None:
        self.shape([(left, top), (right, top), (right, bottom), (left, bottom)], colour)

    def disc(self, x: float, y: float, radius: float, colour: str, flat: float = 1.0) -> None:
        """A circle, or with `flat` below 1 an ellipse lying down."""
        tall = radius * flat
        box = [(x - radius) * SCALE, (y - tall) * SCALE, (x + radius) * SCALE, (y + tall) * SCALE]
        self.pen.ellipse(box, fill=colour)

    def line(self, points: Sequence[Point], colour: str, width: float = 3) -> None:
        path = [(x * SCALE, y * SCALE) for x, y in points]
        self.pen.line(path, fill=colour, width=max(1, round(width * SCALE)), joint="curve")

    def below(self, height: Callable[[float], float], colour: str) -> None:
        """Everything under the curve `height(x)`."""
        edge = [(float(x), height(x)) for x in range(-4, WIDTH + 8, 4)]
        self.shape([*edge, (WIDTH + 8, HEIGHT), (-4, HEIGHT)], colour)

    def hills(self, y: float, rise: float, colour: str, waves: float = 2.0) -> Callable[[float], float]:
        """Rolling hills around `y`; returns their outline, so that things can stand on it."""
        parts = [(self.chance.uniform(0.6, 1.4) * waves * k, self.chance.uniform(0, 7), 1 / k) for k in (1, 2, 3.3)]

        def outline(x: float) -> float:
            return y - rise * sum(size * math.sin(x / WIDTH * math.tau * f + p) for f, p, size in parts) / 1.8

        self.below(outline, colour)
        return outline

    def bands(self, top: float, colours: Sequence[str], step: float, sway: float = 5) -> None:
        """Water: one calm wave under the other."""
        for n, colour in enumerate(colours):
            level, phase = top + n * step, self.chance.uniform(0, 6)

            def outline(x: float, level: float = level, phase: float = phase) -> float:
                return level + sway * math.sin(x / 170 + phase) + sway * 0.4 * math.sin(x / 61 + phase)

            self.below(outline, colour)

    def finished(self) -> Image.Image:
        """The picture at its size, with the grain of paper."""
        image = self.image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
        small = (WIDTH // 2, HEIGHT // 2 + 1)
        noise = Image.frombytes("L", small, self.chance.randbytes(small[0] * small[1]))
        noise = noise.filter(ImageFilter.GaussianBlur(0.9)).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
        grain = noise.point([round(128 + (value - 128) * 0.1) for value in range(256)])
        return ImageChops.add(image, Image.merge("RGB", (grain, grain, grain)), scale=1, offset=-128)


def curve(start: Point, bend: Point, end: Point, steps: int = 40) -> list[Point]:
    """A quadratic Bezier curve as points."""
    found = []
    for n in range(steps + 1):
        t = n / steps
        a, b, c = (1 - t) ** 2, 2 * t * (1 - t), t**2
        found.append((a * start[0] + b * bend[0] + c * end[0], a * start[1] + b * bend[1] + c * end[1]))
    return found
