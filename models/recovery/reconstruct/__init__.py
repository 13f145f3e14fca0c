"""A character vocabulary reconstructed from a model and a text in its language."""

from models.recovery.reconstruct.reconstruction import reconstruct
from models.recovery.reconstruct.reference_text import read_reference_text
from models.recovery.reconstruct.text_model import RecursiveTextModel
from models.recovery.reconstruct.vocabulary import ReconstructedCharacter, Reconstruction

__all__ = [
    "ReconstructedCharacter",
    "Reconstruction",
    "RecursiveTextModel",
    "read_reference_text",
    "reconstruct",
]
