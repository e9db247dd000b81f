"""Whoever verifies as Standard Webhooks says, verifies ours."""

import base64
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from consumers.delivery.signing import check_secret, headers

keys = st.binary(min_size=24, max_size=64)


@given(keys=st.lists(keys, min_size=1, max_size=2), body=st.text(max_size=2_000))
def test_every_secret_signs_as_the_library_verifies(keys: list[bytes], body: str) -> None:
    """Whatever the length of a secret and the text, the standard's own library accepts it."""
    secrets = [check_secret(f"whsec_{base64.b64encode(key).decode()}") for key in keys]
    now = int(datetime.now(UTC).timestamp() * 1000)  # a receiver refuses what is old
    signed = headers("msg_1", now, body.encode(), secrets)
    for secret in secrets:
        Webhook(secret).verify(body, signed, json_parse=False)
