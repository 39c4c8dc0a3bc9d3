"""SDS011: dust, PM2.5 and PM10."""
