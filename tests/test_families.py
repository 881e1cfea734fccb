"""Every family of full-size models through the one loader, on tiny models of the real classes."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import Gemma3Config

from adapters.registry.exporting import merge
from adapters.tune.material import Order
from adapters.tune.run import Run
from adapters.tune.settings import tuning
from assistant.engine import Engine, Sampling, Turn
from assistant.errors import ImageError, InputError, WeightsError
from assistant.families import FAMILIES
from assistant.fingerprint import identify_base
from assistant.images import LoadedImage, open_image
from assistant.llava import load_base
from assistant.prompts import DESCRIBE
from assistant.settings import Settings
from tests import families, tiny

CPU = torch.device("cpu")
QUESTION, AGAIN = "What colour is the dog?", "Describe the picture in a sentence."
SHORT = Sampling(max_tokens=10)
# Pictures of different forms, so that families which cut them make different numbers of tokens.
PICTURES = [open_image(tiny.pixels(1, 60, 40)), open_image(tiny.pixels(2, 30, 45))]


@pytest.fixture(scope="module", params=families.NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def whole(name: str) -> Engine:
    """In float32: in bfloat16 a tie may fall either way."""
    base = load_base(families.directory(name), name, CPU, torch.float32)
    return Engine(base, None, {}, prefix_bytes=2**28)


@pytest.fixture
def engine(whole: Engine) -> Engine:
    whole.forget()
    return whole


def about(*pictures: LoadedImage, text: str = QUESTION) -> list[Turn]:
    return [Turn("user", text, tuple(picture.id for picture in pictures))]


def messages(turns: list[Turn]) -> list[dict[str, Any]]:
    known = {picture.id: picture.pixels for picture in PICTURES}
    return [
        {
            "role": turn.role,
            "content": [
                *({"type": "image", "image": known[id_]} for id_ in turn.images),
                {"type": "text", "text": turn.text},
            ],
        }
        for turn in turns
    ]


def plainly(engine: Engine, turns: list[Turn]) -> tuple[list[int], list[int]]:
    """Prompt and answer as transformers gives them, with the family's own processor."""
    inputs = engine.processor.apply_chat_template(
        messages(turns),
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )
    with torch.inference_mode():
        ids = engine.model.generate(**inputs, max_new_tokens=SHORT.max_tokens, do_sample=False)
    length = inputs["input_ids"].shape[1]
    return ids[0, :length].tolist(), ids[0, length:].tolist()


def test_every_family_is_here() -> None:
    assert set(families.NAMES) == set(FAMILIES)


@pytest.mark.parametrize("shown", [PICTURES[:1], PICTURES[1:], PICTURES], ids=["one", "other", "2"])
def test_it_says_what_the_family_says(engine: Engine, shown: list[LoadedImage]) -> None:
    turns = about(*shown)
    images = engine.encode_images(shown)
    ids, written = plainly(engine, turns)
    prompt = engine.prompts.build(turns, images)
    assert list(prompt.ids) == ids, "also how many tokens stand for each picture"
    answer = engine.generate(turns, images, sampling=SHORT)
    assert answer.text == engine.tokenizer.decode(written, skip_special_tokens=True).strip()
    assert answer.computed == len(ids)


def test_a_picture_is_encoded_once_and_a_stream_says_the_same(engine: Engine) -> None:
    image = engine.encode_image(PICTURES[0])
    assert engine.encode_image(PICTURES[0]) is image
    stream = engine.stream(about(PICTURES[0]), [image], sampling=SHORT)
    pieces = list(stream)
    silent = engine.generate(about(PICTURES[0]), [image], sampling=SHORT)
    assert "".join(pieces).strip() == silent.text
    assert silent.computed == 1, "all but the last token was known"
    # The picture changes the answer: it is not only the words that are read.
    other = engine.encode_image(PICTURES[1])
    assert engine.generate(about(PICTURES[1]), [other], sampling=SHORT).text != silent.text


def test_a_follow_up_reads_only_what_is_new(engine: Engine) -> None:
    """Also where a token stands elsewhere than it is counted."""
    images = engine.encode_images(PICTURES)
    turns = about(*PICTURES)
    first = engine.generate(turns, images, sampling=SHORT)
    more = [*turns, Turn("assistant", first.text), Turn("user", AGAIN)]
    second = engine.generate(more, images, sampling=SHORT)
    whole = len(engine.prompts.build(more, images))
    before = len(engine.prompts.build(turns, images)) + first.tokens
    assert second.reused >= before - 1
    assert second.computed == whole - second.reused
    engine.forget()
    alone = engine.generate(more, engine.encode_images(PICTURES), sampling=SHORT)
    assert (alone.text, alone.computed) == (second.text, whole)


