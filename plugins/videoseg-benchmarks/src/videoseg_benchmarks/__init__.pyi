# The names of the package: __init__.py loads each from here when it is first used.
from .davis import Davis2016 as Davis2016
from .davis import Davis2017 as Davis2017
from .groundmore import GroundMoRe as GroundMoRe
from .long_rvos import LongRvos as LongRvos
from .mevis import Mevis as Mevis
from .reasonseg import ReasonSeg as ReasonSeg
from .reasonvos import ReasonVos as ReasonVos
from .ref_davis17 import RefDavis17 as RefDavis17
from .ref_youtube_vos import RefYoutubeVos as RefYoutubeVos
from .refcoco import Grefcoco as Grefcoco
from .refcoco import Refcoco as Refcoco
from .refcoco import Refcocog as Refcocog
from .refcoco import RefcocoPlus as RefcocoPlus
from .revos import RefSav as RefSav
from .revos import Revos as Revos
