"""A real browser without a screen: pages are opened, asked and looked at as a reader has them."""

import asyncio
import base64
import itertools
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from asking import eventually

WITHIN = 60.0  # seconds that the browser has for anything
NAMES = ("chromium", "chromium-browser", "google-chrome")


class Page:
    """One page, by the DevTools protocol."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, session: str | None) -> None:
        self._socket = socket
        self._session = session
        self._numbers = itertools.count(1)
        self.said: list[str] = []

    async def do(self, method: str, **params: Any) -> dict[str, Any]:
        """Send one command and give its result; what the page says meanwhile is kept."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        await self._socket.send_json(message)
        async with asyncio.timeout(WITHIN):
            while True:
                answer = await self._socket.receive_json()
                if answer.get("id") == number:
                    assert "error" not in answer, answer
                    result: dict[str, Any] = answer["result"]
                    return result
                if answer.get("method") in (
                    "Log.entryAdded", "Runtime.exceptionThrown", "Page.javascriptDialogOpening",
                ):  # fmt: skip
                    self.said.append(str(answer["params"]))

    async def evaluate(self, expression: str) -> Any:
        """Give what an expression comes to in the page."""
        found = await self.do(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def until(self, condition: str) -> None:
        """Wait until a condition holds."""

        async def holds() -> bool:
            return bool(await self.evaluate(f"Boolean({condition})"))

        await eventually(holds, WITHIN)

    async def open(self, url: str) -> None:
        """Open a page and wait until it is there."""
        await self.do("Page.navigate", url=url)
        await self.until(f"location.href === {url!r} && document.readyState === 'complete'")

    async def look(self, width: int, height: int, *, dark: bool = False) -> bytes:
        """Give a picture of the page as a screen of some size shows it."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.do("Emulation.setEmulatedMedia", features=[scheme])
        await self.do(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip
        shot = await self.do("Page.captureScreenshot", format="png")
        return base64.b64decode(shot["data"])


def chromium() -> str:
    """Give the browser, or skip the test."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("chromium is missing: install the package chromium")
    return found


@asynccontextmanager
async def browser(folder: Path) -> AsyncIterator[Page]:
    """Run a browser with a profile of its own, and give a page in it."""
    process = await asyncio.create_subprocess_exec(
        chromium(), "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--no-proxy-server", "--remote-debugging-port=0", f"--user-data-dir={folder / 'profile'}",
        "about:blank", stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL,
        env=os.environ | {"HOME": str(folder)},
    )  # fmt: skip
    assert process.stderr is not None
    try:
        async with asyncio.timeout(WITHIN):
            line = b""
            while b"DevTools listening on " not in line:
                line = await process.stderr.readline()
                assert line, "the browser ended"
        url = line.decode().split()[-1]
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(url, max_msg_size=0) as ws,
        ):
            yield await _first_page(ws)
    finally:
        process.kill()
        await process.communicate()


async def _first_page(socket: aiohttp.ClientWebSocketResponse) -> Page:
    whole = Page(socket, None)
    target = await whole.do("Target.createTarget", url="about:blank")
    attached = await whole.do("Target.attachToTarget", targetId=target["targetId"], flatten=True)
    page = Page(socket, attached["sessionId"])
    for domain in ("Page", "Runtime", "Log"):
        await page.do(f"{domain}.enable")
    return page
