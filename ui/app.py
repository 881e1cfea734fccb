"""The pages: the chat, one to train an adapter on one's own photos, one for tickets.

    streamlit run ui/app.py

This script runs each time anything is pressed, and runs the page that the address names.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from ui.session import get_courier

HERE = Path(__file__).parent


def main() -> None:
    """Run the page that is open."""
    pages = [
        st.Page(HERE / "chat.py", title="Sightdesk", default=True),
        st.Page(HERE / "train.py", title="Sightdesk", url_path="train"),
        st.Page(HERE / "find.py", title="Sightdesk", url_path="find"),
        st.Page(HERE / "tickets.py", title="Sightdesk", url_path="tickets"),
        st.Page(HERE / "review.py", title="Sightdesk", url_path="review"),
    ]
    get_courier()
    # Each page has links to the others in its own sidebar.
    st.navigation(pages, position="hidden").run()


if __name__ == "__main__":
    main()
