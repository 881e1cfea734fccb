"""Nothing is computed twice: prefixes, encoded pictures, and beams that share their prompt."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from assistant.engine import Answer, EncodedImage, Engine, Sampling, Stream, Turn, streams
from assistant.engine.caches import ImageCache
from assistant.engine.fast import FastReader
from assistant.engine.prefixes import PrefixCache
from assistant.images import LoadedImage
from assistant.settings import Settings
from tests import tiny

BRIEF = Sampling(max_tokens=12)
QUESTIONS = ("What is it?", "And what colour?", "Is there a dog?", "Are you sure?")


@pytest.fixture(scope="module")
def engine() -> Engine:
    """In float32: in bfloat16 the order of sums may decide a tie."""
    loaded = Engine.load(base=str(tiny.directory()), settings=Settings(device="cpu"))
    loaded.model.float()
    return loaded


@pytest.fixture(scope="module")
def images(engine: Engine) -> list[EncodedImage]:
    return engine.encode_images([tiny.picture(seed) for seed in range(3)])


@pytest.fixture(autouse=True)
def empty(engine: Engine) -> None:
    engine.prefixes.forget()


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of tokens of every reading from now on."""
    lengths: list[int] = []
    read = FastReader.read

    def counting(reader: FastReader, embeds: torch.Tensor) -> torch.Tensor:
        lengths.append(len(embeds))
        return read(reader, embeds)

    monkeypatch.setattr(FastReader, "read", counting)
    return lengths


def idle() -> None:
    """Wait until no thread writes or reads ahead."""
    waited = time.monotonic() + 20
    while any(each.name in (streams.WRITING, streams.AFTER) for each in threading.enumerate()):
        assert time.monotonic() < waited
        time.sleep(0.005)


def conversation(
    engine: Engine, images: list[EncodedImage], *, tenant: str = "", cached: bool = True
) -> list[tuple[str, int, int, int]]:
    """Texts, computed, reused and written tokens of four questions about a picture."""
    turns: list[Turn] = []
    told = []
    for number, question in enumerate(QUESTIONS):
        shown = (images[0].id,) if number == 0 else (images[1].id,) if number == 2 else ()
        turns.append(Turn("user", question, shown))
        if not cached:
            engine.prefixes.forget()
        answer = engine.generate(turns, images, sampling=BRIEF, tenant=tenant)
        told.append((answer.text, answer.computed, answer.reused, answer.tokens))
        turns.append(Turn("assistant", answer.text))
    return told


