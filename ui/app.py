"""The pages: the chat, and one to train an adapter on one's own photos.

    streamlit run ui/app.py

This script runs each time anything is pressed, and runs the page that the address names.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

HERE = Path(__file__).parent


def main() -> None:
    """Run the page that is open."""
    pages = [
        st.Page(HERE / "chat.py", title="Sightdesk", default=True),
        st.Page(HERE / "train.py", title="Sightdesk", url_path="train"),
    ]
    # Each page has a link to the other in its own sidebar.
    st.navigation(pages, position="hidden").run()


if __name__ == "__main__":
    main()
