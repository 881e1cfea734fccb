"""The registry: what comes in is checked, what goes out loads elsewhere, all of it whole."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt
from safetensors.torch import load_file, save_file

import adapters.registry.exporting as exporting
import adapters.registry.keeping as keeping
import adapters.registry.places as places
from adapters.card import card_text, escaped
from adapters.registry import (
    compare,
    export,
    import_adapter,
    list_adapters,
    merge,
    parse_requirement,
    publish,
    remove,
    show,
)
from adapters.registry.distance import LIMITS, MERGING_LIMIT, distance, logits, probes
from assistant.adapter_files import AdapterFiles, find_adapter, known_adapters, read_adapter
from assistant.engine import Engine
from assistant.errors import AdapterError, InputError, SightdeskError
from assistant.fingerprint import identify_base
from assistant.llava import attach_adapter, ensure_embedded, load_base, locate_base
from assistant.settings import get_settings
from tests import random_adapters, tiny
from tests.commands import invoke

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter that is stacked on the tiny base."""
    folder = tmp_path_factory.mktemp("made") / "shop"
    base = tiny.directory()
    model = load_base(base, "tiny", CPU, torch.float32).model
    random_adapters.write(folder, model, identify_base(base, None), base=str(base))
    return folder


@pytest.fixture
def shop(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "shop")


def zipped(folder: Path, archive: Path, prefix: str = "shop/") -> Path:
    with zipfile.ZipFile(archive, "w") as opened:
        for path in folder.iterdir():
            opened.write(path, prefix + path.name)
    return archive


def edit(file: Path, **changes: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def installed() -> list[str]:
    """Whatever lies in the user's folder of adapters, hidden or not."""
    folder = get_settings().data_dir / "adapters"
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


# --- in


def test_an_adapter_is_taken_in_from_a_folder_and_an_archive(shop: Path, tmp_path: Path) -> None:
    (shop / "loss.png").write_bytes(b"\x89PNG")
    for name in ("training_args.bin", "run.py", "page.html"):
        (shop / name).write_bytes(b"not to be taken")
    (shop / "away.csv").symlink_to("/etc/hostname")
    files = import_adapter(shop)
    assert files.name == "shop" and files.path == get_settings().data_dir / "adapters" / "shop"
    assert installed() == ["shop"]
    assert sorted(path.name for path in files.path.iterdir()) == [
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
        "loss.png",
        "sightdesk.json",
    ]
    assert "shop" in known_adapters(get_settings())
    found = find_adapter("shop", get_settings())
    assert found.stacked and found.labels == {"Lemon": "Fruit", "Leek": "Vegetable"}

    for number, prefix in enumerate(("shop/", "", "a/b/")):
        archive = zipped(shop, tmp_path / f"{number}.zip", prefix)
        again = import_adapter(archive, f"again{number}", terms="CC0")
        assert (again.path / "adapter_model.safetensors").read_bytes() == (
            shop / "adapter_model.safetensors"
        ).read_bytes()
        assert again.about["data"]["terms"] == "CC0" and again.about["name"] == f"again{number}"
        assert "CC0" in (again.path / "README.md").read_text()
    assert installed() == ["again0", "again1", "again2", "shop"]


def test_a_plain_peft_adapter_is_taken_in(shop: Path) -> None:
    (shop / "sightdesk.json").unlink()
    files = import_adapter(shop, "plain")
    assert not files.stacked and files.about == {}
    assert "None were measured" in (files.path / "README.md").read_text()


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "x" * 101, "a.partial", "embedded"])
def test_a_name_that_cannot_be_used_is_refused(shop: Path, name: str) -> None:
    edit(shop / "sightdesk.json", name=name)
    with pytest.raises(InputError, match=r"--name"):
        import_adapter(shop) if name else publish(shop, name)
    with pytest.raises(InputError, match=r"--name"):
        publish(shop, name)
    assert installed() == []


def test_a_name_that_is_taken_is_refused_in_any_case_of_letters(shop: Path) -> None:
    import_adapter(shop)
    before = (get_settings().data_dir / "adapters" / "shop" / "sightdesk.json").read_bytes()
    edit(shop / "sightdesk.json", made="2026-01-01")
    for name in ("shop", "Shop"):
        with pytest.raises(InputError, match="There is an adapter 'shop' already"):
            import_adapter(shop, name)
    assert (get_settings().data_dir / "adapters" / "shop" / "sightdesk.json").read_bytes() == before


