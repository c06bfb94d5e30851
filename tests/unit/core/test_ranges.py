"""Sets of whole numbers as runs."""

import pytest

from airflow_provider_brevo.core.ranges import Ranges


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ([], []),
        ([(5, 5)], []),
        ([(5, 3)], []),
        ([(1, 3), (5, 7)], [(1, 3), (5, 7)]),
        ([(5, 7), (1, 3)], [(1, 3), (5, 7)]),
        ([(1, 3), (3, 5)], [(1, 5)]),
        ([(3, 5), (1, 3)], [(1, 5)]),
        ([(1, 3), (5, 7), (2, 6)], [(1, 7)]),
        ([(1, 9), (3, 5)], [(1, 9)]),
        ([(1, 2), (3, 4), (5, 6), (0, 10)], [(0, 10)]),
    ],
)
def test_runs_that_touch_become_one(runs, expected):
    """Runs are disjoint, in order, and apart from each other."""
    assert list(Ranges(runs)) == expected


@pytest.mark.parametrize(
    ("start", "stop", "expected"),
    [
        (4, 4, [(2, 6), (8, 10)]),
        (0, 2, [(2, 6), (8, 10)]),
        (6, 8, [(2, 6), (8, 10)]),
        (10, 20, [(2, 6), (8, 10)]),
        (2, 6, [(8, 10)]),
        (3, 4, [(2, 3), (4, 6), (8, 10)]),
        (0, 3, [(3, 6), (8, 10)]),
        (5, 9, [(2, 5), (9, 10)]),
        (0, 99, []),
    ],
)
def test_removing_leaves_what_is_outside(start, stop, expected):
    """Numbers that aren't there don't matter, and a run may fall into two."""
    ranges = Ranges([(2, 6), (8, 10)])
    ranges.remove(start, stop)
    assert list(ranges) == expected


@pytest.mark.parametrize(("number", "expected"), [(0, False), (2, True), (5, True), (6, False), (8, True), (10, False)])
def test_membership_ends_before_the_stop(number, expected):
    """A run holds its first number and not the one after its last."""
    assert (number in Ranges([(2, 6), (8, 10)])) is expected


def test_a_set_can_be_counted_named_and_cleared():
    """People get both ends of each run; the count is that of the numbers."""
    ranges = Ranges([(2, 6), (8, 9)])
    assert (ranges.count(), str(ranges), repr(ranges), bool(ranges)) == (5, "2-5, 8", "Ranges([(2, 6), (8, 9)])", True)
    ranges.clear()
    assert (ranges.count(), str(ranges), bool(ranges)) == (0, "", False)


def test_sets_are_equal_by_their_numbers_and_have_no_hash():
    """Two sets of the same numbers are equal; as they change, they are no keys."""
    assert Ranges([(1, 2), (2, 3)]) == Ranges([(1, 3)])
    assert Ranges([(1, 3)]) != Ranges([(1, 4)])
    assert Ranges([(1, 3)]) != [(1, 3)]
    with pytest.raises(TypeError):
        hash(Ranges())


def test_json_holds_gaps_and_lengths():
    """A run far into the source costs a few digits, and reads back equal."""
    ranges = Ranges([(1_000_000, 1_000_200), (1_000_201, 1_000_202)])
    assert ranges.to_json() == [1_000_000, 200, 1, 1]
    assert Ranges.from_json(ranges.to_json()) == ranges


@pytest.mark.parametrize("deltas", [[1], [1, -1], [1, 2.0], ["1", 2], [True, 1]])
def test_what_is_no_json_of_ranges_is_refused(deltas):
    """Pairs of whole numbers from 0, and nothing else."""
    with pytest.raises(ValueError, match="no ranges"):
        Ranges.from_json(deltas)
