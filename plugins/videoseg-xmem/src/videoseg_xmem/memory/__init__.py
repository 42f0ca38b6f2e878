"""XMem's memory, and the parts that memories of keys and values share. Imports torch."""

from videoseg_xmem.memory.bank import EncodedKeys, MemoryBank
from videoseg_xmem.memory.keys import KeyFrame, LongTermKeys
from videoseg_xmem.memory.memory import Memory
from videoseg_xmem.memory.values import ObjectGroup, ValueFrame, choose_prototypes

__all__ = [
    "EncodedKeys",
    "KeyFrame",
    "LongTermKeys",
    "Memory",
    "MemoryBank",
    "ObjectGroup",
    "ValueFrame",
    "choose_prototypes",
]
