"""Pusher: publishes a blessed model atomically in the model server's folder."""
