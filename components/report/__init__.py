"""The report: why a model was pushed or refused, in one page."""
