"""The prefix cache: blocks that conversations share, whose they are, files for the next start."""

from __future__ import annotations

import itertools
import json
import shutil
import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

from assistant.chat_model.voices import Voices
from assistant.desk_prompts import ToolLine, decision_system
from assistant.engine import Engine, Sampling, Turn
from assistant.engine.blocks import BLOCK
from assistant.engine.caches import Keys, Layers
from assistant.engine.prefix_files import PrefixFiles, Shape
from assistant.engine.prefixes import PrefixCache
from assistant.settings import Settings
from tests import tiny

BRIEF = Sampling(max_tokens=12)
RULES = "You run a support desk. Answer what is asked, in one sentence, and call nobody names."
SYSTEM = [Turn("system", RULES)]
BIG = 2**30
TOKEN = 2 * 2 * 3 * 4 + 2 * 1 * 5 * 4  # bytes of a token in `layers_of`


def layers_of(keys: Keys, dtype: torch.dtype = torch.float32) -> Layers:
    """Two layers of different shapes whose numbers tell the whole text up to each token."""
    told = [float(zlib.crc32(repr(keys[: end + 1]).encode()) % 997) for end in range(len(keys))]
    row = torch.tensor(told, dtype=dtype)[None, None, :, None]
    first = row + torch.arange(2, dtype=dtype)[None, :, None, None]
    second = (row + 1000).expand(1, 1, len(keys), 5)
    wide = first.expand(1, 2, len(keys), 3)
    return (wide, wide + 2000), (second, -second)


def same(found: Layers | None, expected: Layers) -> bool:
    assert found is not None
    pairs = zip(itertools.chain(*found), itertools.chain(*expected), strict=True)
    return all(one.equal(other) and one.dtype == other.dtype for one, other in pairs)


def common(first: Keys, second: Keys) -> int:
    pairs = enumerate(zip(first, second, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(first), len(second)))


@dataclass
class Plain:
    """What a cache without bounds must know, kept in the simplest way."""

    texts: dict[str, set[Keys]] = field(default_factory=dict)
    registered: set[Keys] = field(default_factory=set)
    shared: set[Keys] = field(default_factory=set)

    def put(self, tenant: str, keys: Keys) -> None:
        self.texts.setdefault(tenant, set()).add(keys)
        self.shared |= {its for its in self.registered if keys[: len(its)] == its}

    def longest(self, tenant: str, keys: Keys) -> int:
        known = self.texts.get(tenant, set()) | self.shared
        return max((common(text, keys) for text in known), default=0)

    def all(self) -> set[Keys]:
        """The texts of all tenants."""
        return set().union(*self.texts.values())

    def tokens(self) -> int:
        """Different beginnings of all texts, each tenant's apart from what all share."""
        everybody = {text[:end] for text in self.shared for end in range(1, len(text) + 1)}
        found = len(everybody)
        for texts in self.texts.values():
            own = {text[:end] for text in texts for end in range(1, len(text) + 1)}
            found += len(own - everybody)
        return found


STEMS = [tuple(range(start, start + 100)) for start in (0, 0, 500)]
TEXT = st.builds(
    lambda stem, cut, tail: STEMS[stem][:cut] + tuple(tail),
    st.integers(0, 2),
    st.integers(0, 100),
    st.lists(st.sampled_from([7, 8, "picture"]), max_size=40),
).filter(bool)
TENANT = st.sampled_from(["", "a", "b"])
DOING = st.one_of(
    st.tuples(st.just("put"), TENANT, TEXT),
    st.tuples(st.just("look"), TENANT, TEXT),
    st.tuples(st.just("forget"), TENANT, st.just(())),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(TEXT, max_size=2), st.lists(DOING, max_size=25))
