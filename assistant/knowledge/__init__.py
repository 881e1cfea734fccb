"""What the desk knows: documents as passages that an answer can cite, found by words and meaning.

    knowledge = Knowledge.open()
    knowledge.add("shop/")                    # Markdown, text, HTML, PDF, DOCX, CSV, JSON lines
    for hit in knowledge.search("can I bring back opened milk?"):
        print(hit.score, hit.passage.title, hit.passage.text)
    knowledge.remove("returns.md")            # passages, vectors, words and pictures are gone

Rows are in the store's database; what makes the search quick is made from them (`finders`).
"""

from assistant.knowledge.core import Knowledge
from assistant.knowledge.values import Added, Document, Hit, Passage, Product

__all__ = ["Added", "Document", "Hit", "Knowledge", "Passage", "Product"]
