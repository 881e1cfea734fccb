"""The text in a picture: receipts, labels, error screens; English, Chinese and what is near them.

Reading is RapidOCR's, with the models inside its package: nothing is fetched. The order of what was
read is ours, see `assistant.ocr.order`.

    >>> reading = read(open_image("receipt.jpg"))
    >>> reading.text, reading.lines[0].box
"""

from assistant.ocr.reader import read
from assistant.ocr.values import Line, Reading

__all__ = ["Line", "Reading", "read"]
