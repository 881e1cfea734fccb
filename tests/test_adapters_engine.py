"""Several adapters on one ground: chosen per request, mixed in a batch, kept apart, let go."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file, save_file

from assistant.engine import EncodedImage, Engine, Sampling, Turn
from assistant.errors import AdapterError, InputError
from assistant.images import LoadedImage
from assistant.llava import Base, merge_adapter
from assistant.quantize import quantize_model
from assistant.settings import Settings
from tests import tiny
from tests.stacked import LANGUAGE as SPOKEN
from tests.stacked import POINTWISE, PROJECTOR, STAGE, write_stacked

KINDS = {
    "speaks": {"seed": 1},
    "sees": {"targets": POINTWISE, "whole": STAGE, "seed": 2},
    "both": {"targets": f"({SPOKEN})|({POINTWISE})", "whole": PROJECTOR, "seed": 3},
    "ranks": {"seed": 4, "rank_pattern": {"q_proj": 3}, "alpha_pattern": {"q_proj": 9}},
}
QUESTIONS = ("What is it?", "Describe the picture in one sentence, please.", "A dog?", "Why?")
GREEDY = Sampling(max_tokens=12)
BEAMS = Sampling(max_tokens=10, beams=3)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One adapter of each kind, as a user's data folder has them."""
    folder = tmp_path_factory.mktemp("data")
    for name, kind in KINDS.items():
        write_stacked(folder / "adapters" / name, **kind)  # type: ignore[arg-type]
    return folder


def ground_engine(shelf: Path) -> Engine:
    """The tiny base in float32: in bfloat16 a tie may fall either way."""
    settings = Settings(device="cpu", quantize="none", data_dir=shelf)
    engine = Engine.load(base=str(tiny.directory()), settings=settings)
    engine.model.float()
    return engine


@pytest.fixture(scope="module")
def loaded(shelf: Path) -> Engine:
    return ground_engine(shelf)


@pytest.fixture
def engine(loaded: Engine) -> Iterator[Engine]:
    """The ground alone, before and after."""
    loaded.forget()
    yield loaded
    loaded.adapter = None
    for name in loaded.adapters[1:]:
        loaded.drop_adapter(name)


@pytest.fixture(scope="module")
def merged(shelf: Path) -> Callable[[str], Engine]:
    """Engines whose model has an adapter merged into its weights, by name."""
    made: dict[str, Engine] = {}

    def merge(name: str) -> Engine:
        if name not in made:
            plain = ground_engine(shelf)
            model = merge_adapter(plain.model, shelf / "adapters" / name)
            base = Base(name, model.eval(), plain.processor)
            made[name] = Engine(base, name, {}, prefix_bytes=0)
        return made[name]

    return merge


def pictures() -> list[LoadedImage]:
    return [tiny.picture(seed) for seed in range(4)]


def answers(engine: Engine, adapter: str | None = None, sampling: Sampling = GREEDY) -> list[str]:
    """To four questions about four pictures, one after the other."""
    images = engine.encode_images(pictures(), adapter=adapter)
    return [
        engine.generate(ask(image, text), [image], sampling=sampling, adapter=adapter).text
        for image, text in zip(images, QUESTIONS, strict=True)
    ]


def ask(image: EncodedImage, text: str = "What is it?") -> list[Turn]:
    return [Turn("user", text, (image.id,))]


def wrapped(engine: Engine) -> int:
    return sum(isinstance(module, LoraLayer) for module in engine.model.modules())


