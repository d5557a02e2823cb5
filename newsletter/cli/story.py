"""`worldbrief story …`: what comes in by the wire, and what is in the bank."""

import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from newsletter.cli import house
from newsletter.cli.house import House, JSONOption
from newsletter.config import Source
from newsletter.errors import FeedError
from newsletter.stories import feeds, wire
from newsletter.stories.story import Story
from newsletter.stories.wire import Changes, Pulled

app = typer.Typer(help="The bank: pull, add, list and show stories.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def pull(
    places: Annotated[
        list[str] | None, typer.Argument(help="Files, folders or URLs; the configured sources by default.")
    ] = None,
    *,
    as_json: JSONOption = False,
) -> None:
    """Read feeds, Markdown folders or JSON into the bank. Safe to repeat: nothing is doubled."""
    with house.opened() as one:
        sources = [Source(url=place) for place in places or ()] or list(one.config.sources.values())
        if not sources:
            house.say("no place given and no [sources.<name>] in the configuration: nothing to pull")
        well = [_pull(one, source, as_json=as_json) for source in sources]
    if not all(well):
        raise typer.Exit(1)


@app.command()
def add(
    file: Annotated[Path, typer.Argument(help="A Markdown story with front matter, or JSON; - for standard input.")],
    *,
    as_json: JSONOption = False,
) -> None:
    """Add or correct one story written by hand."""
    name = "desk" if str(file) == "-" else file.name
    try:
        data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise FeedError(str(file), error.strerror or str(error)) from error
    feed = feeds.parse(data, source=name)
    with house.opened() as one:
        now = house.clock()
        with one.database.transaction() as session:
            for story in feed.stories:
                wire.add(session, story, one.config.wire, now)
    for refusal in feed.refused:
        house.say(f"{name}: {refusal.item}: {refusal.reason}")
    for story in feed.stories:
        _row(story, as_json=as_json)
    if feed.refused:
        raise typer.Exit(1)


@app.command()
def edit(
    key: Annotated[str, typer.Argument(help="The story’s key, as `story list` prints it.")],
    *,
    headline: Annotated[str | None, typer.Option("--headline")] = None,
    kicker: Annotated[str | None, typer.Option("--kicker", help="Two to five words above the headline.")] = None,
    teaser: Annotated[str | None, typer.Option("--teaser", help="As in “where we’re looking at …”.")] = None,
    summary: Annotated[str | None, typer.Option("--summary")] = None,
    section: Annotated[str | None, typer.Option("--section", help="The section hint, such as lead or world.")] = None,
    url: Annotated[str | None, typer.Option("--url")] = None,
    checked_by: Annotated[str | None, typer.Option("--checked-by", help="Who answers for its facts.")] = None,
) -> None:
    """Say something of a story in place of its source; later pulls keep it. An edition takes it when it is built."""
    changes = Changes(
        headline=headline,
        kicker=kicker,
        teaser=teaser,
        summary=summary,
        section=section,
        url=url,
        checked_by=checked_by,
    )
    with house.opened() as one, one.database.transaction() as session:
        _row(wire.revise(session, key, changes), as_json=False)


@app.command("list")
def list_stories(
    text: Annotated[str, typer.Argument(help="Words to look for in headline, kicker and summary.")] = "",
    *,
    limit: Annotated[int, typer.Option("--limit", help="At most so many, newest first.", min=1)] = 50,
    as_json: JSONOption = False,
) -> None:
    """List the stories in the bank, newest first."""
    with house.opened() as one, one.database.snapshot() as session:
        stories = wire.listing(session, text=text, limit=limit)
    if as_json:
        for story in stories:
            _row(story, as_json=True)
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("story", "published", "section", "headline"):
        table.add_column(column, no_wrap=column != "headline", overflow="fold")
    for story in stories:
        place = story.section or story.kind
        told = f"{story.headline} ({story.outlet})" if story.outlet else story.headline
        table.add_row(story.key, _moment(story.published_at), place, escape(told))
    if stories:
        house.stdout.print(table, soft_wrap=False)
    else:
        empty = "The bank is empty: `worldbrief story pull PLACE` fills it."
        house.stdout.print(f"No story has the words “{text}”." if text else empty, markup=False)


@app.command()
def show(
    key: Annotated[str, typer.Argument(help="The story’s key, as `story list` prints it.")],
    *,
    as_json: JSONOption = False,
) -> None:
    """Show one story whole."""
    with house.opened() as one, one.database.snapshot() as session:
        story = wire.find(session, key)
    if story is None:
        house.say(f"worldbrief: no story has the key {key}")
        raise typer.Exit(1)
    if as_json:
        _row(story, as_json=True)
        return
    lines = [story.kicker, story.headline, "", story.summary, "", story.body, ""]
    facts = (("url", story.url), ("outlet", story.outlet), ("byline", story.byline), ("section", story.section))
    lines += [f"{name}: {value}" for name, value in facts if value]
    lines += [f"published: {_moment(story.published_at)}", f"source: {story.source} ({story.guid})"]
    house.stdout.print("\n".join(lines).strip(), markup=False, highlight=False)


def _pull(one: House, source: Source, *, as_json: bool) -> bool:
    """Pull one place and tell what it gave; False when it, or a feed in it, gave nothing at all."""
    try:
        pulled = wire.pull(one.database, source.url, one.config.wire, source=source, now=house.clock())
    except FeedError as error:
        _tell_error(error, as_json=as_json)
        return False
    for each in pulled:
        if each.error:
            _tell_error(FeedError(each.source, each.error.removeprefix(f"{each.source}: ")), as_json=as_json)
        else:
            _tell(each, as_json=as_json)
    return not any(each.error for each in pulled)


def _tell(pulled: Pulled, *, as_json: bool) -> None:
    if as_json:
        house.answer({name: value for name, value in house.plain(pulled).items() if name != "error"})
        return
    counts = f"{pulled.new} new, {pulled.updated} updated, {pulled.unchanged} unchanged"
    house.stdout.print(f"{pulled.source}: {pulled.stories} stories ({counts})", markup=False)
    for refusal in pulled.refused:
        house.stdout.print(f"  refused {refusal.item}: {refusal.reason}", markup=False)


def _tell_error(error: FeedError, *, as_json: bool) -> None:
    if as_json:
        house.answer({"source": error.source, "error": error.reason})
    house.say(f"worldbrief: {error}")


def _row(story: Story, *, as_json: bool) -> None:
    if as_json:
        house.answer({"story": story.key, **house.plain(story)})
    else:
        house.stdout.print(f"{story.key}  {story.headline}", markup=False)


def _moment(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%d %H:%M") if moment else ""
