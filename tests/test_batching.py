"""One engine for many clients: the same answers as alone, fair, bounded, and nobody's fault."""

from __future__ import annotations

import copy
import gc
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import LlavaConfig, LlavaForConditionalGeneration, Qwen2Config

from assistant.batching import SharedEngine, client
from assistant.batching import steps as stepping
from assistant.chat_model import ChatLlava
from assistant.engine import Constraint, EncodedImage, Engine, Sampling, Stream, Turn
from assistant.engine.fast import FastReader, Llama, can_read
from assistant.engine.streams import Words
from assistant.engine.together import ShelvedReader, Shelves, read_together
from assistant.errors import AdapterError, BusyError, InputError
from assistant.images import LoadedImage
from assistant.llava import Base
from assistant.settings import Settings
from assistant.store import Store
from assistant.tools import Desk, build_tools
from tests import tiny
from tests.stacked import LANGUAGE, POINTWISE, write_stacked

LONG = Sampling(max_tokens=900, stop=("never said",))
SHORT = Sampling(max_tokens=6)
QUESTIONS = ("What is it?", "Describe the picture in one sentence, please.", "A dog?", "Why?")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("data")
    write_stacked(data / "adapters" / "speaks", seed=1)
    write_stacked(data / "adapters" / "other", seed=4, rank_pattern={"q_proj": 3})
    write_stacked(
        data / "adapters" / "both", targets=f"({LANGUAGE})|({POINTWISE})", seed=3, size=0.1
    )
    return data


@pytest.fixture(scope="module")
def engine(folder: Path) -> Engine:
    """In float32: in bfloat16 a tie may fall either way. Its answers end at their length only."""
    loaded = Engine.load(
        base=str(tiny.directory()),
        settings=Settings(device="cpu", quantize="none", data_dir=folder),
    )
    loaded.model.float()
    loaded.model.generation_config.eos_token_id = None
    return loaded


@pytest.fixture
def images(engine: Engine) -> list[EncodedImage]:
    return engine.encode_images([tiny.picture(seed) for seed in range(3)])


@pytest.fixture
def share(engine: Engine) -> Iterator[Callable[..., SharedEngine]]:
    """Makes shared engines of few places, and closes them."""
    made: list[SharedEngine] = []

    def make(batch_size: int = 32, queue_size: int = 64, of: Engine = engine) -> SharedEngine:
        made.append(
            SharedEngine(of, settings=Settings(batch_size=batch_size, queue_size=queue_size))
        )
        return made[-1]

    engine.forget()
    yield make
    for shared in made:
        shared.close(0)
    assert engine.lock.acquire(blocking=False), "somebody still has the model"
    engine.lock.release()


def asked(image: EncodedImage, text: str = QUESTIONS[0]) -> tuple[list[Turn], list[EncodedImage]]:
    return [Turn("user", text, (image.id,))], [image]


def until(met: Callable[[], Any], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.002)


def drained(streams: list[Stream]) -> list[str]:
    return ["".join(stream) for stream in streams]


# --- reading


@st.composite
def texts(draw: st.DrawFn) -> list[list[int]]:
    """The parts of several texts, as each is read step by step; 0 is a step without it."""
    steps = draw(st.integers(1, 5))
    part = st.sampled_from([0, 1, 1, 1, 2, 5, 17, 130, 300])
    return draw(st.lists(st.lists(part, min_size=steps, max_size=steps), min_size=1, max_size=6))


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(texts())
def test_texts_are_read_together_as_each_is_alone(engine: Engine, parts: list[list[int]]) -> None:
    model = engine.model
    llama, shelves = Llama(model), Shelves()
    random = torch.Generator().manual_seed(len(parts))
    alone = [FastReader(model) for _ in parts]
    together = [ShelvedReader(llama, shelves, 40) for _ in parts]
    with torch.inference_mode():
        for counts in zip(*parts, strict=True):
            going = [number for number, count in enumerate(counts) if count]
            if not going:
                continue
            given = [torch.randn(counts[n], 32, generator=random) for n in going]
            expected = torch.cat([alone[n].read(x) for n, x in zip(going, given, strict=True)])
            wanted = [place for place in range(len(going)) if (place + len(parts)) % 3]
            found = read_together(llama, [together[n] for n in going], given, wanted)
            torch.testing.assert_close(
                found, expected[wanted] if wanted else found, atol=2e-4, rtol=2e-4
            )
        for one, other in zip(alone, together, strict=True):
            assert one.length == other.length
            kept, expected_kept = other.kept(), one.kept()
            for layer, same in zip(kept or (), expected_kept or (), strict=True):
                torch.testing.assert_close(layer, same, atol=2e-4, rtol=2e-4)
            again = ShelvedReader(llama, shelves, 40, kept)  # on top of what the cache has
            assert again.length == one.length
            other.leave()
            again.leave()
    shelves.tidy()
    assert shelves.nbytes == 0


