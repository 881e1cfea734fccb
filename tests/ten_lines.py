from langchain.agents import create_agent

from assistant import ChatLlava, Desk, build_tools, image_block
from assistant.demo import SHOP  # or a folder of your own: pages, products, photos

desk = Desk.open()
desk.add_knowledge(SHOP)
photo = image_block(SHOP / "pictures" / "Granny-Smith.webp")
agent = create_agent(ChatLlava(), build_tools(desk))
question = {"role": "user", "content": [{"type": "text", "text": "Where is this from?"}, photo]}
print(agent.invoke({"messages": [question]})["messages"][-1].text)
