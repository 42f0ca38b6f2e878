"""The components that fill the stages of a pipeline: checked early, built late."""

from __future__ import annotations

import copy
import inspect
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from videoseg._interruption import describe_error, foreign_code
from videoseg.chat_log import RecordingChat
from videoseg.errors import (
    ComponentNotFoundError,
    ConfigError,
    IncompatibleStagesError,
    MissingWeightsError,
    VideosegError,
)
from videoseg.pipeline.config import (
    DEFAULT_MAX_TURNS,
    REQUIRED_STAGES,
    STAGES,
    PipelineConfig,
    Use,
)
from videoseg.pipeline.transfer import check_picklable
from videoseg.plugins import RegisteredComponent, Registry
from videoseg.plugins.readiness import find_parts
from videoseg.stages import (
    AnswersWithEmbeddings,
    AnswersWithMasks,
    ChatModel,
    Closable,
    FrameSampler,
    Grounder,
    Propagator,
    Segmenter,
)
from videoseg.text import shorten
from videoseg.types import PropagatorCapabilities
from videoseg.weights.published import PublishedWeights

__all__ = ["Composition"]

_logger = logging.getLogger(__name__)

_PROTOCOLS: Mapping[str, type[Any]] = {
    "sampler": FrameSampler,
    "grounder": Grounder,
    "segmenter": Segmenter,
    "propagator": Propagator,
    "chat": ChatModel,
}