def pickled(shop: Path) -> None:
    (shop / "adapter_model.safetensors").rename(shop / "adapter_model.bin")


def truncated(shop: Path) -> None:
    file = shop / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


def not_finite(shop: Path) -> None:
    tensors = load_file(shop / "adapter_model.safetensors")
    next(tensor for name, tensor in tensors.items() if "lora_" in name)[0, 0] = torch.inf
    save_file(tensors, shop / "adapter_model.safetensors")


def linked(shop: Path) -> None:
    (shop / "sightdesk.json").unlink()
    (shop / "sightdesk.json").symlink_to("/etc/hostname")


def config(**changes: Any) -> Callable[[Path], None]:
    return lambda shop: edit(shop / "adapter_config.json", **changes)


def about(**changes: Any) -> Callable[[Path], None]:
    return lambda shop: edit(shop / "sightdesk.json", **changes)


def about_text(text: str) -> Callable[[Path], object]:
    return lambda shop: (shop / "sightdesk.json").write_text(text)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (pickled, "pickle .* can run code"),
        (truncated, "damaged or no safetensors file"),
        (not_finite, "no finite numbers"),
        (linked, "a link that leaves its folder"),
        (config(peft_type="IA3"), "only LORA"),
        (config(peft_type=None), "only LORA"),
        (config(r=0), "sets r to what"),
        (config(r=True), "sets r to what"),
        (config(lora_alpha="many"), "sets lora_alpha"),
        (config(lora_alpha=10**400), "sets lora_alpha"),
        (config(bias="all"), "sets bias"),
        (config(init_lora_weights="eva"), "sets init_lora_weights"),
        (config(target_modules="(a+)+b"), "sets target_modules"),
        (config(target_modules="("), "sets target_modules"),
        (config(target_modules=[{}]), "sets target_modules"),
        (config(modules_to_save="all"), "sets modules_to_save"),
        (config(rank_pattern={"x": "y"}), "sets rank_pattern"),
        (config(layer_replication=[[0, 30]]), "sets layer_replication"),
        (config(megatron_config={"a": 1}), "sets megatron_config"),
        (config(auto_mapping={"parent_library": "os"}), "sets auto_mapping"),
        (config(trust_remote_code=True), "sets trust_remote_code"),
        (about_text("[]"), "not a JSON object"),
        (about_text("{"), "is not JSON"),
        (about_text('{"format": NaN}'), "is not JSON"),
        (about_text("[" * 100_000), "is not JSON"),
        (about_text('{"a": "' + "x" * 5_000_000 + '"}'), "larger than 4 MiB"),
        (about(labels=["Lemon"]), "'labels' .* wrong type"),
        (about(labels={"Lemon": 3}), "'labels' .* cannot be used"),
        (about(labels={"x" * 501: "y"}), "'labels' .* cannot be used"),
        (about(on={"base": "x"}), "'on' .* cannot be used"),
        (about(on={"fingerprint": "x" * 64}), "'on' .* cannot be used"),
        (about(on={"fingerprint": "0" * 64, "projector": [1]}), "'on' .* cannot be used"),
        (about(calibration={"temperature": 0, "threshold": 0.5}), "'calibration' .* cannot"),
        (about(calibration={"temperature": 1, "threshold": 2}), "'calibration' .* cannot"),
        (about(format=True), "'format' .* wrong type"),
    ],
)
def test_what_cannot_be_trusted_is_refused(
    shop: Path, tmp_path: Path, damage: Callable[[Path], None], message: str
) -> None:
    damage(shop)
    with pytest.raises(AdapterError, match=message):
        import_adapter(shop)
    archive = zipped(shop, tmp_path / "shop.zip") if damage is not linked else None
    if archive is not None:
        with pytest.raises(AdapterError, match=message.replace("pickle .* can", "pickle.* can")):
            import_adapter(archive)
    assert installed() == []


def raw(*names: str, mode: int = 0) -> Callable[[Path, Path], None]:
    """An archive with entries of any name."""

    def write(shop: Path, archive: Path) -> None:
        zipped(shop, archive)
        with zipfile.ZipFile(archive, "a") as opened:
            for name in names:
                entry = zipfile.ZipInfo(name)
                entry.external_attr = mode << 16
                opened.writestr(entry, "x")

    return write


def nothing_in_it(shop: Path, archive: Path) -> None:
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("README.md", "no adapter")


