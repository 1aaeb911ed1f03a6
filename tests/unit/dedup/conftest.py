"""Lets the tests beside this file import the slow twin and the corpora."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
