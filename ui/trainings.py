"""Trainings as the page sees them: listed, started, stopped, resumed, compared.

All it knows stands in files, a folder a training: the curves that the command writes, what it
printed, and who it is (`ui.jobs`). So a training that was started in a terminal is here as well,
and one that was killed is seen to have been. It knows nothing of Streamlit.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from adapters.tune.curves import STAGES, read_log
from assistant.adapter_files import NAME, known_adapters
from assistant.errors import InputError
from assistant.settings import Settings, get_settings
from ui import jobs
from ui.jobs import Job
from ui.training import ACTIVE, RECIPE, Entry, Order, Plan, Stage, State, Training, number

CHAT: Final = "chat"
"""The data set of what was judged in the chat."""

COMPARE: Final = "compare"
REPORT: Final = "report.html"
MOST: Final = 50
"""Trainings that are listed."""

_FLAGS = ("encoder", "projector", "language", "quantize", "seed")
_PLAN = "plan.json"


class Trainings:
    """The trainings of this machine.

    Args:
        folder: holds a folder a training.
        program: how `sightdesk` is called; by default this installation's.
    """

    def __init__(self, folder: Path, program: Sequence[str] | None = None) -> None:
        self.folder = folder
        self.program = tuple(program if program is not None else jobs.sightdesk())

    @classmethod
    def of(cls, settings: Settings | None = None) -> Trainings:
        """Those in the data folder, where the command puts them by default."""
        return cls((settings or get_settings()).data_dir / "trainings")

    def entries(self) -> list[Entry]:
        """The newest trainings, the newest first."""
        try:
            folders = [path for path in self.folder.iterdir() if NAME.fullmatch(path.name)]
        except OSError:
            return []
        found = [entry for path in folders if (entry := self._entry(path)) is not None]
        return sorted(found, key=lambda entry: entry.started, reverse=True)[:MOST]

    def _entry(self, folder: Path) -> Entry | None:
        job = jobs.look(folder, briefly=True)
        if job is None and not (folder / RECIPE).exists():
            return None
        return Entry(folder.name, _state(folder, job), _started(folder, job))

    def get(self, name: str) -> Training | None:
        """A training in full; None where there is none of that name."""
        folder = self.folder / name
        if not NAME.fullmatch(name) or self._entry(folder) is None:
            return None
        job = jobs.look(folder)
        stages = {stage: log for stage in STAGES if (log := read_stage(folder, stage)).steps}
        told = jobs.read_events(folder / _PLAN).get("result")
        told = told if job is None else job.events.get("plan", told)
        return Training(
            name=name,
            folder=folder,
            state=_state(folder, job),
            started=_started(folder, job),
            command=() if job is None else job.note.command,
            plan=None if told is None else Plan.read(told),
            phase=None if job is None else _phase(job),
            stages=stages,
            error="" if job is None else job.error,
        )

    def free_name(self, wanted: str) -> str:
        """`wanted`, or with a number after it where a training or an adapter has that name."""
        taken = {name.casefold() for name in known_adapters(get_settings())}
        taken |= {entry.name.casefold() for entry in self.entries()}
        name, number = wanted, 1
        while name.casefold() in taken:
            number += 1
            name = f"{wanted}-{number}"
        return name

    def check_name(self, name: str) -> None:
        """Whether a new training can be called so.

        Raises:
            InputError: it is no name for a folder, or it is taken.
        """
        if not NAME.fullmatch(name) or name.endswith((".", ".partial")):
            raise InputError(
                f"An adapter cannot be called {name[:100]!r}; use letters, digits, '.', '_' and "
                "'-', a letter or digit first."
            )
        if name.casefold() in {known.casefold() for known in known_adapters(get_settings())}:
            raise InputError(f"There is an adapter {name!r} already; choose another name.")
        entry = self._entry(self.folder / name)
        if entry is not None and ((self.folder / name / RECIPE).exists() or entry.state in ACTIVE):
            raise InputError(f"There is a training {name!r} already; choose another name.")

    def command(self, order: Order) -> list[str]:
        """The argument list that trains this; paths in it are absolute."""
        words = [*self.program, "adapters", "train", order.data]
        words += ["--preset", order.preset, "--name", order.name]
        for option, value in (("--val", order.validation), ("--replay", order.replay)):
            words += [option, value] if value else []
        for name, value in order.knobs.items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            words += [f"--{name}", text] if name in _FLAGS else ["--set", f"{name}={text}"]
        return [*words, "--json"]

    def start(self, order: Order) -> None:
        """Start a training.

        Raises:
            InputError: the name is taken, or the command cannot be started.
        """
        self.check_name(order.name)
        jobs.start(self.folder / order.name, self.command(order))

    def stop(self, name: str, *, at_once: bool = False) -> None:
        """Ask a training to save and end, or end it at once: then a minute's work is lost."""
        if NAME.fullmatch(name):
            jobs.stop(self.folder / name, at_once=at_once)

    def resume_command(self, training: Training) -> list[str]:
        """What goes on with a training, or begins it again where it had not begun; may be empty."""
        if "adapters" not in training.command:
            return []
        words = list(training.command[training.command.index("adapters") :])
        words = [*self.program, *(word for word in words if word != "--resume")]
        words += [] if "--json" in words else ["--json"]
        return [*words, "--resume"] if training.begun else words

    def resume(self, training: Training) -> None:
        """Go on with a training.

        Raises:
            InputError: nobody noted its command, it runs, or it cannot be started.
        """
        command = self.resume_command(training)
        if not command:
            raise InputError(
                f"It is not known how {training.name!r} was started; go on with it in a terminal, "
                "with the options that it was given, and --resume."
            )
        job = jobs.look(training.folder, briefly=True)
        within = Path(job.note.folder) if job is not None else None
        jobs.start(training.folder, command, within=within)

    # --- comparing

    def compare_command(self, training: Training, data: str, limit: int) -> list[str]:
        """What judges the adapter beside the base; the name where it is installed."""
        installed = training.name in known_adapters(get_settings())
        which = training.name if installed else str(training.folder / "adapter")
        words = [*self.program, "adapters", "evaluate", which, "--data", data]
        words += ["--against", "embedded", "--html", str(self.report(training))]
        return [*words, *(["--limit", str(limit)] if limit else []), "--json"]

    def compare(self, training: Training, data: str, limit: int) -> None:
        """Start a comparison.

        Raises:
            InputError: one runs, or it cannot be started.
        """
        command = self.compare_command(training, data, limit)
        jobs.start(training.folder / COMPARE, command)

    def comparison(self, training: Training) -> Job | None:
        """The comparison that runs or ran last."""
        return jobs.look(training.folder / COMPARE)

    def stop_comparison(self, training: Training) -> None:
        """End the comparison that runs."""
        jobs.stop(training.folder / COMPARE)

    def report(self, training: Training) -> Path:
        """Where the comparison's page is, once it is written."""
        return training.folder / COMPARE / REPORT


