"""A site's traffic, taken home and served back."""
