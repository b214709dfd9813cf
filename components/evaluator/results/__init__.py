"""Reads TFMA's output into typed values, for the Pusher, the Report and the runners."""
