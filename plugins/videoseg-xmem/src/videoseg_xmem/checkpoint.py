"""Checkpoints: finding, reading and checking them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videoseg.errors import ConfigError, MissingWeightsError
from videoseg.files import expand_path
from videoseg.weights import (
    RandomWeights,
    WeightsFile,
    check_weights_file,
    download_command,
    fit_weights,
    read_weights,
)

if TYPE_CHECKING:
    from torch import Tensor

    from videoseg_xmem.network import Dimensions, XMemNetwork

__all__ = [
    "DEFAULT",
    "PUBLISHED",
    "RANDOM",
    "find_checkpoint",
    "load_network",
    "published_weights",
    "random_network",
]

RANDOM = "random"
DEFAULT = "XMem"
PUBLISHED = {
    name: f"https://github.com/hkchengrex/XMem/releases/download/v1.0/{name}.pth"
    for name in ("XMem", "XMem-s012")
}
_SHOWN = 4


def published_weights(options: Mapping[str, Any]) -> list[WeightsFile | RandomWeights]:
    """Return the published file that some options need; none for a file of your own."""
    if options.get("checkpoint") == RANDOM:
        return [RandomWeights()]
    url = PUBLISHED.get(str(options.get("checkpoint", DEFAULT)))
    return [] if url is None else [_published(url)]


def _published(url: str) -> WeightsFile:
    # Its publisher gives neither size nor hash; the size is that of its 62.2 million parameters.
    return WeightsFile(url, "xmem", num_bytes=249_000_000, license="MIT (as released with XMem)")


def _command(name: str) -> str:
    return download_command("propagator", "xmem", checkpoint=None if name == DEFAULT else name)


def find_checkpoint(checkpoint: str | Path) -> Path:
    """Return the file of a checkpoint, without reading it.

    Args:
        checkpoint: The name of a published one, or a path.

    Raises:
        ConfigError: If a quick look shows that the file holds no weights, such as a folder or
            a web page.
        MissingWeightsError: If it is not on this machine.
    """
    if str(checkpoint) in PUBLISHED:
        name, url = str(checkpoint), PUBLISHED[str(checkpoint)]
        path = _published(url).path
    else:
        name, path, url = DEFAULT, expand_path(checkpoint), PUBLISHED[DEFAULT]
    if str(checkpoint) and path.exists():
        check_weights_file(path, published=url)
        return path
    if str(checkpoint) in PUBLISHED:
        what = f"the weights {str(checkpoint)!r} of XMem are not on this machine"
    else:
        what = f"there is no checkpoint {str(checkpoint)!r}"
    raise MissingWeightsError(
        f"{what}; get the published weights with: {_command(name)} (or name another file "
        f"with checkpoint=..., or checkpoint={RANDOM!r} for random weights, which find nothing)"
    )


def load_network(path: Path) -> XMemNetwork:
    """Read a checkpoint; its dimensions are read off its parameters.

    Raises:
        ConfigError: If the file is damaged, holds more than parameters, or is another model's;
            see ``videoseg.weights.read_weights``.
    """
    # Checkpoints of a training in progress hold the network under this key.
    state = read_weights(path, key="network", published=PUBLISHED[DEFAULT])
    return _network(state, path)


def random_network(dimensions: Dimensions, *, seed: int = 0) -> XMemNetwork:
    """Return a network with random weights, the same for the same seed.

    Features keep their scale from layer to layer.
    """
    import torch

    from videoseg_xmem.network import XMemNetwork

    with torch.device("meta"):
        network = XMemNetwork(dimensions)
    generator = torch.Generator().manual_seed(seed)
    state = {
        name: _random(name, tuple(tensor.shape), generator)
        for name, tensor in network.state_dict().items()
    }
    network.load_state_dict(state, assign=True)
    return network.eval()


def _random(name: str, shape: tuple[int, ...], generator: Any) -> Tensor:
    import torch

    if name.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.long)
    if len(shape) > 1:
        fan_in = torch.Size(shape[1:]).numel()
        weight: Tensor = torch.randn(shape, generator=generator) * (2 / fan_in) ** 0.5
        # Inputs are rectified: without this, their common mean would drown the differences.
        return weight - weight.mean(dim=tuple(range(1, len(shape))), keepdim=True)
    if name.endswith(("running_mean", "bias")):
        return torch.zeros(shape)
    # The last norm of a block, so that many blocks do not add up.
    ends_block = name.endswith(("bn3.weight", "bn2.weight")) and ".layer" in f".{name}"
    return torch.full(shape, 0.3 if ends_block else 1.0)


def _network(state: Mapping[str, Tensor], path: Path) -> XMemNetwork:
    import torch

    from videoseg_xmem.network import Dimensions, XMemNetwork

    try:
        dimensions = Dimensions.of(state)
        with torch.device("meta"):
            network = XMemNetwork(dimensions)
    except (KeyError, IndexError, RuntimeError, ValueError) as error:
        raise _other_model(path, [f"its {len(state)} parameters are not XMem's"]) from error
    expected = network.state_dict()
    # A count of training steps, which older checkpoints do not have and inference ignores.
    counters = {name for name in expected if name.endswith("num_batches_tracked")}
    problems = _differences(
        {name: tuple(tensor.shape) for name, tensor in expected.items() if name not in counters},
        {name: tuple(tensor.shape) for name, tensor in state.items() if name not in counters},
    )
    if problems:
        raise _other_model(path, problems)
    complete = {
        name: torch.zeros((), dtype=torch.long) if name in counters else state[name]
        for name in expected
    }
    complete = fit_weights(complete, expected, path=path, published=PUBLISHED[DEFAULT])
    network.load_state_dict(complete, assign=True)
    return network.eval()


def _differences(
    expected: Mapping[str, tuple[int, ...]], given: Mapping[str, tuple[int, ...]]
) -> list[str]:
    missing = [name for name in expected if name not in given]
    surplus = [name for name in given if name not in expected]
    others = [
        f"{name} {given[name]} instead of {shape}"
        for name, shape in expected.items()
        if name in given and given[name] != shape
    ]
    return [
        f"{what}: {', '.join(names[:_SHOWN])}{f' and {more} more' if more > 0 else ''}"
        for what, names in (
            ("missing", missing),
            ("not XMem's", surplus),
            ("of another shape", others),
        )
        if (more := len(names) - _SHOWN) > -_SHOWN
    ]


def _other_model(path: Path, problems: list[str]) -> ConfigError:
    return ConfigError(
        f"checkpoint {str(path)!r} is not one of XMem ({'; '.join(problems)}); use one of "
        f"XMem's, such as {PUBLISHED['XMem']}"
    )
