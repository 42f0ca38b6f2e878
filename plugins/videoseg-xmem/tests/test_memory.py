from __future__ import annotations

import pytest
import torch
from torch import Tensor
from videoseg_xmem.memory import Memory
from videoseg_xmem.memory.keys import (
    LongTermKeys,
    close_up,
    memory_rows,
    query_rows,
    top_k_softmax,
)
from videoseg_xmem.network import EncodedFrame
from videoseg_xmem.options import MemoryOptions

KEY, VALUE = 4, 3
SIZE = (2, 3)
PLACES = SIZE[0] * SIZE[1]


class Scene:
    """Random frames and values; everything that was put into the memory is kept here."""

    def __init__(self, seed: int = 0) -> None:
        self.generator = torch.Generator().manual_seed(seed)

    def frame(self) -> EncodedFrame:
        key = torch.randn(1, KEY, *SIZE, generator=self.generator)
        shrinkage = 1 + torch.rand(1, 1, *SIZE, generator=self.generator)
        selection = torch.rand(1, KEY, *SIZE, generator=self.generator)
        return EncodedFrame(key, shrinkage, selection, (key, key, key))

    def values(self, num_objects: int = 1) -> Tensor:
        return torch.randn(num_objects, VALUE, *SIZE, generator=self.generator)


def similarity_written_out(frame: EncodedFrame, query: EncodedFrame) -> Tensor:
    key, shrinkage = frame.key[0].flatten(1), frame.shrinkage[0].flatten()
    other, selection = query.key[0].flatten(1), query.selection[0].flatten(1)
    distance = (selection[:, :, None] * (other[:, :, None] - key[:, None, :]).square()).sum(0)
    return -distance * shrinkage / KEY**0.5


def test_similarity_is_the_anisotropic_distance() -> None:
    scene = Scene()
    frame, query = scene.frame(), scene.frame()
    rows = memory_rows(frame.key[0].flatten(1).T, frame.shrinkage[0].flatten())
    asked = query_rows(query.key[0].flatten(1).T, query.selection[0].flatten(1).T)
    torch.testing.assert_close(asked @ rows.T, similarity_written_out(frame, query))


def test_reading_is_the_softmax_over_the_most_similar_places() -> None:
    scene = Scene()
    memory = Memory(MemoryOptions(top_k=5))
    frames = [(scene.frame(), scene.values(2)) for _ in range(3)]
    for frame, values in frames:
        memory.add(frame, values)
    query = scene.frame()
    similarity = torch.cat([similarity_written_out(frame, query) for frame, _ in frames], dim=1)
    threshold = similarity.topk(5, dim=1).values[:, -1:]
    weights = torch.softmax(similarity.masked_fill(similarity < threshold, -torch.inf), dim=1)
    values = torch.cat([values.flatten(2) for _, values in frames], dim=2)
    expected = torch.einsum("ncm,qm->ncq", values, weights).view(2, VALUE, *SIZE)
    torch.testing.assert_close(memory.read(query), expected)


def test_reading_in_chunks_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()
    memory = Memory(MemoryOptions(top_k=5))
    for _ in range(3):
        memory.add(scene.frame(), scene.values())
    query = scene.frame()
    whole = memory.read(query)
    monkeypatch.setattr("videoseg_xmem.memory.bank._CHUNK", 2 * 3 * PLACES)
    torch.testing.assert_close(memory.read(query), whole)


def test_fewer_places_than_top_k_are_all_read() -> None:
    weights, _ = top_k_softmax(torch.zeros(2, 3), 3)
    torch.testing.assert_close(weights, torch.full((2, 3), 1 / 3))


@pytest.mark.parametrize("late_objects", ["released", "aligned"])
def test_no_memory_exceeds_its_size(late_objects: str) -> None:
    scene = Scene()
    options = MemoryOptions(
        min_working_frames=2,
        max_working_frames=4,
        prototypes=5,
        long_term_elements=13,
        late_objects=late_objects,
    )
    memory = Memory(options)
    sizes = []
    for index in range(60):
        num_objects = 1 + (index >= 7) + (index >= 8) + (index >= 23)
        memory.add(scene.frame(), scene.values(num_objects))
        read = memory.read(scene.frame())
        assert read.shape == (num_objects, VALUE, *SIZE)
        assert torch.isfinite(read).all()
        assert memory.num_frames < 4
        sizes.append(memory.num_prototypes)
    assert max(sizes) <= 13
    assert sizes[-1] > 0


def test_consolidation_keeps_the_first_and_the_latest_frames() -> None:
    scene = Scene()
    memory = Memory(
        MemoryOptions(top_k=1, min_working_frames=2, max_working_frames=4, long_term_elements=0)
    )
    frames = [(scene.frame(), scene.values()) for _ in range(4)]
    for frame, values in frames:
        memory.add(frame, values)
    assert memory.num_frames == 2
    for index, (frame, values) in enumerate(frames):
        # Asked for a frame's own keys, with every channel selected, its own values are nearest.
        query = EncodedFrame(
            frame.key, frame.shrinkage, torch.ones_like(frame.selection), frame.features
        )
        found = torch.equal(memory.read(query), values)
        assert found == (index in (0, 3))


