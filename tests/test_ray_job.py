"""Jobs on many machines: whatever dies on the way, each picture is there once."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from typer.testing import CliRunner

from assistant import engines
from assistant.annotate import Annotation, Job, Task, ray_cluster
from assistant.annotate.ray_worker import TRIES, Annotator, Order, Receipt
from assistant.cli import app
from assistant.errors import InputError, StoreError
from assistant.settings import Settings
from tests import tiny
from tests.annotated import LABELS, ColourEngine, engine_as, start, write_folder

pa = pytest.importorskip("pyarrow", reason="pip install '.[cluster]' brings it")

from assistant.annotate.parquet import (  # noqa: E402
    compact,
    next_run,
    part_name,
    part_names,
    read_part,
    read_results,
    write_part,
)
from assistant.annotate.places import Place, open_place  # noqa: E402
from assistant.annotate.ray_job import annotate_on_ray  # noqa: E402
from assistant.annotate.ray_record import record_of  # noqa: E402

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="pip install '.[cluster]' brings Ray"
)
TASK = Task("label", labels=LABELS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "photos", 9, bad=2)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> ColourEngine:
    made = ColourEngine()
    monkeypatch.setattr(engines, "open_engine", lambda *_args, **_options: made)
    return made


def ordered(folder: Path | str, out: Path | str, **options: Any) -> Order:
    return Order(str(folder), str(out), options.pop("run", 1), TASK, **options)


def shard(place: str | Path, *names: str) -> Any:
    files, _ = open_place(str(place)).pictures()
    chosen = [file for file in files if not names or file.path in names]
    return pa.Table.from_pylist([asdict(file) for file in chosen])


def give(annotator: Annotator, table: Any) -> Receipt:
    (line,) = annotator(table)["receipt"]
    return Receipt.of(line)


def rows(*names: str, label: str = "red") -> list[Annotation]:
    return [Annotation(name, "0" * 64, label=label, size=1, modified_ns=2) for name in names]


# --- parts


@pytest.fixture(params=["folder", "file", "fsspec"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    beginning = {"folder": "", "file": "file://", "fsspec": "local://"}[request.param]
    return open_place(f"{beginning}{tmp_path}/out")


def test_a_part_comes_back_as_it_was(place: Place) -> None:
    found = Annotation(
        "ü/深/a\uef80.png", "ab" * 32, 40, 30, "red", "warm", 0.75, (("red", 0.75), ("blue", 0.25)),
        "It is red.", "aside", "Not sure.", "m", "a", "none", 123, 10**18,
    )  # fmt: skip
    write_part(place, "r0001-00.parquet", [found, Annotation("b.jpg", status="bad")])
    assert read_part(place, "r0001-00.parquet") == [found, Annotation("b.jpg", status="bad")]
    assert part_names(place) == ["r0001-00.parquet"]
    assert read_part(place, "r0001-11.parquet") == []


def test_of_a_picture_the_latest_run_counts(place: Place) -> None:
    write_part(place, "r0002-00.parquet", rows("b", "c", label="blue"))
    write_part(place, "r0001-ff.parquet", rows("a", "b"))
    write_part(place, "r0001-ee.parquet", rows("a"))
    expected = {"a": "red", "b": "blue", "c": "blue"}
    for _ in range(2):
        found = list(read_results(place))
        assert {row.image: row.label for row in found} == expected and len(found) == 3
        compact(place)
    assert len(part_names(place)) == 1 and next_run(place) == 3


def test_putting_together_may_end_anywhere(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        write_part(place, f"r0001-{number:02}.parquet", rows(f"{number}", "same"))
    monkeypatch.setattr("assistant.annotate.parquet._ROWS", 2)
    removed: list[str] = []
    remove = type(place).remove

    def stumble(self: Place, name: str) -> None:
        removed.append(name)
        if len(removed) == 3:
            raise KeyboardInterrupt
        remove(self, name)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(type(place), "remove", stumble)
        compact(place)
    for _ in range(2):
        assert sorted(row.image for row in read_results(place)) == ["0", "1", "2", "3", "same"]
        compact(place)


def test_the_name_of_a_part_is_that_of_its_pictures() -> None:
    pictures = [("a", 1, 2), ("b", 3, 4)]
    assert part_name(1, pictures) == part_name(1, pictures[::-1])
    assert part_name(1, pictures) != part_name(2, pictures)
    assert part_name(1, pictures) != part_name(1, [("a", 1, 2), ("b", 3, 5)])


def test_a_damaged_part_is_told(tmp_path: Path) -> None:
    place = open_place(str(tmp_path))
    write_part(place, "r0001-00.parquet", rows("a"))
    (tmp_path / "parquet" / "r0001-00.parquet").write_bytes(b"PAR1")
    with pytest.raises(StoreError, match=r"r0001-00\.parquet is damaged; remove it"):
        list(read_results(place))


def test_a_file_is_there_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = open_place(str(tmp_path))
    place.write("parquet/a.parquet", b"before")

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched, pytest.raises(StoreError, match="No space left"):
        patched.setattr(os, "fsync", full)
        place.write("parquet/a.parquet", b"after")
    assert place.read("parquet/a.parquet") == b"before"
    assert os.listdir(tmp_path / "parquet") == ["a.parquet"]
    (tmp_path / "parquet" / ".half-x").touch()
    assert place.names("parquet", "") == ["a.parquet"]
    place.sweep("parquet")
    assert os.listdir(tmp_path / "parquet") == ["a.parquet"]


def test_pictures_of_a_store_are_those_of_a_folder(folder: Path) -> None:
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "a.png").write_bytes(b"x")
    (folder / "notes.txt").write_text("no picture")
    here, _ = open_place(str(folder)).pictures()
    assert len(here) == 11
    for address in (f"file://{folder}", f"local://{folder}/"):
        there, _ = open_place(address).pictures()
        assert {(each.path, each.size) for each in there} == {(h.path, h.size) for h in here}


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("nonsense://a/b", "cannot be opened"),
        ("file:///no/such/place", "nothing at"),
        ("s3://key:secret@shop/photos", "leave it out"),
    ],
)
def test_an_address_that_is_none_is_told(address: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        open_place(address).pictures()


# --- workers


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("beginning", ["", "file://"])
def test_a_worker_publishes_what_one_process_finds(
    folder: Path, tmp_path: Path, beginning: str
) -> None:
    alone = start(folder, tmp_path / "alone")
    alone.run(engine_as(ColourEngine()))
    out = f"{beginning}{tmp_path}/out"
    annotator = Annotator(ordered(f"{beginning}{folder}", out))
    receipt = give(annotator, shard(f"{beginning}{folder}"))
    assert (receipt.done, receipt.same, receipt.bad, receipt.error) == (9, 0, 2, "")
    assert give(annotator, shard(f"{beginning}{folder}")).part == receipt.part
    found = {row.image: row for row in read_results(out)}
    expected = {row.image: row for row in alone.annotations()}
    assert found.keys() == expected.keys()
    for image, row in found.items():
        assert row.to_dict() == expected[image].to_dict()


def test_a_worker_that_cannot_work_says_why(folder: Path, tmp_path: Path) -> None:
    base = str(tmp_path / "none")
    receipt = give(Annotator(ordered(folder, tmp_path / "out", base=base)), shard(folder))
    assert base in receipt.error and not receipt.part


@pytest.mark.usefixtures("engine")
def test_another_model_does_not_go_on_with_a_job(folder: Path, tmp_path: Path) -> None:
    order = ordered(folder, tmp_path / "out", made_by=("another", None))
    assert "begun with another model" in give(Annotator(order), shard(folder)).error
    assert not list(read_results(str(tmp_path / "out")))


class Dead(BaseException):
    """The worker is gone."""


def test_a_picture_that_ends_workers_is_found(
    folder: Path, tmp_path: Path, engine: ColourEngine
) -> None:
    files = shard(folder)
    (deadly, *_) = (path for path in files["path"].to_pylist() if path.endswith("png"))
    deadly_id = (
        open_place(str(folder))
        .open_picture(
            next(file for file in open_place(str(folder)).pictures()[0] if file.path == deadly),
            Settings(),
        )[0]
        .id
    )

    def kill(image: Any) -> bool:
        if image.id == deadly_id:
            raise Dead
        return False

    engine.fails_on = kill
    deaths = 0
    while True:
        try:  # each time a new worker, as Ray starts one
            receipt = give(Annotator(ordered(folder, tmp_path / "out")), files)
            break
        except Dead:
            deaths += 1
    assert deaths == 3 and (receipt.done, receipt.bad) == (8, 3)
    (row,) = (row for row in read_results(str(tmp_path / "out")) if row.image == deadly)
    assert row.status == "bad" and "worker ended" in (row.trouble or "")
    assert open_place(str(tmp_path / "out")).names(TRIES, "") == []


def test_calls_of_a_worker_may_overlap(folder: Path, tmp_path: Path, engine: ColourEngine) -> None:
    annotator = Annotator(ordered(folder, tmp_path / "out"))
    names = [path for path in shard(folder)["path"].to_pylist() if path.endswith("png")]
    threads = [
        threading.Thread(target=give, args=(annotator, shard(folder, name))) for name in names
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(row.image for row in read_results(str(tmp_path / "out"))) == sorted(names)
    assert len(engine.seen) == 9


# --- what is known


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("beginning", ["", "file://"])
def test_what_was_published_before_a_kill_is_not_done_again(
    folder: Path, tmp_path: Path, beginning: str
) -> None:
    source, target = (
        open_place(f"{beginning}{folder}"),
        open_place(f"{beginning}{tmp_path}/out"),
    )
    files, _ = source.pictures()
    if not beginning:
        start(folder, tmp_path / "out")
    give(
        Annotator(ordered(source.name, target.name)),
        shard(source.name, *[each.path for each in files[:4]]),
    )
    good = {row.image for row in read_results(target) if row.status != "bad"}
    assert good
    with record_of(source, target, TASK, {}, Settings()) as record:
        record.take_over(files)
        assert {each.path for each in files if not record.is_due(each)} == good
    changed = folder / sorted(good)[0]
    os.utime(changed, ns=(1, 1))
    files, _ = source.pictures()
    with record_of(source, target, TASK, {}, Settings()) as record:
        record.take_over(files)
        kept = {each.path for each in files if not record.is_due(each)}
        assert kept == good - {changed.relative_to(folder).as_posix()}


@pytest.mark.usefixtures("engine")
def test_one_process_goes_on_with_what_workers_began(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    source, target = open_place(str(folder)), open_place(str(out))
    files, _ = source.pictures()
    with record_of(source, target, TASK, {}, Settings()) as record:
        receipt = give(
            Annotator(ordered(folder, out)), shard(folder, *[each.path for each in files[:6]])
        )
        record.note(receipt)
    again = ColourEngine()
    report = Job.open(out).run(engine_as(again))
    assert report.kept == receipt.done and len(again.seen) == 9 - receipt.done
    with record_of(source, target, TASK, {}, Settings()) as record:
        record.take_over(files)
        assert sum(record.is_due(each) for each in files) == 2  # the bad ones
        record.finish()
    assert {row.image for row in read_results(target)} == {each.path for each in files}


def test_another_job_is_not_gone_on_with(folder: Path, tmp_path: Path) -> None:
    source, target = open_place(f"file://{folder}"), open_place(f"file://{tmp_path}/out")
    for _ in range(2):
        with record_of(source, target, TASK, {}, Settings()):
            pass
    with (
        pytest.raises(InputError, match="another job"),
        record_of(source, target, replace(TASK, top=3), {}, Settings()),
    ):
        pass
    target.write("job.json", b"[]")
    with (
        pytest.raises(StoreError, match="is no job"),
        record_of(source, target, TASK, {}, Settings()),
    ):
        pass


# --- the cluster


def test_without_ray_it_is_said_what_to_install(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_cluster, "find_spec", lambda _name: None)
    with pytest.raises(InputError, match=r"pip install 'sightdesk\[cluster\]'"):
        annotate_on_ray(folder, tmp_path / "out", TASK)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--workers", "2"], "--workers goes with --ray"),
        (["--ray-address", "auto", "--out", "out"], "--ray-address goes with --ray"),
        (["--ray"], "Say with --out DIR"),
        (["--ray", "--out", "s3://shop/found", "--index"], "--index is for folders"),
    ],
)
def test_options_that_do_not_go_together_are_told(
    folder: Path, options: list[str], said: str
) -> None:
    for command in ("label", "describe"):
        result = CliRunner().invoke(app, [command, str(folder), *options])
        assert result.exit_code == 2 and said in result.stderr


@needs_ray
def test_an_address_for_clients_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="on one of its machines"):
        annotate_on_ray(folder, tmp_path / "out", TASK, address="ray://host:10001")


def family() -> Iterator[psutil.Process]:
    """The processes that Ray started for this one."""
    for process in psutil.Process().children(recursive=True):
        try:
            if process.status() != psutil.STATUS_ZOMBIE:
                yield process
        except psutil.NoSuchProcess:
            continue


def listeners() -> set[str]:
    """The addresses at which they listen."""
    found = set()
    for process in family():
        try:
            sockets = process.net_connections("inet")
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        found |= {each.laddr.ip for each in sockets if each.status == psutil.CONN_LISTEN}
    return found


def kill_a_worker() -> int:
    """One that has a model; its number."""
    for process in family():
        try:
            if "MapWorker" in " ".join(process.cmdline()):
                process.send_signal(signal.SIGKILL)
                return process.pid
        except psutil.NoSuchProcess:
            continue
    raise AssertionError("there is no worker")


@needs_ray
def test_a_worker_that_is_killed_loses_and_doubles_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = write_folder(tmp_path / "photos", 40, bad=2)
    base = str(tiny.directory())
    settings = Settings(base=base, device="cpu", quantize="none")
    before = set(os.listdir(tempfile.gettempdir()))
    killed: list[int] = []
    addresses: set[str] = set()

    def watch(_message: str, fraction: float | None) -> None:
        if fraction and not killed:
            addresses.update(listeners())
            killed.append(kill_a_worker())

    progress: Callable[[str, float | None], None] = watch
    report = annotate_on_ray(
        folder, tmp_path / "out", TASK, workers=2, settings=settings, progress=progress, shard=2
    )
    assert killed and report.processes >= 2 and not report.cancelled
    assert (report.total, report.done, report.bad) == (42, 40, 2)
    assert addresses and addresses <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}

    alone = start(folder, tmp_path / "alone")
    from assistant.engine import Engine

    alone.run(Engine.load(settings=settings))
    expected = sorted((row.image, row.image_id) for row in alone.annotations())
    assert sorted((row.image, row.image_id) for row in read_results(str(tmp_path / "out"))) == (
        expected
    )
    job = Job.open(tmp_path / "out")
    assert sorted((row.image, row.image_id) for row in job.annotations()) == expected
    lines = [json.loads(line)["image"] for line in job.results.read_text().splitlines()]
    assert len(lines) == len(set(lines)) == 42
    assert len(os.listdir(tmp_path / "out" / "parquet")) == 1
    assert pa.parquet.read_table(tmp_path / "out" / "parquet").num_rows == 42

    assert not list(family())
    assert not [name for name in set(os.listdir(tempfile.gettempdir())) - before if "ray" in name]
    assert capfd.readouterr().out == "" and "AUTOSCALER_METRIC_PORT" not in os.environ
    assert type(sys.stdout).__name__ != "_WithoutRay"
