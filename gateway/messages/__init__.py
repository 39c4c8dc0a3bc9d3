"""The one catalogue of what people read, Russian and English."""
