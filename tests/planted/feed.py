"""Planted bugs of what readers and services get."""

from planted.bug import Planted

__all__ = ["FEED"]

FEED = [
    Planted(
        "A subscriber that comes back misses nothing",
        "test_feed.py::test_who_comes_back_is_told_what_was_missed",
        "consumers/feed/live.py",
        "number, position = await self._catch_up(start.position, wanted, tell)",
        "number, position = self.ring.end, start.position",
        "who came back went on live and was told nothing of what it missed",
    ),
    Planted(
        "A cursor that was never given is reset",
        "test_feed.py::test_a_cursor_that_was_never_given_is_reset",
        "consumers/feed/live.py",
        "known = found[1] in ours and await self._reached(position)",
        "known = True",
        "a foreign cursor was taken for one of ours",
    ),
    Planted(
        "What a filter passes over keeps nobody waiting",
        "test_feed.py::test_what_a_filter_passes_over_keeps_nobody_waiting",
        "consumers/feed/live.py",
        "upto = min(self.position, position + STRETCH)",
        "upto = self.position",
        "a filter that hardly anything passed held the views for the whole log",
    ),
    Planted(
        "A subscriber may come back to any server of a log",
        "test_feed.py::test_another_server_may_be_ahead[?last_event_id={cursor}]",
        "consumers/feed/live.py",
        "while self.position < position:\n",
        "while False:\n",
        "a server that was behind took what another had told for unknown",
    ),
    Planted(
        "What was taken back is not told again",
        "test_feed.py::test_what_is_taken_back_of_a_whole_is_not_told_again",
        "consumers/feed/bulletin.py",
        "            elif after is not before:\n                self.add(generation, [after])\n",
        "            elif after is not before:\n                pass\n",
        "a later subscriber was told withdrawn words",
    ),
    Planted(
        "Who does not read is cut",
        "test_feed.py::test_who_does_not_read_is_cut",
        "consumers/feed/live.py",
        "if one.waits_since(late)]",
        "if late < 0]",
        "a reader that took nothing was kept",
    ),
    Planted(
        "A hub is held to the guard",
        "test_websub.py::test_a_hub_is_held_to_the_guard",
        "consumers/feed/websub.py",
        "async with self._guard.session(within) as session,",
        "async with aiohttp.ClientSession() as session,",
        "the hub was called wherever it was",
    ),
    Planted(
        "Whoever asks by time misses nothing",
        "test_outputs_over_time.py::test_whoever_asks_by_time_misses_nothing",
        "consumers/outputs/routes.py",
        "moved += [Moved(*last)] if last is not None else []",
        "pass",
        "a story that went out of sight stayed with who asked by time",
    ),
    Planted(
        "Hostile text is only shown",
        "test_pages.py::test_hostile_text_is_only_shown",
        "consumers/pages/page.py",
        "autoescape=True,",
        "autoescape=False,",
        "headlines were put into pages as they were filed",
    ),
    Planted(
        "A page keeps itself current",
        "test_pages.py::test_a_page_keeps_itself_current",
        "consumers/pages/live.js",
        "feed.onmessage = later;",
        "feed.onmessage = () => {};",
        "a page was not read again",
    ),
    Planted(
        "Whoever follows the feed has what the state has",
        "test_feed_whole.py::test_a_name_that_comes_or_goes_is_told_where_it_stands",
        "consumers/stories/projection.py",
        "elif names := turned(known, parts):",
        "elif names := set[str]():",
        "who followed did not learn what had taken the place of what was withdrawn",
    ),
]
