"""Verifies an export of a Dateline log, with nothing but Python 3.11 and this one file.

    python3 verify_export.py FILE [--key VKEY] [--kept CHECKPOINT]

It holds every event against its leaf, its commitments and its place, the leaves against the
checkpoint's root, and the checkpoint against its signature, and names the first position at fault.
The format is written down in Dateline's docs/export-format.md. `--key` names the public key that
you were given by other means than this file; `--kept` a checkpoint that you kept from before,
without which a history that was rewritten and signed anew cannot be told from the true one.

It is one file, and longer than a file of Dateline should be, so that it can be handed to somebody.
"""

import argparse
import base64
import hashlib
import hmac
import json
import re
import sys
import zlib
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from typing import Any, Final, NamedTuple

__all__ = ["Checked", "Distrust", "Refusal", "check", "main"]

FORMAT: Final = "dateline-export/1"
CHUNK = 1 << 16  # bytes read at a time
LONGEST_LINE = 1 << 24  # bytes of one line: an event's contents at their longest, many times over
HEADER: Final = {"checkpoint", "events", "format", "keys", "parts", "rotations", "story"}
FIELDS: Final = {"body", "body_nonce", "envelope", "leaf", "position"}
PRIVATE: Final = {"private", "private_nonce"}
PARTS: Final = {"public", "internal", "private"}
CHANGE: Final = {"new", "old", "signatures"}
UNKNOWN: Final = ", which is the file's own word: --key holds it to the key that you were given"
NONCE = 64  # hex digits: an HMAC takes a shorter key for the same with zeros behind it
MOST_SIGNATURES = 100  # in one note; as Go's reference implementation has it
sha256 = hashlib.sha256
_SHAPE: Final = (KeyError, TypeError, ValueError, AttributeError, OverflowError)
_SIGNATURE: Final = re.compile("\u2014 ([^\\s+]+) ([A-Za-z0-9+/]+={0,2})")
_SIZE: Final = re.compile("0|[1-9][0-9]{0,18}")


class Refusal(Exception):
    """The export is not what the log signed; `position` is where, 0 where no one event is."""

    def __init__(self, position: int, expected: str, found: str) -> None:
        super().__init__(f"position {position}: expected {expected}; found {found}")
        self.position = position
        self.expected = expected
        self.found = found


class Distrust(Refusal):
    """The key or the kept checkpoint, `what`, is none or not of this log; the file may be sound."""

    def __init__(self, what: str, expected: str, found: str) -> None:
        super().__init__(0, expected, found)
        self.args = (f"--{what}: expected {expected}; found {found}",)
        self.what = what


class Checked(NamedTuple):
    """What was verified: the origin, events, how many are shown and erased, root and key."""

    origin: str
    events: int
    shown: int
    erased: int
    root: str
    key: str

    @property
    def hidden(self) -> int:
        """How many are proved to be there and not shown; what is left of erased ones is shown."""
        return self.events - self.shown


class Head(NamedTuple):
    """A checkpoint: what the log was at a size."""

    origin: str
    size: int
    root: bytes


def check(path: str, key: str | None = None, kept: str | None = None) -> Checked:
    """Verify an export.

    Args:
        path: the export's file, gzipped or not.
        key: the public key to trust, as `name+id+base64`; the export's own by default.
        kept: the text of a signed checkpoint that was kept from before.

    Raises:
        Refusal: naming the first position at fault.
        Distrust: the key or the kept checkpoint is not of this log.
    """
    lines = _lines(path)
    try:
        header = _header(next(lines, b""))
        keys = _keys(header, key)
        head, signed_by = _opened(header["checkpoint"], keys[-1:])
        events = _Events(header, head, None if kept is None else _kept(kept, keys, head))
    except _SHAPE as error:
        raise Refusal(0, "a header as the format has it", _said(error)) from None
    for line in lines:
        try:
            events.take(line)
        except _SHAPE as error:
            raise Refusal(events.at, "an event as the format has it", _said(error)) from None
    return events.done(signed_by)


def _said(error: Exception) -> str:
    """Say what is wrong without repeating bytes that are no text."""
    if isinstance(error, UnicodeError):
        return "bytes that are no UTF-8"
    return f"{type(error).__name__}: {error}"[:200]


