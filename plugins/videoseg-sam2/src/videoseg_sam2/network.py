"""The network with its weights on a device: checked early, loaded late, and shared."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from videoseg.devices import is_out_of_memory, pick_device, torch_defaults
from videoseg.engines import Engine, Precision, check_engine, uses_bfloat16
from videoseg.errors import ConfigError, VideosegError
from videoseg.text import printable, shorten_text
from videoseg_sam2.hooks import install_hooks
from videoseg_sam2.models import DEFAULT_MODEL, MODELS, TOYS, config_path, published_model
from videoseg_sam2.weights import find_checkpoint, load_into, read_checkpoint

if TYPE_CHECKING:
    import torch

__all__ = [
    "Network",
    "NetworkChoice",
    "NetworkSettings",
    "NetworkSource",
    "build_network",
    "extra_prompt",
]

# As the package's own predictors set them; these override the configuration file.
_DECODER_OVERRIDES = {
    "dynamic_multimask_via_stability": True,
    "dynamic_multimask_stability_delta": 0.05,
    "dynamic_multimask_stability_thresh": 0.98,
}

extra_prompt: ContextVar[torch.Tensor | None] = ContextVar("extra_prompt", default=None)
"""Vectors, shape (1, k, C), that join the sparse prompts wherever they are encoded."""


@dataclass(frozen=True, slots=True)
class NetworkChoice:
    """The options that choose a network; see ``Sam2Propagator``.

    Raises:
        ConfigError: If an option is not allowed, or the device is not there.
        MissingDependencyError: If OpenVINO is asked for and not installed.
        MissingWeightsError: If the weights are not on this machine.
    """

    model: str
    checkpoint: str | Path | None
    config: str | Path | None
    random_weights: bool
    download: bool
    device: str
    precision: Precision
    engine: Engine = "eager"

    def __post_init__(self) -> None:
        problems = []
        if self.random_weights and self.checkpoint is not None:
            problems.append("give either a checkpoint or random_weights=True, not both")
        if self.model in TOYS and self.checkpoint is None and not self.random_weights:
            problems.append(
                f"model {self.model!r} has no trained weights; set random_weights=True"
            )
        if self.config is None and self.model not in TOYS:
            published_model(self.model)
        if self.name != self.model.removeprefix("facebook/") and self.model != DEFAULT_MODEL:
            problems.append(
                f"model {self.model!r} and checkpoint {self.checkpoint!r} are two networks; leave "
                "the model out"
            )
        if self.config is not None and not Path(self.config).is_file():
            problems.append(f"there is no configuration file {str(self.config)!r}")
        if problems:
            raise ConfigError(problems)
        check_engine(self.engine, self.precision, self.device, extra="videoseg-sam2[openvino]")

    @property
    def name(self) -> str:
        """Name of the network; a published checkpoint says itself of which it is."""
        repository = str(self.checkpoint)
        if self.config is None and repository.startswith("facebook/"):
            published = repository.removeprefix("facebook/")
            if published in MODELS:
                return published
        return self.model.removeprefix("facebook/")

    def locate(self) -> Network:
        """Return the network, its weights found but not yet read."""
        device = pick_device(
            "cpu" if self.engine == "openvino" else self.device, kinds=("cpu", "cuda", "mps")
        )
        checkpoint = None
        if not self.random_weights:
            checkpoint = find_checkpoint(self.checkpoint, self.name, download=self.download)
        config = config_path(self.name) if self.config is None else Path(self.config).resolve()
        return Network(
            NetworkSource(
                config,
                checkpoint,
                str(device),
                engine=self.engine,
                # The parameters are kept in float32, whatever torch computes in.
                encoder_precision="int8" if self.precision == "int8" else "float32",
            ),
            name=self.name,
            bfloat16=uses_bfloat16(self.precision, device, engine=self.engine),
        )


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """Settings in which trained networks of one form differ.

    Args:
        hide_absent: Whether an object that is predicted to be absent has an empty mask. In any
            case its memory says so.
        binarize_prompted: Whether the memory of a frame prompted by points is made of its mask,
            instead of its mask's probabilities.
    """

    hide_absent: bool = True
    binarize_prompted: bool = True


@dataclass(frozen=True, slots=True)
class NetworkSource:
    """What a network is made of; equal ones share their parameters in a process.

    Args:
        config: Its configuration file.
        checkpoint: Its weights; None for random ones, the same each time.
        device: Name of the device.
        settings: Its settings.
        read: Returns the parameters by name from a checkpoint; gets also the network's name.
        engine: What runs the image encoder.
        encoder_precision: ``int8`` for an image encoder of 8-bit numbers in OpenVINO.
    """

    config: Path
    checkpoint: Path | None
    device: str
    settings: NetworkSettings = NetworkSettings()
    read: Callable[[Path, str], Mapping[str, torch.Tensor]] = read_checkpoint
    engine: Engine = "eager"
    encoder_precision: Precision = "float32"


class Network:
    """SAM 2's modules on a device. Equal ones of a process share their parameters.

    Args:
        source: Configuration, weights and device.
        name: What the network is called in messages.
        bfloat16: Whether to compute in bfloat16.
    """

    def __init__(self, source: NetworkSource, *, name: str, bfloat16: bool) -> None:
        self.name = name
        self.bfloat16 = bfloat16
        self._source = source
        self._modules: Any = None

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        import torch

        return torch.device(self._source.device)

    @property
    def modules(self) -> Any:
        """The ``SAM2Base``, loaded when first asked for and not to be changed.

        Raises:
            ConfigError: If the checkpoint cannot be read or is another network's.
            VideosegError: If there is no room for it on the device.
        """
        if self._modules is None:
            try:
                self._modules = _load_shared(self._source, self.name)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                raise VideosegError(
                    f"device {self._source.device!r} has no room for {self.name!r}; end other "
                    "programs that use its memory, or use a smaller model or device='cpu'"
                ) from error
        return self._modules

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Compute in the network's own precision, whatever the calling program has set."""
        import torch

        kind = self.device.type
        with torch_defaults(), torch.autocast(kind, torch.bfloat16, enabled=self.bfloat16):
            yield

    def __getstate__(self) -> dict[str, Any]:
        # Another process loads them for itself, and a copy shares them.
        return {**self.__dict__, "_modules": None}

    def close(self) -> None:
        """Release the parameters; they are loaded again when next needed."""
        self._modules = None


