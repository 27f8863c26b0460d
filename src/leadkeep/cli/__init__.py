"""The command line: one file per command group; stdout is data, stderr is for people.

Invariant: whatever goes wrong ends here as `error: …` and `hint: …` on stderr and an exit code,
never as a traceback. A command's module is imported when the command is used, so that
`leadkeep status` does not load what `leadkeep serve` needs.
"""

import sys
from importlib import import_module

import click

from leadkeep.cli.exits import Exit, code_of
from leadkeep.cli.options import adopt, asked_for_debug, common_options
from leadkeep.cli.render import tell
from leadkeep.errors import LeadkeepError

_SECTIONS = {
    "Run": {
        "serve": "leadkeep.cli.serve:serve",
        "check": "leadkeep.cli.config:check",
        "config": "leadkeep.cli.config:config",
        "migrate": "leadkeep.cli.config:migrate",
        "process-queue": "leadkeep.cli.queue:process_queue",
        "intake": "leadkeep.cli.serve:intake",
        "worker": "leadkeep.cli.serve:worker",
    },
    "Look and decide": {
        "status": "leadkeep.cli.status:status",
        "ledger": "leadkeep.cli.ledger:ledger",
        "leads": "leadkeep.cli.leads:leads",
        "pings": "leadkeep.cli.pings:pings",
        "alerts": "leadkeep.cli.alerts:alerts",
        "sources": "leadkeep.cli.sources:sources",
        "sql": "leadkeep.cli.sql:sql",
    },
    "Destinations": {
        "hold": "leadkeep.cli.destinations:hold",
        "resume": "leadkeep.cli.destinations:resume",
        "deploy": "leadkeep.cli.deploy:deploy",
    },
    "Keep and recover": {
        "backup": "leadkeep.cli.backup:backup",
        "verify": "leadkeep.cli.backup:verify",
        "restore": "leadkeep.cli.restore:restore",
        "rebuild": "leadkeep.cli.restore:rebuild",
        "journal": "leadkeep.cli.journal:journal",
        "import-queue": "leadkeep.cli.import_queue:import_queue",
    },
    "From a program": {
        "push": "leadkeep.cli.push:push",
        "shell": "leadkeep.cli.shell:shell",
    },
}
"""heading → command → where it is"""

COMMANDS = {name: home for section in _SECTIONS.values() for name, home in section.items()}
"""command → where it is"""


class _Commands(click.Group):
    """Finds commands when they are used, and turns errors into words and exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, in the order in which people meet them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module."""
        home = COMMANDS.get(cmd_name)
        if home is None:
            return None
        module, _, attribute = home.partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return adopt(command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands under their headings."""
        widest = max(map(len, COMMANDS))
        room = formatter.width - 6 - widest
        for heading, section in _SECTIONS.items():
            commands = ((name, self.get_command(ctx, name)) for name in section)
            rows = [
                (name.ljust(widest), command.get_short_help_str(room))
                for name, command in commands
                if command is not None and not command.hidden
            ]
            with formatter.section(heading):
                formatter.write_dl(rows, col_spacing=2)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; the boundary where errors become words."""
        try:
            return super().invoke(ctx)
        except LeadkeepError as error:
            tell(error)
            ctx.exit(code_of(error))
        except (click.exceptions.Exit, click.Abort, click.ClickException, BrokenPipeError):
            raise
        except Exception as error:
            if asked_for_debug(ctx):
                raise
            tell(
                LeadkeepError(
                    f"Leadkeep itself failed: {type(error).__name__}: {error}",
                    hint="the same command with --log-level debug shows where",
                )
            )
            ctx.exit(Exit.ERROR)


def _show_version(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    from importlib.metadata import version

    click.echo(f"leadkeep {version('leadkeep')}")
    ctx.exit()


@click.command(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Print the version and exit.",
)
def main() -> None:
    """Leadkeep takes every lead, makes it durable before it answers, and delivers it until the
    application has confirmed it.

    Start with `leadkeep serve --forward-to URL`, look with `leadkeep status`. Every option below
    may also stand after the command. Environment variables `LEADKEEP_…` set the same values.
    """
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            # A terminal that cannot show a character gets its code instead of a failure.
            reconfigure(errors="backslashreplace")


main.params.extend(common_options())
