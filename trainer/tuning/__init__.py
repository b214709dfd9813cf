"""Hyper-parameter search with keras-tuner, behind TFX's Tuner."""