_loaded: WeakValueDictionary[NetworkSource, Any] = WeakValueDictionary()
_loading = threading.Lock()


def _load_shared(source: NetworkSource, name: str) -> Any:
    with _loading:
        modules = _loaded.get(source)
        if modules is None:
            modules = _load(source, name)
            _loaded[source] = modules
        return modules


def _load(source: NetworkSource, name: str) -> Any:
    with torch_defaults():
        modules = build_network(source.config, source.settings)
        if source.checkpoint is not None:
            state = source.read(source.checkpoint, name)
            load_into(modules, state, path=source.checkpoint, model=name)
        modules.requires_grad_(False)
        modules.sam_prompt_encoder.register_forward_hook(_add_extra_prompt)
        install_hooks(modules)
        modules.to(source.device).eval()
        if source.engine != "eager":
            from videoseg_sam2.encoder import run_encoder_in

            run_encoder_in(source.engine, modules, precision=source.encoder_precision)
        return modules


def build_network(config: Path, settings: NetworkSettings = NetworkSettings()) -> Any:
    """Return a ``SAM2Base`` with random weights (the same each time), on the CPU, in float32.

    Args:
        config: A configuration file in the package's form.
        settings: Its settings.

    Raises:
        ConfigError: If the file is no configuration of SAM 2.
    """
    import torch

    # The constructors draw random numbers; the global generator must not notice.
    with torch.random.fork_rng(devices=[]):
        # Not torch.manual_seed, which seeds GPUs, too.
        torch.default_generator.manual_seed(0)
        modules = _build(config, settings)
    if not settings.hide_absent:
        from videoseg_sam2.ungated import show_absent

        show_absent(modules)
    return modules


def _build(config: Path, settings: NetworkSettings) -> Any:
    _import_base()
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    try:
        tree = OmegaConf.to_container(OmegaConf.load(config), resolve=True)
    except Exception as error:
        raise ConfigError(f"{config} is no configuration of SAM 2: {_reason(error)}") from error
    model = tree.get("model") if isinstance(tree, Mapping) else None
    if not isinstance(model, dict) or "_target_" not in model:
        raise ConfigError(f"{config} is no configuration of SAM 2: it has no model._target_")
    foreign = sorted(target for target in _targets(model) if not target.startswith("sam2."))
    if foreign:
        raise ConfigError(f"{config} names {', '.join(foreign)}; only classes of sam2 are built")
    model["_target_"] = "sam2.modeling.sam2_base.SAM2Base"
    model["sam_mask_decoder_extra_args"] = {
        **(model.get("sam_mask_decoder_extra_args") or {}),
        **_DECODER_OVERRIDES,
    }
    model["binarize_mask_from_pts_for_mem_enc"] = settings.binarize_prompted
    try:
        return instantiate(model, _convert_="all")
    except Exception as error:
        raise ConfigError(f"SAM 2 cannot be built from {config}: {_reason(error)}") from error


def _import_base() -> Any:
    """Return the class ``SAM2Base``.

    Importing ``sam2`` initializes hydra for the whole process, which breaks programs that
    initialize hydra themselves later. Here its state is put back: to use the package's
    own builders in the same process, call
    ``hydra.initialize_config_module("sam2", version_base="1.2")`` first.
    """
    if "sam2" in sys.modules:
        return _base()
    with _preserve_hydra():
        return _base()


def _base() -> Any:
    from sam2.modeling.sam2_base import SAM2Base  # type: ignore[import-untyped]

    return SAM2Base


@contextmanager
def _preserve_hydra() -> Iterator[None]:
    from hydra.core.global_hydra import GlobalHydra
    from hydra.version import VersionBase
    from omegaconf import OmegaConf

    hydra_before = GlobalHydra.instance().hydra
    version_before = VersionBase.instance().version_base
    resolvers = ("now", "hydra", "python_version")
    present = [name for name in resolvers if OmegaConf.has_resolver(name)]
    try:
        yield
    finally:
        GlobalHydra.instance().hydra = hydra_before
        VersionBase.instance().version_base = version_before
        for name in resolvers:
            if name not in present:
                OmegaConf.clear_resolver(name)


def _reason(error: Exception) -> str:
    return shorten_text(printable(" ".join(str(error).split())), 200)


def _targets(node: object) -> set[str]:
    found: set[str] = set()
    if isinstance(node, Mapping):
        if "_target_" in node:
            found.add(str(node["_target_"]))
        for value in node.values():
            found |= _targets(value)
    elif isinstance(node, list):
        for value in node:
            found |= _targets(value)
    return found


def _add_extra_prompt(_module: Any, _inputs: Any, output: Any) -> Any:
    vector = extra_prompt.get()
    if vector is None:
        return None
    import torch

    sparse, dense = output
    return torch.cat([sparse, vector.to(sparse).expand(sparse.shape[0], -1, -1)], dim=1), dense
