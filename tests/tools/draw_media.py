"""Draws the sample stories' illustrations: `python -m tests.tools.draw_media newsletter/samples/media`.

One function per picture. Three or four tones of one palette, one accent, nothing that moves: they are meant to look
deliberate on white and on dark paper, and to weigh less than 60 kB each.
"""

import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from PIL import Image

from tests.tools.canvas import (
    ACCENT,
    DEEP,
    HAZE,
    HEIGHT,
    INK,
    MIST,
    PAPER,
    SAND,
    SLATE,
    WIDTH,
    Canvas,
    Point,
    curve,
)


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


def silos() -> Canvas:
    c = Canvas(PAPER, 12)
    c.disc(440, 330, 205, ACCENT)
    c.hills(420, 18, MIST, 1.0)
    c.below(lambda x: 440, SAND)
    for n in range(-14, 30):
        foot = 600 + (n - 8) * 150
        c.shape([(600 + (n - 8) * 24, 440), (600 + (n - 8) * 24 + 10, 440), (foot + 66, HEIGHT), (foot, HEIGHT)], HAZE)
    for x, top in ((650, 190), (790, 150), (930, 190)):
        c.shape([(x - 4, top), (x + 60, top - 50), (x + 124, top)], INK)
        c.box(x, top, x + 120, 462, DEEP)
        c.box(x + 74, top, x + 120, 462, INK)
        for y in range(top + 36, 450, 40):
            c.line([(x, y), (x + 120, y)], SLATE, 2)
    c.line([(710, 150), (850, 106), (990, 150)], INK, 5)
    c.box(600, 458, 1090, 470, INK)
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


def canal_locks() -> Canvas:
    c = Canvas(SAND, 14)
    c.disc(905, 150, 62, ACCENT)
    c.hills(270, 26, MIST, 1.3)
    c.below(lambda x: 330, HAZE)
    c.shape([(465, 330), (735, 330), (1010, HEIGHT), (190, HEIGHT)], MIST)
    for n, colour in enumerate((SLATE, DEEP, INK)):
        top, inner, outer = 318 + n * 74, 465 - n * 92, -60 - n * 40
        foot = inner - 92
        c.shape([(outer, top), (inner, top), (foot, top + 84), (foot, HEIGHT), (outer, HEIGHT)], colour)
        right, rim = WIDTH - inner, WIDTH - outer
        c.shape([(rim, top), (right, top), (WIDTH - foot, top + 84), (WIDTH - foot, HEIGHT), (rim, HEIGHT)], colour)
    for row in range(5):
        for column in range(8):
            x, y = 488 + column * 28, 180 + row * 38
            tone = (SLATE, DEEP, PAPER, HAZE)[(row * 3 + column * 5) % 4]
            c.box(x, y, x + 26, y + 36, ACCENT if (row, column) == (1, 5) else tone)
    c.shape([(474, 366), (726, 366), (690, 520), (600, 548), (510, 520)], INK)
    c.box(560, 138, 640, 182, INK)
    c.line([(510, 530), (420, 570)], PAPER, 3)
    c.line([(690, 530), (780, 570)], PAPER, 3)
    return c


def _pylon(c: Canvas, x: float, foot: float, tall: float) -> list[Point]:
    top, half = foot - tall, tall * 0.13
    thick = max(1.4, tall / 90)
    c.line([(x - half, foot), (x - half * 0.2, top + tall * 0.3), (x, top)], INK, thick)
    c.line([(x + half, foot), (x + half * 0.2, top + tall * 0.3), (x, top)], INK, thick)
    arms: list[Point] = []
    for share, reach in ((0.12, 0.20), (0.26, 0.26), (0.40, 0.20)):
        y = top + tall * share
        c.line([(x - tall * reach, y), (x, y - tall * 0.04), (x + tall * reach, y)], INK, thick)
        arms += [(x - tall * reach, y), (x + tall * reach, y)]
    for a, b in ((0.98, 0.8), (0.8, 0.62), (0.62, 0.48)):
        wide, slim = half * a, half * b
        c.line([(x - wide, foot - tall * (1 - a)), (x + slim, foot - tall * (1 - b))], INK, thick * 0.7)
        c.line([(x + wide, foot - tall * (1 - a)), (x - slim, foot - tall * (1 - b))], INK, thick * 0.7)
    return arms


