"""One mq-bridge route, as a process of its own: `python -m tests.bench.mq_bridge_relay CONFIG`.

CONFIG is the route as JSON. The route runs in Rust; this process only starts it and waits until it is ended (SIGTERM).
"""

import signal
import sys
from pathlib import Path

import mq_bridge


def main() -> None:
    """Run the route until a signal."""
    mq_bridge.init_logging()
    signal.signal(signal.SIGTERM, lambda *_: mq_bridge.request_shutdown())
    route = mq_bridge.Route.from_str(Path(sys.argv[1]).read_text("utf-8"))
    route.start()
    route.join()


if __name__ == "__main__":
    main()