def test_prototypes_are_the_most_used_places() -> None:
    scene = Scene()
    options = MemoryOptions(
        top_k=1, min_working_frames=1, max_working_frames=3, prototypes=2, long_term_elements=10
    )
    memory = Memory(options)
    first, second, third = (scene.frame() for _ in range(3))
    memory.add(first, scene.values())
    memory.add(second, scene.values())
    used = second.key[0].flatten(1).T[[1, 4]]
    query = torch.cat([used[:1]] * 3 + [used[1:]] * 3).T.view(1, KEY, *SIZE)
    asked = EncodedFrame(query, first.shrinkage, torch.ones_like(query), first.features)
    memory.read(asked)
    memory.add(third, scene.values())
    assert (memory.num_frames, memory.num_prototypes) == (1, 2)
    keys = memory._long.rows[:, KEY : 2 * KEY] / (-2 * memory._long.rows[:, -1:])
    found = {tuple(key) for key in keys.numpy().round(4).tolist()}
    assert found == {tuple(key) for key in used.numpy().round(4).tolist()}


def test_the_least_used_prototypes_make_room() -> None:
    keys = LongTermKeys(6, KEY, torch.device("cpu"))
    keys.add(torch.arange(6.0)[:, None].expand(6, KEY), torch.ones(6))
    keys.count(torch.tensor([3.0, 0.1, 2.0, 0.2, 5.0, 4.0]))
    kept = keys.without_least_used(4)
    assert kept is not None
    assert kept.tolist() == [True, False, True, False, True, True]
    keys.retain(kept)
    assert keys.size == 4
    assert keys.without_least_used(4) is None


def test_use_counts_for_the_time_a_prototype_has_been_there() -> None:
    keys = LongTermKeys(4, KEY, torch.device("cpu"))
    keys.add(torch.zeros(2, KEY), torch.ones(2))
    for _ in range(9):
        keys.count(torch.tensor([1.0, 0.9]))
    keys.add(torch.zeros(1, KEY), torch.ones(1))
    keys.count(torch.tensor([1.0, 0.9, 0.95]))
    kept = keys.without_least_used(2)
    assert kept is not None
    assert kept.tolist() == [True, False, True]


def test_a_late_object_is_not_read_from_frames_before_it() -> None:
    scene = Scene()
    memory = Memory(MemoryOptions(top_k=1))
    first, second = scene.frame(), scene.frame()
    memory.add(first, scene.values(1))
    values = scene.values(2)
    memory.add(second, values)
    asked = EncodedFrame(first.key, first.shrinkage, torch.ones_like(first.key), first.features)
    late = memory.read(asked)[1].flatten(1).T
    allowed = {tuple(value) for value in values[1].flatten(1).T.tolist()}
    assert {tuple(value) for value in late.tolist()} <= allowed


def test_aligned_values_of_late_objects_stay_with_their_keys() -> None:
    kept = {}
    for late_objects in ("released", "aligned"):
        scene = Scene(3)
        options = MemoryOptions(
            top_k=1, min_working_frames=2, max_working_frames=4, late_objects=late_objects
        )
        memory = Memory(options)
        memory.add(scene.frame(), scene.values(1))
        birth, values = scene.frame(), scene.values(2)
        memory.add(birth, values)
        for _ in range(2):
            memory.add(scene.frame(), scene.values(2))
        assert memory.num_prototypes > 0
        asked = EncodedFrame(
            birth.key, birth.shrinkage, torch.ones_like(birth.key), birth.features
        )
        kept[late_objects] = torch.equal(memory.read(asked)[1], values[1])
    assert kept == {"released": False, "aligned": True}


def test_both_ways_agree_where_no_object_is_late() -> None:
    reads = []
    for late_objects in ("released", "aligned"):
        scene = Scene(4)
        options = MemoryOptions(
            min_working_frames=2, max_working_frames=4, prototypes=4, late_objects=late_objects
        )
        memory = Memory(options)
        for _ in range(12):
            memory.add(scene.frame(), scene.values(2))
            reads.append(memory.read(scene.frame()))
    for one, other in zip(reads[:12], reads[12:], strict=True):
        assert torch.equal(one, other)


def test_rows_are_dropped_in_place_and_in_order() -> None:
    generator = torch.Generator().manual_seed(0)
    for share in (0.0, 0.02, 0.5, 0.98, 1.0):
        rows = torch.randn(3000, 5, generator=generator)
        kept = torch.rand(2500, generator=generator) < share
        expected, home = rows[:2500][kept], rows.data_ptr()
        assert close_up(rows, kept) == len(expected)
        assert torch.equal(rows[: len(expected)], expected)
        assert rows.data_ptr() == home
