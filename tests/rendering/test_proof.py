"""Proofs: the same every time, safe whatever the stories say, readable by everybody, and golden."""

import os
import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest
from lxml import etree
from lxml import html as parser

from newsletter.editions.edition import Edition, Section
from newsletter.errors import TemplateError
from newsletter.rendering import plaintext, proving, template
from newsletter.rendering.proof import Proof, blank, from_bytes, neutral, to_bytes
from tests import builders
from tests.builders import make_edition, make_item, make_letter, make_proof, make_site, make_story

GOLDEN = Path(__file__).parents[1] / "corpus" / "golden"
TORTURE = (
    "NBSP\u00a0narrow\u202fthin\u2009 👩‍👩‍👧 ❤️ می‌خواهم क्ष \u200fRLM soft\u00adhyphen \"q\" 'a' back\\slash "
    "<b> & {{ 7*7 }} {% x %} [[t]]"
)
ARABIC_BODY = """يجتمع القادة في سوفا يوم الاثنين. [المسودة](https://worldbrief.test/draft) ستغلق القاع حتى عام 2040.

- الأولى
- الثانية"""


def lead_of(edition: Edition, **changes: object) -> Edition:
    """The edition with another lead: fields of the story by name."""
    sections = tuple(
        replace(section, stories=(replace(section.stories[0], **changes),)) if section.style == "lead" else section  # type: ignore[arg-type]
        for section in edition.sections
    )
    return replace(edition, sections=sections)


def arabic(**changes: object) -> Proof:
    made = template.load(template.TEMPLATES / "world-brief", "rtl")
    lead = make_story(
        headline="قادة المحيط الهادئ يدرسون وقف تعدين قاع البحر",
        kicker="تصويت في سوفا",
        body=ARABIC_BODY,
        byline="ليتيا",
    )
    edition = make_edition(
        language="ar",
        headline=lead.headline,
        dateline="الاثنين، 23 نوفمبر 2026",
        sections=(Section(slot="lead", title="", style="lead", stories=(lead,)), *builders.make_sections()[2:]),
    )
    newsletter = builders.make_newsletter(name="موجز العالم", language="ar", direction="rtl")
    return proving.prove(made, edition, newsletter, make_site())


def visible(markup: str) -> str:
    return " ".join(text_of(parser.fromstring(markup)).split())


def text_of(element: etree._Element) -> str:
    return "".join(str(text) for text in element.itertext())


# The same every time


def test_the_same_edition_gives_the_same_proof() -> None:
    assert make_proof() == make_proof()
    assert make_proof().digest == make_proof().digest


def test_any_change_of_what_is_printed_changes_the_digest() -> None:
    digests = {
        make_proof().digest,
        make_proof(make_edition(subject="Other")).digest,
        make_proof(lead_of(make_edition(), byline="Other")).digest,
        make_proof(site=make_site(postal_address="Elsewhere 1")).digest,
        make_proof(preheader="Other").digest,
    }
    assert len(digests) == 5


def test_a_proof_survives_freezing() -> None:
    for one in (make_proof(), make_letter(), arabic()):
        assert from_bytes(to_bytes(one)) == one
        assert to_bytes(from_bytes(to_bytes(one))) == to_bytes(one)


