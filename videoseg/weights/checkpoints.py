"""Reads parameters by name from files of safetensors and of ``torch.save``."""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videoseg.devices import is_out_of_memory
from videoseg.errors import ConfigError, MissingDependencyError
from videoseg.text import printable, shorten, shorten_text
from videoseg.weights.formats import has_safetensors, weights_problem
from videoseg.weights.pickles import foreign_globals, pickle_protocol

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "check_weights_file",
    "code_problem",
    "fit_weights",
    "read_weights",
    "weights_folder",
    "without_loading_bars",
]

_NEWEST_PROTOCOL = 2  # that torch reads without running it

# Put before names by torch's own wrappers: of the whole network, and of parts of it.
_WRAPPER = "module."
_PART_WRAPPERS = re.compile(
    r"(?<![^.])(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\."
)


def weights_folder(name: str) -> Path:
    """Return the folder in the user's cache where published weights are looked for.

    Args:
        name: The network's, such as ``xmem``.
    """
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "videoseg" / name


@contextmanager
def without_loading_bars() -> Iterator[None]:
    """Keep transformers from drawing bars while it loads parameters inside; a run has its own.

    Its setting is one for all threads, and is as before afterwards. Bars of downloads are hidden,
    too, so this is not for loading what may have to be fetched.
    """
    logging: Any = sys.modules.get("transformers.utils.logging")
    shown = logging is not None and logging.is_progress_bar_enabled()
    if shown:
        logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def check_weights_file(path: str | os.PathLike[str], *, published: str = "") -> None:
    """Refuse a file that clearly holds no weights; see ``weights_problem``.

    For the constructor of a stage, so that a pipeline fails before its first stage runs.

    Args:
        path: The file.
        published: Where to get the published weights, such as a command; ends the message.

    Raises:
        ConfigError: If the file clearly holds no weights.
    """
    if problem := weights_problem(path):
        raise _refusal(path, problem, published)


def read_weights(
    path: str | os.PathLike[str], *, key: str = "", published: str = ""
) -> dict[str, Tensor]:
    """Read parameters by name, on the CPU, from a file of safetensors or of ``torch.save``.

    The content of the file decides how it is read, not its suffix. Only tensors are read: a
    pickle that imports anything else is refused before it runs. Parameters of a training state
    are found under ``key``, or anywhere if there is only one set of them; the prefixes of torch's
    own wrappers (``module.``, ``_orig_mod.``) are removed from names.

    Args:
        path: The file.
        key: The key under which files of this model hold their parameters; empty for none.
        published: Where to get the published weights, such as a command; ends every message.

    Raises:
        ConfigError: If it is another kind of file, is damaged, holds code, or holds anything
            but dense tensors of real numbers. The message says which.
        MissingDependencyError: If it needs ``safetensors``, which is not installed.

    Example:
        >>> read_weights("no-such-file.pt")
        Traceback (most recent call last):
        videoseg.errors.ConfigError: checkpoint 'no-such-file.pt' cannot be read (No such file...
    """
    parameters: Mapping[str, Tensor] = {}
    content, problem = None, weights_problem(path)
    if not problem:
        content, problem = _load(Path(path))
    if not problem:
        parameters, problem = _find_parameters(content, key)
        problems = (_tensor_problem(name, tensor) for name, tensor in parameters.items())
        problem = problem or next(filter(None, problems), "")
    if problem:
        raise _refusal(path, problem, published)
    return _without_wrappers(parameters)


def code_problem(path: str | os.PathLike[str]) -> str:
    """Return what a file of ``torch.save`` holds besides tensors; empty if nothing.

    For a file that could not be loaded as tensors only. Nothing of it is run.

    Args:
        path: The file.

    Returns:
        Words to put after the name of the file, which say what to do.
    """
    foreign = foreign_globals(Path(path))
    if not foreign:
        return ""
    return (
        f"holds more than tensors ({shorten_text(', '.join(foreign))}), which could run code "
        "when loaded, and was refused; get the weights from their publisher, as tensors only "
        "(.safetensors), or save the network's state_dict() by itself"
    )


def fit_weights(
    weights: Mapping[str, Tensor],
    expected: Mapping[str, Tensor],
    *,
    path: str | os.PathLike[str],
    published: str = "",
) -> dict[str, Tensor]:
    """Return parameters in the types that a network has them in.

    Args:
        weights: What ``read_weights`` returned; names and shapes are those of ``expected``.
        expected: The network's ``state_dict()``.
        path: The file, for messages.
        published: As for ``read_weights``.

    Returns:
        For each name in ``expected`` a tensor of its type.

    Raises:
        ConfigError: If whole numbers are given for real ones or the other way round, or if a
            value is not finite.
    """
    fitted: dict[str, Tensor] = {}
    for name, wanted in expected.items():
        given = weights[name]
        if given.is_floating_point() != wanted.is_floating_point():
            raise _refusal(
                path,
                f"holds {shorten(name)} as {given.dtype} instead of {wanted.dtype}; if it is "
                "quantized, take the original",
                published,
            )
        fitted[name] = given.to(wanted.dtype)
        if given.is_floating_point() and not bool(fitted[name].isfinite().all()):
            raise _refusal(
                path,
                f"holds numbers that are not finite (in {name}), so that nothing is ever found; "
                "download it again, or take an earlier one of the training",
                published,
            )
    return fitted


