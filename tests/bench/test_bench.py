"""The benchmarks run, at a size that takes no time, and what they measure is right. Their speed is no test."""

import json
from functools import partial
from pathlib import Path

import pytest

from tests.bench import __main__ as bench
from tests.bench.measure import TINY, Machine, Scale, Table, alternated, ratio, shown


@pytest.mark.parametrize("name", bench.BENCHMARKS)
def test_a_benchmark_fills_its_table_and_checks_what_it_measured(name: str, tmp_path: Path) -> None:
    table = bench.BENCHMARKS[name](TINY)
    assert table.name == name
    assert len(table.rows) >= 2
    assert all(len(row) == len(table.columns) for row in table.rows)
    kept = json.loads(table.write(tmp_path, Machine().surroundings(0.1, 2.0)).read_text("utf-8"))
    assert kept["machine"]["cores"] >= 1
    assert [list(row) for row in kept["rows"]] == [list(table.columns)] * len(table.rows)


def test_the_command_prints_a_table_and_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bench, "QUICK", TINY)
    assert bench.main(["preflight", "--quick"]) == 0
    printed = capsys.readouterr().out
    assert f"{Machine().cores} cores" in printed
    assert "| inspect |" in printed
    assert [path.name for path in tmp_path.iterdir()] == ["bench-preflight.json"]


def test_an_unknown_benchmark_is_a_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        bench.main(["prefligth"])
    assert "'prefligth'" in capsys.readouterr().err


def test_ctrl_c_keeps_the_tables_that_were_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(_scale: Scale) -> Table:
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bench, "FULL", TINY)
    monkeypatch.setattr(bench, "BENCHMARKS", {"preflight": bench.BENCHMARKS["preflight"], "people": interrupted})
    assert bench.main([]) == bench.INTERRUPTED
    assert "| inspect |" in capsys.readouterr().out
    assert (tmp_path / "bench-preflight.json").exists()


def test_rounds_alternate_and_a_ratio_is_the_median_of_its_rounds() -> None:
    order: list[str] = []

    def measure(name: str) -> float:
        order.append(name)
        return len(order)

    found = alternated(Scale(share=1.0, rounds=3), {name: partial(measure, name) for name in ("a", "b")})
    assert [sorted(order[n : n + 2]) for n in (0, 2, 4)] == [["a", "b"]] * 3
    assert sorted(found["a"] + found["b"]) == [1, 2, 3, 4, 5, 6]
    assert ratio([10, 20, 90], [10, 10, 10]) == 2


@pytest.mark.parametrize(
    ("cell", "text"),
    [(12_345, "12,345"), (1234.5, "1,234"), (56.78, "56.8"), (5.678, "5.68"), (0.05678, "0.057"), ("-", "-")],
)
def test_a_number_is_shown_with_the_digits_that_mean_something(cell: float | str, text: str) -> None:
    assert shown(cell) == text
