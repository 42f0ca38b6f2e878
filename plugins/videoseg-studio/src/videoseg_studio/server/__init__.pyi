from .app import create_app as create_app
from .app import serve_app as serve_app
from .errors import RequestError as RequestError
from .paths import resolve_in_folder as resolve_in_folder
from .settings import Settings as Settings
