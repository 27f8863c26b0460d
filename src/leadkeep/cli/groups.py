"""Groups of commands as their help lists them: in the order in which people meet them."""

import click


class InOrder(click.Group):
    """A group that keeps the order in which its commands were added."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, in order."""
        return list(self.commands)
