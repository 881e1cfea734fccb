"""The desk for MCP clients: its tools, the whole agent, pictures and passages as resources.

    sightdesk mcp                          # for a client that starts it and speaks on its pipes
    sightdesk mcp --http --port 8765       # for clients on this machine, at /mcp

With the official SDK's low-level server, so that schemas, errors and cancelling are ours:

    shapes.py      what each tool takes and gives, as JSON schemas
    tools.py       the tools: those of `assistant.tools`, and add_image
    asking.py      ask_desk and hand_over: conversations and people
    pictures.py    a picture by id, as base64, or in a folder that the client opened
    contents.py    words, small pictures and links as MCP shows them
    resources.py   sightdesk://image/… and sightdesk://passage/…
    prompts.py     what a person can pick from a client's menu
    progress.py    notifications while something takes long
    desks.py       whose desk it is, and what is still being loaded
    work.py        one call: whose, on which desk, with which progress
    server.py      all of it together
    stdio.py       pipes, with nothing but messages on standard output
    http.py        `mcp_app`, to stand alone or inside `sightdesk serve`

Everything that a client sends is untrusted; what it may see is its tenant's alone.
"""
