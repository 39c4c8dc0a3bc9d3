"""RuuviTag and Ruuvi Air."""
