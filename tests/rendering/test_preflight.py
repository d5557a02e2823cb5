"""Each blocking check has a fault that it alone finds; a clean proof has no finding at all."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from html import escape
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.editions.edition import Edition, Section
from newsletter.rendering.preflight import RULES, Context, Finding, Severity, blocking, inspect
from newsletter.rendering.preflight.content import target_fault
from newsletter.rendering.proof import Mailbox, Proof, blank
from newsletter.stories.story import AgendaItem
from tests.builders import (
    MONDAY,
    MORNING,
    make_agenda,
    make_edition,
    make_image,
    make_item,
    make_letter,
    make_most_read,
    make_odds,
    make_proof,
    make_site,
    make_story,
)

NONCE = "k3j9x0q2m5aa"
TOKEN, READER = blank(NONCE, "token"), blank(NONCE, "address")
POSTAL = "1 Printing House Lane, London EC4A 1AA, United Kingdom"
CONTEXT = Context(
    now=MORNING,
    send_at=datetime(2026, 11, 23, 10, 30, tzinfo=UTC),
    timezone="America/New_York",
    last_subject="Ballots in Bern, a ferry strike, and a lost heron",
    postal_address=POSTAL,
    base_url="https://worldbrief.test",
    actual_digest="d1",
    edited_by="ana",
)
LEAD = make_story(body="A pause of ten years is [proposed](https://worldbrief.test/2026/11/suva-draft) in Suva today.")
ITEM = make_item(2, image=None)
AGENDA = make_agenda()
HTML = f"""<!doctype html><html lang="en" dir="ltr"><head><meta charset="utf-8"><title>World Brief</title>
<style>.page {{ color: #1a1a1a }} @media (prefers-color-scheme: dark) {{ .page {{ color: #eeeeee }} }}</style></head>
<body><div style="display:none">Plus a smoke pact in Punjab, and the week ahead.</div>
<!--[if mso | IE]><table role="presentation"><tr><td><![endif]-->
<div lang="en" dir="ltr" class="page"><table role="presentation"><tr><td>
<h1>{LEAD.headline}</h1>
<img src="https://worldbrief.test/media/suva-assembly.jpg" alt="{make_image().alt}" width="600" height="338">
<p>A pause of ten years is <a href="https://worldbrief.test/2026/11/suva-draft">proposed</a> in Suva today.</p>
<p><a href="{LEAD.url}">Continue at World Brief</a></p>
<h2>What We’re Following</h2><h3>{ITEM.headline}</h3><p>{ITEM.body}</p>
<h2>The World This Week</h2>
<table><tr><th>Day</th><th>Event</th></tr><tr><td>Tuesday</td><td>Vote on automated checks at the outer border
<a href="https://worldbrief.test/2026/11/border-vote">in Strasbourg</a></td></tr></table>
<p>World Brief, {POSTAL}. Sent to {READER}.</p>
<p><a href="https://worldbrief.test/u/{TOKEN}">Unsubscribe</a>
<a href="mailto:desk@worldbrief.test">Write to us</a></p>
</td></tr></table></div><!--[if mso | IE]></td></tr></table><![endif]--></body></html>"""
TEXT = f"""{LEAD.headline}

A pause of ten years is proposed in Suva today.
https://worldbrief.test/2026/11/suva-draft
Continue at World Brief: {LEAD.url}

WHAT WE’RE FOLLOWING

{ITEM.headline}
The two Punjabs, Indian and Pakistani, signed their first joint rule on
stubble fires. Each side will count the other’s fires by satellite and
publish the sum at noon.

The World This Week
Tuesday: Vote on automated checks at the outer border in Strasbourg
https://worldbrief.test/2026/11/border-vote

World Brief, 1 Printing House Lane, London EC4A 1AA,
United Kingdom. Sent to {READER}.
Unsubscribe: https://worldbrief.test/u/{TOKEN}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """All that an inspection takes, to break one thing in."""

    proof: Proof
    edition: Edition | None
    context: Context = CONTEXT

    def inspect(self) -> list[Finding]:
        return inspect(self.proof, self.edition, self.context)


def clean() -> Desk:
    sections = (
        Section(slot="lead", title="", style="lead", stories=(LEAD,)),
        Section(slot="following", title="What We’re Following", style="items", stories=(ITEM,)),
        Section(slot="agenda", title="The World This Week", style="agenda", stories=(AGENDA,)),
    )
    edition = make_edition(sections=sections)
    proof = Proof(
        kind="edition",
        newsletter="world-brief",
        on=MONDAY,
        number=412,
        subject=edition.subject,
        preheader=edition.preheader,
        sender=Mailbox(name="World Brief", address="brief@worldbrief.test"),
        list_id="brief.worldbrief.test",
        list_name="World Brief",
        language="en",
        direction="ltr",
        site="https://worldbrief.test",
        html=HTML,
        text=TEXT,
        nonce=NONCE,
        template_digest="t",
        content_digest="c",
    )
    return Desk(proof=proof, edition=edition)


Fault = Callable[[Desk], Desk]


def proof(**changes: Any) -> Fault:
    return lambda desk: replace(desk, proof=replace(desk.proof, **changes))


def html(old: str, new: str) -> Fault:
    assert old in HTML, old
    return proof(html=HTML.replace(old, new, 1))


def text(old: str, new: str) -> Fault:
    assert old in TEXT, old
    return proof(text=TEXT.replace(old, new, 1))


def adding(markup: str) -> Fault:
    return html("<p>World Brief,", f"{markup}<p>World Brief,")


def edition(**changes: Any) -> Fault:
    return lambda desk: replace(desk, edition=replace(desk.edition, **changes) if desk.edition else None)


def lead(**changes: Any) -> Fault:
    def change(desk: Desk) -> Desk:
        assert desk.edition
        first = replace(desk.edition.sections[0], stories=(replace(LEAD, **changes),))
        return edition(sections=(first, *desk.edition.sections[1:]))(desk)

    return change


def context(**changes: Any) -> Fault:
    return lambda desk: replace(desk, context=replace(desk.context, **changes))


IMG = 'width="600" height="338">'
ALT = f'alt="{make_image().alt}"'
LINK = '<a href="https://worldbrief.test/2026/11/suva-draft">'
LONG_CSS = "".join(f".rule-{n} {{ color: #1a1a1a }}\n" for n in range(700))

FAULTS: list[tuple[str, Fault]] = [
    ("C1", html("in Suva today", "in {{ place }} today")),
    ("C1", html("in Suva today", "in {% place %} today")),
    ("C1", html("in Suva today", "in %%place%% today")),
    ("C1", html('width="600"', 'width="600" title="\\u{a0}"')),
    ("C1", text("in Suva today", "in {{ place }} today")),
    ("C1", proof(subject="Pacific leaders weigh {{ headline }}")),
    ("C1", proof(preheader="Plus: {{ teaser }}, and a lighthouse in a sweater.")),
    ("C1", html("Write to us", f"Write to us {blank(NONCE, 'name')}")),
    ("C2", html("</body>", f"<!--[if mso]>{'x' * 100_000}<![endif]--></body>")),
    ("C3", html("<style>", f"<style>{LONG_CSS}")),
    ("C3", html(".page { color: #eeeeee }", "@supports (color: red) { .page { color: #eeeeee } }")),
    ("C3", html("color: #1a1a1a", "color: hsl(0 0% 10%)")),
    ("C3", html('class="page"', 'class="page" style="color: HSLA(0, 0%, 10%, 1)"')),
    ("C4", html("in Suva today", "in Suva\u0092 today")),
    ("C4", html("in Suva today", "in Suva\x07 today")),
    ("C4", html("in Suva today", "in Su\ufffda today")),
    ("C4", html("in Suva today", "in SÃ£o Tome today")),
    ("C4", html("in Suva today", "in Suvaâ€™s today")),
    ("C4", html("in Suva today", "in Que\u0301bec today")),
    ("C4", text("in Suva today", "in Suva\u0092 today")),
    ("C4", proof(subject="Pacific leaders weigh a pause\x00 on mining")),
    ("C4", proof(sender=Mailbox(name="World Brief", address="brief"))),
    ("C4", proof(list_id="no list id")),
    ("C4", proof(language="en", list_name="x" * 3_000, reply_to="täglich@worldbrief.test")),
    ("C5", adding("<!-- ask Ana whether this is true -->")),
    ("C5", adding("<script>track()</script>")),
    ("C5", adding("<form><input name='email'></form>")),
    ("C5", adding("<iframe src='https://worldbrief.test/'></iframe>")),
    ("C5", adding("<p onclick='track()'>x</p>")),
    ("C5", adding('<img src="data:image/gif;base64,R0lGODlh" alt="A dot" width="1" height="1">')),
    ("C5", adding('<img src="cid:picture" alt="A dot" width="1" height="1">')),
    ("C5", html("<style>", "<style>@import url(https://fonts.googleapis.com/css?family=Ubuntu);")),
    ("C5", html("<title>", '<link rel="stylesheet" href="https://worldbrief.test/a.css"><title>')),
    ("C5", html("<title>", '<base href="https://worldbrief.test/"><title>')),
    ("C6", html('<html lang="en"', '<html lang="und"')),
    ("C6", html('<html lang="en" dir="ltr"', '<html lang="en"')),
    ("C6", html('<div lang="en"', "<div")),
    ("C6", html('<div lang="en" dir="ltr"', '<div lang="en" dir="auto"')),
    ("C6", proof(language="de")),
    ("C7", html('class="page"><table role="presentation">', 'class="page"><table>')),
    ("C7", html("<th>Day</th><th>Event</th>", "<td>Day</td><td>Event</td>")),
    ("C8", html(ALT, "")),
    ("C8", html(ALT, 'alt="suva-assembly.jpg"')),
    ("C8", html(ALT, 'alt="IMG_2041"')),
    ("C8", html(ALT, f'alt="{"A hall " * 20}"')),
    ("C8", html(IMG, 'height="338">')),
    ("C8", html(IMG, 'width="600">')),
    ("C8", html("https://worldbrief.test/media", "http://worldbrief.test/media")),
    ("C8", html("https://worldbrief.test/media", "/media")),
    (
        "C8",
        adding(f'{LINK}<img src="https://worldbrief.test/a.jpg" alt="" width="1" height="1"></a>'),
    ),
    ("C9", html(f"<h1>{LEAD.headline}</h1>", f"<h2>{LEAD.headline}</h2>")),
    ("C9", adding("<h1>Another</h1>")),
    ("C9", html("<h2>What We’re Following</h2>", "")),
    ("C9", adding("<h2> </h2>")),
    ("C10", adding('<a href="#">Nowhere</a>')),
    ("C10", adding("<a>Nowhere</a>")),
    ("C10", adding('<a href="/privacy">Privacy</a>')),
    ("C10", adding('<a href="http://worldbrief.test/privacy">Privacy</a>')),
    ("C10", adding('<a href="javascript:alert(1)">Privacy</a>')),
    ("C10", html(LINK + "proposed", LINK + "https://worldbrief.test/2026/11/suva-draft")),
    ("C10", html(LINK + "proposed", LINK)),
    ("C10", lead(body=LEAD.body + " It is [proposed](https://worldbrief.test/2026/11/suva-draft?utm_source=x) again.")),
    ("C12", html(LINK + "proposed", LINK + "click here")),
    ("C12", adding(f"{LINK}Read more</a> {LINK}Read more</a>")),
    ("C13", proof(html=HTML.replace(f"/u/{TOKEN}", f"/leave/{TOKEN}"), text=f"{TEXT}\nhttps://worldbrief.test/leave/{TOKEN}\n")),
    ("C13", html('<p><a href="https://worldbrief.test/u/', '<p style="display: none"><a href="https://worldbrief.test/u/')),
    ("C13", html("<body>", f"<body><!--[if mso]>{'x' * 90_001}<![endif]-->")),
    ("C13", html("EC4A 1AA", "")),
    ("C13", text(f"Unsubscribe: https://worldbrief.test/u/{TOKEN}", "Unsubscribe")),
    ("C13", text("1 Printing House Lane", "")),
    ("C13", context(postal_address=" ")),
    ("C14", proof(text=TEXT.replace(ITEM.headline, ""))),
    ("C14", proof(text=TEXT.replace("https://worldbrief.test/2026/11/border-vote", ""))),
    ("C14", text("proposed in Suva", "<strong>proposed</strong> in Suva")),
    ("C14", text("A pause of ten years", "A pause of ten years, as everybody at the meeting has said since Monday")),
    ("C14", text("A pause of ten years", "太平洋国家领导人周一在苏瓦开会讨论是否暂停深海采矿的计划以及")),
    ("C20", proof(subject="Pacific leaders " * 6)),
    ("C20", proof(subject=" ")),
    ("C20", proof(subject="Pacific leaders\r\nBcc: v@x.org")),
    ("C20", proof(subject="[TEST 0512] Pacific leaders weigh a pause")),
    ("C20", proof(subject="Ballots in Bern, a ferry strike,  and a lost heron")),
    ("C20", proof(preheader="Too short")),
    ("C20", proof(preheader="")),
    ("C20", proof(preheader="Too long, " * 12)),
    ("C20", lambda desk: proof(preheader=desk.proof.subject)(desk)),
    ("C21", edition(dateline="Tuesday, November 23, 2026")),
    ("C21", edition(dateline="Monday, November 22, 2026")),
    ("C21", edition(dateline="Monday, October 23, 2026")),
    ("C21", edition(on=date(2026, 11, 24), dateline="Tuesday, November 24, 2026", sections=())),
    ("C21", context(send_at=datetime(2026, 11, 24, 10, 30, tzinfo=UTC))),
    ("C21", context(send_at=datetime(2026, 11, 23, 10, 30, tzinfo=UTC), timezone="Pacific/Kiritimati")),
    ("C21", lead(embargo_until=CONTEXT.send_at + timedelta(minutes=1))),
    ("C21", lead(expires_at=CONTEXT.send_at)),
    ("C21", lead(body="The count is TK.")),
    ("C21", lead(body="XX ministers came.")),
    ("C21", lead(kicker="Lorem ipsum")),
    ("C21", lead(summary="Is it ten??")),
    ("C21", lead(image=make_image(credit="TKTK"))),
    ("C21", lead(outlet="")),
    ("C21", lead(checked_by=" ")),
    ("C21", edition(gaps=("odds",))),
    ("C21", edition(headline="Leaders weigh XX")),
    ("C21", edition(notices=("No edition on TK.",))),
    ("C21", edition(sections=(*clean().edition.sections, Section(slot="odds", title="Odds", style="light")))),  # type: ignore[union-attr]
    ("C21", edition(sections=(Section(
        slot="agenda", title="", style="agenda",
        stories=(make_agenda(agenda=(AgendaItem(on=date(2026, 11, 22), event="A vote"),)),)),))),
    ("C23", context(approved_digest="d0")),
    ("C23", context(two_person=True, approver="ana")),
]  # fmt: skip


def test_a_clean_proof_has_no_findings() -> None:
    assert clean().inspect() == []


def test_a_measured_list_needs_no_source_and_nobody_to_check_it() -> None:
    desk = clean()
    measured = Section(slot="most-read", title="", style="links", stories=(make_most_read(outlet="", checked_by=""),))
    assert desk.edition is not None
    edition = replace(desk.edition, sections=(*desk.edition.sections, measured))
    assert "C21" not in {one.rule for one in inspect(desk.proof, edition, CONTEXT)}


def test_the_shipped_template_makes_a_clean_proof() -> None:
    made = make_edition()
    sections = tuple(
        replace(one, stories=tuple(replace(story, outlet="World Brief") for story in one.stories))
        for one in made.sections
    )
    made = replace(made, sections=sections)
    assert inspect(make_proof(made), made, CONTEXT) == []
    assert inspect(make_letter(), None, replace(CONTEXT, postal_address=make_site().postal_address)) == []


@pytest.mark.parametrize(("rule", "fault"), FAULTS, ids=[f"{rule}-{n}" for n, (rule, _) in enumerate(FAULTS)])
def test_each_fault_is_found_by_its_rule_alone(rule: str, fault: Fault) -> None:
    findings = fault(clean()).inspect()
    assert {one.rule for one in blocking(findings)} == {rule}, findings
    for one in findings:
        assert one.severity in {Severity.BLOCK, Severity.WARN}
        assert one.advice.endswith(".")
        assert one.advice.count("\n") == 0
        assert one.place
        assert one.field
        assert len(one.place) <= 80


def test_every_blocking_rule_has_a_fault() -> None:
    assert {rule for rule, _ in FAULTS} == {rule.id for rule in RULES}


WARNINGS: list[tuple[str, Fault]] = [
    ("C2", html("</body>", f"<!--[if mso]>{'x' * 90_000}<![endif]--></body>")),
    ("C3", html("<style>", f"<style>{LONG_CSS[:13_000]}}} ")),
    ("C20", proof(subject="Pacific leaders weigh a pause on mining the deep sea, for once")),
    ("C21", context(used=frozenset({LEAD.key}))),
    ("C21", context(used=frozenset({LEAD.url}))),
    ("C14", adding("<p>The vote is due by Wednesday.</p>" * 20)),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "fault"), WARNINGS)
def test_what_is_only_close_to_a_limit_warns(rule: str, fault: Fault) -> None:
    findings = fault(clean()).inspect()
    assert [(one.rule, one.severity) for one in findings] == [(rule, Severity.WARN)]


@pytest.mark.parametrize(
    ("fault", "field"),
    [
        (html(ALT, 'alt="suva-assembly.jpg"'), "image.alt"),
        (lead(body="Ten %%votes%%."), "body"),
        (lead(outlet=""), "outlet"),
        (lead(image=make_image(caption="TK")), "image.caption"),
        (lead(url="https://staging.news.worldbrief.test/a"), "url"),
        (lead(headline="SÃ£o Tome votes"), "headline"),
    ],
)
def test_a_finding_names_the_story_and_its_field(fault: Fault, field: str) -> None:
    desk = fault(clean())
    assert desk.edition
    story = next(desk.edition.stories())
    if story != LEAD:
        page = HTML.replace(LEAD.url, story.url).replace(LEAD.headline, story.headline)
        body = page.replace("<p>A pause", f"<p>{escape(story.body)}</p><p>A pause")
        told = TEXT.replace(LEAD.url, story.url).replace(LEAD.headline, story.headline)
        desk = replace(desk, proof=replace(desk.proof, html=body, text=told))
    assert (story.headline, field) in {(one.story, one.field) for one in desk.inspect()}


@pytest.mark.parametrize(
    "target",
    ["", " ", "#", "#top", "/a", "a.html", "http://x.org", "//x.org/a", "ftp://x.org", "https://", "https://localhost/a",
     "https://127.0.0.1/", "https://[::1]/", "https://10.0.0.1/a", "https://2130706433/", "https://intranet/a",
     "https://staging.news.org/a", "https://preview.worldbrief.test/a", "https://cms-staging.news.org/", "https://x.local/",
     "https://example.com/a", "https://www.example.org", "https://brief.example/", "https://x.org/a b", "mailto:",
     "https://x.org/wp-admin/post.php", "https://x.org/?p=3&preview=true", "https://ana@x.org/", "https://[x/",
     "javascript:alert(1)", "mailto:nobody"],
)  # fmt: skip
def test_a_link_that_leads_no_reader_anywhere_is_at_fault(target: str) -> None:
    assert target_fault(target)


@pytest.mark.parametrize(
    "target",
    ["https://worldbrief.test/a", "https://dev.to/a", "https://x.org/preview/match?draft=1#part", "mailto:a@x.org",
     "mailto:a@x.org?subject=Hi", "https://bücher.example.org.uk/ü", "https://sub.theguardian.com/a,b"],
)  # fmt: skip
def test_a_public_address_is_no_fault(target: str) -> None:
    assert target_fault(target.replace("example.org.uk", "sample.org.uk")) == ""


@pytest.mark.parametrize(
    "words",
    [
        "MANHÃ",
        "«MANHÃ» e «AMANHû",
        "SÃO PAULO",
        "Âge d’or",
        "50 %",
        "TKO in round two",
        "What? Yes!",
        "Xi spoke",
        "Maxx",
    ],
)
def test_honest_words_are_no_fault(words: str) -> None:
    desk = lead(body=f"{words} in Suva")(html("in Suva today", f"{words} in Suva today")(clean()))
    assert desk.inspect() == []


def test_a_letter_needs_no_way_out_and_no_preheader() -> None:
    desk = clean()
    one = replace(desk.proof, kind="letter", preheader="", html=HTML.replace("Unsubscribe</a>", "Confirm</a>"))
    assert inspect(one, None, replace(CONTEXT, postal_address="")) == []


def test_an_approval_of_another_than_the_last_editor_holds() -> None:
    desk = context(two_person=True, approver="ben", approved_digest="d1")(clean())
    assert desk.inspect() == []


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=200), st.text(max_size=200), st.text(max_size=80))
def test_no_proof_makes_the_inspection_fail(page: str, plain: str, subject: str) -> None:
    desk = clean()
    one = replace(desk.proof, html=page, text=plain, subject=subject, preheader=subject, language=subject)
    for finding in inspect(one, desk.edition, CONTEXT):
        assert len(finding.place) <= 80
        assert finding.place.isprintable()


def test_an_edition_of_odd_stories_is_inspected_too() -> None:
    one = make_edition(
        sections=(Section(slot="odds", title="", style="light", stories=(make_odds(body="\ud83d {{"),)),)
    )
    assert "C1" in {found.rule for found in inspect(make_proof(make_edition(), html="{{ \ud83d"), one, CONTEXT)}
