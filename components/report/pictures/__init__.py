"""The pictures of a report: which are shown, and what the network looked at in them."""
