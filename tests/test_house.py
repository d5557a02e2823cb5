"""The house keeps its own rules: what import-linter cannot say is said here."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
SOURCES: Final = sorted(
    file
    for package in ("newsletter", "subscribers")
    for file in (ROOT / package).rglob("*.py")
    if "migrations" not in file.parts
)
TABLE: Final = re.compile(r"^class (\w+)\(SQLModel, table=True\)", re.MULTILINE)
ROWS: Final = {name for file in SOURCES for name in TABLE.findall(file.read_text("utf-8"))}
MOST_LINES: Final = 400
MOST_FUNCTION_LINES: Final = 60
MOST_ARGUMENTS: Final = 6
MOST_NESTING: Final = 3
# A shell may read the clock or make chance; everything else is told. The command line owns the one clock.
CLOCKS: Final = {"now", "utcnow", "time", "today"}
CLOCK_FILES: Final = {"newsletter/cli/house.py"}
BLOCKS: Final = (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.AsyncFor, ast.AsyncWith, ast.Match)


def _name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _depth(node: ast.AST, depth: int = 0) -> int:
    deepest = depth
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        # `elif` is an If inside an If's else, but no deeper for a reader.
        elif_branch = isinstance(node, ast.If) and isinstance(child, ast.If) and node.orelse == [child]
        deeper = isinstance(child, BLOCKS) and not elif_branch
        deepest = max(deepest, _depth(child, depth + deeper))
    return deepest


@pytest.mark.parametrize("file", SOURCES, ids=_name)
def test_a_file_says_what_lives_in_it_and_stays_within_its_budget(file: Path) -> None:
    text = file.read_text("utf-8")
    tree = ast.parse(text)
    said = ast.get_docstring(tree)
    assert said, "a module says in its docstring what lives in it"
    assert len(text.splitlines()) <= MOST_LINES
    for function in _functions(tree):
        lines = (function.end_lineno or 0) - function.lineno + 1
        inner = sum((f.end_lineno or 0) - f.lineno + 1 for f in _functions(function) if f is not function)
        arguments = function.args
        count = len(arguments.posonlyargs + arguments.args + arguments.kwonlyargs)
        count -= bool(arguments.args) and arguments.args[0].arg in {"self", "cls"}
        where = f"{_name(file)}:{function.lineno} {function.name}"
        assert lines - inner <= MOST_FUNCTION_LINES, f"{where} has {lines} lines"
        assert _depth(function) <= MOST_NESTING, f"{where} is nested too deep"
        # What a command or a route takes is its interface, not an argument list.
        interface = function.decorator_list or (file.parent.name == "cli" and not function.name.startswith("_"))
        if not interface:
            assert count <= MOST_ARGUMENTS, f"{where} takes {count} arguments; make a value"


@pytest.mark.parametrize("file", SOURCES, ids=_name)
def test_rows_never_leave_the_file_that_owns_them(file: Path) -> None:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            rows = [alias.name for alias in node.names if alias.name in ROWS]
            assert not rows, f"{_name(file)} imports {rows}"


@pytest.mark.parametrize("file", SOURCES, ids=_name)
def test_only_the_command_line_reads_the_clock_and_loads_the_configuration(file: Path) -> None:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        owner = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
        if owner in {"datetime", "date", "time"} and node.func.attr in CLOCKS:
            assert _name(file) in CLOCK_FILES, f"{_name(file)}:{node.lineno} reads the clock"
        if owner == "config" and node.func.attr == "load":
            assert _name(file).startswith("newsletter/cli/"), f"{_name(file)}:{node.lineno} loads the configuration"


def test_rows_are_called_so() -> None:
    assert ROWS
    assert all(name.endswith("Row") for name in ROWS)


@pytest.mark.parametrize("file", SOURCES, ids=_name)
def test_a_file_with_rows_does_not_postpone_its_annotations(file: Path) -> None:
    text = file.read_text("utf-8")
    if "table=True" in text:
        assert "from __future__ import annotations" not in text


def test_no_room_is_called_after_nothing() -> None:
    empty = {"utils", "util", "helpers", "helper", "common", "base", "managers", "services", "misc", "lib", "models"}
    assert not [_name(file) for file in SOURCES if file.stem in empty]