class _Events:
    """The events of an export, taken one by one in order."""

    def __init__(self, header: dict[str, Any], head: Head, kept: Head | None) -> None:
        self.story: str | None = header["story"]
        self.private = header["parts"] == "private"
        self.fields = FIELDS | (PRIVATE if self.private else set())
        self.fields |= set() if self.story is None else {"proof"}
        self.public = header["parts"] == "public"
        self.hides = self.public and self.story is None
        self.expected: int = header["events"]
        self.head = head
        self.kept = kept
        self.count = 0
        self.shown = 0
        self.last = 0
        self.at = 1  # the position that is looked at
        self.recorded_at = ""
        self.edge: list[bytes] = []
        self.versions: dict[str, int] = {}
        self.missing: dict[tuple[str, int, str], int] = {}
        self.gone: set[tuple[str, int]] = set()  # the versions whose bodies were redacted
        if type(self.expected) is not int:
            raise Refusal(0, "a number of events", _shown(self.expected))
        if self.story is None and self.expected != head.size:
            raise Refusal(0, f"{head.size} events, as the checkpoint has", f"{self.expected}")
        if kept is not None and self.story is None and kept.size > head.size:
            raise Refusal(head.size + 1, f"{kept.size} events, as you kept", f"{head.size}")
        if kept is not None and self.story is not None and kept[1:] != head[1:]:
            raise Refusal(0, "the whole log, or the checkpoint of this very size", "one story")

    def take(self, line: bytes) -> None:
        """Hold one event against all that was said before of it.

        Raises:
            Refusal: it is not what the checkpoint covers, or not as an export has it.
        """
        position = self.at = self.last + 1
        event = _json(line.decode(), position)
        if not isinstance(event, dict) or "leaf" not in event or "position" not in event:
            raise Refusal(position, "an event with its leaf and position", "something else")
        if not event.keys() <= self.fields:
            raise Refusal(position, "no other fields", ", ".join(event.keys() - self.fields))
        self.count += 1
        if self.count > self.expected:
            raise Refusal(position, f"{self.expected} events", "one more")
        position = self._placed(event["position"], position)
        leaf = bytes.fromhex(event["leaf"])
        if leaf.hex() != event["leaf"] or len(leaf) != 32:  # noqa: PLR2004 - SHA-256
            raise Refusal(position, "a leaf hash", str(event["leaf"]))
        if "envelope" in event:
            self._shown(event, position, leaf)
        elif not self.public:
            raise Refusal(position, "an event with its envelope, as nothing is hidden", "a leaf")
        elif len(event) > 2 + ("proof" in event):
            raise Refusal(position, "contents with their envelope", "contents alone")
        if self.story is None:
            self._grow(leaf, position)
        elif not _included(leaf, position - 1, self.head, event.get("proof")):
            raise Refusal(position, "a proof that leads to the checkpoint's root", "another")

    def _placed(self, found: Any, position: int) -> int:  # noqa: ANN401 - any JSON value
        if type(found) is not int:
            raise Refusal(position, f"position {position}", _shown(found))
        wrong = found != position if self.story is None else not self.last < found <= self.head.size
        if wrong:
            raise Refusal(position, f"position {position}", _shown(found))
        self.last = self.at = found
        return found

    def _shown(self, event: dict[str, Any], position: int, leaf: bytes) -> None:
        self.shown += 1
        envelope = event["envelope"]
        if sha256(b"\x00" + envelope.encode()).digest() != leaf:
            raise Refusal(position, "the envelope that its leaf is the hash of", "another")
        facts = _json(envelope, position)
        story, version = facts["story"], facts["version"]
        if facts["position"] != position:
            raise Refusal(position, f"position {position}", f"{facts['position']}")
        # A story has no hole; only where events are hidden may numbers be missing.
        before = self.versions.get(story, 0)
        following = self.count if self.story is not None else before + 1
        if version != following and not (self.hides and version > before):
            raise Refusal(position, f"version {following} of {story}", f"{version}")
        if self.story is not None and story != self.story:
            raise Refusal(position, f"story {self.story}", f"{story}")
        if facts["recorded_at"] < self.recorded_at:
            raise Refusal(position, f"a time from {self.recorded_at}", facts["recorded_at"])
        self.recorded_at = facts["recorded_at"]
        self.versions[story] = version
        for label in ("body", "private") if self.private else ("body",):
            content, nonce = event.get(label), event.get(f"{label}_nonce")
            if content is None and nonce is None:
                self.missing[story, version, label] = position
                continue
            if content is None or nonce is None:
                raise Refusal(position, f"the {label} with its nonce, or neither", "one of them")
            key, message = bytes.fromhex(nonce), f"{label}\x00{content}".encode()
            if len(nonce) != NONCE or key.hex() != nonce:
                raise Refusal(position, f"the nonce of the {label}: {NONCE} digits", "another")
            if hmac.digest(key, message, "sha256").hex() != facts[label]:
                raise Refusal(position, f"the {label} that was committed to", "another")
        if facts["kind"] == "redacted" and "body" in event:
            self._redacted(position, story, _json(event["body"], position))

    def _redacted(self, position: int, story: str, body: dict[str, Any]) -> None:
        """Contents are missing where a later event of the story says that they were erased."""
        for erasure in body.get("erases", ()):
            if "remains" not in erasure:
                continue
            version = erasure["version"]
            if self.missing.pop((story, version, "body"), None) is not None:
                self.gone.add((story, version))
            elif not self.public and (story, version) not in self.gone:
                raise Refusal(position, f"version {version} without what this redacts", "all of it")
            if erasure.get("private"):
                self.missing.pop((story, version, "private"), None)

    def _grow(self, leaf: bytes, position: int) -> None:
        node, complete = leaf, position - 1
        while complete & 1:
            node = sha256(b"\x01" + self.edge.pop() + node).digest()
            complete >>= 1
        self.edge.append(node)
        if self.kept is not None and position == self.kept.size and self._root() != self.kept.root:
            raise Refusal(position, "the events that you kept the checkpoint of", "others")

    def _root(self) -> bytes:
        if not self.edge:
            return sha256(b"").digest()
        node = self.edge[-1]
        for left in self.edge[-2::-1]:
            node = sha256(b"\x01" + left + node).digest()
        return node

    def done(self, signed_by: str) -> Checked:
        """Say what was verified, once all events were taken.

        Raises:
            Refusal: some are missing, or all together are not what was signed.
        """
        if self.count != self.expected:
            raise Refusal(self.last + 1, f"{self.expected} events", f"{self.count}")
        if self.story is None and self._root() != self.head.root:
            raise Refusal(0, f"tree root {self.head.root.hex()}", self._root().hex())
        for (_, _, label), position in self.missing.items():
            raise Refusal(position, f"its {label}, or an event that redacted it", "neither")
        origin, size, root = self.head
        events = size if self.story is None else self.count
        return Checked(origin, events, self.shown, len(self.gone), root.hex(), signed_by)


