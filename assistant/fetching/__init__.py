"""Pictures by their address on the web, for a server that strangers give addresses to.

    data = fetch_picture("https://shop.example/tin.jpg", settings)

Off unless `Settings.fetch_urls`. An address can name what only this machine can reach: itself, its
network, the credentials that a cloud gives its machines. So the name is resolved once, all of its
addresses are judged (`addresses`), and the connection is made to one of those (`connecting`), for
each redirect again (`fetch`).
"""

from assistant.fetching.connecting import Resolver
from assistant.fetching.fetch import Fetcher, fetch_picture

__all__ = ["Fetcher", "Resolver", "fetch_picture"]