def _refusal(path: str | os.PathLike[str], problem: str, published: str) -> ConfigError:
    end = f"; the published weights: {published}" if published else ""
    return ConfigError(f"checkpoint {shorten_text(repr(str(path)), 400)} {problem}{end}")


def _load(path: Path) -> tuple[object, str]:
    """Return the content of a file, or what is wrong with it."""
    if has_safetensors(path):
        return _load_safetensors(path)
    import torch

    try:
        with warnings.catch_warnings():
            # About the file's age and pickle protocol, which the user cannot change.
            warnings.simplefilter("ignore")
            # An open file has no suffix by which newer releases of torch would judge it.
            with path.open("rb") as file:
                return torch.load(file, map_location="cpu", weights_only=True), ""
    except OSError as error:
        return None, f"cannot be read ({error.strerror or error}); check its permissions"
    # A damaged pickle can raise nearly any error. torch's own message is not passed on: it
    # advises to load the file in a way that runs code.
    except Exception as error:
        if is_out_of_memory(error):
            raise
    return None, _unloadable_problem(path)


def _load_safetensors(path: Path) -> tuple[object, str]:
    try:
        from safetensors.torch import load_file
    except ModuleNotFoundError:
        raise MissingDependencyError(
            f"checkpoint {str(path)!r} is a file of safetensors: pip install safetensors"
        ) from None
    try:
        return load_file(path, device="cpu"), ""
    except Exception as error:
        if is_out_of_memory(error):
            raise
        reason = shorten_text(printable(" ".join(str(error).split())), 120)
        return None, f"is damaged or of an unsupported kind ({reason})"


def _unloadable_problem(path: Path) -> str:
    if problem := code_problem(path):
        return problem
    protocol = pickle_protocol(path)
    if protocol is not None and protocol > _NEWEST_PROTOCOL:
        return (
            f"was saved with pickle_protocol={protocol}, which torch reads only by running what "
            "the file holds; save it again with torch.save's own protocol, or as .safetensors"
        )
    return (
        f"is cut short, damaged or no file of torch.save ({path.stat().st_size:,} bytes); "
        "download it again"
    )


def _find_parameters(content: object, key: str) -> tuple[Mapping[str, Tensor], str]:
    """Return the parameters in what was loaded, or what is wrong."""
    sets = dict(_parameter_sets(content, "", depth=2, seen=set()))
    if key in sets:
        return sets[key], ""
    if len(sets) == 1 or "" in sets:
        return sets.get("", next(iter(sets.values()))), ""
    if sets:
        names = ", ".join(repr(name) for name in sets)
        return {}, (
            f"holds several sets of parameters ({shorten_text(printable(names), 120)}); save the "
            "one that is meant as a file of its own"
        )
    wanted = f" under {key!r}" if key else ""
    return {}, f"holds no parameters by name (a state_dict), at its top or{wanted or ' below'}"


def _parameter_sets(
    content: object, name: str, *, depth: int, seen: set[int]
) -> Iterator[tuple[str, Mapping[str, Tensor]]]:
    import torch

    if not isinstance(content, Mapping) or id(content) in seen:
        return
    seen.add(id(content))
    if content and all(
        isinstance(key, str) and isinstance(value, torch.Tensor) for key, value in content.items()
    ):
        # States of random generators are tensors, too, of type uint8.
        if any(value.dtype != torch.uint8 for value in content.values()):
            yield name, content
        return
    for key, value in content.items() if depth else ():
        inner = f"{name}.{key}" if name else str(key)
        yield from _parameter_sets(value, inner, depth=depth - 1, seen=seen)


def _tensor_problem(name: str, tensor: Tensor) -> str:
    """Return why a tensor cannot be a parameter; empty if it can."""
    import torch

    if tensor.is_meta:
        kind = "without values (on the device 'meta'); take a file that was saved with them"
    elif tensor.is_quantized or (tensor.is_floating_point() and tensor.dtype.itemsize == 1):
        kind = f"in a quantized form ({tensor.dtype}); take the original"
    elif tensor.is_nested or tensor.layout != torch.strided:
        layout = "nested" if tensor.is_nested else str(tensor.layout)
        kind = f"not as a dense tensor ({layout}); take weights that are dense"
    elif tensor.is_complex():
        kind = f"as complex numbers ({tensor.dtype}); take weights that are real"
    else:
        return ""
    return f"holds {shorten(name)} {kind}"


def _without_wrappers(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    weights = {_PART_WRAPPERS.sub("", name): tensor for name, tensor in weights.items()}
    while weights and all(name.startswith(_WRAPPER) for name in weights):
        weights = {name.removeprefix(_WRAPPER): tensor for name, tensor in weights.items()}
    return weights