def test_a_second_picture_later_in_the_conversation(engine: Engine) -> None:
    first, second = engine.encode_images(PICTURES)
    turns = about(PICTURES[0])
    answer = engine.generate(turns, [first], sampling=SHORT)
    asked = about(PICTURES[1], text=AGAIN)
    # In words that the tokenizer takes as the model wrote them, so that plain reading is the same.
    more = [*turns, Turn("assistant", "A brown dog."), *asked]
    later = engine.generate(more, [first, second], sampling=SHORT)
    ids, written = plainly(engine, more)
    assert later.computed + later.reused == len(ids)
    assert later.text == engine.tokenizer.decode(written, skip_special_tokens=True).strip()
    assert answer.text


def test_batches_beams_labels_and_gaze_agree_with_one_by_one(engine: Engine) -> None:
    images = engine.encode_images(PICTURES)
    asked = [(about(picture), [image]) for picture, image in zip(PICTURES, images, strict=True)]
    alone = [engine.generate(turns, shown, sampling=SHORT).text for turns, shown in asked]
    together = engine.generate_batch(asked, sampling=SHORT)
    assert [answer.text for answer in together] == alone
    beams = Sampling(max_tokens=6, beams=2)
    one = [engine.generate(turns, shown, sampling=beams).text for turns, shown in asked]
    assert [a.text for a in engine.generate_batch(asked, sampling=beams)] == one
    # Labels that are one token long are as likely as the answer's beginning is.
    labels = ["dog", "grass", "music"]
    scores = engine.label_scores(images, labels=labels).language
    assert scores is not None
    apart = torch.cat([engine.label_scores([image], labels=labels).language for image in images])  # type: ignore[misc]
    assert torch.allclose(scores, apart, atol=1e-3)
    gazes = engine.look(about(PICTURES[0]), PICTURES[:1], "brown dog")
    assert [gaze.word for gaze in gazes] == ["brown", "dog"]
    ranked = engine.describe(images[:1], mode="rerank", seed=1)
    assert ranked[0].tokens


def test_likelihoods_are_those_of_the_plain_forward(engine: Engine) -> None:
    """Two tokens long, so that the second stands behind the prompt in the right place."""
    image = engine.encode_image(PICTURES[0])
    turns = about(PICTURES[0])
    words = "brown dog"
    ids = engine.tokenizer(words, add_special_tokens=False)["input_ids"]
    (chance,) = engine.chances(turns, [words], [image])
    inputs = engine.processor.apply_chat_template(
        messages(turns),
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )
    length = inputs["input_ids"].shape[1]
    more = torch.tensor([ids])
    inputs["input_ids"] = torch.cat([inputs["input_ids"], more], 1)
    inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    if "mm_token_type_ids" in inputs:
        inputs["mm_token_type_ids"] = torch.cat(
            [inputs["mm_token_type_ids"], torch.zeros_like(more)], 1
        )
    engine.model.model.rope_deltas = None
    with torch.inference_mode():
        logits = engine.model(**inputs).logits[0, length - 1 : -1].float().log_softmax(-1)
    expected = logits.gather(-1, more[0][:, None]).sum().exp()
    assert chance == pytest.approx(float(expected), rel=1e-3)


@pytest.mark.parametrize("kind", ["none", "nf4", "int8"])
def test_it_loads_by_its_directory_in_every_precision(name: str, kind: str) -> None:
    engine = Engine.load(
        base=str(families.directory(name)), quantize=kind, settings=Settings(device="cpu")
    )
    layer = engine.model.model.language_model.layers[0].mlp.up_proj
    kinds = {"nf4": "Linear4bit", "int8": "Linear8bitLt"}
    assert type(layer).__name__ == kinds.get(kind, type(layer).__name__)
    images = engine.encode_images(PICTURES)
    first = engine.generate(about(*PICTURES), images, sampling=SHORT)
    assert first.tokens and engine.quantization == kind
    again = engine.generate(about(*PICTURES), images, sampling=SHORT)
    assert again.computed == 1 and again.text == first.text


@dataclass(frozen=True)
class Training:
    """What a training left: its losses, and the folder with pictures and adapter."""

    settings: Settings
    folder: Path
    losses: list[float]
    parts: set[str]

    @property
    def adapter(self) -> str:
        return str(self.folder / "out" / "adapter")

    @property
    def photo(self) -> LoadedImage:
        return open_image(self.folder / "0.png")


@pytest.fixture(scope="module")
def training(name: str, tmp_path_factory: pytest.TempPathFactory) -> Training:
    """LoRA trained as `sightdesk adapters train` does it, on four pictures."""
    folder = tmp_path_factory.mktemp(name)
    rows = []
    for seed, colour in enumerate(("brown", "red", "grey", "black")):
        tiny.pixels(seed, 50, 34).save(folder / f"{seed}.png")
        rows.append({"image": f"{seed}.png", "question": QUESTION, "answer": f"It is {colour}."})
    data = folder / "goods.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    settings = Settings(
        base=str(families.directory(name)),
        data_dir=folder / "data",
        cache_dir=folder / "cache",
        device="cpu",
        quantize="none",
    )
    recipe = tuning(
        "quick",
        overrides={
            "encoder": "frozen", "projector": "frozen", "rank": 4, "alpha": 16, "replay": 0.0,
            "remember": 0.0, "tokens": 128, "language_epochs": 8, "language_rate": 2e-2,
            "warmup": 1, "validations": 1, "held_out": 0.25,
        },
    )  # fmt: skip
    losses: list[float] = []
    (folder / "out").mkdir()
    run = Run(
        Order(data, None, None, folder / "out", recipe, "goods"),
        settings,
        watch=lambda report: losses.append(report.loss),
    )
    run.prepare()
    run.ready()
    parts = set(run.plan().trainable)
    assert run.train()
    return Training(settings, folder, losses, parts)


