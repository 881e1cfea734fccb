"""Training of the adapter that runs the support desk: choosing tools, answering from passages.

words.py      product names, countries and other values that facts are made of
attributes.py what products have: how it is written, asked for and answered
more_attributes.py, nutrients.py   the rest of them, and the lines of nutrition tables
descriptions.py   sentences on taste, use and looks, and questions for each (descriptions.json)
products.py   invented products and what their passages say
answers.py    sources with questions: what to answer, what to leave unknown
tools.py      the desk's tools and foreign ones (tools.jsonl)
requests.py   what customers ask for, and the steps that it takes
trees.py      all of it as packed prompts
task.py       the training task and its held-out scores
run.py        a training from beginning to end
"""
