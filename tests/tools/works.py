"""The pictures of what people have built among the sample illustrations."""

import itertools
import math

from tests.tools.canvas import ACCENT, DEEP, HAZE, HEIGHT, INK, MIST, PAPER, SAND, SLATE, WIDTH, Canvas, Point, curve


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
    for near, far in itertools.pairwise(ends):
        for start, end in zip(near, far, strict=True):
            c.line(curve(start, ((start[0] + end[0]) / 2, max(start[1], end[1]) + 14), end), INK, 1.3)
    for start in ends[0]:
        c.line(curve(start, (1150, start[1] + 10), (1300, start[1] - 60)), INK, 1.6)
    return c


def parliament() -> Canvas:
    c = Canvas(SAND, 17)
    c.box(0, 0, WIDTH, 330, MIST)
    for column in (130, 330, 870, 1070):
        c.box(column - 26, 40, column + 26, 330, PAPER)
    c.box(500, 24, 700, 330, PAPER)
    c.box(512, 36, 594, 318, HAZE)
    c.box(606, 36, 688, 318, ACCENT)
    c.box(0, 326, WIDTH, HEIGHT, INK)
    for n, colour in enumerate((INK, DEEP, SLATE, HAZE, SAND)):
        radius = 900 - n * 150
        ring = [(600 + radius * math.cos(a / 50), 335 + radius * 0.43 * math.sin(a / 50)) for a in range(158)]
        c.shape(ring, colour)
        seats = 26 - n * 4
        for seat in range(seats) if n < 4 else ():
            angle = 0.2 + (math.pi - 0.4) * seat / (seats - 1)
            x = 600 + (radius - 74) * math.cos(angle)
            y = 335 + (radius - 74) * 0.43 * math.sin(angle)
            lean = 0.2 * (600 - x) / radius * 24
            wide = 20 - n * 2
            c.shape(
                [(x - wide, y + 14), (x - wide + 5 + lean, y - 16), (x + wide - 5 + lean, y - 16), (x + wide, y + 14)],
                PAPER,
            )
    c.shape([(556, 330), (644, 330), (632, 416), (568, 416)], INK)
    c.box(546, 318, 654, 332, INK)
    return c


def satellite() -> Canvas:
    c = Canvas(INK, 18)
    for _ in range(110):
        c.disc(c.chance.uniform(0, WIDTH), c.chance.uniform(0, 420), c.chance.choice([1.0, 1.4, 2.2]), HAZE)
    c.disc(600, 1500, 1130, SLATE)
    c.disc(600, 1510, 1126, DEEP)
    for x, y, size in (
        (250, 600, 130),
        (470, 520, 64),
        (760, 548, 118),
        (985, 610, 92),
        (575, 628, 96),
        (640, 486, 34),
    ):
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
        c.shape(
            [(440 + n * 100, 470), (452 + n * 100, 446), (420 + n * 100 + wide, 446), (432 + n * 100 + wide, 470)], DEEP
        )
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
