"""Two high-precision routes to certified values."""
