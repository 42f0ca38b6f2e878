<<<<<<< HEAD
from .model.checkpoint import SegOptions as SegOptions
from .model.checkpoint import load_seg_model as load_seg_model
from .model.checkpoint import new_seg_model as new_seg_model
from .model.checkpoint import save_seg_model as save_seg_model
from .model.network import ImageFeatures as ImageFeatures
from .model.network import SegModel as SegModel
from .model.turns import AlignmentError as AlignmentError
from .model.turns import SegAlignment as SegAlignment
from .model.turns import SegToken as SegToken
from .model.turns import TurnSpan as TurnSpan
from .model.turns import align_seg_tokens as align_seg_tokens
from .model.turns import find_turns as find_turns
from .model.turns import last_hidden_states as last_hidden_states
from .model.turns import turn_mask_logits as turn_mask_logits
from .propagator import O3Propagator as O3Propagator
=======
from .model.chat import SegChat as SegChat
from .model.generation import Answer as Answer
from .model.generation import Conversation as Conversation
from .model.generation import Decoding as Decoding
from .model.generation import GenerationSession as GenerationSession
from .model.generation import generate as generate
from .model.generation import generate_batch as generate_batch
from .model.generation import hidden_states as hidden_states
from .model.reader import PromptReader as PromptReader
from .model.vision_cache import VisionCache as VisionCache
>>>>>>> work-o3chat
