"""Talking to a server of language models: one JSON request, one answer, within bounds."""
