"""The calls of PredictionService: from request to session and back."""