def test_what_stood_on_a_place_is_not_seen_by_who_comes_next(engine: Engine) -> None:
    llama, shelves = Llama(engine.model), Shelves()
    with torch.inference_mode():
        broken = ShelvedReader(llama, shelves, 40)
        read_together(llama, [broken], [torch.full((20, 32), torch.nan)], [])
        others = [ShelvedReader(llama, shelves, 40) for _ in range(2)]
        read_together(llama, others, [torch.ones(3, 32)] * 2, [])
        broken.leave()
        others.append(ShelvedReader(llama, shelves, 40))
        parts = [torch.ones(1, 32)] * 3
        found = read_together(llama, others, parts, [0, 1, 2])
    assert found.isfinite().all()


def test_rows_of_different_adapters_are_read_together(engine: Engine) -> None:
    names = [None, "speaks", "other", None, "speaks", "both"]
    adapters = [engine.resolve(name) for name in names]
    texts = [torch.randn(5 + n, 32) for n in range(len(names))]
    with torch.inference_mode():
        expected = []
        for adapter, text in zip(adapters, texts, strict=True):
            with engine.alone(adapter):
                expected.append(FastReader(engine.model).read(text))
        llama, shelves = Llama(engine.model), Shelves()
        readers = [ShelvedReader(llama, shelves, 40) for _ in names]
        keys = [adapter.key for adapter in adapters]
        found = read_together(llama, readers, texts, range(len(names)), keys)
    torch.testing.assert_close(found, torch.cat(expected), atol=2e-4, rtol=2e-4)


# --- answers


def mixed(engine: Engine, pictures: list[LoadedImage]) -> list[dict[str, Any]]:
    """32 requests that have little in common."""
    form = Constraint('start: "It is " ("red" | "green" | "a dog, and not more than that") "."')
    requests = []
    for number in range(32):
        adapter = (None, "speaks", "both", "other")[number % 4]
        shown = [pictures[number % 3]] if number % 5 else [pictures[0], pictures[1]]
        seen = engine.encode_images(shown, adapter=adapter)
        turns = [Turn("user", QUESTIONS[number % 3] * (1 + number % 4), tuple(i.id for i in seen))]
        if number % 7 == 3:
            turns = [Turn("system", "Be brief. " * 30), *turns]
        sampling = Sampling(
            max_tokens=5 + number,
            temperature=(0.0, 1.2, 0.7)[number % 3],
            top_p=0.9 if number % 2 else 1.0,
            seed=number,
            stop=("e",) if number % 8 == 1 else (),
        )
        requests.append(
            {
                "turns": turns,
                "images": seen,
                "sampling": sampling,
                "adapter": adapter,
                "constraint": form if number % 6 == 5 else None,
                "tenant": f"tenant {number % 3}",
            }
        )
    return requests


def test_32_clients_get_what_each_gets_alone(
    engine: Engine, share: Callable[..., SharedEngine]
) -> None:
    requests = mixed(engine, [tiny.picture(seed) for seed in range(3)])
    alone = []
    for request in requests:
        engine.forget()
        alone.append(engine.generate(**request))
    engine.forget()
    shared = share()
    streams = [shared.stream(**request) for request in requests]
    texts = drained(streams)
    for text, stream, expected in zip(texts, streams, alone, strict=True):
        answer = stream.answer
        assert answer is not None
        assert text.strip() == answer.text == expected.text
        assert (answer.tokens, answer.finish) == (expected.tokens, expected.finish)
        assert answer.computed + answer.reused == expected.computed + expected.reused
    load = shared.load()
    assert load.answers_total == 32
    assert load.tokens_total == sum(answer.tokens for answer in alone)
    assert load.largest > 16
    assert load.steps_total < load.tokens_total / 4