def pylons() -> Canvas:
    c = Canvas(PAPER, 15)
    c.disc(300, 330, 120, ACCENT)
    for n in range(34):
        tall = c.chance.uniform(8, 52) * (1 - abs(n - 16) / 20)
        c.box(120 + n * 13, 432 - tall, 134 + n * 13, 440, HAZE)
    c.below(lambda x: 436, SAND)
    c.hills(520, 22, MIST, 0.8)
    c.hills(610, 20, HAZE, 0.7)
    ends: list[list[Point]] = []
    for x, foot, tall in ((1010, 640, 560), (690, 560, 330), (515, 505, 190), (425, 470, 105), (378, 452, 58)):
        ends.append(_pylon(c, x, foot, tall))
    for near, far in zip(ends, ends[1:], strict=False):
        for start, end in zip(near, far, strict=True):
            c.line(curve(start, ((start[0] + end[0]) / 2, max(start[1], end[1]) + 14), end), INK, 1.3)
    for start in ends[0]:
        c.line(curve(start, (1150, start[1] + 10), (1300, start[1] - 60)), INK, 1.6)
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


def parliament() -> Canvas:
    c = Canvas(SAND, 17)
    c.box(0, 0, WIDTH, 330, MIST)
    for x in (130, 330, 870, 1070):
        c.box(x - 26, 40, x + 26, 330, PAPER)
    c.box(500, 24, 700, 330, PAPER)
    c.box(512, 36, 594, 318, HAZE)
    c.box(606, 36, 688, 318, ACCENT)
    c.box(0, 326, WIDTH, 336, INK)
    for n, colour in enumerate((INK, DEEP, SLATE, HAZE, SAND)):
        c.disc(600, 330, 0, colour)
        radius = 900 - n * 150
        ring = [(600 + radius * math.cos(a / 50), 335 + radius * 0.52 * math.sin(a / 50)) for a in range(158)]
        c.shape(ring, colour)
        if n < 4:
            for a in range(6, 158, 6):
                angle = a / 50
                x, y = 600 + (radius - 62) * math.cos(angle), 335 + (radius - 62) * 0.52 * math.sin(angle)
                wide = 17 - n * 2
                c.shape([(x - wide, y + 12), (x - wide, y - 18), (x + wide, y - 18), (x + wide, y + 12)], PAPER)
    c.shape([(556, 330), (644, 330), (632, 416), (568, 416)], INK)
    c.box(546, 318, 654, 332, INK)
    return c


def satellite() -> Canvas:
    c = Canvas(INK, 18)
    for _ in range(110):
        c.disc(c.chance.uniform(0, WIDTH), c.chance.uniform(0, 420), c.chance.choice([1.0, 1.4, 2.2]), HAZE)
    c.disc(600, 1500, 1130, SLATE)
    c.disc(600, 1510, 1126, DEEP)
    for x, y, size in ((250, 600, 130), (470, 520, 64), (760, 548, 118), (985, 610, 92), (575, 628, 96), (640, 486, 34)):
        edge = [size * c.chance.uniform(0.62, 1.05) for _ in range(15)]
        spokes = [(n / 15 * math.tau, reach) for n, reach in enumerate(edge)]
        c.shape([(x + reach * math.cos(a), y + 0.4 * reach * math.sin(a)) for a, reach in spokes], MIST)
    for radius in (62, 42, 22):
        c.disc(760, 545, radius, ACCENT if radius != 42 else MIST, 0.5)
    cx, cy, tilt = 450, 205, -0.22

    def turned(x: float, y: float) -> Point:
        return (cx + x * math.cos(tilt) - y * math.sin(tilt), cy + x * math.sin(tilt) + y * math.cos(tilt))

    def plate(left: float, top: float, right: float, bottom: float, colour: str) -> None:
        c.shape([turned(left, top), turned(right, top), turned(right, bottom), turned(left, bottom)], colour)

    plate(-270, -6, 270, 6, HAZE)
    for side in (-1, 1):
        for n in range(4):
            for m in range(2):
                a, b = side * (82 + n * 46), side * (82 + n * 46 + 42)
                plate(min(a, b), -46 + m * 47, max(a, b), -2 + m * 47, SLATE if (n + m) % 2 else HAZE)
    plate(-46, -58, 46, 58, PAPER)
    plate(-46, 20, 46, 58, SAND)
    plate(-8, 58, 8, 84, HAZE)
    c.disc(*turned(0, 92), 24, PAPER)
    c.disc(*turned(0, 92), 9, ACCENT)
    return c


def railway() -> Canvas:
    c = Canvas(PAPER, 19)
    c.disc(250, 170, 58, SAND)
    c.hills(300, 58, MIST, 1.1)
    c.hills(400, 64, HAZE, 1.2)
    c.box(-10, 338, 1210, 362, INK)
    for n in range(9):
        left = -60 + n * 150
        c.box(left, 360, left + 28, HEIGHT, INK)
        arch = [(left + 28 + 61 - 61 * math.cos(a / 10), 424 - 62 * math.sin(a / 10)) for a in range(32)]
        c.shape([(left + 28, 360), *arch, (left + 150, 360)], INK)
    for n in range(11):
        c.box(300 + n * 82, 296, 374 + n * 82, 332, DEEP if n % 3 else SLATE)
        c.disc(318 + n * 82, 334, 8, INK)
        c.disc(356 + n * 82, 334, 8, INK)
    c.shape([(150, 332), (150, 306), (176, 284), (286, 284), (286, 332)], ACCENT)
    c.box(186, 292, 212, 308, PAPER)
    c.disc(182, 334, 9, INK)
    c.disc(254, 334, 9, INK)
    c.hills(625, 30, SLATE, 0.9)
    c.hills(672, 22, DEEP, 1.1)
    return c


