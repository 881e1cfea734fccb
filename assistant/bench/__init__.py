"""A benchmark that anyone can run: this engine, plain transformers and llama.cpp, turn about.

    values.py      figures, spreads, ratios (speed-ups, larger is better) and bars
    task.py        what all are given: photo, questions, texts of exact lengths
    ours.py        this engine
    plain.py       transformers' own generate in bfloat16
    llamacpp.py    llama.cpp on the same GGUF
    roofline.py    what memory and products of the machine allow
    processes.py   cold start and memory, in processes of their own
    child.py       what runs in such a process
    rounds.py      turn about
    running.py     a whole benchmark
    report.py      its table and its JSON

It measures and never judges by a time: where a figure misses its bar, that is said and no more.
Imports are heavy: a command imports `assistant.bench.running` when it runs.
"""
