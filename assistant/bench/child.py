"""What runs in a process of its own: load a model, answer, say when and with how much memory.

    python -m assistant.bench.child '{"contender": "sightdesk", "photo": "FILE", "base": null, …}'

It prints a line when the first word is there, and at its end a line with bytes: `steady` is what is
resident after three answers, `peak` the most that ever was.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

_SETTLING_S = 0.3  # what is done after an answer is over by then
_ANSWER = 32


def main(given: dict[str, Any]) -> None:
    """Answer as the contender that is named."""
    (ours if given["contender"] == "sightdesk" else plain)(given)
    time.sleep(_SETTLING_S)
    print(json.dumps({"steady": resident(), "peak": peak()}), flush=True)


def say_first_word() -> None:
    """Tell whoever started this process."""
    print("first word", flush=True)


def ours(given: dict[str, Any]) -> None:
    """Load this engine and answer three questions about a photo."""
    from assistant.images import open_image

    photo = open_image(given["photo"])

    from assistant.engine import Engine, Sampling, Turn

    engine = Engine.load(given["base"], given["adapter"], quantize=given["quantize"])
    for number, question in enumerate(("What is it?", "What colour is it?", "Where is it?")):
        turns = [Turn("user", question, (photo.id,))]
        seen = engine.encode_image(photo)
        with engine.stream(turns, [seen], sampling=Sampling(max_tokens=_ANSWER)) as stream:
            next(stream, "")
            if not number:
                say_first_word()
            for _ in stream:
                pass


def plain(given: dict[str, Any]) -> None:
    """The same with plain transformers."""
    import torch

    from assistant.bench.plain import load_plain
    from assistant.images import open_image
    from assistant.settings import get_settings

    settings = get_settings()
    cuda = settings.device != "cpu" and torch.cuda.is_available()
    base = load_plain(
        given["base"] or settings.base,
        given["adapter"] or settings.adapter or None,
        settings,
        torch.device("cuda" if cuda else "cpu"),
    )
    photo, model, processor = open_image(given["photo"]), base.model, base.processor
    for number, question in enumerate(("What is it?", "What colour is it?", "Where is it?")):
        words = [{"type": "image"}, {"type": "text", "text": question}]
        prompt = processor.apply_chat_template(
            [{"role": "user", "content": words}], add_generation_prompt=True
        )
        inputs = processor(images=[photo.pixels], text=[prompt], return_tensors="pt")
        inputs = inputs.to(model.device, torch.bfloat16)
        generate: Any = model.generate
        for tokens in (1, _ANSWER) if not number else (_ANSWER,):
            generate(**inputs, do_sample=False, max_new_tokens=tokens)
            if tokens == 1:
                say_first_word()


def resident() -> int:
    """Bytes of this process that are in memory."""
    import psutil

    return int(psutil.Process().memory_info().rss)


def peak() -> int:
    """The most bytes of this process that ever were."""
    if sys.platform == "linux":  # what getrusage says there may be the parent's
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    import resource

    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)  # bytes on macOS


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