@pytest.mark.parametrize("name", KINDS)
def test_an_adapter_answers_as_if_it_were_merged(
    engine: Engine, merged: Callable[[str], Engine], name: str
) -> None:
    theirs = merged(name)
    ours = engine.encode_images(pictures(), adapter=name)
    for first, second in zip(ours, theirs.encode_images(pictures()), strict=True):
        torch.testing.assert_close(first.features, second.features, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(first.pooled, second.pooled, atol=1e-4, rtol=1e-4)
    assert answers(engine, name) == answers(theirs)
    assert answers(engine, name, BEAMS) == answers(theirs, sampling=BEAMS)
    assert answers(engine, name) != answers(engine), "it makes a difference"


def test_the_ground_stays_as_it_was(engine: Engine, shelf: Path) -> None:
    untouched = ground_engine(shelf)
    before = {name: value.clone() for name, value in engine.model.state_dict().items()}
    told = answers(untouched)
    assert answers(engine) == told
    for name in KINDS:
        answers(engine, name)
        assert answers(engine) == told
        assert answers(engine, "base", BEAMS) == answers(untouched, sampling=BEAMS)
    assert engine.adapters == ["base", *KINDS]
    assert wrapped(engine) > 0
    for name in KINDS:
        engine.drop_adapter(name)
    assert answers(engine) == told
    assert wrapped(engine) == 0, "the layers are bare again"
    after = engine.model.state_dict()
    assert list(after) == list(before)
    assert all(after[name].equal(value) for name, value in before.items())


def test_a_sight_alone_leaves_the_language_model_bare(engine: Engine) -> None:
    engine.add_adapter("sees")
    assert wrapped(engine) == 0
    eyes: dict[str, Any] = dict(engine.resolve("sees").eyes.parts)
    ground = engine.model.model.vision_tower
    assert eyes["vision_tower"].stem.conv.weight is ground.stem.conv.weight, "shared"
    assert not eyes["vision_tower"].head.conv.weight.equal(ground.head.conv.weight)
    assert eyes["multi_modal_projector"].linear_2.weight is (
        engine.model.model.multi_modal_projector.linear_2.weight
    )
    own = engine.resolve("sees").nbytes
    projector = engine.model.model.multi_modal_projector
    assert 0 < own < sum(p.nbytes for part in (ground, projector) for p in part.parameters())


@pytest.mark.parametrize("sampling", [GREEDY, BEAMS], ids=["greedy", "beams"])
def test_a_batch_of_different_adapters_equals_separate_requests(
    engine: Engine, sampling: Sampling, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["speaks", None, "both", "sees"]
    alone = []
    batch = []
    for picture, text, name in zip(pictures(), QUESTIONS, names, strict=True):
        image = engine.encode_image(picture, adapter=name)
        batch.append((ask(image, text), [image]))
        alone.append(engine.generate(*batch[-1], sampling=sampling, adapter=name).text)
    rows: list[int] = []
    forward = engine.model.forward

    def counted(*args: object, **kwargs: object) -> object:
        given = kwargs.get("inputs_embeds")
        rows.append(len(given) if given is not None else len(kwargs["input_ids"]))  # type: ignore[arg-type]
        return forward(*args, **kwargs)

    monkeypatch.setattr(engine.model, "forward", counted)
    together = engine.generate_batch(batch, sampling=sampling, adapters=names)
    assert [answer.text for answer in together] == alone
    assert rows[0] == 4, "one pass for all"
    assert len(set(alone)) > 1
    assert engine.generate_batch([], adapters=[]) == []


def test_drawn_answers_of_a_mixed_batch_follow_their_adapters(engine: Engine) -> None:
    names = ["speaks", None, "ranks"]
    images = engine.encode_images(pictures()[:3])
    prompts = [engine.prompts.build(ask(image), [image]) for image in images]
    rows = [engine.resolve(name) for name in names]
    greedy = Sampling(max_tokens=6)
    found = engine.draw_ids(prompts, greedy, rows=rows)
    for prompt, row, ids in zip(prompts, rows, found, strict=True):
        assert engine.draw_ids([prompt], greedy, rows=[row]) == [ids]
    several = engine.draw_ids(prompts, Sampling(6, 0.01, seed=1), rows=rows, answers=2)
    assert [len(each) for each in several] == [2, 2, 2]
    assert [each[0] for each in several] == [each[0] for each in found], "near to greedy"


def test_as_many_adapters_as_conversations(engine: Engine) -> None:
    image = engine.encode_image(tiny.picture(0))
    with pytest.raises(InputError, match="2 adapters for 1 conversations; give one for each"):
        engine.generate_batch([(ask(image), [image])], adapters=[None, None])


def test_features_and_prefixes_are_kept_apart(engine: Engine) -> None:
    picture = tiny.picture(0)
    seen = {name: engine.encode_image(picture, adapter=name) for name in (None, "sees", "both")}
    assert len({image.eyes for image in seen.values()}) == 3
    assert engine.encode_image(picture, adapter="speaks") is seen[None], "it sees as the ground"
    for name, image in seen.items():
        assert engine.encode_image(picture, adapter=name) is image, "encoded once"
        first = engine.generate(ask(image), [image], sampling=GREEDY, adapter=name)
        again = engine.generate(ask(image), [image], sampling=GREEDY, adapter=name)
        assert (first.reused, again.computed) == (0, 1)
    image = seen[None]
    assert engine.generate(ask(image), [image], sampling=GREEDY, adapter="speaks").reused == 0
    assert engine.encode_image(picture, tenant="other") is not image


@pytest.mark.parametrize(("encoded", "asked"), [(None, "sees"), ("sees", None), ("both", "sees")])
def test_a_picture_seen_with_other_eyes_is_refused(
    engine: Engine, encoded: str | None, asked: str | None
) -> None:
    image = engine.encode_image(tiny.picture(0), adapter=encoded)
    calls: list[Callable[[], object]] = [
        lambda: engine.generate(ask(image), [image], adapter=asked),
        lambda: engine.stream(ask(image), [image], adapter=asked),
        lambda: engine.generate_batch([(ask(image), [image])] * 2, adapter=asked),
        lambda: engine.describe([image], adapter=asked),
        lambda: engine.describe([image], mode="rerank", adapter=asked),
        lambda: engine.candidates(image, adapter=asked),
        lambda: engine.label([image], adapter=asked, labels=["a", "b"]),
    ]
    for call in calls:
        with pytest.raises(InputError, match=r"for another adapter than .*; encode it with"):
            call()


def test_everything_that_answers_takes_an_adapter(
    engine: Engine, merged: Callable[[str], Engine]
) -> None:
    theirs = merged("both")
    image, other = (each.encode_image(tiny.picture(1), **how) for each, how in (
        (engine, {"adapter": "both"}), (theirs, {}),
    ))  # fmt: skip
    stream = engine.stream(ask(image), [image], sampling=GREEDY, adapter="both")
    assert "".join(stream) == "".join(theirs.stream(ask(other), [other], sampling=GREEDY))
    mode: Any
    for mode in ("greedy", "beam", "rerank"):
        ours = engine.describe([image], mode=mode, seed=1, adapter="both")
        assert ours[0].text == theirs.describe([other], mode=mode, seed=1)[0].text
    mine = engine.candidates(image, seed=1, adapter="both")
    assert [text for text, _ in mine] == [text for text, _ in theirs.candidates(other, seed=1)]
    turns = ask(image)
    seen = engine.look(turns, [tiny.picture(1)], "A dog.", adapter="both")
    known = theirs.look(turns, [tiny.picture(1)], "A dog.")
    for first, second in zip(seen, known, strict=True):
        torch.testing.assert_close(
            torch.tensor(first.grid), torch.tensor(second.grid), atol=1e-3, rtol=1e-2
        )


def test_adapters_are_found_by_name_path_and_default(engine: Engine, shelf: Path) -> None:
    told = answers(engine, "speaks")
    path = shelf / "adapters" / "speaks"
    assert engine.add_adapter(path) == "speaks", "the same one"
    assert answers(engine, str(path)) == told
    assert engine.adapters == ["base", "speaks"]
    engine.adapter = "speaks"
    assert answers(engine) == told
    engine.drop_adapter("speaks")
    assert engine.adapter is None, "the ground answers again"


def test_two_folders_of_one_name(engine: Engine, tmp_path: Path) -> None:
    engine.add_adapter("speaks")
    other = write_stacked(tmp_path / "speaks", seed=9)
    name = engine.add_adapter(other)
    assert name == str(other)
    assert engine.adapters == ["base", "speaks", name]
    assert answers(engine, name) != answers(engine, "speaks")


def test_an_adapter_that_was_trained_again_is_read_again(engine: Engine, shelf: Path) -> None:
    shutil.copytree(shelf / "adapters" / "speaks", shelf / "adapters" / "again")
    try:
        first = engine.resolve("again")
        assert engine.resolve("again") is first
        told = answers(engine, "again")
        shutil.rmtree(shelf / "adapters" / "again")
        assert answers(engine, "again") == told, "what is loaded needs no files"
        write_stacked(shelf / "adapters" / "again", seed=8)
        assert answers(engine, "again") != told
        assert engine.adapters == ["base", "again"]
        assert engine.resolve("again").revision != first.revision
        image = engine.encode_image(tiny.picture(0))
        with pytest.raises(AdapterError, match="dropped or replaced meanwhile; ask again"):
            engine.search([engine.prompts.build(ask(image), [image])], BEAMS, rows=[first])
    finally:
        shutil.rmtree(shelf / "adapters" / "again", ignore_errors=True)


def test_a_drop_while_another_answer_is_written(engine: Engine) -> None:
    generation = engine.model.generation_config
    end, generation.eos_token_id = generation.eos_token_id, -1
    try:
        image = engine.encode_image(tiny.picture(0), adapter="speaks")
        endless = Sampling(max_tokens=200, temperature=2.0, seed=1)
        stream = engine.stream(ask(image), [image], sampling=endless, adapter="speaks")
        next(stream)
        waiting = threading.Thread(target=engine.drop_adapter, args=("speaks",))
        waiting.start()
        rest = list(stream)
        waiting.join()
        assert rest
        assert stream.answer is not None
        assert stream.answer.tokens == 200, "the drop waits for the answer"
        assert engine.adapters == ["base"]
    finally:
        generation.eos_token_id = end


def test_many_threads_ask_for_many_adapters(engine: Engine) -> None:
    names = [None, "speaks", "sees", "both"] * 2
    expected = {name: answers(engine, name)[0] for name in set(names)}
    for name in engine.adapters[1:]:
        engine.drop_adapter(name)
    found: list[tuple[str | None, str]] = []

    def work(name: str | None) -> None:
        image = engine.encode_image(tiny.picture(0), adapter=name)
        answer = engine.generate(ask(image, QUESTIONS[0]), [image], sampling=GREEDY, adapter=name)
        found.append((name, answer.text))

    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found, key=str) == sorted(((n, expected[n]) for n in names), key=str)


def test_the_ground_cannot_be_dropped_nor_what_is_not_there(engine: Engine) -> None:
    with pytest.raises(InputError, match="cannot be dropped"):
        engine.drop_adapter("base")
    with pytest.raises(InputError, match="no adapter 'sees' to drop; there are: none"):
        engine.drop_adapter("sees")
    for name in ("nobody", "x" * 5000):
        with pytest.raises(AdapterError, match="There is no adapter"):
            engine.resolve(name)


def test_choices_are_those_that_fit(engine: Engine, shelf: Path) -> None:
    write_stacked(shelf / "adapters" / "elsewhere", on={"fingerprint": "0" * 64})
    try:
        assert engine.choices() == ["base", "both", "ranks", "sees", "speaks"]
    finally:
        shutil.rmtree(shelf / "adapters" / "elsewhere")


def test_loading_with_a_stacked_adapter(shelf: Path, engine: Engine) -> None:
    settings = Settings(device="cpu", quantize="none", data_dir=shelf, adapter="both")
    engine.resolve("both")
    ready = Engine.load(base=str(tiny.directory()), settings=settings)
    assert (ready.adapter, ready.adapters) == ("both", ["base", "both"])
    image = ready.encode_image(tiny.picture(0))
    assert image.eyes == engine.resolve("both").revision
    assert ready.generate(ask(image), [image], sampling=GREEDY).text
    assert ready.encode_image(tiny.picture(0), adapter="base").eyes == ""


def test_an_adapter_that_replaces_language_layers_is_merged_at_the_start(
    tmp_path: Path, engine: Engine
) -> None:
    folder = write_stacked(tmp_path / "full", whole=["up_proj"], seed=5)
    with pytest.raises(AdapterError, match=r"whole layers of the language model.*start with it"):
        engine.add_adapter(folder)
    assert wrapped(engine) == 0
    settings = Settings(device="cpu", quantize="none")
    ready = Engine.load(base=str(tiny.directory()), adapter=str(folder), settings=settings)
    assert (ready.adapter, ready.adapters) == ("full", ["full"])
    with pytest.raises(AdapterError, match="another"):
        ready.add_adapter(write_stacked(tmp_path / "more"))


def unknown_layer(folder: Path) -> None:
    change(folder, lambda name: name.replace("layers.0.self_attn.q_proj", "layers.7.extra"))


def half_missing(folder: Path) -> None:
    leave_out(folder, "0.self_attn.q_proj.lora_B")


def layer_missing(folder: Path) -> None:
    leave_out(folder, "layers.1.self_attn.q_proj.lora_")


def part_missing(folder: Path) -> None:
    leave_out(folder, "linear_1.bias")


def leave_out(folder: Path, part: str) -> None:
    tensors = load_file(folder / "adapter_model.safetensors")
    kept = {name: tensor for name, tensor in tensors.items() if part not in name}
    assert len(kept) < len(tensors)
    save_file(kept, folder / "adapter_model.safetensors")


def other_rank(folder: Path) -> None:
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(config | {"r": 7}))