def larger_than_told(shop: Path, archive: Path) -> None:
    zipped(shop, archive)
    data = archive.read_bytes()
    at = data.rindex(b"shop/sightdesk.json") - 46 + 24
    archive.write_bytes(data[:at] + (10).to_bytes(4, "little") + data[at + 4 :])


def cut(shop: Path, archive: Path) -> None:
    zipped(shop, archive)
    data = archive.read_bytes()
    archive.write_bytes(
        data[: len(data) // 3] + b"\0" * (len(data) // 3) + data[len(data) // 3 * 2 :]
    )


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (raw("../evil.txt"), "a name that leads out of it"),
        (raw("shop/../../evil.txt"), "a name that leads out of it"),
        (raw("/evil.txt"), "a name that leads out of it"),
        (raw("..\\evil.txt"), "a name that leads out of it"),
        (raw("C:\\evil.txt"), "a name that leads out of it"),
        (raw("shop/link", mode=stat.S_IFLNK | 0o777), "a link in it"),
        (raw("other/adapter_config.json"), "holds several adapters"),
        (raw(*(f"shop/{n}" for n in range(1_001))), "files; an adapter has a dozen"),
        (nothing_in_it, "holds no adapter"),
        (larger_than_told, "damaged|larger than its archive says"),
        (cut, "damaged|not JSON"),
    ],
)
def test_an_archive_that_is_not_what_it_should_be_is_refused(
    shop: Path, tmp_path: Path, write: Callable[[Path, Path], None], message: str
) -> None:
    archive = tmp_path / "evil.zip"
    write(shop, archive)
    with pytest.raises(AdapterError, match=message):
        import_adapter(archive)
    assert installed() == []
    assert not list(tmp_path.rglob("evil.txt"))


def test_too_much_is_refused_before_it_is_unpacked(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = zipped(shop, tmp_path / "shop.zip")
    monkeypatch.setattr(keeping, "LARGEST", 1_000)
    with pytest.raises(AdapterError, match="unpacks to more than"):
        import_adapter(archive)
    with pytest.raises(AdapterError, match="at most"):
        import_adapter(shop)
    monkeypatch.undo()
    few = shutil.disk_usage(tmp_path)._replace(free=1_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: few)
    for source in (archive, shop):
        with pytest.raises(AdapterError, match="free some space"):
            import_adapter(source)
    assert installed() == []


def test_a_path_that_is_nothing_is_refused(shop: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neither a folder nor an archive"):
        import_adapter(tmp_path / "nothing")
    with pytest.raises(InputError, match="no zip archive"):
        import_adapter(shop / "sightdesk.json")
    with pytest.raises(InputError, match="is no folder"):
        publish(tmp_path / "nothing", "shop")


# --- the gate


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("accuracy_fine>0.7", True),
        ("accuracy_fine > 0.75", False),
        ("accuracy_fine>=0.75", True),
        ("accuracy_fine<0.8", True),
        ("shop/val:accuracy_fine<=.75", True),
        ("shop/val : accuracy_coarse>=9e-1", True),
        ("n>100", False),
    ],
)
def test_the_gate(shop: Path, text: str, holds: bool) -> None:
    if holds:
        publish(shop, "good", ["accuracy_coarse>0.1", text])
        assert installed() == ["good"]
    else:
        with pytest.raises(AdapterError, match=r"is refused: its .* is required"):
            publish(shop, "bad", ["accuracy_coarse>0.1", text])
        assert installed() == []


@pytest.mark.parametrize(
    "text", ["", "accuracy", "accuracy=0.8", "accuracy>", "accuracy>nan", ">0.8", "a>>1", "a b>1"]
)
def test_a_requirement_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="The requirement"):
        parse_requirement(text)


def test_a_score_that_was_not_measured_holds_nothing(shop: Path) -> None:
    for text in ("cider>0.1", "other:accuracy_fine>0.1"):
        with pytest.raises(
            AdapterError, match=r"has no score .*shop/val: accuracy_fine, .*measure"
        ):
            publish(shop, "shop", [text])
    edit(shop / "sightdesk.json", scores={})
    with pytest.raises(AdapterError, match=r"\(it has none\)"):
        publish(shop, "shop", ["accuracy_fine>0.1"])


def test_every_set_must_hold_unless_one_is_named(shop: Path) -> None:
    edit(shop / "sightdesk.json", scores={"a": {"accuracy": 0.9}, "b": {"accuracy": 0.5}})
    with pytest.raises(AdapterError, match=r"on 'b' is 0\.5"):
        publish(shop, "shop", ["accuracy>0.8"])
    publish(shop, "shop", ["a:accuracy>0.8"])


