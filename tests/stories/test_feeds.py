"""Every format, every encoding, every broken or hostile document: its stories, or one clear error."""

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.errors import FeedError
from newsletter.stories import feeds
from newsletter.stories.story import Feed, Story

CORPUS = Path(__file__).parents[1] / "corpus" / "feeds"
OURS = CORPUS / "ours"


def read(file: Path) -> Feed:
    return feeds.parse(file.read_bytes(), source=file.name)


def only(name: str) -> Story:
    (story,) = read(OURS / name).stories
    return story


def rss(items: str, head: str = "") -> bytes:
    return f'{head}<rss version="2.0"><channel><title>T</title>{items}</channel></rss>'.encode()


@pytest.mark.parametrize(
    ("name", "stories", "refused"),
    [
        ("guardian.rss", 55, 0),
        ("heise.atom", 15, 0),
        ("heraldsun.rss", 2, 0),
        ("incomplete-fields.atom", 0, 1),
        ("uolNoticias.rss", 15, 0),
        ("windows-1251.xml", 50, 0),
        ("windows-1252-incorrect-prolog.xml", 0, 0),
    ],
)
def test_a_publishers_feed_gives_its_stories(name: str, stories: int, refused: int) -> None:
    feed = read(CORPUS / name)
    assert (len(feed.stories), len(feed.refused)) == (stories, refused)
    for story in feed.stories:
        for text in (story.headline, story.summary, story.byline, story.outlet):
            assert not any(
                sign in text for sign in ("<p", "<a ", "<br", "<img", "&amp;", "&#", "�", "Ã", "â€", "\n")
            ), text
        assert story.outlet == feed.title
        assert story.url.startswith("http")
        assert "utm_" not in story.url + story.body
        assert "wt_mc" not in story.url
        assert story.image is None


def test_a_page_that_moved_is_no_feed() -> None:
    with pytest.raises(FeedError, match="no feed but a web page"):
        read(CORPUS / "unrecognized.rss")


def test_an_item_without_a_headline_is_refused_by_name() -> None:
    (refusal,) = read(CORPUS / "incomplete-fields.atom").refused
    assert (refusal.item, refusal.reason) == ("item 1", "has no headline")


def test_legacy_encodings_come_out_right() -> None:
    assert read(CORPUS / "windows-1251.xml").stories[0].headline == "Цитата #17703"
    first = read(CORPUS / "uolNoticias.rss").stories[0]
    assert "simulações de 2º turno" in first.headline
    assert first.published_at == datetime(2018, 9, 24, 22, 42, 40, tzinfo=UTC)
    assert read(CORPUS / "windows-1252-incorrect-prolog.xml").title == "Euro €"


def test_a_real_item_is_read_whole() -> None:
    story = read(CORPUS / "guardian.rss").stories[0]
    assert story.headline == "Trump State of the Union address promised unity but emphasized discord"
    assert story.byline == "David Smith in Washington"
    assert story.published_at == datetime(2018, 1, 31, 7, 26, 5, tzinfo=UTC)
    assert story.language == "en-gb"
    assert story.tags[:2] == ("Donald Trump", "State of the Union address")
    assert story.summary.startswith("The president’s ‘new American moment’ speech")
    assert "Continue reading" not in story.summary + story.body


