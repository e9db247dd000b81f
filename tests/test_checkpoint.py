"""Checkpoints are signed notes as C2SP has them: published ones agree, spoilt ones are refused."""

import base64
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from consumers.audit import stand_alone
from events.checkpoint import (
    Checkpoint,
    VerifierKey,
    checkpoint_in,
    cosigners,
    new_signer,
    open_note,
    signer_of,
    tlog_proof,
    verifier_key,
)
from events.errors import Refused

# The keys and notes of the reference implementation's tests, and the specification's example.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETERS_SECRET = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"  # noqa: S105 - published as an example
ENOCH = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
PETERS_LINE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb"
    "6KE6RyyBwJnAM=\n"
)
ENOCHS_LINE = (
    "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33"
    "WWd1RvMc+QQ=\n"
)
NOTE = f"{TEXT}\n{PETERS_LINE}"
SPEC_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
SPEC_NOTE = (
    "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONnc"
    "AlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)


def test_the_published_note_is_signed_byte_for_byte() -> None:
    """The published secret key gives the published public key, and signs the published note."""
    signer = signer_of(PETERS_SECRET)
    assert str(signer) == PETERS_SECRET
    assert str(signer.public) == PETER
    assert signer.sign(TEXT) == NOTE
    assert PETERS_SECRET[-20:] not in repr(signer)


def test_published_notes_are_opened() -> None:
    """Published notes hold for their keys; signatures of keys that nobody knows are passed over."""
    peter, enoch = verifier_key(PETER), verifier_key(ENOCH)
    assert open_note(NOTE, [peter]) == TEXT
    assert open_note(NOTE + ENOCHS_LINE, [peter]) == TEXT
    assert open_note(NOTE + ENOCHS_LINE, [enoch]) == TEXT
    assert open_note(SPEC_NOTE, [verifier_key(SPEC_KEY)]) == "This is an example message.\n"


@pytest.mark.parametrize(
    "note",
    [
        TEXT,
        f"{TEXT}\n",
        NOTE[:-1],
        f"\x01{NOTE}",
        b"\xff" + NOTE.encode(),
        f"{TEXT}\n— Bad Name {PETERS_LINE.rsplit(' ', maxsplit=1)[-1][:-1]}",
        f"{NOTE}Unexpected line.\n",
        f"{TEXT}\n{PETERS_LINE * 101}",
        f"{TEXT}\n{PETERS_LINE[:60]}ABCD{PETERS_LINE[60:]}",
        f"{TEXT}\n{PETERS_LINE.replace('x08g', 'xxxx')}",
        f"{TEXT}\n{PETERS_LINE.replace('PeterNeumann', 'CarmenSandiego')}",
        f"{TEXT}\n{ENOCHS_LINE}",
        NOTE.replace("cryptography", "cryptografy"),
        NOTE.replace("— ", "- "),
        NOTE.replace("\n", "\r\n"),
    ],
)
def test_spoilt_notes_are_refused(note: str | bytes) -> None:
    """What is no note, or not what a known key signed, is refused, as published tests have it."""
    with pytest.raises(Refused):
        open_note(note, [verifier_key(PETER)])


def test_spoilt_keys_are_refused() -> None:
    """No part of a key and no key with one character changed is taken for one."""
    for key, read in ((PETER, verifier_key), (PETERS_SECRET, signer_of)):
        parts = {key[i:j] for i in range(len(key)) for j in range(i + 1, len(key) + 1)} - {key}
        changed = {key[:i] + chr(ord(key[i]) + 1) + key[i + 1 :] for i in range(len(key))}
        for spoilt in parts | changed:
            with pytest.raises(Refused):
                read(spoilt)
    for published in (
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ):
        with pytest.raises(Refused):
            verifier_key(published)


def test_a_checkpoint_is_three_lines() -> None:
    """A checkpoint is origin, size and root, as C2SP has it; what only looks so is refused."""
    made = Checkpoint("example.com/log", 7, bytes(32))
    assert made.text == f"example.com/log\n7\n{'A' * 43}=\n"
    assert checkpoint_in(made.text) == made
    assert checkpoint_in(f"{made.text}extension\n") == made
    for spoilt in (
        "",
        "example.com/log\n7\n",
        made.text.replace("\n7\n", "\n07\n"),
        made.text.replace("\n7\n", "\n-7\n"),
        made.text.replace("\n7\n", "\n 7\n"),
        made.text.replace("=", ""),
        made.text.replace("A=", "B="),
        made.text.removesuffix("\n"),
        f"{made.text}\n",
        f"\n{made.text}",
    ):
        with pytest.raises(Refused):
            checkpoint_in(spoilt)


def test_witnesses_may_cosign() -> None:
    """A witness's signature with its time is recognised, and never stands for the log's own."""
    log, witness = (
        new_signer("log.example", bytes(31) + b"\x01"),
        new_signer("w.example", bytes(32)),
    )
    key = VerifierKey("w.example", 0x04, witness.public.key)
    note = log.sign(Checkpoint("log.example", 1, bytes(32)).text)
    text = note.partition("\n\n")[0] + "\n"
    time = 1_679_315_147
    signed = witness.signature(f"cosignature/v1\ntime {time}\n{text}".encode())
    line = base64.b64encode(key.id + time.to_bytes(8, "big") + signed).decode()
    cosigned = f"{note}— w.example {line}\n"
    assert verifier_key(str(key)) == key
    assert cosigners(cosigned, [key]) == [(key, time)]
    assert open_note(cosigned, [log.public, key]) == text
    with pytest.raises(Refused):
        open_note(cosigned, [key])
    with pytest.raises(Refused):
        open_note(cosigned.replace(line[-8:], "AAAAAAA="), [log.public, key])


def test_a_proof_file_is_as_published() -> None:
    """A proof file has the index, the hashes and the checkpoint, as tlog-proof has it."""
    assert tlog_proof(4, [bytes(32)], NOTE) == (
        f"c2sp.org/tlog-proof@v1\nindex 4\n{'A' * 43}=\n\n{NOTE}"
    )


def test_openssl_verifies_a_checkpoint(tmp_path: Path) -> None:
    """A checkpoint's signature is one that OpenSSL verifies."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not there: apt-get install openssl")
    signer = new_signer("log.example", bytes(range(32)))
    text, _, lines = signer.sign(Checkpoint("log.example", 9, bytes(32)).text).partition("\n\n")
    public = Ed25519PublicKey.from_public_bytes(signer.public.key)
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "key.pem").write_bytes(pem)
    (tmp_path / "text").write_text(f"{text}\n")
    raw = base64.b64decode(lines.removeprefix("— log.example ").strip())
    for signature, code in ((raw[4:], 0), (raw[4:-1] + bytes([raw[-1] ^ 1]), 1)):
        (tmp_path / "signature").write_bytes(signature)
        command = "openssl pkeyutl -verify -pubin -inkey key.pem -rawin -in text -sigfile signature"
        done = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, check=False)
        assert done.returncode == code, done.stderr


# RFC 8032, section 7.1: public key, message, signature.
RFC_8032 = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
            "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
        ),
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
            "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
        ),
    ),
]


@pytest.mark.parametrize(("key", "message", "signature"), RFC_8032)
def test_the_stand_alone_verifier_knows_ed25519(key: str, message: str, signature: str) -> None:
    """The verifier's own Ed25519 accepts the vectors of RFC 8032, and none with a bit flipped."""
    public, text, signed = (bytes.fromhex(each) for each in (key, message, signature))
    assert stand_alone._verified(public, text, signed)
    for place in range(0, 512, 37):
        flipped = bytearray(signed)
        flipped[place // 8] ^= 1 << place % 8
        assert not stand_alone._verified(public, text, bytes(flipped))
    beyond = int.from_bytes(signed[32:], "little") + stand_alone.ORDER
    assert not stand_alone._verified(public, text, signed[:32] + beyond.to_bytes(32, "little"))
    assert not stand_alone._verified(public, text + b"x", signed)
    assert not stand_alone._verified(public, text, signed[:-1])
