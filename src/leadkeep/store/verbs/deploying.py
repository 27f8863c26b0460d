"""The verbs of deployments."""

from typing import Protocol

from leadkeep.deployments import Backlog, Deployment, Ending, SwitchedUrl


class DeployingStore(Protocol):
    """Deployments, what waits for them, and the addresses they switch to."""

    async def begin_deployment(
        self, destination: str, *, actor: str, note: str, at_most_ms: int
    ) -> Deployment:
        """Begin a deployment, and with it its hold: nothing is claimed from now on.

        A person's hold is another one, and stays whatever the deployment does.

        Args:
            note: what is deployed; shown with it; no personal data.
            at_most_ms: after so long, by the boot clock, it is over and `abandoned`.

        Raises:
            AlreadyRunning: another deployment of this destination is under way.
        """

    async def end_deployment(self, deployment: int, ending: Ending, *, actor: str) -> bool:
        """End a deployment with all that follows from it; False: it had ended already.

        Raises:
            NotFound: none has this id.
        """

    async def deployment(self, deployment: int) -> Deployment:
        """One deployment, as it stands.

        Raises:
            NotFound: none has this id.
        """

    async def deployments(
        self, destination: str | None = None, *, under_way: bool = False, limit: int = 50
    ) -> list[Deployment]:
        """Deployments, newest first.

        Args:
            destination: None: of every one.
            under_way: only those that have not ended.
        """

    async def under_way(self, destination: str) -> int:
        """How many deliveries of a destination are leased, from maintained counters."""

    async def backlog(self, destination: str) -> Backlog:
        """What is due at a destination and waits. Counts an index."""

    async def switched_urls(self) -> dict[str, SwitchedUrl]:
        """By destination: where leads go instead of the configured address."""

    async def drop_switched_url(self, destination: str, *, reason: str, actor: str) -> bool:
        """Let leads go to the configured address again; False: they did already."""