def test_a_long_prompt_is_read_between_the_tokens_of_others(
    share: Callable[..., SharedEngine], images: list[EncodedImage]
) -> None:
    shared = share()
    with shared.stream(*asked(images[0]), sampling=LONG) as talking:
        next(talking)
        long = [Turn("user", "What is it? " * 200, (images[1].id,))]
        before = shared.load().steps_total
        answer = shared.generate(long, [images[1]], sampling=SHORT)
        assert shared.load().steps_total - before > answer.computed / 256
        assert talking.answer is None  # it went on meanwhile


def test_a_follow_up_reads_only_what_is_new_and_of_its_own_tenant(
    share: Callable[..., SharedEngine], images: list[EncodedImage]
) -> None:
    shared = share()
    turns, seen = asked(images[0])
    first = shared.generate(turns, seen, sampling=LONG, tenant="a")
    turns += [Turn("assistant", first.text), Turn("user", "Why?")]
    stranger = shared.generate(turns, seen, sampling=SHORT, tenant="b")
    second = shared.generate(turns, seen, sampling=SHORT, tenant="a")
    assert stranger.reused < 20 < first.computed < second.reused
    assert second.text == stranger.text


def test_it_reads_ahead_when_nothing_else_is_to_be_done(
    share: Callable[..., SharedEngine], images: list[EncodedImage]
) -> None:
    shared = share()
    turns, seen = asked(images[0])
    answer = shared.generate(turns, seen, sampling=SHORT)
    prompt = shared.prompts.ahead(turns, seen, answer.text)
    assert prompt is not None
    until(lambda: shared.prefixes.longest(("", ""), prompt.keys)[0] == len(prompt))


def test_a_model_of_another_form_is_read_row_by_row(
    share: Callable[..., SharedEngine], images: list[EncodedImage]
) -> None:
    config: Any = copy.deepcopy(tiny.model().config)
    text = Qwen2Config(
        vocab_size=config.text_config.vocab_size,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.3,
    )
    torch.manual_seed(0)
    model: Any = LlavaForConditionalGeneration(
        LlavaConfig(
            vision_config=config.vision_config,
            text_config=text,
            image_token_index=config.image_token_id,
            image_seq_length=tiny.GRID**2,
            vision_feature_select_strategy="full",
            vision_feature_layer=-1,
        )
    )
    assert not can_read(model)
    base = Base(name="qwen", model=model.eval(), processor=tiny.processor())
    plain = Engine(base, None, {}, prefix_bytes=2**20, settings=Settings())
    seen = plain.encode_images([tiny.picture(0)])
    alone = [plain.generate(*asked(seen[0], text), sampling=SHORT).text for text in QUESTIONS]
    plain.forget()
    shared = share(of=plain)
    streams = [shared.stream(*asked(seen[0], text), sampling=SHORT) for text in QUESTIONS]
    assert [text.strip() for text in drained(streams)] == alone
    talking = shared.stream(*asked(seen[0]), sampling=LONG)
    next(talking)
    talking.close()
    assert talking.answer is not None
    assert talking.answer.finish == "cancelled"


# --- who goes away


def test_who_goes_away_gives_the_place_to_the_next_at_once(
    share: Callable[..., SharedEngine], images: list[EncodedImage]
) -> None:
    shared = share(batch_size=1)
    seconds = []
    for _ in range(3):  # on a machine that does other things as well
        talking = shared.stream(*asked(images[0]), sampling=LONG)
        next(talking)
        behind = shared.stream(*asked(images[1]), sampling=SHORT)
        assert shared.load().waiting == 1
        began = time.monotonic()
        talking.close()
        next(behind)
        seconds.append(time.monotonic() - began)
        assert talking.answer is not None
        assert talking.answer.finish == "cancelled"
        assert list(talking) == []
        list(behind)
    assert min(seconds) < 0.2
    assert shared.load().cancelled_total == 3


