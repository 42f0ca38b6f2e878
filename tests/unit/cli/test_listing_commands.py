"""plugins, pipelines, config and doctor."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import types
from importlib import metadata

import pytest
import yaml

import videoseg as vs
from videoseg.cli.doctor import (
    _broken_libraries,
    _gpu,
    _ImportTrial,
    _model_libraries,
    examine,
)
from videoseg.cli.main import main
from videoseg.errors import CORE_PACKAGES, OutputError
from videoseg.plugins import KINDS, RegisteredComponent
from videoseg.weights import RandomWeights, WeightsFile


@pytest.fixture
def run(capsys):
    def run(*arguments, status=0):
        assert main(arguments) == status
        return capsys.readouterr()

    return run


def test_plugins_lists_every_component(run):
    text = run("plugins").out
    for kind in ("sampler", "grounder", "segmenter", "propagator", "reader", "pipeline"):
        assert f"\n{kind}\n" in f"\n{text}"
        for name in vs.default_registry().names(kind):
            assert f"  {name} " in text
    assert "usable: Optical flow" in text
    assert max(map(len, text.splitlines())) <= 80


def test_plugins_as_json(run):
    document = json.loads(run("plugins", "--json").out)
    found = {(item["kind"], item["name"]): item for item in document["components"]}
    assert found["propagator", "flow"]["state"] == "usable"
    assert found["propagator", "flow"]["capabilities"]["boxes"] is True
    assert found["sampler", "uniform"]["distribution"] == "videoseg"


_TORCH = """
class cuda:
    is_available = staticmethod(lambda: bool({gpus}))
    device_count = staticmethod(lambda: len({gpus}))

    def get_device_properties(index):
        from types import SimpleNamespace
        name, memory = {gpus}[index]
        return SimpleNamespace(name=name, total_memory=memory)

class backends:
    mps = None