def read_stage(folder: Path, stage: str) -> Stage:
    """What a stage has logged; empty where nothing can be read."""
    try:
        steps, losses, scores = read_log(folder, stage)
        return Stage(steps, losses, scores, _last_seconds(folder / f"{stage}.csv"))
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        return Stage([], [], [])


def _last_seconds(file: Path) -> float:
    """Seconds of training at the last whole row."""
    found = 0.0
    for line in jobs.tail(file, 2**12).splitlines()[1:]:
        parts = line.split(",", 4)
        if len(parts) == 5:
            found = float(parts[3] or found)
    return found


def clean_path(text: str) -> str:
    """A path as people paste it: quotes, ``file://`` and ``~`` understood; absolute.

    Raises:
        InputError: it is no path.
    """
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1]
    if text.startswith("file://"):
        text = unquote(urlsplit(text).path)
    if not text:
        return ""
    try:
        return str(Path(text).expanduser().absolute())
    except (RuntimeError, ValueError, OSError) as error:
        raise InputError(f"{text[:200]!r} is no path ({error}); correct it.") from error


def _state(folder: Path, job: Job | None) -> State:
    if job is None:
        return "done" if (folder / "adapter" / "sightdesk.json").exists() else "interrupted"
    if job.state == "running":
        begun = any((folder / f"{stage}.csv").exists() for stage in STAGES)
        return "running" if begun else "starting"
    return job.state


def _started(folder: Path, job: Job | None) -> datetime:
    if job is not None:
        try:
            return datetime.fromisoformat(job.note.started)
        except ValueError:
            pass
    try:
        return datetime.fromtimestamp(folder.stat().st_mtime, UTC)
    except OSError:
        return datetime.fromtimestamp(0, UTC)


def _phase(job: Job) -> tuple[str, float] | None:
    """What is being done, where that is not steps: told last, and not yet whole."""
    if not job.events or not job.active or next(reversed(job.events)) != "progress":
        return None
    event = job.events["progress"]
    fraction = number(event.get("fraction"))
    return (str(event.get("message", ""))[:200], min(max(fraction, 0.0), 1.0))
