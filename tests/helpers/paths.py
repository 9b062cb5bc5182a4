"""Where the checkout is."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
GATES = ROOT / "export" / "gate" / "gates.yaml"
QUICK_GATES = "--gates=gates_quick"
