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

from dateline.wiring import expect_there, open_log
from events.errors import LogUnavailable, Refused
from events.kafka.address import Address
from events.kafka.log import KafkaLog

PASSWORD = "a-secret-of-the-drill"  # noqa: S105 - of a broker that lives for one test
_LOGIN = "org.apache.kafka.common.security"
_US = f'username="dateline" password="{PASSWORD}"'
# What a broker is set up with for each mechanism, beside its name.
JAAS = {
    "PLAIN": f'{_LOGIN}.plain.PlainLoginModule required {_US} user_dateline="{PASSWORD}";',
    "SCRAM-SHA-256": f"{_LOGIN}.scram.ScramLoginModule required {_US};",
    "SCRAM-SHA-512": f"{_LOGIN}.scram.ScramLoginModule required {_US};",
}


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


def guarding(folder: Path, both: Path, **settings: str) -> dict[str, str]:
    """Settings of a broker that speaks TLS."""
    return {
        "ssl__keystore__type": "PEM",
        "ssl__keystore__location": str(both),
        "ssl__truststore__type": "PEM",
        "ssl__truststore__location": str(folder / "ca.pem"),
        **settings,
    }


@pytest.fixture(params=list(JAAS))
async def guarded(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Broker]:
    """A broker that speaks TLS and lets in who knows the password, by each mechanism."""
    mechanism = request.param
    scram = [f"{mechanism}=[name=dateline,password={PASSWORD}]"] if "SCRAM" in mechanism else []
    settings = guarding(
        tmp_path,
        certificate(tmp_path),
        listener__security__protocol__map="PLAINTEXT:SASL_SSL,CONTROLLER:PLAINTEXT",
        sasl__enabled__mechanisms=mechanism,
        sasl__mechanism__inter__broker__protocol=mechanism,
    )
    settings[f"listener__name__plaintext__{mechanism.lower()}__sasl__jaas__config"] = JAAS[
        mechanism
    ]
    async for broker in running(tmp_path, scram, settings):
        yield broker


@pytest.fixture
async def mutual(tmp_path: Path) -> AsyncIterator[Broker]:
    """A broker that speaks TLS and lets in who shows a certificate that it knows."""
    settings = guarding(
        tmp_path,
        certificate(tmp_path),
        listener__security__protocol__map="PLAINTEXT:SSL,CONTROLLER:PLAINTEXT",
        ssl__client__auth="required",
    )
    async for broker in running(tmp_path, [], settings):
        yield broker


async def running(
    folder: Path, scram: list[str], settings: dict[str, str]
) -> AsyncIterator[Broker]:
    fetched()
    made = Broker(folder / "broker", scram=scram, **settings)
    try:
        yield await asyncio.to_thread(made.start)
    finally:
        await asyncio.to_thread(made.stop)


def address_of(broker: Broker, folder: Path, mechanism: str, **named: str) -> Address:
    secret = folder / "credentials"
    secret.write_text(f"dateline\n{PASSWORD}\n", encoding="utf-8")
    wanted = {
        "security": "sasl_ssl",
        "mechanism": mechanism,
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
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """With the password and the broker's certificate a log is had; with a wrong one it is not.

    Neither an error nor a line of the log says the password, and the URL that is shown names no
    file.
    """
    mechanism = request.node.callspec.params["guarded"]
    log = KafkaLog(address_of(guarded, tmp_path, mechanism))
    assert (await log.append("a", [note("1")])).positions == (1,)
    assert log.url == f"kafka://{guarded.address}/guarded"
    await log.close()
    monkeypatch.setattr("events.kafka.log.OPEN_SECONDS", 2)
    wrong = tmp_path / "wrong"
    wrong.write_text(f"dateline\n{PASSWORD}-not\n", encoding="utf-8")
    empty = tmp_path / "empty"
    empty.write_text(PASSWORD, encoding="utf-8")
    unusable = (
        {"credentials": str(empty)},
        {"credentials": str(tmp_path / "none")},
        {"ca": str(empty)},
    )
    for named in ({"credentials": str(wrong)}, *(unusable if mechanism == "PLAIN" else ())):
        log = KafkaLog(address_of(guarded, tmp_path, mechanism, **named))
        with pytest.raises(LogUnavailable) as refused:
            await log.head()
        await log.close()
        assert PASSWORD not in str(refused.value)
    said = capfd.readouterr()
    assert PASSWORD not in said.out + said.err
    gc.collect()  # here, so that no other test is told of them


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_broker_that_asks_for_our_certificate_is_shown_it(
    mutual: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a certificate and its key, in one file or two, a log is had; without, it is not."""
    url = f"kafka://{mutual.address}/mutual?security=ssl&ca={tmp_path}/ca.pem"
    key = tmp_path / "key.pem"
    key.write_bytes((tmp_path / "broker.pem").read_bytes().partition(b"-----BEGIN CERT")[0])
    for number, shown in enumerate(
        (f"cert={tmp_path}/broker.pem", f"cert={tmp_path}/ca.pem&key={key}"), 1
    ):
        address = Address.parse(f"{url}&mirror={tmp_path}/{number}.db&{shown}")
        assert address is not None
        log = KafkaLog(address)
        assert (await log.append("a", [note(str(number))])).positions == (number,)
        await log.close()
    monkeypatch.setattr("events.kafka.log.OPEN_SECONDS", 2)
    nobody = Address.parse(f"{url}&mirror={tmp_path}/nobody.db")
    assert nobody is not None
    log = KafkaLog(nobody)
    with pytest.raises(LogUnavailable):
        await log.head()
    await log.close()
    gc.collect()


async def test_what_we_may_not_see_is_not_called_gone(tmp_path: Path) -> None:
    """Where the broker lets our user see nothing, nobody is told that there is no log yet."""
    settings = {
        "listener__security__protocol__map": "PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
        "sasl__enabled__mechanisms": "PLAIN",
        "sasl__mechanism__inter__broker__protocol": "PLAIN",
        "listener__name__plaintext__plain__sasl__jaas__config": JAAS["PLAIN"],
        "authorizer__class__name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super__users": "User:ANONYMOUS",  # the broker itself, at its controller
    }
    (tmp_path / "credentials").write_text(f"dateline\n{PASSWORD}\n", encoding="utf-8")
    query = f"security=sasl_plaintext&credentials={tmp_path}/credentials"
    async for broker in running(tmp_path, [], settings):
        url = f"kafka://{broker.address}/guarded?{query}&mirror={tmp_path}/m.db"
        with pytest.raises(Refused, match="leave to see it"):
            await expect_there(url)
        log = open_log(url)
        with pytest.raises(Refused, match="leave to see it"):
            await log.head()
        await log.close()