def golden(name: str, text: str) -> None:
    """Compare with the golden file, one tag to a line; WORLD_BRIEF_GOLDEN=write writes it instead."""
    path = GOLDEN / name
    # Digests and nonces follow from everything and would make each review a search for the change.
    text = re.sub(r"wb[a-z0-9]{12}(address|token)x[a-z0-9]{12}", r"wb-\1", text.replace("><", ">\n<"))
    if os.environ.get("WORLD_BRIEF_GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    assert text == path.read_text("utf-8"), f"{name} changed; read the new one after WORLD_BRIEF_GOLDEN=write"


def a_proof(name: str) -> Proof:
    return make_proof() if name == "edition" else make_letter() if name == "letter" else arabic()


@pytest.mark.parametrize("name", ["edition", "letter", "arabic"])
def test_a_proof_is_as_it_was_when_somebody_last_read_it(name: str) -> None:
    made = a_proof(name)
    golden(f"{name}.html", made.html)
    golden(f"{name}.txt", made.text)


# Safe whatever the stories say


def test_braces_and_tags_of_a_story_are_inert() -> None:
    hostile = "{{ cycler.__init__.__globals__.os.name }} {% for x in y %} <script>alert(1)</script> </mj-text><mj-raw>"
    item = make_item(headline=hostile, body=hostile, outlet=hostile)
    made = make_proof(
        make_edition(intro=hostile, sections=(Section(slot="a", title=hostile, style="items", stories=(item,)),))
    )
    assert "posix" not in made.html + made.text
    assert [tag for tag in parser.fromstring(made.html).iter() if str(tag.tag).startswith(("script", "mj-"))] == []
    assert visible(made.html).count("{{ cycler.") == 5
    assert made.text.count("{{") == 5


def test_a_story_nested_twenty_thousand_deep_is_printed_flat() -> None:
    made = make_proof(lead_of(make_edition(), body="<div>" * 20_000 + "end"))
    assert "end" in made.text


@pytest.mark.parametrize("field", ["headline", "kicker", "byline", "outlet", "summary", "body"])
def test_every_character_comes_out_as_it_went_in(field: str) -> None:
    changes = {"body": "", "url": "https://x.test/", field: TORTURE.replace("\\s", "s").replace("<b>", "")}
    edition = lead_of(make_edition(), **changes)
    made = make_proof(replace(edition, headline="Other"))
    expected = " ".join(template.clean(changes[field]).split())
    assert expected in visible(made.html)
    assert expected in " ".join(made.text.split())
    assert "\\u{" not in made.html


def test_every_character_comes_out_in_an_attribute() -> None:
    image = builders.make_image(alt=TORTURE, url="/media/a b\"c'd.jpg")
    made = make_proof(lead_of(make_edition(headline=TORTURE), image=image))
    picture = parser.fromstring(made.html).find(".//img")
    assert picture is not None
    assert picture.get("alt") == template.clean(TORTURE)
    assert picture.get("src") == "https://worldbrief.test/media/a%20b\"c'd.jpg"
    label = parser.fromstring(made.html).xpath("string(//@aria-label)")
    assert label == f"World Brief: {template.clean(TORTURE)}"


def test_a_line_break_cannot_enter_the_subject() -> None:
    made = make_proof(make_edition(subject="One\r\nBcc: x@y.z\u2028", preheader="a\nb"))
    assert made.subject == "One Bcc: x@y.z"
    assert made.preheader == "a b"


def test_an_unsafe_address_of_a_story_is_not_linked() -> None:
    image = builders.make_image(url="data:image/png;base64,AAAA")
    made = make_proof(lead_of(make_edition(), url="javascript:alert(1)", image=image))
    assert "javascript:" not in made.html + made.text
    assert "data:" not in made.html
    assert "<img" not in made.html


# Readable by everybody


@pytest.fixture(params=["edition", "arabic", "letter"])
def made(request: pytest.FixtureRequest) -> Proof:
    return a_proof(str(request.param))


def test_language_and_direction_stand_on_the_page_and_on_its_first_element(made: Proof) -> None:
    page = parser.document_fromstring(made.html)
    first = page.find("body/*[1]")
    assert first is not None
    assert (page.get("lang"), page.get("dir")) == (made.language, made.direction)
    assert (first.get("lang"), first.get("dir")) == (made.language, made.direction)
    if made.direction == "rtl":
        assert "direction:ltr" not in made.html.replace(" ", "")
        assert "text-align:left" not in made.html.replace(" ", "").replace("text-align:left;direction:rtl", "")


def test_there_is_one_h1_and_no_heading_is_skipped_or_empty(made: Proof) -> None:
    headings = list(parser.fromstring(made.html).iter("h1", "h2", "h3", "h4"))
    levels = [int(str(one.tag)[1]) for one in headings]
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(sorted(levels), sorted(levels)[1:], strict=False))
    assert all(text_of(one).strip() for one in headings)


def test_tables_are_of_layout_or_of_data(made: Proof) -> None:
    tables = parser.fromstring(made.html).findall(".//table")
    assert [one for one in tables if one.get("role") != "presentation" and one.find(".//th") is None] == []


def test_every_picture_has_alt_width_and_height() -> None:
    pictures = parser.fromstring(make_proof().html).findall(".//img")
    assert [(one.get("width"), one.get("height")) for one in pictures] == [("552", "310")]
    assert all(one.get("alt") and str(one.get("src")).startswith("https://worldbrief.test/media/") for one in pictures)


def test_a_picture_of_unknown_size_gets_the_usual_shape() -> None:
    made = make_proof(lead_of(make_edition(), image=builders.make_image(width=0, height=0)))
    assert 'height="368"' in made.html


def test_no_comment_but_outlooks_is_sent(made: Proof) -> None:
    assert re.findall(r"<!--(?!\[if |<!\[endif|>)", made.html) == []
    assert "<![endif]--><!--[if mso | IE]>" not in made.html


def test_every_link_of_the_html_stands_alone_on_a_line_of_the_text(made: Proof) -> None:
    hrefs = {unescape(href) for href in re.findall(r'href="(https?:[^"]*)"', made.html)}
    assert hrefs
    assert hrefs - {line.strip() for line in made.text.split("\n")} == set()


def test_lines_of_text_fit_the_page(made: Proof) -> None:
    wide = [line for line in made.text.split("\n") if plaintext.columns(line) > 72 and "://" not in line]
    assert wide == []
    assert not re.search(r"</?[a-z]+>", made.text)


def test_every_headline_stands_in_both_parts() -> None:
    made = make_proof()
    html, text = visible(made.html), " ".join(made.text.split())
    heads = [story.headline for story in make_edition().stories() if story.body]
    heads += [line.headline for story in make_edition().stories() for line in story.ranking]
    assert len(heads) == 9
    assert [head for head in heads if head not in html or head not in text] == []


