"""Published checkpoints: finding them, and checking that a file fits a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

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
    from torch import Tensor, nn

__all__ = ["RANDOM", "PublishedCheckpoints", "fill_randomly"]

RANDOM = "random"
"""The name of random weights, which find nothing."""

_SHOWN = 4

_Network = TypeVar("_Network", bound="nn.Module")


@dataclass(frozen=True, slots=True)
class PublishedCheckpoints:
    """The checkpoints that are published for one network, and how files are read for it.

    Args:
        network: The network's name in messages.
        component: The propagator that takes them.
        files: The published files by the names they are asked for by.
        default: Which of them is taken by default.
        key: Under which key checkpoints of a training in progress hold the network.
    """

    network: str
    component: str
    files: Mapping[str, WeightsFile]
    default: str
    key: str

    @property
    def url(self) -> str:
        """Where the default one is."""
        return self.files[self.default].url

    def declare(self, options: Mapping[str, Any]) -> list[WeightsFile | RandomWeights]:
        """Return the published file that some options need; none for a file of your own."""
        if options.get("checkpoint") == RANDOM:
            return [RandomWeights()]
        file = self.files.get(str(options.get("checkpoint", self.default)))
        return [] if file is None else [file]

    def find(self, checkpoint: str | Path) -> Path:
        """Return the file of a checkpoint, without reading it.

        Args:
            checkpoint: The name of a published one, or a path.

        Raises:
            ConfigError: If a quick look shows that the file holds no weights, such as a folder
                or a web page.
            MissingWeightsError: If it is not on this machine.
        """
        name = str(checkpoint)
        file = self.files.get(name)
        path = expand_path(checkpoint) if file is None else file.path
        if name and path.exists():
            check_weights_file(path, published=self.url if file is None else file.url)
            return path
        if file is None:
            what, name = f"there is no checkpoint {name!r}", self.default
        else:
            what = f"the weights {name!r} of {self.network} are not on this machine"
        command = download_command(
            "propagator", self.component, checkpoint=None if name == self.default else name
        )
        raise MissingWeightsError(
            f"{what}; get the published weights with: {command} (or name another file with "
            f"checkpoint=..., or checkpoint={RANDOM!r} for random weights, which find nothing)"
        )

    def load(
        self,
        path: Path,
        build: Callable[[Mapping[str, Tensor]], _Network],
        *,
        adapt: Callable[[dict[str, Tensor]], None] | None = None,
        unused: tuple[str, ...] = (),
    ) -> _Network:
        """Read a checkpoint into a network.

        Args:
            path: The file.
            build: Makes the network from the parameters' shapes, and raises KeyError, IndexError,
                RuntimeError or ValueError if they are another model's.
            adapt: Changes parameters of another variant of the network in place; may raise
                KeyError.
            unused: Beginnings and ends of the names of parameters that the network does not
                have and a file may.

        Raises:
            ConfigError: If the file is damaged, holds more than parameters, or is another
                model's; see ``videoseg.weights.read_weights``.
        """
        import torch

        read = read_weights(path, key=self.key, published=self.url)
        state = {
            name: tensor
            for name, tensor in read.items()
            if not (name.startswith(unused) or name.endswith(unused))
        }
        try:
            if adapt is not None:
                adapt(state)
            with torch.device("meta"):
                network = build(state)
        except (KeyError, IndexError, RuntimeError, ValueError) as error:
            problem = f"its {len(read)} parameters are not {self.network}'s"
            raise self._other_model(path, [problem]) from error
        expected = network.state_dict()
        # A count of training steps, which older checkpoints do not have and inference ignores.
        counters = {name for name in expected if name.endswith("num_batches_tracked")}
        problems = self._differences(
            {name: tuple(tensor.shape) for name, tensor in expected.items()},
            {name: tuple(tensor.shape) for name, tensor in state.items()},
            counters,
        )
        if problems:
            raise self._other_model(path, problems)
        complete = {
            name: torch.zeros((), dtype=torch.long) if name in counters else state[name]
            for name in expected
        }
        complete = fit_weights(complete, expected, path=path, published=self.url)
        network.load_state_dict(complete, assign=True)
        return network.eval()

    def _differences(
        self,
        expected: Mapping[str, tuple[int, ...]],
        given: Mapping[str, tuple[int, ...]],
        counters: set[str],
    ) -> list[str]:
        expected = {name: shape for name, shape in expected.items() if name not in counters}
        missing = [name for name in expected if name not in given]
        surplus = [name for name in given if name not in expected and name not in counters]
        others = [
            f"{name} {given[name]} instead of {shape}"
            for name, shape in expected.items()
            if name in given and given[name] != shape
        ]
        return [
            f"{what}: {', '.join(names[:_SHOWN])}{f' and {more} more' if more > 0 else ''}"
            for what, names in (
                ("missing", missing),
                (f"not {self.network}'s", surplus),
                ("of another shape", others),
            )
            if (more := len(names) - _SHOWN) > -_SHOWN
        ]

    def _other_model(self, path: Path, problems: list[str]) -> ConfigError:
        return ConfigError(
            f"checkpoint {str(path)!r} is not one of {self.network} ({'; '.join(problems)}); use "
            f"one of {self.network}'s, such as {self.url}"
        )


def fill_randomly(network: _Network, *, seed: int) -> _Network:
    """Give a network that was made on the meta device random weights.

    Features keep their scale from layer to layer.

    Args:
        network: The network.
        seed: The same seed gives the same weights.
    """
    import torch

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