def other_part(folder: Path) -> None:
    change(folder, lambda name: name.replace("language_model", "audio_tower"))


def not_finite(folder: Path) -> None:
    tensors = load_file(folder / "adapter_model.safetensors")
    next(iter(tensors.values())).fill_(float("nan"))
    save_file(tensors, folder / "adapter_model.safetensors")


def dora(folder: Path) -> None:
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(config | {"use_dora": True}))


def change(folder: Path, renamed: Callable[[str], str]) -> None:
    tensors = load_file(folder / "adapter_model.safetensors")
    save_file(
        {renamed(name): tensor for name, tensor in tensors.items()},
        folder / "adapter_model.safetensors",
    )


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (unknown_layer, "does not fit the base"),
        (half_missing, "does not fit the base"),
        (layer_missing, "does not fit the base"),
        (part_missing, "does not fit the base"),
        (other_rank, "does not fit the base"),
        (other_part, "does not fit the base"),
        (not_finite, "values that are no numbers; train it again"),
        (dora, "does not fit the base"),
    ],
)
def test_an_adapter_that_does_not_fit_leaves_nothing_behind(
    engine: Engine, shelf: Path, tmp_path: Path, damage: Callable[[Path], None], message: str
) -> None:
    told = answers(engine)
    folder = shutil.copytree(shelf / "adapters" / "both", tmp_path / "copy")
    damage(folder)
    with pytest.raises(AdapterError, match=message):
        engine.add_adapter(folder)
    assert (engine.adapters, wrapped(engine)) == (["base"], 0)
    assert answers(engine) == told
    engine.add_adapter("speaks")
    beside = answers(engine, "speaks")
    with pytest.raises(AdapterError, match=message):
        engine.add_adapter(folder)
    assert answers(engine, "speaks") == beside
    assert answers(engine) == told


