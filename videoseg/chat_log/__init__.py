"""What was asked of a chat model and what it answered, kept as lines of JSON."""

from videoseg.chat_log.exchange import (
    Exchange,
    Match,
    Request,
    pixels_digest,
    read_exchanges,
    well_formed_reply,
    write_line,
)
from videoseg.chat_log.recording import RecordingChat

__all__ = [
    "Exchange",
    "Match",
    "RecordingChat",
    "Request",
    "pixels_digest",
    "read_exchanges",
    "well_formed_reply",
    "write_line",
]
