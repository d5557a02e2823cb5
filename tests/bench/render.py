"""What is done once per template, once per edition and once per letter; and what the letter costs with `email`."""

import email
import email.policy
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

from newsletter.rendering import letter, proving, template
from newsletter.rendering.letter import Recipient, Stencil
from newsletter.rendering.proof import Proof
from tests.bench import peers
from tests.bench.measure import Cell, Scale, Table, alternated, middle, ratio, timed
from tests.builders import MORNING, make_edition, make_newsletter, make_site
from tests.delivery.newsroom import printable

READER: Final = Recipient(address="reader0001@inbox.test", token="t" * 40, return_token="r" * 38)
KILOBYTES: Final = (30, 60, 90)
FILLER: Final = (
    "<p>Sixteen states decide this week whether their seabed stays closed until 2040; the "
    '<a href="https://worldbrief.test/2026/11/suva-draft">draft</a> is Fiji’s, the doubts are Nauru’s.</p>\n'
)


def run(scale: Scale) -> Table:
    """Microseconds of each step, and `letter.address` against EmailMessage for letters of three sizes."""
    newsletter, site, edition = make_newsletter(), make_site(), printable(make_edition().on)
    design = template.load(template.TEMPLATES / newsletter.template)
    made = proving.prove(design, edition, newsletter, site)
    sized = {f"{_size(one)} KB": one for one in (made, *(of_size(made, 1000 * size) for size in KILOBYTES))}
    stencils = {
        name: letter.cut(one, bounce_domain="bounces.worldbrief.test", date=MORNING) for name, one in sized.items()
    }
    for name, stencil in stencils.items():
        _check(stencil, sized[name])
    runs: dict[str, Callable[[], float]] = {
        "compile": lambda: timed(_compile, scale.size(10)),
        "prove": lambda: timed(lambda: proving.prove(design, edition, newsletter, site), scale.size(20)),
        "cut": lambda: timed(lambda: letter.cut(made, bounce_domain="", date=MORNING), scale.size(20)),
    }
    for name, one in sized.items():
        runs[f"address {name}"] = partial(timed, partial(letter.address, stencils[name], READER), scale.size(2_000))
        runs[f"email {name}"] = partial(timed, partial(_as_bytes, one), scale.size(20))
    found = {name: [1e6 * one for one in seconds] for name, seconds in alternated(scale, runs, "render").items()}
    return Table(
        name="render",
        title="Once per template, once per edition, once per letter",
        columns=("step", "how often", "µs", "µs with EmailMessage", "ratio"),
        rows=tuple(_rows(found, list(sized))),
        notes=(
            "EmailMessage(policy=SMTP): the standard library’s, built and written per reader; both parse to the same.",
            "The first letter is the standard brief, the others its HTML cut or filled to the size.",
        ),
    )


def _rows(found: dict[str, list[float]], sizes: list[str]) -> list[tuple[Cell, ...]]:
    rows: list[tuple[Cell, ...]] = [
        ("compile MJML and check it", "template", middle(found["compile"]), "", ""),
        ("prove: Markdown, Jinja, CSS", "edition", middle(found["prove"]), "", ""),
        ("cut: encode and read back", "mailing", middle(found["cut"]), "", ""),
    ]
    for size in sizes:
        ours, theirs = found[f"address {size}"], found[f"email {size}"]
        rows.append(
            (f"address {size}", "letter", middle(ours), f"{middle(theirs):,.0f}", f"{ratio(theirs, ours):,.0f}x")
        )
    return rows


def _compile() -> None:
    template._compile.cache_clear()
    template.load(template.TEMPLATES / "world-brief")


def _as_bytes(made: Proof) -> bytes:
    return peers.pattern(made, MORNING).message(peers.reader(READER)).as_bytes()


def _size(made: Proof) -> int:
    return round(len(_address(made)) / 1000)


def _address(made: Proof) -> bytes:
    return letter.address(letter.cut(made, bounce_domain="", date=MORNING), READER).letter().message


def of_size(made: Proof, size: int) -> Proof:
    """The proof with paragraphs taken out of, or put into, its HTML until the letter has about `size` bytes."""
    head, _, _ = made.html.partition("<body")
    bare = replace(made, html=f"{head}<body>{{}}</body></html>")
    room = size - len(_address(bare))
    worth = (len(_address(replace(bare, html=bare.html.replace("{}", FILLER * 100)))) - len(_address(bare))) / 100
    return replace(bare, html=bare.html.replace("{}", FILLER * int(room / worth)))


def _check(stencil: Stencil, made: Proof) -> None:
    """Ours and theirs say the same to who reads them."""
    read = [
        email.message_from_bytes(data, policy=email.policy.default)
        for data in (letter.address(stencil, READER).letter().message, _as_bytes(made))
    ]
    for kind in ("html", "plain"):
        parts = [one.get_body((kind,)) for one in read]
        ours, theirs = (part.get_content().strip().splitlines() for part in parts if part)
        assert ours == theirs
    assert READER.token in str(read[0]["List-Unsubscribe"])
