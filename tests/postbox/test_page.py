"""What arrived, on the postbox's page: asked for by hand, and looked at in a real Chromium."""

import http.client
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Browser, sync_playwright

from newsletter.postbox import Arrived, Postbox, PostboxError, page, running
from newsletter.postbox.glance import glance, subject
from tests.conftest import missing

AT = datetime(2026, 11, 23, 5, 30, tzinfo=UTC)
HTML = b"<h1>Good morning</h1><script>document.title='taken over'</script><img src='http://127.0.0.1:9/pixel.png'>"
LETTER = (
    b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe_=26_more?=\r\nFrom: World Brief <brief@worldbrief.test>\r\n"
    b"To: reader@example.test\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=x\r\n\r\n"
    b"--x\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    b"Gr=C3=BC=C3=9Fe from the text\r\n--x\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + HTML + b"\r\n--x--\r\n"
)


@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A postbox with a folder and the port its page is on."""

    box: Postbox
    port: int
    names: list[str] = field(default_factory=list)

    def put(self, data: bytes = LETTER, reader: str = "reader@example.test") -> str:
        assert self.box.shelf is not None
        self.box.shelf.put(
            Arrived(mail_from="b+token@b.test", rcpt_to=(reader,), data=data, at=AT, beside=("RET=HDRS",))
        )
        return self.box.shelf.names()[0]

    def ask(self, path: str, method: str = "GET", **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request(method, path, headers={"Host": f"127.0.0.1:{self.port}"} | headers)
        with connection.getresponse() as response:
            body = response.read()
        connection.close()
        return Answer(status=response.status, headers=dict(response.getheaders()), body=body)


@pytest.fixture
def shown(tmp_path: Path) -> Iterator[Shown]:
    box = Postbox(folder=tmp_path / "letters", keep=False)
    with running(box), page.shown(box, 0) as port:
        yield Shown(box=box, port=port)


def test_an_empty_postbox_says_where_to_send(shown: Shown) -> None:
    answer = shown.ask("/")
    assert answer.status == 200
    assert "0 letters" in answer.text
    assert f"127.0.0.1:{shown.box.port}" in answer.text


def test_letters_are_listed_the_newest_first_and_fifty_at_a_time(shown: Shown) -> None:
    for n in range(60):
        shown.put(b"Subject: no %02d\r\n\r\nx\r\n" % n)
    first, second = shown.ask("/").text, shown.ask("/?from=50").text
    assert "60 letters" in first
    assert first.index("no 59") < first.index("no 10")
    assert "no 09" not in first
    assert "no 09" in second
    assert 'href="/?from=50"' in first
    assert 'href="/?from=0"' in second
    assert shown.ask("/?from=x").text == first
    assert shown.ask("/?from=1000000").status == 200


def test_a_letter_is_shown_with_its_envelope_and_in_four_views(shown: Shown) -> None:
    name = shown.put()
    letter = shown.ask(f"/letter/{name}").text
    for words in ("Grüße &amp; more", "b+token@b.test", "RET=HDRS", "reader@example.test", "05:30:00 UTC"):
        assert words in letter
    assert "Grüße from the text" in shown.ask(f"/letter/{name}?view=text").text
    assert "boundary=x" in shown.ask(f"/letter/{name}?view=headers").text
    assert "Gr=C3=BC=C3=9Fe" in shown.ask(f"/letter/{name}?view=source").text
    assert "&lt;script&gt;" in shown.ask(f"/letter/{name}?view=source").text
    assert shown.ask(f"/letter/{name}/letter.eml").body == LETTER


def test_a_letters_html_comes_sealed(shown: Shown) -> None:
    answer = shown.ask(f"/letter/{shown.put()}/html")
    assert answer.body == HTML
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert policy.endswith("sandbox")


def test_a_letter_without_html_opens_with_its_text_or_its_headers(shown: Shown) -> None:
    name = shown.put(b"Subject: plain\r\n\r\nJust <b>text</b>\r\n")
    letter = shown.ask(f"/letter/{name}").text
    assert "Just &lt;b&gt;text&lt;/b&gt;" in letter
    assert "view=html" not in letter
    name = shown.put(b"Content-Type: image/png\r\n\r\nx\r\n", "zz@example.test")
    assert "Content-Type: image/png" in shown.ask(f"/letter/{name}").text


@pytest.mark.parametrize(
    "path", ["/nowhere", "/letter/none.eml", "/letter/..%2Fsecret.eml", "/letter/%2e%2e/x", "/letter//etc/passwd"]
)
def test_what_is_no_letter_is_not_found(shown: Shown, path: str) -> None:
    shown.box.shelf and (shown.box.shelf.folder.parent / "secret.eml").write_text("secret")
    answer = shown.ask(path)
    assert (answer.status, "secret" in answer.text.replace("..%2Fsecret", "")) == (404, False)


def test_all_are_deleted_by_a_form_and_never_by_a_link(shown: Shown) -> None:
    shown.put()
    assert "Delete the letter?" in shown.ask("/clear").text
    assert "1 letter<" in shown.ask("/").text
    answer = shown.ask("/clear", "POST", Origin=f"http://127.0.0.1:{shown.port}")
    assert (answer.status, answer.headers["Location"]) == (303, "/")
    assert "0 letters" in shown.ask("/").text
    assert "Nothing to delete" in shown.ask("/clear").text


def test_a_folder_that_was_taken_away_is_an_empty_postbox(shown: Shown) -> None:
    shown.put()
    assert shown.box.shelf is not None
    shutil.rmtree(shown.box.shelf.folder)
    assert "0 letters" in shown.ask("/").text


def test_another_site_can_neither_delete_nor_read(shown: Shown) -> None:
    shown.put()
    assert shown.ask("/clear", "POST", Origin="https://evil.example").status == 403
    assert shown.ask("/clear", "POST", Origin="null").status == 403
    for host in ("evil.example", f"evil.example:{shown.port}", "127.0.0.1"):
        answer = shown.ask("/", Host=host)
        assert answer.status == 421
        assert "Grüße" not in answer.text
    assert "1 letter<" in shown.ask("/").text


def test_a_port_in_use_is_said_in_one_line(shown: Shown) -> None:
    with pytest.raises(PostboxError, match="the page cannot be opened") as caught, page.shown(shown.box, shown.port):
        pass
    assert "\n" not in str(caught.value)


@given(st.binary(max_size=400))
def test_whatever_a_letter_is_it_can_be_looked_at(data: bytes) -> None:
    found = glance(data)
    assert found.octets == len(data)
    assert "\n" not in found.subject + found.to
    assert all(isinstance(words, str) for words in subject(data))


@pytest.mark.parametrize(
    "head", [b"Subject: =?utf-8?b?broken", b"Subject: =?nothing?q?x?=", b"Subject: =?utf-8?q?a?=\r\n\t=?x"]
)
def test_a_broken_header_is_shown_as_it_came(head: bytes) -> None:
    assert glance(head + b"\r\n\r\nx").subject


def test_an_unknown_charset_is_read_as_well_as_can_be() -> None:
    assert glance(b"Content-Type: text/plain; charset=martian\r\n\r\nhello\r\n").text == "hello\n"


# --- in a browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for the tests of this file."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        missing("browser", "no Chromium on this machine (Debian: chromium)")
    with sync_playwright() as playwright:
        one = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield one
        one.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_person_reads_a_letter_on_a_phone_and_throws_all_away(shown: Shown, browser: Browser, scheme: str) -> None:
    shown.put()
    context = browser.new_context(viewport={"width": 320, "height": 640}, color_scheme=scheme)  # type: ignore[arg-type]
    window = context.new_page()
    window.goto(f"http://127.0.0.1:{shown.port}/")
    ground = window.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(20, 22, 26)")
    assert "Georgia" in window.evaluate("getComputedStyle(document.querySelector('h1')).fontFamily")
    window.get_by_role("link", name="Grüße & more").click()
    sheet = window.frame_locator("iframe")
    sheet.get_by_role("heading", name="Good morning").wait_for()
    assert window.title() == "Grüße & more: World Brief Postbox", "no script of the letter ran"
    handle = window.locator("iframe").element_handle()
    frame = handle.content_frame() if handle else None
    assert frame is not None
    assert frame.evaluate("origin") == "null"
    for view in ("Text", "Headers", "Source", "HTML"):
        window.get_by_role("link", name=view, exact=True).click()
        assert window.locator("[aria-current]").inner_text() == view
        window.wait_for_load_state()  # the style sheet, too
        assert window.evaluate("document.documentElement.scrollWidth") <= 320
        assert window.evaluate("[...document.querySelectorAll('.views a, .turn a')].every(a => a.offsetHeight >= 24)")
    window.get_by_role("link", name="All letters").click()
    window.get_by_role("link", name="Delete all").click()
    window.get_by_role("button", name="Delete").click()
    window.get_by_role("heading", name="0 letters").wait_for()
    context.close()