@pytest.mark.parametrize("how", ["closed", "forgotten"])
def test_who_goes_away_while_waiting_leaves_the_queue(
    how: str, share: Callable[..., SharedEngine], images: list[EncodedImage]
) -> None:
    shared = share(batch_size=1)
    with shared.stream(*asked(images[0]), sampling=LONG) as talking:
        next(talking)
        behind: Stream | None = shared.stream(*asked(images[1]), sampling=SHORT)
        if how == "closed":
            assert behind is not None
            behind.close()
            assert behind.answer is not None
            assert (behind.answer.text, behind.answer.finish) == ("", "cancelled")
        behind = None
        gc.collect()
        until(lambda: shared.load().waiting == 0)
        assert talking.answer is None


def test_who_goes_away_is_noticed_while_others_have_the_model(
    engine: Engine, share: Callable[..., SharedEngine], images: list[EncodedImage]
) -> None:
    shared = share()
    talking = shared.stream(*asked(images[0]), sampling=LONG)
    next(talking)
    with engine.lock:
        began = time.monotonic()
        talking.close()
        assert time.monotonic() - began < 2
        until(lambda: shared.load().running == 0)
    assert "".join(shared.stream(*asked(images[1]), sampling=SHORT))


# --- fairness and bounds


def test_one_request_does_not_wait_behind_another_clients_twenty(
    share: Callable[..., SharedEngine], images: list[EncodedImage]
) -> None:
    shared = share(batch_size=2)
    token = client.set("many")
    many = [
        shared.stream(*asked(images[0], f"What is {n}?"), sampling=Sampling(max_tokens=40))
        for n in range(20)
    ]
    client.set("one")
    one = shared.stream(*asked(images[1]), sampling=SHORT)
    client.reset(token)
    assert "".join(one)
    assert sum(stream.answer is not None for stream in many) < 6
    drained(many)


def test_tenants_are_clients_where_nobody_says_who_asks(
    share: Callable[..., SharedEngine], images: list[EncodedImage]
) -> None:
    shared = share(batch_size=1)
    many = [
        shared.stream(*asked(images[0]), sampling=Sampling(max_tokens=30), tenant="many")
        for _ in range(10)
    ]
    one = shared.stream(*asked(images[1]), sampling=SHORT, tenant="one")
    assert "".join(one)
    assert sum(stream.answer is not None for stream in many) < 4
    drained(many)


def test_a_full_queue_sends_away_but_not_who_has_nothing_in_it(
    share: Callable[..., SharedEngine], images: list[EncodedImage]
) -> None:
    shared = share(batch_size=1, queue_size=4)
    with shared.stream(*asked(images[0]), sampling=LONG, tenant="a") as talking:
        next(talking)
        waiting = [shared.stream(*asked(images[0]), tenant="a") for _ in range(3)]
        with pytest.raises(BusyError, match="ask again in") as refused:
            shared.stream(*asked(images[0]), tenant="a")
        assert refused.value.retry_after >= 1
        waiting.append(shared.stream(*asked(images[0]), tenant="b"))
        with pytest.raises(BusyError):
            shared.generate(*asked(images[0]), tenant="c")
        assert (shared.load().waiting, shared.load().refused_total) == (4, 2)
        for stream in waiting:
            stream.close()
    assert shared.load().waiting == 0


def test_other_calls_are_bounded_too(
    engine: Engine, share: Callable[..., SharedEngine], images: list[EncodedImage]
) -> None:
    shared = share(queue_size=2)
    threads = []
    with engine.lock:
        for seed in (90, 91):
            threads.append(threading.Thread(target=shared.encode_image, args=(tiny.picture(seed),)))
            threads[-1].start()
        until(lambda: shared.load().working == 2)
        with pytest.raises(BusyError):
            shared.label(images, labels=["apple"])
    for thread in threads:
        thread.join()
    assert shared.label(images, labels=["apple"])