def test_an_adapter_can_be_required_to_beat_another(shop: Path) -> None:
    publish(shop, "first")
    edit(shop / "sightdesk.json", scores={"shop/val": {"accuracy_fine": 0.7}})
    with pytest.raises(AdapterError, match=r"is 0\.7, and > 0\.75 is required"):
        publish(shop, "worse", ["accuracy_fine>first"])
    edit(shop / "sightdesk.json", scores={"shop/val": {"accuracy_fine": 0.8}})
    publish(shop, "better", ["accuracy_fine>first"])
    with pytest.raises(AdapterError, match="'embedded' has no accuracy_fine on 'shop/val'"):
        publish(shop, "other", ["accuracy_fine>embedded"])
    assert installed() == ["better", "first"]


def test_publishing_again_replaces_only_what_passed(shop: Path) -> None:
    publish(shop, "shop", terms="first")
    edit(shop / "sightdesk.json", scores={"shop/val": {"accuracy_fine": 0.2}})
    with pytest.raises(AdapterError, match="is refused"):
        publish(shop, "shop", ["accuracy_fine>0.5"], replace=True)
    assert find_adapter("shop", get_settings()).about["data"]["terms"] == "first"
    publish(shop, "shop", terms="second", replace=True)
    assert find_adapter("shop", get_settings()).about["data"]["terms"] == "second"
    assert installed() == ["shop"]


# --- listing


def test_list_show_and_compare(shop: Path, tmp_path: Path) -> None:
    import_adapter(shop)
    edit(
        shop / "sightdesk.json",
        recipe={"preset": "best", "seed": 0, "rank": 4},
        data={"name": "shop", "pictures": 20},
        labels={"Lemon": "Fruit", "Kiwi": "Fruit"},
        scores={"shop/val": {"accuracy_fine": 0.85, "ece": 0.1}, "more": {"cider": 0.5}},
    )
    import_adapter(shop, "better")
    broken = shutil.copytree(shop, get_settings().data_dir / "adapters" / "broken")
    truncated(broken)
    (get_settings().data_dir / "adapters" / "x.abc.partial").mkdir()
    entries = {entry["name"]: entry for entry in list_adapters()}
    shipped = [name for name, entry in entries.items() if entry["shipped"]]
    assert shipped == ["embedded", "agent", "grocery"]
    assert list(entries) == [*shipped, *sorted(list(entries)[len(shipped) :])]
    assert {"better", "broken", "shop"} <= entries.keys() and "x.abc.partial" not in entries
    assert "damaged" in entries["broken"]["error"] and entries["shop"]["error"] is None
    assert entries["shop"]["fits"] is True and entries["embedded"]["fits"] is None

    shown = show("shop")
    assert (shown["rank"], shown["alpha"], shown["stacked"]) == (4, 8, True)
    assert shown["trained_whole"] and len(shown["sha256"]) == 64 and shown["parameters"] > 1_000
    assert json.loads(json.dumps(shown)) == shown

    found = compare("shop", "better")
    assert found["same_base"]
    rows = {(row["data"], row["score"]): row for row in found["scores"]}
    assert rows["shop/val", "accuracy_fine"]["difference"] == pytest.approx(0.1)
    assert rows["shop/val", "accuracy_fine"]["better"] == "better"
    assert rows["shop/val", "ece"] | {"b": 0.1, "difference": None} == rows["shop/val", "ece"]
    assert rows["more", "cider"]["a"] is None
    assert found["recipe"] == [{"key": "preset", "a": "quick", "b": "best"}]
    assert {row["key"] for row in found["data"]} == {"pictures", "terms"}
    assert found["labels"] == {"only_a": ["Leek"], "only_b": ["Kiwi"], "both": 1}