def forest() -> Canvas:
    c = Canvas(PAPER, 20)
    smoke = [(760 + 46 * math.sin(y / 88) * (1 - y / 330), float(y)) for y in range(-12, 300, 4)]
    for (x, y), (_, below) in zip(smoke, smoke[1:], strict=False):
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
    c.shape([(0, 292), (170, 190), (300, 250), (470, 130), (640, 252), (760, 212), (960, 282), (1200, 226), (1200, 330), (0, 330)], SLATE)
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


def crossing() -> Canvas:
    c = Canvas(PAPER, 22)
    c.disc(600, 262, 92, ACCENT)
    c.hills(300, 20, MIST, 1.4)
    c.below(lambda x: 338, SAND)
    c.shape([(575, 338), (625, 338), (840, HEIGHT), (360, HEIGHT)], PAPER)
    c.shape([(-10, 60), (520, 268), (520, 344), (-10, HEIGHT + 60)], SLATE)
    c.shape([(1210, 60), (680, 268), (680, 344), (1210, HEIGHT + 60)], DEEP)
    for n in range(1, 6):
        share = (n / 6) ** 0.7
        x, top, foot = -10 + 530 * share, 60 + 208 * share, HEIGHT + 60 - 391 * share
        c.line([(x, top), (x, foot)], HAZE, 3)
        c.line([(WIDTH - x, top), (WIDTH - x, foot)], SLATE, 3)
    for x in (508, 674):
        c.box(x, 232, x + 18, 350, INK)
    c.shape([(508, 258), (452, 226), (452, 392), (508, 348)], INK)
    c.shape([(692, 258), (748, 226), (748, 392), (692, 348)], INK)
    c.box(592, 330, 600, 366, INK)
    c.disc(596, 324, 6, INK)
    c.box(612, 344, 619, 370, INK)
    c.disc(615.5, 339, 5, INK)
    return c


def ferry() -> Canvas:
    c = Canvas(PAPER, 23)
    c.hills(330, 54, SAND, 1.0)
    c.hills(366, 34, MIST, 1.3)
    c.bands(408, [HAZE], 10, 4)
    c.shape([(250, 372), (1010, 372), (960, 470), (300, 470)], INK)
    c.box(250, 386, 1004, 394, PAPER)
    c.shape([(330, 318), (900, 318), (930, 374), (316, 374)], PAPER)
    c.shape([(330, 318), (900, 318), (908, 332), (327, 332)], MIST)
    c.shape([(420, 268), (800, 268), (830, 320), (406, 320)], SAND)
    for x in range(356, 890, 38):
        c.box(x, 344, x + 20, 358, DEEP)
    for x in range(440, 790, 38):
        c.box(x, 286, x + 20, 300, DEEP)
    c.shape([(520, 190), (590, 190), (600, 270), (510, 270)], ACCENT)
    c.box(519, 190, 591, 206, INK)
    c.line([(720, 268), (720, 206)], INK, 4)
    c.bands(462, [SLATE, DEEP], 70, 5)
    c.shape([(-10, 560), (330, 560), (380, HEIGHT), (-10, HEIGHT)], INK)
    c.box(196, 528, 222, 562, INK)
    c.disc(209, 528, 20, INK, 0.5)
    c.line(curve((209, 536), (250, 560), (300, 420)), SAND, 3)
    return c


def terraces() -> Canvas:
    c = Canvas(PAPER, 24)
    c.disc(905, 148, 66, ACCENT)
    c.hills(210, 40, MIST, 1.1)
    tones = ("#aebfae", "#8fa894", "#cfd3bd", "#7b9785", "#b9c4ac", "#64836f", "#a3b59c", "#4d6d5d", "#8ba58f")
    for n, tone in enumerate(tones):
        level = 236 + n * 40 + n * n * 2.2

        def rim(x: float, level: float = level, n: int = n) -> float:
            return level + (30 + 5 * n) * math.sin(x / 235 + n * 0.42) + 11 * math.sin(x / 97 - n)

        c.below(lambda x, rim=rim: rim(x) - 7 - n * 0.8, DEEP)  # type: ignore[misc]
        c.below(rim, tone)
    c.shape([(330, 470), (352, 452), (374, 470)], INK)
    c.box(336, 468, 368, 486, INK)
    return c


