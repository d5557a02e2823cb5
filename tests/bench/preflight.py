"""What an approval waits for: the proof of the standard brief, and its inspection."""

from datetime import UTC, datetime
from typing import Final

from newsletter.rendering import preflight, proving, template
from newsletter.rendering.preflight import Context
from tests.bench.measure import Scale, Table, alternated, middle, ratio, timed
from tests.builders import MONDAY, MORNING, make_newsletter, make_site
from tests.delivery.newsroom import printable

MILLISECONDS: Final = 150.0  # what an inspection may take, so that a desk page shows findings as it opens


def run(scale: Scale) -> Table:
    """Prove and inspect, alternated."""
    edition, newsletter, site = printable(MONDAY), make_newsletter(), make_site()
    design = template.load(template.TEMPLATES / newsletter.template)
    made = proving.prove(design, edition, newsletter, site)
    context = Context(
        now=MORNING,
        send_at=datetime(2026, 11, 23, 10, 30, tzinfo=UTC),
        timezone=newsletter.timezone,
        postal_address=site.postal_address,
        base_url=site.base_url,
    )
    findings = preflight.inspect(made, edition, context)
    assert not preflight.blocking(findings), findings
    times = scale.size(20)
    runs = {
        "prove": lambda: timed(lambda: proving.prove(design, edition, newsletter, site), times),
        "inspect": lambda: timed(lambda: preflight.inspect(made, edition, context), times),
    }
    found = {name: [1000 * one for one in seconds] for name, seconds in alternated(scale, runs, "preflight").items()}
    rows = tuple(
        (name, middle(ms), f"{MILLISECONDS:.0f}" if name == "inspect" else "-", ratio(ms, found["prove"]))
        for name, ms in found.items()
    )
    return Table(
        name="preflight",
        title="The preflight of the standard brief",
        columns=("step", "ms", "at most", "ratio to prove"),
        rows=rows,
        notes=(f"{len(preflight.RULES)} rules over {len(made.html) / 1000:.0f} KB of HTML; no network, no browser.",),
    )
