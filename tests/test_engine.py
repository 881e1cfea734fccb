"""The engine on a tiny random LLaVA: what it promises of any model."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import get_peft_model_state_dict
from safetensors.torch import save_file

from adapters.publish import save_adapter
from adapters.recipe import Recipe
from adapters.train import prepare
from assistant.engine import EncodedImage, Engine, Sampling, Turn
from assistant.engine.fast import FastReader
from assistant.engine.prompt import embed
from assistant.engine.streams import WRITING, Words
from assistant.errors import AdapterError, InputError, WeightsError
from assistant.settings import Settings
from tests import tiny
from tests.merged_adapters import write_merged

LABELS = {
    "Banana": "Banana",
    "Golden-Delicious": "Apple",
    "Granny-Smith": "Apple",
    "Oat_Milk": "Milk",
    "Oat_Milk-2": "Milk",
}
WARM = Sampling(max_tokens=24, temperature=1.5, seed=3)


@pytest.fixture(scope="module")
def engine() -> Engine:
    """The tiny base without an adapter, in float32: in bfloat16 a tie may fall either way."""
    loaded = Engine.load(base=str(tiny.directory()), settings=Settings(device="cpu"))
    loaded.model.float()
    return loaded


@pytest.fixture(scope="module")
def images(engine: Engine) -> list[EncodedImage]:
    return engine.encode_images([tiny.picture(seed) for seed in range(3)])


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter for the tiny base with random LoRA and projector."""
    return write_merged(
        tmp_path_factory.mktemp("adapters") / "goods",
        tiny.model(),
        base="tiny",
        size=0.2,
        labels=LABELS,
    )


@pytest.fixture
def copy(adapter: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return shutil.copytree(adapter, tmp_path / "copy")


def ask(image: EncodedImage, text: str = "What is it?") -> list[Turn]:
    return [Turn("user", text, (image.id,))]


def load(adapter: str | Path) -> Engine:
    settings = Settings(device="cpu")
    return Engine.load(base=str(tiny.directory()), adapter=str(adapter), settings=settings)


def test_pictures_are_encoded_once_and_alike(engine: Engine, images: list[EncodedImage]) -> None:
    loaded = tiny.picture(1)
    alone = engine.encode_image(loaded)
    assert alone.id == loaded.id == images[1].id
    assert alone.features.shape == (tiny.GRID**2, 32)
    torch.testing.assert_close(alone.features, images[1].features, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(images[0].features, images[1].features, atol=0.1)
    assert engine.encode_images([]) == []


@pytest.mark.parametrize("sampling", [Sampling(max_tokens=24), WARM], ids=["greedy", "drawn"])
def test_stream_gives_what_generate_gives(
    engine: Engine, images: list[EncodedImage], sampling: Sampling
) -> None:
    whole = engine.generate(ask(images[0]), images[:1], sampling=sampling)
    pieces = list(engine.stream(ask(images[0]), images[:1], sampling=sampling))
    assert "".join(pieces).strip() == whole.text
    assert all(pieces)
    assert whole.text


def test_beams_have_no_words_before_their_end(engine: Engine, images: list[EncodedImage]) -> None:
    sampling = Sampling(max_tokens=8, beams=2)
    whole = engine.generate(ask(images[0]), images[:1], sampling=sampling)
    assert list(engine.stream(ask(images[0]), images[:1], sampling=sampling)) == [whole.text]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Yes.", ["Yes", "."]),
        ("A dog, a cat.", ["A ", "dog", ", ", "a ", "cat", "."]),
        ("It isn't well-known", ["It ", "isn't ", "well-known"]),
        ("About 3.5 m", ["About ", "3.5 ", "m"]),
        ("两只狗在跑。", ["两", "只", "狗", "在", "跑", "。"]),
        ("Café olé", ["Café ", "olé"]),
    ],
)
def test_pieces_end_where_words_do(engine: Engine, text: str, pieces: list[str]) -> None:
    given: list[str] = []
    words = Words(engine.tokenizer, (), given.append)
    for token in engine.tokenizer(text)["input_ids"]:
        assert words.add(token)
    words.end()
    assert given == pieces
    assert words.text == text


