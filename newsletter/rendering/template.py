"""A template: one folder of MJML, text, style and words, compiled once per content and filled once per edition.

MJML is a compiler of layouts here and never sees content: its placeholders are filled afterwards, by one Jinja pass in
which the editors' text is data. The only importer of mjml, jinja2 and css_inline.
"""

import re
import tomllib
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Final, Literal

import css_inline
import jinja2
from jinja2 import meta
from mjml import mjml2html

from newsletter import languages
from newsletter.errors import TemplateError
from newsletter.rendering import grammar, plaintext

Direction = Literal["ltr", "rtl"]

TEMPLATES: Final = Path(__file__).parents[2] / "templates"
ENGINE: Final = f"mjml-python {version('mjml-python')}"
SUFFIXES: Final = {".mjml", ".txt", ".css", ".toml"}
# What a template may ask for; `page` and `proof` answer.
NAMES: Final = frozenset(
    {"edition", "newsletter", "site", "language", "spoken", "direction", "address", "links", "marks", "values", "words"}
    | {"on"}
    | {"absolute", "prose", "run_in", "blocks", "onward", "day", "moment"}
    | {"ranked", "agenda", "questions", "figures", "as_of", "height", "filler"}
)
# The compiler opens and closes Outlook's tables around each part; side by side the pair says nothing.
_BETWEEN: Final = re.compile(r"<!\[endif\]-->\s*<!--\[if mso \| IE\]>")
_INCLUDE: Final = re.compile(r'\s*<mj-include path="([^"]+)"\s*/>\s*')
_TOKEN: Final = re.compile(r"\[\[([\w.-]+)\]\]")
# C0 and C1 without the newline, surrogates, and what is no character: Gmail clips a letter at the first one.
_CONTROL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A compiled template: Jinja sources of the two parts and, for letters, of the subject."""

    name: str
    digest: str
    direction: Direction
    html: str
    text: str
    subject: str
    extra_css: str
    words: Mapping[str, Mapping[str, str]] = field(repr=False)
    sources: tuple[tuple[str, str], ...] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """The parts of one edition or letter, complete but for the recipient's blanks."""

    html: str
    text: str
    subject: str


def load(folder: Path, direction: Direction = "ltr") -> Template:
    """The template of `folder`, compiled for `direction`; again only when a file, a token or the engine changed.

    The folder holds one .mjml file, a .txt file of the same name, and may hold subject.txt, words.toml, style and
    partials; tokens and shared style stand in the nearest parent that has a tokens.toml. Raises TemplateError, naming
    file and line.
    """
    root = next((parent for parent in folder.parents if (parent / "tokens.toml").is_file()), TEMPLATES)
    if not folder.is_dir():
        raise TemplateError(folder, "no such template")
    own = sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES and path.is_file())
    shared = sorted(path for path in root.glob("*") if path.suffix in {".css", ".toml"})
    files = [(path.relative_to(folder).as_posix(), _read(path)) for path in own]
    files += [(f"../{path.name}", _read(path)) for path in shared]
    return _compile(folder.name, tuple(files), direction)


def tokens(root: Path = TEMPLATES) -> Mapping[str, str]:
    """The colours, sizes and spaces of letter, pages and desk, by dotted name: {"light.ink": "#16181d", ...}."""
    return _tokens(_read(root / "tokens.toml"))


def fill(template: Template, values: Mapping[str, object]) -> Filled:
    """The one Jinja pass over the data, and what the finished HTML then needs: inlined style and clean characters."""
    html = _run(template, template.html, values, escaped=True)
    inliner = css_inline.CSSInliner(
        inline_style_tags=False,
        keep_style_tags=True,
        load_remote_stylesheets=False,
        extra_css=template.extra_css,
    )
    try:
        inlined = inliner.inline(clean(html))
    except css_inline.InlineError as error:
        raise TemplateError(template.name, f"style: {error}") from error
    return Filled(
        html=clean(_BETWEEN.sub("", inlined)),
        text=clean(plaintext.tidy(clean(_run(template, template.text, values, escaped=False)))),
        subject=" ".join(clean(_run(template, template.subject, values, escaped=False)).split()),
    )