def _lines(path: str) -> Iterator[bytes]:
    """Give the lines of a file, unpacked where it is packed; each ends in a newline there."""
    count, rest = 0, b""
    for piece in _unpacked(path):
        if isinstance(piece, str):
            raise Refusal(count, "a sound gzip file of one part", piece)
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield line
            count += 1
        if len(rest) > LONGEST_LINE:
            raise Refusal(count, f"lines of less than {LONGEST_LINE} bytes", "a longer one")
    if rest:
        raise Refusal(count, "a file that is whole", "one that ends in the middle")


def _unpacked(path: str) -> Iterator[bytes | str]:
    """Give what a file holds, piece by piece; a string says what is wrong with it."""
    with open(path, "rb") as file:  # noqa: PTH123 - one file, no other import
        chunk = file.read(CHUNK)
        unpack = zlib.decompressobj(31) if chunk[:2] == b"\x1f\x8b" else None
        while chunk:
            if unpack is None:
                yield chunk
            else:
                before = unpack.copy()
                try:
                    yield unpack.decompress(chunk)
                except zlib.error as error:
                    yield from _as_far_as_it_goes(before, chunk)
                    yield str(error)
                if unpack.unused_data:
                    yield "something behind it"
            chunk = file.read(CHUNK)
        if unpack is not None and not unpack.eof:
            yield "one that ends in the middle"


def _as_far_as_it_goes(unpack: "zlib._Decompress", chunk: bytes) -> Iterator[bytes]:
    """Unpack byte by byte what cannot be unpacked whole, so that the place is named."""
    with suppress(zlib.error):
        for at in range(len(chunk)):
            yield unpack.decompress(chunk[at : at + 1])


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its fields; of a name that comes twice, another reader sees the other."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


_read_json: Final = json.JSONDecoder(object_pairs_hook=_once).raw_decode


def _json(text: str, position: int) -> Any:  # noqa: ANN401 - any JSON value
    try:
        value, end = _read_json(text)
    except (ValueError, RecursionError):
        end = -1
    if end != len(text):
        raise Refusal(position, "JSON without repeated names", "other text")
    return value


