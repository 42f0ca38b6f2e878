"""The protocol of each benchmark."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from videoseg.errors import ConfigError
from videoseg.metrics.protocol import EvalProtocol, Measure

__all__ = [
    "DAVIS_2016",
    "DAVIS_2017_SEMI_SUPERVISED",
    "DAVIS_2017_UNSUPERVISED",
    "GREFCOCO",
    "GROUNDMORE",
    "LONG_RVOS",
    "MEVIS",
    "MEVIS_V2",
    "PROTOCOLS",
    "REASONSEG",
    "REASONVOS",
    "REASONVOS_OFFICIAL",
    "REFCOCO",
    "REFCOCO_LISA",
    "REF_DAVIS17",
    "REF_DAVIS17_OFFICIAL",
    "REF_SAV",
    "REF_YOUTUBE_VOS",
    "REVOS",
    "REVOS_OFFICIAL",
    "TEMPORAL_GROUNDING",
    "VOS_BENCHMARK",
    "protocol_named",
]

_DAVIS_MEASURES: tuple[Measure, ...] = (
    *("j_and_f", "j", "j_recall", "j_decay"),
    *("f", "f_recall", "f_decay"),
)

DAVIS_2016 = EvalProtocol(
    "davis-2016",
    _DAVIS_MEASURES,
    frames="inner",
    objects="union",
    source="Perazzi et al., CVPR 2016: one foreground, first and last frame not counted",
)

DAVIS_2017_SEMI_SUPERVISED = EvalProtocol(
    "davis-2017-semi-supervised",
    _DAVIS_MEASURES,
    frames="inner",
    objects="per-object",
    true_objects="first-frame",
    void="background",
    extra_objects="error",
    overall="objects",
    source="davis2017-evaluation, task semi-supervised; decay with bin edges that do not wrap",
)

DAVIS_2017_UNSUPERVISED = EvalProtocol(
    "davis-2017-unsupervised",
    _DAVIS_MEASURES,
    objects="per-object",
    true_objects="first-frame",
    matching="best",
    max_proposals=20,
    overall="objects",
    source="davis2017-evaluation, task unsupervised; decay with bin edges that do not wrap",
)

REVOS = EvalProtocol(
    "revos",
    ("j_and_f", "j", "f", "robustness", "accuracy"),
    overall="groups",
    groups=("referring", "reasoning"),
    source="Yan et al., VISA, ECCV 2024, by the definition: overlapping annotations count once",
)

REVOS_OFFICIAL = replace(
    REVOS,
    name="revos-official",
    overlaps="added",
    source="the script tools/eval_revos.py of VISA: A and R from 8-bit sums, in which a predicted "
    "pixel is what it is in its PNG, 1 or 255",
)

MEVIS = EvalProtocol(
    "mevis",
    ("j_and_f", "j", "f"),
    source="Ding et al., MeViS, ICCV 2023: mean over expressions",
)

MEVIS_V2 = EvalProtocol(
    "mevis-v2",
    (*MEVIS.measures, "no_target_accuracy", "target_accuracy", "final_score"),
    source="Ding et al., MeViS, TPAMI 2025: J and F as in MeViS, over all expressions; N-acc and "
    "T-acc of GRES (Liu et al., CVPR 2023) for whole videos; the final score of the challenges "
    "PVUW 5 and LSVOS 8 (2026)",
)

REF_YOUTUBE_VOS = EvalProtocol(
    "ref-youtube-vos",
    ("j_and_f", "j", "f"),
    source="Seo et al., URVOS, ECCV 2020: mean over expressions, scored by its server",
)

REF_DAVIS17 = EvalProtocol(
    "ref-davis17",
    ("j_and_f", "j", "f"),
    source="each expression by itself, as in the code of VISA; not the official protocol",
)

REF_DAVIS17_OFFICIAL = replace(
    DAVIS_2017_UNSUPERVISED,
    name="ref-davis17-official",
    source="Khoreva et al., ACCV 2018: objects merged for each of four annotators, scored by "
    "davis2017-evaluation (task unsupervised, as in the code of ReferFormer), averaged",
)

REASONVOS = EvalProtocol(
    "reasonvos",
    ("j_and_f", "j", "f"),
    source="Bai et al., VideoLISA, NeurIPS 2024: mean over expressions; a missing one counts 0",
)

REASONVOS_OFFICIAL = replace(
    REASONVOS,
    name="reasonvos-official",
    missing="left-out",
    source="the script eval_reason_vos.py of VideoLISA: mean over the expressions that have a "
    "prediction",
)

LONG_RVOS = EvalProtocol(
    "long-rvos",
    ("j_and_f", "j", "f", "tiou", "viou"),
    source="Liang et al., Long-RVOS, 2025: mean over expressions",
)

GROUNDMORE = EvalProtocol(
    "groundmore",
    ("j_and_f", "j", "f"),
    source="Deng et al., Motion-Grounded Video Reasoning, CVPR 2025: mean over questions; 20 "
    "frames of each, some of them twice where a clip is shorter",
)

REF_SAV = EvalProtocol(
    "ref-sav",
    ("j_and_f", "j", "f", "accuracy"),
    overall="groups",
    groups=("long", "short"),
    source="Yuan et al., Sa2VA, 2025: mean of long and short expressions",
)

REFCOCO = EvalProtocol(
    "refcoco",
    ("ciou", "giou", "precision_at_50"),
    source="Kazemzadeh et al., EMNLP 2014, and Yu et al., ECCV 2016: summed intersection over "
    "summed union",
)

REFCOCO_LISA = replace(
    REFCOCO,
    name="refcoco-lisa",
    overlaps="dropped",
    source="validate() of LISA: what two polygons of one object cover is not part of it",
)

GREFCOCO = EvalProtocol(
    "grefcoco",
    ("giou", "ciou", "no_target_accuracy", "target_accuracy"),
    source="Liu et al., GRES, CVPR 2023: a sample without a target scores 1 if answered with none",
)

REASONSEG = EvalProtocol(
    "reasonseg",
    ("giou", "ciou"),
    source="Lai et al., LISA, CVPR 2024",
)

TEMPORAL_GROUNDING = EvalProtocol(
    "temporal-grounding",
    ("window_recall_at_30", "window_recall_at_50", "window_recall_at_70", "window_iou"),
    source="Gao et al., TALL, ICCV 2017: share of queries with IoU of at least the threshold",
)

VOS_BENCHMARK = EvalProtocol(
    "vos-benchmark",
    ("j_and_f", "j", "f"),
    frames="inner",
    start="first-appearance",
    objects="per-object",
    overall="objects",
    source="the vos-benchmark package: objects count from where truth or prediction show them",
)

PROTOCOLS: Mapping[str, EvalProtocol] = MappingProxyType(
    {
        protocol.name: protocol
        for protocol in (
            *(DAVIS_2016, DAVIS_2017_SEMI_SUPERVISED, DAVIS_2017_UNSUPERVISED),
            *(REVOS, REVOS_OFFICIAL, MEVIS, MEVIS_V2, REF_YOUTUBE_VOS),
            *(REF_DAVIS17, REF_DAVIS17_OFFICIAL, REASONVOS, REASONVOS_OFFICIAL, LONG_RVOS),
            *(GROUNDMORE, REF_SAV, REFCOCO, REFCOCO_LISA, GREFCOCO, REASONSEG),
            *(TEMPORAL_GROUNDING, VOS_BENCHMARK),
        )
    }
)
"""Every protocol by name."""


def protocol_named(name: str) -> EvalProtocol:
    """Return the protocol of this name.

    Raises:
        ConfigError: If no protocol has this name; similar names are listed.

    Example:
        >>> protocol_named("mevis").measures
        ('j_and_f', 'j', 'f')
    """
    if name in PROTOCOLS:
        return PROTOCOLS[name]
    close = difflib.get_close_matches(name, PROTOCOLS, n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(PROTOCOLS)}"
    raise ConfigError(f"no protocol is named {name!r}; {hint}")
