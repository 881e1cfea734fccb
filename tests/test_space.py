"""The embedded space from its files, other embedders by name, and shorter vectors."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import CLIPConfig, CLIPModel, CLIPProcessor, SiglipConfig, SiglipModel
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from adapters.retrieval.saving import Precision
from assistant.errors import AdapterError, InputError, SightdeskError, WeightsError
from assistant.fingerprint import part_fingerprint
from assistant.onnx_tower import TowerSession
from assistant.settings import Settings
from assistant.space import Calibration, picture_embedder, reduced
from assistant.space.assembling import load_tower
from assistant.space.choosing import embedded_space
from assistant.space.embedding import SentenceSpace
from assistant.space.files import read_space, shipped_space
from assistant.space.modules import grid_features, pixel_values
from assistant.space.packing import packed, unpacked
from assistant.space.reduction import first, fitted
from assistant.vision import EfficientNetLiteConfig, EfficientNetLiteModel, fused
from tests import random_space, tiny
from tests.tiny_space import TinySpace

PHOTO = Path(__file__).parent / "photos" / "Yellow-Bell-Pepper.webp"


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A random space, its base and its text encoder."""
    return random_space.write(tmp_path_factory.mktemp("space"))


@pytest.fixture(scope="module")
def embedder(places: tuple[Path, Path, Path]) -> SentenceSpace:
    space, base, text = places
    return embedded_space(space, "cpu", space, base=base, text=text)


def lengths(vectors: np.ndarray) -> np.ndarray:
    return np.linalg.norm(vectors, axis=1)


# Weights in few bytes


@pytest.mark.parametrize(("bits", "worst"), [(4, 1 / 14), (8, 1 / 254), (16, 2**-11)])
@pytest.mark.parametrize("shape", [(6, 5, 3, 3), (7, 9), (4, 1)])
def test_packing_keeps_values_to_half_a_step(
    bits: Any, worst: float, shape: tuple[int, ...]
) -> None:
    torch.manual_seed(0)
    tensor = torch.randn(shape) * torch.logspace(-6, 2, shape[0]).reshape(
        -1, *[1] * (len(shape) - 1)
    )
    tensor[0] = 0
    stored = packed("x", tensor, bits)
    size = sum(each.numel() * each.element_size() for each in stored.values())
    assert size <= bits / 8 * tensor.numel() + 5 * shape[0]
    found = unpacked("x", stored, tensor.shape)
    rows = (found - tensor).abs().reshape(shape[0], -1).amax(1)
    most = tensor.abs().reshape(shape[0], -1).amax(1)
    assert (rows <= worst * most + 1e-7).all()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda stored: stored.update(x=stored["x"][:, :1].contiguous()),
        lambda stored: stored.update({"x:scale": stored["x:scale"][:1]}),
        lambda stored: stored.update({"x:scale": stored["x:scale"] * float("nan")}),
        lambda stored: stored.update(x=stored["x"].to(torch.int32)),
    ],
)
@pytest.mark.parametrize("bits", [4, 8])
def test_damaged_numbers_are_seen(spoil: Callable[[dict], object], bits: Any) -> None:
    stored = packed("x", torch.randn(3, 4), bits)
    spoil(stored)
    with pytest.raises(ValueError, match=r"shape|type|numbers"):
        unpacked("x", stored, (3, 4))


# The embedded space


def test_pictures_and_texts_are_in_one_space(embedder: SentenceSpace) -> None:
    pictures = [tiny.pixels(seed, 40 + seed, 30) for seed in range(5)]
    shown = embedder.encode_pictures(pictures)
    said = embedder.encode_texts(["a dog", "two men on a bench", ""])
    assert shown.shape == (5, embedder.dimensions) and said.shape == (3, embedder.dimensions)
    assert shown.dtype == said.dtype == np.float32
    assert lengths(shown) == pytest.approx(1, abs=1e-5)
    assert lengths(said) == pytest.approx(1, abs=1e-5)
    assert embedder.encode_pictures([]).shape == embedder.encode_texts([]).shape
    assert np.ptp(shown, axis=0).max() > 0.05, "different pictures, different vectors"
    assert embedder.calibration == Calibration((12.0, -6.0), (20.0, -16.0), 0.5)
    assert embedder.calibration.of_words(shown @ said.T).min() > 0


