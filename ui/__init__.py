"""The chat page, in Streamlit."""
