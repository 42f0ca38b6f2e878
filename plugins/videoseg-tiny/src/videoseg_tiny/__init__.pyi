# The names of the package: __init__.py loads each from here when it is first used.
from .architecture import new_model as new_model
from .architecture import new_processor as new_processor
from .chat import TinyChat as TinyChat
from .demonstrations import Demonstration as Demonstration
from .demonstrations import Demonstrator as Demonstrator
from .teacher import Teacher as Teacher
from .vocabulary import find_unknown_words as find_unknown_words
from .vocabulary import new_tokenizer as new_tokenizer