def test_it_is_a_model_of_sentence_transformers(embedder: SentenceSpace) -> None:
    from sentence_transformers import SentenceTransformer

    model: Any = embedder.model
    assert isinstance(model, SentenceTransformer)
    assert model.get_embedding_dimension() == embedder.dimensions
    assert model.supports("image") and model.supports("text")
    picture = tiny.pixels(1)
    assert model.encode("a dog") == pytest.approx(embedder.encode_texts(["a dog"])[0], abs=1e-6)
    assert model.encode(picture) == pytest.approx(embedder.encode_pictures([picture])[0], abs=1e-6)
    assert float(model.similarity(model.encode("a dog"), model.encode(picture))) <= 1


def test_the_parts_give_what_they_give_one_by_one(
    places: tuple[Path, Path, Path], embedder: SentenceSpace
) -> None:
    space, base, _ = places
    trained = random_space.trained(base)
    tower = fused(load_tower(base))
    stored = load_file(space / "model.safetensors")
    with torch.no_grad():
        for name, parameter in tower.named_parameters():
            if name in trained.tower:
                parameter.add_(unpacked(f"tower.{name}", stored, parameter.shape))
        for name, parameter in trained.head.named_parameters():
            parameter.copy_(unpacked(f"head.{name}", stored, parameter.shape))
        pixels = pixel_values([tiny.pixels(3)], tiny.IMAGE_SIZE)
        vector = trained.head.eval().vector(grid_features(tower, pixels))
    expected = torch.nn.functional.normalize(vector, dim=-1)[0].numpy()
    assert embedder.encode_pictures([tiny.pixels(3)])[0] == pytest.approx(expected, abs=1e-5)


def test_the_quick_tower_is_the_tower() -> None:
    for config in (tiny.tower_config(), EfficientNetLiteConfig()):
        torch.manual_seed(0)
        whole = EfficientNetLiteModel(config)
        for parameter in whole.parameters():
            torch.nn.init.normal_(parameter, std=0.1)
        tower = fused(whole).eval()
        for size in (32, 45):  # odd sides are padded unevenly
            pixels = torch.randn(3, 3, size, size)
            with torch.inference_mode():
                expected = grid_features(tower, pixels)
            found = TowerSession(tower, size, 1)(pixels).flatten(2).transpose(1, 2)
            assert expected.abs().max() > 0
            assert torch.allclose(found, expected, atol=1e-4 * float(expected.abs().max()))


def test_a_copy_works_too(embedder: SentenceSpace) -> None:
    picture = tiny.pixels(3)
    expected = embedder.encode_pictures([picture])[0]
    copied: Any = copy.deepcopy(embedder.model)
    assert copied.encode(picture) == pytest.approx(expected, abs=1e-6)
    with torch.enable_grad():  # on which training would go on
        features = copied.preprocess([picture])
        found = copied(features)["sentence_embedding"][0].detach().numpy()
    assert found == pytest.approx(expected, abs=1e-4)


def test_a_batch_changes_nothing(embedder: SentenceSpace) -> None:
    pictures = [tiny.pixels(seed) for seed in range(20)]
    texts = ["a", "a much longer text about a dog on the grass", "two dogs"] * 30
    one = np.concatenate([embedder.encode_pictures([picture]) for picture in pictures])
    assert embedder.encode_pictures(pictures) == pytest.approx(one, abs=1e-5)
    one = np.concatenate([embedder.encode_texts([text]) for text in texts[:3]])
    assert embedder.encode_texts(texts)[:3] == pytest.approx(one, abs=1e-5)


def test_any_mode_of_pixels_is_taken(embedder: SentenceSpace) -> None:
    grey = Image.new("L", (50, 20), 90)
    found = embedder.encode_pictures([grey, grey.convert("RGB"), grey.convert("RGBA")])
    assert found[0] == pytest.approx(found[1], abs=1e-6) == found[2]
    assert embedder.encode_pictures([Image.new("RGB", (1, 1)), Image.new("RGB", (4000, 3))]).all()


@pytest.mark.parametrize(
    "text", [str(PHOTO), "http://127.0.0.1:9/a.png", "data:image/png;base64,AA"]
)
def test_a_text_is_never_opened(embedder: SentenceSpace, text: str) -> None:
    assert embedder.encode_texts([text]).shape == (1, embedder.dimensions)
    with pytest.raises(InputError, match="is no picture"):
        embedder.model.encode(text)


