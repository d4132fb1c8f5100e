"""One private RabbitMQ node: a process of its own, with its own epmd, ports, cookie and data."""

import os
from collections.abc import Sequence
from pathlib import Path

from bridge.cli.demo.install import RabbitFiles
from bridge.cli.demo.process import Process, answers, free_port, run, wait_until

_PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"
_METHOD_FRAME = 1
_CTL_SECONDS = 60.0


class RabbitMQ:
    """A node on 127.0.0.1 that keeps its port and its data while it is stopped, killed and started again.

    `folder` must exist and be empty; it belongs to the node until `close`. `plugins` are enabled from its start on,
    `settings` are further lines of rabbitmq.conf.
    Methods that wait are bounded (60 s) and raise Unavailable with the end of the log.
    """

    def __init__(
        self,
        files: RabbitFiles,
        folder: Path,
        *,
        outlives: bool = False,
        plugins: Sequence[str] = (),
        settings: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self.log = folder / "log"
        self.data = folder / "mnesia"
        self.port = free_port()
        self._files = files
        self._outlives = outlives
        self._epmd_port = free_port()
        self._epmd: Process | None = None
        self._node: Process | None = None
        self._env = self._environment(free_port())
        lines = [f"listeners.tcp.default = 127.0.0.1:{self.port}", *settings]
        (folder / "rabbitmq.conf").write_text("".join(f"{line}\n" for line in lines), "utf-8")
        (folder / "enabled_plugins").write_text(f"[{','.join(plugins)}].\n", "utf-8")

    @property
    def url(self) -> str:
        """The AMQP URL of vhost `/`, with the node's only user."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    @property
    def processes(self) -> list[Process]:
        """What runs of it: the node, then its epmd."""
        return [process for process in (self._node, self._epmd) if process is not None and process.running()]

    def launch(self) -> None:
        """Start the processes without waiting for them."""
        epmd = ["epmd", "-port", str(self._epmd_port), "-address", "127.0.0.1"]
        if self._epmd is None or not self._epmd.running():
            self._epmd = self._process("epmd", epmd, self.folder / "epmd.log")
        self._node = self._process("RabbitMQ", [str(self._files.home / "sbin/rabbitmq-server")], self.log)

    def wait_ready(self) -> None:
        """Wait until the node answers AMQP."""
        assert self._node is not None, "launch comes first"  # noqa: S101
        wait_until(lambda: speaks("127.0.0.1", self.port), f"RabbitMQ to answer on 127.0.0.1:{self.port}", self._node)

    def start(self) -> None:
        """Start the node and wait until it answers."""
        self.launch()
        self.wait_ready()

    def stop(self) -> None:
        """End the node as an operator would: clients are told, data is kept, the port refuses."""
        if self._node is not None:
            self._node.stop()

    def kill(self) -> None:
        """End the node at once (SIGKILL); data is kept as far as it was written."""
        if self._node is not None:
            self._node.kill()

    def restart(self) -> None:
        """Stop and start the node: exchanges, queues and messages that are not durable are gone."""
        self.stop()
        self.start()

    def restart_app(self) -> None:
        """Restart RabbitMQ within its Erlang machine: to clients the same as `restart`, in half the time."""
        self.ctl("eval", "rabbit:stop(), rabbit:start().")

    def close(self) -> None:
        """End everything at once; the data is not needed any more."""
        self.kill()
        if self._epmd is not None:
            self._epmd.kill()

    def ctl(self, *arguments: str) -> str:
        """Run rabbitmqctl against this node and return what it printed."""
        return run([str(self._files.home / "sbin/rabbitmqctl"), *arguments], env=self._env, seconds=_CTL_SECONDS)

    def _process(self, name: str, command: list[str], log: Path) -> Process:
        return Process(name, command, log, env=self._env, cwd=self.folder, outlives=self._outlives)

    def _environment(self, dist_port: int) -> dict[str, str]:
        folder, root = self.folder, self._files.root
        path = [str(root / "usr/lib/erlang/bin"), os.environ.get("PATH", ""), "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
        return {
            "PATH": ":".join(path),
            "HOME": str(folder),  # the Erlang cookie is made here
            "LANG": "C.UTF-8",
            "ERL_ROOTDIR": str(root / "usr/lib/erlang"),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_HOME": str(self._files.home),
            "RABBITMQ_NODENAME": f"fedbridge-{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(dist_port),
            "RABBITMQ_MNESIA_BASE": str(self.data),
            "RABBITMQ_LOG_BASE": str(folder),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            # No busy waiting: the schedulers would take turns with everything else on a small machine.
            "RABBITMQ_SERVER_ERL_ARGS": "+sbwt none +sbwtdcpu none +sbwtdio none",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            # Makes the script become the Erlang machine instead of staying as its parent.
            "RUNNING_UNDER_SYSTEMD": "true",
        }


def speaks(host: str, port: int) -> bool:
    """Whether an AMQP 0-9-1 broker answers there within a second."""
    return answers(host, port, _PROTOCOL_HEADER, lambda reply: reply[:1] == bytes([_METHOD_FRAME]))
