"""What a server keeps at work goes on after a failure, soon where failures are far between."""

from dateline.operations import pause_after


def test_work_that_ran_well_meanwhile_is_taken_up_soon() -> None:
    """Who fails again at once waits twice as long; who was at work for an hour, a second."""
    pauses, pause = [], 0.0
    for ran in (0, 0, 0, 0, 0, 0, 0, 3600, 0):
        pause = pause_after(ran, pause)
        pauses.append(pause)
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 1, 2]
