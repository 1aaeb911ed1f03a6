"""Best-fit decreasing: every item is in one bin, no bin overflows, and few bins are needed."""

from hypothesis import given
from hypothesis import strategies as st

from curate.storage.packing.best_fit import best_fit
from tests.examples import examples

SIZES = st.lists(st.integers(1, 16), max_size=60)


def slow(sizes, length):
    """Look at every bin for every item."""
    bins = []
    for item in sorted(range(len(sizes)), key=lambda item: (-sizes[item], item)):
        rooms = [length - sum(sizes[other] for other in items) for items in bins]
        fitting = [(room, at) for at, room in enumerate(rooms) if room >= sizes[item]]
        if fitting:
            bins[min(fitting)[1]].append(item)
        else:
            bins.append([item])
    return sorted(bins, key=lambda items: items[0])


@examples(300)
@given(SIZES)
def test_it_is_what_looking_at_every_bin_gives(sizes):
    found = best_fit(sizes, 16)
    assert found == [sorted(items) for items in slow(sizes, 16)]
    assert sorted(item for items in found for item in items) == list(range(len(sizes)))
    assert all(sum(sizes[item] for item in items) <= 16 for items in found)


@examples(300)
@given(SIZES)
def test_at_most_one_bin_is_at_most_half_full(sizes):
    used = [sum(sizes[item] for item in items) for items in best_fit(sizes, 16)]
    assert sum(2 * size <= 16 for size in used) <= 1


def test_the_order_of_bins_says_nothing_about_sizes():
    """Each bin stands where the item stood that opened it, its largest."""
    assert best_fit([3, 9, 16, 5, 10, 16], 16) == [[0, 1], [2], [3, 4], [5]]