def test_an_item_links_to_a_target_once() -> None:
    url = "https://worldbrief.test/once"
    made = make_proof(lead_of(make_edition(), url=url, body=f"Read [it]({url}) now."))
    assert made.html.count(f'"{url}"') == 1
    assert made.text.count(url) == 1


def test_a_summary_is_plain_text() -> None:
    made = make_proof(lead_of(make_edition(), body="", summary="5 * 3 * 2 [is] _thirty_ <b>"))
    assert "5 * 3 * 2 [is] _thirty_ <b>" in visible(made.html)
    assert "5 * 3 * 2 [is] _thirty_ <b>" in made.text


def test_a_brief_is_small_enough_for_gmail() -> None:
    assert len(make_proof().html.encode()) < 35_000
    many = tuple(make_item(number) for number in range(64))
    edition = make_edition(sections=(Section(slot="a", title="All", style="items", stories=many),))
    assert len(make_proof(edition).html.encode()) < 95_000


def test_the_footer_says_who_writes_why_and_how_to_leave(made: Proof) -> None:
    address, token = blank(made.nonce, "address"), blank(made.nonce, "token")
    for part in (made.html, made.text):
        assert make_site().postal_address in part
        assert "https://worldbrief.test/privacy" in part
        if made.kind == "edition":
            assert address in part
            assert f"https://worldbrief.test/u/{token}" in part
            assert f"https://worldbrief.test/preferences/{token}" in part
            assert "https://worldbrief.test/archive/world-brief/2026-11-23" in part


# Odd editions


def test_the_edition_may_have_a_headline_of_its_own() -> None:
    made = make_proof(make_edition(headline="Three Votes in One Week"))
    headings = [(one.tag, text_of(one)) for one in parser.fromstring(made.html).iter("h1", "h2")]
    assert headings[0] == ("h1", "Three Votes in One Week")
    assert headings[1] == ("h2", "Pacific Leaders Weigh a Pause on Mining the Deep Sea")
    assert "Three Votes in One Week" in made.text


def test_an_edition_of_nothing_is_still_a_letter() -> None:
    made = make_proof(make_edition(sections=(), notices=(), intro="", number=0))
    assert "<h1" in made.html
    assert "No. 0" not in made.html + made.text


@pytest.mark.parametrize("style", ["lead", "items", "links", "light", "agenda", "quiz", "figures"])
def test_a_section_without_stories_prints_its_text(style: str) -> None:
    section = Section(slot="x", title="A Title", style=style, text="No *news* today.")
    made = make_proof(make_edition(sections=(section,)))
    assert "No news today." in visible(made.html)
    assert "A Title" in made.text
    assert "No news today." in made.text


def test_a_list_of_plain_stories_is_ranked_too() -> None:
    section = Section(slot="x", title="Also", style="links", stories=(make_item(1), make_item(2, url="")))
    made = make_proof(make_edition(sections=(section,)))
    assert " 2. A smoke pact in Punjab" in made.text
    assert 'href="https://worldbrief.test/2026/11/item-1"' in made.html


def test_a_template_compiled_for_the_other_direction_is_refused() -> None:
    made = template.load(template.TEMPLATES / "world-brief", "rtl")
    with pytest.raises(TemplateError, match="compiled for rtl, asked for ltr"):
        proving.prove(made, make_edition(), builders.make_newsletter(), make_site())


# Letters, and blanks


def test_the_request_to_confirm_has_a_fixed_subject_and_nothing_else() -> None:
    made = make_letter()
    assert made.kind == "letter"
    assert made.subject == "Confirm your subscription to World Brief"
    assert "<img" not in made.html
    assert f"https://worldbrief.test/confirm/{blank(made.nonce, 'token')}" in made.text
    assert "expire in 72 hours" in made.text
    assert "ignore this letter" in made.text
    assert "every weekday" in visible(made.html)
    assert len(made.html.encode()) < 10_000


def test_a_letter_without_its_values_is_refused() -> None:
    made = template.load(template.TEMPLATES / "letters" / "confirm")
    with pytest.raises(TemplateError, match="hours"):
        proving.prove_letter(made, builders.make_newsletter(), make_site(), {})


def test_a_blank_is_plain_and_of_its_own_proof() -> None:
    one, other = make_proof(), make_proof(make_edition(intro="Other"))
    assert re.fullmatch(r"[a-z0-9]{12}", one.nonce)
    assert re.fullmatch(r"[a-z0-9]+", blank(one.nonce, "token"))
    assert one.nonce != other.nonce


def test_the_neutral_form_belongs_to_nobody(made: Proof) -> None:
    html, text = neutral(made)
    assert made.nonce not in html + text
    assert not re.search(r"/(u|preferences|confirm)/", html + text)
    if made.kind == "edition":
        assert "your address" in html
        assert 'href="https://worldbrief.test/"' in html


def test_the_sites_address_may_end_with_a_slash() -> None:
    made = make_proof(site=make_site(base_url="https://worldbrief.test/"))
    assert made.site == "https://worldbrief.test"
    assert "test//" not in made.html + made.text
