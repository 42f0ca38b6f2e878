from .server import Settings as Settings
from .server import create_app as create_app
from .server import resolve_in_folder as resolve_in_folder
from .server import serve_app as serve_app