def test_it_knows_what_a_plain_list_of_texts_knows(
    registered: list[Keys], doing: list[tuple[str, str, Keys]]
) -> None:
    cache, plain = PrefixCache(BIG), Plain()
    for keys in registered:
        cache.share("x", keys)
        plain.registered.add(keys)
    for what, tenant, keys in doing:
        if what == "put":
            cache.put(("x", tenant), keys, layers_of(keys))
            plain.put(tenant, keys)
        elif what == "forget":
            cache.forget(tenant)
            plain.texts.pop(tenant, None)
        length, found = cache.longest(("x", tenant), keys)
        assert length == plain.longest(tenant, keys)
        assert (found is None) == (length == 0)
        if length:
            assert same(found, layers_of(keys[:length]))
        assert cache.longest(("y", tenant), keys) == (0, None), "another adapter's"
        # A tenant's text may have been there before what it begins with was whole for all.
        partly = any(0 < common(text, its) < len(its) for text in plain.all() for its in registered)
        assert cache.size >= plain.tokens() * TOKEN
        if not partly:
            assert cache.size == plain.tokens() * TOKEN


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 150), st.lists(TEXT, max_size=1), st.lists(st.tuples(TENANT, TEXT), max_size=20)
)
def test_it_never_takes_more_than_its_bytes(
    tokens: int, registered: list[Keys], texts: list[tuple[str, Keys]]
) -> None:
    cache, plain = PrefixCache(tokens * TOKEN + 3), Plain(registered=set(registered))
    for keys in registered:
        cache.share("x", keys)
    for tenant, keys in texts:
        before = cache.size
        cache.put(("x", tenant), keys, layers_of(keys))
        plain.put(tenant, keys)
        assert cache.size <= cache.budget
        if len(keys) > tokens:
            assert cache.size == before, "what never fits does not drive the others out"
        for whose, known in texts:
            length, found = cache.longest(("x", whose), known)
            assert length <= plain.longest(whose, known)
            assert not length or same(found, layers_of(known[:length]))
    cache.forget()
    assert cache.size == 0


def test_conversations_share_the_blocks_of_their_beginning() -> None:
    cache = PrefixCache(BIG)
    system = tuple(range(300))
    cache.share("x", system)
    for number in range(20):
        keys = (*system, *range(1000 * (number + 1), 1000 * (number + 1) + 10))
        cache.put(("x", f"tenant {number}"), keys, layers_of(keys))
    assert cache.size == (300 + 20 * 10) * TOKEN
    own = PrefixCache(BIG)
    for number in range(20):  # one tenant's threads share without any registration
        keys = (*system, *range(1000 * (number + 1), 1000 * (number + 1) + 10))
        own.put(("x", "a"), keys, layers_of(keys))
    assert own.size == cache.size


def test_what_was_used_longest_ago_goes_first_and_never_what_others_stand_on() -> None:
    cache = PrefixCache(100 * TOKEN)
    system = tuple(range(40))
    for number in (1, 2, 3):
        keys = (*system, *range(1000 * number, 1000 * number + 20))
        cache.put(("x", ""), keys, layers_of(keys))
    assert cache.size == 100 * TOKEN
    cache.longest(("x", ""), (*system, 1000))  # the first is used again
    keys = (*system, *range(4000, 4020))
    cache.put(("x", ""), keys, layers_of(keys))
    lengths = [
        cache.longest(("x", ""), (*system, *range(1000 * number, 1000 * number + 20)))[0]
        for number in (1, 2, 3, 4)
    ]
    assert lengths == [60, 40, 60, 60]


def test_a_tail_grows_within_its_block() -> None:
    cache = PrefixCache(BIG)
    keys = tuple(range(BLOCK + 7))
    for end in (5, 11, BLOCK, BLOCK + 7):
        cache.put(("x", ""), keys[:end], layers_of(keys[:end]))
        assert cache.size == end * TOKEN
    length, found = cache.longest(("x", ""), (*keys[: BLOCK - 2], 9999))
    assert length == BLOCK - 2, "it may end within a block"
    assert same(found, layers_of(keys[: BLOCK - 2]))
    assert len(cache._tree._order) == 2


@pytest.mark.parametrize("length", [3, BLOCK, 70])
def test_what_comes_out_is_a_copy_and_what_goes_in_is_copied(length: int) -> None:
    cache = PrefixCache(BIG)
    keys = tuple(range(length))
    given_in = tuple((k.clone(), v.clone()) for k, v in layers_of(keys))
    cache.put(("x", ""), keys, given_in)
    for tensor in itertools.chain(*given_in):
        tensor.zero_()
    for _ in range(2):
        _, found = cache.longest(("x", ""), keys)
        assert same(found, layers_of(keys))
        assert found is not None
        for tensor in itertools.chain(*found):
            tensor.fill_(7)


def test_a_shared_beginning_is_there_whole_or_not_at_all() -> None:
    """A part of it would tell where somebody's text parts from it."""
    cache = PrefixCache(BIG)
    system = tuple(range(50))
    cache.share("x", system)
    near = (*system[:40], 99, 98)
    cache.put(("x", "a"), near, layers_of(near))
    assert cache.longest(("x", "b"), system)[0] == 0
    assert cache.longest(("x", "b"), near)[0] == 0
    whole = (*system, 77, 78)
    cache.put(("x", "a"), whole, layers_of(whole))
    assert cache.longest(("x", "b"), whole)[0] == 50, "and not the question behind it"
    assert cache.longest(("x", "b"), near)[0] == 40
    cache.forget("a")
    assert cache.longest(("x", "b"), whole)[0] == 50
    assert cache.longest(("x", "a"), near)[0] == 40
    cache.forget()
    assert cache.longest(("x", "b"), whole)[0] == 0