def test_follow_ups_compute_only_what_is_new(
    engine: Engine, images: list[EncodedImage], monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths = counted(monkeypatch)
    turns = [Turn("user", QUESTIONS[0], (images[0].id,))]
    first = engine.generate(turns, images, sampling=BRIEF)
    assert (first.reused, first.computed) == (0, len(engine.prompts.build(turns, images)))
    assert lengths == [first.computed] + [1] * (first.tokens - (first.finish == "length"))
    before = len(engine.prompts.build(turns, images))
    turns += [Turn("assistant", first.text), Turn("user", QUESTIONS[1])]
    whole = len(engine.prompts.build(turns, images))
    lengths.clear()
    second = engine.generate(turns, images, sampling=BRIEF)
    # Picture, question and answer are there; the answer's last token was written, not read.
    assert second.reused == before + first.tokens - (first.finish == "length")
    assert second.computed == whole - second.reused == lengths[0]


def test_cached_and_uncached_answers_are_the_same(
    engine: Engine, images: list[EncodedImage]
) -> None:
    cached = conversation(engine, images)
    plain = conversation(engine, images, cached=False)
    assert [told[0] for told in cached] == [told[0] for told in plain]
    assert [told[1] + told[2] for told in cached] == [told[1] for told in plain]
    assert all(told[2] == 0 for told in plain)
    assert all(told[2] > told[1] for told in cached[1:2])


def test_an_edited_question_reuses_what_is_before_it(
    engine: Engine, images: list[EncodedImage]
) -> None:
    turns = [Turn("user", "What is it?", (images[0].id,))]
    engine.generate(turns, images, sampling=BRIEF)
    edited = engine.generate(
        [Turn("user", "What colour is it?", (images[0].id,))], images, sampling=BRIEF
    )
    assert edited.reused > tiny.GRID**2, "the picture and the words before the change"
    again = engine.generate(turns, images, sampling=BRIEF)
    assert again.computed == 1, "asked again, only the last token is read for its output"


def test_tenants_and_adapters_are_kept_apart(
    engine: Engine, images: list[EncodedImage], monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = [Turn("user", "What is it?", (images[0].id,))]
    assert engine.generate(turns, images, sampling=BRIEF, tenant="a").reused == 0
    assert engine.generate(turns, images, sampling=BRIEF, tenant="b").reused == 0
    assert engine.generate(turns, images, sampling=BRIEF, tenant="a").reused > 0
    ground = engine.resolve(None)
    monkeypatch.setattr(engine._stack, "ground", replace(ground, revision="another"))
    assert engine.generate(turns, images, sampling=BRIEF, tenant="a").reused == 0
    engine.forget("a")
    monkeypatch.setattr(engine._stack, "ground", ground)
    assert engine.generate(turns, images, sampling=BRIEF, tenant="a").reused == 0
    assert engine.generate(turns, images, sampling=BRIEF, tenant="b").reused > 0


def test_other_pictures_are_not_reused(engine: Engine, images: list[EncodedImage]) -> None:
    texts = []
    for image in images:
        turns = [Turn("user", "What is it?", (image.id,))]
        answer = engine.generate(turns, images, sampling=BRIEF)
        before = engine.prompts.build(turns, images).keys.index(image.id)
        assert answer.reused <= before, "only what stands before the picture"
        texts.append(answer.text)
    assert len(set(texts)) > 1


def test_the_cache_stays_within_its_bytes() -> None:
    cache = PrefixCache(budget=10_000)
    for number in range(20):
        layer = (torch.zeros(1, 1, 10, 10), torch.zeros(1, 1, 10, 10))  # 800 bytes
        cache.put(("", ""), tuple(range(number * 100, number * 100 + 10)), (layer, layer))
        assert cache.size <= 10_000
    assert cache.size == 9_600
    assert cache.longest(("", ""), tuple(range(1900, 1910)))[0] == 10
    assert cache.longest(("", ""), tuple(range(10)))[0] == 0, "the oldest went first"
    huge = torch.zeros(1, 1, 10, 1000)
    cache.put(("", ""), (1, 2), ((huge, huge),))
    assert cache.size == 9_600, "what never fits does not drive the others out"
    assert PrefixCache(0).longest(("", ""), (1,)) == (0, None)


def test_a_longer_conversation_stands_on_its_beginning() -> None:
    cache = PrefixCache(budget=10_000)
    layer = (torch.zeros(1, 1, 2, 1), torch.zeros(1, 1, 2, 1))
    cache.put(("", ""), (1, 2), (layer,))
    longer = (torch.zeros(1, 1, 3, 1), torch.zeros(1, 1, 3, 1))
    cache.put(("", ""), (1, 2, 3), (longer,))
    assert cache.size == 24
    length, layers = cache.longest(("", ""), (1, 2, 9))
    assert length == 2
    assert layers is not None
    assert layers[0][0].shape == (1, 1, 2, 1)


def test_pictures_are_encoded_once(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    encode = engine.encode_anew

    def counting(new: Sequence[LoadedImage], **how: Any) -> list[EncodedImage]:
        seen.append(len(new))
        return encode(new, **how)

    monkeypatch.setattr(engine, "encode_anew", counting)
    first, second = tiny.picture(20), tiny.picture(21)
    both = engine.encode_images([first, second, first])
    assert [image.id for image in both] == [first.id, second.id, first.id]
    assert seen == [2]
    assert engine.encode_image(second).features.equal(both[1].features)
    assert seen == [2]
    engine.encode_image(second, tenant="other")
    assert seen == [2, 1]


def test_the_picture_cache_stays_within_its_bytes() -> None:
    cache = ImageCache(budget=3 * 40)
    for number in range(5):
        cache.put(("", ""), EncodedImage(str(number), torch.zeros(10)))
    assert set(cache.get(("", ""), [str(number) for number in range(5)])) == {"2", "3", "4"}
    cache.get(("", ""), ["2"])
    cache.put(("", ""), EncodedImage("5", torch.zeros(10)))
    assert set(cache.get(("", ""), ["2", "3", "5"])) == {"2", "5"}


def test_an_answer_in_other_tokens_than_the_tokenizers_is_continued_exactly(
    engine: Engine, images: list[EncodedImage]
) -> None:
    ids = [engine.tokenizer.convert_tokens_to_ids(letter) for letter in "dog"]
    engine.prompts.remember("dog", ids)
    turns = [Turn("user", "A?", (images[0].id,)), Turn("assistant", "dog"), Turn("user", "B?")]
    prompt = engine.prompts.build(turns, images)
    text = " ".join(map(str, prompt.ids))
    assert " ".join(map(str, ids)) in text
    assert engine.tokenizer.decode(prompt.ids).count("dog") == 1


def test_a_cancelled_answer_leaves_the_engine_free(
    engine: Engine, images: list[EncodedImage], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine.model.generation_config, "eos_token_id", None)
    stream = engine.stream(
        [Turn("user", "What is it?", (images[0].id,))],
        images,
        sampling=Sampling(max_tokens=900, temperature=2.0, seed=1),
    )
    next(stream)
    threading.Thread(target=stream.close).start()  # as a server does when its client has gone
    rest = list(stream)
    assert stream.answer is not None
    assert stream.answer.finish == "cancelled"
    assert stream.answer.tokens < 900
    assert len(rest) < 900
    follow = engine.generate(
        [Turn("user", "What is it?", (images[0].id,))], images, sampling=Sampling(max_tokens=2)
    )
    assert follow.reused > 0, "what was computed before the stop is kept"


def test_a_stream_that_nobody_reads_any_more_stops(
    engine: Engine, images: list[EncodedImage], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine.model.generation_config, "eos_token_id", None)
    lengths = counted(monkeypatch)
    stream = engine.stream(
        [Turn("user", "What is it?", (images[0].id,))],
        images,
        sampling=Sampling(max_tokens=900, temperature=2.0, seed=1),
    )
    next(stream)
    (worker,) = [each for each in threading.enumerate() if each.name == streams.WRITING]
    del stream
    gc.collect()
    idle()
    assert worker.name == streams.IDLE
    assert 1 < len(lengths) < 900


# --- reading ahead


def asked(engine: Engine, images: list[EncodedImage]) -> list[Turn]:
    """A first question that was answered in a stream, and a second one."""
    turns = [Turn("user", QUESTIONS[0], (images[0].id,))]
    with engine.stream(turns, images, sampling=BRIEF) as stream:
        list(stream)
    idle()
    assert stream.answer is not None
    return [*turns, Turn("assistant", stream.answer.text), Turn("user", QUESTIONS[1])]


def test_after_a_stream_the_next_question_computes_its_own_words_only(
    engine: Engine, images: list[EncodedImage], monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths = counted(monkeypatch)
    turns = asked(engine, images)
    first = list(lengths)
    lengths.clear()
    follow = engine.generate(turns, images, sampling=BRIEF)
    own = engine.tokenizer(f"{QUESTIONS[1]}<|im_end|>\n<|im_start|>assistant\n")["input_ids"]
    assert follow.computed == lengths[0] == len(own)
    assert sum(first) == follow.reused, "everything before it was read, and nothing twice"
    engine.forget()
    plain = engine.generate(turns, images, sampling=BRIEF)
    assert (plain.text, plain.reused) == (follow.text, 0)


@pytest.mark.parametrize(
    "template",
    [
        None,
        "{% for m in messages %}{{ '[INST] ' if m.role == 'user' else '' }}{% for p in m.content %}"
        "{{ '<jupyter_output>' if p.type == 'image' else p.text }}{% endfor %}"
        "{{ ' [/INST]' if m.role == 'user' else '<|endoftext|>' }}{% endfor %}",
        "{% for m in messages %}{% for p in m.content %}{{ p.text }}{% endfor %}{% endfor %}"
        "{% for m in messages %}{% for p in m.content if p.type == 'image' %}"
        "<jupyter_output>{% endfor %}{% endfor %}",
    ],
    ids=["its own", "another", "pictures last"],
)
def test_what_comes_next_is_found_for_any_template(
    engine: Engine,
    images: list[EncodedImage],
    template: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if template is not None:
        monkeypatch.setattr(engine.processor, "chat_template", template)
    assert engine.prompts._image_token in engine.processor.chat_template or template is None
    turns = [Turn("user", "What is it?", (images[0].id,))]
    ahead = engine.prompts.ahead(turns, images, "A dog.")
    if template is not None and template.startswith("{% for m in messages %}{% for"):
        assert ahead is None
        return
    assert ahead is not None
    said = [*turns, Turn("assistant", "A dog.")]
    for question in ("Why?", "2 dogs?", "日本"):
        prompt = engine.prompts.build([*said, Turn("user", question)], images)
        assert prompt.keys[: len(ahead)] == ahead.keys
        assert len(ahead) > len(engine.prompts.build(turns, images))


def test_the_reader_does_not_wait_for_what_is_read_ahead(
    engine: Engine, images: list[EncodedImage], monkeypatch: pytest.MonkeyPatch
) -> None:
    began, go = threading.Event(), threading.Event()

    def slow(*_: object) -> None:
        began.set()
        assert go.wait(20)

    monkeypatch.setattr(engine, "_read_ahead", slow)
    turns = [Turn("user", QUESTIONS[0], (images[0].id,))]
    with engine.stream(turns, images, sampling=BRIEF) as stream:
        assert "".join(stream)
    assert stream.answer is not None
    assert began.wait(20)
    assert engine.generate(turns, images, sampling=BRIEF).text == stream.answer.text
    go.set()
    idle()


def test_nothing_is_read_ahead_while_somebody_has_the_model(
    engine: Engine, images: list[EncodedImage], monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = [Turn("user", QUESTIONS[0], (images[0].id,))]
    answer = engine.generate(turns, images, sampling=BRIEF)
    lengths = counted(monkeypatch)
    ahead = (turns, images, answer.text, engine.resolve(None), "")
    with engine.alone():
        other = threading.Thread(target=engine._read_ahead, args=ahead)
        other.start()
        other.join(20)
        assert not other.is_alive()
    assert lengths == []
    engine._read_ahead(*ahead)
    assert len(lengths) == 1


def test_what_was_forgotten_is_not_read_again(
    engine: Engine, images: list[EncodedImage], monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = [Turn("user", QUESTIONS[0], (images[0].id,))]
    answer = engine.generate(turns, images, sampling=BRIEF)
    ahead = (turns, images, answer.text, engine.resolve(None), "")
    read = FastReader.read

    def forgetting(reader: FastReader, embeds: torch.Tensor) -> torch.Tensor:
        engine.prefixes.forget()  # somebody deletes the conversation just now
        return read(reader, embeds)

    monkeypatch.setattr(FastReader, "read", forgetting)
    engine._read_ahead(*ahead)
    assert engine.prefixes.size == 0
    engine._read_ahead(*ahead)
    assert engine.prefixes.size == 0


@pytest.mark.parametrize(
    "sampling",
    [Sampling(max_tokens=8, beams=2), Sampling(max_tokens=12, stop=("e", "a", "o"))],
    ids=["beams", "stop strings"],
)
def test_nothing_is_read_ahead_of_answers_that_are_not_kept_whole(
    engine: Engine,
    images: list[EncodedImage],
    sampling: Sampling,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ahead: list[object] = []
    monkeypatch.setattr(engine, "_read_ahead", lambda *given: ahead.append(given))
    turns = [Turn("user", QUESTIONS[0], (images[0].id,))]
    list(engine.stream(turns, images, sampling=sampling))
    engine.stream(turns, images, sampling=Sampling(max_tokens=900)).close()
    idle()
    assert not ahead


# --- threads of streams


def answer_of(text: str) -> Answer:
    return Answer(text, 1, 0.0, "stop")


def test_streams_one_after_the_other_share_a_thread() -> None:
    threads = []

    def write(_put: Any, _cancelled: threading.Event) -> Answer:
        threads.append(threading.get_ident())
        return answer_of("")

    for _ in range(5):
        list(Stream(write))
    assert len(set(threads)) == 1


def test_a_stream_inside_anothers_consumption_ends(
    engine: Engine, images: list[EncodedImage]
) -> None:
    turns = [Turn("user", QUESTIONS[0], (images[0].id,))]
    alone = "".join(engine.stream(turns, images, sampling=BRIEF))
    outer = engine.stream(turns, images, sampling=BRIEF)
    found = [next(outer)]
    inner = ["".join(engine.stream(turns, images, sampling=BRIEF)) for _ in range(3)]
    assert [*inner, "".join([*found, *outer])] == [alone] * 4


def test_a_stream_inside_anothers_writing_ends() -> None:
    def inner(put: Any, _cancelled: threading.Event) -> Answer:
        put("in")
        return answer_of("in")

    def outer(put: Any, _cancelled: threading.Event) -> Answer:
        put("".join(Stream(inner)) + "out")
        return answer_of("inout")

    assert list(Stream(outer)) == ["inout"]


def test_many_streams_at_once_leave_few_threads() -> None:
    go = threading.Event()

    def write(put: Any, _cancelled: threading.Event) -> Answer:
        assert go.wait(20)
        put("a")
        return answer_of("a")

    many = [Stream(write) for _ in range(6)]
    go.set()
    assert ["".join(stream) for stream in many] == ["a"] * 6

    def left() -> list[threading.Thread]:
        return [each for each in threading.enumerate() if each.name.startswith("sightdesk-")]

    idle()
    waited = time.monotonic() + 20
    while len(left()) > streams._KEPT and time.monotonic() < waited:
        time.sleep(0.005)
    assert 1 <= len(left()) <= streams._KEPT
    streams._leave()
    assert not left()
    assert list(Stream(write)) == ["a"], "and there are new ones when they are needed"


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_whatever_is_raised_reaches_the_reader_and_the_thread_lives(
    failure: type[BaseException],
) -> None:
    def broken(put: Any, _cancelled: threading.Event) -> Answer:
        put("half ")
        raise failure("no more")

    def write(_put: Any, _cancelled: threading.Event) -> Answer:
        return answer_of(str(threading.get_ident()))

    before = Stream(write)
    list(before)
    stream = Stream(broken)
    assert next(stream) == "half "
    with pytest.raises(failure, match="no more"):
        next(stream)
    with pytest.raises(StopIteration):
        next(stream)
    after = Stream(write)
    list(after)
    assert after.answer == before.answer, "the same thread wrote both"


def test_what_fails_after_an_answer_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    def write(put: Any, _cancelled: threading.Event) -> Answer:
        put("whole")
        return answer_of("whole")

    def broken(_answer: Answer) -> None:
        raise RuntimeError("no memory")

    assert list(Stream(write, broken)) == ["whole"]
    idle()
    assert "no memory" in caplog.text
    assert list(Stream(write)) == ["whole"]


@pytest.mark.parametrize("beams", [2, 4])
@pytest.mark.parametrize("tokens", [1, 3, 24])
@pytest.mark.parametrize("end", [None, 2, 90])
def test_beam_search_finds_what_transformers_finds(
    engine: Engine,
    images: list[EncodedImage],
    beams: int,
    tokens: int,
    end: int | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine.model.generation_config, "eos_token_id", end)
    questions = ("What is it?", "Describe the picture in one sentence, please.", "A dog?")
    prompts = [
        engine.prompts.build([Turn("user", question, (image.id,))], [image])
        for question, image in zip(questions, images, strict=True)
    ]
    ours = engine.search(prompts, Sampling(max_tokens=tokens, beams=beams), answers=beams)
    embeds, mask = engine.padded(prompts)
    rows = engine.model.generate(
        inputs_embeds=embeds, attention_mask=mask, max_new_tokens=tokens, num_beams=beams,
        num_return_sequences=beams, do_sample=False, pad_token_id=0,
    ).tolist()  # fmt: skip
    cut = [tuple(row[: row.index(end)] if end in row else row) for row in rows]
    theirs = [cut[first : first + beams] for first in range(0, len(cut), beams)]
    padded = [[(*ids, *[0] * (tokens - len(ids))) for ids in answers] for answers in ours]
    assert padded == [[(*ids, *[0] * (tokens - len(ids))) for ids in each] for each in theirs]


def test_the_budget_is_a_setting() -> None:
    settings = Settings(device="cpu", prefix_cache_bytes=0)
    without = Engine.load(base=str(tiny.directory()), settings=settings)
    image = without.encode_image(tiny.picture(0))
    turns = [Turn("user", "What is it?", (image.id,))]
    for _ in range(2):
        assert without.generate(turns, [image], sampling=BRIEF).reused == 0
