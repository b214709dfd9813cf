"""Pusher: makes a blessed model the served one, whole or not at all."""
