"""Trains a network: input, augmentation, optimizer, callbacks, checkpoints, history."""