@pytest.mark.parametrize(
    ("name", "headline"),
    [
        ("koi8-r.xml", 'Мост открыт - "наконец"'),
        ("utf-16.xml", "Мост открыт — «наконец»"),
        ("utf-16-no-bom.xml", "Мост открыт — «наконец»"),
        ("utf-8-bom.xml", "Мост открыт — «наконец»"),
        ("says-utf-16-is-utf-8.xml", "Мост открыт — «наконец»"),
        ("says-windows-1251-is-utf-8.xml", "Мост открыт — «наконец»"),
        ("says-utf-8-is-windows-1252.xml", "Cafés “open” – at last"),
        ("shift_jis.xml", "橋が①日早く開通～本日"),
        ("no-encoding-latin-1.xml", "Élections à Orléans : le maire réélu"),
        ("utf-8-cut-character.xml", "Élan, déjà vu, très près, où ça"),
        ("unescaped.xml", "Salt & vinegar – AT&T…"),
        ("control-characters.xml", "Bell and – dash é"),
        ("headers-in-headline.xml", "=?utf-8?q?x=0d=0aBcc:_v@x.org?= Bcc: v@x.org"),
        ("rss-0.91.xml", "Ferry returns & the port reopens"),
        ("rss-0.92.xml", "Second item"),
        ("rss-1.0.rdf", "A comet passes"),
        ("atom-0.3.xml", "Le bac est de retour"),
        ("atom-1.0.xml", "5 < 6, and AT&T"),
    ],
)
def test_a_headline_comes_out_as_it_was_meant(name: str, headline: str) -> None:
    assert only(name).headline == headline


def test_rss_2_is_read_whole() -> None:
    feed = read(OURS / "rss-2.0.xml")
    story = feed.stories[0]
    assert story.headline == "Grain talks resume in Odesa"
    assert (story.url, story.guid) == ("https://ledger.test/grain?id=7", "ledger-7")
    assert (story.byline, story.tags, story.language) == ("Ada Byrne", ("Trade", "Ukraine"), "en-GB")
    assert story.published_at == datetime(2026, 11, 23, 3, tzinfo=UTC)
    assert story.summary == "Ministers met again on Sunday."
    assert story.body == (
        "Ministers met *again* on Sunday.\n\n"
        "They [return](https://ledger.test/background) on Monday. No\n\n- Wheat\n- Maize"
    )
    by_mail, bare = feed.stories[1:]
    assert (by_mail.byline, by_mail.published_at, by_mail.url) == ("", None, "https://ledger.test/8")
    assert bare.guid.startswith("headline:")
    assert [one.item for one in feed.refused] == ["item 4", "item 5"]
    assert feed.refused[0].reason.startswith("has the same guid as item 3")


def test_atom_resolves_its_links_and_names_all_authors() -> None:
    story = only("atom-1.0.xml")
    assert (story.url, story.byline) == ("https://base.test/news/one", "Ida, Otto")
    assert story.body == "One **bold** move.\n\n> Quoted."
    assert story.updated_at == datetime(2026, 11, 22, tzinfo=UTC)


def test_json_feed_is_read() -> None:
    feed = read(OURS / "json-feed-1.1.json")
    first, second = feed.stories
    assert (first.url, first.guid, first.byline) == ("https://field.test/one", "1", "Rhea, Tom")
    assert first.body == "Long *ago*.\n\nAnd [now](https://field.test/two)."
    assert first.published_at == datetime(2026, 11, 20, 13, tzinfo=UTC)
    assert (second.guid, second.summary) == ("2", "Plain * text.")
    assert [(one.item, one.reason) for one in feed.refused] == [
        ("item 3", "has no headline"),
        ("item 4", "is no object"),
    ]


def test_a_feed_without_items_is_no_error() -> None:
    assert read(OURS / "no-items.xml").stories == ()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("truncated.xml", "is cut off"),
        ("web-page.html", "web page"),
        ("empty.xml", "is empty"),
        ("blank.xml", "is empty"),
        ("binary.xml", "is no feed"),
        ("opml.xml", "list of feeds"),
        ("xxe.xml", "declares XML entities"),
        ("billion-laughs.xml", "declares XML entities"),
        ("broken.json", "is no JSON"),
        ("other.json", "neither a JSON Feed nor stories"),
    ],
)
def test_what_is_no_feed_is_one_clear_error(name: str, reason: str) -> None:
    with pytest.raises(FeedError, match=reason) as caught:
        read(OURS / name)
    assert caught.value.source == name
    assert "\n" not in str(caught.value)


