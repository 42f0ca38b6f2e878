"""Which parameters are trained, with adapters and without."""

from __future__ import annotations

import pytest
from videoseg_train import LoraSettings, add_lora, set_trained

LORA = LoraSettings(rank=2, alpha=4, dropout=0.0)


def trained(policy):
    return {name for name, value in policy.model.named_parameters() if value.requires_grad}


@pytest.mark.parametrize("kind", ["text", "seg"])
@pytest.mark.parametrize("parts", [(), ("embeddings",), ("language", "embeddings"), ("vision",)])
def test_adapters_freeze_the_language_model_and_leave_the_other_parts(parts, kind, load_policy):
    policy = load_policy(kind)
    set_trained(policy, parts)
    before = trained(policy)
    embeddings = {id(policy.vlm.get_input_embeddings().weight), id(policy.vlm.lm_head.weight)}
    add_lora(policy, LORA)
    after = trained(policy)
    adapters = {name for name in after if "lora_" in name}
    others = {id(policy.model.get_parameter(name)) for name in after - adapters}
    assert len(adapters) > 0
    assert (embeddings <= others) is ("embeddings" in parts)
    if parts == ("vision",):
        assert after - adapters == before
    elif kind == "text":
        assert others == (embeddings if "embeddings" in parts else set())


def test_other_parts_of_a_seg_model_are_trained_beside_adapters(load_policy):
    policy = load_policy("seg")
    set_trained(policy, ("projector", "mask-decoder"))
    before = trained(policy)
    add_lora(policy, LORA)
    assert {name for name in trained(policy) if "lora_" not in name} == before
