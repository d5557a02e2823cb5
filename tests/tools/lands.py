"""The pictures of land and water among the sample illustrations."""

import functools
import itertools
import math

from tests.tools.canvas import ACCENT, DEEP, HAZE, HEIGHT, INK, MIST, PAPER, SAND, SLATE, WIDTH, Canvas, curve


def river() -> Canvas:
    c = Canvas(PAPER, 11)
    c.disc(870, 232, 82, ACCENT)
    c.hills(285, 46, MIST, 1.2)
    c.hills(330, 40, HAZE, 1.5)
    c.hills(385, 34, SLATE, 1.1)
    c.below(lambda x: 432 - 14 * math.sin(x / 260), DEEP)
    left = curve((690, 428), (240, 470), (560, 545)) + curve((560, 545), (700, 590), (330, 690))
    right = curve((1010, 690), (1130, 580), (800, 530)) + curve((800, 530), (520, 470), (724, 428))
    c.shape(left + right, SAND)
    c.shape([(640, 592), (790, 592), (765, 606), (665, 606)], INK)
    c.line([(700, 592), (700, 560)], INK, 4)
    c.shape([(704, 562), (704, 588), (738, 588)], INK)
    return c


def seabed_cable() -> Canvas:
    c = Canvas(PAPER, 13)
    c.disc(250, 150, 46, SAND)
    c.shape([(700, 196), (935, 196), (905, 232), (722, 232)], INK)
    c.box(740, 166, 800, 198, INK)
    c.box(756, 138, 782, 168, INK)
    c.line([(850, 196), (850, 150), (905, 190)], INK, 4)
    c.bands(228, [MIST, HAZE, SLATE, DEEP], 92, 6)
    floor = c.hills(590, 30, INK, 1.3)
    path = [(float(x), floor(x) - 6 - 10 * math.sin(x / 130) ** 2) for x in range(-5, WIDTH + 10, 5)]
    c.line(path, ACCENT, 7)
    for x in (235, 700, 1010):
        c.box(x, floor(x) - 30, x + 26, floor(x) - 4, ACCENT)
    return c


def deep_sea() -> Canvas:
    c = Canvas(PAPER, 16)
    c.shape([(548, 88), (652, 88), (636, 112), (564, 112)], ACCENT)
    c.line([(590, 88), (590, 56), (620, 84)], ACCENT, 4)
    c.bands(108, [MIST, HAZE, SLATE, "#4d6976", DEEP, "#2c4350"], 84, 7)
    c.line([(600, 112), (600, 560)], PAPER, 2)
    floor = c.hills(600, 14, INK, 0.8)
    c.shape([(560, floor(560) - 10), (576, 556), (632, 556), (648, floor(648) - 10)], ACCENT)
    for _ in range(120):
        x, depth = c.chance.uniform(-10, 1210), c.chance.random()
        y = floor(x) + 8 + depth * 72
        c.disc(x, y, 5 + depth * 13, DEEP if depth < 0.5 else SLATE, 0.62)
    return c


def forest() -> Canvas:
    c = Canvas(PAPER, 20)
    smoke = [(760 + 46 * math.sin(y / 88) * (1 - y / 330), float(y)) for y in range(-12, 300, 4)]
    for (x, y), (_, below) in itertools.pairwise(smoke):
        wide = 4 + 13 * (1 - max(y, 0) / 300)
        c.shape([(x - wide, y), (x + wide, y), (x + wide, below + 4), (x - wide, below + 4)], ACCENT)
    for y, colour, size in ((250, SAND, 16), (320, MIST, 20), (395, HAZE, 25), (475, SLATE, 32), (560, DEEP, 42)):
        outline = c.hills(y, 30, colour, 1.2)
        for x in range(-20, 1240, size):
            c.disc(x + c.chance.uniform(-6, 6), outline(x) + 4, size * c.chance.uniform(0.5, 0.85), colour, 0.9)
    outline = c.hills(650, 14, INK, 0.9)
    for x in range(-20, 1240, 46):
        c.disc(x + c.chance.uniform(-8, 8), outline(x), c.chance.uniform(30, 50), INK, 0.9)
    return c


def salt_flat() -> Canvas:
    c = Canvas(SAND, 21)
    c.disc(820, 168, 44, ACCENT)
    c.shape(
        [
            (0, 292),
            (170, 190),
            (300, 250),
            (470, 130),
            (640, 252),
            (760, 212),
            (960, 282),
            (1200, 226),
            (1200, 330),
            (0, 330),
        ],
        SLATE,
    )
    c.shape([(430, 160), (470, 130), (512, 160), (486, 172), (468, 158), (450, 174)], PAPER)
    c.hills(300, 12, HAZE, 1.4)
    c.below(lambda x: 318, PAPER)
    rows = [318 + 357 * (n / 9) ** 1.9 for n in range(10)]
    for row, y in enumerate(rows[:-1]):
        spread, below = 26 + row * 19.0, rows[row + 1]
        shift = spread / 2 if row % 2 else 0
        for n in range(-30, 31):
            x = 600 + n * spread + shift
            bend = (below - y) * 0.34
            if -60 < x < 1260:
                c.line([(x, y + bend), (x + spread / 2, y), (x + spread, y + bend)], MIST, 1.2 + row * 0.45)
                c.line([(x, y + bend), (x + (x - 600) * 0.02, below)], MIST, 1.2 + row * 0.45)
    c.box(236, 352, 420, 360, HAZE)
    c.box(452, 352, 640, 360, HAZE)
    return c


