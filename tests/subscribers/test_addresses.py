"""What counts as an address, and which spellings are one subscriber."""

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given
from hypothesis import strategies as st

from subscribers.addresses import MAX_OCTETS, Address
from subscribers.errors import InvalidAddress

HOSTILE = [
    "",
    " ",
    "@",
    "a@b",
    "a@x.org\r\nBcc: v@y.org",
    "a@x.org\n",
    "\na@x.org",
    "a@x.org%0aBcc:v@y.org",
    "a%0ab@x.org",
    "victim%elsewhere.org@x.org",
    "a\0@x.org",
    "a\u202eb@x.org",
    "a\u2066b@x.org",
    "a\u200bb@x.org",
    "a\u2028b@x.org",
    "a\u0085b@x.org",
    '"a b"@x.org',
    '"a"@x.org',
    "a@[127.0.0.1]",
    "a@[IPv6:::1]",
    "a@127.0.0.1",
    "a@localhost",
    "a@b@x.org",
    "a b@x.org",
    ".a@x.org",
    "a.@x.org",
    "a..b@x.org",
    "a@-x.org",
    "a@x-.org",
    "a@x..org",
    "a@.org",
    "a@x_y.org",
    "Ed <a@x.org>",
    "a@x.org, b@x.org",
    "a(comment)@x.org",
    "mailto:a@x.org\t;",
    "a" * 65 + "@x.org",
    "ü" * 33 + "@x.org",
    "a@" + ".".join(["b" * 63] * 4) + ".org",
    "a@x.org" * 200_000,
    "\udcff@x.org",
    "a@\udcff.org",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_is_no_address(text: str) -> None:
    with pytest.raises(InvalidAddress) as refusal:
        Address.parse(text)
    assert refusal.value.text == text
    assert "\n" not in str(refusal.value)


def test_the_local_part_stays_as_typed_and_the_domain_becomes_lower_case() -> None:
    address = Address.parse("  Anna.Smith+News@EXAMPLE.Org\t")
    assert address == Address(text="Anna.Smith+News@example.org", local="Anna.Smith+News", domain="example.org")


def test_international_domains_are_kept_as_a_labels() -> None:
    assert Address.parse("user@exämple.de").text == "user@xn--exmple-cua.de"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Anna@Example.org", "anna@example.ORG"),
        ("user@exämple.de", "user@xn--exmple-cua.de"),
        ("üser@example.org", "u\u0308ser@example.org"),
        ("ÜSER@example.org", "üser@example.org"),
        ("straße@example.org", "STRASSE@example.org"),
    ],
)
def test_twins_are_one_subscriber(one: str, other: str) -> None:
    assert Address.parse(one).identity == Address.parse(other).identity


@pytest.mark.parametrize(
    ("one", "other"),
    [("a.b@example.org", "ab@example.org"), ("a+b@example.org", "a@example.org"), ("a@x.org", "a@y.org")],
)
def test_what_may_be_two_people_stays_two_subscribers(one: str, other: str) -> None:
    assert Address.parse(one).identity != Address.parse(other).identity


@pytest.mark.parametrize("text", ["j.o.e@gmail.com", "joe+1@googlemail.com", "JOE+x+y@gmail.com", "j.oe@gmail.com"])
def test_spellings_of_one_mailbox_are_counted_as_one(text: str) -> None:
    assert Address.parse(text).mailbox == "joe@gmail.com"


def test_a_mailbox_of_nothing_but_a_tag_is_itself() -> None:
    assert Address.parse("+tag@example.org").mailbox == "+tag@example.org"


def test_the_masked_form_shows_one_letter() -> None:
    assert Address.parse("anna@example.org").masked == "a…@example.org"


def test_addresses_that_need_smtputf8_say_so() -> None:
    assert Address.parse("üser@example.org").needs_smtputf8
    assert not Address.parse("user@exämple.de").needs_smtputf8


@given(
    st.text(max_size=80)
    | st.emails()
    | st.builds("{}@{}".format, st.text(max_size=70), st.sampled_from(["x.org", "ü.de"]))
)
def test_anything_typed_is_refused_or_safe_to_write_to(text: str) -> None:
    try:
        address = Address.parse(text)
    except InvalidAddress:
        return
    assert address.text == f"{address.local}@{address.domain}"
    assert address.text.isprintable()
    assert not set(address.text) & set('\r\n\0 "<>()[],;:\\%')
    assert len(address.local.encode()) <= 64
    assert len(address.text.encode()) <= MAX_OCTETS
    assert address.domain.isascii()
    assert Address.parse(address.text) == address
    assert Address.parse(address.text).identity == address.identity


@given(
    st.from_regex(r"[A-Za-z0-9_.+-]{1,70}", fullmatch=True),
    st.sampled_from(["X.org", "exämple.de", "a.test", "b", "-x.org"]),
)
def test_the_short_way_for_plain_addresses_says_what_the_library_says(local: str, domain: str) -> None:
    try:
        found = validate_email(f"{local}@{domain}", check_deliverability=False, strict=True, test_environment=True)
    except EmailNotValidError:
        with pytest.raises(InvalidAddress):
            Address.parse(f"{local}@{domain}")
    else:
        assert Address.parse(f"{local}@{domain}").text == f"{found.local_part}@{found.ascii_domain}"
