"""`leadkeep shell`: Python with the queue at hand."""

import click

from leadkeep.settings.model import Settings

_BANNER = """\
Leadkeep {data}. `queue` is open; try
  queue.counts()
  for delivery in queue.failed(): print(delivery.lead_number, delivery.error_message)
  queue.retry(Selection(statuses=(Status.FAILED,)))"""


@click.command("shell")
@click.pass_context
def shell(ctx: click.Context) -> None:
    """Open a Python shell with the queue in it.

    `queue` is a leadkeep.Queue; `Selection` and `Status` are there, too.
    """
    import code

    from leadkeep.api import Queue
    from leadkeep.models import Selection
    from leadkeep.states import Status

    settings: Settings = ctx.obj
    with Queue(settings) as queue:
        names = {"queue": queue, "Selection": Selection, "Status": Status}
        code.interact(banner=_BANNER.format(data=settings.data.absolute()), local=names, exitmsg="")
