"""The HTTP server that the page and the service share: settings, safety, errors."""

from videoseg_studio.server.app import create_app, serve_app
from videoseg_studio.server.paths import resolve_in_folder
from videoseg_studio.server.settings import Settings

__all__ = ["Settings", "create_app", "resolve_in_folder", "serve_app"]
