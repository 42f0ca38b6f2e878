# The names of the package: __init__.py loads each from here when it is first used.
from .errors import NonFiniteError as NonFiniteError
from .errors import RepeatedQuestionError as RepeatedQuestionError
from .errors import TrainingError as TrainingError
from .policy import EpisodeChat as EpisodeChat
from .policy import Policy as Policy
from .policy import PolicyChat as PolicyChat
from .policy import Step as Step
from .rollout import Rollout as Rollout
from .rollout import Stages as Stages
from .rollout import record_demonstrations as record_demonstrations
from .rollout import run_rollouts as run_rollouts
from .samples import TrainingSample as TrainingSample
from .sequences import TrainingSequence as TrainingSequence
from .sequences import make_sequences as make_sequences
