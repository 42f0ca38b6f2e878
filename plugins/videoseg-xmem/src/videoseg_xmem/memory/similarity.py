"""The anisotropic L2 similarity of XMem, and softmax over its largest values."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["memory_rows", "query_rows", "top_k_softmax"]

# The similarity of memory place m and query place q is
#     -s_m * sum_c e_qc (k_mc - k_qc)^2 / sqrt(C^k).
# Multiplied out, it is one product of a row that depends on m and one that depends on q.


def memory_rows(key: Tensor, shrinkage: Tensor) -> Tensor:
    """Return what the similarity needs of places in memory, shape (M, 2 * C^k + 1).

    Args:
        key: Shape (M, C^k).
        shrinkage: Shape (M,).
    """
    scale = (shrinkage / math.sqrt(key.shape[1]))[:, None]
    return torch.cat([-key.square() * scale, 2 * key * scale, -scale], dim=1)


def query_rows(key: Tensor, selection: Tensor) -> Tensor:
    """Return what the similarity needs of places of a query, shape (Q, 2 * C^k + 1).

    Args:
        key: Shape (Q, C^k).
        selection: Shape (Q, C^k).
    """
    weighted = key * selection
    return torch.cat([selection, weighted, (weighted * key).sum(dim=1, keepdim=True)], dim=1)


def top_k_softmax(similarity: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return weights and indices of the k most similar places of each query, (Q, k) each.

    Args:
        similarity: Shape (Q, M), at least one finite value in each row.
        k: At most M. The weights sum to 1.
    """
    values, indices = torch.topk(similarity, k, dim=1)
    return torch.softmax(values, dim=1), indices