def test_long_conversations_do_not_run_all_at_once(
    share: Callable[..., SharedEngine],
    images: list[EncodedImage],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("assistant.batching.scheduler._ROOM", 100)
    shared = share()
    streams = [shared.stream(*asked(images[0]), sampling=Sampling(max_tokens=50)) for _ in range(3)]
    drained(streams)
    assert shared.load().largest == 1


# --- failures


def test_an_answer_that_fails_is_its_readers_alone(
    share: Callable[..., SharedEngine],
    images: list[EncodedImage],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shared = share()
    expected = shared.generate(*asked(images[0]), sampling=Sampling(max_tokens=30)).text
    add = Words.add
    victims: list[Words] = []

    def fail(self: Words, token: int) -> bool:
        if not victims:
            victims.append(self)
        if self is victims[0] and len(self._ids) > 3:
            raise ValueError("no such word")
        return add(self, token)

    monkeypatch.setattr(Words, "add", fail)
    streams = [shared.stream(*asked(images[0]), sampling=Sampling(max_tokens=30)) for _ in range(4)]
    with pytest.raises(ValueError, match="no such word"):
        list(streams[0])
    assert drained(streams[1:]) == [expected] * 3
    assert list(streams[0]) == []
    assert shared.load().failed_total == 1


def test_a_pass_that_fails_goes_on_one_by_one(
    share: Callable[..., SharedEngine],
    images: list[EncodedImage],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shared = share()
    expected = shared.generate(*asked(images[0]), sampling=SHORT).text
    read = read_together
    bad: list[Any] = []

    def fail(llama: Any, readers: list[Any], *rest: Any) -> torch.Tensor:
        if not bad and len(readers) > 2:
            bad.append(readers[1])
        if bad and bad[0] in readers:
            raise RuntimeError("no memory")
        return read(llama, readers, *rest)

    monkeypatch.setattr(stepping, "read_together", fail)
    streams = [shared.stream(*asked(images[0]), sampling=SHORT) for _ in range(4)]
    said = []
    for stream in streams:
        try:
            said.append("".join(stream))
        except RuntimeError as error:
            assert "no memory" in str(error)
    assert said == [expected] * 3


def test_an_adapter_that_is_dropped_fails_its_own_answers(
    engine: Engine, share: Callable[..., SharedEngine], images: list[EncodedImage]
) -> None:
    shared = share()
    shared.add_adapter("other")
    ground = shared.stream(*asked(images[0]), sampling=LONG)
    gone = shared.stream(*asked(images[0]), sampling=LONG, adapter="other")
    next(ground), next(gone)
    shared.drop_adapter("other")
    with pytest.raises(AdapterError, match="dropped or replaced"):
        list(gone)
    assert ground.answer is None
    ground.close()
    engine.add_adapter("other")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"turns": []}, "question is empty"),
        ({"turns": [Turn("user", "What?", ("0" * 64,))]}, "is not there"),
        ({"constraint": Constraint("nonsense")}, "cannot be used"),
        (
            {"constraint": Constraint('start: "a"'), "sampling": Sampling(beams=2)},
            "cannot follow a form",
        ),
    ],
    ids=["nothing asked", "no such picture", "bad grammar", "beams with a form"],
)
def test_what_cannot_be_asked_is_refused_at_the_door(
    given: dict[str, Any],
    message: str,
    share: Callable[..., SharedEngine],
    images: list[EncodedImage],
) -> None:
    shared = share()
    turns, seen = asked(images[0])
    wanted: dict[str, Any] = {"turns": turns, "images": seen}
    with pytest.raises(InputError, match=message):
        shared.stream(**wanted | given)
    assert shared.load().waiting == 0


# --- other work


def test_all_that_the_engine_does_is_done_between_the_steps(
    engine: Engine, share: Callable[..., SharedEngine], images: list[EncodedImage]
) -> None:
    pictures = [tiny.picture(seed) for seed in range(3)]
    shared = share()
    turns, seen = asked(images[0])
    labels = ["apple", "dog", "banana"]
    expected: dict[str, Any] = {
        "label": engine.label(images, labels=labels),
        "describe": [each.text for each in engine.describe(images)],
        "beam": [each.text for each in engine.describe(images[:1], mode="beam")],
        "chances": engine.chances(turns, ["A", "No"], seen),
        "look": engine.look(turns, pictures[:1], "A dog."),
        "evidence": engine.evidence(images[0]),
        "candidates": len(engine.candidates(images[0], seed=1)),
        "search": engine.generate(turns, seen, sampling=Sampling(beams=3, max_tokens=8)).text,
    }
    talking = shared.stream(turns, seen, sampling=LONG)
    next(talking)
    found: dict[str, Any] = {
        "label": shared.label(images, labels=labels),
        "describe": [each.text for each in shared.describe(images)],
        "beam": [each.text for each in shared.describe(images[:1], mode="beam")],
        "chances": pytest.approx(shared.chances(turns, ["A", "No"], seen), rel=1e-3),
        "look": shared.look(turns, pictures[:1], "A dog."),
        "evidence": shared.evidence(images[0]),
        "candidates": len(shared.candidates(images[0], seed=1)),
        "search": "".join(shared.stream(turns, seen, sampling=Sampling(beams=3, max_tokens=8))),
    }
    talking.close()
    assert [each.label for each in found.pop("label")] == [
        each.label for each in expected.pop("label")
    ]
    assert [each.word for each in found.pop("look")] == [each.word for each in expected.pop("look")]
    assert found == expected
    assert shared.load().working == 0


