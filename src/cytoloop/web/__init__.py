"""The web face of the app: server-rendered pages in two languages. No logic of its own."""
