"""A program that waits for its turn at a duty and says when it is; `duty_process.py URL DUTY`."""

import asyncio
import sys

from events.kafka.address import Address
from events.kafka.duty import on_duty


async def work() -> None:
    print("on duty", flush=True)  # noqa: T201 - the program's answer
    await asyncio.Event().wait()


def main(url: str, duty: str) -> int:
    address = Address.parse(url)
    assert address is not None
    asyncio.run(on_duty(address, duty, work))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
