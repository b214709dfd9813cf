"""Commands that look back: `report`, `history`, `rollback`."""