def test_what_was_forgotten_meanwhile_stays_so() -> None:
    cache = PrefixCache(BIG)
    system, keys = tuple(range(20)), tuple(range(60))
    cache.share("x", system)
    cache.put(("x", "a"), keys[:50], layers_of(keys[:50]))
    cache.put(("x", "a"), keys, layers_of(keys), grown_from=50)
    assert cache.longest(("x", "a"), keys)[0] == 60
    cache.forget("a")
    cache.put(("x", "a"), keys, layers_of(keys), grown_from=50)
    assert cache.longest(("x", "a"), keys)[0] == 20, "only what is everybody's"


def test_tensors_of_another_model_take_the_place_of_the_old_ones() -> None:
    cache = PrefixCache(BIG)
    keys = tuple(range(40))
    cache.put(("x", ""), keys, layers_of(keys))
    cache.put(("x", ""), keys[:10], layers_of(keys[:10], torch.float64))
    length, found = cache.longest(("x", ""), keys)
    assert (length, cache.size) == (10, 10 * 2 * TOKEN)
    assert same(found, layers_of(keys[:10], torch.float64))
    uneven = ((torch.zeros(1, 1, 3, 2), torch.zeros(1, 1, 2, 2)),)
    cache.put(("y", ""), (1, 2, 3), uneven)
    assert cache.longest(("y", ""), (1, 2, 3)) == (0, None), "no beginning can be cut from these"


def test_many_threads_at_once() -> None:
    cache = PrefixCache(400 * TOKEN)
    system = tuple(range(60))
    cache.share("x", system)
    wrong: list[object] = []

    def work(tenant: str) -> None:
        try:
            for number in range(60):
                own = range(1000 + number % 7, 1000 + number % 7 + 30)
                keys = (*system, *(value * ord(tenant) for value in own))
                length, found = cache.longest(("x", tenant), keys)
                if length and not same(found, layers_of(keys[:length])):
                    wrong.append((tenant, number))
                cache.put(("x", tenant), keys, layers_of(keys))
                if number % 20 == 19:
                    cache.forget(tenant)
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(tenant,)) for tenant in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert cache.size <= cache.budget


# --- files

KEYS: Keys = tuple(range(3, 40))
SHAPE = Shape(2, 3, 4, torch.bfloat16, torch.device("cpu"))


def tensors(length: int = len(KEYS), shape: Shape = SHAPE) -> Layers:
    torch.manual_seed(0)
    sides = 1, shape.heads, length, shape.width
    return tuple(
        (torch.randn(sides).to(shape.dtype), torch.randn(sides).to(shape.dtype))
        for _ in range(shape.layers)
    )


def files(folder: Path, shape: Shape = SHAPE, **about: str) -> PrefixFiles:
    return PrefixFiles(folder / "prefixes", lambda: {"content": "c", **about}, lambda: shape)


def only_file(folder: Path) -> Path:
    (path,) = (folder / "prefixes").iterdir()
    return path


def test_a_beginning_outlives_its_process_bit_by_bit(tmp_path: Path) -> None:
    assert files(tmp_path).read("r", KEYS) is None
    assert files(tmp_path).write("r", KEYS, tensors())
    assert same(files(tmp_path).read("r", KEYS), tensors())
    assert files(tmp_path).write("r", KEYS, tensors())
    assert only_file(tmp_path).suffix == ".safetensors"


@pytest.mark.parametrize(
    "other",
    [
        lambda folder: files(folder).read("another", KEYS),
        lambda folder: files(folder).read("r", KEYS[:-1]),
        lambda folder: files(folder).read("r", (*KEYS[:-1], "39")),
        lambda folder: files(folder, content="d").read("r", KEYS),
        lambda folder: files(folder, quantization="nf4").read("r", KEYS),
        lambda folder: files(folder, Shape(2, 3, 4, torch.float32, SHAPE.device)).read("r", KEYS),
        lambda folder: files(folder, Shape(3, 3, 4, torch.bfloat16, SHAPE.device)).read("r", KEYS),
    ],
    ids=["adapter", "length", "keys", "content", "quantization", "dtype", "layers"],
)
def test_nothing_else_reads_it(tmp_path: Path, other: Callable[[Path], Layers | None]) -> None:
    files(tmp_path).write("r", KEYS, tensors())
    assert other(tmp_path) is None
    assert same(files(tmp_path).read("r", KEYS), tensors()), "and it is still there"


