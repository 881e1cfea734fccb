"""Question–answer pairs and description requests derived from captions, without a model.

nouns, relations, verbs, forms, vocabulary
                           the words that the reader knows and how they relate
captions                   one caption → noun phrases, subject, action
phrases                    what its subject does, cut short
people, scene              the captions of one picture, compared
attributes, activities     colours and numbers; who does what, where
descriptions               short and detailed descriptions
templates, unanswerable    the wordings of questions
asking, generator          CaptionQuestions: facts and wordings → pairs, seeded
"""

from adapters.questions.cleaning import clean_caption
from adapters.questions.generator import CaptionQuestions
from adapters.questions.pairs import CANT_TELL, KINDS, QA, Kind

__all__ = ["CANT_TELL", "KINDS", "QA", "CaptionQuestions", "Kind", "clean_caption"]
