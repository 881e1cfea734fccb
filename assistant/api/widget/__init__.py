"""The chat widget's side of the server: one script for any page, and what that script talks to.

    install(app, service)                  # GET /widget.js, GET /widget/demo, /widget/v1/…

A page of an allowed origin (`Settings.widget_origins`) gets a token for its visitor, who may then
ask, send photos and read their own conversations, and nothing of anybody else's. No cookie is set
or read. The parts:

    origins.py    which web sites may ask, for which tenant, and what a browser is told of it
    tokens.py     who a visitor is: signed, short-lived, bound to origin and tenant
    rates.py      how often, by visitor and by address
    bodies.py     what is read of a request, within bounds
    answers.py    an answer goes on while its reader's connection or page changes
    threads.py    a visitor's conversations, as the script draws them
    routes.py     the paths that a token opens
    pages.py      the script and the demo
"""

from assistant.api.widget.door import Widget, install

__all__ = ["Widget", "install"]
