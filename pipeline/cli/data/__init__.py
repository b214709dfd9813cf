"""Commands that make records: `convert`, `sample`."""