def test_texts_that_no_tokenizer_takes(embedder: SentenceSpace) -> None:
    found = embedder.encode_texts(["\ud83d", "\0", "狗", "x" * 100_000])
    assert np.isfinite(found).all() and lengths(found) == pytest.approx(1, abs=1e-5)


def test_several_threads_at_once(embedder: SentenceSpace) -> None:
    texts = [f"text number {number} of many" * (number % 5 + 1) for number in range(40)]
    expected = embedder.encode_texts(texts)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda text: embedder.encode_texts([text])[0], texts))
    assert np.array(found) == pytest.approx(expected, abs=1e-5)


def test_its_name_is_its_content(places: tuple[Path, Path, Path], tmp_path: Path) -> None:
    space, _, _ = places
    known = read_space(space).name
    other = shutil.copytree(space, tmp_path / "elsewhere")
    assert read_space(other).name == known
    about = json.loads((other / "space.json").read_text())
    (other / "space.json").write_text(json.dumps({**about, "scores": {"dev": {"t2i_r1": 0.3}}}))
    assert read_space(other).name == known
    (other / "space.json").write_text(
        json.dumps(about | {"text": about["text"] | {"lora_scale": 2}})
    )
    assert read_space(other).name != known
    random_space.write(tmp_path / "fourth", precision=Precision(tower=8))
    assert read_space(tmp_path / "fourth" / "space").name != known


def spoilt_json(**changes: Any) -> Callable[[Path], object]:
    def spoil(folder: Path) -> None:
        file = folder / "space.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | changes))

    return spoil


