"""Pictures of a training: filters, feature maps, predictions."""
