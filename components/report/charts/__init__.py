"""The report's charts: plain data for Plotly's script, which draws them in the page."""