def spoilt_weights(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], object]:
    def spoil(folder: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file(tensors, folder / "model.safetensors")

    return spoil


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "space.json").unlink(),
        lambda folder: (folder / "model.safetensors").unlink(),
        lambda folder: (folder / "model.safetensors").write_bytes(b"\0" * 100),
        lambda folder: (folder / "space.json").write_bytes(b"[" * 3_000_000),
        lambda folder: (folder / "space.json").write_text("[]"),
        spoilt_json(format=2),
        spoilt_json(dimensions=10**9),
        spoilt_json(novelty=1),
        spoilt_json(calibration={"words": [1e99, 0], "pictures": [1, 0]}),
        spoilt_weights(lambda t: t.update(stranger=torch.zeros(1))),
        spoilt_weights(lambda t: t.update({"head.norm.bias": torch.zeros(16).double()})),
    ],
)  # fmt: skip
def test_a_damaged_space_is_refused_at_the_door(
    places: tuple[Path, Path, Path], tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    folder = shutil.copytree(places[0], tmp_path / "space")
    spoil(folder)
    with pytest.raises(AdapterError, match=r"cannot be used \(.*; restore it from where it came"):
        read_space(folder)


@pytest.mark.parametrize(
    "spoil",
    [
        spoilt_json(dimensions=23),
        spoilt_weights(lambda t: t.pop("head.norm.bias")),
        spoilt_weights(lambda t: t.update({"head.norm.bias": torch.full((16,), float("inf"))})),
        spoilt_weights(lambda t: t.update({"tower.stages.9.weight": torch.zeros(1)})),
        spoilt_weights(lambda t: t.update({"text.spare.lora_b": torch.zeros(1, 1)})),
        spoilt_weights(lambda t: t.update({"head.extra": torch.zeros(1)})),
    ],
)
def test_weights_that_do_not_fit_are_refused(
    places: tuple[Path, Path, Path], tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    folder = shutil.copytree(places[0], tmp_path / "space")
    spoil(folder)
    broken = embedded_space(folder, "cpu", tmp_path, base=places[1], text=places[2])
    with pytest.raises(AdapterError, match="are damaged"):
        broken.encode_texts(["a"])


def test_another_ground_is_told_by_content(places: tuple[Path, Path, Path], tmp_path: Path) -> None:
    space, base, text = places
    other = shutil.copytree(base, tmp_path / "base")
    tensors = load_file(other / "model.safetensors")
    name = next(name for name in tensors if "vision_tower.stem" in name)
    save_file(tensors | {name: tensors[name] + 0.01}, other / "model.safetensors")
    with pytest.raises(AdapterError, match="another vision tower"):
        embedded_space(space, "cpu", tmp_path, base=other, text=text).encode_texts(["a"])
    words = shutil.copytree(text, tmp_path / "text")
    tensors = load_file(words / "model.safetensors")
    name = next(iter(tensors))
    save_file(tensors | {name: tensors[name] + 0.01}, words / "model.safetensors")
    with pytest.raises(AdapterError, match="another text encoder"):
        embedded_space(space, "cpu", tmp_path, base=base, text=words).encode_texts(["a"])
    with pytest.raises(WeightsError, match="cannot be read"):
        part_fingerprint(base, ("nothing like it",))


# By name


def test_the_same_name_is_the_same_object(places: tuple[Path, Path, Path]) -> None:
    settings = Settings(device="cpu", picture_embedder=str(places[0]))
    one = picture_embedder(settings=settings)
    assert one is picture_embedder(str(places[0]), settings)
    assert one.name.startswith("sightdesk-space@") and one.dimensions == random_space.DIMENSIONS
    with pytest.raises(SightdeskError):
        picture_embedder(str(places[0].parent / "nowhere"), settings).encode_texts(["a"])


def test_naming_one_costs_no_torch() -> None:
    code = (
        "import sys; from assistant.space import picture_embedder, reduced; "
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random CLIP in transformers' form."""
    torch.manual_seed(0)
    words = random_space.tokenizer()
    small = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1}
    small["num_attention_heads"] = 2
    text = small | {"vocab_size": len(words), "max_position_embeddings": 24}
    text |= {"bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0}
    vision = small | {"image_size": 32, "patch_size": 16}
    folder = tmp_path_factory.mktemp("models") / "clip"
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=12))
    model.save_pretrained(folder)
    side = {"shortest_edge": 32}
    images = CLIPImageProcessorPil(size=side, crop_size={"height": 32, "width": 32})
    words.model_max_length = 24
    CLIPProcessor(images, words).save_pretrained(folder)
    return folder


def test_a_clip_takes_its_place_by_name(clip: Path) -> None:
    other = picture_embedder(str(clip), Settings(device="cpu"))
    assert other.name.startswith("clip@") and other.dimensions == 12
    shown = other.encode_pictures([tiny.pixels(seed) for seed in range(3)])
    said = other.encode_texts(["a dog", str(PHOTO), "x" * 5_000])
    assert shown.shape == said.shape == (3, 12)
    assert lengths(shown) == pytest.approx(1, abs=1e-5)
    assert lengths(said) == pytest.approx(1, abs=1e-5)
    model = CLIPModel.from_pretrained(clip).eval()
    processor = CLIPProcessor.from_pretrained(clip)
    with torch.no_grad():
        pixels: Any = processor(images=[tiny.pixels(0)], return_tensors="pt")
        expected: Any = model.get_image_features(**pixels)
    vector = getattr(expected, "pooler_output", expected)[0]
    assert shown[0] == pytest.approx((vector / vector.norm()).numpy(), abs=1e-5)


def test_a_clip_as_sentence_transformers_saves_it(clip: Path, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    SentenceTransformer(str(clip), device="cpu").save(str(tmp_path / "saved"))
    saved = picture_embedder(str(tmp_path / "saved"), Settings(device="cpu"))
    plain = picture_embedder(str(clip), Settings(device="cpu"))
    picture = tiny.pixels(4)
    assert saved.name != plain.name
    assert saved.encode_pictures([picture]) == pytest.approx(
        plain.encode_pictures([picture]), abs=1e-6
    )
    calibration = {"words": [50, -12], "pictures": [20, -15], "threshold": 0.4}
    (tmp_path / "saved" / "sightdesk_calibration.json").write_text(json.dumps(calibration))
    fresh = picture_embedder(str(tmp_path / "saved"), Settings(device="cpu"))
    assert fresh.calibration == Calibration((50.0, -12.0), (20.0, -15.0), 0.4)


def test_siglip_brings_its_own_curve(clip: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    plain = {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }
    words = random_space.tokenizer()
    text = plain | {"vocab_size": len(words), "max_position_embeddings": 24, "projection_size": 16}
    config = SiglipConfig(
        text_config=text, vision_config=plain | {"image_size": 32, "patch_size": 16}
    )
    model = SiglipModel(config)
    with torch.no_grad():
        model.logit_scale.fill_(2.0)
        model.logit_bias.fill_(-3.0)
    shutil.copytree(clip, tmp_path / "siglip")
    model.save_pretrained(tmp_path / "siglip")
    other = picture_embedder(str(tmp_path / "siglip"), Settings(device="cpu"))
    assert other.encode_pictures([tiny.pixels(0)]).shape == (1, 16)
    assert other.encode_texts(["a dog"]).shape == (1, 16)
    assert other.calibration.words == pytest.approx((np.exp(2.0), -3.0))


def test_what_is_no_picture_embedder_is_refused(
    clip: Path, places: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    with pytest.raises(WeightsError, match="does not take both pictures and texts"):
        picture_embedder(str(places[2]), Settings(device="cpu")).encode_texts(["a"])
    pickled = shutil.copytree(clip, tmp_path / "pickled")
    torch.save(load_file(pickled / "model.safetensors"), pickled / "pytorch_model.bin")
    (pickled / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"cannot be loaded.*safetensors"):
        picture_embedder(str(pickled), Settings(device="cpu")).encode_texts(["a"])
    coded = shutil.copytree(clip, tmp_path / "coded")
    config = json.loads((coded / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.Own", "AutoModel": "own.Own"}}
    (coded / "config.json").write_text(json.dumps(config))
    (coded / "own.py").write_text("raise SystemExit('this ran')")
    with pytest.raises(WeightsError, match="cannot be loaded"):
        picture_embedder(str(coded), Settings(device="cpu")).encode_texts(["a"])


# Shorter vectors


def test_fitted_axes_keep_cosines_best() -> None:
    rng = np.random.default_rng(0)
    spread = np.diag(2.0 ** -np.arange(16.0))
    vectors = (rng.normal(size=(200, 16)) @ spread).astype(np.float32)
    turn = np.linalg.qr(rng.normal(size=(16, 16)))[0].astype(np.float32)
    vectors = vectors @ turn
    vectors /= lengths(vectors)[:, None]
    whole = vectors @ vectors.T
    short = fitted(vectors, 8)(vectors)
    assert short.shape == (200, 8) and lengths(short) == pytest.approx(1, abs=1e-5)
    assert np.abs(short @ short.T - whole).max() < 0.01
    cut = first(16, 8)(vectors)
    assert np.abs(cut @ cut.T - whole).mean() > 10 * np.abs(short @ short.T - whole).mean()
    assert fitted(vectors, 16)(vectors) @ fitted(vectors, 16)(vectors).T == pytest.approx(
        whole, abs=1e-5
    )


def test_a_reduced_embedder_is_one() -> None:
    whole = TinySpace()
    picture = Image.new("RGB", (8, 8), (220, 30, 30))
    half = reduced(whole, 8)
    assert half.dimensions == 8 and half.name != whole.name
    assert half.encode_pictures([picture]).shape == half.encode_texts(["red"]).shape == (1, 8)
    vectors = np.concatenate(
        [
            whole.encode_texts(
                [f"{a} {b}" for a in ("red", "blue", "green") for b in ("white", "black", "purple")]
            )
        ]
    )
    turned = reduced(whole, 6, fit_to=vectors)
    assert turned.dimensions == 6 and turned.name != reduced(whole, 6).name
    red, blue = turned.encode_texts(["red", "blue"])
    shown = turned.encode_pictures([picture])[0]
    assert shown @ red > shown @ blue
    for wrong in (0, 17):
        with pytest.raises(InputError, match="of 16 dimensions cannot be kept"):
            reduced(whole, wrong)
    with pytest.raises(InputError, match="at least as many vectors"):
        reduced(whole, 12, fit_to=vectors)
    with pytest.raises(InputError, match="finite"):
        fitted(np.full_like(vectors, np.nan), 3)


# What ships


@pytest.mark.weights
@pytest.mark.skipif(not (shipped_space() / "space.json").exists(), reason="not trained yet")
def test_what_ships_finds_a_photo_by_words(photos: Path) -> None:
    from assistant.images import open_image

    files = read_space(shipped_space())
    assert (files.path / "model.safetensors").stat().st_size <= 6_000_000
    assert (files.path / "README.md").is_file()
    space = picture_embedder()
    names = ["Yellow-Bell-Pepper", "Carrots", "Banana", "Watermelon"]
    shown = [photos / f"{name}.webp" for name in names if (photos / f"{name}.webp").exists()]
    vectors = space.encode_pictures([open_image(path).pixels for path in shown])
    said = space.encode_texts([f"photo of {path.stem.replace('-', ' ').lower()}" for path in shown])
    assert ((said @ vectors.T).argmax(1) == np.arange(len(shown))).all()
