import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
# The blocks of the guides, which are run there.
sys.path.append(str(Path(__file__).parents[1] / "EndToEnd"))
