"""Names that a SavedModel's callers know: light to import, and free of the code behind them."""

DEFAULT_SIGNATURE = "serving_default"
"""Encoded images to the top-k breeds; model servers use it where none is named."""
EVAL_SIGNATURE = "evaluate"
"""Serialized `tf.train.Example`s to probabilities, for TensorFlow Model Analysis."""
CLASSIFY_SIGNATURE = "classify"
"""Serialized `tf.train.Example`s to the top-k breeds, for TensorFlow Serving's Classify."""
SALIENCY_SIGNATURE = "saliency"
"""Encoded images to Grad-CAM heat maps; networks without a feature map lack it."""
IS_KNOWN = "is_known"
"""Output of the first two: whether an image is like those that the model learned from. A model
without calibration lacks it."""