def test_another_release_of_a_library_reads_it_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files(tmp_path).write("r", KEYS, tensors())
    monkeypatch.setattr("assistant.engine.prefix_files._versions", lambda: {"torch": "1.0"})
    assert files(tmp_path).read("r", KEYS) is None


def _rewritten(path: Path, whole: torch.Tensor, **changed: str) -> None:
    with safe_open(path, framework="pt") as file:
        told = file.metadata()
    content = bytes(whole.contiguous().view(torch.uint8).flatten().tolist())
    told |= {"sum": f"{zlib.crc32(content):08x}"} | changed
    save_file({"keys and values": whole.contiguous()}, path, told)


def _flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-5] ^= 4
    path.write_bytes(content)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:-9]),
    "garbage": lambda path: path.write_bytes(b"\xff" * 5000),
    "a bit": _flipped,
    "too long a header": lambda path: path.write_bytes(b"\xff" * 8 + path.read_bytes()),
    "shorter": lambda path: _rewritten(path, torch.zeros(4, 3, 36, 4, dtype=torch.bfloat16)),
    "flat": lambda path: _rewritten(path, torch.zeros(8, dtype=torch.bfloat16)),
    "dtype": lambda path: _rewritten(path, torch.zeros(4, 3, 37, 4)),
    "odd": lambda path: _rewritten(path, torch.zeros(3, 3, 37, 4, dtype=torch.bfloat16)),
    "of something else": lambda path: _rewritten(
        path, torch.zeros(4, 3, 37, 4, dtype=torch.bfloat16), about=json.dumps({"form": 1})
    ),
    "another name inside": lambda path: save_file({"x": torch.zeros(3)}, path),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_what_is_damaged_or_somebody_elses_is_written_anew(
    tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    files(tmp_path).write("r", KEYS, tensors())
    damage(only_file(tmp_path))
    assert files(tmp_path).read("r", KEYS) is None
    assert files(tmp_path).write("r", KEYS, tensors())
    assert same(files(tmp_path).read("r", KEYS), tensors())


def test_a_folder_that_is_none_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "prefixes").write_text("a file")
    assert files(tmp_path).read("r", KEYS) is None
    assert not files(tmp_path).write("r", KEYS, tensors())
    other = tmp_path / "other"
    files(other).write("r", KEYS, tensors())
    path = only_file(other)
    path.unlink()
    path.mkdir()  # in the file's place
    assert files(other).read("r", KEYS) is None
    assert not files(other).write("r", KEYS, tensors())
    assert [each.name for each in path.parent.iterdir()] == [path.name], "nothing half written"


def test_tensors_of_another_shape_are_not_written(tmp_path: Path) -> None:
    assert not files(tmp_path).write("r", KEYS, tensors(len(KEYS) + 1))
    assert not files(tmp_path).write("r", (), ())
    assert not (tmp_path / "prefixes").exists()


def test_the_folder_stays_within_its_bytes(tmp_path: Path) -> None:
    files(tmp_path).write("0", KEYS, tensors())
    size = only_file(tmp_path).stat().st_size
    for number in range(1, 6):
        few = PrefixFiles(
            tmp_path / "prefixes", lambda: {"content": "c"}, lambda: SHAPE, 3 * size + 50
        )
        few.write(str(number), KEYS, tensors())
        few.read("0", KEYS)  # used, so that it stays
    kept = [files(tmp_path).read(str(number), KEYS) is not None for number in range(6)]
    assert kept.count(True) == 3
    assert kept[0] and kept[5]
    none = PrefixFiles(tmp_path / "none", lambda: {"content": "c"}, lambda: SHAPE, 100)
    assert not none.write("r", KEYS, tensors()), "what never fits is not written"