@pytest.mark.parametrize(
    ("on", "message"),
    [
        ({"fingerprint": "0" * 64, "base": "another/llava"}, r"another base \(another/llava\)"),
        ({"fingerprint": "0" * 64}, "another state of the base"),
        ({"projector": [7, 9]}, "a projector from 7 to 9"),
        ({"preprocessing": {"do_resize": False}}, "prepared in another way"),
    ],
)
def test_an_adapter_for_another_base_is_refused(
    engine: Engine, tmp_path: Path, on: dict[str, object], message: str
) -> None:
    folder = write_stacked(tmp_path / "foreign", on=on)
    with pytest.raises(AdapterError, match=message):
        engine.add_adapter(folder)
    with pytest.raises(AdapterError, match=message):
        Engine.load(
            base=str(tiny.directory()), adapter=str(folder), settings=Settings(device="cpu")
        )


def test_an_adapter_for_bare_parts_does_not_go_on_top(shelf: Path, tmp_path: Path) -> None:
    raw = shutil.copytree(shelf / "adapters" / "both", tmp_path / "raw")
    (raw / "sightdesk.json").write_text("{}")
    settings = Settings(device="cpu", quantize="none", data_dir=shelf)
    ground = Engine.load(base=str(tiny.directory()), adapter=str(raw), settings=settings)
    assert (ground.adapter, ground.adapters) == ("raw", ["raw"])
    other = shutil.copytree(raw, tmp_path / "other")
    with pytest.raises(AdapterError, match="bare parts of a base, not on top of 'raw'; start with"):
        ground.add_adapter(other)
    bare = Engine.load(base=str(tiny.directory()), settings=settings)
    assert bare.add_adapter(other) == "other", "where nothing is merged, raw is what is there"