def test_pictures_of_several_clients_are_encoded_together(
    engine: Engine, share: Callable[..., SharedEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = share()
    encode, sizes = engine.encode_anew, []

    def count(pictures: Any, **options: Any) -> list[EncodedImage]:
        sizes.append(len(pictures))
        if any(picture.id == bad.id for picture in pictures):
            raise MemoryError("too large")
        return encode(pictures, **options)

    bad = tiny.picture(205)
    monkeypatch.setattr(engine, "encode_anew", count)
    found: dict[int, Any] = {}

    def work(seed: int) -> None:
        try:
            found[seed] = shared.encode_image(tiny.picture(seed), tenant=str(seed))
        except MemoryError as error:
            found[seed] = error

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(200, 206)]
    with engine.lock:
        for thread in threads:
            thread.start()
        until(lambda: shared.load().working == 6)
        until(lambda: sum(map(len, shared._seeing._wishes[""].values())) == 6)
    for thread in threads:
        thread.join()
    assert isinstance(found.pop(205), MemoryError)
    assert max(sizes) > 1
    assert len(sizes) < 6
    for seed, seen in found.items():
        (alone,) = encode([tiny.picture(seed)])
        assert seen.id == alone.id
        torch.testing.assert_close(seen.features, alone.features, atol=1e-4, rtol=1e-4)
    assert shared._seeing._wishes == {}


def test_a_batch_is_answered_as_each_question_alone(
    share: Callable[..., SharedEngine], images: list[EncodedImage]
) -> None:
    shared = share(batch_size=2, queue_size=2)
    batch = [asked(images[n % 3], QUESTIONS[n % 4]) for n in range(8)]
    drawn = Sampling(max_tokens=8, temperature=1.0, seed=7)
    names = [None, "speaks"] * 4
    found = shared.generate_batch(batch, sampling=SHORT, adapters=names)
    for (turns, seen), name, answer in zip(batch, names, found, strict=True):
        assert answer.text == shared.generate(turns, seen, sampling=SHORT, adapter=name).text
    same = shared.generate_batch([batch[0]] * 3, sampling=drawn)
    assert same[0].text == shared.generate(*batch[0], sampling=drawn).text
    assert len({answer.text for answer in same}) > 1
    assert shared.generate_batch([]) == []
    with pytest.raises(InputError, match="give one"):
        shared.generate_batch(batch, adapters=["speaks"])
    beams = shared.generate_batch(batch[:2], sampling=Sampling(beams=2, max_tokens=4))
    assert len(beams) == 2


def test_what_it_does_not_have_is_the_engines(
    engine: Engine, share: Callable[..., SharedEngine]
) -> None:
    shared = share()
    assert shared.name == engine.name
    assert shared.tokenizer is engine.tokenizer
    assert shared.choices() == engine.choices()
    assert shared.has("speaks")
    shared.adapter = "speaks"
    assert engine.adapter == "speaks"
    assert shared.resolve(None).name == "speaks"
    shared.adapter = None
    with pytest.raises(AttributeError):
        _ = shared.no_such_thing


def test_the_chat_model_and_the_tools_work_on_it(
    share: Callable[..., SharedEngine],
) -> None:
    shared = share()
    model = ChatLlava(engine=shared, max_tokens=5)
    said = model.invoke("What is it?").text
    assert said == "".join(piece.text for piece in model.stream("What is it?")).strip()
    known = Settings()
    with Store.open(known) as store:
        desk = Desk(shared, store, None, known)  # type: ignore[arg-type]
        picture = store.put_image(tiny.picture(1), name="it.png")
        (tool,) = build_tools(desk, names=["describe_image"])
        assert tool.invoke({"image": picture.id})
    assert shared.load().answers_total > 2


# --- its life


def test_close_lets_end_what_runs_and_takes_nothing_new(
    share: Callable[..., SharedEngine], images: list[EncodedImage]
) -> None:
    shared = share(batch_size=1)
    streams = [shared.stream(*asked(images[0]), sampling=Sampling(max_tokens=60)) for _ in range(3)]
    closing = threading.Thread(target=shared.close, args=(20,))
    closing.start()
    until(lambda: shared.load().closing)
    for ask in (shared.stream, shared.generate):
        with pytest.raises(BusyError, match="being stopped"):
            ask(*asked(images[0]))
    with pytest.raises(BusyError, match="being stopped"):
        shared.label(images, labels=["a"])
    closing.join()
    assert all(drained(streams))
    assert {stream.answer.finish for stream in streams if stream.answer} == {"length"}


def test_close_lets_calls_end_that_ask_for_answers_themselves(
    engine: Engine, share: Callable[..., SharedEngine], images: list[EncodedImage]
) -> None:
    shared = share()
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.extend(shared.describe(images)))
    with engine.lock:  # it has begun, and cannot end
        thread.start()
        until(lambda: shared.load().working == 1)
        closing = threading.Thread(target=shared.close)
        closing.start()
        until(lambda: shared.load().closing)
    closing.join()
    thread.join()
    assert len(found) == len(images)


