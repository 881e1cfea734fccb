"""Judgement: what an adapter is worth, how sure that is, and what it got wrong.

`run` puts the questions and gathers answers, `captions`, `questions` and `labels` make figures of
them with the intervals of `intervals`, `report` and `pictures` show them.
"""
