"""Commands that compile, rehearse and submit the pipeline."""
