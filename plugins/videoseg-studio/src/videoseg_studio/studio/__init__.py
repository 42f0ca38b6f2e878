"""The page: ask, look and correct. Its routes are under ``/studio``, the page itself is ``/``.

``workspace`` opens videos and their projects, ``work`` runs what takes long and tells of it,
``frames`` makes pictures, ``routes`` is the part that speaks HTTP. The files that the browser
loads are in ``videoseg_studio/page``.
"""

from videoseg_studio.studio.routes import mount_studio
from videoseg_studio.studio.workspace import is_picture_folder

__all__ = ["is_picture_folder", "mount_studio"]