"""

NEEDED = WeightsFile("https://example.org/needed.bin", "needy", 3_700_000, license="MIT")


@pytest.fixture
def declared(monkeypatch, tmp_path):
    """Register a sampler and a pipeline that need weights; return how they say which."""
    monkeypatch.setenv("VIDEOSEG_WEIGHTS", str(tmp_path))
    answer = {"weights": [NEEDED]}

    def weights(options):
        if isinstance(answer["weights"], Exception):
            raise answer["weights"]
        return answer["weights"] if "own" not in options else ()

    module = types.ModuleType("needs_weights")
    module.weights = weights
    module.pipeline = lambda: {"sampler": "needy", "grounder": "attributes", "propagator": "flow"}
    monkeypatch.setitem(sys.modules, "needs_weights", module)
    components = vs.default_registry()._components
    for component in (
        vs.Component(
            "sampler",
            "needy",
            "videoseg.samplers:FirstSampler",
            summary="Needs much.",
            weights="needs_weights:weights",
        ),
        vs.Component("pipeline", "needy", "needs_weights:pipeline", summary="All of it."),
    ):
        entry = RegisteredComponent(component, "needy", "needy")
        monkeypatch.setitem(components, (component.kind, "needy"), [entry])
    return answer


def listed(run):
    found = json.loads(run("plugins", "--json").out)["components"]
    return {item["kind"]: item for item in found if item["name"] == "needy"}


def words(text):
    return " ".join(text.split())


def test_missing_weights_are_listed_with_their_size_and_what_fetches_them(run, declared):
    text = words(run("plugins").out)
    assert "needs download: videoseg download sampler needy (3.7 MB)" in text
    assert "needs download: videoseg download needy (3.7 MB)" in text
    found = listed(run)
    for kind, command in (("sampler", "sampler needy"), ("pipeline", "needy")):
        assert found[kind]["state"] == "needs download"
        assert found[kind]["remedy"] == f"videoseg download {command}"
        assert found[kind]["download_bytes"] == 3_700_000
        assert found[kind]["weights"][0]["license"] == "MIT"
    shown = words(run("plugins", "show", "sampler", "needy").out)
    assert "weights needed.bin (3.7 MB; MIT): not on this machine" in shown


def test_weights_that_are_here_make_it_usable(run, declared):
    NEEDED.path.parent.mkdir()
    NEEDED.path.write_bytes(b"weights")
    assert [item["state"] for item in listed(run).values()] == ["usable", "usable"]
    assert "usable: Needs much." in run("plugins").out


def test_a_pipeline_is_explained_with_its_weights(run, declared):
    text = words(run("pipelines", "show", "needy").out)
    assert "weights: needed.bin (3.7 MB; MIT): not on this machine" in text
    assert "state needs download: videoseg download needy (3.7 MB)" in text
    document = json.loads(run("pipelines", "show", "needy", "--json").out)
    assert document["readiness"]["state"] == "needs download"
    assert "needs download: videoseg download needy (3.7 MB)" in words(run("pipelines").out)
    assert "state usable" in words(run("pipelines", "show", "attributes").out)


def test_another_composition_of_that_name_is_not_told_to_fetch_the_named_one(declared):
    pipe = vs.Pipeline.from_name("needy").replace(max_turns=2)
    assert pipe.readiness().remedy == "videoseg download needy"
    changed = pipe.replace(propagator=vs.use("flow", causal=True))
    assert changed.readiness().remedy == "videoseg download sampler needy"
    assert vs.Pipeline.from_name("attributes").readiness().state == "usable"


def test_the_doctor_judges_whole_pipelines(declared):
    # What comes later takes long.
    begin = itertools.takewhile(lambda one: one.subject != "writing", examine())
    found = [(one.verdict, one.detail) for one in begin if one.subject == "pipeline"]
    assert ("ok", "attributes: usable") in found
    assert ("note", "needy: needs download: videoseg download needy (3.7 MB)") in found


def test_who_cannot_tell_about_its_weights_spoils_no_list(run, declared):
    declared["weights"] = OSError("no such folder")
    text = run("plugins").out
    assert "usable: Needs much." in text
    assert "usable: Optical flow" in text
    declared["weights"] = ["somewhere"]
    assert "usable: Needs much." in run("plugins").out
    with pytest.raises(vs.VideosegError, match="declares weights as str; use WeightsFile"):
        vs.default_registry().weights("sampler", "needy")


def test_listing_imports_no_component():
    code = (
        "from videoseg.cli.main import main; main(['plugins', '--json'])\n"
        "import sys; print(); print([m for m in sys.modules if m.startswith(('cv2', 'av.',"
        " 'videoseg.samplers', 'videoseg_attributes.propagation', 'videoseg.video'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_one_component_with_its_options(run):
    text = run("plugins", "show", "sampler", "uniform").out
    assert "num_frames" in text
    assert "int >= 1, default 8" in text
    document = json.loads(run("plugins", "show", "sampler", "uniform", "--json").out)
    facts = document["options"]["num_frames"]
    assert (facts["type"], facts["default"]) == ("int >= 1", "8")
    assert facts["meaning"] and facts["meaning"] in " ".join(text.split())
    assert facts["python_only"] is False
    survey = run("plugins", "show", "grounder", "attributes").out.partition("survey ")[2]
    assert "set from Python only" in " ".join(survey.split())
    assert "takes" not in text


def test_a_name_is_enough_where_one_component_has_it(run, monkeypatch):
    assert (
        run("plugins", "show", "uniform").out == run("plugins", "show", "sampler", "uniform").out
    )
    several = run("plugins", "show", "attributes", status=2).err
    assert "videoseg plugins show grounder attributes or" in several
    assert "did you mean 'uniform'?" in run("plugins", "show", "unifrm", status=1).err
    core = vs.Registry(allow=())
    monkeypatch.setattr("videoseg.plugins.default_registry", lambda: core)
    absent = words(run("plugins", "show", "mosev2", status=1).err)
    assert "comes with videoseg-benchmarks, which is not loaded: pip install" in absent


def test_capabilities_come_with_their_meaning(run):
    text = " ".join(run("plugins", "show", "propagator", "flow").out.split())
    assert "boxes yes Whether it accepts boxes." in text
    assert "masks yes Whether it accepts masks." in text
    assert "embeddings none Names of the models whose embeddings it accepts." in text
    assert "max_objects_per_pass no limit How many objects one pass holds" in text


def test_the_help_of_show_names_every_kind(run):
    text = run("plugins", "show", "--help").out
    assert all(kind in text for kind in KINDS)


def test_a_component_is_shown_without_its_kind_or_the_kinds_are_told(run, capsys):
    assert run("plugins", "show", "flow").out == run("plugins", "show", "propagator", "flow").out
    registry = vs.default_registry()
    kinds = [kind for kind in KINDS if "attributes" in registry.names(kind)]
    assert len(kinds) > 1
    assert main(["plugins", "show", "attributes"]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert all(f"videoseg plugins show {kind} attributes" in told for kind in kinds)


def test_a_pipeline_has_stages_instead_of_options(run):
    assert "options" not in run("plugins", "show", "pipeline", "attributes").out
    assert "options" not in json.loads(
        run("plugins", "show", "pipeline", "attributes", "--json").out
    )


def test_unknown_components_come_with_the_nearest(run):
    assert "did you mean 'uniform'" in run("plugins", "show", "sampler", "unifrm", status=1).err
    assert "there is no kind" in run("plugins", "show", "samplr", "uniform", status=1).err


def test_pipelines(run):
    assert "attributes" in run("pipelines").out
    [first, *_] = json.loads(run("pipelines", "--json").out)
    assert first["name"] == "attributes"
    text = run("pipelines", "show", "attributes").out
    for word in ("sampler", "motion", "grounder", "segmenter", "cut", "propagator", "flow"):
        assert word in text
    assert json.loads(run("pipelines", "show", "attributes", "--json").out)["problems"] == []


def test_a_written_file_is_valid_and_the_same_pipeline(run, tmp_path):
    path = str(tmp_path / "mine.yaml")
    assert path in run("config", "init", path).out
    assert "valid" in run("config", "validate", path).out
    assert vs.Pipeline.from_yaml(tmp_path / "mine.yaml").config == (
        vs.Pipeline.from_name("attributes").config
    )
    assert "flow" in run("config", "show", path).out
    assert "num_context" in (tmp_path / "mine.yaml").read_text()


def test_an_existing_file_is_only_replaced_if_asked(run, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("mine\n")
    assert "--overwrite" in run("config", "init", str(path), status=1).err
    assert path.read_text() == "mine\n"
    run("config", "init", str(path), "--overwrite")
    assert path.read_text().startswith("videoseg: 1")


def test_a_pipeline_file_can_be_printed(run, tmp_path):
    text = run("config", "init", "-").out
    assert vs.Pipeline.from_yaml(text).config.propagator.name == "flow"


def test_the_defaults_in_a_pipeline_file_can_be_used_as_they_stand(run):
    text = run("config", "init", "-").out
    comments = text.partition("with their defaults:\n")[2].splitlines()
    listed = yaml.safe_load("\n".join(line.removeprefix("#") for line in comments))
    stages = {}
    for title, options in listed.items():
        stage, name = title.split()
        stages[stage] = {"name": name, "options": options}
    assert len(stages) == 4
    assert not vs.Pipeline.from_yaml(yaml.safe_dump(stages)).explain().problems


def test_a_pipeline_file_lists_only_options_that_it_can_set(run):
    text = run("config", "init", "-").out
    assert "max_candidates: 8" in text
    assert "max_objects_per_pass: null" in text
    assert "survey" not in text
    assert "segmenter: null" not in text


def test_validate_tells_every_problem(run, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "sampler: {name: uniform, options: {num_framse: 3}}\n"
        "grounder: attributes\npropagator: {name: flow, options: {x: 1}}\n"
    )
    document = json.loads(run("config", "validate", str(path), "--json", status=1).out)
    assert document["valid"] is False
    assert len(document["problems"]) == 2
    assert "num_framse" in run("config", "validate", str(path), status=1).err


def test_the_doctor_finds_this_machine_healthy(run):
    document = json.loads(run("doctor", "--json").out)
    assert document["healthy"] is True
    found = {item["subject"]: item["verdict"] for item in document["findings"]}
    assert found["writing"] == "ok"
    assert found["reader pyav"] == "ok"
    assert {"python", "videoseg", "libraries", "plug-ins", "threads", "gpu"} <= set(found)


def test_the_doctor_lists_every_package_of_the_core():
    [listed] = [one.detail for one in examine() if one.subject == "libraries"]
    assert all(f"{package} " in listed for package in CORE_PACKAGES.values())


def test_the_doctor_reports_a_missing_reader_once(monkeypatch):
    versions = metadata.version

    def without_decord(name):
        if name == "decord":
            raise metadata.PackageNotFoundError(name)
        return versions(name)

    monkeypatch.setattr(metadata, "version", without_decord)
    monkeypatch.setattr(
        "videoseg.plugins.component._is_installed", lambda module: module != "decord"
    )
    [finding] = [one for one in examine() if "decord" in one.detail]
    assert finding.detail.startswith("reader decord cannot be used yet: pip install")


def test_the_doctor_says_what_is_broken(run, monkeypatch):
    def broken(*_, **__):
        raise OutputError("no H.264 encoder is at hand; pip install av")

    monkeypatch.setattr("videoseg.video.write_video", broken)
    text = run("doctor", status=1).out
    assert "broken" in text
    assert "no H.264 encoder" in text
    assert "threads" in text, "later checks must still be made"


def test_the_doctor_does_not_mind_one_reader_less(monkeypatch):
    from videoseg.video import Video

    open_video = Video.open

    def without_decord(path, *, reader="auto", **options):
        if reader == "decord":
            raise vs.VideoError("decord cannot do this")
        return open_video(path, reader=reader, **options)

    monkeypatch.setattr(Video, "open", without_decord)
    verdicts = {finding.subject: finding.verdict for finding in examine()}
    assert verdicts["reader pyav"] == "ok"
    assert verdicts.get("reader decord", "note") == "note"


def test_random_weights_are_told(run, declared):
    declared["weights"] = [RandomWeights()]
    assert "usable; random weights, which find nothing: Needs much." in words(run("plugins").out)
    text = words(run("pipelines", "show", "needy").out)
    assert "state usable; random weights, which find nothing" in text


def test_the_doctor_tells_versions_of_model_libraries_and_which_cannot_be_imported(
    monkeypatch, tmp_path
):
    for name, source in (("torch", ""), ("torchvision", "raise RuntimeError('no operator nms')")):
        (tmp_path / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(metadata, "version", {"torch": "2.9", "torchvision": "0.1"}.__getitem__)
    monkeypatch.setattr(metadata, "PackageNotFoundError", KeyError)
    [versions] = _model_libraries()
    [broken] = _broken_libraries(_ImportTrial(("torch", "torchvision")))
    assert versions.detail == "torch 2.9, torchvision 0.1"
    assert (broken.subject, broken.verdict) == ("torchvision", "note")
    assert "cannot be imported (RuntimeError: no operator nms)" in broken.detail
    assert "of the build that goes with torch 2.9" in broken.detail


def test_the_doctor_does_not_take_a_folder_beside_it_for_a_library(monkeypatch, tmp_path):
    (tmp_path / "colorsys.py").write_text("raise RuntimeError('you are in the sources')")
    monkeypatch.chdir(tmp_path)
    assert _ImportTrial(("colorsys",)).outcome.failed == {}


@pytest.mark.parametrize(
    ("source", "detail"),
    [
        (
            "raise OSError('libcudart.so.12: cannot open shared object file')",
            "does not work (OSError: libcudart.so.12",
        ),
        (_TORCH.format(gpus=[]), "torch 2.9 finds no GPU"),
        (_TORCH.format(gpus=[("Big GPU", 2**35)]), "Big GPU, 32 GiB (torch 2.9)"),
    ],
)
def test_the_doctor_tells_which_gpus_torch_finds(monkeypatch, tmp_path, source, detail):
    (tmp_path / "torch.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(metadata, "version", {"torch": "2.9"}.__getitem__)
    monkeypatch.setattr(metadata, "PackageNotFoundError", KeyError)
    [finding] = _gpu(_ImportTrial(("torch",)))
    assert detail in finding.detail
    # Without torch, too, the default pipeline is well.
    assert finding.verdict == ("ok" if "GiB" in detail else "note")


def test_the_doctor_imports_no_model_library_itself(tmp_path):
    code = "import sys; from videoseg.cli.doctor import examine; list(examine()); "
    code += "assert not {'torch', 'transformers', 'ray'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")


def test_imports_that_hang_are_told(monkeypatch):
    from videoseg.cli import doctor

    monkeypatch.setattr(doctor, "_IMPORT_SECONDS", 0.01)
    outcome = _ImportTrial(("json",)).outcome
    assert "took longer than" in outcome.failed["json"]
