"""Where the checkout is."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
QUICK_GATES = f"--gates={ROOT / 'export' / 'gate' / 'gates_quick.yaml'}"
