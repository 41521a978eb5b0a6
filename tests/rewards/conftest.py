"""The contract of reward sources is kept beside the bonuses."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "curiosity"))
