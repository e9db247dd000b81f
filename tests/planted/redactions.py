"""Planted bugs of redactions: what is erased is gone, and readers are told as they must be."""

from planted.bug import Planted

__all__ = ["REDACTIONS"]

REDACTIONS = [
    Planted(
        "What is erased is not shown until it is cleaned up",
        "test_redaction_late.py::test_what_is_erased_is_not_shown_until_it_is_cleaned_up",
        "consumers/subscription.py",
        "            self._remake(position, left, erased)\n",
        "",
        "readers saw the words in other developments until a look at redactions came round",
    ),
    Planted(
        "A rebuild that an erasure overtakes has none of the words",
        "test_redaction_late.py::test_a_rebuild_that_an_erasure_overtakes_has_none_of_the_words",
        "consumers/subscription.py",
        "self._projection.remake(position.generation, story, events)",
        "self._projection.remake(max(1, position.generation - 1), story, events)",
        "the view that was live was cleaned, and not the one that took its place",
    ),
    Planted(
        "Every output shows a story whatever was redacted",
        "test_redaction_reach.py::test_every_output_shows_a_story_whatever_was_redacted",
        "consumers/stories/corrected.py",
        "        left = _stand_in(part, first)",
        "        left = None",
        "a feed had an item that said nothing",
    ),
    Planted(
        "Who comes later is told of a redaction as well",
        "test_redaction_told.py::test_who_comes_later_is_told_of_a_redaction_as_well[shown_as_a_headline]",
        "consumers/stories/erased.py",
        "return any(part is not None and part.public for part in shown)",
        "return False",
        "a story's version went back once the words were gone, and nobody was told any more",
    ),
    Planted(
        "Words that are redacted where they were quoted are taken back there as well",
        "test_redaction_told.py::test_who_comes_later_is_told_of_a_redaction_as_well[shown_in_another]",
        "consumers/stories/erased.py",
        "keys.union(*(_shown_by(erasure) for erasure in redaction.erases or ()))",
        "keys",
        "the words went from a story that said it was as before",
    ),
    Planted(
        "Nobody is told of a redaction of what they never saw",
        "test_redaction_told.py::test_nobody_is_told_of_a_redaction_of_what_they_never_saw[hidden_as_a_reason]",
        "consumers/stories/story.py",
        "seen = erased_in_sight(parts.get, redaction)",
        "seen = True",
        "readers were told that something was redacted that they had not been shown",
    ),
    Planted(
        "Nobody is told of a redaction of what they never saw",
        "test_redaction_told.py::test_nobody_is_told_of_a_redaction_of_what_they_never_saw[hidden_in_notes]",
        "consumers/feed/updates.py",
        "redacted = told and isinstance(",
        "redacted = isinstance(",
        "what readers had been told was taken back when private notes of it were redacted",
    ),
    Planted(
        "A redaction is the last change of what it took from",
        "test_redaction_told.py::test_a_redaction_is_the_last_change_of_what_it_took_from[Q-headline]",
        "consumers/outputs/told.py",
        '    if item.get("redacted"):',
        "    if False:",
        "readers of feeds kept the words, for the entry said that it was as before",
    ),
    Planted(
        "Who follows is told all that a redaction took, lists of claims and figures too",
        "test_redaction_told.py::test_who_comes_later_is_told_of_a_redaction_as_well[shown_with_all_claims]",
        "consumers/stories/corrected.py",
        "    if isinstance(part, Item) and first in _BROUGHT:",
        "    if False:",
        "the redaction of a list of claims was parked: nobody was told",
    ),
    Planted(
        "Who follows is told all that a redaction took, lists of claims and figures too",
        "test_redaction_told.py::test_who_comes_later_is_told_of_a_redaction_as_well[shown_in_another]",
        "consumers/stories/corrected.py",
        "        if part is not None:  # as it is left",
        "        if False:  # as it is left",
        "who had followed kept the words that had stood elsewhere",
    ),
]
