"""Stories written by our own people or tools (pure): Markdown with front matter, JSON, ranked lists in CSV."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeVar

import yaml

from newsletter.errors import FeedError, StoryError
from newsletter.stories import markup
from newsletter.stories.fields import WrongField, ranked_link, story_of, table_of
from newsletter.stories.story import Feed, RankedLink, Refusal, Story, StoryKind

T = TypeVar("T")
FRONT_MATTER: Final = re.compile(r"\s*---[ \t]*\n(.*?)^---[ \t]*(?:\n|\Z)(.*)\Z", re.DOTALL | re.MULTILINE)
MOST_FRONT_MATTER: Final = 100_000


def collect(items: Iterable[T], make: Callable[[T], Story]) -> tuple[tuple[Story, ...], tuple[Refusal, ...]]:
    """Make a story of each item; what cannot be one, or says the same guid twice, is refused by its number."""
    seen: dict[str, int] = {}
    stories: list[Story] = []
    refused: list[Refusal] = []
    for number, item in enumerate(items, start=1):
        try:
            story = make(item)
        except (StoryError, WrongField) as error:
            reason = error.reason if isinstance(error, StoryError) else str(error)
            refused.append(Refusal(item=f"item {number}", reason=reason))
            continue
        if story.guid in seen:
            reason = f"has the same guid as item {seen[story.guid]}: {story.guid[:80]}"
            refused.append(Refusal(item=f"item {number}", reason=reason))
            continue
        seen[story.guid] = number
        stories.append(story)
    return tuple(stories), tuple(refused)


def parse_markdown(text: str, *, source: str, file: str) -> Story:
    """The story of one Markdown file. Raises FeedError without front matter, StoryError naming file and field."""
    match = FRONT_MATTER.match(markup.tidy(text))
    if match is None:
        raise FeedError(file, "does not begin with front matter between two lines of ---")
    try:
        table = _front_matter(match[1])
        return story_of({"body": match[2].strip(), **table}, source=source, guid=file)
    except WrongField as error:
        raise StoryError(file, str(error)) from error


class _PlainLoader(yaml.BaseLoader):
    """YAML where every scalar is text: `NO` is Norway, 12:30 no number, 63.20 keeps its nought. Aliases are refused."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            raise WrongField("front matter", f"aliases such as *{event.anchor} are not allowed")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise WrongField(str(key.value)[:80], "is given twice")
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else "")
        return super().construct_mapping(node, deep=deep)


def _front_matter(text: str) -> Mapping[str, object]:
    if len(text) > MOST_FRONT_MATTER:
        raise WrongField("front matter", f"is longer than {MOST_FRONT_MATTER} characters")
    loader = _PlainLoader(text)
    try:
        table = loader.get_single_data()
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 2}: " if error.problem_mark else ""
        raise WrongField("front matter", f"{line}{error.problem or error.context}") from error
    except (yaml.YAMLError, RecursionError, TypeError) as error:
        raise WrongField("front matter", "cannot be read as YAML") from error
    finally:
        loader.dispose()
    if not isinstance(table, dict):
        raise WrongField("front matter", "must be `key: value` lines")
    return {str(key): value for key, value in table.items()}


def read_json(text: str, source: str) -> object:
    """The document as Python values; raises FeedError, whatever is wrong with it."""
    try:
        return json.loads(text, parse_constant=lambda _: None)
    except json.JSONDecodeError as error:
        raise FeedError(source, f"is no JSON: {error.msg}, line {error.lineno}") from error
    except (RecursionError, ValueError) as error:
        raise FeedError(source, "is JSON nested too deeply, or with a number too long") from error


def stories_of(document: object, *, source: str, name: str = "") -> Feed:
    """Our own JSON: a story, a list of stories, or {"title": ..., "stories": [...]}."""
    table = document if isinstance(document, dict) else {}
    items = (
        document if isinstance(document, list) else table.get("stories", [document] if "headline" in table else None)
    )
    if not isinstance(items, list):
        raise FeedError(source, "is JSON, but neither a JSON Feed nor stories")
    stories, refused = collect(items, lambda item: story_of(table_of(item, ""), source=source))
    title = table.get("title") if "stories" in table else ""
    return Feed(title=name or (markup.plain(title) if isinstance(title, str) else ""), stories=stories, refused=refused)


def parse_ranking(text: str, *, source: str, file: str, name: str = "") -> Feed:
    """One `most-read` story from lines of `headline,url,reads`, in the file's order; raises FeedError without them."""
    reader = csv.DictReader(io.StringIO(markup.tidy(text)), restkey="")
    try:
        columns = [column.strip().lower() for column in reader.fieldnames or ()]
        if not {"headline", "url"} <= set(columns):
            raise FeedError(source, "is no ranked list: its first line must be headline,url,reads")
        reader.fieldnames = columns
        rows = list(enumerate(reader, start=2))
    except csv.Error as error:
        raise FeedError(source, f"is no CSV: {error}") from error
    links: list[RankedLink] = []
    refused: list[Refusal] = []
    for line, row in rows:
        try:
            links.append(ranked_link({key: row[key] for key in ("headline", "url", "reads") if row.get(key)}, ""))
        except WrongField as error:
            refused.append(Refusal(item=f"row {line}", reason=str(error)))
    headline = name or "Most Read"
    story = Story(
        source=source, guid=file, headline=headline, kind=StoryKind.MOST_READ, ranking=tuple(links), outlet=name
    )
    return Feed(title=headline, stories=(story,) if links else (), refused=tuple(refused))
