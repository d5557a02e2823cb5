"""Draws the sample stories' illustrations: `python -m tests.tools.draw_media newsletter/samples/media`.

One function per picture, in `lands` and `works`. Three or four tones of one palette, one accent, nothing that moves:
they are meant to look deliberate on white and on dark paper, and to weigh less than 60 kB each.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from PIL import Image

from tests.tools import lands, works
from tests.tools.canvas import Canvas

PICTURES: Final[dict[str, Callable[[], Canvas]]] = {
    "barge": works.barge,
    "canal-locks": works.canal_locks,
    "crossing": works.crossing,
    "deep-sea": lands.deep_sea,
    "ferry": works.ferry,
    "fog-nets": works.fog_nets,
    "forest": lands.forest,
    "meridians": lands.meridians,
    "parliament": works.parliament,
    "pylons": works.pylons,
    "railway": works.railway,
    "river": lands.river,
    "salt-flat": lands.salt_flat,
    "satellite": works.satellite,
    "seabed-cable": lands.seabed_cable,
    "silos": works.silos,
    "steppe": lands.steppe,
    "summits": lands.summits,
    "terraces": lands.terraces,
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