def test_what_takes_longer_than_the_grace_is_cancelled_or_handed_back(
    share: Callable[..., SharedEngine], images: list[EncodedImage]
) -> None:
    shared = share(batch_size=1)
    running = shared.stream(*asked(images[0]), sampling=Sampling(max_tokens=4000))
    next(running)
    waiting = shared.stream(*asked(images[1]))
    began = time.monotonic()
    shared.close(grace_s=0.1)
    assert time.monotonic() - began < 5
    list(running)
    assert running.answer is not None
    assert running.answer.finish == "cancelled"
    with pytest.raises(BusyError, match="ask again"):
        list(waiting)
    shared.close()  # a second time does nothing
    assert shared.load().running == shared.load().waiting == 0


def test_who_forgets_it_leaves_no_thread_behind(engine: Engine, images: list[EncodedImage]) -> None:
    before = threading.active_count()
    shared = SharedEngine(engine, settings=Settings())
    assert shared.generate(*asked(images[0]), sampling=SHORT).text
    assert threading.active_count() == before + 1
    del shared
    gc.collect()
    until(lambda: threading.active_count() == before)


def test_it_sleeps_when_nobody_asks(
    share: Callable[..., SharedEngine], images: list[EncodedImage]
) -> None:
    shared = share()
    shared.generate(*asked(images[0]), sampling=Sampling(max_tokens=4, stop=("x",)))
    time.sleep(0.05)
    before = time.process_time()
    time.sleep(0.3)
    assert time.process_time() - before < 0.05


def test_memory_stays_flat_over_hundreds_of_requests(
    share: Callable[..., SharedEngine], images: list[EncodedImage]
) -> None:
    shared = share(batch_size=8)
    chance = torch.Generator().manual_seed(0)

    def ask(count: int) -> None:
        for start in range(0, count, 20):
            streams = [
                shared.stream(
                    *asked(images[n % 3], f"What is {n}? " * (1 + n % 9)),
                    sampling=Sampling(max_tokens=1 + n % 7),
                    tenant=str(n % 5),
                )
                for n in range(start, start + 20)
            ]
            for stream in streams:
                if int(torch.randint(0, 5, (), generator=chance)) == 0:
                    stream.close()
                else:
                    list(stream)
        shared.forget()
        gc.collect()

    process = psutil.Process()
    ask(100)
    before = process.memory_info().rss
    ask(400)
    assert process.memory_info().rss - before < 24 * 2**20
    until(lambda: shared._scheduler._steps._shelves.nbytes == 0)
    load = shared.load()
    assert load.answers_total + load.cancelled_total == 500
    assert load.failed_total == 0
