"""Evaluator: measures the model with TensorFlow Model Analysis and checks it against bounds."""