def barge() -> Canvas:
    c = Canvas(PAPER, 25)
    c.disc(980, 150, 56, SAND)
    c.hills(300, 60, MIST, 1.0)
    c.shape([(-10, 210), (150, 196), (330, 236), (470, 330), (640, 420), (-10, 440)], DEEP)
    for left, top, right in ((150, 130, 186), (196, 158, 268), (268, 112, 296)):
        c.box(left, top, right, 222, INK)
    c.shape([(144, 132), (168, 98), (192, 132)], INK)
    c.shape([(262, 114), (282, 72), (302, 114)], INK)
    c.below(lambda x: 404 + 6 * math.sin(x / 140), SAND)
    c.bands(450, [HAZE, SLATE], 90, 4)
    c.shape([(250, 470), (1060, 470), (1090, 452), (1086, 508), (270, 508)], INK)
    for n in range(6):
        wide = 96 if n % 2 else 70
        c.shape([(440 + n * 100, 470), (452 + n * 100, 446), (420 + n * 100 + wide, 446), (432 + n * 100 + wide, 470)], DEEP)
    c.box(280, 424, 372, 472, PAPER)
    c.box(292, 436, 316, 452, DEEP)
    c.box(326, 436, 350, 452, DEEP)
    c.line([(1056, 456), (1056, 404)], INK, 4)
    c.shape([(1056, 404), (1104, 414), (1056, 426)], ACCENT)
    c.below(lambda x: 622 - 34 * math.sin(x / 400 + 0.4), SAND)
    for _ in range(26):
        x = c.chance.uniform(0, WIDTH)
        c.disc(x, c.chance.uniform(632, 668), c.chance.uniform(5, 16), HAZE, 0.5)
    return c


def fog_nets() -> Canvas:
    c = Canvas(SAND, 26)
    c.disc(260, 150, 54, PAPER)
    c.hills(250, 46, HAZE, 1.0)
    c.bands(290, [MIST, PAPER], 66, 16)
    c.below(lambda x: 560 - x * 0.2 + 16 * math.sin(x / 160), DEEP)
    for x, base, tall in ((170, 540, 150), (420, 488, 175), (700, 432, 200)):
        wide = tall * 1.12
        c.box(x, base - tall, x + 9, base + 26, INK)
        c.box(x + wide, base - tall - 30, x + wide + 9, base - 14, INK)
        low, high = base - tall * 0.22, base - tall + 8
        c.shape([(x + 9, high), (x + wide, high - 30), (x + wide, low - 40), (x + 9, low)], HAZE)
        for n in range(1, 12):
            share = n / 12
            c.line([(x + 9 + wide * share, high - 30 * share), (x + 9 + wide * share, low - 40 * share)], PAPER, 1.3)
            y = high + (low - high) * share
            c.line([(x + 9, y), (x + wide, y - 30 - 10 * share)], PAPER, 1.3)
    c.line([(1060, 350), (1060, 200)], INK, 5)
    c.shape([(1062, 200), (1134, 222), (1062, 246)], ACCENT)
    c.bands(628, [PAPER], 40, 14)
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
    c.shape([(560, 92), (476, 212), (520, 196), (540, 240), (572, 200), (590, 220), (604, 208), (640, 250), (640, 190)], PAPER)
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
    for start, end in zip(ports, ports[1:], strict=False):
        bend = ((start[0] + end[0]) / 2, min(start[1], end[1]) - 70)
        c.line(curve(start, bend, end), PAPER, 4)
    for x, y in ports:
        c.disc(x, y, 11, ACCENT)
    return c


PICTURES: Final[dict[str, Callable[[], Canvas]]] = {
    "barge": barge,
    "canal-locks": canal_locks,
    "crossing": crossing,
    "deep-sea": deep_sea,
    "ferry": ferry,
    "fog-nets": fog_nets,
    "forest": forest,
    "meridians": meridians,
    "parliament": parliament,
    "pylons": pylons,
    "railway": railway,
    "river": river,
    "salt-flat": salt_flat,
    "satellite": satellite,
    "seabed-cable": seabed_cable,
    "silos": silos,
    "steppe": steppe,
    "summits": summits,
    "terraces": terraces,
}


def draw(folder: Path) -> None:
    """Writes every picture into `folder`, each as small as 60 kB asks for."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in PICTURES.items():
        _save(picture().finished(), folder / f"{name}.jpg")


def _save(image: Image.Image, path: Path) -> None:
    for quality in (84, 78, 72, 66, 60):
        image.save(path, "JPEG", quality=quality, optimize=True, progressive=True)
        if path.stat().st_size <= 60_000:
            return
    raise SystemExit(f"{path.name} does not fit into 60 kB")


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
