"""The loaded models: which versions, how they are loaded, batched and warmed up."""
