"""What the brokers of a bridge are called: no two of them the same, or the loop guard would take them for one."""

from bridge.errors import RouteFault


class Identities:
    """The names that brokers were found to have, each by the first that had it."""

    def __init__(self) -> None:
        self._brokers: dict[str, str] = {}

    def claim(self, broker: str, identity: str) -> None:
        """Note what `[brokers.NAME]` is called; raises RouteFault (conflict) if another one is called that."""
        first = self._brokers.setdefault(identity, broker)
        if first != broker:
            raise RouteFault(
                f"[brokers.{first}] and [brokers.{broker}] are both called {identity}, and would be taken "
                "for one by the loop guard: state an id for each, or the same one if they are one broker",
                "conflict",
            )
