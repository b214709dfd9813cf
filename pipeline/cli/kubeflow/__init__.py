"""Commands that compile, rehearse, submit and watch the pipeline."""
