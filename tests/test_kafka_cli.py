"""What the commands say of a log on Kafka that is not there, or not to be had."""

import asyncio
import gc
import subprocess
import sys
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from brokers import topic_of
from conftest import SAMPLE

from events.kafka.leaving import let_go, started
from events.kafka.topics import exists, log_settings


def run_cli(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dateline", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_doctor_makes_no_topic(kafka: str, tmp_path: Path) -> None:
    """Asked after a log that is not there, the doctor says so, and there is none afterwards."""
    address = topic_of(kafka, tmp_path)
    said = run_cli(tmp_path, "doctor", "--log", address.url)
    assert said.returncode == 0, said.stderr
    assert "none yet; the log is made by the first filing" in said.stdout
    assert not asyncio.run(exists(address))
    assert list(tmp_path.iterdir()) == []


def test_a_backup_comes_back_to_kafka(kafka: str, tmp_path: Path) -> None:
    """A copy cannot be restored to a topic, and what is said instead does it."""
    first, second = topic_of(kafka, tmp_path), topic_of(kafka, tmp_path)
    assert run_cli(tmp_path, "import", str(SAMPLE), "--log", first.url).returncode == 0
    assert run_cli(tmp_path, "backup", "copy.db", "--log", first.url).returncode == 0
    refused = run_cli(tmp_path, "restore", "copy.db", "--log", second.url)
    assert refused.returncode == 2
    assert "`dateline relay` copies one to Kafka" in refused.stderr
    words = ("relay", "--from", "sqlite:///copy.db", "--to", second.url)
    copied = run_cli(tmp_path, *words)
    assert copied.returncode == 0, copied.stderr
    assert "26 events copied" in copied.stdout
    # Where nobody looked for redactions yet, no file is called clean of them.
    assert "not looked for yet" in run_cli(tmp_path, "doctor", "--log", second.url).stdout


async def test_a_server_that_cannot_start_says_why(kafka: str, tmp_path: Path) -> None:
    """A server whose log is refused ends with that sentence, as every command does."""
    address = topic_of(kafka, tmp_path)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    settings = log_settings(stamped=True)
    await admin.create_topics([NewTopic(address.topic, 2, 1, topic_configs=settings)])
    await admin.close()
    words = ("serve", "--port", "0", "--log", address.url)
    said = await asyncio.to_thread(run_cli, tmp_path, *words)
    assert said.returncode == 1
    assert "refused by rule topic" in said.stderr.splitlines()[-1]
    assert said.stdout == ""


@pytest.mark.parametrize(
    ("broker", "why"),
    [
        ("127.0.0.1:1", "Connection refused"),
        ("BROKER", "does not go on with ours (security=ssl)"),
    ],
)
def test_why_there_is_no_broker_is_said_in_one_line(
    kafka: str, tmp_path: Path, broker: str, why: str
) -> None:
    """A command that finds no broker says why in a sentence, and the library says nothing."""
    address = broker.replace("BROKER", kafka)
    security = "?security=ssl" if "security" in why else ""
    said = run_cli(tmp_path, "stories", "--log", f"kafka://{address}/topic{security}")
    assert said.returncode == 3
    (line,) = said.stderr.splitlines()
    assert line.startswith("dateline: log unavailable")
    assert why in line


async def test_a_client_that_is_cancelled_while_it_starts_leaves_nothing_open(
    kafka: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whenever a command ends while it is still connecting, no connection is left behind."""

    async def connect() -> None:
        consumer = AIOKafkaConsumer(bootstrap_servers=kafka)
        try:
            await started(consumer)
        finally:
            await let_go(consumer, 2)

    for turns in range(0, 1_500, 20):
        connecting = asyncio.create_task(connect())
        for _ in range(turns):
            await asyncio.sleep(0)
        connecting.cancel()
        await asyncio.wait([connecting])
    gc.collect()
    assert not [record.message for record in caplog.records if record.name == "asyncio"]
