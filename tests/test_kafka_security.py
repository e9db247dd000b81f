"""A broker that asks who we are, and that we ask who it is; secrets are in files and stay there."""

import asyncio
import gc
import ipaddress
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from brokers import Broker, fetched
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from filings import note

from events.errors import LogUnavailable
from events.kafka.address import Address
from events.kafka.log import KafkaLog

PASSWORD = "a-secret-of-the-drill"  # noqa: S105 - of a broker that lives for one test
JAAS = (
    "org.apache.kafka.common.security.plain.PlainLoginModule required "
    f'username="dateline" password="{PASSWORD}" user_dateline="{PASSWORD}";'
)


def certificate(folder: Path) -> Path:
    """Make a certificate for loopback that vouches for itself; gives the file with its key too."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "drill")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    public = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "ca.pem").write_bytes(public)
    both = folder / "broker.pem"
    both.write_bytes(private + public)
    return both


@pytest.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[Broker]:
    """A broker that speaks TLS and lets in who knows the password."""
    fetched()
    both = certificate(tmp_path)
    made = Broker(
        tmp_path / "broker",
        listener__security__protocol__map="PLAINTEXT:SASL_SSL,CONTROLLER:PLAINTEXT",
        sasl__enabled__mechanisms="PLAIN",
        sasl__mechanism__inter__broker__protocol="PLAIN",
        listener__name__plaintext__plain__sasl__jaas__config=JAAS,
        ssl__keystore__type="PEM",
        ssl__keystore__location=str(both),
        ssl__truststore__type="PEM",
        ssl__truststore__location=str(tmp_path / "ca.pem"),
    )
    try:
        yield await asyncio.to_thread(made.start)
    finally:
        await asyncio.to_thread(made.stop)


def address_of(broker: Broker, folder: Path, **named: str) -> Address:
    secret = folder / "credentials"
    secret.write_text(f"dateline\n{PASSWORD}\n", encoding="utf-8")
    wanted = {
        "security": "sasl_ssl",
        "mechanism": "PLAIN",
        "credentials": str(secret),
        "ca": str(folder / "ca.pem"),
        "mirror": str(folder / "mirror.db"),
        **named,
    }
    query = "&".join(f"{name}={value}" for name, value in wanted.items())
    found = Address.parse(f"kafka://{broker.address}/guarded?{query}")
    assert found is not None
    return found


def test_a_key_with_a_password_is_refused_and_nobody_is_asked(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A server has nobody at a terminal: a locked key is an error, not a question."""
    certificate(tmp_path)
    locked = tmp_path / "locked.pem"
    locked.write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"drill"),
        )
    )
    query = f"security=ssl&cert={tmp_path}/ca.pem&key={locked}"
    address = Address.parse(f"kafka://127.0.0.1:1/guarded?{query}")
    assert address is not None
    with pytest.raises(LogUnavailable, match="a file that can be used"):
        address.client()
    said = capfd.readouterr()
    assert said.out + said.err == ""


# Connections that end within their TLS handshake are left to the garbage collector by the library.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_guarded_broker_lets_us_in(
    guarded: Broker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """With the password and the broker's certificate a log is had; with a wrong one it is not.

    Neither an error nor a line of the log says the password, and the URL that is shown names no
    file.
    """
    log = KafkaLog(address_of(guarded, tmp_path))
    assert (await log.append("a", [note("1")])).positions == (1,)
    assert log.url == f"kafka://{guarded.address}/guarded"
    await log.close()
    monkeypatch.setattr("events.kafka.log.OPEN_SECONDS", 2)
    wrong = tmp_path / "wrong"
    wrong.write_text(f"dateline\n{PASSWORD}-not\n", encoding="utf-8")
    empty = tmp_path / "empty"
    empty.write_text(PASSWORD, encoding="utf-8")
    for named in (
        {"credentials": str(wrong)},
        {"credentials": str(empty)},
        {"credentials": str(tmp_path / "none")},
        {"ca": str(empty)},
    ):
        log = KafkaLog(address_of(guarded, tmp_path, **named))
        with pytest.raises(LogUnavailable) as refused:
            await log.head()
        await log.close()
        assert PASSWORD not in str(refused.value)
    said = capfd.readouterr()
    assert PASSWORD not in said.out + said.err
    gc.collect()  # here, so that no other test is told of them
