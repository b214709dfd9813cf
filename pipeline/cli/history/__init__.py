"""Commands about past runs: `report`, `history`, `rollback`."""