def test_a_long_description_is_cut_at_a_sentence_while_the_body_keeps_it() -> None:
    sentence = "The minister said that the talks would go on until Friday at the latest. "
    (story,) = feeds.parse(
        rss(f"<item><title>A</title><description>{sentence * 30}</description></item>"), source="x"
    ).stories
    assert story.summary == (sentence * 5).strip()
    assert story.body == (sentence * 30).strip()


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ("Mon, 23 Nov 2026 04:00:00 GMT", datetime(2026, 11, 23, 4, tzinfo=UTC)),
        ("2026-11-23T04:00:00", datetime(2026, 11, 23, 4, tzinfo=UTC)),
        ("Seg, 24 Set 2018 19:42:40 -0300", datetime(2018, 9, 24, 22, 42, 40, tzinfo=UTC)),
        ("Thu, 01 Jan 1970 00:00:00 GMT", None),
        ("9" * 5_000, None),
        ("Mon, 99 Nov 99999 99:99:99 +9999", None),
    ],
)
def test_a_date_is_read_or_none(written: str, read_as: datetime | None) -> None:
    item = f"<item><title>A</title><pubDate>{written}</pubDate></item>"
    assert feeds.parse(rss(item), source="x").stories[0].published_at == read_as


def test_an_address_that_is_no_web_page_is_dropped() -> None:
    item = "<item><title>A</title><link>javascript:alert(1)</link><guid isPermaLink='false'>1</guid></item>"
    assert feeds.parse(rss(item), source="x").stories[0].url == ""


def test_a_name_of_ours_wins_over_the_feeds_title() -> None:
    feed = feeds.parse(rss("<item><title>A</title></item>"), source="x", name="The Ledger")
    assert (feed.title, feed.stories[0].outlet) == ("The Ledger", "The Ledger")


@pytest.mark.parametrize(
    "document",
    [
        rss("<a>" * 50_000),
        rss("<item><title>" * 50_000),
        rss("<![CDATA[" * 50_000),
        rss("<" * 200_000),
        rss("&" * 200_000),
        rss("<item a='" * 20_000),
        rss("<item><title>x</title><pubDate>" + "2020-" * 20_000 + "</pubDate></item>"),
        rss("<item><title>x</title><author>" + "(" * 50_000 + "</author></item>"),
        rss("<item xml:base='http://['><title>x</title><link>a</link></item>"),
        rss("<item><title>x</title></item>" * 3_000),
        b"[" * 200_000,
        b'{"stories": ' + b"9" * 10_000 + b"}",
        b"---\n" * 50_000,
    ],
)
def test_hostile_documents_end_quickly_in_stories_or_one_error(document: bytes) -> None:
    with suppress(FeedError):
        assert isinstance(feeds.parse(document, source="x"), Feed)


@given(st.sampled_from(sorted(OURS.glob("*.*"))), st.data())
def test_a_damaged_document_is_stories_or_a_feed_error(file: Path, data: st.DataObject) -> None:
    whole = bytearray(file.read_bytes() or b"<")
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(whole) - 1))
        whole[at : at + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=5))
        whole = whole or bytearray(b"<")
    try:
        feed = feeds.parse(bytes(whole), source="x")
    except FeedError:
        return
    assert all(story.headline for story in feed.stories)


@pytest.mark.parametrize(
    ("said", "month"),
    [
        ("Qua, 5 Fev 2026 07:00:00 -0300", 2),
        ("miércoles, 5 de", None),
        ("mer., 5 août 2026 07:00:00 +0200", 8),
        ("mer., 5 juil. 2026 07:00:00 +0200", 7),
        ("Mi, 5 Mär 2026 07:00:00 +0100", 3),
        ("Mi, 5 Dez 2026 07:00:00", 12),
        ("gio, 5 Giu 2026 07:00:00 +0200", 6),
        ("5 Foo 2026 07:00:00", None),
        ("99 Dez 2026 07:00:00", None),
    ],
)
def test_a_date_with_another_languages_month_is_understood_or_none(said: str, month: int | None) -> None:
    item = f"<item><title>One</title><link>https://worldbrief.test/1</link><pubDate>{said}</pubDate></item>"
    data = f"<rss version='2.0'><channel><title>F</title>{item}</channel></rss>".encode()
    [story] = feeds.parse(data, source="f.rss").stories
    assert (story.published_at.month if story.published_at else None) == month
