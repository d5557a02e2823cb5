"""The Markdown subset: what passes, what is text, and that both parts say the same."""

import re
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.rendering import prose

SITE = "https://worldbrief.test"
marks = st.text(alphabet="ab *_[]()<>!#>-1.\\`&;\n\r\t/:é中\u00a0", max_size=120)


def words(markup: str) -> list[str]:
    return unescape(re.sub(r"<[^>]*>", " ", markup)).split()


def hrefs(markup: str) -> list[str]:
    return [unescape(href) for href in re.findall(r'href="([^"]*)"', markup)]


def test_paragraphs_lists_quotes_and_emphasis_become_html() -> None:
    made = prose.html("One *two* **three**\n\n- a\n- b\n\n> quoted\n\n1. first", SITE)
    assert made.split("\n") == [
        "<p>One <em>two</em> <strong>three</strong></p>",
        *("<ul>", "<li>a</li>", "<li>b</li>", "</ul>"),
        *("<blockquote>", "<p>quoted</p>", "</blockquote>"),
        *("<ol>", "<li>first</li>", "</ol>"),
    ]


def test_html_in_a_story_is_text() -> None:
    made = prose.html("<script>alert(1)</script> <mj-text>x</mj-text> <img src=x onerror=y>", SITE)
    assert made.startswith("<p>&lt;script&gt;alert(1)&lt;/script&gt; &lt;mj-text&gt;")
    assert "<script" not in made
    assert "<img" not in made


def test_a_link_keeps_its_target_and_nothing_else() -> None:
    assert (
        prose.html('[a](https://x.org/?b=1&c=2 "title")', SITE) == '<p><a href="https://x.org/?b=1&amp;c=2">a</a></p>'
    )


def test_a_site_relative_link_gets_the_sites_address() -> None:
    assert hrefs(prose.html("[a](/about)", SITE + "/")) == [f"{SITE}/about"]


@pytest.mark.parametrize(
    "target", ["javascript:alert(1)", "JaVaScRiPt:x", "data:text/html,x", "//evil.test", "file:///etc", "x"]
)
def test_a_link_to_no_safe_address_leaves_its_words(target: str) -> None:
    assert prose.html(f"see [the words]({target}) here", SITE) == "<p>see the words here</p>"
    assert prose.address(target, SITE) == ""


def test_a_heading_of_the_editors_is_a_paragraph() -> None:
    assert prose.html("## Heading", SITE) == "<p>Heading</p>"


@pytest.mark.parametrize("hostile", ["> ", "- ", "[", "*", "<div>", "[a](", "**_", "1. ", "&#x92;"])
def test_twenty_thousand_marks_are_only_marks(hostile: str) -> None:
    assert len(prose.html(hostile * 20_000, SITE)) < 400_000
    prose.blocks(hostile * 20_000, SITE)


def test_carriage_returns_change_nothing() -> None:
    assert prose.html("a\r\n\r\n- b\r- c", SITE) == prose.html("a\n\n- b\n- c", SITE)


def test_a_run_in_head_ends_with_one_full_stop() -> None:
    assert prose.run_in("Who won?", "<p>Nobody.</p>") == '<p><strong class="head">Who won?</strong> Nobody.</p>'
    assert prose.run_in("A head", "<ul></ul>") == '<p><strong class="head">A head.</strong></p><ul></ul>'


@given(marks)
def test_both_parts_have_the_same_words_and_the_same_links(markdown: str) -> None:
    made = prose.html(markdown, SITE)
    blocks = prose.blocks(markdown, SITE)
    assert "".join(words(made)) == "".join(word for block in blocks for word in block.text.split())
    assert tuple(dict.fromkeys(hrefs(made))) == tuple(dict.fromkeys(link for block in blocks for link in block.links))
    assert set(hrefs(made)) == set(prose.links(markdown, SITE))


@given(marks)
def test_no_other_tag_ever_passes(markdown: str) -> None:
    tags = set(re.findall(r"<\s*/?\s*([a-zA-Z!?][^\s>/]*)", prose.html(markdown, SITE)))
    assert tags <= prose.TAGS
