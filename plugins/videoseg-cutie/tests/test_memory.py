from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor
from videoseg_cutie.memory import Memory, ObjectMemory
from videoseg_cutie.options import MemoryOptions

KEY, VALUE = 4, 3
SIZE = (2, 3)
PLACES = SIZE[0] * SIZE[1]


@dataclass(frozen=True)
class Keys:
    key: Tensor
    shrinkage: Tensor
    selection: Tensor


class Scene:
    """Random frames and values."""

    def __init__(self, seed: int = 0) -> None:
        self.generator = torch.Generator().manual_seed(seed)

    def frame(self) -> Keys:
        key = torch.randn(1, KEY, *SIZE, generator=self.generator)
        shrinkage = 1 + torch.rand(1, 1, *SIZE, generator=self.generator)
        return Keys(key, shrinkage, torch.rand(1, KEY, *SIZE, generator=self.generator))

    def values(self, num_objects: int = 1) -> Tensor:
        return torch.randn(num_objects, VALUE, *SIZE, generator=self.generator)


def options(**changes: object) -> MemoryOptions:
    sizes = {
        "top_k": 5,
        "min_working_frames": 2,
        "max_working_frames": 4,
        "prototypes": 5,
        "long_term_elements": 13,
        "long_term_buffer": 3,
    }
    return MemoryOptions(**(sizes | changes))  # type: ignore[arg-type]


def is_there(memory: Memory, frame: Keys, values: Tensor, *, group: int = 0) -> bool:
    """Whether a frame's own places, asked for, have its own values."""
    asked = Keys(frame.key, frame.shrinkage, torch.ones_like(frame.selection))
    return torch.equal(memory.read(asked)[group], values)


@pytest.mark.parametrize("long_term", [0, 13])
@pytest.mark.parametrize("top_k", [None, 5])
def test_no_memory_exceeds_its_size(long_term: int, top_k: int | None) -> None:
    scene = Scene()
    memory = Memory(options(long_term_elements=long_term, top_k=top_k))
    most = []
    for index in range(60):
        num_objects = 1 + (index >= 7) + 2 * (index >= 8) + (index >= 23)
        memory.add(scene.frame(), scene.values(num_objects))
        readings = memory.read(scene.frame())
        assert sum(map(len, readings)) == num_objects
        assert all(torch.isfinite(one).all() for one in readings)
        assert max(memory.num_frames) <= 4
        most.append(max(memory.num_prototypes))
    assert max(most) <= long_term
    assert (most[-1] > 0) == (long_term > 0)
    assert memory.group_sizes == [1, 1, 2, 1]


def test_objects_of_different_frames_are_read_as_if_alone() -> None:
    alone, together = Memory(options()), Memory(options())
    scene = Scene(2)
    for index in range(20):
        frame, values = scene.frame(), scene.values(2)
        together.add(frame, values if index >= 4 else values[:1])
        if index >= 4:
            alone.add(frame, values[1:])
        query = scene.frame()
        readings = together.read(query)
        if index >= 4:
            torch.testing.assert_close(readings[1], alone.read(query)[0])
    assert together.num_prototypes[1] == alone.num_prototypes[0] > 0


def test_without_long_term_memory_the_first_frame_and_the_latest_stay() -> None:
    scene = Scene()
    memory = Memory(options(top_k=1, long_term_elements=0))
    frames = [(scene.frame(), scene.values()) for _ in range(7)]
    for frame, values in frames:
        memory.add(frame, values)
    found = [is_there(memory, frame, values) for frame, values in frames]
    assert found == [True, False, False, False, True, True, True]


def test_the_first_frame_of_each_group_outlasts_consolidation() -> None:
    scene = Scene(1)
    memory = Memory(options(top_k=1, prototypes=1, long_term_elements=4, long_term_buffer=1))
    first = scene.frame(), scene.values()
    memory.add(*first)
    memory.add(scene.frame(), scene.values())
    frame, values = scene.frame(), scene.values(2)
    memory.add(frame, values)
    for _ in range(12):
        memory.add(scene.frame(), scene.values(2))
    assert is_there(memory, *first)
    assert is_there(memory, frame, values[1:], group=1)
    assert not is_there(memory, frame, values[:1])


@pytest.mark.parametrize("long_term", [0, 13])
def test_permanent_frames_stay_and_are_not_counted(long_term: int) -> None:
    scene = Scene()
    memory = Memory(options(top_k=1, long_term_elements=long_term))
    kept = []
    for index in range(40):
        frame, values = scene.frame(), scene.values()
        memory.add(frame, values, permanently=index % 8 == 3)
        if index % 8 == 3:
            kept.append((frame, values))
    assert all(is_there(memory, frame, values) for frame, values in kept)
    assert 7 <= memory.num_frames[0] <= 9


def test_the_most_used_prototypes_stay_when_room_is_needed() -> None:
    scene = Scene()
    memory = Memory(options(long_term_elements=13, prototypes=5, long_term_buffer=3))
    sizes = []
    for _ in range(12):
        memory.add(scene.frame(), scene.values())
        memory.read(scene.frame())
        sizes.append(memory.num_prototypes[0])
    # 13 - 5 = 8 are too many for 5 more; 13 - 5 - 3 of them stay.
    assert sizes == [0, 0, 0, 5, 5, 10, 10, 10, 10, 10, 10, 10]


def test_a_removed_object_leaves_the_others_as_they_were() -> None:
    scene = Scene(5)
    memory, other = Memory(options()), Memory(options())
    for index in range(16):
        frame, values = scene.frame(), scene.values(4)
        if index < 5:
            memory.add(frame, values[:3])
            other.add(frame, values[[0, 2]])
        elif index < 9:
            memory.add(frame, values)
            other.add(frame, values[[0, 2, 3]])
        else:
            if index == 9:
                memory.remove([1])
            memory.add(frame, values[[0, 2, 3]])
            other.add(frame, values[[0, 2, 3]])
        query = scene.frame()
        found, expected = memory.read(query), other.read(query)
        if index >= 9:
            for one, another in zip(found, expected, strict=True):
                torch.testing.assert_close(one, another)
    memory.remove([2])
    assert memory.group_sizes == [2]
    memory.remove([0, 1])
    assert memory.group_sizes == []
    memory.add(scene.frame(), scene.values(1))
    assert len(memory.read(scene.frame())) == 1


def test_object_memory_adds_up_and_forgets() -> None:
    memory = ObjectMemory()
    one = torch.arange(24.0).view(2, 3, 4)
    memory.add(one[:1])
    memory.add(one)
    assert torch.equal(memory.of(slice(0, 2)), torch.stack([2 * one[0], one[1]]))
    memory.retain([1])
    assert torch.equal(memory.of(slice(0, 1)), one[1:])


@pytest.mark.parametrize(
    ("every", "updates", "times"),
    [
        (5, 5, {1, 2, 3, 4, 5}),
        (5, 9, {1, 2, 3, 4, 5}),
        (10, 5, {1, 3, 6, 8, 10}),
        (10, 1, {1}),
        (5, 2, {1, 5}),
    ],
)
def test_sensory_updates_are_spread(every: int, updates: int, times: set[int]) -> None:
    assert MemoryOptions(mem_every=every, sensory_updates=updates).sensory_times == times
