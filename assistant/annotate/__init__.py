"""Labels and descriptions for whole folders: jobs that can be stopped and gone on with.

>>> job = Job.start(Path("photos"), Path("found"), Task("label", labels=("cat", "dog")))
>>> job.run(engine)
>>> write_as(job, "csv", Path("labels.csv"))
"""

from assistant.annotate.annotating import annotate_pictures
from assistant.annotate.formats import FORMATS, Written, write_as
from assistant.annotate.job import Job, find_job, known_jobs
from assistant.annotate.running import Report
from assistant.annotate.seeing import engine_for
from assistant.annotate.values import Annotation, Task

__all__ = [
    "FORMATS",
    "Annotation",
    "Job",
    "Report",
    "Task",
    "Written",
    "annotate_pictures",
    "engine_for",
    "find_job",
    "known_jobs",
    "write_as",
]
