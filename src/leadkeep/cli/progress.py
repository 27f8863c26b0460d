"""How far a long command has come: a bar on stderr if that is a terminal, nothing otherwise."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from leadkeep.cli.render import console

Show = Callable[[str, int, int], None]
"""Takes what is being done, how much of it is done, and of how much; 0: not known."""


@contextmanager
def progress_shown(
    title: str, *, counted: bool = False, rate: bool = False
) -> Iterator[Show | None]:
    """A bar while the block runs; gives None where nobody looks.

    Args:
        title: what is being done, until more is known.
        counted: show numbers instead of per cent.
        rate: show how many a second.
    """
    screen = console(sys.stderr)
    if not screen.is_terminal:
        yield None
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        Task,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(TextColumn):
        """How many a second; nothing while that is not known."""

        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:,.0f}/s" if task.speed else "")

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn() if counted else TaskProgressColumn(),
        *([Rate("")] if rate else []),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=screen, transient=True) as bar:
        task = bar.add_task(title, total=None)

        def show(what: str, done: int, total: int) -> None:
            bar.update(
                task, description=what.capitalize(), completed=done, total=total if total else None
            )

        yield show
