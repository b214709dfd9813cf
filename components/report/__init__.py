"""Report: one page that says why a model was pushed or refused."""
