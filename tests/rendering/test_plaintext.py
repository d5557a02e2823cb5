"""Seventy-two columns, whole addresses, and no word lost."""

from hypothesis import given
from hypothesis import strategies as st

from newsletter.rendering import plaintext, prose
from newsletter.rendering.plaintext import columns, wrap

texts = st.text(alphabet="ab é.,-(“”)。\u00a0中文ก👩‍👩‍👧 \n", max_size=400)


@given(texts)
def test_no_line_is_wider_than_the_page_and_no_character_is_lost(text: str) -> None:
    lines = wrap(text, "1. ", "   ").split("\n")
    assert max(map(columns, lines)) <= plaintext.WIDTH + 2
    assert "".join("".join(lines)[3:].split()) == "".join(text.split())


def test_wide_characters_count_twice() -> None:
    assert [columns(line) for line in wrap("中" * 50).split("\n")] == [72, 28]


def test_a_line_of_chinese_does_not_begin_with_a_full_stop() -> None:
    assert wrap("中" * 36 + "。。" + "文").split("\n") == ["中" * 36 + "。", "。文"]


def test_a_long_address_stays_whole_on_its_line() -> None:
    url = "https://worldbrief.test/" + "a" * 90
    assert wrap(f"see {url} for more", "- ", "  ").split("\n") == ["- see", f"  {url}", "  for more"]


def test_link_targets_stand_alone_under_their_paragraph() -> None:
    blocks = prose.blocks("One [a](https://a.test/) two [b](https://b.test/).\n\n> [c](https://c.test/)", "")
    assert plaintext.prose(blocks).split("\n") == [
        "One a two b.",
        "https://a.test/",
        "https://b.test/",
        "",
        "> c",
        "  https://c.test/",
    ]


def test_a_tight_list_is_tight_and_a_nested_one_indented() -> None:
    blocks = prose.blocks("Before:\n\n1. one\n2. two\n   - deep\n\nAfter.", "")
    written = ["Before:", "", "1. one", "2. two", "   - deep", "", "After."]
    assert plaintext.prose(blocks).split("\n") == written


def test_a_list_nested_deeply_keeps_room_for_words() -> None:
    markdown = "\n".join(" " * (2 * depth) + "- " + "word " * 30 for depth in range(20))
    lines = plaintext.prose(prose.blocks(markdown, "")).split("\n")
    assert max(map(columns, lines)) <= plaintext.WIDTH


def test_a_title_stands_over_a_rule_of_its_own_length() -> None:
    assert plaintext.title("Odds") == "Odds\n----"


def test_tidying_leaves_no_more_than_two_blank_lines() -> None:
    assert plaintext.tidy("\n\na  \n\n\n\n\nb") == "a\n\n\nb\n"
