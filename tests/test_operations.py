"""What a server keeps at work goes on after a failure, soon where failures are far between."""

from pathlib import Path

import orjson
from serving import served
from structlog.testing import capture_logs

from dateline.operations import pause_after
from dateline.wiring import newsroom


async def test_a_server_whose_log_was_moved_away_is_not_ready(tmp_path: Path) -> None:
    """When filings are refused because the log's file is gone, readiness says so and why."""
    news, moved = tmp_path / "news.db", tmp_path / "moved.db"
    async with newsroom(f"sqlite:///{news}") as room, served(room) as desk:
        await desk.file("a", "story-opened", title="A story")
        news.rename(moved)
        status, body, _ = await desk.get("/readyz")
        reason = "log: its file was moved or replaced: start the program anew"
        assert (status, reason in orjson.loads(body)["wrong"]) == (503, True)
        assert str(tmp_path).encode() not in body
        assert (await desk.post("a", {"kind": "story-closed", "reason": "over"}))[0] == 503
        moved.rename(news)
        assert (await desk.post("a", {"kind": "story-closed", "reason": "over"}))[0] == 201


async def test_why_nothing_was_filed_is_in_the_servers_own_log(tmp_path: Path) -> None:
    """Who files is told that the log is not to be had; why it is not stands in the server's log."""
    news = tmp_path / "news.db"
    async with newsroom(f"sqlite:///{news}") as room, served(room) as desk:
        await desk.file("a", "story-opened", title="A story")
        news.rename(tmp_path / "moved.db")
        with capture_logs() as said:
            status, body = await desk.post("a", {"kind": "story-closed", "reason": "over"})
        assert status == 503
        assert "replaced" not in str(body)
        (line,) = (each for each in said if each["event"] == "not done")
        assert "its file was moved or replaced" in line["error"]
        assert line["path"] == "/v1/stories/a/developments"


def test_work_that_ran_well_meanwhile_is_taken_up_soon() -> None:
    """Who fails again at once waits twice as long; who was at work for an hour, a second."""
    pauses, pause = [], 0.0
    for ran in (0, 0, 0, 0, 0, 0, 0, 3600, 0):
        pause = pause_after(ran, pause)
        pauses.append(pause)
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 1, 2]
