"""Which images may be labelled wrongly, and the page on which people decide about them."""
