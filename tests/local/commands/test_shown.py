"""How what a command tells is shown: on a terminal and where there is none."""

from __future__ import annotations

from rich.console import Console

from infra.local.commands.operations import looking, show
from infra.operate.telling import Section


def test_a_terminal_shows_how_each_part_stands_by_its_colour() -> None:
    console = Console(force_terminal=True, color_system="standard", record=True, width=80)
    with console.capture() as capture:
        show([Section(heading="Receipt", lines=("[red]not markup[/red]",), mood="bad")], console)
    assert capture.get() == "\x1b[1;31mReceipt\x1b[0m\n  [red]not markup[/red]\n"


def test_control_characters_are_shown_and_not_sent() -> None:
    console = Console(force_terminal=True, color_system=None, width=80)
    with console.capture() as capture:
        show([Section(heading="Receipt", lines=("\x1b[2J\x1b]0;pwned\x07",), mood="bad")], console)
    assert "\\x1b[2J\\x1b]0;pwned\\x07" in capture.get()
    assert "\x1b[2J" not in capture.get()


def test_how_many_inputs_were_looked_at_is_told_in_lines_where_there_is_no_terminal() -> None:
    console = Console(force_terminal=False, width=80)
    with console.capture() as capture, looking(console, every=100) as looked:
        for count in (50, 99, 100, 150, 320):
            looked(count)
    assert capture.get().splitlines() == ["100 inputs looked at", "320 inputs looked at"]


def test_how_many_inputs_were_looked_at_moves_on_a_terminal() -> None:
    console = Console(force_terminal=True, color_system=None, width=80)
    with console.capture() as capture, looking(console) as looked:
        looked(12_345)
    assert "12,345 inputs looked at" in capture.get()
