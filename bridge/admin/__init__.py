"""The HTTP side of the bridge: metrics and probes."""

from bridge.admin.server import listening

__all__ = ["listening"]
