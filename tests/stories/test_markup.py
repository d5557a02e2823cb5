"""Strangers' text: no tags, no trackers, no control characters, and Markdown that means what the HTML meant."""

import html

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from newsletter.stories import markup

MARKDOWN = MarkdownIt("commonmark", {"html": False})


def body(text: str, base_url: str = "") -> str:
    return markup.markdown(markup.convert(text, base_url))


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Salt &amp; vinegar", "Salt & vinegar"),
        ("The port&amp;#8217;s return", "The port’s return"),
        ("&lt;b&gt;Bold&lt;/b&gt; move", "Bold move"),
        ("&lt;script&gt;alert(1)&lt;/script&gt;Calm", "Calm"),
        ("<b>Hi</b>&nbsp;there\n now", "Hi there now"),
        ("if a<b and c > d", "if a<b and c > d"),
        ("5 < 6", "5 < 6"),
        ("Be\x08ll\x00 \x96 da\u200bsh\u202e", "Bell – dash"),
        ("e\u0301t\u00e9", "été"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("half \ud800 pair", "half pair"),
        ("a<!-- hidden -->b", "ab"),
    ],
)
def test_plain_text_has_neither_tags_nor_control_characters(written: str, read: str) -> None:
    assert markup.plain(written) == read


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("<p>One <b>bold:</b> move</p><p>Two</p>", "One **bold**: move\n\nTwo"),
        ("<ul><li>one<li>two<ul><li>deep</ul></ul>", "- one\n- two\n  - deep"),
        ("<ol><li><p>a</p><p>b</p></li><li>c</li></ol>", "1. a\n\n   b\n\n2. c"),
        ("<blockquote><p>q1<p>q2</blockquote>after", "> q1\n>\n> q2\n\nafter"),
        ("<h2>Head</h2>text", "**Head**\n\ntext"),
        ("a<br>b", "a b"),
        ("<i>a</i><b>b</b>", "*a*b"),
        ('<a href="https://x.test/?utm_source=a#b">x</a>', "[x](https://x.test/#b)"),
        ('Wow!<a href="https://x.test/(y)">y</a>', "Wow\\![y](https://x.test/%28y%29)"),
        ('<a href="mailto:a@b.test?subject=x">mail</a>', "[mail](mailto:a@b.test)"),
        ('<a href="https://x.test/"><img src="https://pixel.test/1.gif"></a>', ""),
        ("1. not a list", "1\\. not a list"),
        ("# no [heading](x) *here* <y", "\\# no \\[heading\\](x) \\*here\\*"),
    ],
)
def test_html_becomes_the_markdown_that_means_the_same(written: str, read: str) -> None:
    assert body(written) == read


def test_relative_links_are_resolved_and_dangerous_ones_lose_their_target() -> None:
    assert body('<a href="/a">a</a>', "https://x.test/b/") == "[a](https://x.test/a)"
    for href in (
        "javascript:alert(1)",
        "data:text/html,x",
        "//[",
        "file:///etc/passwd",
        "ftp://x.test/",
        "",
        "vbscript:x",
    ):
        assert body(f'<p><a href="{href}">a</a></p>') == "a"


XSS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<iframe src='https://evil.test'></iframe>",
    "<a href='jAvAsCrIpT:alert(1)'>x</a>",
    "<a href='java\tscript:alert(1)'>x</a>",
    "<style>*{background:url(https://evil.test)}</style>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<p style='background:url(https://evil.test/1.gif)'>x</p>",
    "[x](javascript:alert(1))",
    "![x](https://evil.test/1.gif)",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "`<img src=x onerror=alert(1)>`",
    "&lt;img src=x onerror=alert(1)&gt;",
    "<https://evil.test/>",
)


@pytest.mark.parametrize("attack", XSS)
def test_no_attack_survives_as_an_element_or_a_link(attack: str) -> None:
    for text in (attack, f"<p>{attack}</p>", attack * 2):
        page = MARKDOWN.render(body(text))
        for sign in ("<img", "<script", "<svg", "<style", "<iframe", "<a ", "href"):
            assert sign not in page, page
        assert "<img" not in markup.plain(text)


@given(st.text(st.characters(codec="utf-8"), max_size=80))
def test_any_text_is_printed_as_it_is(text: str) -> None:
    wanted = " ".join(markup.tidy(text).split())
    page = MARKDOWN.render(markup.escape(wanted))
    shown = html.unescape(page.removeprefix("<p>").removesuffix("</p>\n"))
    assert " ".join(shown.split()) == wanted


@given(
    st.recursive(
        st.text(max_size=10),
        lambda inner: st.builds("<{0}>{1}</{0}> {2}".format, st.sampled_from(sorted(markup.KEPT)), inner, inner),
    )
)
def test_any_markup_becomes_text_without_unsafe_elements(text: str) -> None:
    page = MARKDOWN.render(body(text))
    assert "<img" not in page
    assert "<script" not in page


def test_what_is_mostly_links_is_no_summary_and_a_last_read_more_is_dropped() -> None:
    url = "https://x.test/story"
    related = '<p>Related: <a href="https://x.test/other">another long headline</a></p>'
    text = f'<p>It happened. </p>{related}<a href="{url}">Continue reading...</a>'
    blocks = markup.convert(text)
    assert markup.summary(blocks) == "It happened."
    assert markup.markdown(blocks, url).endswith("[another long headline](https://x.test/other)")


def test_a_standfirst_is_not_run_into_the_next_sentence() -> None:
    first = "Ministers meet again in Geneva as the harvest rots in the silos"
    assert markup.summary(markup.convert(f"<p>{first}</p><p>They did so on Sunday.</p>")) == first


def test_a_long_text_is_cut_at_a_sentence_or_else_at_a_word() -> None:
    sentence = "The minister said that the talks would go on until Friday. "
    assert markup.shorten(sentence * 20) == (sentence * 6).strip()
    words = markup.shorten("word " * 200)
    assert words.endswith("word…")
    assert len(words) <= markup.SUMMARY_CHARACTERS
    assert markup.shorten("橋が開通した。" * 100).endswith("。")


@given(st.text(max_size=900), st.integers(20, 500))
def test_a_shortened_text_is_never_longer_than_asked(text: str, most: int) -> None:
    assert len(markup.shorten(text, most)) <= most


@pytest.mark.parametrize(
    "attack",
    ["<div>" * 50_000, "<b>" * 50_000 + "x", "<ul><li>x" * 20_000, "<" * 300_000, "<a href='https://x.test/'>" * 9_000],
)
def test_hostile_nesting_ends_quickly(attack: str) -> None:
    assert isinstance(body(attack), str)
