"""The model that says ``[SEG]``: a vision-language model, a projector and SAM 2.

Imported late: the modules here import torch.
"""
