"""Turn raw crawls into the training data of language models."""

__version__ = "0.1.0"
