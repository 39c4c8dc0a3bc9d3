"""PMS5003: dust, PM1.0, PM2.5 and PM10, and how many particles of what size."""