def test_an_adapter_for_another_base_is_told(shop: Path, tmp_path: Path) -> None:
    other = shutil.copytree(tiny.directory(), tmp_path / "other")
    tensors = load_file(other / "model.safetensors")
    tensors = {name: tensor * 1.01 for name, tensor in tensors.items()}
    save_file(tensors, other / "model.safetensors", metadata={"format": "pt"})
    files = import_adapter(shop)
    with pytest.raises(AdapterError, match="on another base"):
        merge("shop", tmp_path / "out", base=str(other))
    edit(files.path / "sightdesk.json", on={**(files.on or {}), "base": str(other)})
    for form in ("peft", "hf"):
        with pytest.raises(AdapterError, match="on another state of the base"):
            export("shop", tmp_path / "out", form)
    assert not (tmp_path / "out").exists()
    entry = next(entry for entry in list_adapters() if entry["name"] == "shop")
    assert entry["fits"] is False and "another state" in entry["fits_reason"]
    shutil.rmtree(other)
    entry = next(entry for entry in list_adapters() if entry["name"] == "shop")
    assert entry["fits"] is None
    with pytest.raises(SightdeskError, match="neither 'embedded', nor a directory"):
        export("shop", tmp_path / "out")


def test_tensors_that_have_no_place_are_refused(shop: Path, tmp_path: Path) -> None:
    """peft would ignore layers that the model lacks, and leave random what the file lacks."""
    tensors = load_file(shop / "adapter_model.safetensors")
    first = next(name for name in tensors if "layers.1" in name)
    more = tensors | {first.replace("layers.1", "layers.7"): tensors[first].clone()}
    less = {name: tensor for name, tensor in tensors.items() if name != first}
    for changed in (more, less):
        save_file(changed, shop / "adapter_model.safetensors")
        with pytest.raises(AdapterError, match="does not fit the model"):
            merge(str(shop), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_removing(shop: Path) -> None:
    import_adapter(shop)
    with pytest.raises(InputError, match="ships with Sightdesk and stays"):
        remove("embedded")
    for name in ("other", "../shop", str(shop)):
        with pytest.raises(InputError, match="yours are: shop"):
            remove(name)
    remove("shop")
    assert installed() == [] and shop.is_dir()


# --- nothing half-written


@pytest.mark.parametrize("form", ["peft", "hf", "zip"])
def test_nothing_is_overwritten(shop: Path, tmp_path: Path, form: Any) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "precious").write_text("kept")
    with pytest.raises(InputError, match="exists already"):
        export(str(shop), out, form)
    assert [path.name for path in out.iterdir()] == ["precious"]


