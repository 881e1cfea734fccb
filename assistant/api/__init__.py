"""The HTTP server: OpenAI's API, threads, tickets and the widget, safe to face the internet."""
