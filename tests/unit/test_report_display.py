"""The terminal: live lines for a person, plain lines for a log, all facts in the table."""

import io
import re
from itertools import count

import pytest
from rich.console import Console

from local.display import Display
from tests.unit.report_sample import SPECIAL, run, story

pytestmark = pytest.mark.unit


def display(width: int = 140, terminal: bool = False) -> tuple[Display, io.StringIO]:
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=terminal, highlight=False, emoji=False)
    ticks = count()
    return Display(console, clock=lambda: float(next(ticks))), out


def words(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def test_phases_and_steps_are_plain_lines_in_a_log() -> None:
    shown, out = display()
    with shown.phase("Build") as phase:
        phase.state("sam build")
    with shown.step(3, "A season with other measurements") as step:
        step.state("Train On EC2")
        step.done("promoted", "the challenger is better", expected="promoted")
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    assert lines[:2] == ["… Build", "✓ Build  1.0 s"]
    assert lines[3].startswith("✓  3 A season with other measurements ▲ promoted")
    assert lines[4] == "     the challenger is better"
    assert "\x1b" not in out.getvalue()


def test_an_unexpected_outcome_is_marked() -> None:
    shown, out = display()
    with shown.step(1, "t") as step:
        step.done("failed", "TrainerLost", expected="promoted")
    assert "✕  1 t ■ failed, expected promoted" in out.getvalue()


@pytest.mark.parametrize(("error", "word"), [(ValueError, "failed"), (KeyboardInterrupt, "stopped")])
@pytest.mark.parametrize("terminal", [False, True])
def test_an_error_is_marked_and_goes_on(error: type[BaseException], word: str, terminal: bool) -> None:
    shown, out = display(terminal=terminal)

    def deploy() -> None:
        with shown.phase("Deploy") as phase:
            phase.state("CREATE_IN_PROGRESS")
            raise error

    with pytest.raises(error):
        deploy()
    assert f"{word} at CREATE_IN_PROGRESS" in out.getvalue()


def test_a_terminal_shows_the_state_under_way() -> None:
    shown, out = display(terminal=True)
    with shown.step(1, "First data") as step:
        step.state("Evaluate Challenger")
    assert "First data" in out.getvalue()
    assert "Evaluate Challenger" in out.getvalue()
    assert "\x1b[?25h" in out.getvalue(), "the cursor is back"


@pytest.mark.parametrize("width", [100, 140])
def test_the_table_says_everything_and_fits(width: int) -> None:
    shown, out = display(width)
    runs = story().runs
    shown.table(runs)
    text = out.getvalue()
    assert max(len(line) for line in text.splitlines()) <= width
    assert "…" not in text, "nothing is cut off"
    for each in (
        "▲ promoted",
        "◆ quarantined",
        "↺ rolled back",
        "■ failed",
        "not skipped",
        "none → v1",
        "by hand",
    ):
        assert each in text
    for name in {state.name for seen in runs for state in seen.states}:
        assert name in text
    assert ("Slowest states" in text) == (width == 140)
    pieces = [piece for line in text.splitlines() for piece in line.split()]
    assert all(piece in pieces for piece in run(3).reason.split())


def test_seconds_stand_under_their_run() -> None:
    shown, out = display(100)
    shown.table([run(0), run(3)])
    rows = [re.split(r"\s{2,}", line.strip()) for line in out.getvalue().splitlines()]
    lines = {row[0]: row[1:] for row in rows}
    assert lines["Train On EC2"] == ["6.4"]
    assert lines["Validate Data"] == ["0.9", "0.9"]


def test_more_runs_than_fit_go_on_below() -> None:
    shown, out = display(100)
    shown.table([run(i % 9) for i in range(20)])
    assert out.getvalue().count("Seconds per state") == 3
    assert "run 20" in out.getvalue()


def test_text_from_outside_is_not_markup() -> None:
    shown, out = display()
    shown.problems(["[bold]x[/bold] " + SPECIAL])
    shown.note("[red]look[/red]")
    shown.problems([])
    assert "[bold]x[/bold] " + SPECIAL in out.getvalue()
    assert "[red]look[/red]" in out.getvalue()
    assert out.getvalue().count("difference") == 1


def test_a_display_of_its_own_is_wide_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    Display().note("x " * 60)
    assert words(capsys.readouterr().out).strip() == words("x " * 60).strip()