def test_steps_of_training_lower_the_loss(training: Training) -> None:
    losses = training.losses
    assert len(losses) > 4 and training.parts == {"language model"}
    assert sum(losses[-3:]) / 3 < 0.8 * losses[0], "a few steps on four pictures are enough"


@pytest.mark.parametrize("ground", ["merged into it", "stacked on it"])
def test_an_adapter_answers_on_its_base(training: Training, ground: str) -> None:
    merged = training.adapter if ground == "merged into it" else None
    engine = Engine.load(adapter=merged, settings=training.settings)
    chosen = engine.add_adapter(training.adapter) if merged is None else None
    image = engine.encode_image(training.photo, adapter=chosen)
    said = engine.generate(about(training.photo), [image], sampling=SHORT, adapter=chosen)
    assert "It is" in said.text


@pytest.mark.parametrize("name", ["smolvlm", "qwen3_vl"], indirect=True)
def test_an_adapter_is_merged_into_files_of_four_bits(training: Training, tmp_path: Path) -> None:
    """`merge` itself compares the outputs of what it wrote with those of base and adapter."""
    merged = tmp_path / "merged"
    merge(training.adapter, merged, "nf4", settings=training.settings)
    engine = Engine.load(base=str(merged), settings=training.settings)
    assert engine.quantization == "nf4", "as the files are"
    image = engine.encode_image(training.photo)
    assert engine.generate(about(training.photo), [image], sampling=SHORT).text


def test_what_trains_besides_is_refused(tmp_path: Path) -> None:
    names = [path.name for path in tiny.picture_files(tmp_path, 6)]
    rows = [{"image": name, "question": QUESTION, "answer": "It is brown."} for name in names]
    data = tmp_path / "goods.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    settings = Settings(
        base=str(families.directory("qwen2_vl")), cache_dir=tmp_path / "cache", device="cpu"
    )
    run = Run(Order(data, None, None, tmp_path, tuning("quick"), "goods"), settings)
    with pytest.raises(InputError, match="give --encoder frozen --projector frozen"):
        run.prepare()


def test_another_family_is_refused_in_a_sentence(tmp_path: Path) -> None:
    Gemma3Config().save_pretrained(tmp_path)
    with pytest.raises(WeightsError, match=r"'gemma3' is not supported; give .*Qwen2-VL") as error:
        load_base(tmp_path, "other", CPU, "auto")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["qwen2_vl", "smolvlm", "llava_onevision"], indirect=True)
def test_files_of_a_hub_name_videos_and_other_picture_processors(name: str, tmp_path: Path) -> None:
    """Downloads have these files; neither torchvision nor a video processor is there."""
    folder = Path(shutil.copytree(families.directory(name), tmp_path / name))
    told = json.loads((folder / "processor_config.json").read_text(encoding="utf-8"))
    pictures = told.pop("image_processor")
    kind = pictures["image_processor_type"].removesuffix("Pil")
    pictures |= {"image_processor_type": f"{kind}Fast", "processor_class": "Other"}
    (folder / "preprocessor_config.json").write_text(json.dumps(pictures), encoding="utf-8")
    video = {"video_processor_type": kind.replace("Image", "Video"), "fps": 1}
    (folder / "video_preprocessor_config.json").write_text(json.dumps(video), encoding="utf-8")
    told["video_processor"] = video
    (folder / "processor_config.json").write_text(json.dumps(told), encoding="utf-8")
    base = load_base(folder, name, CPU, torch.float32)
    engine = Engine(base, None, {}, prefix_bytes=0)
    plain = load_base(families.directory(name), name, CPU, torch.float32)
    other = Engine(plain, None, {}, prefix_bytes=0)
    found, expected = (each.encode_image(PICTURES[0]) for each in (engine, other))
    assert torch.equal(found.features, expected.features)


def test_a_picture_of_a_form_that_no_token_grid_has(tmp_path: Path) -> None:
    base = load_base(families.directory("qwen2_vl"), "qwen", CPU, torch.float32)
    engine = Engine(base, None, {}, prefix_bytes=0)
    with pytest.raises(ImageError, match="which this base cannot take"):
        engine.encode_image(open_image(tiny.pixels(1, 2000, 4)))


def test_bases_of_a_family_have_an_identity(name: str) -> None:
    identity = identify_base(families.directory(name), None)
    assert len(identity.fingerprint) == 64 and identity.preprocessing
    assert DESCRIBE["sentence"]