def _shown(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return json.dumps(value)[:200]


def _header(line: bytes) -> dict[str, Any]:
    header = _json(line.decode(), 0)
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise Refusal(0, f"an export of format {FORMAT}", "something else")
    if header.keys() != HEADER or header["parts"] not in PARTS:
        raise Refusal(0, f"a header with {', '.join(sorted(HEADER))}", ", ".join(header))
    return header


def _is_hash(text: object) -> bool:
    return isinstance(text, str) and re.fullmatch("[0-9a-f]{64}", text) is not None


def _included(leaf: bytes, index: int, head: Head, proof: Any) -> bool:  # noqa: ANN401 - any JSON
    """Whether a proof leads from a leaf to the root: RFC 9162, section 2.1.3.2."""
    if not isinstance(proof, list) or not all(map(_is_hash, proof)) or len(leaf) != 32:  # noqa: PLR2004 - SHA-256
        return False
    place, last, node = index, head.size - 1, leaf
    for beside in map(bytes.fromhex, proof):
        if last == 0:
            return False
        if place & 1 or place == last:
            node = sha256(b"\x01" + beside + node).digest()
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            node = sha256(b"\x01" + node + beside).digest()
        place, last = place >> 1, last >> 1
    return last == 0 and node == head.root


def _keys(header: dict[str, Any], trusted: str | None) -> list[str]:
    """Give the keys of the log, the newest last; each but the last signed over to the next."""
    keys, changes = header["keys"], header["rotations"]
    if not isinstance(keys, list) or not isinstance(changes, list):
        raise Refusal(0, "a list of keys and one of rotations", "something else")
    if trusted is not None and not _is_key(trusted):
        raise Distrust("key", "an Ed25519 key as name+id+base64", trusted)
    for each in keys:
        if not _is_key(each):
            raise Refusal(0, "Ed25519 keys as name+id+base64", _shown(each))
    led = [(change["old"], change["new"]) for change in changes]
    if not keys or led != list(pairwise(keys)):
        raise Refusal(0, "keys that the rotations lead through", "others")
    for change in changes:
        text = f"dateline key rotation\n{change['old']}\n{change['new']}\n".encode()
        both = zip((change["old"], change["new"]), change["signatures"], strict=True)
        if change.keys() != CHANGE or not all(
            _verified(_raw_key(each)[1], text, _decoded(signature)) for each, signature in both
        ):
            raise Refusal(0, "rotations that both keys signed", f"another, to {change['new']}")
    if trusted is not None and trusted not in keys:
        same = any(each.partition("+")[0] == trusted.partition("+")[0] for each in keys)
        later = ", of the same name: yours may be a later key of that log" if same else ""
        raise Distrust("key", f"an export of the log of {trusted}", " and ".join(keys) + later)
    return list(keys)


def _kept(note: str, keys: list[str], head: Head) -> Head:
    """Read the checkpoint that was kept; any key of the log may have signed it."""
    try:
        kept, _ = _opened(note, keys)
    except Refusal as refused:
        raise Distrust("kept", refused.expected, refused.found) from None
    if kept.origin != head.origin:
        raise Distrust("kept", f"a checkpoint of {head.origin}", f"one of {kept.origin}")
    return kept


def _opened(note: str, keys: list[str]) -> tuple[Head, str]:
    """Read a signed checkpoint (C2SP tlog-checkpoint) that one of the keys signed.

    Signatures of others are passed over; one of a key that is known has to hold.
    """
    text, _, signatures = note.rpartition("\n\n")
    *lines, end = signatures.split("\n")
    found = [_SIGNATURE.fullmatch(line) for line in lines]
    if end or not 1 <= len(lines) <= MOST_SIGNATURES or not all(found) or _control(note):
        raise Refusal(0, "a signed note: a text, an empty line, signature lines", "something else")
    text += "\n"
    by = None
    for name, encoded in (line.groups() for line in found if line is not None):
        raw = _decoded(encoded)
        for key in keys:
            key_id, public = _raw_key(key)
            if (key.partition("+")[0], key_id) != (name, raw[:4]):
                continue
            if not _verified(public, text.encode(), raw[4:]):
                raise Refusal(0, f"a checkpoint signed with {key}", "a signature that fails")
            by = key
    if by is None:
        raise Refusal(0, f"a checkpoint signed with {' or '.join(keys)}", "none of them")
    return _head(text), by


def _control(note: str) -> bool:
    return any(letter < " " and letter != "\n" for letter in note)


def _head(text: str) -> Head:
    lines = text[:-1].split("\n")
    root = _decoded(lines[2]) if len(lines) > 2 else b""  # noqa: PLR2004 - origin, size, root
    if not all(lines) or len(root) != 32 or not _SIZE.fullmatch(lines[1]):  # noqa: PLR2004 - SHA-256
        raise Refusal(0, "a checkpoint: origin, size and root, each on a line", "other lines")
    return Head(lines[0], int(lines[1]), root)


def _decoded(text: str) -> bytes:
    """Decode base64 and nothing that only looks like it."""
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        raw = b""
    if base64.b64encode(raw).decode() != text:
        raise Refusal(0, "base64", _shown(text))
    return raw


def _is_key(text: object) -> bool:
    if not isinstance(text, str) or text.count("+") < 2:  # noqa: PLR2004 - name, id and key
        return False
    try:
        _, raw = _raw_key(text)
    except Refusal:
        return False
    return len(raw) == 32  # noqa: PLR2004 - its bytes


def _raw_key(text: str) -> tuple[bytes, bytes]:
    """Take a public key apart, `name+id+base64(0x01 ‖ key)`: its id and its 32 bytes."""
    name, key_id, encoded = text.split("+", 2)
    raw = _decoded(encoded)
    if sha256(name.encode() + b"\n" + raw).digest()[:4].hex() != key_id or raw[:1] != b"\x01":
        raise Refusal(0, "an Ed25519 key as name+id+base64", text)
    return bytes.fromhex(key_id), raw[1:]


# Ed25519, RFC 8032 section 5.1. A point is (X, Y, Z, T) with x = X/Z, y = Y/Z, xy = T/Z.
P: Final = 2**255 - 19
ORDER: Final = 2**252 + 27742317777372353535851937790883648493
D: Final = -121665 * pow(121666, -1, P) % P
Point = tuple[int, int, int, int]


def _add(a: Point, b: Point) -> Point:
    e, f = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    g, h = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    x, z, w, y = f - e, h - g, h + g, f + e
    return x * z % P, w * y % P, z * w % P, x * y % P


def _times(factor: int, point: Point) -> Point:
    total: Point = (0, 1, 1, 0)
    while factor:
        if factor & 1:
            total = _add(total, point)
        point = _add(point, point)
        factor >>= 1
    return total


def _point(raw: bytes) -> Point | None:
    """Decode a point; None where the bytes are none."""
    y = int.from_bytes(raw, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if y >= P or len(raw) != 32 or (x * x - square) % P or (x == 0 and sign):  # noqa: PLR2004 - its bytes
        return None
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


BASE: Final = _point((4 * pow(5, -1, P) % P).to_bytes(32, "little"))


def _verified(key: bytes, text: bytes, signature: bytes) -> bool:
    public, first = _point(key), _point(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    if BASE is None or public is None or first is None or len(signature) != 64 or scalar >= ORDER:  # noqa: PLR2004 - its bytes
        return False
    digest = hashlib.sha512(signature[:32] + key + text).digest()
    challenge = int.from_bytes(digest, "little") % ORDER
    left, right = _times(scalar, BASE), _add(first, _times(challenge, public))
    return not any((left[i] * right[2] - right[i] * left[2]) % P for i in (0, 1))


def main(arguments: list[str]) -> int:
    """Verify what the command line names; 0 where it holds, 1 where it does not."""
    parser = argparse.ArgumentParser(description="Verify an export of a Dateline log.")
    parser.add_argument("file")
    parser.add_argument("--key", help="the public key that you were given")
    parser.add_argument("--kept", help="a file with a checkpoint that you kept")
    asked = parser.parse_args(arguments)
    kept = None
    try:
        if asked.kept:
            with open(asked.kept, encoding="utf-8", newline="") as file:  # noqa: PTH123 - as above
                kept = file.read()
        found = check(asked.file, asked.key, kept)
    except Refusal as refusal:
        at_fault = asked.kept if getattr(refusal, "what", "") == "kept" else asked.file
        sys.stderr.write(f"REFUSED {at_fault}: {refusal}\n")
        return 1
    except UnicodeDecodeError:
        sys.stderr.write(f"REFUSED {asked.kept}: expected a signed checkpoint; found no text\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"REFUSED {error.filename or asked.file}: {error.strerror or error}\n")
        return 1
    sys.stdout.write(
        f"VERIFIED {asked.file}: {found.events} event{'s' * (found.events != 1)} of "
        f"{found.origin}, {found.shown} shown, "
        f"{found.erased} erased, {found.hidden} not shown, root {found.root}, "
        f"signed with {found.key}{'' if asked.key else UNKNOWN}\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
