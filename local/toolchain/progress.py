"""Shows what is being done and how far it is: a live bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType
from typing import IO

__all__ = ["Progress"]


class Progress:
    """Progress of getting one tool. A context manager; methods may be called from any thread.

    Args:
        title: What is being got, for example ``pulumi 3.259.0``.
        quiet: Show nothing but what :meth:`note` says.
        stream: Where to show it; standard error, because standard output belongs to the command's result.
        interval: Seconds between two lines where there is no terminal.
    """

    def __init__(
        self, title: str, *, quiet: bool = False, stream: IO[str] | None = None, interval: float = 15.0
    ) -> None:
        # Imported here: a run that finds everything in the cache shows no progress and should not pay for it.
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bars
        from rich.table import Column

        self._console = Console(file=stream or sys.stderr, highlight=False)
        self._title = title
        self._interval = interval
        self._started = time.monotonic()
        self._stage, self._total, self._done, self._item = "", 0, 0, ""
        self._over = threading.Event()
        self._ticker: threading.Thread | None = None
        self._bars: Bars | None = None
        if quiet:
            return
        if self._console.is_terminal:
            self._bars = Bars(
                TextColumn("[bold]{task.fields[title]}[/] {task.description}"),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                # What is left of the line, so that a long name does not push the others together.
                TextColumn(
                    "{task.fields[item]}",
                    style="dim",
                    markup=False,
                    table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"),
                ),
                console=self._console,
                expand=True,
                transient=True,
            )
            self._task = self._bars.add_task("", total=None, title=title, item="")
        else:
            self._ticker = threading.Thread(target=self._tick, daemon=True, name="progress")

    def __enter__(self) -> Progress:
        if self._bars:
            self._bars.start()
        if self._ticker:
            self._ticker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._bars:
            self._bars.stop()
        if self._ticker:
            self._ticker.join()

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    def note(self, text: str) -> None:
        """Says *text* once, even when quiet: the reader has to know it."""
        self._console.print(f"{self._title}: {text}", markup=False, soft_wrap=True)

    def stage(self, name: str, total: int = 0) -> None:
        """Begins the stage *name* of *total* steps; 0 if their number is not known."""
        self._stage, self._total, self._done, self._item = name, total, 0, ""
        if self._bars:
            # Fields that are not named here are lost.
            self._bars.reset(self._task, description=name, total=total or None, title=self._title, item="")
        elif self._ticker:
            self._line()

    def advance(self, item: str, steps: int = 1) -> None:
        """*steps* more are done; *item* is what is being worked on."""
        self._done += steps
        self._item = item
        if self._bars:
            self._bars.update(self._task, advance=steps, item=item)

    def _tick(self) -> None:
        while not self._over.wait(self._interval):
            self._line()

    def _line(self) -> None:
        count = f" {self._done}/{self._total}" if self._total else f" {self._done}" if self._done else ""
        minutes, seconds = divmod(int(self.elapsed), 60)
        item = f" {self._item}" if self._item else ""
        self._console.print(
            f"{self._title}: {self._stage}{count} [{minutes}:{seconds:02d}]{item}", markup=False, soft_wrap=True
        )