def test_a_file_is_read_once_and_written_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    for name in ("read", "write"):
        real = getattr(PrefixFiles, name)

        def noting(self: PrefixFiles, *args: object, real=real, name=name) -> object:  # type: ignore[no-untyped-def]
            done.append(name)
            return real(self, *args)

        monkeypatch.setattr(PrefixFiles, name, noting)

    def opened() -> PrefixCache:
        done.clear()
        cache = PrefixCache(BIG, files(tmp_path))
        cache.share("r", KEYS)
        return cache

    text = (*KEYS, 1, 2, 3)
    cache = opened()
    for _ in range(3):
        assert cache.longest(("r", "a"), (99,)) == (0, None)
        assert done == []
    for _ in range(3):
        assert cache.longest(("r", "a"), text) == (0, None)
    for tenant in "ab":
        cache.put(("r", tenant), text, tensors(len(text)))
    cache.settle()
    assert done == ["read", "write"]
    cache = opened()
    for tenant in "abc":
        length, found = cache.longest(("r", tenant), text)
        assert length == len(KEYS)
        expected = tuple(
            (k[:, :, : len(KEYS)], v[:, :, : len(KEYS)]) for k, v in tensors(len(text))
        )
        assert same(found, expected)
    cache.put(("r", "a"), text, tensors(len(text)))
    cache.settle()
    assert done == ["read"]
    cache.forget()
    assert cache.longest(("r", "b"), text)[0] == len(KEYS), "it comes back from its file"


# --- the engine


def load(cache: Path) -> Engine:
    engine = Engine.load(
        base=str(tiny.directory()), settings=Settings(device="cpu", cache_dir=cache)
    )
    engine.model.float()
    return engine


def ask(engine: Engine, tenant: str, question: str = "What is it?") -> tuple[str, int]:
    turns = [*SYSTEM, Turn("user", question)]
    answer = engine.generate(turns, sampling=BRIEF, tenant=tenant)
    return answer.text, answer.reused


def test_tenants_share_what_is_registered_and_the_next_process_too(tmp_path: Path) -> None:
    plain = load(tmp_path / "plain")
    questions = ["What is it?", "And what colour?", "What, is it?"]
    expected = []
    for question in questions:
        plain.forget()
        expected.append(ask(plain, "a", question)[0])
    assert not (tmp_path / "plain" / "prefixes").exists(), "nothing is kept that is not registered"

    engine = load(tmp_path)
    assert ask(engine, "a") == (expected[0], 0)
    assert ask(engine, "b")[1] == 0, "a system message of a client's own is its secret"
    engine.forget()
    count = engine.share_beginning(SYSTEM)
    assert count == engine.share_beginning(SYSTEM) > 20
    assert ask(engine, "a") == (expected[0], 0), "registering computes nothing"
    told = [
        ask(engine, tenant, question) for tenant, question in zip("bcd", questions, strict=True)
    ]
    assert told == [(text, count) for text in expected]
    engine.prefixes.settle()

    again = load(tmp_path)
    assert ask(again, "d")[1] == 0, "nobody has registered it there"
    again.forget()
    again.share_beginning(SYSTEM)
    assert ask(again, "d", questions[1]) == (expected[1], count)
    assert ask(again, "e", questions[2]) == (expected[2], count)


def test_other_weights_find_no_file(tmp_path: Path) -> None:
    engine = load(tmp_path)
    engine.share_beginning(SYSTEM)
    ask(engine, "")
    engine.prefixes.settle()
    assert len(list((tmp_path / "prefixes").iterdir())) == 1
    folder = tmp_path / "other"
    shutil.copytree(tiny.directory(), folder)
    tiny.model(seed=1).save_pretrained(folder)
    other = Engine.load(base=str(folder), settings=Settings(device="cpu", cache_dir=tmp_path))
    other.model.float()
    other.share_beginning(SYSTEM)
    assert ask(other, "")[1] == 0


def test_a_broken_folder_is_as_none(tmp_path: Path) -> None:
    (tmp_path / "prefixes").write_text("a file")
    engine = load(tmp_path)
    engine.share_beginning(SYSTEM)
    text, reused = ask(engine, "a")
    assert reused == 0
    engine.prefixes.settle()
    assert ask(engine, "b")[1] > 0
    engine.forget()
    assert ask(engine, "a") == (text, 0)


def test_the_desk_tells_its_engine_only_of_tools_that_are_its_own() -> None:
    told: list[tuple[tuple[Turn, ...], str | None]] = []

    class Listening:
        def share_beginning(self, turns: list[Turn], *, adapter: str | None) -> None:
            told.append((tuple(turns), adapter))

    voices, tools = Voices(), [ToolLine("look", "Look at it.", ("image",))]
    voices.tell_desk(Listening(), "agent")
    assert told == []
    voices.share_desk(tools)
    voices.tell_desk(object(), "agent")  # an engine elsewhere
    voices.tell_desk(Listening(), "agent")
    assert told == [((Turn("system", decision_system(tools)),), "agent")]
