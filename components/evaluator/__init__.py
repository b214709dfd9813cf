"""Evaluator: measures the model with TensorFlow Model Analysis and holds it to its bounds."""
