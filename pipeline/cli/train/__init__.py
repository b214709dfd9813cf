"""Commands that train (`run`, `compare`) or show settings, networks and curves."""
