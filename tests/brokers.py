"""A real Apache Kafka for tests: one node in its own process, on free ports of loopback.

Run as `python tests/brokers.py` it starts one, prints its address and stops it at Ctrl-C.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from events.kafka.address import Address

__all__ = ["Broker", "fetched", "topic_of"]

POM = Path(__file__).parent / "kafka" / "pom.xml"
JARS = Path(sys.prefix) / "kafka"  # fetched once for a checkout
FETCH_SECONDS = 240
START_SECONDS = 60
ASK_SECONDS = 0.05  # between two questions whether it takes connections
STOP_SECONDS = 20

_SETTINGS: Final = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    # Topics are made by the log itself, with the settings that it needs.
    "auto.create.topics.enable": "false",
    # One node stands for all of its followers.
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    # A broker that was killed may come back at once.
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
    # Small enough for a machine that runs tests beside it.
    "num.network.threads": "2",
    "num.io.threads": "2",
    "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
}
_LOGGING: Final = """status = error
appender.out.type = Console
appender.out.name = OUT
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = [%d] %p %m (%c)%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = OUT
"""


class Broker:
    """A broker that can be killed, frozen and started again where it was.

    Args:
        folder: where it keeps everything.
        address: host and port that it is reached at; free ones of loopback by default.
        within: a command that runs another one somewhere else, such as in a namespace.
        scram: users that its storage begins with, as `kafka.tools.StorageTool` takes them.
        **settings: more of Kafka's own, their dots written as `__`.
    """

    def __init__(
        self,
        folder: Path,
        address: str | None = None,
        within: Sequence[str] = (),
        scram: Sequence[str] = (),
        **settings: str,
    ) -> None:
        self.folder = folder
        self._within = within
        self._users = [part for user in scram for part in ("--add-scram", user)]
        host = address.rsplit(":", 1)[0] if address else "127.0.0.1"
        port, controller = (str(free) for free in free_ports(2))
        self.address = address or f"{host}:{port}"
        listeners = f"PLAINTEXT://{self.address},CONTROLLER://{host}:{controller}"
        named = {name.replace("__", "."): value for name, value in settings.items()}
        whole = _SETTINGS | {
            "controller.quorum.voters": f"1@{host}:{controller}",
            "listeners": listeners,
            "advertised.listeners": f"PLAINTEXT://{self.address}",
            "log.dirs": str(folder / "data"),
        }
        folder.mkdir(parents=True, exist_ok=True)
        self._settings = folder / "server.properties"
        lines = (f"{name}={value}\n" for name, value in (whole | named).items())
        self._settings.write_text("".join(lines), encoding="utf-8")
        (folder / "log4j2.properties").write_text(_LOGGING, encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None, "the broker was not started"
        return self._process.pid

    def _java(self, *arguments: str) -> list[str]:
        return [
            *self._within,
            "java",
            *("-Xms64m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
            f"-Dlog4j2.configurationFile={self.folder / 'log4j2.properties'}",
            f"-Dkafka.logs.dir={self.folder}",
            *("-cp", str(JARS / "*")),
            *arguments,
        ]

    def start(self) -> "Broker":
        """Start it, the first time on fresh storage, and wait until it takes connections."""
        if not (self.folder / "data").exists():
            cluster = uuid.uuid4().hex[:22]
            format_ = ("kafka.tools.StorageTool", "format", "-t", cluster, "-c")
            subprocess.run(
                self._java(*format_, str(self._settings), *self._users),
                check=True,
                capture_output=True,
            )
        with (self.folder / "server.log").open("ab") as out:
            self._process = subprocess.Popen(
                self._java("kafka.Kafka", str(self._settings)), stdout=out, stderr=out
            )
        deadline = time.monotonic() + START_SECONDS
        while not answers(self.address):
            # A door that opens wakes nobody; a process that ends does.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(ASK_SECONDS)
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = (self.folder / "server.log").read_text(encoding="utf-8")
                raise RuntimeError(f"the broker did not start:\n{said[-3000:]}")
        return self

    def kill(self) -> None:
        """End it as a power cut would end its process."""
        assert self._process is not None, "the broker was not started"
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def stop(self) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        self.thaw()
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()


def free_ports(count: int) -> list[int]:
    """Give ports of loopback that nobody listens at."""
    doors = [socket.socket() for _ in range(count)]
    try:
        for door in doors:
            door.bind(("127.0.0.1", 0))
        return [int(door.getsockname()[1]) for door in doors]
    finally:
        for door in doors:
            door.close()


def answers(address: str) -> bool:
    """Whether something takes connections there."""
    host, port = address.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), 0.5).close()
    except OSError:
        return False
    return True


def topic_of(address: str, folder: Path, name: str | None = None) -> Address:
    """A log on a topic of its own, with its mirror in a folder."""
    topic = name or f"test-{uuid.uuid4().hex[:12]}"
    return Address(address, topic, str(folder / f"{topic}.mirror.db"))


def fetched() -> None:
    """Have the broker's jars, or skip and say what is missing."""
    for tool in ("java", "mvn"):
        if shutil.which(tool) is None and not (tool == "mvn" and JARS.exists()):
            pytest.skip(
                f"{tool} is missing: install Java 17 and Maven, or name a broker, "
                "DATELINE_TEST_KAFKA=host:port"
            )
    if JARS.exists():
        return
    part = JARS.with_name(f"kafka-{os.getpid()}")
    command = ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies"]
    command += ["-DincludeScope=runtime", f"-DoutputDirectory={part}"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=FETCH_SECONDS
        )
        if done.returncode:
            pytest.skip(f"Maven cannot fetch Kafka: {done.stdout.strip()[-200:]}")
        if not JARS.exists():
            part.rename(JARS)
    except subprocess.TimeoutExpired:
        pytest.skip(f"Maven did not fetch Kafka within {FETCH_SECONDS} s")
    finally:
        shutil.rmtree(part, ignore_errors=True)


def main() -> None:
    fetched()
    with tempfile.TemporaryDirectory(prefix="dateline-kafka-") as folder:
        broker = Broker(Path(folder)).start()
        print(broker.address, flush=True)  # noqa: T201 - the program's answer
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        try:
            signal.pause()
        except KeyboardInterrupt:
            pass
        finally:
            broker.stop()


if __name__ == "__main__":
    main()