@pytest.mark.parametrize("kind", ["nf4", "int8"])
def test_adapters_go_on_quantized_layers(
    engine: Engine, shelf: Path, tmp_path: Path, kind: str
) -> None:
    folder = write_stacked(tmp_path / "down", targets=r".*language_model.*\.down_proj", seed=6)
    quantized = ground_engine(shelf)
    quantized.model.bfloat16()
    quantize_model(quantized.model, kind)  # type: ignore[arg-type]
    told = answers(quantized)
    name = quantized.add_adapter(folder)
    assert answers(quantized, name) != told
    assert answers(quantized) == told
    quantized.drop_adapter(name)
    assert answers(quantized) == told
    assert wrapped(quantized) == 0


def test_the_switch_takes_no_time_to_speak_of(engine: Engine) -> None:
    """Counted in what is loaded, not in seconds: nothing is read or copied."""
    for name in KINDS:
        engine.resolve(name)
    before = {name: engine.resolve(name) for name in KINDS}
    weights = [parameter.data_ptr() for parameter in engine.model.parameters()]
    for _ in range(3):
        for name in KINDS:
            with engine.alone(name):
                pass
    assert {name: engine.resolve(name) for name in KINDS} == before
    assert [parameter.data_ptr() for parameter in engine.model.parameters()] == weights


def test_settings_are_looked_at_once(engine: Engine, shelf: Path) -> None:
    """A touched file is read again, an untouched one is not."""
    first = engine.resolve("speaks")
    os.utime(shelf / "adapters" / "speaks" / "sightdesk.json")
    second = engine.resolve("speaks")
    assert second is not first
    assert replace(second, key=first.key) == first
    assert engine.resolve("speaks") is second
