"""The commands ``videoseg serve`` and ``videoseg studio``."""
