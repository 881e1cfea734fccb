from assistant import ImageIndex, ImageIndexRetriever
from assistant.demo import SHOP  # or a folder of your own

index = ImageIndex.open()
index.add(SHOP / "pictures")  # what did not change since is left alone
retriever = ImageIndexRetriever(index=index, k=3)
for photo in retriever.invoke("a bunch of bananas"):
    print(f"{photo.metadata['likelihood']:.0%}", photo.page_content)