class Composition:
    """The stages of one pipeline, with its name and its turn budget.

    Args:
        stages: For each of ``STAGES`` a name, a ``Use``, an instance, or None.
        registry: Where names are looked up.
        max_turns: How many moves the grounder has.
        name: What the pipeline is called in results.

    Attributes:
        chat_log: The file that keeps every exchange with the chat model, if there is to be one.
        resume: Whether the chat model's earlier answers are taken from that file.
    """

    def __init__(
        self,
        stages: Mapping[str, object],
        registry: Registry,
        *,
        max_turns: int = DEFAULT_MAX_TURNS,
        name: str = "",
    ) -> None:
        self.stages: dict[str, object] = {
            stage: Use(given) if isinstance(given, str) else given
            for stage, given in stages.items()
        }
        self.registry = registry
        self.max_turns = max_turns
        self.pipeline_name = name
        self.chat_log: Path | None = None
        self.resume = False
        self._built: dict[str, object] = {}
        # Stages whose components another process had added by ``videoseg.add``.
        self._added_elsewhere: frozenset[str] = frozenset()

    # -- describing ------------------------------------------------------------------------

    def registered(self, stage: str) -> RegisteredComponent | None:
        """Return the registered component of a stage, or None for instances and gaps."""
        given = self.stages[stage]
        return self._find(stage, given.name) if isinstance(given, Use) else None

    def _find(self, stage: str, name: str) -> RegisteredComponent:
        try:
            return self.registry.find(stage, name)
        except ComponentNotFoundError as error:
            if stage not in self._added_elsewhere:
                raise
            raise ComponentNotFoundError(
                f"{stage} {name!r} was added by videoseg.add in the process that this pipeline "
                "comes from; add it in this one, too, such as in the initializer of the pool, or "
                f"pass an instance instead of the name ({error})"
            ) from error

    def name(self, stage: str) -> str:
        """Return the name of a stage for messages: its component, or the class of an instance."""
        given = self.stages[stage]
        if given is None:
            return ""
        return given.name if isinstance(given, Use) else type(given).__name__

    def summary(self) -> str:
        """Return the stages in one line."""
        return ", ".join(f"{stage}={self.name(stage)}" for stage in STAGES if self.name(stage))

    def capabilities(self) -> PropagatorCapabilities | None:
        """Return the capabilities that the propagator declares; None if it declares none."""
        given = self.stages["propagator"]
        if isinstance(given, Use):
            return self._find("propagator", given.name).component.capabilities_with(given.options)
        declared = getattr(given, "capabilities", None)
        return declared if isinstance(declared, PropagatorCapabilities) else None

    def config(self) -> PipelineConfig:
        """Return the configuration; every stage must have been given by name."""
        unnamed = [s for s in STAGES if not isinstance(self.stages[s], Use | None)]
        if unnamed:
            raise ConfigError(
                [
                    f"the {stage} is an instance of {self.name(stage)}, which a file cannot name; "
                    f"register its class with videoseg.add({stage!r}, ...) and use that name"
                    for stage in unnamed
                ]
            )
        stages: dict[str, Any] = {stage: self.stages[stage] for stage in STAGES}
        return PipelineConfig(**stages, max_turns=self.max_turns, name=self.pipeline_name)

    def record(self) -> dict[str, Any]:
        """Return the configuration as a result records it, instances by their class."""
        data: dict[str, Any] = {"name": self.pipeline_name} if self.pipeline_name else {}
        for stage in STAGES:
            given = self.stages[stage]
            if given is None:
                continue
            instance = f"{type(given).__module__}:{type(given).__qualname__}"
            data[stage] = given.to_dict() if isinstance(given, Use) else instance
        data["max_turns"] = self.max_turns
        return data

    def distributions(self) -> list[tuple[str, str]]:
        """Return (name, version) of the packages that provide the stages and what they wrap."""
        found: dict[tuple[str, str], None] = {}
        for stage in STAGES:
            entry, given = self.registered(stage), self.stages[stage]
            if entry is not None and isinstance(given, Use):
                try:
                    parts = find_parts(self.registry, entry, given.options)
                except VideosegError:
                    # It was built all the same, and its result must not be lost.
                    parts = ((entry, given.options),)
                found |= {(part.distribution, part.version): None for part, _ in parts}
        return list(found)

    # -- copying and sending -----------------------------------------------------------------

    def copy_instances(self, memo: dict[int, Any]) -> None:
        """Put copies in the place of instances and of what options hold.

        Raises:
            ConfigError: If one cannot be copied.
        """
        for stage, given in self.stages.items():
            try:
                self.stages[stage] = copy.deepcopy(given, memo)
            except VideosegError:
                raise
            # What cannot be copied says so with any error.
            except Exception as error:
                raise ConfigError(
                    f"the {stage} ({self.name(stage)}) cannot be copied: {error}; use copy.copy, "
                    "which shares it, or give it by name"
                ) from error

    def state(self) -> dict[str, Any]:
        """Return what another process needs: names, options and instances, but no built stages.

        Raises:
            ConfigError: If a stage cannot be sent.
        """
        added: set[str] = set()
        for stage, given in self.stages.items():
            if isinstance(given, Use):
                check_picklable(given, f"the options of the {stage} {given.name!r}")
                if self._find(stage, given.name).factory is not None:
                    added.add(stage)
            elif given is not None:
                check_picklable(given, f"the {stage}, an instance of {type(given).__name__},")
        return {
            "stages": self.stages,
            "max_turns": self.max_turns,
            "name": self.pipeline_name,
            "chat_log": self.chat_log,
            "resume": self.resume,
            "added": frozenset(added),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any], registry: Registry) -> Composition:
        """Return the stages that another process sent.

        Names are looked up when the stages are built: an error now would be lost on pools of
        processes.
        """
        composition = cls(
            state["stages"], registry, max_turns=state["max_turns"], name=state["name"]
        )
        composition.chat_log, composition.resume = state["chat_log"], state["resume"]
        composition._added_elsewhere = state["added"]
        return composition

    # -- checking --------------------------------------------------------------------------

    def check(self) -> None:
        """Check everything that can be known before anything loads.

        Raises:
            ComponentNotFoundError: If a name is unknown.
            ConfigError: If a stage has the wrong methods or a needed stage is missing.
            IncompatibleStagesError: If the propagator cannot take what it will be given.
        """
        problems: list[str] = []
        for stage in STAGES:
            given = self.stages[stage]
            if given is None:
                if stage in REQUIRED_STAGES:
                    problems.append(f"the pipeline needs a {stage}")
                continue
            if isinstance(given, Use):
                entry = self._find(stage, given.name)
                missing = [u for u in entry.component.uses if self.stages[u] is None]
                problems += [
                    f"{stage} {given.name!r} uses a {kind} model: {self._how_to_pass(kind)}"
                    for kind in missing
                ]
            elif isinstance(given, type):
                problems.append(
                    f"the {stage} is the class {given.__name__}; pass an instance, "
                    f"{given.__name__}(...), or a name"
                )
            elif wrong := _wrong_form(stage, given):
                problems.append(f"{type(given).__name__} is not a {stage}: {wrong}")
        if problems:
            raise ConfigError(problems)
        self._check_propagator()

    def _how_to_pass(self, kind: str) -> str:
        names = self.registry.names(kind)
        known = ", ".join(names) if names else "none; install a plug-in that has one"
        return f"pass {kind}=... (on the command line --{kind} NAME); registered: {known}"

    def check_live(self) -> None:
        """Check that the propagator can run on a live source.

        Raises:
            IncompatibleStagesError: If it cannot.
        """
        propagator = self.build("propagator")
        capabilities = getattr(propagator, "capabilities", None)
        if isinstance(capabilities, PropagatorCapabilities) and not capabilities.live:
            raise IncompatibleStagesError(
                f"propagator {self.name('propagator')!r} cannot run on a live source: it needs to "
                "know where the video ends, or with its options answers late; choose another "
                "propagator, or other options of this one"
            )

    def _check_propagator(self) -> None:
        capabilities = self.capabilities()
        if capabilities is None:
            return
        name = self.name("propagator")
        if model := self._embedding_model():
            self._check_takes_embeddings(model, name, capabilities)
            return
        has_segmenter = self.stages["segmenter"] is not None
        if has_segmenter and not capabilities.masks:
            raise IncompatibleStagesError(
                f"propagator {name!r} takes no masks, but the segmenter "
                f"{self.name('segmenter')!r} makes them; leave the segmenter out"
            )
        if not has_segmenter and not (capabilities.boxes or capabilities.points):
            if capabilities.embeddings or self._may_give_masks():
                return
            segmenters = ", ".join(self.registry.names("segmenter"))
            raise IncompatibleStagesError(
                f"propagator {name!r} takes masks only; give the pipeline a segmenter "
                f"({segmenters})"
            )

    def _may_give_masks(self) -> bool:
        """Return whether the grounder may answer with masks, which then need no segmenter."""
        given = self.stages["grounder"]
        if isinstance(given, Use):
            return self._find("grounder", given.name).component.answers_with_masks
        return isinstance(given, AnswersWithMasks) and given.answers_with_masks is True

    def _embedding_model(self) -> str:
        """Return the model of the embeddings that the grounder answers with, if it does."""
        given = self.stages["grounder"]
        if isinstance(given, Use):
            return self._find("grounder", given.name).component.embedding_model(given.options)
        if not isinstance(given, AnswersWithEmbeddings):
            return ""
        model: object = given.answers_with_embeddings_of
        if model is not None and not isinstance(model, str):
            raise ConfigError(
                f"answers_with_embeddings_of of grounder {self.name('grounder')!r} must be the "
                f"name of a model as text, or None, got {shorten(model)}"
            )
        return model or ""

    def _check_takes_embeddings(
        self, model: str, propagator: str, capabilities: PropagatorCapabilities
    ) -> None:
        grounder = f"grounder {self.name('grounder')!r} answers with embeddings of {model!r}"
        if model not in capabilities.embeddings:
            takers = [
                entry.component.name
                for entry in self.registry.components("propagator")
                if entry.component.capabilities is not None
                and model in entry.component.capabilities.embeddings
            ]
            raise IncompatibleStagesError(
                f"{grounder}, which propagator {propagator!r} does not take; use one that does "
                f"({', '.join(takers) or 'none is installed'}), or let the grounder answer "
                "otherwise"
            )
        if self.stages["segmenter"] is not None:
            raise IncompatibleStagesError(
                f"{grounder}, but the segmenter {self.name('segmenter')!r} takes boxes, points "
                "and masks; leave the segmenter out"
            )

    # -- building --------------------------------------------------------------------------

    def build(self, stage: str) -> object:
        """Return the stage, building it the first time."""
        if stage in self._built:
            return self._built[stage]
        given = self.stages[stage]
        if not isinstance(given, Use):
            built: object = given
        else:
            entry = self._find(stage, given.name)
            others = {
                kind: self.build(kind)
                for kind in entry.component.taken_stages
                if kind in entry.component.uses or self.stages[kind] is not None
            }
            try:
                built = self.registry.build(stage, given.name, given.options, given=others)
            except MissingWeightsError as error:
                error.stages = error.stages or ((stage,),) * len(error.problems)
                raise
            if wrong := _wrong_form(stage, built):
                raise ConfigError(f"{stage} {given.name!r} is not a {stage}: {wrong}")
        if stage == "chat" and built is not None and self.chat_log is not None:
            built = RecordingChat(cast(ChatModel, built), self.chat_log, resume=self.resume)
        self._built[stage] = built
        return built

    def build_all(self, *stages: str) -> None:
        """Build every stage that is given, or those that are named.

        A stage that lacks weights or a device fails before another has done its work, and one
        error lists all weights that are missing.
        """
        errors: list[MissingWeightsError] = []
        for stage in stages or STAGES:
            if self.stages[stage] is not None:
                try:
                    self.build(stage)
                except MissingWeightsError as error:
                    errors.append(error)
        needed_by: dict[str, tuple[str, ...]] = {}
        for lacking in errors:
            for problem, names in zip(lacking.problems, lacking.stages, strict=True):
                found = needed_by.get(problem, ())
                needed_by[problem] = tuple(dict.fromkeys([*found, *names]))
        if len(needed_by) == 1:
            errors[0].stages = tuple(needed_by.values())
            raise errors[0]
        if needed_by:
            raise MissingWeightsError(
                list(needed_by), stages=list(needed_by.values())
            ) from errors[0]

    def examine_options(self) -> tuple[list[str], dict[str, str]]:
        """Return every problem with the options of all stages; imports their classes.

        Returns:
            The problems; and by stage what its constructor says about missing weights.
        """
        problems: list[str] = []
        missing: dict[str, str] = {}
        for stage in STAGES:
            given = self.stages[stage]
            if isinstance(given, Use):
                try:
                    found, lacks = self.registry.examine(stage, given.name, given.options)
                except VideosegError as error:
                    problems.append(str(error))
                    continue
                problems += found
                if lacks:
                    missing[stage] = lacks
        return problems, missing

    def weights(self) -> tuple[PublishedWeights, ...]:
        """Return the published weights that the stages need, whether they are here or not."""
        needed: list[PublishedWeights] = []
        for stage in STAGES:
            given = self.stages[stage]
            if isinstance(given, Use):
                needed += self.registry.weights(stage, given.name, given.options)
        return tuple(dict.fromkeys(needed))

    def built(self) -> tuple[object, ...]:
        """Return the stages built so far."""
        return tuple(self._built.values())

    def close(self) -> None:
        """Free the stages that were built here; instances given by the user stay open."""
        for stage, built in self._built.items():
            if not isinstance(self.stages[stage], Use):
                continue
            try:
                with foreign_code():
                    if isinstance(built, Closable):
                        built.close()
            except Exception as error:
                # Its work is done; a failure to free it must not lose the result.
                _logger.warning(
                    "%s %s cannot be closed: %s", stage, self.name(stage), describe_error(error)
                )
        self._built.clear()


def _wrong_form(stage: str, given: object) -> str:
    """Return why an object is not a stage; empty if it is one."""
    protocol = _PROTOCOLS[stage]
    if not isinstance(given, protocol):
        members = [name for name in vars(protocol) if not name.startswith("_")]
        lacking = [_described(protocol, name) for name in members if not hasattr(given, name)]
        return f"it has no {' and no '.join(lacking)}"
    if stage == "propagator":
        declared = getattr(given, "capabilities", None)
        if not isinstance(declared, PropagatorCapabilities):
            return (
                "its capabilities must be a PropagatorCapabilities, such as "
                "PropagatorCapabilities(boxes=True), got a value of type "
                f"{type(declared).__name__}"
            )
    return ""


def _described(protocol: type[Any], name: str) -> str:
    """Return ``method step(episode) -> Move``, as the protocol has it."""
    member = vars(protocol)[name]
    if isinstance(member, property):
        return f"property {name}, a {member.fget.__annotations__['return']}"
    _, *parameters = inspect.signature(member).parameters.values()
    returned = inspect.signature(member).return_annotation
    bare = [one.replace(annotation=inspect.Parameter.empty) for one in parameters]
    return f"method {name}{inspect.Signature(bare)} -> {returned}"