def terraces() -> Canvas:
    c = Canvas(PAPER, 24)
    c.disc(905, 148, 66, ACCENT)
    c.hills(210, 40, MIST, 1.1)
    tones = ("#aebfae", "#8fa894", "#cfd3bd", "#7b9785", "#b9c4ac", "#64836f", "#a3b59c", "#4d6d5d", "#8ba58f")
    for n, tone in enumerate(tones):
        level = 236 + n * 40 + n * n * 2.2

        def rim(x: float, level: float = level, n: int = n, lift: float = 0) -> float:
            return level - lift + (30 + 5 * n) * math.sin(x / 235 + n * 0.42) + 11 * math.sin(x / 97 - n)

        c.below(functools.partial(rim, lift=7 + n * 0.8), DEEP)
        c.below(rim, tone)
    c.shape([(330, 470), (352, 452), (374, 470)], INK)
    c.box(336, 468, 368, 486, INK)
    return c


def steppe() -> Canvas:
    c = Canvas(PAPER, 27)
    c.disc(820, 300, 150, ACCENT)
    c.hills(352, 26, MIST, 1.0)
    c.hills(392, 18, HAZE, 0.8)
    c.below(lambda x: 432 + 8 * math.sin(x / 300), SAND)
    c.hills(610, 16, MIST, 0.7)
    c.shape([(240, 470), (258, 392), (300, 360), (440, 360), (482, 392), (500, 470)], SLATE)
    c.shape([(228, 392), (340, 318), (400, 318), (512, 392)], DEEP)
    c.box(240, 390, 500, 500, "#f6f2e8")
    c.shape([(228, 394), (340, 322), (400, 322), (512, 394)], "#e2dccb")
    c.box(240, 418, 500, 426, SLATE)
    c.box(240, 470, 500, 478, SLATE)
    c.box(342, 418, 398, 500, DEEP)
    c.box(346, 306, 394, 324, INK)
    c.line([(380, 310), (380, 262)], INK, 6)
    for x, y in ((640, 476), (690, 498), (752, 470), (812, 506), (900, 486), (958, 512), (1010, 478)):
        c.disc(x, y, 19, INK, 0.6)
        c.disc(x + 20, y - 8, 7, INK)
        for leg in (-10, -3, 6, 12):
            c.line([(x + leg, y + 6), (x + leg, y + 22)], INK, 2.5)
    return c


def summits() -> Canvas:
    c = Canvas(MIST, 28)
    c.disc(950, 130, 50, PAPER)
    peaks = (
        ([(-60, 480), (200, 190), (300, 270), (420, 200), (640, 480)], HAZE),
        ([(700, 500), (960, 210), (1040, 290), (1110, 240), (1320, 500)], HAZE),
        ([(230, 560), (560, 92), (640, 190), (690, 150), (1000, 560)], SLATE),
    )
    for outline, colour in peaks:
        c.shape(outline, colour)
    c.shape([(560, 92), (640, 190), (690, 150), (1000, 560), (720, 560), (640, 400), (660, 300), (590, 220)], DEEP)
    c.shape(
        [(560, 92), (476, 212), (520, 196), (540, 240), (572, 200), (590, 220), (604, 208), (640, 250), (640, 190)],
        PAPER,
    )
    c.shape([(690, 150), (640, 190), (650, 240), (690, 206), (720, 240), (740, 214)], PAPER)
    c.shape([(200, 190), (150, 246), (190, 240), (214, 262), (262, 238)], PAPER)
    c.shape([(960, 210), (915, 260), (952, 254), (976, 276), (1012, 260)], PAPER)
    c.bands(470, [PAPER, SAND], 60, 18)
    c.shape([(-10, 640), (260, 560), (560, 600), (800, 570), (1210, 640), (1210, HEIGHT), (-10, HEIGHT)], DEEP)
    c.shape([(300, 574), (346, 520), (392, 574)], ACCENT)
    c.shape([(346, 520), (354, 574), (330, 574)], INK)
    return c


def meridians() -> Canvas:
    c = Canvas(SAND, 29)
    cx, cy, radius = 600, 338, 262
    c.disc(cx, cy, radius + 16, PAPER)
    c.disc(cx, cy, radius, SLATE)
    for share in (0.0, 0.35, 0.66, 0.9):
        oval = [(cx + radius * share * math.sin(a / 30), cy + radius * math.cos(a / 30)) for a in range(190)]
        c.line(oval, MIST, 2.5)
    for n in range(-2, 3):
        y = cy + n * 92
        half = math.sqrt(radius**2 - (y - cy) ** 2)
        c.line([(cx - half, y), (cx + half, y)], MIST, 2.5)
    ports = [(432.0, 262.0), (560.0, 420.0), (706.0, 300.0), (770.0, 424.0), (520.0, 196.0)]
    for start, end in itertools.pairwise(ports):
        bend = ((start[0] + end[0]) / 2, min(start[1], end[1]) - 70)
        c.line(curve(start, bend, end), PAPER, 4)
    for port in ports:
        c.disc(*port, 11, ACCENT)
    return c
