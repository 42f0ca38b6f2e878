import numpy as np
from videoseg_attributes.regions.association import associate_parts
from videoseg_attributes.regions.objects import depth_order
from videoseg_attributes.regions.outlined_parts import OutlinedPart

SIZE = (60, 80)
DIAGONAL = 100.0
RED, BLUE = (10.0, 40.0, 20.0), (10.0, 20.0, -40.0)


def part(position, left, top, width=12, height=12, color=RED, hidden=None):
    mask = np.zeros(SIZE, bool)
    mask[max(0, top) : top + height, max(0, left) : left + width] = True
    if hidden is not None:
        mask[:, hidden[0] : hidden[1]] = False
    rows, columns = np.nonzero(mask)
    center = (float(columns.mean()), float(rows.mean()))
    return OutlinedPart(position, mask, np.array(color), 1.0, center, float(len(rows)))


def linked(frames, shots=None):
    return associate_parts(frames, shots or [0] * len(frames), DIAGONAL)


def test_things_of_two_colors_that_cross_keep_their_own_parts():
    frames = [[part(p, 5 + 6 * p, 20), part(p, 60 - 6 * p, 22, color=BLUE)] for p in range(9)]
    chains = linked(frames)
    assert len(chains) == 2
    for chain in chains:
        assert sorted(chain.parts) == list(range(9))
        assert len({tuple(one.color) for one in chain.parts.values()}) == 1


def test_a_thing_that_was_hidden_is_taken_up_again():
    frames = [[part(p, 5 + 4 * p, 20)] if p not in (4, 5) else [] for p in range(10)]
    (chain,) = linked(frames)
    assert sorted(chain.parts) == [0, 1, 2, 3, 6, 7, 8, 9]


def test_both_sides_of_an_occluder_are_one_thing():
    whole = [[part(p, 20, 20, width=30)] for p in range(6)]
    behind = [
        [
            part(6, 20, 20, width=30, hidden=(30, 80)),
            part(6, 20, 20, width=30, hidden=(0, 38)),
        ]
    ]
    after = [[part(p, 20, 20, width=30)] for p in range(7, 10)]
    (chain,) = linked(whole + behind + after)
    assert sorted(chain.parts) == list(range(10))
    assert chain.parts[6].area == 12 * (10 + 12)


def test_two_things_that_touched_only_at_first_are_told_apart():
    together = [[part(0, 20, 20, width=24)]]
    apart = [[part(p, 20 - p, 20), part(p, 32 + p, 20)] for p in range(1, 9)]
    chains = linked(together + apart)
    assert len(chains) == 2
    for chain in chains[:2]:
        assert len({one.area for p, one in chain.parts.items() if p > 0}) == 1


def test_a_dot_on_a_thing_is_no_thing():
    frames = [
        [part(p, 10 + p, 10, width=30, height=30), part(p, 20 + p, 20, 5, 5, color=BLUE)]
        for p in range(8)
    ]
    (chain,) = linked(frames)
    assert chain.usual_area() == 900


def test_what_leaves_on_one_side_does_not_come_back_on_the_other():
    leaving = [[part(p, 4 - 3 * p, 20)] for p in range(4)]
    other = [[part(p, 66, 20)] for p in range(4, 9)]
    chains = linked(leaving + other)
    assert sorted(sorted(chain.parts) for chain in chains) == [[0, 1, 2, 3], [4, 5, 6, 7, 8]]


def test_what_shows_less_of_itself_where_two_meet_is_behind():
    still = part(0, 30, 20, width=20).mask
    moving = [part(p, 2 + 6 * p, 22, height=8).mask for p in range(11)]
    covered = [still & ~mask for mask in moving]
    assert depth_order([moving, covered]) == ((0, 1),)
    assert depth_order([covered, moving]) == ((1, 0),)


def test_things_that_never_meet_have_no_order():
    left = [part(p, 5, 5 + p).mask for p in range(6)]
    right = [part(p, 60, 40 - p).mask for p in range(6)]
    assert depth_order([left, right]) == ()