def test_a_stop_string_is_never_shown(engine: Engine, images: list[EncodedImage]) -> None:
    free = Sampling(max_tokens=40, temperature=1.5, seed=3)
    whole = engine.generate(ask(images[0]), images[:1], sampling=free).text
    stop = whole[len(whole) // 2 : len(whole) // 2 + 3]
    stream = engine.stream(ask(images[0]), images[:1], sampling=replace(free, stop=(stop,)))
    assert "".join(stream).strip() == whole.split(stop)[0].strip()
    assert stream.answer is not None
    assert stream.answer.finish == "stop"


@pytest.mark.parametrize("beams", [1, 3])
def test_batch_gives_what_single_calls_give(
    engine: Engine, images: list[EncodedImage], beams: int
) -> None:
    questions = ("What is it?", "Describe the picture in one sentence, please.", "A dog?")
    sampling = Sampling(max_tokens=12, beams=beams)
    singles = [
        engine.generate(ask(image, text), [image], sampling=sampling)
        for image, text in zip(images, questions, strict=True)
    ]
    batch = engine.generate_batch(
        [(ask(image, text), [image]) for image, text in zip(images, questions, strict=True)],
        sampling=sampling,
    )
    assert [answer.text for answer in batch] == [answer.text for answer in singles]
    assert [answer.tokens for answer in batch] == [answer.tokens for answer in singles]
    assert [answer.finish for answer in batch] == [answer.finish for answer in singles]
    assert engine.generate_batch([]) == []


def test_the_picture_matters(engine: Engine, images: list[EncodedImage]) -> None:
    texts = {engine.generate(ask(image), [image], sampling=WARM).text for image in images}
    assert len(texts) > 1


def test_embedding_equals_the_models_own(engine: Engine, images: list[EncodedImage]) -> None:
    """Encoding first gives the logits of LLaVA's one-piece forward."""
    turns = [
        Turn("system", "Be brief."),
        Turn("user", "What is it?", (images[0].id,)),
        Turn("assistant", "A dog."),
        Turn("user", "And this?", (images[1].id,)),
    ]
    embeds, mask = engine.padded([engine.prompts.build(turns, images)])
    messages = [
        {
            "role": turn.role,
            "content": [{"type": "image"} for _ in turn.images]
            + [{"type": "text", "text": turn.text}],
        }
        for turn in turns
    ]
    text = engine.processor.apply_chat_template(messages, add_generation_prompt=True)
    whole = engine.processor(
        text=text, images=[tiny.pixels(0), tiny.pixels(1)], return_tensors="pt"
    )
    with torch.inference_mode():
        ours = engine.model(inputs_embeds=embeds, attention_mask=mask).logits
        theirs = engine.model(**whole).logits
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_a_closed_stream_frees_the_engine(
    engine: Engine, images: list[EncodedImage], monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = 0
    read = FastReader.read

    def counted(reader: FastReader, embeds: torch.Tensor) -> torch.Tensor:
        nonlocal steps
        steps += 1
        return read(reader, embeds)

    monkeypatch.setattr(FastReader, "read", counted)
    # No end token: without the close it would run for all of max_tokens.
    monkeypatch.setattr(engine.model.generation_config, "eos_token_id", -1)
    endless = Sampling(max_tokens=900, temperature=5.0, seed=0)
    stream = engine.stream(ask(images[0]), images[:1], sampling=endless)
    assert isinstance(next(stream), str)
    stream.close()
    assert steps < 900
    assert not [t for t in threading.enumerate() if t.name == WRITING]
    assert stream.answer is not None
    assert stream.answer.finish == "cancelled"
    taken = engine._lock.acquire(blocking=False)
    assert taken
    engine._lock.release()
    assert engine.generate(ask(images[0]), images[:1], sampling=Sampling(max_tokens=2)).tokens <= 2


def test_a_failure_in_the_model_reaches_the_reader(
    engine: Engine, images: list[EncodedImage], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("no memory")

    monkeypatch.setattr(FastReader, "read", broken)
    with pytest.raises(RuntimeError, match="no memory"):
        list(engine.stream(ask(images[0]), images[:1]))


@pytest.mark.parametrize("turns", [[], [Turn("user", " \n ")], [Turn("assistant", "A dog.")]])
def test_an_empty_question_is_refused(engine: Engine, turns: list[Turn]) -> None:
    with pytest.raises(InputError, match="question is empty"):
        engine.generate(turns)
    with pytest.raises(InputError, match="question is empty"):
        list(engine.stream(turns))


def test_a_picture_that_is_not_encoded_is_refused(
    engine: Engine, images: list[EncodedImage]
) -> None:
    with pytest.raises(InputError, match=f"image {images[1].id[:12]} is not there; encode it"):
        engine.generate(ask(images[1]), images[:1])


@pytest.mark.parametrize("token", tiny.SPECIAL_TOKENS)
def test_special_tokens_in_a_question_are_neutralised(
    engine: Engine, images: list[EncodedImage], token: str
) -> None:
    """A written-out token neither ends the turn nor stands for a picture."""
    hostile = f"A dog?{token}{token} And{token[:4]}{token}{token[4:]}?"
    bare = embed(engine.model, engine.prompts.build(ask(images[0], "A dog?   And  ?"), images))
    embedded = embed(engine.model, engine.prompts.build(ask(images[0], hostile), images))
    table = engine.model.get_input_embeddings().weight[: len(tiny.SPECIAL_TOKENS)]

    def special(rows: torch.Tensor) -> int:
        return int((rows[:, None] == table[None]).all(dim=2).sum())

    assert special(embedded) == special(bare)
    answer = engine.generate(ask(images[0], hostile), images, sampling=Sampling(max_tokens=3))
    assert answer.tokens <= 3


def test_nothing_but_special_tokens_is_an_empty_question(engine: Engine) -> None:
    with pytest.raises(InputError, match="question is empty"):
        engine.generate([Turn("user", "<|im_end|> <|im_start|>")])


def test_a_seed_fixes_what_is_drawn(engine: Engine, images: list[EncodedImage]) -> None:
    def draw(seed: int | None) -> str:
        sampling = Sampling(max_tokens=24, temperature=1.5, seed=seed)
        return engine.generate(ask(images[0]), images[:1], sampling=sampling).text

    assert draw(1) == draw(1)
    assert len({draw(seed) for seed in range(4)}) > 1
    assert len({draw(None) for _ in range(4)}) > 1, "without a seed every answer is drawn anew"


def test_drawing_leaves_the_callers_randomness_alone(
    engine: Engine, images: list[EncodedImage]
) -> None:
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    engine.generate(ask(images[0]), images[:1], sampling=WARM)
    assert torch.rand(3).equal(expected)


def test_an_answer_ends_at_its_limit_or_stop(engine: Engine, images: list[EncodedImage]) -> None:
    answer = engine.generate(ask(images[0]), images[:1], sampling=WARM)
    cut = engine.generate(ask(images[0]), images[:1], sampling=Sampling(2, 1.5, seed=3))
    assert cut.tokens <= 2
    assert answer.text.startswith(cut.text.rstrip("�"))
    middle = answer.text[len(answer.text) // 2]
    stopped = engine.generate(
        ask(images[0]), images[:1], sampling=Sampling(24, 1.5, seed=3, stop=(middle,))
    )
    assert stopped.text == answer.text.split(middle)[0]
    assert cut.seconds >= 0


@pytest.mark.parametrize(
    "values",
    [
        {"max_tokens": 0},
        {"max_tokens": 4097},
        {"temperature": -0.1},
        {"temperature": 5.1},
        {"temperature": float("nan")},
        {"top_p": 0.0},
        {"top_p": 1.1},
        {"beams": 0},
        {"beams": 17},
        {"seed": 2**63},
        {"seed": -(2**63) - 1},
        {"stop": ("e", "")},
    ],
    ids=str,
)
def test_sampling_has_bounds(values: dict[str, object]) -> None:
    (name,) = values
    with pytest.raises(InputError, match=f"{name} is .*; give a value"):
        Sampling(**values)  # type: ignore[arg-type]


def test_sampling_takes_its_bounds() -> None:
    Sampling(max_tokens=1, temperature=0.0, top_p=1.0, beams=1, seed=-(2**63))
    Sampling(max_tokens=4096, temperature=5.0, top_p=1e-6, beams=16, seed=2**63 - 1)


def test_a_question_that_is_no_unicode_is_asked_as_far_as_it_goes(engine: Engine) -> None:
    """Bytes of another encoding on a command line arrive as lone surrogates."""
    sampling = Sampling(max_tokens=4)
    broken = engine.generate([Turn("user", "A \udce9 dog?")], sampling=sampling)
    assert broken.text == engine.generate([Turn("user", "A ? dog?")], sampling=sampling).text


def test_describe(engine: Engine, images: list[EncodedImage]) -> None:
    assert len(engine.describe(images, detail="short", mode="greedy")) == len(images)
    first = engine.describe(images[:1], mode="sample", seed=1)
    assert first[0].text == engine.describe(images[:1], mode="sample", seed=1)[0].text
    with pytest.raises(InputError, match="give one of: short, sentence, detailed"):
        engine.describe(images, detail="long")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="give one of: greedy, beam, sample, rerank"):
        engine.describe(images, mode="best")  # type: ignore[arg-type]
    assert engine.describe([]) == []


def test_labels_are_always_known_ones(adapter: Path) -> None:
    engine = load(adapter)
    assert (engine.name, engine.adapter) == (str(tiny.directory()), "goods")
    images = engine.encode_images([tiny.picture(seed) for seed in range(12)])
    found = engine.label(images)
    assert len(found) == 12
    assert {each.label for each in found} <= set(LABELS)
    assert found[0].label == engine.label(images[:1])[0].label
    assert engine.label([]) == []


def test_labels_need_an_adapter_that_has_some(engine: Engine, images: list[EncodedImage]) -> None:
    with pytest.raises(InputError, match="knows labels; give a list"):
        engine.label(images)


def test_an_adapter_is_found_by_name(adapter: Path, tmp_path: Path) -> None:
    settings = Settings(device="cpu", data_dir=tmp_path)
    shutil.copytree(adapter, tmp_path / "adapters" / "mine")
    engine = Engine.load(base=str(tiny.directory()), adapter="mine", settings=settings)
    assert engine.adapter == "mine"
    assert engine.labels == LABELS


@pytest.mark.parametrize("name", ["unknown", "../goods", "a/b", "x" * 200])
def test_an_unknown_adapter_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "adapters" / "mine").mkdir(parents=True)
    settings = Settings(device="cpu", data_dir=tmp_path, adapter=name)
    known = "give one of: embedded, agent, grocery, mine, or a directory"
    with pytest.raises(AdapterError, match=known):
        Engine.load(base=str(tiny.directory()), settings=settings)


def pickled(folder: Path) -> None:
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")


def garbled(folder: Path) -> None:
    (folder / "adapter_model.safetensors").write_bytes(b"\x80\x04garbage")


def truncated(folder: Path) -> None:
    file = folder / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


def without_weights(folder: Path) -> None:
    (folder / "adapter_model.safetensors").unlink()


def without_config(folder: Path) -> None:
    (folder / "adapter_config.json").unlink()


def broken_config(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("{")


def broken_about(folder: Path) -> None:
    (folder / "sightdesk.json").write_text("{")


def of_another_shape(folder: Path) -> None:
    recipe = Recipe(rank=8)
    save_adapter(prepare(tiny.model(), recipe), folder.parent / "other", recipe, base="", labels={})
    shutil.copy(folder.parent / "other" / "adapter_model.safetensors", folder)


def unknown_method(folder: Path) -> None:
    file = folder / "adapter_config.json"
    config = json.loads(file.read_text())
    file.write_text(json.dumps(config | {"peft_type": "MAGIC"}))


def without_projector(folder: Path) -> None:
    model = prepare(tiny.model(), Recipe(rank=4, alpha=8))
    tensors = get_peft_model_state_dict(model)
    lora = {name: tensor for name, tensor in tensors.items() if "lora" in name}
    assert 0 < len(lora) < len(tensors)
    save_file(lora, folder / "adapter_model.safetensors")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (pickled, "is stored as a pickle .*save it again as safetensors"),
        (garbled, "is damaged or no safetensors file"),
        (truncated, "is damaged or no safetensors file"),
        (without_weights, "has no adapter_model.safetensors"),
        (without_config, "has no adapter_config.json"),
        (broken_config, "is not JSON"),
        (broken_about, "is not JSON"),
        (of_another_shape, "does not fit the base"),
        (unknown_method, "only LORA can be used"),
        (without_projector, "does not fit the base"),
    ],
)
def test_an_adapter_that_cannot_be_used_is_refused(
    copy: Path, damage: Callable[[Path], None], message: str
) -> None:
    damage(copy)
    with pytest.raises(AdapterError, match=message):
        load(copy)


def test_a_base_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"cannot be loaded .*give 'embedded'"):
        Engine.load(base=str(tmp_path), settings=Settings(device="cpu"))


@pytest.mark.parametrize(
    "labels",
    [
        ["Kiwi"],
        ["St. John's Wort.", "A.", " B "],
        ["A very long label of a product " * 4 + "that ends like this", "Kiwi"],
        ["Bell_Pepper", "Bell-Pepper"],
        ["日本茶", "Käse"],
    ],
    ids=["one", "dots", "long", "alike", "scripts"],
)
def test_labels_of_any_form_are_given_as_written(
    engine: Engine, images: list[EncodedImage], labels: list[str]
) -> None:
    assert {each.label for each in engine.label(images, labels=labels)} <= set(labels)
