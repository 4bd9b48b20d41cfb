"""Groups of commands, and what becomes of a command that is misspelt or interrupted."""

from __future__ import annotations

import signal
from typing import Any

import rich_click as click

from unikeras.errors import InterruptedRunError, SettingsError, TerminatedRunError, UnikerasError, nearest


class Group(click.RichGroup):
    """A group that names the nearest commands when one is misspelt."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as interruption:  # click would turn it into "Aborted!" and exit code 1
            raise as_error(interruption) from None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-") and not ctx.resilient_parsing:
            raise SettingsError(f"Unknown command {args[0]!r}.", cure=nearest(args[0], self.list_commands(ctx)))
        return super().resolve_command(ctx, args)


def as_error(interruption: KeyboardInterrupt) -> UnikerasError:
    """Says where a training has stopped and how it goes on, if it has stopped as asked; otherwise that it is over."""
    from unikeras.interruption import Interruption

    if not isinstance(interruption, Interruption):
        return InterruptedRunError("Interrupted; nothing more is written.")
    kind = InterruptedRunError if interruption.signal == signal.SIGINT else TerminatedRunError
    return kind(interruption.message, cure=f"Go on with: {interruption.resume}")