@pytest.mark.parametrize("form", ["peft", "hf", "zip"])
@pytest.mark.parametrize("failure", [KeyboardInterrupt(), OSError(errno.ENOSPC, "no space left")])
def test_an_export_that_is_cut_short_leaves_nothing(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: Any, failure: BaseException
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise failure

    monkeypatch.setattr(exporting, "_how_to", fail)
    monkeypatch.setattr(exporting, "_write_notes", fail)
    monkeypatch.setattr(zipfile.ZipFile, "write", fail)
    room = tmp_path / "room"
    with pytest.raises((KeyboardInterrupt, AdapterError)) as caught:
        export(str(shop), room / "out", form)
    if isinstance(failure, OSError):
        assert "cannot be written (no space left); free some space" in str(caught.value)
    assert list(room.iterdir()) == []


def test_a_disk_that_fills_up_is_one_sentence(shop: Path, tmp_path: Path) -> None:
    """A limit on the size of files makes the libraries themselves fail in the midst of writing."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = (shop / "adapter_model.safetensors").stat().st_size
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, before[1]))
        failures = []
        for act in (
            lambda: import_adapter(shop),
            lambda: export(str(shop), tmp_path / "out", "hf"),
            lambda: export(str(shop), tmp_path / "out", "peft"),
            lambda: export(str(shop), tmp_path / "out", "zip"),
        ):
            with pytest.raises(AdapterError) as caught:
                act()
            failures.append(str(caught.value))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert all("cannot be written" in failure for failure in failures)
    assert not (tmp_path / "out").exists() and installed() == []
    assert not list(tmp_path.glob("*.partial"))


def test_an_import_that_is_cut_short_leaves_nothing(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(keeping, "_check_values", interrupt)
    for source in (shop, zipped(shop, tmp_path / "shop.zip")):
        with pytest.raises(KeyboardInterrupt):
            import_adapter(source)
    assert installed() == []


def test_what_a_killed_process_left_is_swept_and_never_listed(shop: Path) -> None:
    folder = get_settings().data_dir / "adapters"
    for name in ("old.1.partial", "new.2.partial"):
        shutil.copytree(shop, folder / name)
    os.utime(folder / "old.1.partial", (0, 0))
    assert [name for name in known_adapters(get_settings()) if "partial" in name] == []
    import_adapter(shop)
    assert installed() == ["new.2.partial", "shop"]


def test_a_result_that_another_process_made_meanwhile_stays(shop: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    with pytest.raises(InputError, match="exists already"), places.appearing_folder(target) as room:
        (room / "mine").touch()
        target.mkdir()
        (target / "theirs").touch()
    assert [path.name for path in target.iterdir()] == ["theirs"]
    assert not list(tmp_path.glob("*.partial"))


# --- out

FRESH = """
import json, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("assistant", "adapters", "ui", "sightdesk", "tests"):
            raise ImportError(f"{name} is not to be found here")

sys.meta_path.insert(0, Blocked())
for name in ("assistant", "adapters", "ui"):
    try:
        __import__(name)
    except ImportError:
        continue
    raise SystemExit(f"{name} can be imported")

import torch
from peft import PeftModel
from PIL import Image
from safetensors.torch import save_file
from transformers import AutoModelForImageTextToText, AutoProcessor

results = {}
for name, case in json.loads(open("cases.json").read()).items():
    options = {"trust_remote_code": True} if case["code"] else {}
    model = AutoModelForImageTextToText.from_pretrained(case["model"], **options)
    processor = AutoProcessor.from_pretrained(case["model"])
    if case["adapter"]:
        model = PeftModel.from_pretrained(model, case["adapter"])
    message = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Fruit?"}]}
    text = processor.apply_chat_template([message], add_generation_prompt=True)
    inputs = processor(text=text, images=Image.open("picture.png"), return_tensors="pt")
    inputs = inputs.to(model.dtype)
    with torch.inference_mode():
        results[name] = model.eval()(**inputs).logits[0].float().contiguous()
assert not {"assistant", "adapters", "ui"} & {name.split(".")[0] for name in sys.modules}
save_file(results, "results.safetensors")
"""


def elsewhere(room: Path, cases: dict[str, dict[str, Any]]) -> dict[str, torch.Tensor]:
    """Logits of exported models, computed by a process that cannot import this project."""
    room.mkdir()
    tiny.pixels(3).save(room / "picture.png")
    (room / "cases.json").write_text(json.dumps(cases))
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(
        [sys.executable, "-c", FRESH],
        cwd=room,
        env={**kept, "HF_HOME": str(room / "hf"), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return load_file(room / "results.safetensors")


@torch.inference_mode()
def here(model: Any, processor: Any) -> torch.Tensor:
    """The same logits, computed by this process."""
    message = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Fruit?"}]}
    text = processor.apply_chat_template([message], add_generation_prompt=True)
    inputs = processor(text=text, images=tiny.pixels(3), return_tensors="pt").to(model.dtype)
    return model.eval()(**inputs).logits[0].float()


def test_exports_load_without_this_project(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One merged model, and base with adapter; for our tower, with LoRA on it, and for CLIP's."""
    base = tiny.directory()
    model = load_base(base, "tiny", CPU, torch.float32).model
    whole, convolutions = ("linear_1", "linear_2"), random_adapters.POINTWISE
    identity = identify_base(base, None)
    random_adapters.write(
        tmp_path / "lora", model, identity, base=str(base), whole=whole, convolutions=convolutions
    )
    other = random_adapters.clip_llava(tmp_path / "clip")
    model = load_base(other, "clip", CPU, torch.float32).model
    random_adapters.write(
        tmp_path / "foreign", model, identify_base(other, None), base=str(other), whole=whole
    )
    cases: dict[str, dict[str, Any]] = {}
    ours = {}
    for name, folder, ground in (
        ("whole", made, base),
        ("lora", tmp_path / "lora", base),
        ("foreign", tmp_path / "foreign", other),
    ):
        code = name != "foreign"
        out = tmp_path / "out" / name
        report = export(str(folder), out / "hf", "hf")
        assert report["merging"]["relative"] < MERGING_LIMIT
        assert report["distance"]["relative"] < LIMITS["none"]
        export(str(folder), out / "peft", "peft")
        cases[f"{name} hf"] = {"model": str(out / "hf"), "adapter": None, "code": code}
        cases[f"{name} peft"] = {
            "model": str(out / "peft" / "base"),
            "adapter": str(out / "peft" / "adapter"),
            "code": code,
        }
        assert (out / "hf" / "modeling_sightdesk.py").is_file() == code
        loaded = load_base(ground, name, CPU, "auto")
        ours[f"{name} plain"] = here(loaded.model, loaded.processor)
        merged = attach_adapter(loaded, folder, name)
        ours[f"{name} hf"] = here(merged.model, merged.processor)
    theirs = elsewhere(tmp_path / "elsewhere", cases)
    for name in ("whole", "lora", "foreign"):
        exact = distance(ours[f"{name} hf"], theirs[f"{name} hf"])
        assert exact.relative < 1e-6, (name, exact)
        unmerged = distance(ours[f"{name} hf"], theirs[f"{name} peft"])
        assert unmerged.relative < LIMITS["none"], (name, unmerged)
        without = distance(ours[f"{name} plain"], theirs[f"{name} peft"])
        assert without.relative > 3 * LIMITS["none"], (name, without)


def test_an_export_tells_nothing_of_this_machine(made: Path, tmp_path: Path) -> None:
    export(str(made), tmp_path / "out" / "hf", "hf")
    for file in (tmp_path / "out" / "hf").glob("*.json"):
        if file.name != "sightdesk.json":
            assert str(tmp_path.parent) not in file.read_text()
    assert stat.S_IMODE((tmp_path / "out" / "hf" / "model.safetensors").stat().st_mode) == 0o644


@pytest.mark.parametrize("kind", ["none", "int8", "nf4"])
def test_a_merged_model_is_a_base_of_its_own(made: Path, tmp_path: Path, kind: Any) -> None:
    report = merge(str(made), tmp_path / kind, kind)
    assert report["distance"]["relative"] <= LIMITS[kind]
    engine = Engine.load(str(tmp_path / kind), quantize="auto")
    assert engine.quantization == kind
    reference = attach_adapter(load_base(tiny.directory(), "tiny", CPU, "auto"), made, "shop")
    asked = probes(reference.model, reference.processor)
    found = distance(logits(reference.model, asked), logits(engine.model, asked))
    assert found.relative < LIMITS[kind]
    told = json.loads((tmp_path / kind / "sightdesk.json").read_text())
    assert told["merged"]["kept"] == kind and told["labels"]["Lemon"] == "Fruit"
    if kind != "none":
        with pytest.raises(AdapterError, match="quantized already"):
            merge(str(relative(tmp_path / "raw")), tmp_path / "twice", base=str(tmp_path / kind))


def relative(folder: Path) -> Path:
    """An adapter that is relative to the tiny model's raw parts."""
    random_adapters.write(folder, tiny.model(), None, base="")
    return folder


def test_a_merge_that_answers_otherwise_is_refused(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import adapters.registry.distance as distances

    monkeypatch.setitem(distances.LIMITS, "none", 1e-9)
    with pytest.raises(AdapterError, match="answers otherwise"):
        merge(str(made), tmp_path / "out")
    assert list(tmp_path.glob("out*")) == []
    with pytest.raises(InputError, match="no quantization 'int3'"):
        merge(str(made), tmp_path / "out", "int3")  # type: ignore[arg-type]


def test_an_archive_goes_round(made: Path, tmp_path: Path) -> None:
    (report,) = [export(str(made), tmp_path / "shop.zip", "zip")]
    assert report["bytes"] == (tmp_path / "shop.zip").stat().st_size
    files = import_adapter(tmp_path / "shop.zip")
    assert (files.path / "adapter_model.safetensors").read_bytes() == (
        made / "adapter_model.safetensors"
    ).read_bytes()
    assert files.on == read_adapter(made, "shop").on


@pytest.mark.weights
def test_an_adapter_on_the_embedded_base_loads_without_this_project(tmp_path: Path) -> None:
    settings = get_settings()
    ensure_embedded(settings)
    shipped = find_adapter(None, settings)
    directory = locate_base("embedded", settings)
    ground = attach_adapter(load_base(directory, "embedded", CPU, "auto"), shipped.path, "embedded")
    adapted = random_adapters.write(
        tmp_path / "shop",
        ground.model,
        identify_base(directory, shipped),
        base="embedded",
        whole=("vision_tower.stages.5", "vision_tower.head", "linear_1", "linear_2"),
        scale=0.01,
    )
    export(str(tmp_path / "shop"), tmp_path / "out", "peft")
    case = {
        "model": str(tmp_path / "out" / "base"),
        "adapter": str(tmp_path / "out" / "adapter"),
        "code": True,
    }
    theirs = elsewhere(tmp_path / "elsewhere", {"embedded": case})["embedded"]
    found = distance(here(adapted, ground.processor), theirs)
    assert found.relative < 0.02 and found.same_word > 0.95, found
    config = (tmp_path / "out" / "base" / "config.json").read_text()
    assert str(settings.cache_dir) not in config


# --- the card


EVIL = "Nice](http://x.y) <img src=x onerror=alert(1)> | cell\n# Heading **bold** `code` www.x.y"


def test_a_card_says_what_users_wrote_and_does_nothing_else() -> None:
    told = {
        "name": EVIL,
        "labels": {EVIL: "x"},
        "on": {"base": "embedded", "fingerprint": "0" * 64},
        "recipe": {"preset": EVIL, "seed": 0},
        "data": {"terms": EVIL, "files": [{"name": EVIL, "rows": 3, "sha256": "1" * 64}]},
        "scores": {EVIL: {"accuracy": 0.5, "n": 4, "intervals": {"accuracy": [0.2, 0.8]}}},
        "weaknesses": [EVIL],
        "versions": {"hardware": EVIL},
    }
    text = card_text(AdapterFiles(EVIL, Path("x"), told))
    body = text.split("---\n", 2)[2]
    rendered = MarkdownIt("commonmark", {"linkify": False}).enable("table").render(body)
    for tag in ("<img", "<a ", "<strong>", "<script", "Heading</h1>"):
        assert tag not in rendered.replace(f"<h1>{escaped(EVIL)}", ""), tag
    assert rendered.count("<h1>") == 1
    widths = {line.count("<td>") for line in rendered.split("<tr>")}
    assert widths <= {0, 2, 3, 5}, "no cell is split in two"
    assert "Nice](http:" in rendered.replace("&#8203;", "").replace("\u200b", "")


@pytest.mark.parametrize(
    ("base", "named"),
    [
        ("embedded", "HuggingFaceTB/SmolLM2-135M-Instruct"),
        ("llava-hf/llava-1.5-7b-hf", "llava-hf/llava-1.5-7b-hf"),
        ("/home/somebody/base", None),
    ],
)
def test_the_front_matter_is_what_the_hub_reads(base: str, named: str | None) -> None:
    on = {"base": base, "fingerprint": "0" * 64}
    scores = {
        "val": {
            "accuracy": 0.9,
            "odd": 10**400,
            "intervals": {"accuracy": ["x"]},
            "classes": {"Lemon": {"recall": 0.2}, "Leek": 0.9},
            "n": 9,
        }
    }
    text = card_text(AdapterFiles("shop", Path("x"), {"on": on, "scores": scores}))
    front: Any = ModelCard(text).data
    assert front.library_name == "peft" and "lora" in front.tags
    assert front.base_model == named
    assert "| val | accuracy | 0.9 |  | 9 |" in text
    assert "Its worst labels on val: Lemon \\(20%\\), Leek \\(90%\\)" in text


# --- the command line


def test_the_commands(shop: Path, tmp_path: Path) -> None:
    def told(*arguments: object) -> dict[str, Any]:
        result = invoke("adapters", *arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    assert told("import", shop, "--terms", "mine alone")["fits"] is True
    published = told("publish", shop, "--name", "second", "--require", "accuracy_fine>0.7")
    assert Path(published["path"]).is_dir()
    assert {entry["name"] for entry in told("list")["adapters"]} >= {"embedded", "shop", "second"}
    assert told("show", "shop")["data"]["terms"] == "mine alone"
    assert told("compare", "shop", "second")["scores"]
    assert told("export", "shop", tmp_path / "s.zip", "--form", "zip")["bytes"]
    assert told("merge", "shop", tmp_path / "merged")["distance"]["relative"] < LIMITS["none"]
    with pytest.raises(InputError, match="give --yes"):
        invoke("adapters", "remove", "second")
    assert told("remove", "second", "--yes")["removed"] == "second"
    assert installed() == ["shop"]

    for arguments in (("list",), ("show", "shop"), ("compare", "shop", "embedded")):
        result = invoke("adapters", *arguments)
        assert result.exit_code == 0 and "shop" in result.stdout
    result = invoke("adapters", "merge", "shop", tmp_path / "again")
    assert "of their deviation" in result.stdout


def test_an_error_ends_a_command_with_two(shop: Path, tmp_path: Path) -> None:
    command = [str(Path(sys.executable).parent / "sightdesk"), "adapters"]
    done = subprocess.run(
        [*command, "publish", str(shop), "--name", "x", "--require", "accuracy_fine>0.9"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "is refused: its accuracy_fine on 'shop/val' is 0.75" in done.stderr
    assert "Traceback" not in done.stderr and installed() == []