def clean(text: str) -> str:
    """NFC, LF, and no control characters."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ")
    return unicodedata.normalize("NFC", _CONTROL.sub("", text).replace("\u2028", "\n").replace("\u2029", "\n"))


# Compiling


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    file: str
    number: int
    text: str


@lru_cache(maxsize=64)
def _compile(name: str, files: tuple[tuple[str, str], ...], direction: Direction) -> Template:
    texts = dict(files)
    main = _main(name, texts)
    known = _tokens(texts.get("../tokens.toml", "")) | _sides(direction)
    lines = [_with_tokens(name, line, known) for line in _assembled(name, texts, main)]
    source = "\n".join(line.text for line in lines)
    _check(name, lines, source)
    try:
        compiled = mjml2html(source, disable_comments=True, fonts={})
    except ValueError as error:
        raise TemplateError(name, f"{_place(lines, source, str(error))}: {error}") from error
    text_file = main.removesuffix(".mjml") + ".txt"
    for file in (text_file, "subject.txt"):
        _check_text(name, file, texts.get(file, ""))
    css = {kind: _style(name, texts, kind, known) for kind in ("letter.css", "head.css", "dark.css")}
    head = css["head.css"] + _dark(css["dark.css"])
    return Template(
        name=name,
        digest=sha256(repr((ENGINE, direction, files)).encode()).hexdigest(),
        direction=direction,
        html=compiled.replace("</head>", f'<style type="text/css">{head}</style></head>', 1),
        text=texts[text_file],
        subject=texts.get("subject.txt", ""),
        extra_css=css["letter.css"],
        words=tomllib.loads(texts.get("words.toml", "")),
        sources=files,
    )


def _main(name: str, texts: Mapping[str, str]) -> str:
    found = [file for file in texts if file.endswith(".mjml") and "/" not in file]
    if len(found) != 1:
        raise TemplateError(name, f"needs one .mjml file at its top, has {len(found)}")
    if found[0].removesuffix(".mjml") + ".txt" not in texts:
        raise TemplateError(name, f"{found[0]} has no plain-text part beside it")
    return found[0]


def _assembled(name: str, texts: Mapping[str, str], file: str, within: tuple[str, ...] = ()) -> Iterator[_Line]:
    for number, text in enumerate(texts[file].split("\n"), 1):
        include = _INCLUDE.fullmatch(text)
        if include is None:
            yield _Line(file=file, number=number, text=text)
            continue
        wanted = include[1]
        if wanted not in texts or wanted in (*within, file):
            raise TemplateError(name, f"{file}:{number}: cannot include {wanted!r}")
        yield from _assembled(name, texts, wanted, (*within, file))


def _with_tokens(name: str, line: _Line, known: Mapping[str, str]) -> _Line:
    def value(match: re.Match[str]) -> str:
        if match[1] not in known:
            raise TemplateError(name, f"{line.file}:{line.number}: no token is called {match[1]!r}")
        return known[match[1]]

    return _Line(file=line.file, number=line.number, text=_TOKEN.sub(value, line.text))


def _check(name: str, lines: list[_Line], source: str) -> None:
    faults = list(grammar.faults(source)) or list(_control_faults(source, _HTML))
    for number, fault in faults[:1]:
        line = lines[min(number, len(lines)) - 1]
        raise TemplateError(name, f"{line.file}:{line.number}: {fault}")


def _check_text(name: str, file: str, source: str) -> None:
    for number, fault in list(_control_faults(source, _TEXT))[:1]:
        raise TemplateError(name, f"{file}:{number}: {fault}")


def _control_faults(source: str, environment: jinja2.Environment) -> Iterator[tuple[int, str]]:
    try:
        tree = environment.parse(source)
        # A name set within one branch counts as undeclared to Jinja, whoever reads it there.
        own = {name.name for name in tree.find_all(jinja2.nodes.Name) if name.ctx == "store"}
        wanted = meta.find_undeclared_variables(tree) - own
    except jinja2.TemplateSyntaxError as error:
        yield error.lineno, error.message or "syntax error"
        return
    yield from grammar.missing_names(source, frozenset(wanted) - NAMES - environment.globals.keys())


def _place(lines: list[_Line], source: str, message: str) -> str:
    """The compiler tells bytes, if anything: the file and line they are on."""
    found = re.search(r"(\d+)[:.]+(\d+)", message)
    number = source.encode()[: int(found[1])].count(b"\n") if found else 0
    line = lines[min(number, len(lines) - 1)]
    return f"{line.file}:{line.number}"


def _style(name: str, texts: Mapping[str, str], kind: str, known: Mapping[str, str]) -> str:
    css: list[str] = []
    for file in (f"../{kind}", kind):
        lines = texts.get(file, "").split("\n")
        css += [
            _with_tokens(name, _Line(file=file, number=n, text=one.strip()), known).text
            for n, one in enumerate(lines, 1)
        ]
    return re.sub(r"/\*.*?\*/", "", "".join(css), flags=re.DOTALL)


def _dark(css: str) -> str:
    """The dark rules twice: for who asks by media query, and for Outlook.com, which marks what it has darkened."""
    twin: list[str] = []
    for selectors, declarations in re.findall(r"([^{}]+)\{([^{}]*)\}", css):
        prefixed = ",".join(f"[data-ogsc] {selector.strip()}" for selector in selectors.split(","))
        twin.append(f"{prefixed}{{{declarations}}}")
    return f"@media (prefers-color-scheme:dark){{{css}}}{''.join(twin)}" if css else ""


def _sides(direction: Direction) -> dict[str, str]:
    start, end = ("left", "right") if direction == "ltr" else ("right", "left")
    # Letters that join, as the Arabic ones do, must not be spaced apart.
    tracking = "0.06em" if direction == "ltr" else "normal"
    return {"direction": direction, "start": start, "end": end, "tracking": tracking}


def _tokens(text: str) -> dict[str, str]:
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TemplateError("tokens.toml", str(error)) from error
    return {f"{table}.{key}": str(value) for table, values in tables.items() for key, value in values.items()}


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    except (OSError, UnicodeDecodeError) as error:
        raise TemplateError(path, str(error)) from error


# Filling


def _environment(*, escaped: bool) -> jinja2.Environment:
    environment = jinja2.Environment(
        autoescape=escaped,  # noqa: S701 (the other part is plain text, where nothing is markup)
        undefined=jinja2.StrictUndefined,
        trim_blocks=not escaped,
        lstrip_blocks=not escaped,
        keep_trailing_newline=True,
    )
    environment.globals = {} if escaped else dict(_WRITERS)
    languages.install(environment)
    return environment


# What only the plain part may ask for.
_WRITERS: Final[dict[str, Callable[..., str]]] = {
    "wrap": plaintext.wrap,
    "rule": plaintext.rule,
    "title": plaintext.title,
    "paragraphs": plaintext.prose,
    "stacked": plaintext.stacked,
}
_HTML: Final = _environment(escaped=True)
_TEXT: Final = _environment(escaped=False)


@lru_cache(maxsize=256)
def _program(source: str, *, escaped: bool) -> jinja2.Template:
    return (_HTML if escaped else _TEXT).from_string(source)


def _run(template: Template, source: str, values: Mapping[str, object], *, escaped: bool) -> str:
    try:
        return _program(source, escaped=escaped).render(values)
    except (jinja2.TemplateError, TypeError, ValueError, LookupError, AttributeError) as error:
        raise TemplateError(template.name, _whereabouts(template, error)) from error


def _whereabouts(template: Template, error: Exception) -> str:
    """The compiled source has no lines worth naming: the first place of the folder that says the word in question."""
    words = re.findall(r"'([A-Za-z_]\w*)'", str(error))
    for word in reversed(words):
        for file, text in template.sources:
            found = re.search(rf"\b{word}\b", text)
            if found and not file.endswith((".css", ".toml")):
                return f"{file}:{text.count(chr(10), 0, found.start()) + 1}: {error}"
    return str(error)
