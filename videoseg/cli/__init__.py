"""The command line, and the parts of it that commands of plug-ins use.

A plug-in declares its commands through the hook ``videoseg_commands``. Their functions build on
the names below, so that every command of ``videoseg`` has the same options, messages and output.
Each name is imported when it is first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
