"""Templates: compiled once, wrong ones refused by file and line, and a look every reader can read."""

import re
import shutil
from itertools import product
from pathlib import Path

import pytest

from newsletter.errors import TemplateError
from newsletter.rendering import template
from newsletter.rendering.template import TEMPLATES, Direction, clean, fill, load
from tests import builders

BODY = "<mj-section><mj-column><mj-text><h1>{{ edition.headline }}</h1></mj-text></mj-column></mj-section>"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped template, to be broken."""
    shutil.copytree(TEMPLATES, tmp_path / "templates")
    return tmp_path / "templates" / "world-brief"


def small(tmp_path: Path, body: str, root: str = '<mjml lang="en" dir="ltr">', text: str = "x") -> Path:
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "edition.mjml").write_text(f"{root}\n<mj-body>\n{body}\n</mj-body>\n</mjml>\n")
    (tmp_path / "small" / "edition.txt").write_text(text)
    return tmp_path / "small"


def test_a_template_is_compiled_once_per_content(folder: Path) -> None:
    first = load(folder)
    assert load(folder) is first
    with (folder / "edition.txt").open("a") as file:
        file.write("more")
    assert load(folder).digest != first.digest


def test_the_digest_covers_tokens_style_partials_and_direction(folder: Path) -> None:
    digests = {load(folder).digest, load(folder, "rtl").digest}
    for path in (
        folder / "../tokens.toml",
        folder / "../dark.css",
        folder / "partials/lead.mjml",
        folder / "words.toml",
    ):
        path.write_text(path.read_text().replace("32px", "33px") + "\n")
        digests.add(load(folder).digest)
    assert len(digests) == 6


def test_line_endings_change_nothing(folder: Path) -> None:
    before = load(folder)
    for path in folder.rglob("*.mjml"):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert load(folder) == before


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (f"{BODY}<mj-sectoin/>", "edition.mjml:3: unknown tag <mj-sectoin>; did you mean 'mj-section'?"),
        (BODY.replace("<mj-text>", '<mj-text colour="red">'), "no attribute 'colour'; did you mean 'color'?"),
        (f"{BODY}\n<mj-text>x</mj-text>", "edition.mjml:4: <mj-text> cannot stand in <mj-body>"),
        (f"stray {BODY}", "stray text in <mj-body>"),
        (BODY.replace("h1", "h2"), "a letter needs one h1"),
        (BODY.replace("</h1>", "<script>x</script></h1>"), "<script> is not for letters"),
        (BODY.replace("</h1>", '<img src="x" /></h1>'), "<img> without alt"),
        (BODY.replace("</mj-text>", "<table><tr><td>x</td></tr></table></mj-text>"), "needs role=presentation"),
        (BODY.replace("<mj-column>", '<mj-column width="{{ on }}">'), "'width' of <mj-column> cannot be a placeholder"),
        (f"{BODY}\n<mj-raw><b>x</mj-raw>", "edition.mjml:4: Opening and ending tag mismatch"),
        (f"{BODY}\n<mj-raw>{{{{ editoin.on }}}}</mj-raw>", "edition.mjml:4: nothing is called 'editoin'"),
        (f"{BODY}\n\n<mj-raw>{{% if on %}}</mj-raw>", "Unexpected end of template"),
        (f"{BODY}\n<mj-raw>{{{{ on on }}}}</mj-raw>", "edition.mjml:4: expected token"),
        (
            BODY.replace("<mj-text>", '<mj-text color="[[light.inc]]">'),
            "edition.mjml:3: no token is called 'light.inc'",
        ),
        (f'{BODY}\n<mj-include path="../../secret.txt" />', "edition.mjml:4: cannot include '../../secret.txt'"),
        (f'{BODY}\n<mj-include path="edition.mjml" />', "edition.mjml:4: cannot include 'edition.mjml'"),
        (f"{BODY}<mj-font name='Inter' href='https://fonts.test'/>", "unknown tag <mj-font>"),
    ],
)
def test_a_wrong_template_is_refused_by_file_and_line(tmp_path: Path, body: str, said: str) -> None:
    with pytest.raises(TemplateError, match=re.escape(said)):
        load(small(tmp_path, body))


def test_a_template_without_language_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match="<mjml> needs 'lang'"):
        load(small(tmp_path, BODY, root='<mjml dir="ltr">'))


def test_a_missing_folder_part_or_encoding_is_one_clear_error(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(TemplateError, match="no such template"):
        load(tmp_path / "nowhere")
    (folder / "edition.txt").write_bytes(b"\xff")
    with pytest.raises(TemplateError, match=r"edition\.txt"):
        load(folder)
    (folder / "edition.txt").unlink()
    with pytest.raises(TemplateError, match="no plain-text part beside it"):
        load(folder)
    (folder / "second.mjml").write_text("x")
    with pytest.raises(TemplateError, match=r"needs one \.mjml file"):
        load(folder)


def test_a_typo_in_the_text_part_is_told_by_its_line(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match=r"edition\.txt:2: nothing is called 'wrp'"):
        load(small(tmp_path, BODY, text="a\n{{ wrp('x') }}\n"))


def test_a_field_no_story_has_is_told_by_its_line(tmp_path: Path) -> None:
    made = load(small(tmp_path, f"{BODY}\n<mj-raw>{{{{ edition.headlin }}}}</mj-raw>"))
    with pytest.raises(TemplateError, match=r"edition\.mjml:4: .*no attribute 'headlin'"):
        fill(made, {"edition": builders.make_edition()})


def test_a_template_may_set_names_of_its_own(tmp_path: Path) -> None:
    body = f"{BODY}<mj-raw>{{% if on %}}{{% set here = on %}}{{{{ here }}}}{{% endif %}}</mj-raw>"
    assert load(small(tmp_path, body)).html.count("here") == 2


def test_an_authors_comment_is_not_sent(tmp_path: Path) -> None:
    made = load(small(tmp_path, f"{BODY}<!-- ask Ana --><mj-raw><!-- and Ben --></mj-raw>"))
    assert "ask Ana" not in made.html
    assert "and Ben" not in made.html


def test_control_characters_go_and_accents_are_composed() -> None:
    assert clean("e\u0301\x00\x92\ud800\r\na\rb\tc\u2028d\ufffe") == "é\na\nb c\nd"


@pytest.mark.parametrize(
    ("folder_name", "direction"),
    list(
        product(
            ["world-brief", "letters/confirm", "letters/access", "letters/change", "letters/moved", "letters/erased"],
            ["ltr", "rtl"],
        )
    ),
)
def test_shipped_templates_load_nothing_from_elsewhere(folder_name: str, direction: Direction) -> None:
    made = load(TEMPLATES / folder_name, direction)
    assert "http:" not in made.html.replace("http://www.w3.org/1999/xhtml", "")
    assert "https:" not in made.html
    assert "@import" not in made.html + made.extra_css
    assert "\n\n" not in made.extra_css


@pytest.mark.parametrize(
    "folder_name",
    ["world-brief", "letters/confirm", "letters/access", "letters/change", "letters/moved", "letters/erased"],
)
def test_style_stays_far_below_what_gmail_drops(folder_name: str) -> None:
    html = load(TEMPLATES / folder_name).html
    style = "".join(re.findall(r"<style[^>]*>(.*?)</style>", html, re.DOTALL))
    assert len(style.encode()) < 12_000
    assert "hsl(" not in style


@pytest.mark.parametrize(
    "folder_name",
    ["world-brief", "letters/confirm", "letters/access", "letters/change", "letters/moved", "letters/erased"],
)
def test_every_dark_rule_has_its_twin_for_outlook(folder_name: str) -> None:
    html = load(TEMPLATES / folder_name).html
    dark = re.search(r"@media \(prefers-color-scheme:dark\)\{(.*?\})\}", html, re.DOTALL)
    assert dark
    selectors = [one.strip() for rule in re.findall(r"([^{}]+)\{", dark[1]) for one in rule.split(",")]
    assert selectors
    assert [one for one in selectors if f"[data-ogsc] {one}" not in html] == []


@pytest.mark.parametrize(
    "folder_name",
    ["world-brief", "letters/confirm", "letters/access", "letters/change", "letters/moved", "letters/erased"],
)
def test_a_right_to_left_template_has_nothing_left_to_right(folder_name: str) -> None:
    made = load(TEMPLATES / folder_name, "rtl")
    assert "direction:ltr" not in made.html.replace(" ", "")
    assert "letter-spacing: 0.06em" not in made.extra_css
    assert "padding-left: 24px" not in made.extra_css


def luminance(colour: str) -> float:
    parts = (int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize(
    ("scheme", "text", "ground"), list(product(["light", "dark"], ["ink", "quiet", "accent"], ["paper", "plate"]))
)
def test_every_colour_of_text_can_be_read(scheme: str, text: str, ground: str) -> None:
    tokens = template.tokens()
    assert contrast(tokens[f"{scheme}.{text}"], tokens[f"{scheme}.{ground}"]) >= 4.5


def test_ink_on_paper_is_near_black_on_white_and_the_dark_paper_is_not_black() -> None:
    tokens = template.tokens()
    assert contrast(tokens["light.ink"], tokens["light.paper"]) > 15
    assert 12 < contrast(tokens["dark.ink"], tokens["dark.paper"]) < 18
